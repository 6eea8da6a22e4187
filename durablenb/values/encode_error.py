"""The error that travels out of a value that cannot be encoded, and collects the path to the culprit."""

from __future__ import annotations

from durablenb.model.errors import NotSerializableError

LONGEST_PATH = 200
"""Characters of a path that a message shows."""


class EncodeError(Exception):
    """A part of a value cannot be kept; each level that the error leaves adds a step to the path.

    Parameters
    ----------
    problem
        The part that cannot be kept, such as ``a builtins.object``.
    remedy
        Advice, as an imperative.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.is_too_deep = False
        self._steps: list[str] = []

    def within(self, step: str) -> EncodeError:
        """Add a step of the path, from the inside out: ``[3]`` or ``.name``."""
        self._steps.append(step)
        return self

    def as_error(self) -> NotSerializableError:
        """Return the public error, with the whole path."""
        path = "value" + "".join(reversed(self._steps))
        if len(path) > LONGEST_PATH:
            path = path[:LONGEST_PATH] + "..."
        return NotSerializableError(
            f"{path} is {self.problem}, which the journal can't keep. {self.remedy}. Nothing was recorded."
        )


def describe_type(kind: type) -> str:
    """Return a type with its article, as messages show it."""
    return f"a {kind.__module__}.{kind.__qualname__}"
