"""The files for browsers."""

from __future__ import annotations

from pathlib import Path

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


def static_text(*names: str) -> str:
    """Return the texts of files for browsers as one."""
    return "".join((STATIC / name).read_text("utf-8") for name in names)
