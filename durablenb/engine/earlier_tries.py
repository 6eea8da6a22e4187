"""The earlier attempts of calls that are made again after a crash or a rewind."""

from __future__ import annotations

from collections.abc import Iterable

from durablenb.core.ports.store import Store
from durablenb.engine.attempt_writer import AttemptWriter
from durablenb.model.activities import EarlierTries
from durablenb.model.payloads import disclosed


def earlier_tries(
    store: Store, writer: AttemptWriter, instance_ids: Iterable[str]
) -> dict[str, dict[str, EarlierTries]]:
    """Return what the known tries leave to the next ones, by execution and by the key of the call."""
    found: dict[str, dict[str, EarlierTries]] = {}
    attempts = [*store.attempts(list(instance_ids)), *writer.rows()]
    for attempt in sorted(attempts, key=lambda attempt: attempt.attempt):
        checkpoint = None if attempt.checkpoint is None else disclosed(attempt.checkpoint)
        tries = EarlierTries(attempt.attempt, attempt.attempt - attempt.retry, checkpoint)
        found.setdefault(attempt.execution_id, {})[attempt.key] = tries
    return found
