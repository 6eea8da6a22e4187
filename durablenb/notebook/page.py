"""The web page of a served hub: its files, and the live view that belongs to a place in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from durablenb.notebook.themes import tokens

if TYPE_CHECKING:
    from durablenb.notebook.live.carried import Carried
    from durablenb.notebook.live.hub import HubSight

_STATIC = Path(__file__).parent / "static"
_FILES = {
    "/": ("text/html", ("page.html",)),
    "/page/page.js": ("text/javascript", ("page.js",)),
    "/page/live.js": ("text/javascript", ("live.js",)),
    "/page/page.css": ("text/css", ("live.css", "page.css")),
    "/page/icon.svg": ("image/svg+xml", ("icon.svg",)),
}


class HubPage:
    """The page.

    Parameters
    ----------
    sight
        Gives what live views have of the hub.

    Attributes
    ----------
    paths
        Where its files are. They hold nothing of the hub.
    """

    paths = frozenset(_FILES)

    def __init__(self, sight: Callable[[], HubSight]) -> None:
        self._sight = sight

    def file(self, path: str) -> tuple[str, str]:
        """Return the media type and the text of a file."""
        media, names = _FILES[path]
        text = "".join((_STATIC / name).read_text("utf-8") for name in names)
        return media, tokens() + text if media == "text/css" else text

    def view(self, place: str, tell: Callable[[], None]) -> Carried:
        """Return the live view at a place.

        Parameters
        ----------
        place
            Empty for the hub, or ``instances/ID``, or ``entities/NAME/KEY``.
        tell
            Called on any thread when there is news.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        ValueError
            If there is no such place.
        """
        from durablenb.notebook.live.paged import view_at  # ipywidgets, which only who looks needs

        return view_at(self._sight(), place, tell)
