"""What is done to a damaged database before it is opened: copies are set aside, torn blocks are sealed."""

from __future__ import annotations

import filecmp
import glob
import os
import shutil
import warnings
from pathlib import Path

import duckdb

from durablenb.model.errors import StoreError
from durablenb.store.blocks import seal, torn_blocks, write_checksums
from durablenb.store.lockfile import aside_name, log_files
from durablenb.store.scanning import scan


class SalvageWarning(UserWarning):
    """Damage to the hub's files was mended; `copies` are the files as they were."""

    copies: tuple[Path, ...] = ()


class DamagedHubError(StoreError):
    """Database or log are damaged beyond what opening mends; `copies` were set aside."""

    reason: str = ""
    copies: tuple[Path, ...] = ()


def set_aside(path: Path) -> tuple[Path, ...]:
    """Copy database and logs under a new name, unless an earlier copy is the same.

    Raises
    ------
    StoreError
        If there is no room for them.
    """
    sources = [path, *log_files(path)]
    suffixes = [source.name.removeprefix(path.name) for source in sources]
    for earlier in path.parent.glob(glob.escape(path.name) + ".damaged-*Z"):
        copies = tuple(earlier.with_name(earlier.name + suffix) for suffix in suffixes)
        if all(c.exists() and filecmp.cmp(s, c) for s, c in zip(sources, copies, strict=True)):
            return copies
    target = aside_name(path)
    copies = tuple(target.with_name(target.name + suffix) for suffix in suffixes)
    try:
        for source, copy in zip(sources, copies, strict=True):
            shutil.copy2(source, copy)
            with copy.open("rb+") as file:
                os.fsync(file.fileno())
    except OSError as error:
        for copy in copies:
            copy.unlink(missing_ok=True)
        raise StoreError(
            f"{path} or its log is damaged, and there can be no copy of them: {error.strerror}. "
            "Nothing was changed. Make room beside the file, then open it again."
        ) from None
    return copies


def seal_torn_blocks(path: Path) -> None:
    """Mend blocks that a power cut tore in the middle of a checkpoint, if nothing is lost with that.

    Their checksums are computed anew. That is tried on a copy: only if every value there can be read, the
    database itself is changed. Warns with a `SalvageWarning` then.

    Raises
    ------
    DamagedHubError
        If there are such blocks, and not every value can be read; nothing was changed.
    StoreError
        If there is no room for a copy.
    """
    torn = torn_blocks(path)
    if not torn:
        return
    copies = set_aside(path)
    blocks = ", ".join(map(str, torn))
    before = seal(copies[0], torn)
    try:
        complaint = _complaint(copies[0])
    finally:
        write_checksums(copies[0], before)
    kept = ", ".join(map(str, copies))
    if complaint is not None:
        damaged = DamagedHubError(
            f"{path} is damaged (metadata in block {blocks}: {complaint}). Copies are kept: {kept}. "
            f"Restore a backup, or run `durablenb repair {path}`, which saves what can be read."
        )
        damaged.reason, damaged.copies = f"metadata in block {blocks}: {complaint}", copies
        raise damaged
    seal(path, torn)
    warning = SalvageWarning(
        f"{path} was damaged in block {blocks}, as by a power cut in the middle of a checkpoint. The "
        f"checksum was computed anew, and every value can be read. The files as they were: {kept}."
    )
    warning.copies = copies
    warnings.warn(warning, stacklevel=5)


def _complaint(path: Path) -> str | None:
    """What can't be read of a database; None if all can."""
    try:
        with duckdb.connect(str(path), read_only=True, config={"memory_limit": "1GB"}) as connection:
            _, unreadable = scan(connection)
    except duckdb.Error as error:
        return str(error).partition("\n")[0]
    return f"table {unreadable[0]} can't be read in full" if unreadable else None
