"""Large results in files of their own, in a folder that a hub and the workers of a cluster share.

The journal keeps the hash and the folder. Bytes go from worker to worker through the folder, and the hub
reads them only when the value is read. A file's name is the hash of its bytes, which readers check.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from durablenb.model.errors import StoreError
from durablenb.model.payloads import Payload, carried_blobs

LARGE = 1_000_000
"""Bytes from which a part of a result is in a file of its own."""

_MARKER = "hub"
"""The file that identifies a hub's folder among others of the same name."""

_allowed: set[str] = set()


def allow(url: str) -> None:
    """Let this process read files below a URL. Those of a local folder may always be read."""
    _allowed.add(url)


class PayloadFolder:
    """A folder of files that are named by the hash of their bytes.

    Parameters
    ----------
    url
        An absolute path, or a URL that `fsspec` knows, such as ``"s3://bucket/payloads"``.

    Raises
    ------
    StoreError
        From all methods, if the folder or a file can't be read or written.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._is_local = "://" not in url

    def create(self) -> None:
        """Create the folder, with the marker for which `is_there` looks."""
        self._write(_MARKER, b"durablenb")

    def is_there(self) -> bool:
        """Tell whether this process sees the folder that `create` has made."""
        try:
            return self._read(_MARKER) == b"durablenb"
        except StoreError:
            return False

    def write(self, blob_hash: str, content: bytes) -> None:
        """Write a file, unless it is there."""
        if not self._exists(_name(blob_hash)):
            self._write(_name(blob_hash), content)

    def read(self, blob_hash: str) -> bytes:
        """Return the bytes of a file, if they are the ones that were written."""
        if not self._is_local and not any(self.url.startswith(url) for url in _allowed):
            raise StoreError(
                f"The payload {blob_hash[:12]} is in {self.url}, which this process doesn't use. Open the "
                "hub with an executor that does, such as durablenb.DaskExecutor(client, payloads=...)."
            )
        content = self._read(_name(blob_hash))
        if sha256(content).hexdigest() != blob_hash:
            raise StoreError(f"The file of the payload {blob_hash[:12]} in {self.url} is damaged.")
        return content

    def remove(self, blob_hash: str) -> None:
        """Remove a file, if it is there."""
        name = _name(blob_hash)
        with self._translated("remove"):
            if self._is_local:
                (Path(self.url) / name).unlink(missing_ok=True)
            else:
                files, root = self._remote()
                with contextlib.suppress(FileNotFoundError):
                    files.rm_file(f"{root}/{name}")

    # -- files -----------------------------------------------------------------------------------

    def _exists(self, name: str) -> bool:
        with self._translated("read"):
            if self._is_local:
                return (Path(self.url) / name).exists()
            files, root = self._remote()
            return bool(files.exists(f"{root}/{name}"))

    def _read(self, name: str) -> bytes:
        with self._translated("read"):
            if self._is_local:
                return (Path(self.url) / name).read_bytes()
            files, root = self._remote()
            content: bytes = files.cat_file(f"{root}/{name}")
            return content

    def _write(self, name: str, content: bytes) -> None:
        with self._translated("write"):
            if not self._is_local:
                files, root = self._remote()
                files.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
                files.pipe_file(f"{root}/{name}", content)
                return
            path = Path(self.url) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{uuid4().hex}")
            try:
                with part.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    def _remote(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        files, root = url_to_fs(self.url)
        return files, str(root).rstrip("/")

    @contextlib.contextmanager
    def _translated(self, what: str) -> Any:
        try:
            yield
        except StoreError:
            raise
        except ImportError as error:
            raise StoreError(f"Could not {what} payloads in {self.url}: {error}.") from error
        except Exception as error:
            raise StoreError(
                f"Could not {what} payloads in {self.url}: {type(error).__name__}: {error}."
            ) from error


def _name(blob_hash: str) -> str:
    return f"{blob_hash[:2]}/{blob_hash}"


def moved_to_files(text: str, folder: PayloadFolder) -> str:
    """Write the large blobs that a text carries into files; return the text that refers to them there."""
    large = [blob for blob in carried_blobs(text) if len(blob.content) > LARGE]
    if not large:
        return text
    moved = str(text)
    at = json.dumps(folder.url)
    for blob in large:
        folder.write(blob.hash, blob.content)
        moved = re.sub(
            f'"@payload": "{blob.hash}"(?!, "@at")', lambda match: f'{match[0]}, "@at": {at}', moved
        )
    rest = tuple(blob for blob in carried_blobs(text) if blob not in large)
    return Payload(moved, rest) if rest else moved


def remove_files(references: Iterable[str]) -> None:
    """Remove files that nothing refers to any more, in the background; failures are logged."""
    several = [(url, blob_hash) for url, _, blob_hash in (one.rpartition("#") for one in references)]

    def remove() -> None:
        import logging

        for url, blob_hash in several:
            try:
                PayloadFolder(url).remove(blob_hash)
            except StoreError as error:
                logging.getLogger("durablenb").warning("A purged payload is still there: %s", error)

    if several:
        threading.Thread(target=remove, name="durablenb-files").start()
