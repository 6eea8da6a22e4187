"""The tab with the outputs in the live view of an instance."""

from __future__ import annotations

from durablenb.analysis.outputs import Outputs
from durablenb.notebook.html import Markup, markup
from durablenb.notebook.still.outputs import outputs_html


def outputs_pane(outputs: Outputs) -> Markup:
    """Return the outputs, or that there are none."""
    if not outputs:
        return Markup('<p class="dnb-muted">Nothing was displayed.</p>')
    return markup(
        '<div class="dnb-scroll dnb-outputs" data-scroll tabindex="0" role="group" aria-label="outputs">',
        outputs_html(outputs),
        "</div>",
    )
