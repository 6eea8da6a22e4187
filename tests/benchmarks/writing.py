"""The disk space of large values."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import durablenb as df

_COUNTS = Path("/proc/self/io")
"""What this process has written, where there is such a file: on Linux."""


def big_values(folder: Path) -> Iterator[dict[str, Any]]:
    """100 results of 10 MB, one after another, until the hub is closed; then one more in a new session."""
    count, size = 100, 10_000_000
    path = folder / "big.duckdb"
    begin, before = time.perf_counter(), _written()
    _make(path, range(count), size)
    taken, written = time.perf_counter() - begin, _written() - before
    figures = {"n": count, "bytes": size, "seconds": taken, "file_ratio": path.stat().st_size / count / size}
    _make(path, [count], size)
    if before:
        figures |= {
            "written_ratio": written / count / size,
            "one_more_ratio": (_written() - before - written) / size,
        }
    yield figures


def _make(path: Path, numbers: Any, size: int) -> None:
    with df.TaskHub(path) as hub:

        @hub.activity
        def make(number: int) -> np.ndarray:
            return np.random.default_rng(number).random(size // 8)

        @hub.orchestrator
        def chain(context: df.DurableOrchestrationContext) -> Iterator[Any]:
            for number in context.get_input():
                yield context.call_activity("make", number, df.RawValue)

        hub.run(chain, list(numbers))


def _written() -> int:
    if not _COUNTS.exists():
        return 0
    counts = dict(line.split(": ") for line in _COUNTS.read_text("ascii").splitlines())
    return int(counts["wchar"])
