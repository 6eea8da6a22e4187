"""Pickled values: objects that only pickle can keep, wrapped by the user on purpose."""

from __future__ import annotations

from typing import Any

from durablenb.model.errors import DurableError
from durablenb.values.converter_kinds import BlobConverter, CellCodec, InlineConverter
from durablenb.values.encode_error import EncodeError, describe_type
from durablenb.values.writer import Encoder

_REMEDY = "durablenb.TaskHub(path, allow_pickle=True), if all that may write to the file is trusted"


class Pickled:
    """A value that is kept by pickle, such as a trained model. Pass it on as it is; `value` unpickles it.

    Parameters
    ----------
    value
        Anything that can be pickled; classes of the notebook are included.

    Notes
    -----
    A pickle runs code when it is read. Anybody who can write to the hub's file can then run code as you,
    which is why the hub has to be opened with ``allow_pickle=True``. A pickle may be unreadable to another
    version of the library that made it, and the same value may have other bytes in another process: make
    pickles in activities, never in orchestrators.
    """

    __slots__ = ("__weakref__", "_content", "_has_value", "_is_allowed", "_value")

    def __init__(self, value: Any) -> None:
        self._value = value
        self._has_value = True
        self._content: bytes | None = None
        self._is_allowed = True

    @property
    def value(self) -> Any:
        """The value, unpickled at the first access.

        Raises
        ------
        DurableError
            If the hub doesn't allow pickles.
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
    """Return a pickled value, not unpickled yet."""
    pickled = Pickled.__new__(Pickled)
    pickled._value, pickled._has_value = None, False
    pickled._content, pickled._is_allowed = content, is_allowed
    return pickled


def find(kind: type[Any]) -> BlobConverter | Encoder | None:
    """Return the converter of `Pickled`."""
    return PICKLE if kind is Pickled else None


def _write(pickled: Pickled, cells: CellCodec) -> bytes:
    if not cells.allows_pickle:
        raise EncodeError("a pickle, and this hub allows none", f"Open the hub so: {_REMEDY}")
    if not pickled._has_value and pickled._content is not None:
        return pickled._content
    import cloudpickle

    try:
        content: bytes = cloudpickle.dumps(pickled._value)
    except Exception as error:
        raise EncodeError(
            f"{describe_type(type(pickled._value))} that can't be pickled ({type(error).__name__}: {error})",
            "Leave out the part that fails",
        ) from error
    return content


PICKLE = BlobConverter(
    "pickle",
    _write,
    read=lambda content, cells: read_pickle(content, is_allowed=cells.allows_pickle),
    describe=lambda pickled, content: {},
    copy=lambda pickled: read_pickle(pickled._content or b"", is_allowed=pickled._is_allowed),
    size=lambda pickled: 0,
)

READERS: dict[str, BlobConverter | InlineConverter] = {PICKLE.name: PICKLE}
