"""One picture of an instance, where the others aren't wanted."""

from __future__ import annotations

from typing import Literal

from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.analysis.timeline import timeline_text
from durablenb.model.display import Displayed
from durablenb.notebook.graph import graph_svg
from durablenb.notebook.html import badge, card, code, heading, line, markup, picture
from durablenb.notebook.palette import look_of
from durablenb.notebook.texts import picture_text
from durablenb.notebook.timeline import timeline_svg

Which = Literal["graph", "timeline"]


class Single(Displayed):
    """The graph of an instance, or its timeline.

    Parameters
    ----------
    shown
        The instance.
    which
        What of it is wanted.
    """

    def __init__(self, shown: InstanceSnapshot, which: Which) -> None:
        self.shown = shown
        self.which: Which = which

    def __repr__(self) -> str:
        return f"<{self.which} of {self.shown.status.instance_id}>"


def single_card(single: Single) -> str:
    """Return the picture under the instance's name."""
    shown = single.shown
    drawn = graph_svg(shown) if single.which == "graph" else timeline_svg(shown)
    name = markup("<b>", line(shown.status.name or ""), "</b>")
    head = heading(badge(look_of(shown.word)), name, code(shown.status.instance_id or "", 256))
    return card(head, picture(drawn) if drawn is not None else heading("No time has passed yet."))


def single_text(single: Single) -> str:
    """Return the steps of a graph, the bars of a timeline; these are times, and differ from run to run."""
    if single.which == "graph":
        return picture_text(single.shown)
    return f"{single!r}\n{timeline_text(single.shown.events)}"
