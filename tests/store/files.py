"""Databases with a log, damaged in every way, and other processes that meddle with them."""

import subprocess
import sys
from array import array
from functools import reduce
from operator import xor
from pathlib import Path

import duckdb


def wal_of(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def write_commits(path: Path, count: int = 20, size: int = 50) -> list[int]:
    """A table `t` of the numbers 0, 1, ..., one a commit, in the log; answers the log's size after each."""
    sizes = []
    with duckdb.connect(str(path)) as connection:
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        connection.execute("CREATE TABLE t (i INTEGER, text VARCHAR)")
        connection.execute("CHECKPOINT")
        for number in range(count):
            connection.execute("INSERT INTO t VALUES (?, ?)", [number, "x" * size])
            sizes.append(wal_of(path).stat().st_size)
    return sizes


def numbers(connection) -> list[int]:
    """The numbers in the table."""
    return [row[0] for row in connection.execute("SELECT i FROM t ORDER BY i").fetchall()]


def damage(path: Path, position: int, content: bytes) -> None:
    """Other bytes at this place."""
    with path.open("r+b") as file:
        file.seek(position)
        file.write(content)


def flip(path: Path, position: int) -> None:
    """One byte at this place turned over."""
    content = path.read_bytes()
    damage(path, position, bytes([content[position] ^ 0xFF]))


def seal(path: Path, start: int, stop: int) -> None:
    """The checksum that DuckDB expects of a block or a header, after a change to it."""
    words = array("Q", path.read_bytes()[start:stop])
    checksum = reduce(xor, (word * 0xBF58476D1CE4E5B9 for word in words[1:]), 5381) % 2**64
    damage(path, start, checksum.to_bytes(8, "little"))


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder but the locks."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix != ".lock"}


def assert_kept(before: dict[str, bytes], folder: Path) -> None:
    """All that was in these files still is in the folder, under whatever name."""
    after = set(contents(folder).values())
    assert [name for name, content in before.items() if content not in after] == []


def run(script: str, *arguments, **options) -> str:
    """Return the output of another process."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
