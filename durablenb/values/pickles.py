"""What only pickle can keep, where a user asks for it by name."""

from __future__ import annotations

from typing import Any

from durablenb.model.errors import DurableError
from durablenb.values.kinds import Cells, LargeKind, SmallKind
from durablenb.values.refusal import Refusal, a
from durablenb.values.writer import Encoder

_REMEDY = "durablenb.TaskHub(path, allow_pickle=True), if all that may write to the file is trusted"


class Pickled:
    """A value that is kept by pickle: a trained model, say. Give it on as it is; its `value` unpickles it.

    Parameters
    ----------
    value
        Anything that can be pickled; classes of the notebook go with it.

    Notes
    -----
    A pickle runs code when it is read. Whoever can write to the hub's file can then run anything as
    you; so the hub has to be opened with ``allow_pickle=True``. A pickle may be unreadable to another
    version of the library that made it, and the same value may give other bytes in another process: make
    them in activities, never in orchestrators.
    """

    __slots__ = ("__weakref__", "_content", "_has_value", "_is_allowed", "_value")

    def __init__(self, value: Any) -> None:
        self._value = value
        self._has_value = True
        self._content: bytes | None = None
        self._is_allowed = True

    @property
    def value(self) -> Any:
        """The value, unpickled when it is first asked for.

        Raises
        ------
        DurableError
            If the hub doesn't allow it.
        """
        if not self._has_value:
            if not self._is_allowed:
                raise DurableError(
                    f"This value is a pickle, which could run any code. Open the hub so: {_REMEDY}."
                )
            import pickle

            assert self._content is not None
            self._value, self._has_value = pickle.loads(self._content), True
        return self._value

    def __repr__(self) -> str:
        if self._has_value:
            return f"<Pickled {type(self._value).__name__}>"
        return f"<Pickled, {len(self._content or b''):,} bytes>"


def read_pickle(content: bytes, *, is_allowed: bool) -> Pickled:
    """A value that was kept by pickle; nothing is unpickled yet."""
    made = Pickled.__new__(Pickled)
    made._value, made._has_value, made._content, made._is_allowed = None, False, content, is_allowed
    return made


def find(kind: type[Any]) -> LargeKind | Encoder | None:
    """How it is kept."""
    return PICKLE if kind is Pickled else None


def _write(pickled: Pickled, cells: Cells) -> bytes:
    if not cells.allows_pickle:
        raise Refusal("a pickle, and this hub allows none", f"Open the hub so: {_REMEDY}")
    if not pickled._has_value and pickled._content is not None:
        return pickled._content
    import cloudpickle

    try:
        content: bytes = cloudpickle.dumps(pickled._value)
    except Exception as error:
        raise Refusal(
            f"{a(type(pickled._value))} that can't be pickled ({type(error).__name__}: {error})",
            "Leave out what fails",
        ) from error
    return content


PICKLE = LargeKind(
    "pickle",
    _write,
    read=lambda content, cells: read_pickle(content, is_allowed=cells.allows_pickle),
    about=lambda pickled, content: {},
    handed_out=lambda pickled: read_pickle(pickled._content or b"", is_allowed=pickled._is_allowed),
    size=lambda pickled: 0,
)

READERS: dict[str, LargeKind | SmallKind] = {PICKLE.name: PICKLE}
