"""Messages of running calls, kept on the cluster for a hub that comes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from durablenb.cluster.calls import Message

KEPT_LINES = 1_000
"""How many lines of a call are kept while its hub is away."""


class KeptMessages:
    """The messages of the calls of one hub: their starts, their progress, their last lines.

    Examples
    --------
    >>> kept = KeptMessages()
    >>> kept.keep({"key": "a", "worker": "w", "first": 0, "lines": ["x", "y"]}, with_lines=True)
    >>> kept.take("a")
    {'next': 2, 'lines': ['x', 'y'], 'key': 'a', 'worker': 'w', 'first': 0}
    """

    def __init__(self) -> None:
        self._told: dict[str, Message] = {}

    def keep(self, message: Message, *, with_lines: bool) -> None:
        """Keep a message; keep its lines only if no hub is connected to receive them."""
        new: Message = {"next": 0, "lines": deque(maxlen=KEPT_LINES)}
        told = self._told.setdefault(message["key"], new)
        told.update((name, message[name]) for name in message if name not in ("first", "lines"))
        lines = message.get("lines", ())
        if "first" in message:
            told["next"] = message["first"] + len(lines)
        if with_lines:
            told["lines"].extend(lines)

    def give_back(self, message: Message) -> None:
        """Keep the lines of a message that was kept without them, since its hub has not heard it."""
        self._told[message["key"]]["lines"].extend(message.get("lines", ()))

    def keys(self) -> set[str]:
        """Return the calls that have sent messages."""
        return set(self._told)

    def take(self, key: str) -> Message | None:
        """Return a call's messages, with the lines that its hub has not received."""
        told = self._told.get(key)
        if told is None:
            return None
        lines = list(told["lines"])
        told["lines"].clear()
        return told | {"lines": lines, "first": told["next"] - len(lines)}

    def release(self, keys: Iterable[str]) -> None:
        """Forget calls."""
        for key in keys:
            self._told.pop(key, None)

    def clear(self) -> None:
        """Forget all calls."""
        self._told.clear()
