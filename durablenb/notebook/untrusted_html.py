"""Untrusted HTML, reduced to what can't do anything: tables, text, and embedded pictures.

An output may come from anybody's history. Tags, attributes and styles that aren't listed here are left out;
text between unknown tags stays. Everything is escaped and written again, so that nothing depends on how a
browser reads the original.
"""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser
from typing import NamedTuple

from durablenb.notebook.html import Markup

_IN_TABLES = {"caption", "col", "colgroup", "tbody", "td", "tfoot", "th", "thead", "tr"}
_LISTED = {"dd", "dl", "dt", "li", "ol", "ul", "h1", "h2", "h3", "h4", "h5", "h6", "a", "img", "table"}
_BLOCKS = {"blockquote", "details", "div", "figcaption", "figure", "hr", "p", "pre", "section", "summary"}
_INLINE = {"abbr", "b", "br", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd", "mark", "q", "s"}
_MORE = {"samp", "small", "span", "strong", "sub", "sup", "tt", "u", "var", "wbr"}
_TAGS = _IN_TABLES | _LISTED | _BLOCKS | _INLINE | _MORE
_EMPTY = {"br", "col", "hr", "img", "wbr"}
_ACTIVE = {"applet", "canvas", "iframe", "object", "script", "svg", "video"}
"""Elements without which something is missing."""

_RAW = {
    "math",
    "noembed",
    "noframes",
    "noscript",
    "option",
    "plaintext",
    "select",
    "style",
    "template",
    "title",
}
_DROPPED = _ACTIVE | _RAW | {"audio", "textarea", "xmp"}
"""Elements that are left out with what is in them."""

_PLAIN = {"align", "alt", "colspan", "height", "rowspan", "scope", "title", "valign", "width"}
_LINK = re.compile(r"(https?://|mailto:)[^\s]+", re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+")
_STYLES = re.compile(
    r"(color|background-color|font-(weight|style|size|family)|text-(align|decoration|transform)|vertical-align|"
    r"white-space|border(-(top|right|bottom|left))?(-(color|style|width|collapse|radius))?|"
    r"padding(-(top|right|bottom|left))?|(max-|min-)?(width|height))"
)
_STYLE_VALUE = re.compile(r"[-#%.,\w\s]*(\b(rgb|rgba|hsl|hsla)\([-%.,\d\s]*\)[-#%.,\w\s]*)*")
_DEEPEST = 100


class SafeHtml(NamedTuple):
    """HTML that runs and loads nothing.

    Parameters
    ----------
    html
        The HTML, in which every element is closed.
    has_content
        Whether there is anything to see.
    is_whole
        False if scripts, frames or the like were left out.
    """

    html: Markup
    has_content: bool
    is_whole: bool


def safe_html(text: str) -> SafeHtml:
    """Return HTML without all that could run, load, or reach beyond its place."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.result()


class _Reader(HTMLParser):
    """Copies the allowed elements and attributes, and drops the others."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._open: list[str] = []
        self._dropped: list[str] = []
        self._has_content = False
        self._is_whole = True

    def result(self) -> SafeHtml:
        """Return what was written, with all elements closed."""
        ends = "".join(f"</{tag}>" for tag in reversed(self._open))
        return SafeHtml(Markup("".join(self._parts) + ends), self._has_content, self._is_whole)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _ACTIVE:
            self._is_whole = False
        if tag in _DROPPED:
            self._dropped.append(tag)
        if self._dropped or tag not in _TAGS or len(self._open) >= _DEEPEST:
            return
        if tag in _IN_TABLES and "table" not in self._open:
            return
        written = "".join(filter(None, (_attribute(tag, name, value or "") for name, value in attrs)))
        if tag == "img" and "src=" not in written:
            self._is_whole = False
            return
        self._has_content |= tag in ("img", "hr")
        self._parts.append(f"<{tag}{written}>")
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._dropped:
            if tag in self._dropped:
                while self._dropped.pop() != tag:
                    pass
            return
        if tag not in self._open or (
            tag != "table" and tag in _IN_TABLES and not self._is_in_this_table(tag)
        ):
            return
        while True:
            last = self._open.pop()
            self._parts.append(f"</{last}>")
            if last == tag:
                return

    def _is_in_this_table(self, tag: str) -> bool:
        """Return True if the element was opened after the innermost table."""
        return tag in self._open[len(self._open) - self._open[::-1].index("table") :]

    def handle_data(self, data: str) -> None:
        if not self._dropped:
            self._has_content |= bool(data.strip())
            self._parts.append(escape(_printable(data)))


def _attribute(tag: str, name: str, value: str) -> str:
    """Return an attribute as it may be written; empty if it may not."""
    if name == "style":
        value = _style(value)
        is_allowed = bool(value)
    elif name == "href":
        is_allowed = tag == "a" and _LINK.fullmatch(value.strip()) is not None
    elif name == "src":
        is_allowed = tag == "img" and _PICTURE.fullmatch(value.strip()) is not None
    elif name == "open":
        is_allowed = tag == "details"
    else:
        is_allowed = name in _PLAIN
    if not is_allowed:
        return ""
    more = ' rel="noopener noreferrer nofollow" target="_blank"' if name == "href" else ""
    return f' {name}="{escape(_printable(value.strip()))}"{more}'


def _style(text: str) -> str:
    """Return the declarations of a style that change how text looks, and not where it is."""
    kept = []
    for declaration in text.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if _STYLES.fullmatch(name.lower()) and _STYLE_VALUE.fullmatch(value):
            kept.append(f"{name}: {value}")
    return "; ".join(kept)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() or character in "\n\t" else " " for character in text)
