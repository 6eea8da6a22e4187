"""The commands that read a hub: ``ls``, ``show``, ``logs`` and ``sql``."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import Any

from durablenb.analysis.text import plural, shortened, table_text
from durablenb.hub.histories import open_history

_ALL = "select instance_id, name, status, last_updated_time from instances order by created_time, instance_id"
_ONE = "select * from instances where instance_id = ?"
_ENTITY = "select * from entities where instance_id = ?"
_EVENTS = "select * from history where instance_id = ? order by seq"

TOP = 50
"""How many instances `ls` prints without `--top`."""

_WIDTH = 72
"""Characters of a value that `show` prints."""


def ls(options: argparse.Namespace) -> int:
    """List the instances."""
    with open_history(options.file) as file:
        if options.json and options.top is None:
            print_json(file.answer(_ALL).as_json())
            return 0
        fleet = file.fleet(TOP if options.top is None else options.top)
    latest = sorted(fleet.latest, key=lambda one: (one.created, one.instance_id))
    if options.json:
        found = [
            {
                "instance_id": one.instance_id,
                "name": one.name,
                "status": one.status,
                "last_updated_time": one.updated.replace(tzinfo=None).isoformat(),
            }
            for one in latest
        ]
        print_json(found)
        return 0
    if latest:
        rows = [(one.instance_id, one.name, one.status, f"{one.updated:%Y-%m-%d %H:%M:%S}") for one in latest]
        print(table_text(("instance", "orchestrator", "status", "last event (UTC)"), rows))
        print()
    statuses = sum((Counter(by_status) for by_status in fleet.counts.values()), Counter())
    by_count = sorted(statuses.items(), key=lambda item: (-item[1], item[0]))
    counts = ", ".join(f"{count:,} {status}" for status, count in by_count)
    print(plural(fleet.total, "instance") + (f": {counts}" if counts else ""))
    if len(latest) < fleet.total:
        print(f"Listed are the {len(latest):,} with the latest events. --top {fleet.total} lists all.")
    return 0


def show(options: argparse.Namespace) -> int:
    """Show an instance, with its input, result, timeline and history; or an entity."""
    is_entity = options.instance.startswith("@")
    with open_history(options.file) as file:
        history = file.history(options.instance)
        answer = file.answer(_ENTITY if is_entity else _ONE, [options.instance])
        (instance,) = answer.as_json()
        if options.json:
            events = file.answer(_EVENTS, [options.instance]).as_json()
            print_json({"instance": instance, "history": events})
            return 0
    heading = [instance[key] for key in ("name", "instance_id", "status") if key in instance]
    print(f"{'  '.join(heading)}\n")
    for key, value in instance.items():
        if key not in ("name", "instance_id", "status") and value not in (None, {}):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            print(f"  {key:<18}  {shortened(text, _WIDTH)}")
    print(f"\n{history}" if is_entity else f"\n{history.timeline()}\n\n{history}")
    return 0


def logs(options: argparse.Namespace) -> int:
    """Show what an instance and its sub-orchestrations printed and logged."""
    with open_history(options.file) as file:
        log = file.logs(options.instance)
    if options.json:
        times = (line.timestamp.replace(tzinfo=None).isoformat() for line in log)
        print_json([line._asdict() | {"timestamp": time} for line, time in zip(log, times, strict=True)])
    else:
        print(log if log else "0 lines")
    return 0


def sql(options: argparse.Namespace) -> int:
    """Run an SQL query over the tables and views of a hub."""
    with open_history(options.file) as file:
        answer = file.answer(options.query)
    if options.json:
        print_json(answer.as_json())
    else:
        print(table_text(answer.columns, answer.rows))
    return 0


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=1, ensure_ascii=False))
