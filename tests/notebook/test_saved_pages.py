"""Pages to send: what is in them, what is left out, and how they are opened again."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

import durablenb as df
from durablenb.analysis.replays import frames
from tests.notebook.reading import scene
from tests.notebook.scenes import family, stage

SECRET = "swordfish"


def refused(redact: Any = None) -> df.Handle:
    """An instance with a secret in each place that may have one; it failed."""
    hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock(), redact=redact)

    @hub.activity
    def unlock(password: str) -> str:
        print(password)
        return password

    @hub.orchestrator
    def enter(context: df.DurableOrchestrationContext) -> Any:
        password = "sword" + "fish"
        context.set_custom_status(context.get_input())
        print(password)
        yield context.call_activity(unlock, context.get_input())
        raise ValueError(context.get_input())

    handle = hub.start(enter, SECRET, instance_id="door")
    handle.wait()
    return handle


def unpacked(path: Path) -> str:
    """The text of a page and of the data in it."""
    import base64
    import re

    text = path.read_text("utf-8")
    blocks = re.findall(r'<script type="application/gzip" id="[a-z-]+">([^<]+)<', text)
    assert len(blocks) == 2
    return text + "".join(gzip.decompress(base64.b64decode(block)).decode() for block in blocks)


def test_a_page_has_values_unless_they_are_left_out(tmp_path: Path) -> None:
    handle = refused()
    handle.save(tmp_path / "whole.html")
    handle.save(tmp_path / "bare.html", values=False)
    assert SECRET in unpacked(tmp_path / "whole.html")
    bare = unpacked(tmp_path / "bare.html")
    assert SECRET not in bare
    assert "Left out, as are variables, messages, the log and outputs." in bare
    with df.open_history(tmp_path / "bare.html") as file:
        assert [type(event) for event in file.history("door")] == [type(event) for event in handle.history()]
        assert file.status("door").failure_details.message == "(left out)"
        with pytest.raises(df.DurableError, match=r"left out when the history was saved, with values=False"):
            file.hub.client if False else file._journal.codec.decode(file.history("door")[0].input)
    handle.hub.close()


def test_a_page_is_redacted_as_its_hub(tmp_path: Path) -> None:
    def redact(kind: str, value: Any) -> Any:
        return value.replace(SECRET, "***") if isinstance(value, str) else value

    handle = refused(redact)
    handle.save(tmp_path / "page.html")
    text = unpacked(tmp_path / "page.html")
    assert "***" in text
    assert SECRET not in text.replace("'sword' + 'fish'", "")
    handle.hub.close()


def test_a_redact_that_fails_hides_the_variables(tmp_path: Path) -> None:
    def redact(kind: str, value: Any) -> Any:
        if kind == "log":
            raise KeyError(value)
        return value

    handle = refused(redact)
    handle.save(tmp_path / "page.html")
    assert "redact failed: KeyError" in unpacked(tmp_path / "page.html")
    handle.hub.close()


def test_an_entity_is_a_page_with_its_history(tmp_path: Path) -> None:
    handle = scene("tallied")
    (entity,) = handle.hub.entities()[:1]
    handle.hub.entity(entity.entity_id).save(tmp_path / "entity.html")
    with df.open_history(tmp_path / "entity.html") as file:
        assert file.entity(entity.entity_id).state() == handle.hub.entity(entity.entity_id).state()
        assert file.instances() == []
    handle.hub.entity(entity.entity_id).save(tmp_path / "entity.svg")
    assert (tmp_path / "entity.svg").read_text("utf-8").startswith("<svg")


def test_sub_orchestrations_travel_with_their_parent(tmp_path: Path) -> None:
    handle = scene("failed")
    handle.save(tmp_path / "page.html")
    with df.open_history(tmp_path / "page.html") as file:
        assert len(file.instances()) == 5
        assert repr(file) == "<HubFile page.html: 5 instances, read-only>"
        file.handle(handle.id).save(tmp_path / "again.html")  # no code, so no replays
        file.handle(handle.id).save(tmp_path / "whole.html", family)
    assert "There are no replays in this page." in (tmp_path / "again.html").read_text("utf-8")
    assert "There are no replays in this page." not in (tmp_path / "whole.html").read_text("utf-8")


def test_a_page_can_be_imported_and_replayed(tmp_path: Path) -> None:
    handle = scene("completed")
    handle.save(tmp_path / "page.html")
    made = stage()
    (copy,) = made.hub.import_history(tmp_path / "page.html")
    assert list(copy.history()) == list(handle.history())
    made.hub.close()


def _cut(text: str) -> str:
    return text[: len(text) // 2]


def _swapped(text: str) -> str:
    head, mark, rest = text.partition('id="durablenb-history">')
    return head + mark + "AAAA" + rest[4:]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_cut, "is truncated: the end of the page is missing"),
        (_swapped, "was changed after it was saved"),
        (lambda text: text.replace('content="durablenb"', ""), "durablenb hasn't saved it"),
        (lambda text: text.replace("durablenb-history", "other"), "has no history in it"),
        (lambda text: "<!DOCTYPE html>", "durablenb hasn't saved it"),
    ],
)
def test_what_is_no_whole_page_is_refused(change: Any, says: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    scene("completed").save(path)
    path.write_text(change(path.read_text("utf-8")), "utf-8")
    with pytest.raises(ValueError, match=says):
        df.open_history(path)
    made = stage()
    with pytest.raises(ValueError, match=says):
        made.hub.import_history(path)
    made.hub.close()


def test_a_page_of_a_hub_has_no_history(tmp_path: Path) -> None:
    scene("completed").hub.save(tmp_path / "hub.html")
    with pytest.raises(ValueError, match="has no history in it"):
        df.open_history(tmp_path / "hub.html")


def test_a_page_has_as_many_awaits_as_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = scene("continued")
    monkeypatch.setattr(frames, "AWAITS", 5)
    handle.save(tmp_path / "page.html")
    assert "3 older executions left out." in (tmp_path / "page.html").read_text("utf-8")
    monkeypatch.setattr(frames, "AWAITS", 1)
    handle.save(tmp_path / "page.html")
    assert "Execution 5 has 2 awaits; a page holds 1." in (tmp_path / "page.html").read_text("utf-8")


def test_large_values_have_no_room_in_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    made = stage()
    made.hub.add_orchestrator(lambda context: context.get_input(), "echo")
    handle = made.done("echo", np.arange(10_000))
    handle.save(tmp_path / "page.html")
    monkeypatch.setattr("durablenb.journal.bundle.html_page.BLOBS", 10_000)
    with pytest.raises(ValueError, match=r"Leave the values out with save\(path, values=False\)"):
        handle.save(tmp_path / "other.html")
    handle.save(tmp_path / "other.html", values=False)
    assert (tmp_path / "other.html").stat().st_size < (tmp_path / "page.html").stat().st_size
    made.hub.close()
