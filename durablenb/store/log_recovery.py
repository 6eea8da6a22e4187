"""Recovery of a durable log that a process left: what the tables lack is applied when the hub is opened."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from durablenb.model.errors import StoreError
from durablenb.store import entries
from durablenb.store.lockfile import durable_log_path, new_log_path
from durablenb.store.log_file import reading
from durablenb.store.log_format import VERSION, Damage, Frame, Header, Position
from durablenb.store.salvage import DamagedHubError
from durablenb.store.tables import JournalTables, LogState

_ROWS_AT_ONCE = 20_000


class DamagedLogError(DamagedHubError):
    """The log is damaged in the middle; the entries before that can be applied, `lost` or more can't."""

    def __init__(self, message: str, reason: str, lost: int) -> None:
        super().__init__(message)
        self.reason = reason
        self.lost = lost


def check_log(path: Path, state: LogState) -> int:
    """Return how many entries of the log the tables lack.

    Parameters
    ----------
    path
        The hub's file.
    state
        What the database says about its log.

    Raises
    ------
    DamagedHubError
        If the log is missing, damaged, of another hub, or of another time.
    StoreError
        If the file in its place is no log, or one of a newer version.
    """
    log = durable_log_path(path)
    if not log.is_file():
        if state.has_log:
            raise _refusal(
                path,
                f"its log {log.name} is missing, and the last calls before a crash may be in it alone",
                f"Put {log.name} back beside it",
            )
        return 0
    with reading(log) as (header, frames):
        if header is None and not state.has_log:
            raise StoreError(
                f"{log} is not the log of a hub, and a hub needs a file of that name. Nothing was changed. "
                "Move that file to another place."
            )
        if header is None:
            raise _refusal(path, f"the beginning of its log {log.name} is damaged", f"Restore {log.name}")
        if header.version > VERSION:
            raise StoreError(
                f"{log} has format {header.version} of the log; this durablenb knows up to {VERSION}. "
                "Nothing was changed. Open the hub with a newer durablenb."
            )
        return _check_frames(path, header, frames, state)


def _check_frames(path: Path, header: Header, frames: Iterator[Frame | Damage], state: LogState) -> int:
    name, last = durable_log_path(path).name, header.start
    at_tables = header.start if header.start.number == state.position.number else None
    damage = None
    for frame in frames:
        if isinstance(frame, Damage):
            damage = frame
        else:
            last = frame.position
            at_tables = last if last.number == state.position.number else at_tables
    if state.hub is None and last == header.start and damage is None:
        return 0  # the process ended before it wrote the first entry
    if header.hub != state.hub:
        raise _refusal(path, f"its log {name} is another hub's", "Bring the right two together")
    if header.start.number > state.position.number:
        raise _refusal(
            path,
            f"it is older than its log {name}, and "
            f"{header.start.number - state.position.number:,} entries are in neither",
            "Bring the database and the log of the same time together",
        )
    if damage is not None:
        raise DamagedLogError(
            f"{path} can't be opened: its log {name} is damaged at byte {damage.offset:,}, before entries "
            f"that are whole. Nothing was changed. Restore {path.name} and {name} from a backup; or run "
            f"`durablenb repair {path}`, which saves what is before the damage, and keeps all files.",
            f"log {name}: damaged at byte {damage.offset:,}",
            damage.lost,
        )
    if last.number < state.position.number:
        raise _refusal(path, f"its log {name} is older than the database", "Bring the right two together")
    if at_tables != state.position:
        raise _refusal(
            path,
            f"it and its log {name} are copies from different times, after which each went its own way",
            "Bring the right two together",
        )
    return last.number - state.position.number


def recover(path: Path, tables: JournalTables) -> int:
    """Apply the frames that the tables lack, up to the log's end or damage, and remove the log.

    Call `check_log` first. Returns the number of entries that were applied.

    Raises
    ------
    StoreError
        If the tables can't be written now; nothing is lost.
    """
    log = durable_log_path(path)
    with contextlib.suppress(OSError):
        new_log_path(log).unlink(missing_ok=True)  # of a process that ended while it created one
    if not log.is_file():
        return 0
    state = tables.log_state()
    before = state.position.number
    with reading(log) as (_, frames):
        for group, position in _groups(frames, state.position):
            state = state._replace(position=position)
            tables.apply(group, state)
    if state.has_log:
        tables.set_log_state(state._replace(has_log=False))
        tables.checkpoint()
    with contextlib.suppress(OSError):
        log.unlink()
    return state.position.number - before


def _groups(
    frames: Iterator[Frame | Damage], after: Position
) -> Iterator[tuple[list[entries.Entry], Position]]:
    """Yield the entries after a position, many at a time, and the position after them."""
    group: list[entries.Entry] = []
    rows, position = 0, after
    for frame in frames:
        if isinstance(frame, Damage) or frame.position.number <= after.number:
            continue
        entry = entries.decode(frame.content)
        group.append(entry)
        rows, position = rows + entries.size(entry), frame.position
        if rows >= _ROWS_AT_ONCE:
            yield group, position
            group, rows = [], 0
    if group:
        yield group, position


def _refusal(path: Path, reason: str, advice: str) -> DamagedHubError:
    refusal = DamagedHubError(
        f"{path} can't be opened: {reason}. Nothing was changed. {advice}; or run `durablenb repair {path}`, "
        "which opens the database without the log, and keeps all files."
    )
    refusal.reason = reason
    return refusal
