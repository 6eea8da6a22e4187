"""Calls are packed for a cluster: what is large is apart, and is sent once."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from durablenb.cluster.calls import Envelope, own_versions
from durablenb.core.ports.executor import Job
from durablenb.engine.pickled_calls import PickledCall, pickle_function
from durablenb.model.payloads import Blob, Payload, carried_blobs, references

LARGE = 1_000_000
"""Bytes from which a part of an input is apart."""


class PackedCall(NamedTuple):
    """A call that can be sent.

    Parameters
    ----------
    envelope, function
        The call, and its pickled function.
    blobs
        The large parts of its input, by their hashes; without bytes if the cluster has them already.
    """

    envelope: Envelope
    function: bytes
    blobs: dict[str, bytes]

    @property
    def weight(self) -> int:
        """How many bytes it has without its blobs."""
        return len(self.envelope.call) + len(self.function)

    @property
    def is_large(self) -> bool:
        """True if it is to be sent by itself."""
        return bool(self.blobs) or self.weight > LARGE


class Packer:
    """Packs the calls of one batch: they share the pickled functions, with their globals as of now.

    Parameters
    ----------
    topic, session
        Where messages of the calls go, and the session of the hub.
    has_blob
        Tells whether the cluster has a part of an input already.
    payloads
        The folder for large results; empty for none.
    """

    def __init__(self, topic: str, session: str, has_blob: Callable[[str], bool], payloads: str = "") -> None:
        self._topic = topic
        self._session = session
        self._payloads = payloads
        self._has_blob = has_blob
        self._functions: dict[int, tuple[Any, bytes]] = {}

    def pack(self, job: Job, key: str, again: int = 0, checkpoint: str | None = None) -> PackedCall:
        """Return a call that can be sent.

        Parameters
        ----------
        job, key
            The job, and its name on the cluster.
        again
            1 if the job's try was interrupted, and this is the next one; 0 if it is the job's own try.
        checkpoint
            The last checkpoint of the interrupted try.

        Raises
        ------
        TypeError
            If the function uses something that can't be pickled; the message names it.
        """
        function = job.function
        _, pickled = self._functions.get(id(function), (None, b""))
        if not pickled:
            pickled = pickle_function(function)
            self._functions[id(function)] = function, pickled
        info = job.info
        if again:
            last = info.last_checkpoint if checkpoint is None else checkpoint
            info = replace(info, attempt=info.attempt + again, last_checkpoint=last)
        text, large = self._split(job)
        call = pickle.dumps(PickledCall(b"", text, job.takes_input, job.codec, info))
        envelope = Envelope(
            own_versions(), self._topic, key, self._session, info.attempt, self._payloads, call
        )
        return PackedCall(envelope, pickled, large)

    def _split(self, job: Job) -> tuple[str, dict[str, bytes]]:
        """Return the text of the input with its small blobs, and the large ones: their hashes and bytes."""
        text: Any = job.text
        if not isinstance(text, str):  # a batch of an entity's operations
            return job.codec.with_blobs(text), {}
        hashes = references(text)
        large = {blob_hash: b"" for blob_hash in hashes if self._has_blob(blob_hash)}
        carried = {blob.hash: blob for blob in carried_blobs(text) if blob.hash not in large}
        for blob_hash in hashes:
            if blob_hash not in large and blob_hash not in carried:
                carried[blob_hash] = Blob(blob_hash, "", job.codec.fetch_blob(blob_hash))
        large |= {blob.hash: blob.content for blob in carried.values() if len(blob.content) > LARGE}
        small = tuple(blob for blob in carried.values() if blob.hash not in large)
        return (Payload(str(text), small) if small else str(text)), large
