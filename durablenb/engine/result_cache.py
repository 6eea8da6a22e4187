"""Remembered results of activities: which call gets one, and which call has to run."""

from __future__ import annotations

import inspect
import logging

from durablenb.core.registry import Activity
from durablenb.engine.jobs import ActivityFinished, ActivityJob
from durablenb.engine.keys.call_keys import CallKeys
from durablenb.engine.services import EngineServices
from durablenb.engine.write_buffer import WriteBuffer
from durablenb.model.arguments import Arguments
from durablenb.model.caching import CachedCall, CachedResult, CacheKey, CachePolicy, CodePart
from durablenb.model.errors import StoreError
from durablenb.model.names import folded

log = logging.getLogger("durablenb")

KEPT_CHARACTERS = 4_096
"""Longer results aren't kept in memory: a call that gets one reads it from the journal."""


class ResultCache:
    """The index of remembered results, and the calls that wait for an equal call.

    Parameters
    ----------
    services
        The services of the engine.
    buffer
        Takes new results, together with the events that they come from.

    Notes
    -----
    The index is read when the first call asks for it. It has what the tables will have: results are added
    when their events are written to the buffer. A call that uses one is behind it in the journal, so that no
    crash can keep the one without the other.
    """

    def __init__(self, services: EngineServices, buffer: WriteBuffer) -> None:
        self.keys = CallKeys()
        self._store = services.store
        self._clock = services.clock
        self._codec = services.options.codec
        self._buffer = buffer
        self._results: dict[str, CachedResult] | None = None
        self._known_codes: set[str] = set()
        self._running: dict[str, ActivityJob] = {}
        self._digests: dict[ActivityJob, str] = {}  # of the running ones
        self._waiting: dict[str, list[ActivityJob]] = {}

    # -- calls ask -------------------------------------------------------------------------------

    def recall(self, job: ActivityJob, activity: Activity) -> ActivityFinished | None:
        """Return the end of a call that an equal call has made already; None if it has to run."""
        policy = activity.cache
        if policy is None:
            return None
        key = job.cache_key = self.keys.of(job, activity)
        job.reason = None
        try:
            found = None if key is None else self._index().get(key.digest)
            return None if found is None else self._end(job, found, policy)
        except StoreError:  # the call runs instead
            return None

    def _end(self, job: ActivityJob, found: CachedResult, policy: CachePolicy) -> ActivityFinished | None:
        """Return the end of a call for which there is a result, unless that is too old, or isn't wanted."""
        now = self._clock.now()
        if self._is_refreshed(job, policy):
            job.reason = "refreshed"
        elif policy.expires is not None and now - found.timestamp >= policy.expires:
            job.reason = "expired"
        else:
            text = self._result_text(found)
            if text is not None:
                return ActivityFinished(job, text, None, now, cached_from=found.origin)
        return None

    def waits(self, job: ActivityJob) -> bool:
        """Let a call wait if an equal one is running; else note that it is about to run itself."""
        key = job.cache_key
        if key is None or job.reason == "refreshed":
            return False
        running = self._running.setdefault(key.digest, job)
        if running is job:
            self._digests[job] = key.digest
            return False
        self._waiting.setdefault(key.digest, []).append(job)
        return True

    def released(self, job: ActivityJob) -> list[ActivityJob]:
        """Return the calls that waited for one that doesn't run any more."""
        digest = self._digests.pop(job, None)
        if digest is None:
            return []
        del self._running[digest]
        return self._waiting.pop(digest, [])

    def unwanted(self) -> list[ActivityJob]:
        """Return the calls that were about to run, or run, and aren't wanted any more."""
        return [job for job in self._digests if not job.is_wanted]

    def _is_refreshed(self, job: ActivityJob, policy: CachePolicy) -> bool:
        refresh = policy.refresh
        if isinstance(refresh, bool):
            return refresh
        try:
            if not inspect.signature(refresh).parameters:
                return bool(refresh())
            given = self._codec.decode(job.text)
            if isinstance(given, Arguments):
                return bool(refresh(*given.positional, **given.named))
            return bool(refresh(given))
        except Exception as error:
            log.warning(
                "The call of %r runs: refresh of its CachePolicy raised %s: %s.",
                job.name,
                type(error).__name__,
                error,
            )
            return True

    # -- calls end -------------------------------------------------------------------------------

    def remember(self, job: ActivityJob, message: ActivityFinished) -> None:
        """Remember the outcome of a call whose event was just written to the buffer."""
        key = job.cache_key
        if key is None or message.cached_from is not None or message.started_at is None:
            return
        is_completed = isinstance(message.outcome, str)
        call = CachedCall(
            self._buffer.seq,
            key.digest,
            job.name,
            job.instance.id,
            job.execution_id,
            job.task_id,
            message.ended_at,
            key.input,
            key.code,
            is_completed,
            job.reason,
        )
        self._buffer.remember(call, self._new_parts(key))
        if is_completed and self._results is not None:
            self._results[key.digest] = CachedResult.of(call, str(message.outcome), KEPT_CHARACTERS)

    def forget(self, name: str | None) -> int:
        """Forget the results of an activity, or all results; return how many there were.

        Raises
        ------
        StoreError
            If the journal can't be read now.
        """
        index = self._index()
        gone = [key for key, found in index.items() if name is None or folded(found.name) == folded(name)]
        for key in gone:
            del index[key]
        self._known_codes.clear()
        self._buffer.forget(None if name is None else folded(name))
        return len(gone)

    # -- inside ----------------------------------------------------------------------------------

    def _index(self) -> dict[str, CachedResult]:
        if self._results is None:
            found = self._store.cached_results(KEPT_CHARACTERS)
            self._results = {call.key: call for call in found}  # the last one of a key counts
        return self._results

    def _result_text(self, found: CachedResult) -> str | None:
        return self._store.cached_text(found.key) if found.text is None else found.text

    def _new_parts(self, key: CacheKey) -> list[CodePart]:
        code = key.code
        if code in self._known_codes:
            return []
        self._known_codes.add(code)
        return [CodePart(code, part, digest) for part, digest in key.parts.items()]
