"""The reference page on values is true."""

import re
import sys
import types
from pathlib import Path

import pytest

from durablenb.core.context import CUSTOM_STATUS_LIMIT
from durablenb.model.payloads import DEPTH_LIMIT, SIZE_LIMIT
from durablenb.values.blob_cache import BLOB_LIMIT, CACHE_BYTES
from durablenb.values.codec import ValueCodec
from durablenb.values.converters import LIBRARY_TAGS
from durablenb.values.pictures import _MODES
from durablenb.values.standard_types import STANDARD_TYPES

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "values.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_examples_run(block, monkeypatch):
    module = types.ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", module)
    exec(compile(block, "values.md", "exec"), vars(module))


def test_the_limits_are_those_of_the_page():
    for limit, shown in (
        (SIZE_LIMIT, "256 Mi |"),
        (DEPTH_LIMIT, "| 500 "),
        (BLOB_LIMIT, "| 2 GiB"),
        (CUSTOM_STATUS_LIMIT, "| 16 KiB"),
        (CACHE_BYTES, "256 MB"),
    ):
        number, unit = re.search(r"(\d+) ?(Mi|GiB|KiB|MB)?", shown).groups()
        assert limit == int(number) * {"Mi": 2**20, "GiB": 2**30, "KiB": 2**10, "MB": 2**20, None: 1}[unit]
        assert shown in PAGE


def test_every_type_that_is_kept_is_named():
    names = {name.rpartition(".")[2] for name in LIBRARY_TAGS} | {
        tag.kind.__name__ for tag in STANDARD_TYPES.values()
    }
    scalars = {
        name for name in names if re.fullmatch(r"(u?int|float|complex)\d+|bool|str|bytes|timedelta64", name)
    }
    shown = set(re.findall(r"\w+", PAGE))
    assert names - scalars - {"Arguments", "PurePath", "pickle", "picture", "Image"} <= shown
    assert all(mode in PAGE for mode in _MODES)


TEXTS = [text for text in re.findall(r'`(\{"@type".*?\})`', PAGE) if "..." not in text and "…" not in text]


@pytest.mark.parametrize("text", TEXTS)
def test_the_texts_of_the_page_are_those_of_the_journal(text):
    codec = ValueCodec()
    assert codec.encode(codec.decode(text)) == text
