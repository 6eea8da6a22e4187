"""Prints a JSON line for each workload: its name, n, seconds, and what the bare disk or DuckDB takes."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import growth, opening, querying, running, serving, writing

WORKLOADS = {
    workload.__name__: workload
    for workload in (
        running.chain_pipelined,
        running.chain_strict,
        running.fan_out,
        running.many_orchestrations,
        running.mapped_orchestrations,
        running.one_activity,
        running.signals,
        running.beside_a_busy_activity,
        running.beside_a_reader,
        opening.imports,
        opening.going_on_after_a_kill,
        opening.a_large_hub,
        opening.an_old_entity,
        querying.ten_million_events,
        serving.two_hundred_clients,
        writing.big_values,
        growth.beside_open_ones,
        growth.purging,
        growth.listing,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("workloads", nargs="*", help=f"which of: {', '.join(WORKLOADS)}")
    parser.add_argument("--full", action="store_true", help="growth up to 100,000 instances, not 10,000")
    options = parser.parse_args()
    asked = options.workloads
    if options.full:
        growth.sizes = growth.FULL
    for name in asked:
        if name not in WORKLOADS:
            sys.exit(f"There is no workload {name!r}; there are: {', '.join(WORKLOADS)}.")
    for name in asked or WORKLOADS:
        with tempfile.TemporaryDirectory() as folder:
            for figures in WORKLOADS[name](Path(folder)):
                rounded = {
                    key: round(value, 5) if isinstance(value, float) else value
                    for key, value in figures.items()
                }
                print(json.dumps({"workload": name, **rounded}), flush=True)


if __name__ == "__main__":
    main()
