"""Prints of orchestrators are in the log once, after any number of replays."""

import logging
import sys

import pytest

import durablenb as df
from durablenb.core.registry import Registry
from durablenb.core.replay_safe_logger import PARENT
from durablenb.engine.capture import streams
from durablenb.engine.clocks import SystemClock
from durablenb.engine.engine import Engine
from durablenb.engine.executors import Executors
from durablenb.engine.messages import Start, Terminate
from durablenb.engine.options import EngineOptions, EpisodeOptions
from durablenb.lab.memory_store import MemoryStore
from tests.engine.fanned import finish, messages


def season(context):
    print("start", context.get_input())
    context.logger.info("%d cities", 2)
    yield context.wait_for_external_event("go")
    logging.getLogger("mine").warning("gone")
    yield context.wait_for_external_event("go")
    context.logger.debug("not said by default")
    print("end")


SAID = ["start 7", "2 cities", "gone", "end"]


@pytest.mark.parametrize("mode", ["threads", "kernel"])
@pytest.mark.parametrize("verify_replay", [False, True])
def test_what_an_orchestrator_prints_is_in_its_log_once_and_without_a_task(mode, verify_replay, capsys):
    with df.TaskHub(":memory:", mode=mode, verify_replay=verify_replay) as hub:
        hub.add_orchestrator(season)
        handle = hub.start(season, 7, instance_id="s")
        handle.raise_event("go")
        handle.raise_event("go")
        handle.result()
        lines = handle.logs()
        assert messages(lines) == SAID
    assert {(line.instance_id, line.task_id, line.name) for line in lines} == {("s", None, "season")}
    assert [line.level for line in lines] == [None, "INFO", "WARNING", None]
    assert lines[1].logger == "durablenb.orchestrator.season"
    assert capsys.readouterr().out == ("start 7\nend\n" if mode == "kernel" else "")


def test_after_a_restart_it_says_what_is_new_and_nothing_again(tmp_path, capsys):
    for _ in range(3):
        with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel") as hub:
            hub.add_orchestrator(season)
            handle = hub.handle("s") if hub.instances() else hub.start(season, 7, instance_id="s")
            finish(hub)
            lines = handle.logs()
            if handle.status().runtime_status == "Running":
                handle.raise_event("go")
    assert messages(lines) == SAID
    assert capsys.readouterr().out == "start 7\nend\n"


def test_a_replay_says_nothing_to_handlers_that_write_elsewhere_either():
    heard = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())
    loggers = [logging.getLogger(name) for name in ("durablenb.orchestrator.season", "mine")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        with df.TaskHub(":memory:", mode="kernel", verify_replay=True) as hub:
            hub.add_orchestrator(season)
            handle = hub.start(season, 7)
            handle.raise_event("go")
            handle.raise_event("go")
            handle.result()
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
    assert heard == ["2 cities", "gone"]


@pytest.mark.parametrize("is_replay", [False, True])
def test_an_interrupt_that_python_loses_is_shown_and_not_captured(is_replay, monkeypatch, capsys):
    class Interrupted:
        def __del__(self):
            raise KeyboardInterrupt

    def finalizes(context):
        yield context.wait_for_external_event("go")
        Interrupted()

    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)  # pytest's gives a warning instead
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_orchestrator(finalizes)
        handle = hub.start(finalizes)
        handle.raise_event("go")
        handle.result()
        if is_replay:
            capsys.readouterr()
            handle.replay()
        assert messages(handle.logs()) == []
    said = capsys.readouterr().err
    assert "Exception ignored in: <function" in said
    assert "KeyboardInterrupt" in said
    assert sys.unraisablehook is sys.__unraisablehook__


def test_a_line_without_end_ends_with_its_episode():
    def talks(context):
        print("one", end="")
        yield context.wait_for_external_event("go")

    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_orchestrator(talks)
        hub.start(talks)
        finish(hub)
        assert hub.sql("select message from logs").fetchall() == [("one",)]


def test_an_async_orchestrator_is_heard_alike():
    async def talks(context):
        print("before")
        await context.call_activity("work")
        context.logger.warning("after")

    with df.TaskHub(":memory:", verify_replay=True) as hub:
        hub.add_activity(lambda: print("within"), "work")
        hub.add_orchestrator(talks)
        handle = hub.start(talks)
        handle.result()
        assert messages(handle.logs()) == ["before", "within", "after"]


def test_the_level_of_an_orchestrators_logger_can_be_set():
    def talks(context):
        context.logger.debug("quietly")
        context.logger.info("aloud")
        return context.logger.isEnabledFor(logging.DEBUG)

    before = PARENT.level
    try:
        with df.TaskHub(":memory:") as hub:
            hub.add_orchestrator(talks)
            for level, enabled, said in (
                (logging.WARNING, False, []),
                (logging.DEBUG, True, ["quietly", "aloud"]),
            ):
                PARENT.setLevel(level)
                handle = hub.start(talks)
                assert handle.result() is enabled
                assert messages(handle.logs()) == said
    finally:
        PARENT.setLevel(before)


def test_a_logger_that_is_kept_over_a_replay_is_silent_in_it():
    said = []

    def talks(context):
        logger = context.logger
        said.append((context.is_replaying, logger.isEnabledFor(logging.ERROR)))
        yield context.call_activity("work")

    with df.TaskHub(":memory:", mode="kernel", verify_replay=True) as hub:
        hub.add_activity(lambda: None, "work")
        hub.add_orchestrator(talks)
        hub.run(talks)
    assert set(said) == {(False, True), (True, False)}


def _parting(context):
    try:
        yield context.wait_for_external_event("go")
    finally:
        print("parting")


def test_an_orchestrator_that_is_put_out_of_memory_says_nothing_of_it(capsys):
    registry = Registry()
    registry.add_orchestrator(_parting, "parting")
    options = EngineOptions(episodes=EpisodeOptions(max_cached_events=2))
    engine = Engine(MemoryStore(), SystemClock(), registry, Executors("inline"), options)
    streams.install()
    try:
        for name in ("a", "b"):
            engine.ask(Start(name, "parting", "null"))
            finish(engine)
        assert [one.id for one, _ in engine.in_memory("parting")] == ["b"]
        engine.ask(Terminate("b", "", is_recursive=True))
        engine.stop(wait=True)
    finally:
        streams.remove()
    assert engine.store.lines("a") == engine.store.lines("b") == []
    assert capsys.readouterr() == ("", "")


def test_that_an_instance_is_held_is_said_where_it_always_was(caplog):
    def first(context):
        yield context.call_activity("one")
        yield context.wait_for_external_event("go")

    def second(context):
        print("not in a replay")
        yield context.call_activity("other")

    with df.TaskHub(":memory:", mode="kernel", verify_replay=False) as hub:
        for name in ("one", "other"):
            hub.add_activity(lambda: None, name)
        hub.add_orchestrator(first, "main")
        handle = hub.start("main", instance_id="m")
        finish(hub)
        with hub._engine._lock:
            hub._engine._state.instances.unload()
            hub._engine._state.instances.open["m"].execution = None
        hub.add_orchestrator(second, "main")
        handle.raise_event("go")
        finish(hub)
        assert list(handle.logs()) == []
    assert "m (main) is held" in caplog.text
