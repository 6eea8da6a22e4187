"""The display of objects in notebooks; the views that draw them are loaded when one is first shown."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, Self, TextIO, TypeVar, overload

log = logging.getLogger("durablenb")

T = TypeVar("T")

Display = Literal["static", "text"]

_DISPLAYS: tuple[Display, ...] = ("static", "text")


class Options:
    """Display options; the only object is `durablenb.options`.

    Examples
    --------
    >>> import durablenb as df
    >>> df.options.display
    'static'
    >>> df.options.display = "pictures"
    Traceback (most recent call last):
    ValueError: display is 'pictures'; expected one of 'static', 'text'.
    """

    __slots__ = ("_display", "_echo")

    def __init__(self) -> None:
        self._display: Display = "static"
        self._echo: TextIO | None = None

    @property
    def display(self) -> Display:
        """``"static"`` for pictures and tables that need no kernel, or ``"text"`` for text alone."""
        return self._display

    @display.setter
    def display(self, value: Display) -> None:
        if value not in _DISPLAYS:
            raise ValueError(f"display is {value!r}; expected one of {', '.join(map(repr, _DISPLAYS))}.")
        self._display = value

    @property
    def echo(self) -> TextIO | None:
        """A text stream that receives every line of every log at once, such as ``sys.__stderr__``; or None.

        A line begins with the instance and the function that printed it.
        """
        return self._echo

    @echo.setter
    def echo(self, value: TextIO | None) -> None:
        if value is not None and not callable(getattr(value, "write", None)):
            raise TypeError(f"echo is {value!r}; expected a text stream, such as sys.__stderr__, or None.")
        self._echo = value

    def __repr__(self) -> str:
        return f"<options: display={self._display!r}>"


options = Options()
"""durablenb's display options."""


class Card(NamedTuple):
    """The display data of a simple object: its line of text, and a few named values under a title."""

    text: str
    word: str
    rows: tuple[tuple[str, str], ...]


class HubView(NamedTuple):
    """The display data of a hub: its line of text, an `analysis.fleet.Fleet`, its `QueueState`s.

    `missing` has the number of open instances that wait for a function, by its name.
    """

    text: str
    fleet: object
    queues: tuple[Any, ...] = ()
    missing: tuple[tuple[str, int], ...] = ()


class SavedEntity(NamedTuple):
    """The data of an entity's page: an `analysis.entities.EntitySnapshot`, and its history as a bundle."""

    snapshot: object
    history: Any


Plot = Literal["graph", "timeline", "workers", "state", "throughput"]
"""The names of figures."""

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes

    class Views(Protocol):
        """The interface of the module that draws objects."""

        def render_text(self, shown: object) -> str:
            """Return an object as text that is the same in every run."""
            ...

        def render_html(self, shown: object) -> str | None:
            """Return an object as a picture and tables, or None if it has none."""
            ...

        def short_account(self, error: Exception) -> list[str]:
            """Return the short account of an error that replaces its traceback."""
            ...

        def plot(self, what: Plot, drawn: object, ax: Axes | None) -> Axes:
            """Draw a figure of an object, in these axes or in new ones."""
            ...

        def positions(self, flow: Any) -> tuple[Mapping[Any, tuple[float, float]], float]:
            """Return where the picture of a graph has its steps, to the right and down, and its height."""
            ...

        def save(self, shown: object, path: str | os.PathLike[str]) -> None:
            """Save an object's picture in a file, in the format of the file's suffix."""
            ...


_load: Callable[[], Views] | None = None


def views() -> Views:
    """Return the module that draws objects."""
    assert _load is not None  # every hub has set it
    return _load()


def use_views(load: Callable[[], Views]) -> None:
    """Set the module that draws objects, which is loaded when one is first shown."""
    global _load
    _load = load


class Displayed:
    """An object with a static display in notebooks. If drawing fails, its line of text is shown."""

    __slots__ = ()

    def _shown(self) -> object:
        """Return the display data: plain data that the views draw."""
        return self

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        if _load is None:
            return bundle
        try:
            views, shown = _load(), self._shown()
            bundle["text/plain"] = views.render_text(shown)
            html = views.render_html(shown) if options.display == "static" else None
            return bundle if html is None else {**bundle, "text/html": html}
        except Exception:
            log.debug("%r could not be drawn", self, exc_info=True)
            return bundle


class Saved(Displayed):
    """A displayed object that can be saved as a file."""

    __slots__ = ()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what a notebook shows to a file, and replace the file if it exists.

        Parameters
        ----------
        path
            The suffix chooses the format. ``.html``: a page that needs no other file, no script and no
            network. ``.svg``: the picture alone. ``.png``: the same, drawn by Matplotlib.

        Raises
        ------
        ValueError
            If it has another suffix, or if the object is shown without a picture.
        DurableError
            If Matplotlib isn't installed, which a PNG needs.
        OSError
            If the file can't be written.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     hub.save(Path(folder, "hub.html"))
        """
        views().save(self._shown(), path)


class SavedSequence(Saved, Sequence[T]):
    """A displayed sequence; its slices are of its own class.

    Parameters
    ----------
    items
        The items, in order.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[T]) -> None:
        self._items = tuple(items)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> T | Self:
        if not isinstance(index, slice):
            return self._items[index]
        part = copy(self)
        part._items = self._items[index]
        return part

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)


class ShortTraceback:
    """An error that notebooks show as a short account; ``%tb`` shows the whole traceback."""

    __slots__ = ()

    def _render_traceback_(self) -> list[str]:
        assert isinstance(self, Exception)
        try:
            return [repr(self)] if _load is None else _load().short_account(self)
        except Exception:  # a failing account must not hide the error
            return traceback.format_exception(self)
