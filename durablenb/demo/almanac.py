"""The orchestration of the demonstration: an almanac of Seattle's weather, month by month."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Generator, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from durablenb.core.context import DurableOrchestrationContext
from durablenb.hub.task_hub import TaskHub
from durablenb.model.entities import EntityId

FILE = "almanac.duckdb"
DIARY = "diary.txt"
LETTER = "letter.txt"
INSTANCE = "seattle"

AT_ONCE = 4
"""Months that are read at a time."""

PAUSE = 0.08
"""Seconds that reading a month takes beside the reading: so that there is a middle to be killed in."""


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
    """An entity: the rain of a year, as far as its months have come in."""

    def __init__(self) -> None:
        self.rain = 0.0
        self.driest: dict[str, Any] | None = None

    def add(self, page: dict[str, Any]) -> None:
        """Takes in a month."""
        self.rain += page["rain"]
        if self.driest is None or page["rain"] < self.driest["rain"]:
            self.driest = page


class Press:
    """The activities. They keep a diary, outside of the hub, of what they really do.

    Parameters
    ----------
    folder
        Where the diary and the printed almanac lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = Lock()

    def find_months(self, file: str) -> list[str]:
        """The months that the file has days of."""
        return months_of(file)

    def read_month(self, what: tuple[str, str]) -> dict[str, Any]:
        """One month: its days, its rain in mm, its warmest day in °C."""
        file, month = what
        self._note("began", month)
        days = [day for found, day in days_of(file) if found == month]
        time.sleep(PAUSE)
        found = {
            "month": month,
            "days": len(days),
            "rain": round(sum(float(day["precipitation"]) for day in days), 1),
            "warmest": max(float(day["temp_max"]) for day in days),
        }
        self._note("ended", month)
        return found

    def bind(self, months: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The table: each month with its rank, the one with most rain first."""
        wettest = sorted(months, key=lambda month: -float(month["rain"]))
        return [{**month, "rank": wettest.index(month) + 1} for month in months]

    def write_letter(self, count: int) -> None:
        """Asks for approval."""
        letter = self._folder / LETTER
        draft = letter.with_suffix(".draft")
        draft.write_text(f"{count} months are bound. Shall they be printed?", encoding="utf-8")
        draft.replace(letter)

    def print_almanac(self, table: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The almanac, also as a file."""
        with (self._folder / "almanac.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(table[0]))
            writer.writeheader()
            writer.writerows(table)
        return table

    def _note(self, what: str, month: str) -> None:
        with self._turn, (self._folder / DIARY).open("a", encoding="utf-8") as diary:
            diary.write(f"{os.getpid()} {what} {month}\n")


def open_hub(folder: Path) -> TaskHub:
    """Return the hub in this folder, with the functions of the almanac."""
    hub = TaskHub(folder / FILE, executor=AT_ONCE)
    press = Press(folder)
    hub.add_activity(press.find_months)
    hub.add_activity(press.read_month)
    hub.add_activity(press.bind)
    hub.add_activity(press.write_letter)
    hub.add_activity(press.print_almanac)
    hub.add_entity(Year)
    hub.add_orchestrator(almanac)
    return hub


def months_of(file: str) -> list[str]:
    """Return the months that the file has days of, such as ``2012-01``."""
    return sorted({month for month, _ in days_of(file)})


def days_of(file: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the days that the file has, each with its month and its columns."""
    with Path(file).open(encoding="utf-8", newline="") as lines:
        for day in csv.DictReader(lines):
            yield day["date"][:7].replace("/", "-"), day
