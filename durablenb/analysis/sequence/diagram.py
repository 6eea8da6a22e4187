"""What was said in an orchestration, as an object that shows as a sequence diagram."""

from __future__ import annotations

from collections.abc import Sequence

from durablenb.analysis.sequence.dialogue import Message, dialogue_of
from durablenb.analysis.sequence.lifelines import Lifeline
from durablenb.analysis.sequence.mermaid import mermaid_of
from durablenb.analysis.sequence.parts import Gap, Part, Round, gap_text, parts_of
from durablenb.analysis.text import shortened
from durablenb.model.display import Displayed
from durablenb.model.events import Event


class SequenceDiagram(Displayed):
    """What an orchestration and its partners said to each other; `handle.sequence()` gives it.

    Calls of one name that were made together are one message, "par N", and the rounds of a loop one frame. At
    most 60 messages are shown, the first ones and the last ones.

    Parameters
    ----------
    instance_id
        Whose it is.
    events
        Its history, of all executions.

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
    doubles → double: par 20: call
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
        self._dialogue = dialogue_of(events)
        self._parts = parts_of(self._dialogue.messages)

    @property
    def lifelines(self) -> tuple[Lifeline, ...]:
        """Who takes part; messages name them by their places here."""
        return self._dialogue.lifelines

    @property
    def messages(self) -> tuple[Message, ...]:
        """All that was said, in order."""
        return self._dialogue.messages

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is shown of it."""
        return self._parts

    @property
    def unanswered(self) -> dict[int, int]:
        """How many calls each lifeline has not answered yet, by its place."""
        return self._dialogue.unanswered

    @property
    def is_open(self) -> bool:
        """Whether more may come."""
        return self._dialogue.is_open

    @property
    def name(self) -> str:
        """The orchestrator's."""
        return next(line.name for line in self.lifelines if line.role == "orchestrator")

    def to_mermaid(self) -> str:
        """Return the diagram in Mermaid's language.

        A Markdown cell, and GitHub, draw it where it stands in a fenced block of the language ``mermaid``.
        """
        return mermaid_of(self._dialogue, self._parts)

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
        lines += [f"{self._called(place)}: {count:,} open" for place, count in self.unanswered.items()]
        return "\n".join(lines)

    def _line(self, message: Message) -> str:
        source, target = self._called(message.source), self._called(message.target)
        words = shortened(message.words, 80)
        if message.source == message.target:
            return f"{source}: {words}"
        if message.form in ("granted", "answer", "failure"):
            return f"{target} ⇠ {source}: {words}"
        return f"{source} → {target}: {words}"

    def _called(self, place: int) -> str:
        return shortened(self.lifelines[place].name, 40)

    def __repr__(self) -> str:
        said = sum(message.count for message in self.messages)
        return f"<Sequence of {self.instance_id}: {said:,} message{'' if said == 1 else 's'}>"
