"""The demonstration, ``durablenb demo``: a worker is killed, and another one resumes its orchestration.

It is in the package, since the command works from an installed wheel. The two workers are processes with this
module as their program: ``python -m durablenb.cli.demo FOLDER DATA``.
"""

from __future__ import annotations

import csv
import inspect
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, Self, TextIO

from durablenb.analysis.text import table_text
from durablenb.analysis.timeline import timeline_text
from durablenb.core.context import DurableOrchestrationContext
from durablenb.hub.hub_file import HubFile
from durablenb.hub.task_hub import TaskHub
from durablenb.model.entities import EntityId
from durablenb.model.errors import DurableError, InstanceNotFoundError
from durablenb.model.events import EventRaised

FILE = "almanac.duckdb"
DIARY = "diary.txt"
LETTER = "letter.txt"
INSTANCE = "seattle"

AT_ONCE = 4
"""The number of months that are read at a time."""

PAUSE = 0.08
"""Seconds that reading a month takes at least, which leaves time for a kill in the middle."""

KILLED_AT = 1 / 3
"""The part of the months that has been read when the first worker is killed."""

KILL = "SIGKILL" if os.name == "posix" else "TerminateProcess"

PATIENCE = 60.0
"""Seconds after which a worker without progress is given up."""

WIDTH = 92
"""Columns of a heading."""

_INDENT = "     "


# -- the orchestration: an almanac of Seattle's weather, month by month -----------------------------------


def almanac(context: DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    """A chain, a fan-out, signals, a timer, an approval; the result is a table."""
    file = context.get_input()
    months = yield context.call_activity("find_months", file)
    reads = [context.call_activity("read_month", [file, month]) for month in months]
    pages = yield context.task_all(reads)
    for page in pages:
        context.signal_entity(EntityId("Year", page["month"][:4]), "add", page)
    table = yield context.call_activity("bind", pages)

    now = context.current_utc_datetime
    yield context.create_timer(now + timedelta(seconds=1))  # the ink dries

    yield context.call_activity("write_letter", len(table))
    approval = context.wait_for_external_event("Approval")
    deadline = context.create_timer(now + timedelta(days=3))
    if (yield context.task_any([approval, deadline])) is deadline:
        return []
    deadline.cancel()
    return (yield context.call_activity("print_almanac", table))


class Year:
    """An entity: the rain of a year, from the months that were added."""

    def __init__(self) -> None:
        self.rain = 0.0
        self.driest: dict[str, Any] | None = None

    def add(self, page: dict[str, Any]) -> None:
        """Add a month."""
        self.rain += page["rain"]
        if self.driest is None or page["rain"] < self.driest["rain"]:
            self.driest = page


class Press:
    """The activities. They keep a diary of their work, outside of the hub.

    Parameters
    ----------
    folder
        The folder for the diary and the printed almanac.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()

    def find_months(self, file: str) -> list[str]:
        """Return the months of the data."""
        return read_months(file)

    def read_month(self, what: tuple[str, str]) -> dict[str, Any]:
        """Return one month: its days, its rain in mm, its warmest day in °C."""
        file, month = what
        self._note("began", month)
        days = [day for day_month, day in read_days(file) if day_month == month]
        time.sleep(PAUSE)
        page = {
            "month": month,
            "days": len(days),
            "rain": round(sum(float(day["precipitation"]) for day in days), 1),
            "warmest": max(float(day["temp_max"]) for day in days),
        }
        self._note("ended", month)
        return page

    def bind(self, months: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the table: each month with its rank, the wettest one first."""
        wettest = sorted(months, key=lambda month: -float(month["rain"]))
        return [{**month, "rank": wettest.index(month) + 1} for month in months]

    def write_letter(self, count: int) -> None:
        """Ask for approval."""
        letter = self._folder / LETTER
        draft = letter.with_suffix(".draft")
        draft.write_text(f"{count} months are bound. Shall they be printed?", encoding="utf-8")
        draft.replace(letter)

    def print_almanac(self, table: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the almanac, and write it to a file."""
        with (self._folder / "almanac.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(table[0]))
            writer.writeheader()
            writer.writerows(table)
        return table

    def _note(self, what: str, month: str) -> None:
        with self._lock, (self._folder / DIARY).open("a", encoding="utf-8") as diary:
            diary.write(f"{os.getpid()} {what} {month}\n")


def read_months(file: str) -> list[str]:
    """Return the months of the data, such as ``2012-01``."""
    return sorted({month for month, _ in read_days(file)})


def read_days(file: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the days of the data, each with its month and its columns."""
    with Path(file).open(encoding="utf-8", newline="") as lines:
        for day in csv.DictReader(lines):
            yield day["date"][:7].replace("/", "-"), day


# -- a worker ------------------------------------------------------------------------------------------


def work(folder: Path, data: str) -> None:
    """Start the almanac, or resume it; a line of the standard input is the approval."""
    press = Press(folder)
    with TaskHub(folder / FILE, executor=AT_ONCE) as hub:
        for activity in (
            press.find_months,
            press.read_month,
            press.bind,
            press.write_letter,
            press.print_almanac,
        ):
            hub.add_activity(activity)
        hub.add_entity(Year)
        hub.add_orchestrator(almanac)
        try:
            handle = hub.handle(INSTANCE)
        except InstanceNotFoundError:
            handle = hub.start(almanac, data, instance_id=INSTANCE)
        answer = sys.stdin.readline().strip()
        if answer:  # at the end of the input, the parent is gone
            handle.raise_event("Approval", answer)
            handle.result()


class Worker:
    """A worker's process, killed at the end of the ``with`` if it is still running.

    Parameters
    ----------
    folder
        The hub's folder.
    data
        The data file.
    """

    def __init__(self, folder: Path, data: str) -> None:
        command = [sys.executable, "-m", "durablenb.cli.demo", str(folder), data]
        self._errors = folder / "errors.txt"
        with self._errors.open("w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, text=True
            )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds.

        Raises
        ------
        DurableError
            If the worker ends before, or it takes too long.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if self._process.poll() is not None:
                raise DurableError(f"The worker ended too early: {self._last_error()}")
            if time.monotonic() > deadline:
                raise DurableError(f"The worker made no progress in {PATIENCE:.0f} s: {self._last_error()}")
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill the process without a warning: SIGKILL, or TerminateProcess on Windows."""
        self._process.kill()
        self._process.wait()

    def approve(self, text: str) -> None:
        """Send the approval, and wait for the process's end.

        Raises
        ------
        DurableError
            If the worker fails.
        """
        try:
            self._process.communicate(f"{text}\n", timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise DurableError(f"The worker didn't end in {PATIENCE:.0f} s: {self._last_error()}") from None
        if self._process.returncode:
            raise DurableError(f"The worker failed: {self._last_error()}")

    def _last_error(self) -> str:
        lines = self._errors.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "it printed no error."

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()


# -- the story -----------------------------------------------------------------------------------------

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
    """Tell the story, and return 0 if no finished month was read again.

    Parameters
    ----------
    out
        Receives the text.
    folder
        The folder in which the hub is created and left; defaults to a temporary one.

    Raises
    ------
    DurableError
        If the data isn't installed, a worker fails, or the folder already has such a hub.
    """
    try:
        from vega_datasets import data
    except ImportError:
        raise DurableError("The demonstration needs real data: pip install 'durablenb[demo]'.") from None
    began = time.monotonic()
    with ExitStack() as stack:
        where = folder or Path(stack.enter_context(TemporaryDirectory(prefix="durablenb-demo-")))
        where.mkdir(parents=True, exist_ok=True)
        if any((where / name).exists() for name in (FILE, DIARY, LETTER)):
            raise DurableError(f"{where} has the files of a demonstration already. Give another folder.")
        story = _Story(out, where, str(data.seattle_weather.filepath))
        is_true = story.tell()
    place = "in a temporary folder, which is gone" if folder is None else f"left in {folder}"
    story.say("", f"All of it took {time.monotonic() - began:.1f} s. The hub was {place}.", "")
    return 0 if is_true else 1


class _Story:
    """Runs the two workers, and writes the chapters."""

    def __init__(self, out: TextIO, folder: Path, data: str) -> None:
        self._out = out
        self._is_live = out.isatty()
        self._has_styles = self._is_live and os.name == "posix" and "NO_COLOR" not in os.environ
        self._folder = folder
        self._data = data
        self._months = read_months(data)
        self._chapters = 0
        self._killed_at = datetime.now(UTC)
        self._pids: list[int] = []
        self._recorded: set[str] = set()  # months whose results were on disk at the kill

    def tell(self) -> bool:
        """Tell all chapters, and return whether no finished month was read again."""
        subtitle = f"One orchestration, two processes, and a {KILL} between them."
        self._write(
            "", f"  {self._styled('1', 'An almanac of Seattle')}", f"  {self._styled('2', subtitle)}", ""
        )
        self.say(
            "Four years of daily weather, from the package vega-datasets. This orchestrator reads each",
            f"month in an activity of its own, {AT_ONCE} at a time, and then continues:",
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
        with Worker(self._folder, self._data) as worker:
            self._pids.append(worker.pid)
            self._chapter("A worker begins", f"process {worker.pid}")
            self._years_line()
            worker.wait_until(lambda: self._progress() >= KILLED_AT * len(self._months))
            time.sleep(PAUSE / 2)  # so that the kill meets activities in the middle
            worker.kill()
            self._killed_at = datetime.now(UTC)
        with HubFile(self._folder / FILE) as hub:
            self._recorded = {month for (month,) in hub.answer(_RECORDED).rows}
            events = len(hub.history(INSTANCE))
        self._progress(is_last=True)
        began = len(self._diary("began"))
        self._chapter(KILL)
        self.say(
            f"No goodbye, no clean-up. The next process will find the file as it is: {events} events,",
            f"with the results of {len(self._recorded)} months. {began - len(self._recorded)} more were "
            f"under way, {len(self._months) - began} had not begun.",
        )

    def _second_worker(self) -> None:
        letter = self._folder / LETTER
        with Worker(self._folder, self._data) as worker:
            self._pids.append(worker.pid)
            self._chapter("Another worker opens the file", f"process {worker.pid}")
            self._years_line()
            worker.wait_until(lambda: self._progress() >= len(self._months))
            self._progress(is_last=True)
            self.say("", "█ read by the first worker, ▓ by this one. The table is bound, the ink dries …")
            worker.wait_until(letter.exists)
            self.say(
                f"A letter arrives: “{letter.read_text('utf-8')}”",
                "The orchestration would wait for three days. Ada says yes, with an external event.",
            )
            worker.approve("yes, Ada")
        with HubFile(self._folder / FILE) as hub:
            ((status, rows),) = hub.answer("select status, json_array_length(output) from instances").rows
        self.say(f"{status}, with a table of {rows} rows.")

    def _what_ran_twice(self) -> bool:
        first, second = (Counter(self._diary("began", pid)) for pid in self._pids)
        groups = {
            "read, the result is on disk": self._recorded,
            "begun, no result on disk": first.keys() - self._recorded,
            "not begun": set(self._months) - first.keys(),
        }
        rows = [
            (
                name,
                len(months),
                sum(first[month] for month in months),
                sum(second[month] for month in months),
            )
            for name, months in groups.items()
        ]
        header = ("at the kill", "months", f"begun by {self._pids[0]}", f"begun by {self._pids[1]}")
        self._chapter("What ran twice?")
        self.say("The activities keep a diary, outside of the hub, which settles the question:", "")
        self.say(table_text(header, rows))
        again = rows[0][3]
        self.say(
            "", f"Finished work isn't repeated: of {len(self._recorded)} months, {again} were read again."
        )
        return again == 0

    def _timeline(self) -> None:
        with HubFile(self._folder / FILE) as hub:
            history = hub.history(INSTANCE)
        raised = next(event.timestamp for event in history if isinstance(event, EventRaised))
        moments = [(self._killed_at, KILL), (raised, "Approval")]
        self._chapter("The same, from its history")
        self.say(timeline_text(history, 46, moments=moments))

    def _tables(self) -> None:
        with HubFile(self._folder / FILE) as hub:
            events = hub.answer(_EVENTS)
            years = hub.answer(_YEARS)
            # Queries of a hub read no other files, so the days are a parameter.
            days = json.dumps([day for _, day in read_days(self._data)])
            rain = hub.answer(_RAIN, {"days": days})
        self._chapter("Each year is an entity", "a state that is updated by one operation at a time")
        self.say(inspect.getsource(Year).rstrip(), "", _YEARS, "")
        self.say(table_text(years.columns, years.rows))
        self._chapter("The history is a table")
        self.say(_EVENTS, "", table_text(events.columns, events.rows))
        self._chapter("So is the result, beside the data from which it was made")
        self.say(_RAIN, "", table_text(rain.columns, rain.rows))

    # -- the diary -------------------------------------------------------------------------------

    def _diary(self, what: str, pid: int | None = None) -> list[str]:
        """Return the months that a worker, by default the last one, began or ended."""
        diary = self._folder / DIARY
        lines = diary.read_text("utf-8").splitlines() if diary.exists() else []
        author = str(pid or self._pids[-1])
        return [month for who, did, month in map(str.split, lines) if who == author and did == what]

    def _progress(self, *, is_last: bool = False) -> int:
        """Show the number of months that are read, and return it."""
        cells = dict.fromkeys(self._diary("began"), "░")
        if len(self._pids) == 1 and not is_last:
            cells |= dict.fromkeys(self._diary("ended"), "█")
        elif len(self._pids) > 1:
            cells |= dict.fromkeys(self._diary("ended"), "▓")
        cells |= dict.fromkeys(self._recorded, "█")  # after the kill, results on disk count
        count = sum(cell != "░" for cell in cells.values())
        self._strip(cells, f"{count} of {len(self._months)}", is_last=is_last)
        return count

    # -- the terminal ----------------------------------------------------------------------------

    def say(self, *lines: str) -> None:
        """Write lines of text, indented."""
        for line in "\n".join(lines).split("\n"):
            self._write(f"{_INDENT}{line}".rstrip())

    def _chapter(self, text: str, note: str = "") -> None:
        """Write a chapter's heading, with a note on the right."""
        self._chapters += 1
        heading = f"  {self._chapters}  {text}"
        blanks = " " * max(2, WIDTH - len(heading) - len(note)) if note else ""
        self._write("", self._styled("1", heading) + blanks + self._styled("2", note), "")

    def _by_year(self) -> list[tuple[str, Sequence[str]]]:
        return [(year, list(months)) for year, months in groupby(self._months, lambda month: month[:4])]

    def _years_line(self) -> None:
        """Write the years above a strip of months."""
        self.say(self._styled("2", " ".join(year.ljust(len(months)) for year, months in self._by_year())))

    def _strip(self, cells: dict[str, str], note: str, *, is_last: bool) -> None:
        """Write a cell for each month; a terminal shows each change, a file only the last state."""
        if not (self._is_live or is_last):
            return
        line = " ".join("".join(cells.get(month, "·") for month in months) for _, months in self._by_year())
        start, end = "\r" if self._is_live else "", "\n" if is_last else ""
        self._out.write(f"{start}{_INDENT}{line}   {note}{end}")
        self._out.flush()

    def _styled(self, style: str, text: str) -> str:
        return f"\033[{style}m{text}\033[0m" if self._has_styles and text else text

    def _write(self, *lines: str) -> None:
        self._out.write("\n".join(lines) + "\n")
        self._out.flush()


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2])
