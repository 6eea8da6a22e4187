"""Waiting for instances of a remote hub costs little, here and there."""

from __future__ import annotations

import threading
from contextlib import nullcontext, suppress
from typing import Any

import duckdb
import pytest

import durablenb as df
from durablenb.analysis.sql import journal_connection
from durablenb.hub import journal_feed as source
from durablenb.journal.replica import replica
from durablenb.journal.replica.pages import read_page
from durablenb.journal.replica.replica import JournalReplica
from durablenb.server import journal
from tests.remote.conftest import PATIENCE, Served
from tests.waiting import until


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The databases that are made to hold copies."""
    databases: list[Any] = []
    make = replica.in_memory

    def counted(*arguments: Any) -> Any:
        databases.append(make(*arguments))
        return databases[-1]

    monkeypatch.setattr(replica, "in_memory", counted)
    return databases


def test_results_need_no_database(fresh: Served, made: list[Any]) -> None:
    handles = [fresh.remote.start("doubles", [n, 2]) for n in range(3)]
    assert [handle.result(PATIENCE) for handle in handles] == [[2 * n, 4] for n in range(3)]
    assert [handle.wait(PATIENCE).output for handle in handles] == [[2 * n, 4] for n in range(3)]
    assert handles[0].status(show_history=True).history
    assert len(handles[0].history()) == len(fresh.hub.handle(handles[0].id).history())
    assert made == []


def test_a_copy_says_the_same_with_a_database_and_without(fresh: Served, made: list[Any]) -> None:
    @fresh.hub.orchestrator
    def busy(context):
        count = context.get_input()
        if count:
            context.set_custom_status({"left": count})
            yield context.call_activity("double", count)
            context.continue_as_new(count - 1)
        else:
            yield context.wait_for_external_event("Go")

    ended = fresh.hub.start("doubles", [1, 2], instance_id="ended", tags={"a": "b"}, version=None)
    broken = fresh.hub.start("echo", {"a": 1}, instance_id="echo")
    handles = [fresh.hub.start(busy, 3, instance_id="waits"), fresh.hub.start(busy, 0, instance_id="stopped")]
    ended.result()
    broken.result()
    until(lambda: fresh.hub.handle("waits").status().custom_status == {"left": 1})
    handles[0].suspend("rest")
    handles[1].terminate("enough")
    handles[1].wait()
    reader = journal_connection(fresh.hub._store)
    for instance_id in ("ended", "echo", "waits", "stopped", "nobody"):
        copy = JournalReplica()
        copy.add(read_page(reader, instance_id, 0).rows)
        before = copy.state(instance_id), copy.records(instance_id), copy.records(instance_id, 5)
        count = len(made)
        copy.query("select 1")
        assert len(made) == count + 1
        assert (copy.state(instance_id), copy.records(instance_id), copy.records(instance_id, 5)) == before
        copy.close()
        with pytest.raises(df.DurableError, match="closed"):
            copy.state(instance_id)


def test_a_copy_may_be_let_go_of_while_it_is_queried() -> None:
    copy = JournalReplica()
    cursor, begun, ended = copy.cursor(), threading.Event(), threading.Event()

    def query() -> None:
        cursor.execute("select 1")
        begun.set()
        with suppress(duckdb.Error):
            cursor.execute("select count(*) from range(1000000) a, range(1000000) b").fetchall()
        ended.set()

    threading.Thread(target=query, daemon=True).start()
    assert begun.wait(PATIENCE)
    copy.close()
    copy.close()
    with pytest.raises(df.DurableError, match="closed"):
        copy.cursor()
    while not ended.wait(0.05):
        with suppress(duckdb.Error):
            cursor.interrupt()


def test_who_has_a_connection_to_a_copy_keeps_it_when_the_copy_is_let_go_of() -> None:
    copy = JournalReplica()
    with copy.cursor() as connection:
        copy.close()  # closing the database would wait for a query that begins just then
        assert connection.execute("select count(*) from journal").fetchall() == [(0,)]


def test_a_long_history_goes_to_a_database_at_once(
    fresh: Served, made: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "ROWS", 10)
    handle = fresh.remote.start("doubles", list(range(20)))
    assert handle.result(PATIENCE) == [2 * n for n in range(20)]
    assert len(made) == 1


def test_who_waits_looks_as_often_however_much_is_written_about_others(
    fresh: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    pauses: list[float] = []
    passage, pause = source.read_page, journal._wait_for_closing

    def counted(connection: Any, instance_id: str, after: int) -> Any:
        looks.append(instance_id)
        return passage(connection, instance_id, after)

    async def noted(asked: Any, seconds: float) -> None:
        pauses.append(seconds)
        await pause(asked, seconds)

    @fresh.hub.orchestrator
    def waits(context):
        return (yield context.wait_for_external_event("Go"))

    two = [fresh.remote.start(waits, instance_id=f"waits-{n}") for n in range(2)]
    results: list[Any] = []
    threads = [threading.Thread(target=lambda one=one: results.append(one.result(PATIENCE))) for one in two]
    monkeypatch.setattr(source, "read_page", counted)
    monkeypatch.setattr(journal, "_wait_for_closing", noted)
    for thread in threads:
        thread.start()
    until(lambda: len(pauses) > 4)
    del looks[:], pauses[:]
    for _ in range(5):
        before = len(pauses)
        fresh.hub.run("echo", 1)
        until(lambda before=before: len(pauses) > before + 4)
    assert looks == []  # nothing was written about them
    assert max(pauses) <= journal.POLL_SECONDS
    for n, one in enumerate(two):
        one.raise_event("Go", n)
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(results) == [0, 1]
    assert set(looks) == {one.id for one in two}


def test_a_purge_and_many_instances_are_news_for_all_who_wait(
    fresh: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MARK_SECONDS", 0.0)
    monkeypatch.setattr(source, "IDS", 3)
    reader = journal_connection(fresh.hub._store)
    marks = source._Marks()
    fresh.hub.run("echo", 1, instance_id="one")

    def mark(instance_id: str | None) -> source.Mark:
        return marks.last(lambda: nullcontext(reader), instance_id)

    first = mark("one"), mark("two"), mark(None)
    assert (mark("one"), mark("two"), mark(None)) == first
    fresh.hub.run("echo", 1, instance_id="two")
    second = mark("one"), mark("two"), mark(None)
    assert second[0] == first[0]
    assert second[1] != first[1]
    assert second[2] != first[2]
    fresh.hub.handle("two").purge()
    third = mark("one"), mark("two"), mark(None)
    assert not set(third) & set(second)
    for n in range(4):
        fresh.hub.run("echo", 1, instance_id=f"more-{n}")
    assert mark("one") != third[0]  # too many to tell them apart
