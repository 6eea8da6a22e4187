"""Texts that activities stream to the readers of their instance while they run."""

import asyncio
import gc
import os
import threading
import time

import pytest

import durablenb as df
from durablenb.engine.streams import Streams
from tests.calls import start_call


def write(words):
    activity = df.current_activity()
    for word in words:
        activity.stream(f"{word} ")
    return len(words)


def caller(context):
    yield context.wait_for_external_event("Go")
    return (yield context.call_activity("write", context.get_input()))


@pytest.fixture(params=[{}, {"executor": "processes"}, {"executor": "inline"}, {"mode": "kernel"}], ids=str)
def hub(request):
    with df.TaskHub(":memory:", **request.param) as hub:
        hub.activity(write)
        hub.orchestrator(caller)
        yield hub


def test_all_pieces_come_before_the_end_and_none_after_it(hub):
    handle = hub.start(caller, ["a", "b", "c"])
    pieces = handle.stream(timeout=30)
    handle.raise_event("Go")
    first = next(pieces)
    assert (first.instance_id, first.name, first.task_id, first.attempt) == (handle.id, "write", 1, 1)
    assert first + "".join(pieces) == "a b c "
    assert handle.result() == 3
    assert list(handle.stream()) == []


def test_async_for_gets_all_pieces_as_well(hub):
    async def read():
        pieces = hub.handle("x").stream(timeout=30)
        hub.handle("x").raise_event("Go")
        text = "".join([piece async for piece in pieces])
        assert [piece async for piece in pieces] == []
        return text

    hub.start(caller, ["a", "b", "c"], instance_id="x")
    assert asyncio.run(read()) == "a b c "
    assert list(hub.handle("x").stream()) == []


@pytest.fixture
def held():
    """A hub whose activity streams a first piece, and the second one once the gate is open."""
    gate, began = threading.Event(), threading.Event()

    def slow(text):
        df.current_activity().stream(f"{text}1")
        began.set()
        gate.wait(30)
        df.current_activity().stream(f"{text}2")

    def main(context):
        yield context.call_activity("slow", context.get_input())

    def above(context):
        yield context.call_sub_orchestrator("main", context.get_input())

    with df.TaskHub(":memory:") as hub:
        hub.activity(slow)
        hub.orchestrator(main)
        hub.orchestrator(above)
        yield hub, gate, began
        gate.set()


def test_two_readers_of_two_instances_get_their_own_pieces_live(held):
    hub, gate, _ = held
    one, two = hub.start("main", "a", instance_id="one"), hub.start("above", "b", instance_id="two")
    readers = [handle.stream(timeout=30) for handle in (one, one, two)]
    assert [str(next(reader)) for reader in readers] == ["a1", "a1", "b1"]
    late = one.stream(timeout=30)
    assert next(late) == "a1"
    gate.set()
    assert ["".join(reader) for reader in [*readers, late]] == ["a2", "a2", "b2", "a2"]
    assert not hub._control.engine.streams._readers
    assert not hub._control.engine.streams._texts


def test_async_for_leaves_the_event_loop_to_others_and_a_canceled_wait_loses_nothing(held):
    hub, gate, _ = held

    async def read():
        pieces = hub.handle("x").stream(timeout=30)
        first = await anext(pieces)
        for _ in range(2):  # while the activity waits for the gate
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(pieces), 0.01)
        rest = asyncio.create_task(anext(pieces))
        await asyncio.sleep(0)
        gate.set()  # by the same event loop
        return [str(first), str(await rest), *[str(piece) async for piece in pieces]]

    hub.start("main", "a", instance_id="x")
    assert asyncio.run(read()) == ["a1", "a2"]
    assert not hub._control.engine.streams._readers


def test_a_stream_that_is_left_or_closed_is_read_no_more(held):
    hub, _, _ = held
    handle = hub.start("main", "a")

    async def leave():
        async for piece in handle.stream(timeout=30):
            return str(piece)

    assert asyncio.run(leave()) == "a1"
    gc.collect()
    assert not hub._control.engine.streams._readers
    pieces = handle.stream()
    pieces.close()
    assert list(pieces) == []


def in_a_loop(handle, timeout):
    async def read():
        return [str(piece) async for piece in handle.stream(timeout=timeout)]

    return asyncio.run(read())


@pytest.mark.parametrize("read", [lambda handle, timeout: list(handle.stream(timeout=timeout)), in_a_loop])
def test_a_stream_ends_with_the_timeout_and_with_the_reason_why_nothing_comes(held, tmp_path, read):
    hub, _, _ = held
    with pytest.raises(df.WaitTimeoutError, match=r"within 0.3 s"):
        read(hub.start("main", "a"), 0.3)
    with df.TaskHub(tmp_path / "hub.duckdb") as other:
        waits = other.start(other.orchestrator(caller), [])
    with df.TaskHub(tmp_path / "hub.duckdb") as other, pytest.raises(df.FunctionNotFoundError):
        read(other.handle(waits.id), 30)
    with pytest.raises(df.DurableError, match="is only read"):
        read(df.open_history(tmp_path / "hub.duckdb").handle(waits.id), 30)


def test_views_show_the_end_of_a_running_stream(held):
    hub, _, _ = held
    handle = hub.start("main", "<a>")
    next(handle.stream(timeout=30))
    (call,) = hub._journal.running(handle.id)
    assert call.streamed == "<a>1"
    assert "&lt;a&gt;1" in handle.watch()._waits(handle._shown())


def test_a_reader_of_a_hub_that_closes_gets_its_error(held):
    hub, gate, _ = held
    handle = hub.start("main", "a")
    pieces = handle.stream(timeout=30)
    next(pieces)
    threading.Timer(0.05, gate.set).start()
    hub.close()
    with pytest.raises(df.StoreError, match="closed"):
        list(pieces)
    with pytest.raises(df.StoreError, match="closed"):
        list(handle.stream())


def test_a_new_attempt_streams_from_the_beginning(kernel):
    def flaky(activity: df.ActivityContext):
        activity.stream("half")
        if activity.attempt == 1:
            raise ValueError("cut off")
        activity.stream(" whole")

    pieces = list(start_call(kernel, kernel.activity(flaky), retry=df.RetryOptions(1, 2)).stream())
    texts = {attempt: "".join(p for p in pieces if p.attempt == attempt) for attempt in (1, 2)}
    assert texts == {1: "half", 2: "half whole"}


def test_a_dead_process_ends_its_stream():
    def dies():
        df.current_activity().stream("last words")
        time.sleep(0.3)
        os._exit(1)

    with df.TaskHub(":memory:", executor="processes") as hub:
        handle = start_call(hub, hub.activity(dies))
        assert "".join(handle.stream(timeout=30)) == "last words"
        with pytest.raises(df.TaskFailedError):
            handle.result()


def test_what_is_no_text_is_refused():
    with pytest.raises(TypeError, match="expected text"):
        df.current_activity().stream(1)


def test_a_late_reader_gets_the_end_of_a_long_text():
    class Call:
        name, task_id, instance_id, attempt = "write", 0, "a", 1

    streams, call = Streams(lambda _: None), Call()
    streams.add(call, "x" * 99_999)
    streams.add(call, "yz")
    assert streams.open("a").queue.get() == "x" * 99_998 + "yz"
    assert streams.open("b").queue.empty()
