"""The protocol between a session and a cluster, which the connections to Dask and Ray implement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from durablenb.cluster.calls import Message
from durablenb.cluster.packing import PackedCall

Listener = Callable[[Message], None]
"""Takes the messages of a hub's calls, in the connection's event loop.

A message has the ``key`` of one call, or ``ended``: the keys of calls whose futures have another status now.
"""


class SentCall(Protocol):
    """The future of a call that was sent."""

    @property
    def status(self) -> str:
        """A word: ``finished`` if the answer is there, ``error``, ``cancelled`` if the cluster lost the call.

        ``pending`` before, and ``lost`` while the cluster runs a call again whose answer it has lost.
        """
        ...

    def exception(self) -> BaseException | None:
        """Return why there is no answer."""
        ...


class Connection(Protocol):
    """The connection of one session to its cluster; it closes with the session.

    What is sent stays on the cluster under its key until it is released or forgotten. A call whose key is
    there already is joined.
    """

    system: str
    """The name of the cluster's software, for messages to people."""

    @property
    def topic(self) -> str:
        """The topic of the hub's messages."""
        ...

    @property
    def is_running(self) -> bool:
        """True if the cluster can be reached, as far as is known."""
        ...

    @property
    def is_open(self) -> bool:
        """True once the cluster was reached, until the connection is closed."""
        ...

    def open(self, hub: str) -> None:
        """Connect, or wait until a broken connection is repaired.

        Raises
        ------
        Exception
            If there is no connection within the time.
        """
        ...

    def note_loss(self) -> None:
        """Note that the cluster has lost what it knew, or is another one."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...

    def has_blob(self, blob_hash: str) -> bool:
        """Tell whether the cluster has a part of an input already."""
        ...

    def send(self, packed: Sequence[PackedCall]) -> Sequence[SentCall]:
        """Submit calls, and return their futures."""
        ...

    def send_large(self, packed: PackedCall) -> Sequence[SentCall]:
        """Submit a call whose function or input is large, and return its future, as `send` does."""
        ...

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        """Call a function in the event loop, or at once if that doesn't run."""
        ...

    def gather(self, futures: dict[str, Any], then: Callable[[dict[str, Any]], None]) -> None:
        """Fetch the answers of these futures; what isn't there is left out. Called in the event loop."""
        ...

    def take_told(self, key: str) -> Message | None:
        """Return the messages that a call sent while the hub was away; each is returned once."""
        ...

    def worker_clock(self, worker: str) -> float:
        """Return the time of a worker's clock, in seconds since 1970."""
        ...

    def has_failed(self, key: str, future: Any) -> bool:
        """Return whether a call has failed, and release its future: the error may be an earlier run's."""
        ...

    def lost_worker(self, error: BaseException) -> str | None:
        """Return the worker whose loss is the error, empty if unknown; None for another error."""
        ...

    def release(self, keys: Iterable[str]) -> None:
        """Let the cluster forget calls whose outcomes are on disk."""
        ...

    def forget(self, futures: Mapping[str, Any]) -> None:
        """Have the cluster forget calls, whatever becomes of them, so that they can be submitted again."""
        ...

    def take_back(self, keys: Iterable[str]) -> list[str]:
        """Have the cluster forget those calls that have surely not begun, and return them."""
        ...

    def revoke(self, session: str, keys: Iterable[str]) -> None:
        """Keep the workers from beginning these calls, which `take_back` has not returned."""
        ...

    def cancel(self, futures: Mapping[str, Any]) -> None:
        """Have the cluster forget calls, and stop those that run, as far as it can."""
        ...
