"""The directive `view`: a line of Python, and the picture that it makes, drawn while the page is built."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from pictures import drawn, style
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class View(SphinxDirective):
    """``{view} CAPTION`` with ``:about: ID``; the content is the line."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar = {"about": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Draw."""
        caption, line = self.arguments[0], "\n".join(self.content)
        name = re.sub(r"\W+", "-", caption.lower())
        try:
            html = drawn(line, self.options.get("about", ""))
        except Exception as error:
            raise self.error(f"{line}: {type(error).__name__}: {error}") from error
        shot = nodes.container(ids=[name], classes=["dnb-shot"])
        title = nodes.paragraph(classes=["dnb-caption"])
        title += nodes.reference("", caption, refuri=f"#{name}")
        code = nodes.literal_block(line, line, language="python")
        shot += [title, code, nodes.raw("", f'<div class="dnb-picture">{html}</div>', format="html")]
        if "dnb-style" in self.env.temp_data:
            return [shot]
        self.env.temp_data["dnb-style"] = True
        return [nodes.raw("", f"<style>{style()}</style>", format="html"), shot]


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("view", View)
    return {"parallel_read_safe": False}
