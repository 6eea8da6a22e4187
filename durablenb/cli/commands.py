"""The commands that read a hub, repair it, move histories, and check files."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from dataclasses import asdict
from typing import Any

from durablenb.analysis.text import plural, shortened, table_text
from durablenb.hub.histories import open_history
from durablenb.hub.task_hub import TaskHub
from durablenb.store.repair import repair as repair_file

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
            _print_json(file.answer(_ALL).as_json())
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
        _print_json(found)
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
            _print_json({"instance": instance, "history": events})
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
        _print_json([line._asdict() | {"timestamp": time} for line, time in zip(log, times, strict=True)])
    else:
        print(log if log else "0 lines")
    return 0


def sql(options: argparse.Namespace) -> int:
    """Run an SQL query over the tables and views of a hub."""
    with open_history(options.file) as file:
        answer = file.answer(options.query)
    if options.json:
        _print_json(answer.as_json())
    else:
        print(table_text(answer.columns, answer.rows))
    return 0


def repair(options: argparse.Namespace) -> int:
    """Repair a hub that can't be opened; no file is deleted."""
    report = repair_file(options.file)
    if options.json:
        found = asdict(report)
        _print_json(found | {"path": str(report.path), "kept": [str(file) for file in report.kept]})
    else:
        print(report)
    return 1 if report.verdict == "unreadable" else 0


def check(options: argparse.Namespace) -> int:
    """Check the orchestrators in files, notebooks and folders, without running them."""
    from durablenb.checks.files import check_files

    report = check_files(options.paths)
    if options.json:
        _print_json([one.as_json() for one in report.findings])
    else:
        for finding in report.findings:
            print(finding)
        print(report)
    for problem in report.problems:
        print("durablenb:", problem, file=sys.stderr)
    return 2 if report.problems else int(bool(report.findings))


def export(options: argparse.Namespace) -> int:
    """Export instances to a JSON or Parquet file, with their histories, logs and outputs."""
    if options.instances and options.sql is not None:
        raise ValueError("Give ids or a query, not both.")
    with open_history(options.file) as file:
        what = file.sql(options.sql) if options.sql is not None else options.instances or None
        count = file.export(what, options.output)
    print(f"{options.output}: {plural(count, 'instance')} exported")
    return 0


def import_(options: argparse.Namespace) -> int:
    """Import histories into a hub, to look at and replay; they never run."""
    key = os.environ.get("DURABLENB_KEY") if "://" in options.source else None
    with TaskHub(options.file, mode="kernel") as hub:
        found = hub.import_history(options.source, prefix=options.prefix, key=key)
    for handle in found:
        print(handle.id)
    return 0


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))
