"""Large parts of inputs that were sent to a cluster: each is sent once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT_BYTES = 1_000_000_000
"""How many bytes of inputs that were sent are kept on the cluster for later calls."""


class SentParts(Generic[T]):
    """Caches the parts that were sent, and drops the least recently used ones above a limit.

    Parameters
    ----------
    send
        Sends bytes under a name, and returns the connection's reference to them.
    drop
        Called with the name of each dropped part.

    Examples
    --------
    >>> parts = SentParts(lambda name, content: f"sent {name}")
    >>> parts.sent("a", b"...")
    'sent a'
    >>> "a" in parts
    True
    """

    def __init__(
        self, send: Callable[[str, bytes], T], drop: Callable[[str], object] = lambda name: None
    ) -> None:
        self._send = send
        self._drop = drop
        self._parts: dict[str, tuple[T, int]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._parts

    def sent(self, name: str, content: bytes) -> T:
        """Return the reference to a part; send the part first if it is new."""
        if name not in self._parts:
            self._parts[name] = self._send(name, content), len(content)
        part, size = self._parts.pop(name)
        self._parts[name] = part, size  # the most recently used part is last
        return part

    def trim(self) -> None:
        """Drop the least recently used parts above the limit; call this once a call has all of its parts."""
        while len(self._parts) > 1 and sum(size for _, size in self._parts.values()) > KEPT_BYTES:
            name = next(iter(self._parts))
            del self._parts[name]
            self._drop(name)

    def clear(self) -> None:
        """Forget all, because the cluster has."""
        self._parts.clear()
