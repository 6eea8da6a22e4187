"""Histories inside of saved HTML pages: packed as a block of data at the end, and read back."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from durablenb.core.ports.store import HistoryBundle
from durablenb.journal.bundle import json_export
from durablenb.model.imports import KeptBlob
from durablenb.model.version import VERSION

GENERATOR = '<meta name="generator" content="durablenb">'
"""The tag in the head of every saved page."""

BLOBS = 48_000_000
"""Maximum bytes of large values, such as data frames and pictures, in a page."""

_LARGEST = 1_000_000_000
"""Maximum bytes of a history that is read from a page."""

_ID = "durablenb-history"
_BLOCK = re.compile(f'<script type="application/gzip" id="{_ID}">([A-Za-z0-9+/=]*)</script>')


def is_page(start: bytes) -> bool:
    """Return whether a file that begins so is an HTML page."""
    return start.lstrip()[:9].lower() == b"<!doctype"


def history_block(bundle: HistoryBundle) -> str:
    """Return the element that keeps histories in a page.

    Raises
    ------
    ValueError
        If its large values have no room in a page.
    """
    return data_block(_ID, json_export.to_json(bundle._replace(blobs=list(_limited(bundle.blobs))), VERSION))


def _limited(blobs: Iterable[KeptBlob]) -> Iterator[KeptBlob]:
    """Yield blobs; raise an error if they are larger than the limit, all together."""
    size = 0
    for blob in blobs:
        size += len(blob.content)
        if size > BLOBS:
            raise ValueError(
                f"The large values of the history take more than {BLOBS / 1e6:,.0f} MB, the limit of a page. "
                "Leave the values out with save(path, values=False), or export the history with "
                "hub.export(handle, 'run.parquet')."
            )
        yield blob


def data_block(name: str, pieces: Iterable[str]) -> str:
    """Return an element with packed text. Browsers run nothing of it, whatever the text is."""
    packed = gzip.compress("".join(pieces).encode("utf-8", "surrogatepass"), 6, mtime=0)
    return f'<script type="application/gzip" id="{name}">{base64.b64encode(packed).decode("ascii")}</script>'


def read_history(path: Path) -> Any:
    """Return the export in a saved page, as JSON values.

    Raises
    ------
    ValueError
        If the page isn't durablenb's, has no history, or was truncated or changed.
    """
    text = path.read_text("utf-8", "replace")
    if GENERATOR not in text:
        raise ValueError(
            f"{path} is an HTML page, but durablenb hasn't saved it. Give a page that handle.save made."
        )
    if not text.rstrip().endswith("</html>"):
        raise ValueError(
            f"{path} is truncated: the end of the page is missing. Copy or download the whole file again."
        )
    block = _BLOCK.search(text)
    if block is None:
        raise ValueError(
            f"{path} has no history in it. The page of one instance or entity has one, "
            "handle.save('run.html'); a page of a hub or of a comparison has none."
        )
    try:
        opened = zlib.decompressobj(31)
        content = opened.decompress(base64.b64decode(block[1], validate=True), _LARGEST)
        if not opened.eof:
            raise ValueError("it has no end")
        return json.loads(content)
    except (ValueError, zlib.error, binascii.Error, RecursionError) as error:
        raise ValueError(
            f"{path} was changed after it was saved: its history can't be read ({error})."
        ) from None
