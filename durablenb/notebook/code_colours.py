"""Python code in colours: each line as HTML, with a class for each kind of token."""

from __future__ import annotations

import io
import keyword
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from html import escape

from durablenb.model.source import code_lines
from durablenb.notebook.html import Markup, markup

_LONGEST = 300
"""Maximum characters of a line."""

_KINDS = {tokenize.STRING: "string", tokenize.NUMBER: "number", tokenize.COMMENT: "comment"}
_KINDS |= {
    getattr(tokenize, name): "string"
    for name in ("FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END")
    if hasattr(tokenize, name)
}


@lru_cache(maxsize=32)
def coloured_lines(text: str) -> tuple[Markup, ...]:
    """Return the lines of a source text as HTML.

    Parameters
    ----------
    text
        Python code. Where it can't be read, such as behind an open bracket, it has no colours.

    Examples
    --------
    >>> coloured_lines("x = 1  # one")
    ('x = <span class="dnb-number">1</span>  <span class="dnb-comment"># one</span>',)
    """
    found: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
    for row, start, end, kind in _tokens(text):
        found[row].append((start, end, kind))
    return tuple(_coloured(words, found[row]) for row, words in enumerate(code_lines(text), 1))


def _tokens(text: str) -> Iterator[tuple[int, int, int, str]]:
    """Yield the row, the first and last column, and the kind of each part that has a colour."""
    is_name = False
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline=None).readline):
            kind = _KINDS.get(token.type, "")
            if token.type == tokenize.NAME:
                kind = "keyword" if keyword.iskeyword(token.string) else "name" if is_name else ""
                is_name = token.string in ("def", "class")
            if not kind:
                continue
            (first, start), (last, end) = token.start, token.end
            for row in range(first, last + 1):
                yield row, start if row == first else 0, end if row == last else _LONGEST, kind
    except (tokenize.TokenError, SyntaxError):  # the rest has no colours
        return


def _coloured(words: str, parts: list[tuple[int, int, str]]) -> Markup:
    indent = len(words) - len(words.lstrip())
    words = words[:_LONGEST].rstrip().expandtabs(1) or " "
    made, place = ["\N{NO-BREAK SPACE}" * indent], indent  # a browser would strip blanks
    for start, end, kind in parts:
        if max(start, place) >= min(end, len(words)):
            continue
        start, end = max(start, place), min(end, len(words))
        made += [_text(words[place:start]), f'<span class="dnb-{kind}">', _text(words[start:end]), "</span>"]
        place = end
    return markup(*made, _text(words[place:]))


def _text(words: str) -> str:
    return escape("".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in words))
