"""A hub's connection to a Dask cluster; all requests to Dask's client are in this module."""

from __future__ import annotations

import contextlib
import logging
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from time import time
from typing import Any
from weakref import WeakKeyDictionary

import dask
from distributed import Client
from distributed.scheduler import KilledWorker

from durablenb.cluster import dask_scheduler, dask_worker
from durablenb.cluster.calls import Envelope, Message
from durablenb.cluster.connection import Listener, SentCall
from durablenb.cluster.packing import LARGE, PackedCall
from durablenb.cluster.sent_parts import SentParts
from durablenb.engine import locks

log = logging.getLogger("durablenb")

BLOB = "durablenb_blob-"
"""How the keys of large parts of inputs begin."""


class DaskConnection:
    """The client of one session, and what the session keeps on the cluster: a `Connection`.

    Parameters
    ----------
    connect
        Returns the client, and whether it is to be closed with the connection.
    options
        Further arguments of ``Client.submit``.
    seconds
        How long to wait for a scheduler whose connection broke.
    listener
        Takes the messages of the hub's calls, in the client's event loop.
    """

    system = "Dask"

    def __init__(
        self,
        connect: Callable[[], tuple[Client, bool]],
        options: Mapping[str, Any],
        seconds: float,
        listener: Listener,
    ) -> None:
        self._connect = connect
        self._options = options
        self._seconds = seconds
        self._listener = listener
        self._owns_client = False
        self._was_away = False
        self._client: Any = None
        self._stream: Any = None
        """The client's stream to the scheduler when the hub was attached: another one after each loss."""
        self._sent: SentParts[Any] = SentParts(self._scatter)
        self.hub = ""
        self.told: set[str] = set()
        """The calls that sent messages to the process that had the hub before."""

    @property
    def topic(self) -> str:
        """The topic of the hub's messages."""
        return dask_scheduler.TOPIC + self.hub

    @property
    def is_running(self) -> bool:
        """True if the client is connected."""
        return self._client is not None and self._client.status == "running"

    @property
    def is_open(self) -> bool:
        """True once there is a client, until the connection is closed."""
        return self._client is not None

    def open(self, hub: str) -> None:
        """Connect, or wait until a broken connection is repaired.

        Raises
        ------
        Exception
            If there is no connection within the time.
        """
        self.hub = hub
        end = locks.monotonic() + self._seconds
        while self._client is not None and self._client.status == "connecting" and locks.monotonic() < end:
            self._was_away = True
            locks.Event().wait(0.05)
        status = None if self._client is None else self._client.status
        if status == "running" and not self._was_away and self._client.scheduler_comm is self._stream:
            return
        if status is not None and status != "running" and not self._owns_client:
            raise ConnectionError(f"the client is {status}")
        if status != "running":
            self._sent.clear()
            self._client, self._owns_client = self._connect()
        self._was_away = False
        self._stream = self._client.scheduler_comm
        self._client.register_plugin(dask_scheduler.CallKeeper())
        message_router(self._client).add(self._client, self.topic, self._listener)
        self.told = self._client.run_on_scheduler(dask_scheduler.attach, hub, self._client.id)

    def note_loss(self) -> None:
        """Note that the scheduler has lost what it knew, or is another one."""
        self._was_away = True
        self._sent.clear()

    def close(self) -> None:
        """Release the client, and close it if the user didn't create it."""
        client, self._client = self._client, None
        self._sent.clear()
        if client is not None:
            message_router(client).remove(client, self.topic, self._listener)
            if self._owns_client:
                with contextlib.suppress(Exception):
                    client.close()

    # -- calls go ----------------------------------------------------------------------------------

    def has_blob(self, blob_hash: str) -> bool:
        """Tell whether the cluster has a part of an input already."""
        return f"{BLOB}{blob_hash}" in self._sent

    def send(self, packed: Sequence[PackedCall]) -> Sequence[SentCall]:
        """Submit calls, and return their futures. A call that is there already is joined."""
        with self._marked():
            futures: Sequence[SentCall] = self._client.map(
                dask_worker.run,
                [_bytes(call.envelope) for call in packed],
                [call.function for call in packed],
                key=[call.envelope.key for call in packed],
                **self._options,
            )
        return futures

    def send_large(self, packed: PackedCall) -> Sequence[SentCall]:
        """Submit a call whose function or input is large, and return its future, as `send` does."""
        envelope, function = packed.envelope, packed.function
        hashes = list(packed.blobs)
        contents = [self._sent.sent(f"{BLOB}{one}", content) for one, content in packed.blobs.items()]
        sent_function: Any = function
        if len(function) > LARGE:
            sent_function = self._sent.sent(f"durablenb_function-{_hash(function)}", function)
        if len(envelope.call) > LARGE:
            name = f"durablenb_input-{_hash(envelope.call)}"
            hashes, contents = ["", *hashes], [self._sent.sent(name, envelope.call), *contents]
            envelope = envelope._replace(call=b"")
        self._sent.trim()
        with self._marked():
            future = self._client.submit(
                dask_worker.run,
                _bytes(envelope),
                sent_function,
                hashes,
                *contents,
                key=envelope.key,
                **self._options,
            )
        return [future]

    def _marked(self) -> Any:
        """Return the context in which tasks get the annotation that the scheduler's plugin looks for."""
        return dask.annotate(**{dask_scheduler.ANNOTATION: self.hub})  # type: ignore[attr-defined]

    def _scatter(self, name: str, content: bytes) -> Any:
        """Return the future of bytes that are on the cluster, and stay there for later calls."""
        return self._client.scatter({name: content})[name]

    # -- answers come ------------------------------------------------------------------------------

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        """Call a function in the client's event loop, or at once if that doesn't run."""
        client = self._client
        try:
            client.loop.add_callback(client.loop.call_later, seconds, function)
        except (AttributeError, RuntimeError):  # there is no client, or it is closed
            function()

    def gather(self, futures: dict[str, Any], then: Callable[[dict[str, Any]], None]) -> None:
        """Fetch the results of these futures, in the client's event loop; what isn't there is left out."""
        client = self._client

        async def fetch() -> None:
            answers: dict[str, Any] = {}
            with contextlib.suppress(Exception):
                answers = await client.gather(futures, errors="skip", asynchronous=True)
            then(answers)

        if client is not None:
            client.loop.add_callback(fetch)

    def take_told(self, key: str) -> Message | None:
        """Return the messages that a call sent while the hub was away; each is returned once."""
        if key not in self.told:
            return None
        self.told.discard(key)
        told: Message | None = self._client.run_on_scheduler(dask_scheduler.take_told, self.hub, key)
        return told

    def worker_clock(self, worker: str) -> float:
        """Return the time of a worker's clock, in seconds since 1970."""
        return float(self._client.run(time, workers=[worker])[worker])

    def has_failed(self, key: str, future: Any) -> bool:
        """Return whether a call has failed, and release its future: the error may be an earlier run's.

        Dask's scheduler may report an error twice. The second report can come when the call was submitted
        again, under the same key, and runs.
        """
        future.release()  # in the event loop, before what follows; else the next future has the same error
        try:
            return bool(self._client.run_on_scheduler(dask_scheduler.has_failed, key))
        except Exception:  # the scheduler can't be asked, so the error counts
            return True

    def lost_worker(self, error: BaseException) -> str | None:
        """Return the worker whose loss is the error, empty if unknown; None for another error."""
        return getattr(error.last_worker, "address", "") if isinstance(error, KilledWorker) else None

    # -- calls end ---------------------------------------------------------------------------------

    def release(self, keys: Iterable[str]) -> None:
        """Let the scheduler forget calls whose outcomes are on disk."""
        if self._client is not None:
            self._client.run_on_scheduler(dask_scheduler.release, self.hub, list(keys))

    def forget(self, futures: Mapping[str, Any]) -> None:
        """Have the cluster forget calls, whatever becomes of them, so that they can be submitted again."""
        for future in futures.values():
            if future is not None:
                future.release()  # in the event loop, before what follows
        if self._client is not None and futures:
            self._client.run_on_scheduler(dask_scheduler.forget, self.hub, list(futures))

    def take_back(self, keys: Iterable[str]) -> list[str]:
        """Have the scheduler forget those calls that have surely not begun, and return them."""
        taken: list[str] = self._client.run_on_scheduler(dask_scheduler.take_back, self.hub, list(keys))
        return taken

    def revoke(self, session: str, keys: Iterable[str]) -> None:
        """Have the workers not begin these calls."""
        self._client.run(dask_worker.revoke, session, list(keys), wait=False, on_error="ignore")

    def cancel(self, futures: Mapping[str, Any]) -> None:
        """Have the cluster forget calls, and ask those functions to stop that run."""
        self.forget(futures)
        self._client.run(dask_worker.cancel, list(futures), wait=False, on_error="ignore")


def _bytes(envelope: Envelope) -> bytes:
    """Return an envelope as bytes: Dask looks for futures in tuples, and hashes what it finds there."""
    return pickle.dumps(tuple(envelope))


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()


# -- messages of running calls ----------------------------------------------------------------------


class MessageRouter:
    """Gives each message of a topic to all sessions of one client that listen to it.

    A client has one handler for a topic, and a hub may have several sessions with the same client.
    """

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = {}

    def add(self, client: Client, topic: str, listener: Listener) -> None:
        """Listen to a topic, also again after the client has connected again."""
        others = [other for other in self._listeners.get(topic, ()) if other != listener]
        self._listeners[topic] = [*others, listener]
        client.subscribe_topic(topic, self._handler(topic))

    def remove(self, client: Client, topic: str, listener: Listener) -> None:
        """Listen no more."""
        self._listeners[topic] = [other for other in self._listeners.get(topic, ()) if other != listener]
        if not self._listeners[topic]:
            del self._listeners[topic]
            if client.status == "running":
                client.unsubscribe_topic(topic)

    def _handler(self, topic: str) -> Callable[[tuple[float, Any]], None]:
        def handle(event: tuple[float, Any]) -> None:
            for listener in self._listeners.get(topic, ()):
                try:
                    listener(event[1])
                except Exception:
                    log.exception("A message of a call on the cluster could not be taken")

        return handle


_routers: WeakKeyDictionary[Client, MessageRouter] = WeakKeyDictionary()


def message_router(client: Client) -> MessageRouter:
    """Return the router of a client."""
    return _routers.setdefault(client, MessageRouter())
