"""The first rows of a data frame or an array in the journal, which are read on request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from durablenb.analysis.value_text import blob_tree
from durablenb.model.payloads import Codec
from durablenb.notebook.html import Markup, block, line, markup, table

ROWS = 8
"""Rows of a head."""

_COLUMNS = 12
_LARGEST = 200_000_000
"""Bytes up to which a value is read for its head."""


def value_head(codec: Codec, text: str) -> Markup:
    """Return the first rows of a stored table, or the beginning of an array.

    Parameters
    ----------
    codec
        The codec of the journal that has the value.
    text
        The text of the value.

    Raises
    ------
    ValueError
        If the value is larger than 200 MB, or if it can't be decoded.
    StoreError
        If its bytes aren't in the journal.
    """
    size = (blob_tree(text) or {}).get("bytes", 0)
    if size > _LARGEST:
        raise ValueError(
            f"The value has {size:,} bytes; first rows are shown for values of up to {_LARGEST:,}."
        )
    value = codec.decode(text)
    if not (hasattr(value, "columns") and hasattr(value, "head")):
        taken = value.slice(0, ROWS).to_pylist() if hasattr(value, "to_pylist") else value[:ROWS]
        return block(str(taken))
    labels = [str(label) for label in value.columns[:_COLUMNS]]
    more = ["…"] if len(value.columns) > _COLUMNS else []
    return markup(
        '<div class="dnb-wide">', table(["", *labels, *more], _rows(value.head(ROWS), bool(more))), "</div>"
    )


def _rows(head: Any, has_more: bool) -> Sequence[Sequence[object]]:
    if hasattr(head, "iloc"):
        rows = list(head.iloc[:, :_COLUMNS].itertuples(name=None))
    else:  # of Polars, which has no index
        rows = [("", *row[:_COLUMNS]) for row in head.rows()]
    return [[*(line(cell, 60) for cell in row), *([line("")] if has_more else [])] for row in rows]
