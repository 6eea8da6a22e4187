"""Episodes replayed from scratch and compared, for tests."""

from __future__ import annotations

from collections.abc import Callable

from durablenb.core.execution import Execution
from durablenb.model.errors import NonDeterminismError


def verify(fresh: Callable[[], Execution | None], live: Execution) -> NonDeterminismError | None:
    """Replay what an execution did; return what differs if nothing but `is_replaying` makes it differ.

    Parameters
    ----------
    fresh
        Gives an execution at its beginning.
    live
        The execution, after an episode.

    Raises
    ------
    NonDeterminismError
        If the code asks for something else in a replay that sees the same as the first run.
    """
    again = fresh()
    if again is None:
        return None
    try:
        again.replay(live.history)
    except NonDeterminismError as error:
        if again.replaying_said == live.replaying_said:
            raise
        _replay_told_alike(fresh, live)
        return error
    finally:
        again.unload()
    return None


def _replay_told_alike(fresh: Callable[[], Execution | None], live: Execution) -> None:
    """Replays, and says of each `is_replaying` what was said to the execution that goes on."""
    again = fresh()
    assert again is not None
    again.pin_replaying(live.replaying_said)
    try:
        again.replay(live.history)
    finally:
        again.unload()


def told_of(name: str, difference: NonDeterminismError) -> str:
    """What is said of code that does something else because of `is_replaying`."""
    return (
        f"{name} is deterministic but for context.is_replaying: recorded is {difference.recorded}, and a "
        f"replay gives {difference.requested} (line {difference.line}). What is_replaying was before an "
        "await depends on whether the instance was replayed since. Ask it where you use it, for what leaves "
        "no trace, such as a line of a log; let nothing that is asked for or returned depend on it."
    )
