"""Things by name: as a dict whose keys are compared without case, and shown as they were written last."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durablenb.model.names import ByName

names = st.text("aAbBäÄ@", max_size=3)


@given(st.lists(st.tuples(names, st.integers() | st.none())), names)
def test_things_are_found_without_case_and_the_last_one_of_a_name_stays(items, asked):
    found: ByName[int | None] = ByName()
    expected = {}
    for name, thing in items:
        found[name] = thing
        expected[name.lower()] = (name, thing)
    assert list(found.items()) == list(expected.values())
    assert len(found) == len(expected)
    assert (asked in found) == (asked.lower() in expected)
    assert found.get(asked, 7) == expected.get(asked.lower(), ("", 7))[1]
    assert found.get(asked) == expected.get(asked.lower(), ("", None))[1]
    if asked in found:
        assert found[asked] == expected[asked.lower()][1]
        assert found.pop(asked) == expected.pop(asked.lower())[1]
    with pytest.raises(KeyError):
        found[asked]
    assert list(found) == [name for name, _ in expected.values()]
