"""What can't be kept, and where in the value it is."""

from __future__ import annotations

from durablenb.model.errors import NotSerializableError

LONGEST_PATH = 200
"""Characters of a path that a message shows."""


class Refusal(Exception):
    """Something inside a value can't be kept; the path grows on the way out.

    Parameters
    ----------
    found
        What it is, such as ``a builtins.object``.
    remedy
        What to do.
    """

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.found = found
        self.remedy = remedy
        self.is_too_deep = False
        self._steps: list[str] = []

    def within(self, step: str) -> Refusal:
        """Adds a step of the path, from the inside: ``[3]`` or ``.name``."""
        self._steps.append(step)
        return self

    def as_error(self) -> NotSerializableError:
        """What the user gets."""
        path = "value" + "".join(reversed(self._steps))
        if len(path) > LONGEST_PATH:
            path = path[:LONGEST_PATH] + "..."
        return NotSerializableError(
            f"{path} is {self.found}, which the journal can't keep. {self.remedy}. Nothing was recorded."
        )


def a(kind: type) -> str:
    """A type in a message."""
    return f"a {kind.__module__}.{kind.__qualname__}"
