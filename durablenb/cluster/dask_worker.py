"""Functions that Dask's workers run for a hub."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from functools import partial

from distributed import get_worker

from durablenb.cluster import calls
from durablenb.cluster.calls import Answer, Envelope, Message, run_envelope


def run(
    sent: bytes,
    function: bytes,
    hashes: Sequence[str] = (),
    *contents: bytes,
) -> Answer | str:
    """Return the answer to a call.

    Parameters
    ----------
    sent, function
        The pickled fields of the call's envelope, and its pickled function.
    hashes, contents
        The hashes of large parts of its input, and their bytes. An empty hash stands for the call itself.
    """
    worker = get_worker()
    blobs = dict(zip(hashes, contents, strict=True))
    envelope = Envelope(*pickle.loads(sent))
    if "" in blobs:
        envelope = envelope._replace(call=blobs.pop(""))
    send: Callable[[Message], None] = partial(worker.log_event, envelope.topic)
    return run_envelope(envelope, function, blobs, send, worker.address)


async def revoke(session: str, keys: Sequence[str]) -> None:
    """Don't run these calls of a session, unless they have begun."""
    calls.revoke(session, keys)


async def cancel(keys: Sequence[str]) -> None:
    """Ask these calls to stop."""
    calls.cancel(keys)
