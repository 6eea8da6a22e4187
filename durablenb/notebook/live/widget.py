"""The base of live views: a widget with regions of HTML, a selection, and messages from the page."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import anywidget
import traitlets

from durablenb.engine.locks import NotTakenError, Within
from durablenb.model.errors import DurableError
from durablenb.notebook.live.refresh_loop import refresh_loop
from durablenb.notebook.live.share_menu import ShareMenu
from durablenb.notebook.live.static_fallback import StaticFallback
from durablenb.notebook.static_files import LIVE_SCRIPTS, LIVE_STYLES, static_text
from durablenb.notebook.svg import WIDTH
from durablenb.notebook.themes import theme_css

log = logging.getLogger("durablenb")

_NARROWEST, _WIDEST = 320, 1_300
"""Widths of pictures in pixels."""

QUIET_SECONDS = 60.0
"""Seconds without a click after which a view of an instance that has ended becomes its still picture."""


def _sentence(error: Exception) -> str:
    """Return an error in a line; log it if it is neither the user's nor durablenb's own."""
    message = str(error).partition("\n")[0]
    if isinstance(error, DurableError | ValueError | TypeError):
        return message
    log.warning("a live view met an error", exc_info=error)
    return f"{type(error).__name__}: {message}."


class LiveView(ShareMenu, StaticFallback, anywidget.AnyWidget):
    """A widget of regions drawn as HTML, which handles messages from the page.

    A subclass draws its regions and has a method ``do_...`` for each action of the user.
    Messages arrive on any thread, and drawing happens on another one: both hold the view's lock.
    """

    _esm = static_text(*LIVE_SCRIPTS)
    _css = theme_css() + static_text(*LIVE_STYLES)

    REGIONS: ClassVar[tuple[str, ...]] = ()
    """The regions from top to bottom; each is a trait of bytes with its HTML."""

    TABS: ClassVar[tuple[str, ...]] = ()
    """The regions that are tabs, of which one is shown at a time."""

    KEYS: ClassVar[str] = (
        "Tab: into the view. Arrows: from mark to mark. Enter: select. Escape: select nothing. "
        "+ and -: open and fold a sub-orchestration. /: filter. ?: show or hide these keys."
    )
    """The keys of the view, as its help lists them."""

    regions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    tabs = traitlets.List(traitlets.Unicode()).tag(sync=True)
    absent = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """Tabs that aren't shown, since there is nothing for them."""

    tab = traitlets.Unicode().tag(sync=True)
    help = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    afterwards = traitlets.Unicode().tag(sync=True)
    """The advice once the kernel is gone."""

    marked = traitlets.List(traitlets.Unicode()).tag(sync=True)
    place = traitlets.Unicode().tag(sync=True)
    """Address on the web page; see `durablenb.notebook.page.HubPage.view`."""

    selected = traitlets.Unicode()
    """The key of the selection, such as a step or a call; empty if there is none."""

    def __init__(
        self, *, freeze: bool = True, ticks: Callable[[], float] = time.monotonic, **traits: Any
    ) -> None:
        self._lock = threading.RLock()
        self._ticks = ticks
        self._active_at = ticks()
        self._width = WIDTH
        self._drawn_at = 0.0
        self._freezes = False
        self._is_stale = True
        self._was_over = False
        self._trouble = ""
        self.has_news = False
        """True if something was written since the still picture was refreshed; passing time doesn't count."""
        self._pages: Counter[str] = Counter()
        super().__init__(regions=list(self.REGIONS), tabs=list(self.TABS), help=self.KEYS, **traits)
        if self.TABS and not self.tab:
            self.tab = self.TABS[0]
        self.on_msg(self._on_message)
        self.observe(self._changed, ["selected", "tab"])
        self.refresh()
        self._freezes = freeze and not self.is_over()  # a view of an ended instance stays live
        if not self.is_frozen:
            refresh_loop.add(self)

    # -- what a subclass says --------------------------------------------------------------------

    def draw(self, is_stale: bool) -> Mapping[str, str]:
        """Return the HTML of the regions to redraw; `is_stale` if the user has acted since the last time."""
        raise NotImplementedError

    def is_over(self) -> bool:
        """Return whether nothing can change any more."""
        return False

    def trouble(self) -> str:
        """Return what keeps the view from being up to date, in a line; empty if nothing does."""
        return ""

    def tooltip(self, key: str) -> str:
        """Return what a tooltip says of a mark, beyond what the picture says; empty if that is nothing."""
        return ""

    def _selection_for(self, instance: Any) -> Selection:
        """Return the selection that this view shares with others of an instance."""
        return shared_selection(instance)

    def chosen(self) -> list[str]:
        """Return the keys of all marks of the selection."""
        return [self.selected] if self.selected else []

    # -- drawing ---------------------------------------------------------------------------------

    def refresh(self) -> bool:
        """Draw what is new.

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
                self.stop_updating(_sentence(error))
                return False
            marked, trouble = self.chosen(), self.trouble()
            with self.hold_sync():
                if trouble != self._trouble:
                    self._trouble = self.note = trouble
                for name, html in drawn.items():
                    setattr(self, name, html)
                self.marked = marked
            if self.has_news:
                self.refresh_still()
            is_over, was_over = self.is_over(), self._was_over
            self._was_over = is_over
            if is_over and not was_over:
                self._active_at = self._ticks()
                self.refresh_still_now()
            elif is_over and self._freezes and not self.selected and self._is_quiet():
                self.freeze()
            return not self.is_frozen

    def _is_quiet(self) -> bool:
        """Return whether the view has not been used for a while; a view with a selection is in use."""
        return self._ticks() - self._active_at >= QUIET_SECONDS

    def refresh_if_free(self) -> bool:
        """Draw what is new, as the refresh loop does up to ten times a second, unless the view is at work.

        A message can take seconds, and ends with a refresh of its own; other views aren't kept waiting.

        Returns
        -------
        bool
            Whether there may be more to come.
        """
        try:
            with Within(self._lock, 0):
                return self.refresh()
        except NotTakenError:
            return True

    def refresh_finally(self) -> None:
        """Draw what is new for the last time, as the hub is closing; freeze, or keep the still picture."""
        with self._lock:
            if self.refresh():
                if self.is_over() and not self.selected:
                    self.freeze()
                else:
                    self.refresh_still_now()

    def freeze(self) -> None:
        """Replace the displayed view by its still picture."""
        with self._lock:
            refresh_loop.drop(self)
            super().freeze()

    def stop_updating(self, why: str) -> None:
        """Stop updating, and show the reason."""
        self.note = f"{why} This is how it stood at {datetime.now():%H:%M:%S}."
        self.is_frozen = True

    def close(self) -> None:
        """Remove the view from the page and stop drawing it."""
        refresh_loop.drop(self)
        self.is_frozen = True
        super().close()

    # -- messages --------------------------------------------------------------------------------

    def _on_message(self, _: Any, message: Any, __: Any) -> None:
        self._active_at = self._ticks()
        self.send({"heard": True})  # otherwise the page reports that the kernel doesn't answer
        arguments = dict(message) if isinstance(message, dict) else {}
        if arguments.get("do") == "tip":
            self._send_tip(str(arguments.get("key", "")))
            return
        action: Callable[..., Any] | None = getattr(self, f"do_{arguments.pop('do', '')}", None)
        if action is None:
            return
        with self._lock:
            if self.is_frozen:
                return
            self._trouble = self.note = ""
            self._is_stale = True
            try:
                action(**{name: value for name, value in arguments.items() if name != "sure"})
            except Exception as error:
                self.note = _sentence(error)
            self.refresh()

    def _send_tip(self, key: str) -> None:
        """Send the text for the mark on which the pointer rests; nothing is redrawn."""
        with self._lock:
            words = "" if self.is_frozen else self.tooltip(key)
        self.send({"tip": key, "words": words})

    def do_keep(self, **_: Any) -> None:
        """Replace the displayed view by its still picture."""
        self.freeze()

    def do_here(self, page: Any = "", **_: Any) -> None:
        """Start drawing: the view is on a page."""
        self._count_page(str(page), 1)

    def do_gone(self, page: Any = "", **_: Any) -> None:
        """Stop drawing if no page has the view any more, for example because its cell was rerun."""
        self._count_page(str(page), -1)

    def _count_page(self, page: str, change: int) -> None:
        """Count a page that got or lost the view: Jupyter's subshells may swap the two reports."""
        self._pages[page] += change
        if not self._pages[page]:
            del self._pages[page]
        if any(count > 0 for count in self._pages.values()):
            refresh_loop.add(self)
        else:
            refresh_loop.drop(self)

    def do_width(self, pixels: Any = WIDTH, **_: Any) -> None:
        """Draw the pictures for this width, at which the page shows them."""
        self._width = min(max(int(pixels), _NARROWEST), _WIDEST)
        self._drawn_at = 0.0  # so pictures are due

    def do_look(self, **_: Any) -> None:
        """Draw the tab that was chosen; the refresh after each message does it."""

    def do_select(self, key: str = "", **_: Any) -> None:
        """Select a clicked mark; a second click clears the selection."""
        self.selected = "" if key == self.selected else key

    def _changed(self, _: Any) -> None:
        self._is_stale = True
        with contextlib.suppress(NotTakenError), Within(self._lock, 0):  # waiting for it could deadlock
            self.refresh()

    def __repr__(self) -> str:
        return f"<live view: {self.label}>"


class Selection(traitlets.HasTraits):
    """The selection within one instance: the key of a step or a call."""

    selected = traitlets.Unicode()


_selections: WeakValueDictionary[Any, Selection] = WeakValueDictionary()


def shared_selection(instance: Any) -> Selection:
    """Return the selection shared by all views of an instance."""
    selection = _selections.get(instance)
    if selection is None:
        selection = _selections[instance] = Selection()
    return selection
