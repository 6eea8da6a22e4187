"""The story: two workers, a kill between them, and what the journal says about it."""

from __future__ import annotations

import inspect
import json
import os
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from durablenb.analysis.text import table_text
from durablenb.analysis.timeline import timeline_text
from durablenb.demo.almanac import (
    AT_ONCE,
    DIARY,
    FILE,
    INSTANCE,
    LETTER,
    PAUSE,
    Year,
    almanac,
    days_of,
    months_of,
)
from durablenb.demo.process import Process
from durablenb.demo.stage import Stage
from durablenb.hub.hub_file import HubFile
from durablenb.model.errors import DurableError
from durablenb.model.events import EventRaised

KILLED_AT = 1 / 3
"""Which part of the months has been read when the first worker is killed."""

KILL = "SIGKILL" if os.name == "posix" else "TerminateProcess"

_RECORDED = "select input ->> 1 from activities where name = 'read_month' and status = 'Completed'"

_EVENTS = """\
select event_type, count(*) as events, count(distinct task_id) as tasks
from history where instance_id = 'seattle' group by event_type order by min(seq)"""

_YEARS = """\
select key as year, operations as months, round((state ->> 'rain')::double, 1) as mm,
       state -> 'driest' ->> 'month' as driest, state -> 'driest' ->> 'rain' as its_mm
from entities order by key"""

_RAIN = """\
select year, count(*) as months, round(sum(rain), 1) as mm_in_the_result,
       any_value(mm) as mm_in_the_file, arg_max(month, rain) as wettest
from (select unnest(from_json(output, '[{"month": "varchar", "rain": "double"}]'),
                    recursive := true) from instances)
join (select left(date, 4)::int as year, round(sum(precipitation), 1) as mm
      from (select unnest(from_json($days, '[{"date": "varchar", "precipitation": "double"}]'),
                          recursive := true)) group by all) on year = left(month, 4)::int
group by year order by year"""


def tell(out: TextIO, folder: Path | None = None) -> int:
    """Tell the story, and return 0 if all came as promised.

    Parameters
    ----------
    out
        Where it is told.
    folder
        Where the hub is made, and left; without one, in a temporary folder.

    Raises
    ------
    DurableError
        If the data isn't installed, a worker doesn't work, or the folder has a hub already.
    """
    file = _data_file()
    began = time.monotonic()
    with ExitStack() as stack:
        where = folder or Path(stack.enter_context(TemporaryDirectory(prefix="durablenb-demo-")))
        where.mkdir(parents=True, exist_ok=True)
        if any((where / name).exists() for name in (FILE, DIARY, LETTER)):
            raise DurableError(f"{where} has the files of a demonstration already. Give another folder.")
        stage = Stage(out)
        is_true = _Story(stage, where, file).tell()
    whereabouts = "in a temporary folder, which is gone" if folder is None else f"left in {folder}"
    stage.say("", f"All of it took {time.monotonic() - began:.1f} s. The hub was {whereabouts}.", "")
    return 0 if is_true else 1


def _data_file() -> str:
    try:
        from vega_datasets import data
    except ImportError:
        raise DurableError("The demonstration needs real data: pip install 'durablenb[demo]'.") from None
    return str(data.seattle_weather.filepath)


class _Story:
    """The chapters, in their order."""

    def __init__(self, stage: Stage, folder: Path, file: str) -> None:
        self._stage = stage
        self._folder = folder
        self._data = file
        self._months = months_of(file)
        self._killed_at = datetime.now(UTC)
        self._pids: list[int] = []
        self._recorded: set[str] = set()  # months whose results were on disk at the kill

    def tell(self) -> bool:
        """Tell all of it, and return whether what is promised came true."""
        self._stage.title(
            "An almanac of Seattle", f"One orchestration, two processes, and a {KILL} between them."
        )
        self._stage.say(
            "Four years of daily weather, from the package vega-datasets. This orchestrator reads each",
            f"month in an activity of its own, {AT_ONCE} at a time, and goes on from there:",
            "",
            inspect.getsource(almanac).rstrip(),
        )
        self._first_worker()
        self._second_worker()
        is_true = self._what_ran_twice()
        self._timeline()
        self._tables()
        return is_true

    # -- the chapters ----------------------------------------------------------------------------

    def _first_worker(self) -> None:
        with Process(self._folder, self._data) as worker:
            self._pids.append(worker.pid)
            self._stage.chapter("A worker begins", f"process {worker.pid}")
            self._stage.head(self._months)
            worker.wait_until(lambda: self._progress() >= KILLED_AT * len(self._months))
            time.sleep(PAUSE / 2)  # into the middle of those that are under way
            worker.kill()
            self._killed_at = datetime.now(UTC)
        with HubFile(self._folder / FILE) as hub:
            self._recorded = {month for (month,) in hub.answer(_RECORDED).rows}
            events = len(hub.history(INSTANCE))
        self._progress(is_last=True)
        began = len(self._did("began"))
        self._stage.chapter(KILL)
        self._stage.say(
            "No goodbye, no clean-up. What the next process will find is the file, as it is: "
            f"{events} events,",
            f"with the results of {len(self._recorded)} months. {began - len(self._recorded)} more were "
            f"under way, {len(self._months) - began} had not begun.",
        )

    def _second_worker(self) -> None:
        letter = self._folder / LETTER
        with Process(self._folder, self._data) as worker:
            self._pids.append(worker.pid)
            self._stage.chapter("Another worker opens the file", f"process {worker.pid}")
            self._stage.head(self._months)
            worker.wait_until(lambda: self._progress() >= len(self._months))
            self._progress(is_last=True)
            self._stage.say(
                "", "█ read by the first worker, ▓ by this one. The table is bound, the ink dries …"
            )
            worker.wait_until(letter.exists)
            self._stage.say(
                f"A letter comes: “{letter.read_text('utf-8')}”",
                "It would wait for three days. Ada says yes, which is an external event.",
            )
            worker.answer("yes, Ada")
        with HubFile(self._folder / FILE) as hub:
            ((status, rows),) = hub.answer("select status, json_array_length(output) from instances").rows
        self._stage.say(f"{status}, with a table of {rows} rows.")

    def _what_ran_twice(self) -> bool:
        first, second = (Counter(self._did("began", pid)) for pid in self._pids)
        groups = {
            "read, the result is on disk": self._recorded,
            "begun, no result on disk": first.keys() - self._recorded,
            "not begun": set(self._months) - first.keys(),
        }
        rows = [
            (name, len(months), sum(first[one] for one in months), sum(second[one] for one in months))
            for name, months in groups.items()
        ]
        header = ("at the kill", "months", f"begun by {self._pids[0]}", f"begun by {self._pids[1]}")
        self._stage.chapter("What ran twice?")
        self._stage.say("The activities keep a diary, outside of the hub. Theirs is the last word:", "")
        self._stage.say(table_text(header, rows))
        again = rows[0][3]
        self._stage.say(
            "", f"What was done stayed done: of {len(self._recorded)} months, {again} were read again."
        )
        return again == 0

    def _timeline(self) -> None:
        with HubFile(self._folder / FILE) as hub:
            history = hub.history(INSTANCE)
        raised = next(event.timestamp for event in history if isinstance(event, EventRaised))
        moments = [(self._killed_at, KILL), (raised, "Approval")]
        self._stage.chapter("The same, from its history")
        self._stage.say(timeline_text(history, 46, moments=moments))

    def _tables(self) -> None:
        with HubFile(self._folder / FILE) as hub:
            events = hub.answer(_EVENTS)
            years = hub.answer(_YEARS)
            days = json.dumps([day for _, day in days_of(self._data)])  # a hub's file reads no others
            rain = hub.answer(_RAIN, {"days": days})
        self._stage.chapter("Each year is an entity", "a state that takes in what comes, one at a time")
        self._stage.say(inspect.getsource(Year).rstrip(), "", _YEARS, "")
        self._stage.say(table_text(years.columns, years.rows))
        self._stage.chapter("The history is a table")
        self._stage.say(_EVENTS, "", table_text(events.columns, events.rows))
        self._stage.chapter("So is the result, beside the data that it was made of")
        self._stage.say(_RAIN, "", table_text(rain.columns, rain.rows))

    # -- the diary -------------------------------------------------------------------------------

    def _did(self, what: str, pid: int | None = None) -> list[str]:
        """The months that the worker, or the last one, began or ended."""
        diary = self._folder / DIARY
        lines = diary.read_text("utf-8").splitlines() if diary.exists() else []
        wanted = str(pid or self._pids[-1])
        return [month for who, did, month in map(str.split, lines) if who == wanted and did == what]

    def _progress(self, *, is_last: bool = False) -> int:
        """Show how many months are read, and return it."""
        cells = dict.fromkeys(self._did("began"), "░")
        if len(self._pids) == 1 and not is_last:
            cells |= dict.fromkeys(self._did("ended"), "█")
        elif len(self._pids) > 1:
            cells |= dict.fromkeys(self._did("ended"), "▓")
        cells |= dict.fromkeys(self._recorded, "█")  # after the kill, what is on disk counts
        count = sum(cell != "░" for cell in cells.values())
        self._stage.strip(self._months, cells, f"{count} of {len(self._months)}", is_last=is_last)
        return count
