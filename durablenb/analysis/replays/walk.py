"""A replay as text: what a terminal shows of it, await by await."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durablenb.analysis.text import shortened

if TYPE_CHECKING:
    from durablenb.analysis.replays.replay import Replay
    from durablenb.analysis.replays.stepping import Step

_ENDS = 50
_WIDTH = 110


def walk_of(replay: Replay) -> str:
    """Return the last replay, await by await: the line, what changed, what the history said."""
    count = len(replay)
    head = f"{replay.name} {replay.instance_id}: its code"
    if not count:
        return f"{head} has not run yet."
    if count == 1:
        lines = [f"{head} ran once."]
    else:
        lines = [f"{head} ran {count:,} times. What follows is the last time."]
    lines += [f"This is a copy: {change} The journal is as it was." for change in _sentences(replay.changes)]
    total = replay.count(count)
    source = {} if replay.source is None else replay.source.lines
    for number in range(1, total + 1):
        if _ENDS < number <= total - _ENDS:
            if number == _ENDS + 1:
                lines += ["", f"   …  {total - 2 * _ENDS:,} steps more; replay.steps() has them all"]
            continue
        lines += ["", *_step_lines(replay.step(count, number), source)]
    lines += ["", replay.account]
    return "\n".join(lines)


def _step_lines(step: Step, source: dict[int, str]) -> list[str]:
    code = source.get(step.line or 0, "").strip()
    where = "" if step.line is None else f"line {step.line}: "
    is_first = "" if step.is_replaying or step.verdict == "terminated" else "  (for the first time)"
    lines = [shortened(f"{where}{code}", _WIDTH) + is_first]
    lines += [f"{name} = {step.names[name]}" for name in step.changed]
    lines += [f"{'muted' if step.is_replaying else 'printed'}: {said}" for said in step.said]
    lines.append(step.sentence)
    return [f"{step.number:>4}  {lines[0]}", *(f"      {one}" for one in lines[1:])]


def _sentences(changes: tuple[str, ...]) -> list[str]:
    return [f"{'; '.join(changes)}."] if changes else []
