"""The commands ``export`` and ``import``."""

from __future__ import annotations

import argparse
import os

from durablenb.analysis.text import plural
from durablenb.hub.histories import open_history
from durablenb.hub.task_hub import TaskHub


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
