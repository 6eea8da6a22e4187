"""The process that answers queries: it has a copy of the journal, reaches nothing else, and trusts no query.

It does what comes in on its standard input, one after another, and ends when that is closed.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

from durablenb.analysis.sandbox import frames, limits
from durablenb.analysis.sandbox.fence import answer_query
from durablenb.store.duck import fenced

DATABASE = "copy.duckdb"
"""The copy, in the folder that the process may use."""

_REMOVALS = 100
"""Tries to remove the copy: a query that still runs may write new files meanwhile."""

_leaving = threading.Lock()
"""Held by the thread that ends the process because the other side is gone."""

_LOADS = {
    "rows": ["insert into {table} by name from read_parquet(?)"],
    "all": ["delete from {table}", "insert into {table} by name from read_parquet(?)"],
    "places": ["delete from {table} where seq not in (select seq from read_parquet(?))"],
}


def serve(folder: str, memory: int, spill: int) -> None:
    """Answer queries until the standard input is closed.

    Parameters
    ----------
    folder
        What the process may read and write; it is removed when the other side is gone.
    memory
        Bytes that it may take.
    spill
        Bytes of files that a query may use in place of memory.
    """
    try:
        _serve(Path(folder), memory, spill)
    except BrokenPipeError:
        _leave(Path(folder))
    except BaseException:
        traceback.print_exc()
        with _leaving:  # the other side may be gone, and the copy half removed
            os._exit(1)  # a thread that still reads would hold up any other end


def _serve(folder: Path, memory: int, spill: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the notebook's interrupt isn't meant for it
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get among the replies
    connection = _opened(folder, memory, spill)
    limits.limit_memory(memory)
    requests: queue.SimpleQueue[tuple[bytes, bytes]] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(sys.stdin.buffer, requests, folder), daemon=True)
    reader.start()
    frames.send(replies, frames.READY)
    while True:
        kind, body = requests.get()
        if kind == frames.ASK:
            _answer(connection, replies, **json.loads(body))
            continue
        if kind == frames.LOAD:
            _load(connection, **json.loads(body))
        elif kind == frames.COMMIT:
            connection.execute("commit")
        frames.send(replies, frames.READY)


def _opened(folder: Path, memory: int, spill: int) -> duckdb.DuckDBPyConnection:
    """The copy; DuckDB itself keeps to three quarters of the memory, and spills to files beyond that."""
    return fenced(
        folder / DATABASE,
        {
            "threads": 1,
            "memory_limit": f"{memory * 3 // 4}B",
            "temp_directory": str(folder / "spill"),
            "max_temp_directory_size": f"{spill}B",
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )


def _read(pipe: BinaryIO, requests: queue.SimpleQueue[tuple[bytes, bytes]], folder: Path) -> None:
    """Hand over what comes; end the process in the middle of a query if nothing can come any more."""
    try:
        while True:
            requests.put(frames.receive(pipe))
    finally:
        _leave(folder)


def _leave(folder: Path) -> None:
    """Remove the copy, since the other side is gone and can't, and end the process."""
    with _leaving:
        for _ in range(_REMOVALS):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
        os._exit(0)


def _load(connection: duckdb.DuckDBPyConnection, table: str, path: str, part: str, is_first: bool) -> None:
    if is_first:
        connection.execute("begin")
    for statement in _LOADS[part]:
        connection.execute(statement.format(table=table), [path] if "?" in statement else None)


def _answer(connection: duckdb.DuckDBPyConnection, replies: BinaryIO, sql: str, parameters: Any) -> None:
    try:
        with connection.cursor() as one:
            found = json.dumps(answer_query(one, sql, parameters), separators=(",", ":"))
        frames.send(replies, frames.ANSWER, found.encode("ascii"))
    except (ValueError, MemoryError, duckdb.Error) as error:
        told = json.dumps([type(error).__name__, str(error)])
        frames.send(replies, frames.REFUSAL, told.encode("ascii"))
