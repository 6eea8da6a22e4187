"""The write buffer: gathers what belongs together, and hands it to the committer as one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from durablenb.core.ports.store import HistoryBundle, Record
from durablenb.engine.committer import (
    Committer,
    PendingForget,
    PendingImport,
    PendingPurge,
    WriteBatch,
)
from durablenb.engine.entity import Entity
from durablenb.engine.instance import Instance
from durablenb.engine.messages import Reply
from durablenb.model.caching import CachedCall, CodePart
from durablenb.model.events import Event
from durablenb.model.imports import Import
from durablenb.model.source import Source


class WriteBuffer:
    """Gathers events, answers and callbacks; `flush` hands them to the committer.

    Parameters
    ----------
    committer
        Writes them.
    last_seq
        The last place taken in the journal.
    """

    def __init__(self, committer: Committer, last_seq: int) -> None:
        self._committer = committer
        self._batch = WriteBatch()
        self._kept_sources: set[str] = set()
        self.seq = last_seq

    def write(self, instance: Instance | Entity, event: Event) -> None:
        """Add an event to the history of an instance or an entity."""
        if self._batch.is_apart:
            self.flush()
        self.seq += 1
        self._batch.records.append(Record(self.seq, instance.id, instance.execution_id, event))
        instance.next_event_id = event.event_id + 1

    def remember(self, call: CachedCall, parts: Sequence[CodePart]) -> None:
        """Add a call whose outcome was written last, with its key, and the parts of its code that are new."""
        self._batch.calls.append(call)
        self._batch.code_parts.extend(parts)

    def forget(self, name: str | None) -> None:
        """Forget the calls of an activity, or all calls, after all that was written before."""
        self.flush()
        self._batch = replace(self._batch, pending_forget=PendingForget(name))
        self.flush()

    def keep(self, source: Source) -> None:
        """Add a source text, unless it was added before."""
        if source.hash not in self._kept_sources:
            self._kept_sources.add(source.hash)
            self._batch.sources.append(source)

    def answer(self, reply: Reply, value: object) -> None:
        """Answer a client once all that was written before is on disk."""
        self._batch.replies.append((reply, value))

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call this, on the thread that commits, once all that was written before is on disk."""
        self._batch.callbacks.append(callback)

    def purge(
        self, instance_ids: Sequence[str], execution_ids: Sequence[str] = (), needed: Sequence[int] = ()
    ) -> None:
        """Delete instances and executions, after all that was written before and before all that follows."""
        self.flush()
        self._batch = replace(self._batch, pending_purge=PendingPurge(instance_ids, execution_ids, needed))

    def import_histories(self, bundle: HistoryBundle, imports: Sequence[Import], reply: Reply) -> None:
        """Write histories from elsewhere, after all that was written before, and answer."""
        self.flush()
        self._batch = replace(self._batch, pending_import=PendingImport(bundle, imports, self.seq))
        self.seq += len(bundle.records)
        self._batch.replies.append((reply, None))
        self.flush()

    @property
    def has_records(self) -> bool:
        """True if events wait for the next flush."""
        return bool(self._batch.records)

    def flush(self, *, is_awaited: bool = False) -> None:
        """Hand what was gathered to the committer; `is_awaited` if nothing is left to do until it is on disk.

        Raises
        ------
        StoreError
            If too many records wait for the disk and it can't be written now. All are handed over even so.
        """
        if self._batch:
            self._committer.submit(self._batch, is_awaited=is_awaited)
            # An interrupt here leaves replies in the buffer: see `abandon`.
            self._batch = WriteBatch()
            self._committer.wait_for_room()

    def abandon(self, error: Exception) -> None:
        """Discard what was gathered, and refuse the clients that wait for answers.

        What was handed over before an interrupt is on disk by then, and its clients have their answers.
        """
        batch, self._batch = self._batch, WriteBatch()
        batch.refuse(error)

    def drain(self) -> None:
        """Hand over what was gathered, and wait until it is on disk."""
        self.flush()
        self._committer.drain()
