"""The web page of a served hub: its files, and the live view at each address."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from durablenb.notebook.static_files import LIVE_SCRIPTS, LIVE_STYLES, static_text
from durablenb.notebook.themes import theme_css

if TYPE_CHECKING:
    from durablenb.hub.hub import Hub
    from durablenb.notebook.live.page_view import PageView

_FILES = {
    "/": ("text/html", ("page.html",)),
    "/page/page.js": ("text/javascript", ("page.js",)),
    "/page/live.js": ("text/javascript", LIVE_SCRIPTS),
    "/page/page.css": ("text/css", (*LIVE_STYLES, "page.css")),
    "/page/icon.svg": ("image/svg+xml", ("icon.svg",)),
}


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
