"""Data stays data: in HTML, in pictures, in the text of an error."""

from __future__ import annotations

import re

import pytest

import durablenb as df
from durablenb.model.failures import FailureDetails
from tests.notebook.hostile import PAYLOADS, harmless, hostile, hostile_entity
from tests.notebook.reading import Page, bundle_of, page_of
from tests.notebook.scenes import Stage


def plain(text: str) -> str:
    return "".join(character for character in text if "!" <= character <= "~")


def harmless_picture_of(shown: object) -> Page:
    bundle = bundle_of(shown)
    assert len(bundle["text/html"]) < 100_000
    assert "\x1b" not in bundle["text/plain"]
    page = harmless(bundle["text/html"])
    assert page.pictures
    return page


@pytest.mark.parametrize("start", range(0, len(PAYLOADS), 9))
def test_names_ids_values_and_errors_are_shown_and_obeyed_by_nobody(start: int) -> None:
    made = Stage()
    for text in PAYLOADS[start : start + 9]:
        handle = hostile(text, made)
        status = handle.status()
        page = harmless_picture_of(handle)
        assert plain(text)[:20] in plain(page.text)
        for shown in (handle.history(), status, status.failure_details):
            harmless(bundle_of(shown)["text/html"])
        entity, handle = hostile_entity(text, made)
        page, _ = harmless_picture_of(entity), harmless_picture_of(handle)
        assert "1 failed" in repr(entity)
        assert plain(text)[:20] in plain(page.text)
    for all_of_them in (made.hub, made.hub.instances()):
        harmless_picture_of(all_of_them)


def test_an_account_obeys_no_escape_of_the_data() -> None:
    handle = hostile(next(text for text in PAYLOADS if "\x1b" in text), Stage())
    with pytest.raises(df.TaskFailedError) as caught:
        handle.result()
    account = "\n".join(caught.value._render_traceback_())
    assert re.findall(r"\x1b(?!\[(?:0|1|2|34|1;31)m)", account) == []
    assert not any(character in account for character in "\x00\x08\x7f")


def test_options_and_failures_made_by_hand_are_data_too() -> None:
    for text in PAYLOADS:
        inner = FailureDetails(text, text, f'  File "{text}", line 3, in {text}\n    {text}\n')
        page = harmless(bundle_of(FailureDetails(text, text, text, inner))["text/html"])
        assert page.pictures[0].alt == "Failed"


def test_dollar_signs_stand_where_no_mathematics_is_looked_for() -> None:
    handle = hostile("$x^2$", Stage())
    page = page_of(handle)
    assert page.tags[0] == ("div", {"class": "tex2jax_ignore mathjax_ignore"})
    assert "$x^2$" in page.text
