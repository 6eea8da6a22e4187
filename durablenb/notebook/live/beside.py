"""The still picture beside a live view: what a notebook shows when the kernel is gone, or the view frozen."""

from __future__ import annotations

import time
from typing import Any

from durablenb.notebook.display import html_of, text_of

KEEP_SECONDS = 15.0
"""Seconds after which the still picture in the notebook is replaced by a newer one."""

_WIDGET = "application/vnd.jupyter.widget-view+json"


class Beside:
    """A widget that is displayed with its still picture beside it, which the page hides while the view lives.

    JupyterLab shows no other form of a widget whose kernel is gone: the other form is an output of its own.
    """

    _display: Any = None
    _twin: Any = None
    _kept_at = 0.0

    is_frozen = False
    """Whether it has become a still picture, or has been left as it is."""

    has_news = False
    model_id: str

    def still(self) -> dict[str, str]:
        """Return the still form, by MIME type."""
        raise NotImplementedError

    def freeze(self) -> None:
        """Become the still picture; what was displayed is replaced by it."""
        if self.is_frozen:
            return
        self.is_frozen = True
        if self._display is not None:
            still = self.still()  # first of all: if it can't be had, all stays as it is
            self._twin.update(_empty(), raw=True)
            self._display.update(still, raw=True)
            self.close()

    def close(self) -> None:
        """Take the widget off the page."""
        super().close()  # type: ignore[misc]

    def keep(self) -> None:
        """Put a newer still picture into the notebook, if the last one is old."""
        if time.monotonic() - self._kept_at > KEEP_SECONDS:
            self.keep_now()

    def keep_now(self) -> None:
        """Put the newest still picture into the notebook, unless it is there in the view's place."""
        if self._twin is not None and not self.is_frozen:
            self._kept_at = time.monotonic()
            self.has_news = False
            self._twin.update(self._hidden(), raw=True)

    def _hidden(self) -> dict[str, str]:
        html = self.still().get("text/html", "")
        return {"text/html": f'<div title="still">{html}</div>', "text/plain": ""}

    def _ipython_display_(self) -> None:
        import IPython.display

        display: Any = IPython.display.display
        if self.is_frozen:
            display(self.still(), raw=True)
            return
        self._kept_at = time.monotonic()
        self._twin = display(self._hidden(), raw=True, display_id=True)
        widget = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        bundle: dict[str, Any] = {"text/plain": self.still()["text/plain"], _WIDGET: widget}
        self._display = display(bundle, raw=True, display_id=True)


def _empty() -> dict[str, str]:
    return {"text/html": "", "text/plain": ""}


def still_of(shown: object) -> dict[str, str]:
    """Return what a notebook shows of an object, by MIME type."""
    html = html_of(shown)
    return {"text/plain": text_of(shown)} | ({"text/html": html} if html else {})
