"""The code that runs on a Ray cluster: the calls, and an actor that keeps them while their hub is away."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple
from uuid import uuid4

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError

from durablenb.cluster.calls import Answer, Envelope, Message, run_envelope
from durablenb.cluster.kept_messages import KeptMessages

NAMESPACE = "durablenb"
"""The namespace of the actors."""

NAME = "durablenb-2-"
"""The name of a hub's actor is this and the id of the hub; another number for each change of what it does."""

POLL_SECONDS = 2.0
"""How long a hub's question waits for news."""

AWAY_SECONDS = 15.0
"""Seconds without a request after which a session counts as disconnected."""


class SentEnvelope(NamedTuple):
    """A call on its way to the keeper.

    Parameters
    ----------
    envelope, function
        The call, and its pickled function; empty if that is a part.
    hashes, parts
        The hashes of large parts of its input, and the names under which they were sent. The hash ``call``
        stands for the call itself, and ``function`` for its function.
    """

    envelope: Envelope
    function: bytes
    hashes: Sequence[str] = ()
    parts: Sequence[str] = ()


class Ended(NamedTuple):
    """The end of a call.

    Parameters
    ----------
    key
        The key of the call.
    answer
        Its answer, or the reason why a worker refused it; None if there is no answer.
    worker
        The worker that was lost; empty if it isn't known, None if none was.
    why
        Why there is no answer.
    """

    key: str
    answer: Answer | str | None = None
    worker: str | None = None
    why: str = ""


News = list[Message | Ended]
"""The messages of a session's calls, in order."""


@dataclass(eq=False)
class _KeptCall:
    session: str
    ticket: str
    task: Any = None
    worker: str | None = None
    """The worker on which it has begun."""
    taken: int = 0
    """The number of messages that were taken."""
    early: dict[int, Message] = field(default_factory=dict)
    """Messages that have overtaken others, by their numbers."""
    ended: Ended | None = None


@dataclass(eq=False)
class _Box:
    """Messages for one session of the hub, which are kept until the session requests the next ones."""

    process: str
    seen: float = field(default_factory=time.monotonic)
    number: int = 0
    sent: News = field(default_factory=list)
    waiting: News = field(default_factory=list)
    has_news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, news: Message | Ended) -> None:
        self.waiting.append(news)
        self.has_news.set()


class CallKeeper:
    """Submits the calls of one hub, and keeps their answers until the hub has recorded them.

    Ray ends the tasks of a process with it, and a hub may be killed. So the tasks are those of this actor,
    which is detached. The next process that opens the hub submits the same keys, which joins what runs, or
    gets the answers.
    """

    def __init__(self) -> None:
        self._calls: dict[str, _KeptCall] = {}
        self._boxes: dict[str, _Box] = {}
        self._told = KeptMessages()
        self._parts: dict[str, Any] = {}
        self._followers: set[asyncio.Task[None]] = set()
        self._run = ray.remote(run)  # once: Ray sends each remote function to all workers

    # -- what the hub asks -------------------------------------------------------------------------

    async def attach(self, process: str, session: str) -> set[str]:
        """Attach a session of the hub; return the calls that have sent messages."""
        for other, box in list(self._boxes.items()):
            if box.process != process:  # one process has the hub at a time
                self._send_away(other)
        self._boxes[session] = _Box(process)
        return self._told.keys()

    async def leave(self, session: str) -> bool:
        """Let a session go; return True if the actor isn't needed any more."""
        if session in self._boxes:
            self._send_away(session)
        return not self._calls and not self._boxes

    async def poll(self, session: str, heard: int) -> tuple[int, News] | None:
        """Return the next news and their number; None if the session has to attach first."""
        box = self._boxes.get(session)
        if box is None:
            return None
        box.seen = time.monotonic()
        if heard == box.number:
            box.sent = []
        if not box.sent:
            try:
                await asyncio.wait_for(box.has_news.wait(), POLL_SECONDS)
            except TimeoutError:
                return box.number, []
            box.sent, box.waiting = box.waiting, []
            box.has_news.clear()
            box.number += 1
        return box.number, box.sent

    async def now(self) -> float:
        """Return the time of this clock, in seconds since 1970."""
        return time.time()

    async def put(self, name: str, content: bytes) -> None:
        """Keep a part of inputs."""
        self._parts[name] = ray.put(content)

    async def drop(self, name: str) -> None:
        """Forget a part of inputs."""
        self._parts.pop(name, None)

    async def submit(
        self, session: str, calls: Sequence[SentEnvelope], options: Mapping[str, Any]
    ) -> list[str]:
        """Submit calls, or join those that are there; return the keys of those whose parts are missing."""
        missing = []
        for sent in calls:
            key = sent.envelope.key
            known = self._calls.get(key)
            if known is not None:
                known.session = session
                if known.ended is not None:
                    self._tell(known, known.ended)
            elif any(part not in self._parts for part in sent.parts):
                missing.append(key)
            else:
                self._start(session, sent, options)
        return missing

    async def take_told(self, key: str) -> Message | None:
        """Return a call's messages, with the lines that its hub has not received."""
        return self._told.take(key)

    async def release(self, keys: Sequence[str]) -> None:
        """Forget calls."""
        self._told.release(keys)
        for key in keys:
            self._calls.pop(key, None)

    async def take_back(self, keys: Sequence[str]) -> list[str]:
        """Forget those of these calls that have not begun; return them."""
        waiting = [key for key in keys if key not in self._calls or self._calls[key].worker is None]
        await self.cancel(waiting)
        return waiting

    async def cancel(self, keys: Sequence[str]) -> None:
        """Forget calls, and end the processes of those that run."""
        for key in keys:
            call = self._calls.get(key)
            if call is not None and call.ended is None:
                ray.cancel(call.task, force=call.worker is not None)
        await self.release(keys)

    # -- what the calls say ------------------------------------------------------------------------

    async def begin(self, key: str, ticket: str, worker: str) -> tuple[float, str] | None:
        """Return the time here and the name of this machine; None if the call must not begin any more."""
        call = self._calls.get(key)
        if call is None or call.ticket != ticket:
            return None
        call.worker = worker
        return time.time(), platform.node()

    async def tell(self, ticket: str, number: int, message: Message) -> None:
        """Take a message of a call after those with smaller numbers: Ray runs requests in any order."""
        call = self._calls.get(message["key"])
        if call is None or call.ticket != ticket:
            return
        call.early[number] = message
        while call.taken in call.early:
            message = call.early.pop(call.taken)
            call.taken += 1
            has_heard = self._tell(call, message)
            self._told.keep(message, with_lines=not has_heard)

    # -- this actor --------------------------------------------------------------------------------

    def _start(self, session: str, sent: SentEnvelope, options: Mapping[str, Any]) -> None:
        call = self._calls[sent.envelope.key] = _KeptCall(session, uuid4().hex)
        keeper = ray.get_runtime_context().current_actor
        parts = [self._parts[part] for part in sent.parts]
        name = sent.envelope.key.partition("-")[0]
        # Ray runs nothing again by itself: the hub has to know of each try.
        task = self._run.options(name=name, max_retries=0, **options)
        call.task = task.remote(keeper, call.ticket, sent.envelope, sent.function, sent.hashes, *parts)
        follower = asyncio.get_running_loop().create_task(self._follow(sent.envelope.key, call))
        self._followers.add(follower)
        follower.add_done_callback(self._followers.discard)

    async def _follow(self, key: str, call: _KeptCall) -> None:
        try:
            answer = await call.task
            ended = Ended(key, answer, why="it must not begin any more")
        except (WorkerCrashedError, NodeDiedError, OutOfMemoryError):
            ended = Ended(key, worker=call.worker or "")
        except RayTaskError as error:
            ended = Ended(key, why=f"{type(error.cause).__name__}: {error.cause}")
        except Exception as error:
            ended = Ended(key, why=f"{type(error).__name__}: {error}")
        call.task = None  # and what Ray keeps of it
        call.ended = ended
        if self._calls.get(key) is call:
            self._tell(call, ended)

    def _tell(self, call: _KeptCall, news: Message | Ended) -> bool:
        """Give news to the session that follows a call; return False if that is away."""
        box = self._boxes.get(call.session)
        if box is not None and time.monotonic() - box.seen > AWAY_SECONDS:
            self._send_away(call.session)
            box = None
        if box is None:
            return False
        box.add(news)
        return True

    def _send_away(self, session: str) -> None:
        """Keep the lines that a session has not heard for the next one."""
        box = self._boxes.pop(session)
        for news in (*box.sent, *box.waiting):
            if not isinstance(news, Ended) and news["key"] in self._calls:
                self._told.give_back(news)
        box.sent, box.waiting = [], []
        box.has_news.set()


# -- what runs on Ray's workers ------------------------------------------------------------------------


def run(
    keeper: Any,
    ticket: str,
    envelope: Envelope,
    function: bytes,
    hashes: Sequence[str] = (),
    *contents: bytes,
) -> Answer | str | None:
    """Return the answer to a call; None if it must not run any more.

    Parameters
    ----------
    keeper, ticket
        The actor that keeps the call, and what it knows the call by.
    envelope, function, hashes, contents
        The call, as in `SentEnvelope`, and the bytes of its parts.
    """
    worker = f"ray://{ray.util.get_node_ip_address()}:{os.getpid()}"
    before = time.time()
    # Not ray.get: a task that waits in it gives up its CPU, and Ray would start another process beside it.
    begun = keeper.begin.remote(envelope.key, ticket, worker).future().result()
    if begun is None:
        return None
    # All times are those of the keeper's clock, which the hub compares with its own.
    ahead, node = begun[0] - (before + time.time()) / 2, begun[1]

    numbers = count()

    def send(message: Message) -> None:
        keeper.tell.remote(ticket, next(numbers), message | {"began": message["began"] + ahead, "node": node})

    blobs = dict(zip(hashes, contents, strict=True))
    envelope = envelope._replace(call=blobs.pop("call", envelope.call))
    function = blobs.pop("function", function)
    answer = run_envelope(envelope, function, blobs, send, worker)
    return answer if isinstance(answer, str) else answer._replace(ended=answer.ended + ahead, node=node)
