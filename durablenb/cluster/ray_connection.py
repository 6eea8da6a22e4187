"""A hub's connection to a Ray cluster; all requests of the hub's process to Ray are in this module."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from hashlib import sha256
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import RayActorError

from durablenb.cluster.calls import Message
from durablenb.cluster.connection import Listener, SentCall
from durablenb.cluster.packing import LARGE, PackedCall
from durablenb.cluster.ray_keeper import NAME, NAMESPACE, CallKeeper, Ended, News, SentEnvelope
from durablenb.cluster.sent_parts import SentParts
from durablenb.engine import locks

log = logging.getLogger("durablenb")

PROCESS = uuid4().hex
"""Names this process: a hub is open in one process at a time."""

LOOK_SECONDS = 1.0
"""How often to look whether Ray was shut down in this process."""

CLOSE_SECONDS = 5.0
"""How long closing waits for the cluster."""


class RayCallError(Exception):
    """Why Ray has no answer to a call."""


class _WorkerLost(Exception):
    """The worker of a call was lost; its address, if known."""


class RayCall:
    """The future of a call on the cluster."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.status = "pending"
        self.answer: Any = None
        self._error: BaseException | None = None

    def end(self, ended: Ended) -> None:
        """Take the end of the call."""
        if ended.answer is not None:
            self.answer = ended.answer
        elif ended.worker is not None:
            self._error = _WorkerLost(ended.worker)
        else:
            self._error = RayCallError(ended.why)
        self._end("finished" if self._error is None else "error")

    def lose(self) -> None:
        """Note that the cluster doesn't know the call any more, or that it can't be reached."""
        self._end("cancelled")

    def _end(self, status: str) -> None:
        if self.status == "pending":
            self.status = status

    def exception(self) -> BaseException | None:
        """Return why there is no answer."""
        return self._error


class RayConnection:
    """The connection of one session: a `Connection`.

    Parameters
    ----------
    connect
        Connects this process to Ray, unless it is connected.
    options
        Options of the tasks.
    seconds
        How long to wait for the cluster.
    listener
        Takes the messages of the hub's calls, in the event loop.

    Notes
    -----
    The calls belong to an actor, see `CallKeeper`. An event loop in a thread asks the actor for news.
    """

    system = "Ray"

    def __init__(
        self, connect: Callable[[], None], options: Mapping[str, Any], seconds: float, listener: Listener
    ) -> None:
        self._connect = connect
        self._options = dict(options)
        self._seconds = seconds
        self._listener = listener
        self._session = uuid4().hex
        self._keeper: Any = None
        self._was_away = False
        self._sent: SentParts[str] = SentParts(self._put, self._drop)
        self._futures: dict[str, RayCall] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: locks.Thread | None = None
        self._polling: Future[None] | None = None
        self._told: set[str] = set()
        self.topic = ""

    @property
    def is_running(self) -> bool:
        """True if the cluster can be reached, as far as is known."""
        return self.is_open and ray.is_initialized()

    @property
    def is_open(self) -> bool:
        """True once there was a connection, until this one is closed."""
        return self._keeper is not None

    def open(self, hub: str) -> None:
        """Connect, or connect again.

        Raises
        ------
        Exception
            If there is no connection within the time.
        """
        if self.is_open and not ray.is_initialized():
            raise ConnectionError("Ray was shut down in this process")
        if self.is_open and not self._was_away:
            return
        self._connect()
        end = locks.monotonic() + self._seconds
        while True:
            keeper: Any = (
                ray.remote(CallKeeper)
                .options(
                    name=NAME + hub, namespace=NAMESPACE, lifetime="detached", get_if_exists=True, num_cpus=0
                )
                .remote()
            )
            try:
                self._told = ray.get(keeper.attach.remote(PROCESS, self._session), timeout=self._seconds)
                break
            except RayActorError:  # it has just ended, and its name is still taken
                if locks.monotonic() > end:
                    raise
                locks.Event().wait(0.1)
        self._keeper, self._was_away = keeper, False
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = locks.Thread(target=self._loop.run_forever, name="durablenb-ray", daemon=True)
            self._thread.start()
        if self._polling is not None:
            self._polling.cancel()
        self._polling = asyncio.run_coroutine_threadsafe(self._poll(keeper), self._loop)

    def note_loss(self) -> None:
        """Record that the cluster has lost its calls, or is another cluster."""
        self._was_away = True
        self._sent.clear()

    def close(self) -> None:
        """Leave the calls, and end the actor if it has none. Ray stays connected."""
        keeper, self._keeper = self._keeper, None
        if self._polling is not None:
            self._polling.cancel()
        if keeper is not None and ray.is_initialized():
            with contextlib.suppress(Exception):
                if ray.get(keeper.leave.remote(self._session), timeout=CLOSE_SECONDS):
                    ray.kill(keeper)
        loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(loop.call_soon, loop.stop)  # after the cancelled question has ended
            self._thread.join()
            loop.close()
        self._futures.clear()
        self._sent.clear()

    # -- calls go ----------------------------------------------------------------------------------

    def has_blob(self, blob_hash: str) -> bool:
        """Tell whether the cluster has a part of an input already."""
        return blob_hash in self._sent

    def send(self, packed: Sequence[PackedCall]) -> Sequence[SentCall]:
        """Submit calls, and return their futures. A call that is there already is joined."""
        return self._submit([SentEnvelope(call.envelope, call.function) for call in packed])

    def send_large(self, packed: PackedCall) -> Sequence[SentCall]:
        """Submit a call whose function or input is large, and return its future, as `send` does."""
        envelope, function = packed.envelope, packed.function
        parts = {one: self._sent.sent(one, content) for one, content in packed.blobs.items()}
        if len(function) > LARGE:
            parts["function"], function = self._sent.sent(_hash(function), function), b""
        if len(envelope.call) > LARGE:
            parts["call"] = self._sent.sent(_hash(envelope.call), envelope.call)
            envelope = envelope._replace(call=b"")
        futures = self._submit([SentEnvelope(envelope, function, list(parts), list(parts.values()))])
        self._sent.trim()  # not before: the call's own parts may be the oldest ones
        return futures

    def _submit(self, calls: Sequence[SentEnvelope]) -> Sequence[SentCall]:
        futures = [RayCall(call.envelope.key) for call in calls]
        self._futures.update((future.key, future) for future in futures)  # before one of them can end
        try:
            missing = set(self._request("submit", self._session, calls, self._options))
        except RayActorError:
            missing = {future.key for future in futures}
        for future in futures:
            if future.key in missing:
                future.lose()
        return futures

    def _put(self, name: str, content: bytes) -> str:
        self._request("put", name, content)
        return name

    def _drop(self, name: str) -> None:
        with contextlib.suppress(Exception):  # the calls that were submitted don't need it
            self._request("drop", name)

    def _request(self, name: str, *arguments: object) -> Any:
        """Wait for the keeper's answer, since Ray runs the requests to an actor in any order."""
        return ray.get(getattr(self._keeper, name).remote(*arguments), timeout=self._seconds)

    # -- news come ---------------------------------------------------------------------------------

    async def _poll(self, keeper: Any) -> None:
        """Take news, until the cluster is lost or the connection is closed."""
        heard = 0
        while (found := await self._ask(keeper, heard)) is not None:
            heard, news = found
            self._take(news)
        self._was_away = True
        lost = list(self._futures.values())
        for future in lost:
            future.lose()
        self._listener({"ended": [future.key for future in lost]})

    async def _ask(self, keeper: Any, heard: int) -> tuple[int, News] | None:
        """Return the next news and their number; None if the cluster is lost."""
        try:
            question = asyncio.wrap_future(keeper.poll.remote(self._session, heard).future())
            while not question.done() and ray.is_initialized():
                await asyncio.wait({question}, timeout=LOOK_SECONDS)
            return question.result() if question.done() else None
        except Exception as error:
            log.debug("The Ray cluster can't be reached: %s", error)
            return None

    def _take(self, news: News) -> None:
        for one in news:
            try:
                if not isinstance(one, Ended):
                    self._listener(one)
                elif one.key in self._futures:
                    self._futures[one.key].end(one)
                    self._listener({"ended": [one.key]})
            except Exception:
                log.exception("A message of a call on the cluster could not be taken")

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        """Call a function in the event loop, or at once if that doesn't run."""
        loop = self._loop
        try:
            if loop is not None:
                loop.call_soon_threadsafe(loop.call_later, seconds, function)
                return
        except RuntimeError:  # it has just been closed
            pass
        function()

    def gather(self, futures: dict[str, Any], then: Callable[[dict[str, Any]], None]) -> None:
        """Give the answers of these futures, which came with the news; what isn't there is left out."""
        then({key: future.answer for key, future in futures.items() if future.answer is not None})

    def take_told(self, key: str) -> Message | None:
        """Return the messages that a call sent while the hub was away; each is returned once."""
        if key not in self._told:
            return None
        self._told.discard(key)
        told: Message | None = self._request("take_told", key)
        return told

    def worker_clock(self, worker: str) -> float:
        """Return the time of the cluster's clock, by which all of its workers tell times."""
        return float(self._request("now"))

    def has_failed(self, key: str, future: Any) -> bool:
        """Tell whether a call has failed: each run has a future of its own here."""
        return True

    def lost_worker(self, error: BaseException) -> str | None:
        """Return the worker whose loss is the error, empty if unknown; None for another error."""
        return str(error) if isinstance(error, _WorkerLost) else None

    # -- calls end ---------------------------------------------------------------------------------

    def release(self, keys: Iterable[str]) -> None:
        """Let the cluster forget calls whose outcomes are on disk."""
        several = list(keys)
        for key in several:
            self._futures.pop(key, None)
        if self._keeper is not None and ray.is_initialized():
            self._request("release", several)

    def forget(self, futures: Mapping[str, Any]) -> None:
        """Have the cluster forget calls, whatever becomes of them, so that they can be submitted again."""
        self.release(futures)

    def take_back(self, keys: Iterable[str]) -> list[str]:
        """Have the cluster forget those calls that have not begun, and return them."""
        taken: list[str] = self._request("take_back", list(keys))
        for key in taken:
            self._futures.pop(key, None)
        return taken

    def revoke(self, session: str, keys: Iterable[str]) -> None:
        """Do nothing: what `take_back` has not returned has begun."""

    def cancel(self, futures: Mapping[str, Any]) -> None:
        """Have the cluster forget calls, and end the processes of those that run."""
        for key in futures:
            self._futures.pop(key, None)
        if self._keeper is not None and ray.is_initialized():
            self._request("cancel", list(futures))


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()
