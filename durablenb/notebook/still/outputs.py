"""Rich outputs as pictures, tables and texts in which nothing can run."""

from __future__ import annotations

import base64
import json
import re

from durablenb.analysis.outputs import Outputs, RichOutput
from durablenb.notebook.html import Markup, block, card, code, heading, line, markup, table, unbroken
from durablenb.notebook.untrusted_html import safe_html
from durablenb.notebook.words import plural, time_text

ROOM = 4_000_000
"""Maximum characters of HTML for all outputs that are shown at once; the others are only named."""

_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/svg+xml")
_TEXTS = ("text/markdown", "text/latex", "text/plain", "application/json")
_CHARACTERS = 5_000
_ESCAPES = re.compile(r"\x1b\[[0-9;:]*[A-Za-z]")
_WIDTH = re.compile(r"[0-9.]+(px|%)?")


def output_html(output: RichOutput) -> Markup:
    """Return an output: the best of its representations that needs no script."""
    for mime_type in _PICTURES:
        if mime_type in output.mime_types:
            return _picture(output, mime_type)
    html = output.content("text/html")
    note = ""
    if isinstance(html, str):
        safe = safe_html(html)
        note = "" if safe.is_whole else "Scripts and frames are left out."
        if safe.has_content:
            return markup("<div>", safe.html, "</div>", _note(note))
    for mime_type in _TEXTS:
        text = output.content(mime_type)
        if isinstance(text, str):
            return markup(block(_readable(mime_type, text), _CHARACTERS), _note(note))
    return _note(f"{', '.join(output.mime_types)}: can't be shown without scripts.")


def output_card(output: RichOutput) -> str:
    """Return one output under its author."""
    return card(_author(output.author, output), output_html(output))


def outputs_card(shown: Outputs) -> str:
    """Return all outputs of an instance."""
    title = heading(
        markup("<b>Outputs</b>"), "of", code(shown.instance_id, 256), "·", plural(len(shown), "output")
    )
    if not shown:
        return card(title, table((), [("Nothing was displayed.",)]))
    return card(title, outputs_html(shown))


def outputs_html(shown: Outputs, room: int = ROOM) -> Markup:
    """Return outputs under their authors; those without room get a line each."""
    parts: list[Markup] = []
    before = ""
    for number, output in enumerate(shown):
        author = shown.author(output)
        if author != before:
            parts.append(_author(author, output))
            before = author
        html = output_html(output) if output.size * 4 // 3 < room else Markup("")
        if not html or len(html) > room:
            kinds = ", ".join(output.mime_types)
            html = _note(f"{kinds}, {output.size:,} bytes: handle.outputs()[{number}] shows it.")
        room -= len(html)
        parts.append(html)
    return markup(*parts)


def output_text(output: RichOutput) -> str:
    """Return an output as text."""
    text = output.content("text/plain")
    return (
        repr(output) if not isinstance(text, str) else f"{output!r}\n{_ESCAPES.sub('', text)[:_CHARACTERS]}"
    )


def outputs_text(shown: Outputs) -> str:
    """Return outputs as text."""
    return "\n".join([repr(shown), *map(output_text, shown)])


def _author(author: str, output: RichOutput) -> Markup:
    return heading(code(author, 100), "·", unbroken(f"{time_text(output.timestamp)} UTC"))


def _picture(output: RichOutput, mime_type: str) -> Markup:
    content = output.content(mime_type)
    raw = content.encode() if isinstance(content, str) else content or b""
    about = output.metadata.get(mime_type)
    sizes = [
        f' {name}="{value}"'
        for name, value in (about.items() if isinstance(about, dict) else ())
        if name in ("width", "height") and _WIDTH.fullmatch(str(value))
    ]
    text = output.content("text/plain")
    data = base64.b64encode(raw).decode("ascii")
    alt = line(text if isinstance(text, str) else mime_type, 100)
    return markup(f'<p><img alt="{alt}"{"".join(sizes)} src="data:{mime_type};base64,{data}"></p>')


def _readable(mime_type: str, text: str) -> str:
    if mime_type != "application/json":
        return _ESCAPES.sub("", text)
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    except ValueError:
        return text


def _note(text: str) -> Markup:
    return markup("<p><small>", line(text, 300), "</small></p>") if text else Markup("")
