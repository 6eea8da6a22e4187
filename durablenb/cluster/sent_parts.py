"""Large parts of inputs that were sent to a cluster: each is sent once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT_BYTES = 1_000_000_000
"""How many bytes of inputs that were sent are kept on the cluster for later calls."""


class SentParts(Generic[T]):
    """Remembers what was sent, and forgets what was unused for longest once that is too much.

    Parameters
    ----------
    send
        Sends bytes under a name, and returns what the connection keeps of them.
    drop
        Called with the name of what is forgotten.

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
        """Return what is kept of a part, which is sent if it is a new one."""
        if name not in self._parts:
            self._parts[name] = self._send(name, content), len(content)
        part, size = self._parts.pop(name)
        self._parts[name] = part, size  # the last one used is the last one dropped
        return part

    def trim(self) -> None:
        """Forget what is too much; called when a call has all of its parts."""
        while len(self._parts) > 1 and sum(size for _, size in self._parts.values()) > KEPT_BYTES:
            name = next(iter(self._parts))
            del self._parts[name]
            self._drop(name)

    def clear(self) -> None:
        """Forget all, because the cluster has."""
        self._parts.clear()
