"""Answers of every store about logs: lines in order, of an instance and its family, until a purge."""

from datetime import UTC, datetime

from durablenb.model.events import SubOrchestrationInstanceCreated
from durablenb.model.logs import LogLine
from durablenb.store.duckdb_store import DuckStore
from tests.store.test_conformance import ODD_IDS


def line(instance_id, message, **other):
    said = {"stream": "stdout", "level": None, "logger": None, **other}
    return LogLine(
        instance_id,
        "e" * 16,
        0,
        "work",
        1,
        datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC),
        message=message,
        **said,
    )


def test_lines_come_back_equal_and_in_order(store, scribe):
    scribe.start_in(store, "a")
    written = [
        line("a", "one"),
        line("a", ""),
        line("a", "雪😀 \0 two\nlines", stream="logging", level="INFO", logger="mine"),
        line("b", "another's"),
        line("a", "x" * 10_000)._replace(task_id=None, attempt=7),
    ]
    store.append_lines(written[:2])
    store.append_lines([])
    store.append_lines(written[2:])
    assert store.lines("a") == [one for one in written if one.instance_id == "a"]


def test_a_log_has_the_lines_of_all_descendants(store, scribe):
    scribe.start("a")
    scribe.add("a", SubOrchestrationInstanceCreated, instance_id="b")
    scribe.start_child("a", "b")
    scribe.add("b", SubOrchestrationInstanceCreated, instance_id="c")
    scribe.add("b", SubOrchestrationInstanceCreated, instance_id="d")  # which was there already
    scribe.start_child("b", "c")
    scribe.start_in(store, "d")
    store.append_lines([line(one, one) for one in "cbda"])
    assert [one.message for one in store.lines("a")] == ["c", "b", "a"]
    assert [one.message for one in store.lines("b")] == ["c", "b"]


def test_a_purge_deletes_the_lines_of_an_instance_of_any_id_and_no_others(store, scribe):
    for name in [*ODD_IDS, "other"]:
        scribe.start(name)
    store.append(scribe.take())
    store.append_lines([line(name, name) for name in [*ODD_IDS, "other"]])
    for odd in ODD_IDS:
        assert [one.message for one in store.lines(odd)] == [odd]
        store.purge([odd])
        assert store.lines(odd) == []
        assert [one.message for one in store.lines("other")] == ["other"]


def test_ten_thousand_lines_are_written_at_once(store, scribe):
    scribe.start_in(store, "a")
    store.append_lines([line("a", str(number)) for number in range(10_000)])
    assert [one.message for one in store.lines("a")] == [str(number) for number in range(10_000)]


def test_lines_are_numbered_on_when_the_file_is_opened_again(opened, hub):
    for message in ("one", "two"):
        store = DuckStore(hub)
        store.append_lines([line("a", message), line("a", message)])
        store.append_lines([line("a", message)])
        store.close()
    store = opened(hub)
    assert store.query("select seq from logs order by seq") == [(number,) for number in range(1, 7)]
