"""What is shown of a dialogue: loops as one round, and of very many messages the first and the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from durablenb.analysis.instance.folding import folds_of
from durablenb.analysis.sequence.dialogue import Message

MOST_MESSAGES = 60
"""Messages that are shown."""

_LAST = 15


@dataclass(frozen=True, slots=True)
class Round:
    """Messages that were said again and again, `times` times: the first round stands for all."""

    messages: tuple[Message, ...]
    times: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that are not shown."""

    count: int


Part = Message | Round | Gap


def parts_of(messages: Sequence[Message]) -> tuple[Part, ...]:
    """Return what is shown of these messages.

    Parameters
    ----------
    messages
        All of them, in order.
    """
    parts = list(_with_rounds(messages))
    if sum(map(_length, parts)) <= MOST_MESSAGES:
        return tuple(parts)
    first = _taken(parts, MOST_MESSAGES - _LAST)
    last = _taken(parts[len(first) :][::-1], _LAST)[::-1]
    hidden = parts[len(first) : len(parts) - len(last)]
    return (*first, Gap(sum(map(_said, hidden))), *last)


def gap_text(gap: Gap) -> str:
    """Return in words what is not shown, and where it is."""
    messages = f"{gap.count:,} message{'' if gap.count == 1 else 's'}"
    return f"{messages} more: print(handle.history().timeline()) shows them all"


def _with_rounds(messages: Sequence[Message]) -> Iterator[Part]:
    keys = [frozenset([(one.source, one.target, one.words, one.form)]) for one in messages]
    place = 0
    for fold in folds_of(keys):
        several = messages[place : place + fold.length]
        place += fold.length
        rounds = fold.length // fold.period
        if fold.is_mixed or rounds == 1:
            yield from several
        else:
            yield Round(tuple(several[: fold.period]), rounds)
            yield from several[rounds * fold.period :]


def _taken(parts: Sequence[Part], most: int) -> list[Part]:
    """The first parts that have together so many messages at the most."""
    taken: list[Part] = []
    for part in parts:
        most -= _length(part)
        if most < 0:
            break
        taken.append(part)
    return taken


def _length(part: Part) -> int:
    return len(part.messages) if isinstance(part, Round) else 1


def _said(part: Part) -> int:
    if isinstance(part, Round):
        return len(part.messages) * part.times
    return 1
