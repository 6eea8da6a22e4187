"""The journal as the engine writes it: what belongs together is handed to the committer together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from durablenb.core.ports.store import Parcel, Record
from durablenb.engine.committer import Batch, Committer, Taken
from durablenb.engine.entity import Entity
from durablenb.engine.instance import Instance
from durablenb.engine.messages import Reply
from durablenb.model.events import Event
from durablenb.model.imports import Import
from durablenb.model.source import Source


class Journal:
    """Gathers records, answers and what is to follow; `flush` hands them over as one batch.

    Parameters
    ----------
    committer
        Who writes them.
    last_seq
        The last place taken in the journal.
    """

    def __init__(self, committer: Committer, last_seq: int) -> None:
        self._committer = committer
        self._batch = Batch()
        self._kept: set[str] = set()
        self.seq = last_seq

    def write(self, instance: Instance | Entity, event: Event) -> None:
        """Adds an event to the history of an instance or an entity."""
        if self._batch.is_apart:
            self.flush()
        self.seq += 1
        self._batch.records.append(Record(self.seq, instance.id, instance.execution_id, event))
        instance.next_event_id = event.event_id + 1

    def keep(self, source: Source) -> None:
        """Keeps a source text, before what is written from now on."""
        if source.hash not in self._kept:
            self._kept.add(source.hash)
            self._batch.sources.append(source)

    def answer(self, reply: Reply, value: object) -> None:
        """Answers a client once all that was written before is on disk."""
        self._batch.replies.append((reply, value))

    def afterwards(self, callback: Callable[[], None]) -> None:
        """Calls this, on the committer's thread, once all that was written before is on disk."""
        self._batch.then.append(callback)

    def purge(self, instance_ids: list[str]) -> None:
        """Deletes instances, after all that was written before and before all that comes."""
        self.flush()
        self._batch.purged.extend(instance_ids)

    def take_in(self, parcel: Parcel, imports: Sequence[Import], reply: Reply) -> None:
        """Takes in histories from elsewhere, after all that was written before, and answers."""
        self.flush()
        self._batch.taken = Taken(parcel, imports, self.seq)
        self.seq += len(parcel.records)
        self._batch.replies.append((reply, None))
        self.flush()

    @property
    def has_news(self) -> bool:
        """Whether records wait to be handed over."""
        return bool(self._batch.records)

    def flush(self) -> None:
        """Hand what was gathered over to the committer.

        Raises
        ------
        StoreError
            If too many records wait for the disk and it can't be written now. All are handed over even so.
        """
        if self._batch:
            self._committer.submit(self._batch)  # an interrupt after this leaves replies here: see `abandon`
            self._batch = Batch()
            self._committer.wait_for_room()

    def abandon(self, error: Exception) -> None:
        """Drop what was gathered, and refuse those who were to be answered.

        What was handed over before an interrupt is on disk by then, and those who waited for it have answers.
        """
        batch, self._batch = self._batch, Batch()
        batch.turn_away(error)

    def drain(self) -> None:
        """Hands over what was gathered and waits until it is on disk."""
        self.flush()
        self._committer.drain()
