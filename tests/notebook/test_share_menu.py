"""The menu of live views: each format gives a file or a text, and no other word gives anything."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

import durablenb as df
from tests.notebook.reading import scene

VIEWS: dict[str, Callable[[df.Handle], Any]] = {
    "instance": lambda handle: handle.watch(freeze=False),
    "explorer": lambda handle: handle.explore(),
    "entity": lambda handle: handle.hub.entity(handle.hub.entities()[0].entity_id).watch(),
    "hub": lambda handle: handle.hub.watch().list,
}
BEGINS = {"svg": b"<svg", "png": b"\x89PNG", "html": b"<!DOCTYPE html>"}


@pytest.mark.parametrize("name", VIEWS)
def test_each_format_of_a_view_is_a_file_or_a_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = scene("tallied")
    view = VIEWS[name](handle)
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(view, "send", lambda content, *_: sent.append(content))
    assert [form for form, _ in view.shares] == list(view.SHARES)
    for form in view.SHARES:
        sent.clear()
        view._on_message(None, {"do": "share", "id": form}, None)
        assert view.note == ""
        (told,) = [content for content in sent if "heard" not in content]
        if form in BEGINS:
            assert told["file"].endswith(f".{form}")
            assert base64.b64decode(told["content"]).startswith(BEGINS[form])
        elif form == "query":
            exec(told["copy"], {"hub": handle.hub})
        else:
            assert told["copy"].startswith("sequenceDiagram" if form == "mermaid" else "```text\n")
    sent.clear()
    view._on_message(None, {"do": "share", "id": "../etc"}, None)
    assert [content for content in sent if "heard" not in content] == []
    view.close()
