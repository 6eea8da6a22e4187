"""The tab with the conversation of agents in the live view of an instance."""

from __future__ import annotations

from collections.abc import Sequence

from durablenb.analysis.conversation import Turn
from durablenb.notebook.html import Markup, markup
from durablenb.notebook.still.conversation import conversation_html


def conversation_pane(turns: Sequence[Turn]) -> Markup:
    """Return the turns, or that there are none."""
    if not turns:
        return Markup('<p class="dnb-muted">No language model was asked.</p>')
    return markup(
        '<div class="dnb-scroll" data-scroll tabindex="0" role="group" aria-label="conversation">',
        conversation_html(turns),
        "</div>",
    )
