"""A dialogue in Mermaid's language, which GitHub and JupyterLab draw; names of the data stay names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from durablenb.analysis.sequence.dialogue import Dialogue, Form, Message
from durablenb.analysis.sequence.parts import Gap, Part, Round, gap_text
from durablenb.analysis.text import shortened

_ARROWS: dict[Form, str] = {
    "call": "->>",
    "lock": "->>",
    "again": "->>",
    "signal": "-)",
    "unlock": "-)",
    "granted": "-->>",
    "answer": "-->>",
    "failure": "--x",
    "event": "-)",
    "timer": "->>",
    "wait": "->>",
}
_PLAIN = frozenset(" .,_'()/@-\N{MULTIPLICATION SIGN}\N{HORIZONTAL ELLIPSIS}")
"""Beside letters and digits: what means nothing in a name, or in what is said."""

_WIDTH = 80


def mermaid_of(dialogue: Dialogue, parts: Sequence[Part]) -> str:
    """Return a ``sequenceDiagram``.

    Parameters
    ----------
    dialogue
        Whose lifelines these are.
    parts
        What is shown of its messages.
    """
    lines = ["sequenceDiagram"]
    for place, lifeline in enumerate(dialogue.lifelines):
        lines.append(f"    participant p{place} as {_escaped(lifeline.name) or '_'}")
    last = len(dialogue.lifelines) - 1
    for part in parts:
        if isinstance(part, Gap):
            lines.append(f"    Note over p0,p{last}: {_escaped(gap_text(part))}")
        elif isinstance(part, Round):
            lines.append(f"    loop {part.times:,} rounds")
            lines += [f"    {line}" for message in part.messages for line in _said(message)]
            lines.append("    end")
        else:
            lines += _said(part)
    for place, count in dialogue.unanswered.items():
        lines.append(f"    Note over p{place}: {count:,} open")
    return "\n".join(lines)


def _said(message: Message) -> Iterator[str]:
    ends = f"p{message.source}{_ARROWS[message.form]}p{message.target}"
    if not message.is_par:
        yield f"    {ends}: {_escaped(message.words)}"
        return
    yield f"    par {message.count:,} together"
    yield f"        {ends}: {_escaped(message.text)}"
    yield "    end"


def _escaped(text: str) -> str:
    """Return data as text in which Mermaid finds no words, signs and markup of its own."""
    return "".join(
        character if character.isalnum() or character in _PLAIN else f"#{ord(character)};"
        for character in shortened(text, _WIDTH)
    )
