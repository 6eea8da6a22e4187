"""Playing a scene, and its history as lines of JSON: the journal's rows, without the tracebacks."""

import json
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import durablenb as df
from durablenb.core.ports.store import InstanceQuery, Record
from durablenb.model.events import ExecutionStarted
from durablenb.store.row_codec import COLUMNS, from_row, to_row
from tests.histories.corpus import ACTIVITIES, ORCHESTRATORS, SCENES, broken

FOLDER = Path(__file__).parent / "golden"

_TRACEBACK = re.compile(r'(?:  File "[^\n]*\n(?:    [^\n]*\n)*)+')


def path_of(scene: str) -> Path:
    """The file of a scene's history."""
    return FOLDER / f"{scene}.jsonl"


def played(scene: str) -> str:
    """The history that a scene leaves now, one line an event."""
    broken.update(pay=True, ship=True)
    clock = df.VirtualClock()
    with df.TaskHub(":memory:", mode="kernel", clock=clock) as hub:
        for activity in ACTIVITIES:
            hub.add_activity(activity)
        for orchestrator in ORCHESTRATORS:
            hub.add_orchestrator(orchestrator)
        SCENES[scene](hub, clock)
        ids = [state.instance_id for state in hub._store.states(InstanceQuery())]
        records = [record for instance_id in ids for record in hub._store.records(instance_id)]
    return "".join(_line(record) for record in sorted(records, key=lambda record: record.seq))


def read(scene: str) -> list[Record]:
    """The records of the history that is kept."""
    return [_record(line) for line in path_of(scene).read_text("utf-8").splitlines()]


def _line(record: Record) -> str:
    if isinstance(record.event, ExecutionStarted):  # its source's hash would change with every edit
        record = record._replace(event=replace(record.event, source=None))
    fields = {
        column: _shown(column, value)
        for column, value in zip(COLUMNS, to_row(record), strict=True)
        if value is not None
    }
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _shown(column: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return _without_tracebacks(json.loads(value)) if column in ("payload", "attributes") else value


def _without_tracebacks(value: Any) -> Any:
    """Lines of durablenb's own code would change with every edit of it."""
    if isinstance(value, str):
        return _TRACEBACK.sub("…", value)
    if isinstance(value, list):
        return [_without_tracebacks(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_tracebacks(item) for key, item in value.items()}
    return value


def _record(line: str) -> Record:
    fields = json.loads(line)
    for column in ("payload", "attributes"):
        if column in fields:
            fields[column] = json.dumps(fields[column])
    for column in ("timestamp", "started_at"):
        if column in fields:
            fields[column] = datetime.fromisoformat(fields[column])
    return from_row(tuple(fields.get(column) for column in COLUMNS))
