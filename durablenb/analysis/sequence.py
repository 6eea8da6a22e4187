"""The sequence diagram of an orchestration: loops folded, as text and in Mermaid's language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from durablenb.analysis.graph import fold_loops
from durablenb.analysis.messages import Dialogue, Form, Lifeline, Message, read_dialogue
from durablenb.analysis.text import plural, shortened
from durablenb.model.display import Saved
from durablenb.model.events import Event

MOST_MESSAGES = 60
"""The number of messages that are shown."""

_LAST = 15


@dataclass(frozen=True, slots=True)
class Round:
    """Messages that were repeated `times` times; only the first round is kept."""

    messages: tuple[Message, ...]
    times: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that are not shown."""

    count: int


Part = Message | Round | Gap


def diagram_parts(messages: Sequence[Message]) -> tuple[Part, ...]:
    """Return the shown parts of these messages.

    Parameters
    ----------
    messages
        All messages, in order.
    """
    parts = list(_with_rounds(messages))
    if sum(map(_length, parts)) <= MOST_MESSAGES:
        return tuple(parts)
    first = _leading(parts, MOST_MESSAGES - _LAST)
    last = _leading(parts[len(first) :][::-1], _LAST)[::-1]
    hidden = parts[len(first) : len(parts) - len(last)]
    return (*first, Gap(sum(map(_message_count, hidden))), *last)


def gap_text(gap: Gap) -> str:
    """Return a note about hidden messages, and where to find them."""
    messages = plural(gap.count, "message")
    return f"{messages} more: print(handle.history().timeline()) shows them all"


def _with_rounds(messages: Sequence[Message]) -> Iterator[Part]:
    keys = [
        frozenset([(message.source, message.target, message.words, message.form)]) for message in messages
    ]
    position = 0
    for fold in fold_loops(keys):
        folded = messages[position : position + fold.length]
        position += fold.length
        rounds = fold.length // fold.period
        if fold.is_mixed or rounds == 1:
            yield from folded
        else:
            yield Round(tuple(folded[: fold.period]), rounds)
            yield from folded[rounds * fold.period :]


def _leading(parts: Sequence[Part], most: int) -> list[Part]:
    """Return the first parts that together have at most `most` messages."""
    taken: list[Part] = []
    for part in parts:
        most -= _length(part)
        if most < 0:
            break
        taken.append(part)
    return taken


def _length(part: Part) -> int:
    return len(part.messages) if isinstance(part, Round) else 1


def _message_count(part: Part) -> int:
    if isinstance(part, Round):
        return len(part.messages) * part.times
    return 1


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
"""The characters without a meaning in Mermaid's texts, besides letters and digits."""

_WIDTH = 80


def mermaid_text(dialogue: Dialogue, parts: Sequence[Part]) -> str:
    """Return a ``sequenceDiagram``.

    Parameters
    ----------
    dialogue
        The dialogue with the lifelines.
    parts
        The shown parts of its messages.
    """
    lines = ["sequenceDiagram"]
    for position, lifeline in enumerate(dialogue.lifelines):
        lines.append(f"    participant p{position} as {_escaped(lifeline.name) or '_'}")
    last = len(dialogue.lifelines) - 1
    for part in parts:
        if isinstance(part, Gap):
            lines.append(f"    Note over p0,p{last}: {_escaped(gap_text(part))}")
        elif isinstance(part, Round):
            lines.append(f"    loop {part.times:,} rounds")
            lines += [f"    {line}" for message in part.messages for line in _mermaid_lines(message)]
            lines.append("    end")
        else:
            lines += _mermaid_lines(part)
    for position, count in dialogue.unanswered.items():
        lines.append(f"    Note over p{position}: {count:,} open")
    return "\n".join(lines)


def _mermaid_lines(message: Message) -> Iterator[str]:
    ends = f"p{message.source}{_ARROWS[message.form]}p{message.target}"
    if not message.is_par:
        yield f"    {ends}: {_escaped(message.words)}"
        return
    yield f"    par {message.count:,} together"
    yield f"        {ends}: {_escaped(message.text)}"
    yield "    end"


def _escaped(text: str) -> str:
    """Return data as text without anything that has a meaning in Mermaid."""
    return "".join(
        character if character.isalnum() or character in _PLAIN else f"#{ord(character)};"
        for character in shortened(text, _WIDTH)
    )


class SequenceDiagram(Saved):
    """The messages between an orchestration and its partners; `handle.sequence()` gives it.

    Calls of one name that were made together are one message with their count. The rounds of a loop are one
    frame. At most 60 messages are shown, the first and the last ones.

    Parameters
    ----------
    instance_id
        The instance's id.
    events
        The events of all its executions.

    Examples
    --------
    >>> import durablenb as df
    >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    >>> @hub.activity
    ... def double(n):
    ...     return 2 * n
    >>> @hub.orchestrator
    ... def doubles(context):
    ...     yield context.task_all([context.call_activity(double, n) for n in range(20)])
    >>> handle = hub.start(doubles, instance_id="twenty")
    >>> handle.result()
    >>> print(handle.sequence())
    client → doubles: start
    doubles → double: 20 \N{MULTIPLICATION SIGN} call
    doubles ⇠ double: 20 \N{MULTIPLICATION SIGN} result
    client ⇠ doubles: Completed
    >>> print(handle.sequence().to_mermaid())
    sequenceDiagram
        participant p0 as client
        participant p1 as doubles
        participant p2 as double
        p0->>p1: start
        par 20 together
            p1->>p2: call
        end
        p2-->>p1: 20 \N{MULTIPLICATION SIGN} result
        p1-->>p0: Completed
    >>> hub.close()
    """

    def __init__(self, instance_id: str, events: Sequence[Event]) -> None:
        self.instance_id = instance_id
        self._dialogue = read_dialogue(events)
        self._parts = diagram_parts(self._dialogue.messages)

    @property
    def lifelines(self) -> tuple[Lifeline, ...]:
        """The participants. Messages refer to them by their positions here."""
        return self._dialogue.lifelines

    @property
    def messages(self) -> tuple[Message, ...]:
        """All messages, in order."""
        return self._dialogue.messages

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that are shown."""
        return self._parts

    @property
    def unanswered(self) -> dict[int, int]:
        """The number of open calls to each lifeline, by its position."""
        return self._dialogue.unanswered

    @property
    def is_open(self) -> bool:
        """True if more messages may follow."""
        return self._dialogue.is_open

    @property
    def name(self) -> str:
        """The orchestrator's name."""
        return next(line.name for line in self.lifelines if line.role == "orchestrator")

    def to_mermaid(self) -> str:
        """Return the diagram in Mermaid's language.

        A Markdown cell and GitHub draw it in a fenced block of the language ``mermaid``.
        """
        return mermaid_text(self._dialogue, self._parts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SequenceDiagram):
            return NotImplemented
        return (self.instance_id, self._dialogue) == (other.instance_id, other._dialogue)

    def __hash__(self) -> int:
        return hash(self.instance_id)

    def __str__(self) -> str:
        lines: list[str] = []
        for part in self._parts:
            if isinstance(part, Gap):
                lines.append(f"… {gap_text(part)}")
            elif isinstance(part, Round):
                lines.append(f"{part.times:,} rounds:")
                lines += [f"  {self._line(message)}" for message in part.messages]
            else:
                lines.append(self._line(part))
        lines += [f"{self._called(position)}: {count:,} open" for position, count in self.unanswered.items()]
        return "\n".join(lines)

    def _line(self, message: Message) -> str:
        source, target = self._called(message.source), self._called(message.target)
        words = shortened(message.words, 80)
        if message.source == message.target:
            return f"{source}: {words}"
        if message.form in ("granted", "answer", "failure"):
            return f"{target} ⇠ {source}: {words}"
        return f"{source} → {target}: {words}"

    def _called(self, position: int) -> str:
        return shortened(self.lifelines[position].name, 40)

    def __repr__(self) -> str:
        count = sum(message.count for message in self.messages)
        return f"<Sequence of {self.instance_id}: {plural(count, 'message')}>"
