"""The web page of a served hub: its files, and the live view at each address."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from durablenb.notebook.themes import theme_css

if TYPE_CHECKING:
    from durablenb.hub.hub import Hub
    from durablenb.notebook.live.page_view import PageView

STATIC = Path(__file__).parent / "static"
"""The folder of the files for browsers."""

LIVE_SCRIPTS = (
    "tooltip.js",
    "share.js",
    "timeline_data.js",
    "timeline_paint.js",
    "timeline_lanes.js",
    "timeline_workers.js",
    "timeline_viewport.js",
    "timeline_tip.js",
    "timeline_cursor.js",
    "timeline.js",
    "live.js",
)
"""The parts of the module of all live views; a notebook takes a single text."""

LIVE_STYLES = ("live.css", "share.css")
"""The parts of their style sheet."""

_FILES = {
    "/": ("text/html", ("page.html",)),
    "/page/page.js": ("text/javascript", ("page.js",)),
    "/page/live.js": ("text/javascript", LIVE_SCRIPTS),
    "/page/page.css": ("text/css", (*LIVE_STYLES, "page.css")),
    "/page/icon.svg": ("image/svg+xml", ("icon.svg",)),
}


def static_text(*names: str) -> str:
    """Return the texts of files for browsers as one."""
    return "".join((STATIC / name).read_text("utf-8") for name in names)


class HubPage:
    """The web page of a hub.

    Parameters
    ----------
    hub
        The hub.

    Attributes
    ----------
    paths
        The addresses of its files, which contain no data of the hub.
    """

    paths = frozenset(_FILES)

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def file(self, path: str) -> tuple[str, str]:
        """Return the media type and the text of a file."""
        media, names = _FILES[path]
        text = static_text(*names)
        return media, theme_css() + text if media == "text/css" else text

    def view(self, address: str, tell: Callable[[], None]) -> PageView:
        """Return the live view at an address.

        Parameters
        ----------
        address
            Empty for the hub; ``instances/ID``; ``entities/NAME/KEY``; for the replay explorer of an instance
            ``instances/ID/replay``, which is the end of its newest execution, or
            ``instances/ID/replay/EXECUTION/REPLAY/STEP``, numbered from 1.
        tell
            Called on any thread when there is something new.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        ValueError
            If there is no such address, or no such execution.
        """
        from durablenb.notebook.live.page_view import view_at  # imports ipywidgets, which only viewers need

        return view_at(self._hub, address, tell)
