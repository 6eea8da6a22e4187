"""Data frames in the journal as Arrow tables: read from their files, without pandas or Polars."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from durablenb.model.payloads import REFERENCE, carried_blobs
from durablenb.values.payload_files import PayloadFolder

if TYPE_CHECKING:
    from durablenb.values.codec import ValueCodec

_NOTES = b"durablenb"


def stored_table(codec: ValueCodec, text: str, what: str) -> Any:
    """Return the data frame in a value as a table of Arrow's.

    Parameters
    ----------
    codec
        Has the blobs.
    text
        The value as text.
    what
        The value in words, for the message.

    Raises
    ------
    ValueError
        If the value has no data frame, or several of them; the message says what it has.
    ImportError
        If pyarrow isn't installed.
    """
    tree = json.loads(text) if REFERENCE in text else None
    frames = [fields for fields in _payloads(tree) if fields.get("@type") in _READERS]
    if len(frames) != 1:
        kinds = ", ".join(str(fields.get("@type")) for fields in frames)
        raise ValueError(
            f"{what} has {f'{len(frames)} data frames ({kinds})' if frames else 'no data frame'}. Expected a "
            "value that is, or has in it, exactly one data frame of pandas, Polars or Arrow."
        )
    try:
        import pyarrow.compute
    except ImportError as error:
        raise ImportError(
            f"Data frames as tables need pyarrow ({error}). Install it: pip install 'durablenb[frames]'."
        ) from error
    fields = frames[0]
    content = _content(codec, text, fields["@payload"], fields.get("@at"))
    table = pyarrow.ipc.open_file(pyarrow.BufferReader(content)).read_all()
    return _READERS[fields["@type"]](table, codec)


def _payloads(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects that refer to blobs, in their order."""
    inside = [tree]  # a stack
    while inside:
        node = inside.pop()
        if isinstance(node, dict):
            if isinstance(node.get("@payload"), str):
                yield node
            else:
                inside += reversed(node.values())
        elif isinstance(node, list):
            inside += reversed(node)


def _content(codec: ValueCodec, text: str, blob_hash: str, folder: object) -> bytes:
    carried = {blob.hash: blob.content for blob in carried_blobs(text)}
    if blob_hash in carried:
        return carried[blob_hash]
    return PayloadFolder(folder).read(blob_hash) if isinstance(folder, str) else codec.fetch_blob(blob_hash)


# -- pandas ----------------------------------------------------------------------------------------


def _from_pandas(table: Any, codec: ValueCodec) -> Any:
    """Return the table of a file of a `ColumnWriter`: the levels of an index, then the columns."""
    import pyarrow

    notes = json.loads(table.schema.metadata[_NOTES])
    columns = [_column(table, number, notes) for number in range(table.num_columns)]
    index = notes["index"]
    first, count = index.get("levels", (len(columns), 0))
    given = codec.read(index["names"])
    names = [_level_name(given, level) for level in range(count)]
    if "range" in index and given[0] is not None:  # a range has no column
        names, count = [str(given[0])], 1
        columns.append(pyarrow.array(range(*index["range"]), pyarrow.int64()))
    labels = _distinct([*names, *table.column_names[:first]])
    return pyarrow.table([*columns[first : first + count], *columns[:first]], names=labels)


def _from_series(table: Any, codec: ValueCodec) -> Any:
    notes = json.loads(table.schema.metadata[_NOTES])
    name = codec.read(notes["attrs"])["name"]
    made = _from_pandas(table, codec)
    return made.rename_columns(_distinct([*made.column_names[:-1], "value" if name is None else str(name)]))


def _level_name(given: list[Any], level: int) -> str:
    if given[level] is not None:
        return str(given[level])
    return "index" if len(given) == 1 else f"level_{level}"


def _distinct(names: list[str]) -> list[str]:
    """Return the names, those that occur again with a number, as SQL needs them."""
    taken: set[str] = set()
    distinct = []
    for name in names:
        free, number = name, 1
        while free.casefold() in taken:
            free, number = f"{name}_{number}", number + 1
        taken.add(free.casefold())
        distinct.append(free)
    return distinct


def _column(table: Any, number: int, notes: dict[str, Any]) -> Any:
    """Return a column, a categorical one with its categories."""
    import pyarrow.compute

    column = table.column(number).combine_chunks()
    if isinstance(column.type, pyarrow.BaseExtensionType):  # periods and intervals
        column = column.storage
    note = notes["types"][number]
    if isinstance(note, str) and note.startswith("float"):  # where NaN is pandas' missing value
        return pyarrow.compute.if_else(pyarrow.compute.is_nan(column), None, column)
    if not (isinstance(note, dict) and "ordered" in note):
        return column
    content = table.schema.metadata[b"categories %d" % number]
    file = pyarrow.ipc.open_file(pyarrow.BufferReader(content)).read_all()
    inner = json.loads(file.schema.metadata[_NOTES])
    span = inner["index"].get("range")
    categories = _column(file, 0, inner) if span is None else pyarrow.array(range(*span), pyarrow.int64())
    missing = pyarrow.compute.less(column, 0)
    codes = pyarrow.compute.if_else(missing, pyarrow.scalar(None, column.type), column)
    return pyarrow.DictionaryArray.from_arrays(codes, categories).dictionary_decode()


def _itself(table: Any, codec: ValueCodec) -> Any:
    return table


_READERS: dict[str, Callable[[Any, ValueCodec], Any]] = {
    "pandas.DataFrame": _from_pandas,
    "pandas.Series": _from_series,
    "polars.DataFrame": _itself,
    "polars.Series": _itself,
    "pyarrow.Table": _itself,
    "pyarrow.RecordBatch": _itself,
}
"""The function for each type of frames that makes a table of its file."""
