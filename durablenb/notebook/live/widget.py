"""A live view as a widget: its regions, what is selected in it, what the user asks for in it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from durablenb.model.errors import DurableError
from durablenb.notebook.live.beat import beat
from durablenb.notebook.live.beside import Beside
from durablenb.notebook.themes import tokens

log = logging.getLogger("durablenb")

STATIC = Path(__file__).parent.parent / "static"


def _sentence(error: Exception) -> str:
    """Return what went wrong, in a line; an error of nobody's making is logged, too."""
    told = str(error).partition("\n")[0]
    if isinstance(error, DurableError | ValueError | TypeError):
        return told
    log.warning("a live view met an error", exc_info=error)
    return f"{type(error).__name__}: {told}."


@cache
def _static(name: str) -> str:
    return (STATIC / name).read_text("utf-8")


class LiveView(Beside, anywidget.AnyWidget):
    """What a live view is made of: regions that are drawn as HTML, and messages from the page.

    A subclass draws its regions and has a method ``do_...`` for each thing that can be asked for in the page.
    Messages come on any thread, and drawing is done on another one: both hold the view's lock.
    """

    _esm = _static("live.js")
    _css = tokens() + _static("live.css")

    REGIONS: ClassVar[tuple[str, ...]] = ()
    """From top to bottom; each is a trait of bytes, its HTML."""

    TABS: ClassVar[tuple[str, ...]] = ()
    """Those of them of which one is shown at a time."""

    regions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    tabs = traitlets.List(traitlets.Unicode()).tag(sync=True)
    tab = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    marked = traitlets.List(traitlets.Unicode()).tag(sync=True)
    place = traitlets.Unicode().tag(sync=True)
    """Where a web page has what is shown: ``instances/ID``, ``entities/NAME/KEY``, or empty for the hub."""

    selected = traitlets.Unicode()
    """What is selected: a step, a call, ...; nothing if it is empty."""

    def __init__(self, *, freeze: bool = True, **traits: Any) -> None:
        self._lock = threading.RLock()
        self._freezes = False
        self._is_stale = True
        self._was_over = False
        self._trouble = ""
        self.has_news = False
        """Whether something was written since the still picture was renewed: that time goes on is no news."""
        self._pages: set[str] = set()
        super().__init__(regions=list(self.REGIONS), tabs=list(self.TABS), **traits)
        if self.TABS and not self.tab:
            self.tab = self.TABS[0]
        self.on_msg(self._heard)
        self.observe(self._changed, ["selected", "tab"])
        self.refresh()
        self._freezes = freeze and not self.is_over()  # what has ended is looked at, not waited for
        if not self.is_frozen:
            beat.add(self)

    # -- what a subclass says --------------------------------------------------------------------

    def draw(self, is_stale: bool) -> Mapping[str, str]:
        """Return the HTML of the regions that are to be drawn anew: all, if somebody asked for something."""
        raise NotImplementedError

    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return False

    def trouble(self) -> str:
        """Return what keeps news from coming, in a line; nothing if nothing does."""
        return ""

    def chosen(self) -> list[str]:
        """Return the keys of all marks that belong to what is selected."""
        return [self.selected] if self.selected else []

    # -- drawing ---------------------------------------------------------------------------------

    def refresh(self) -> bool:
        """Draw what is new. It is called up to ten times a second; a test may call it, too.

        Returns
        -------
        bool
            Whether there may be more to come.
        """
        with self._lock:
            if self.is_frozen:
                return False
            is_stale, self._is_stale = self._is_stale, False
            try:
                drawn = {name: html.encode("utf-8", "replace") for name, html in self.draw(is_stale).items()}
            except Exception as error:
                self.leave(_sentence(error))
                return False
            marked, trouble = self.chosen(), self.trouble()
            with self.hold_sync():
                if trouble != self._trouble:
                    self._trouble = self.note = trouble
                for name, html in drawn.items():
                    setattr(self, name, html)
                self.marked = marked
            if self.has_news:
                self.keep()
            is_over, was_over = self.is_over(), self._was_over
            self._was_over = is_over
            if is_over and self._freezes and not self.selected:  # else somebody is looking at something
                self.freeze()
            elif is_over and not was_over:
                self.keep_now()
            return not self.is_frozen

    def look_again(self) -> None:
        """Draw what is new, for the last time: the hub will be closed. Freeze, or keep the still picture."""
        with self._lock:
            if self.refresh():
                if self.is_over() and not self.selected:
                    self.freeze()
                else:
                    self.keep_now()

    def freeze(self) -> None:
        """Become the still picture; what was displayed is replaced by it."""
        with self._lock:
            beat.drop(self)
            super().freeze()

    def leave(self, why: str) -> None:
        """Stay as it is, and say why."""
        self.note = f"{why} This is how it stood at {datetime.now():%H:%M:%S}."
        self.is_frozen = True

    def close(self) -> None:
        """Take the view off the page, and draw it no more."""
        beat.drop(self)
        self.is_frozen = True
        super().close()

    # -- messages --------------------------------------------------------------------------------

    def _heard(self, _: Any, message: Any, __: Any) -> None:
        self.send({"heard": True})  # else the page says that nobody answers
        asked = dict(message) if isinstance(message, dict) else {}
        act: Callable[..., Any] | None = getattr(self, f"do_{asked.pop('do', '')}", None)
        if act is None:
            return
        with self._lock:
            if self.is_frozen:
                return
            self._trouble = self.note = ""
            self._is_stale = True
            try:
                act(**{name: value for name, value in asked.items() if name != "sure"})
            except Exception as error:
                self.note = _sentence(error)
            self.refresh()

    def do_here(self, page: Any = "", **_: Any) -> None:
        """The view is on a page: draw it from now on."""
        if not self._pages:
            beat.add(self)
        self._pages.add(str(page))

    def do_gone(self, page: Any = "", **_: Any) -> None:
        """A page has let go of the view, as when its cell is run again; what is on no page isn't drawn."""
        self._pages.discard(str(page))
        if not self._pages:
            beat.drop(self)

    def do_look(self, **_: Any) -> None:
        """Another tab was chosen: draw it."""

    def do_select(self, key: str = "", **_: Any) -> None:
        """A mark was clicked; a second click on it selects nothing."""
        self.selected = "" if key == self.selected else key

    def _changed(self, _: Any) -> None:
        self._is_stale = True
        if self._lock.acquire(blocking=False):  # who holds it may wait for what this thread holds
            try:
                self.refresh()
            finally:
                self._lock.release()

    def __repr__(self) -> str:
        return f"<live view: {self.label}>"
