"""The still picture that a notebook shows once the kernel is gone or a live view is frozen."""

from __future__ import annotations

import time
from typing import Any

from durablenb.notebook.rendering import render_html, render_text

REFRESH_SECONDS = 15.0
"""Seconds after which the still picture in the notebook is refreshed."""

_WIDGET = "application/vnd.jupyter.widget-view+json"

_WITHOUT_ERROR = (
    '.jp-OutputArea-child:has([title="still"]) + .jp-OutputArea-child > .lm-Panel:not(:has(*)) '
    "{display: none}"
)
"""Hides what JupyterLab says in place of a widget whose kernel is gone: "model not found"."""


class StaticFallback:
    """A widget displayed together with its still picture, which the page hides while the view is live.

    JupyterLab shows nothing for a widget whose kernel is gone, so the still picture is a separate output.
    """

    _display: Any = None
    _still_display: Any = None
    _refreshed_at = 0.0

    is_frozen = False
    """True if it has become a still picture, or is no longer updated."""

    has_news = False
    _is_stale = False
    model_id: str

    def still(self) -> dict[str, str]:
        """Return the still picture, by MIME type."""
        raise NotImplementedError

    def freeze(self) -> None:
        """Replace the displayed view by its still picture."""
        if self.is_frozen:
            return
        self.is_frozen = True
        if self._display is not None:
            still = self.still()  # first: if this fails, nothing has changed
            self._still_display.update(_empty(), raw=True)
            self._display.update(still, raw=True)
            self.close()

    def close(self) -> None:
        """Remove the widget from the page."""
        super().close()  # type: ignore[misc]

    def refresh_still(self) -> None:
        """Refresh the still picture in the notebook if it is old."""
        if time.monotonic() - self._refreshed_at > REFRESH_SECONDS:
            self.refresh_still_now()

    def refresh_still_now(self) -> None:
        """Refresh the still picture in the notebook now, unless it has replaced the view."""
        if self._still_display is not None and not self.is_frozen:
            self._refreshed_at = time.monotonic()
            self.has_news = False
            self._still_display.update(self._hidden(), raw=True)

    def _hidden(self) -> dict[str, str]:
        still = self.still()
        html = still.get("text/html", "")
        return {
            "text/html": f'<div title="still">{html}</div><style>{_WITHOUT_ERROR}</style>',
            "text/plain": still["text/plain"],
        }

    @property
    def is_displayed(self) -> bool:
        """True if it is an output of a cell, and no part of another widget or page."""
        return self._display is not None and not self.is_frozen

    def _ipython_display_(self) -> None:
        import IPython.display

        display: Any = IPython.display.display
        if self.is_frozen:
            display(self.still(), raw=True)
            return
        self._refreshed_at = time.monotonic()
        self._still_display = display(self._hidden(), raw=True, display_id=True)
        widget = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        # No text here: it would never change, and a saved notebook would show it below the last picture.
        bundle: dict[str, Any] = {"text/plain": "", _WIDGET: widget}
        self._display = display(bundle, raw=True, display_id=True)
        self._is_stale = True  # it can be kept now


def _empty() -> dict[str, str]:
    return {"text/html": "", "text/plain": ""}


def still_bundle(shown: object) -> dict[str, str]:
    """Return the still forms of an object, by MIME type."""
    html = render_html(shown)
    return {"text/plain": render_text(shown)} | ({"text/html": html} if html else {})
