"""The process that answers queries: it has a copy of the journal, no other access, and doesn't trust queries.

It executes the messages from its standard input one after another, and ends when the input is closed.
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
from durablenb.store.schema import fenced

DATABASE = "copy.duckdb"
"""The file name of the copy, in the process's folder."""

_REMOVALS = 100
"""The number of tries to remove the copy. A query that still runs may write new files meanwhile."""

_leaving = threading.Lock()
"""The thread that ends the process holds this lock."""

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
        The only folder that the process reads and writes. It is removed when the parent is gone.
    memory
        The memory limit in bytes.
    spill
        The limit of a query's temporary files in bytes.
    """
    try:
        _serve(Path(folder), memory, spill)
    except BrokenPipeError:
        _leave(Path(folder))
    except BaseException:
        traceback.print_exc()
        with _leaving:  # the parent may be gone, and the copy half removed
            os._exit(1)  # another exit would wait for the reading thread


def _serve(folder: Path, memory: int, spill: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt of the notebook must not end it
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # prints of libraries must not mix with the replies
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
    """Open the copy. DuckDB gets three quarters of the memory, and spills to files beyond that."""
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
    """Queue the messages. When the input is closed, end the process, even in the middle of a query."""
    try:
        while True:
            requests.put(frames.receive(pipe))
    finally:
        _leave(folder)


def _leave(folder: Path) -> None:
    """Remove the copy, since the parent is gone and can't, and end the process."""
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
        with connection.cursor() as cursor:
            answer = json.dumps(answer_query(cursor, sql, parameters), separators=(",", ":"))
        frames.send(replies, frames.ANSWER, answer.encode("ascii"))
    except (ValueError, MemoryError, duckdb.Error) as error:
        refusal = json.dumps([type(error).__name__, str(error)])
        frames.send(replies, frames.REFUSAL, refusal.encode("ascii"))
