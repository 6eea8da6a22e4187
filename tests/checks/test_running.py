"""Forbidden calls are noticed while an orchestrator runs, once for each line, whatever its source shows."""

import logging
import os
import random
import secrets
import sys
import time
import uuid
from datetime import date, datetime

import pytest

import durablenb as df
from durablenb.checks.profile_listener import CALLS, EPISODES
from tests.replay.test_experiments import fingerprint

KNOWN = {
    "time": (time.time, [], "DNB101"),
    "monotonic": (time.monotonic, [], "DNB101"),
    "perf_counter": (time.perf_counter, [], "DNB101"),
    "now": (datetime.now, [], "DNB101"),
    "today": (date.today, [], "DNB101"),
    "random": (random.random, [], "DNB102"),
    "randint": (random.randint, [1, 6], "DNB102"),
    "choice": (random.choice, [[1, 2]], "DNB102"),
    "urandom": (os.urandom, [2], "DNB102"),
    "token_hex": (secrets.token_hex, [2], "DNB102"),
    "randbelow": (secrets.randbelow, [2], "DNB102"),
    "uuid1": (uuid.uuid1, [], "DNB103"),
    "uuid4": (uuid.uuid4, [], "DNB103"),
    "getenv": (os.getenv, ["HOME"], "DNB106"),
    "environ_get": (os.environ.get, ["HOME"], "DNB106"),
    "environ_item": (lambda: os.environ["HOME"], [], "DNB106"),
    "sleep": (time.sleep, [0], "DNB203"),
}

LOOKUP = {"clock": time.time}


@pytest.fixture
def hub(caplog):
    caplog.set_level(logging.WARNING, logger="durablenb")
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_activity(lambda: None, name="rest")
        yield hub


def place(function, after):
    """How a warning begins about the line that stands so many after the ``def``."""
    return f"line {function.__code__.co_firstlineno + after}:"


def warned(handle):
    """The warnings in the log of the instance, when it has ended."""
    handle.result()
    return [one.message for one in handle.logs(level="WARNING")]


def compiled(name, *lines, **names):
    """An orchestrator without a source."""
    exec("\n    ".join([f"def {name}(context):", *lines]), names)
    return names[name]


def test_it_is_said_under_the_cell_and_in_the_log_of_the_instance_once_for_each_line(hub, caplog):
    def timed(context):
        for _ in range(3):
            yield context.call_activity("rest")
            LOOKUP["clock"]()

    hub.add_orchestrator(timed)
    assert caplog.records == []  # the check can't see it
    words = f"{place(timed, 3)} DNB101 time.time() is called. Use context.current_utc_datetime instead."
    assert warned(hub.start(timed)) == [words]
    (record,) = caplog.records
    head, told = record.getMessage().splitlines()
    assert head == f"A run found 1 problem in timed ({os.path.relpath(__file__)})."
    assert told.strip() == words
    hub.run(timed)
    assert len(caplog.records) == 1


def test_clocks_chance_uuids_the_environment_and_sleep_are_known_under_any_name(hub, caplog):
    for name, (called, arguments, code) in KNOWN.items():
        function = compiled(name, "called(*arguments)", called=called, arguments=arguments)
        hub.add_orchestrator(function)
        (words,) = warned(hub.start(function))
        assert words.startswith(f"line 2: {code} "), name
        assert caplog.records[-1].getMessage() == f"A run found 1 problem in {name}.\n  {words}"
    assert len(caplog.records) == len(KNOWN)


def test_what_a_check_has_said_already_stands_in_the_log_alone(hub, caplog):
    def known(context):
        return time.time() > 0

    hub.add_orchestrator(known)
    assert len(caplog.records) == 1
    (words,) = warned(hub.start(known))
    assert words.startswith(f"{place(known, 1)} DNB101")
    assert len(caplog.records) == 1


def test_an_item_of_the_environment_is_read_by_no_call_and_is_met_all_the_same(hub):
    function = compiled("item", "return len(environ['PATH'])", environ=os.environ)
    hub.add_orchestrator(function)
    assert warned(hub.start(function)) == [
        "line 2: DNB106 os.environ is read. Read it in an activity, or pass it in as the input."
    ]


def test_functions_that_it_calls_are_looked_into_one_level_deep_and_only_for_it(hub):
    def stamp():
        return LOOKUP["clock"]()

    def deeper():
        return stamp()

    def helped(context):
        yield context.call_activity("rest")
        deeper()
        list(map(abs, [LOOKUP["clock"]() for _ in range(2)]))
        stamp()

    hub.add_orchestrator(helped)
    seen = warned(hub.start(helped))
    assert [one.partition(". ")[0] for one in seen] == [
        f"{place(helped, 3)} DNB101 time.time() is called",
        f"{place(helped, 4)} DNB101 In stamp(), {place(stamp, 1)} time.time() is called",
    ]


DIRECTLY = "is an activity, and is called directly. Write yield context.call_activity(pay, ...)."


def test_an_activity_that_is_called_directly_is_told_of_once_and_not_looked_into(hub):
    paid = []

    @hub.activity
    def pay(amount):
        LOOKUP["clock"]()
        paid.append(amount)
        return amount

    shop = {"pay": pay}

    def order(context):
        for _ in range(3):
            shop["pay"](1)
            yield context.call_activity(pay, 2)

    hub.add_orchestrator(order)
    (words,) = warned(hub.start(order))
    assert words.startswith(f"{place(order, 2)} DNB208 pay() {DIRECTLY}")
    assert "ignore[DNB208]" in words
    assert paid.count(2) == 3
    assert warned(hub.start(order)) == []  # a line is told of once


def test_an_activity_that_a_helper_calls_is_told_of_where_the_helper_is_called(hub):
    @hub.activity(name="Charge")
    def pay(amount):
        return amount

    def both(amount):
        return pay(amount) + pay(amount)

    def order(context):
        yield context.call_activity("rest")
        return both(1)

    hub.add_orchestrator(order)
    seen = warned(hub.start(order))
    assert len(seen) == 1
    assert seen[0].startswith(f"{place(order, 2)} DNB208 In both(), line ")
    assert f"pay() {DIRECTLY}" in seen[0]


def test_activities_that_call_each_other_and_helpers_are_plain_functions_and_not_told_of(hub):
    @hub.activity
    def pay(amount):
        return amount

    @hub.activity
    def pay_twice(amount):
        return pay(amount) + pay(amount)

    def order(context):
        return (yield context.call_activity(pay_twice, 1))

    hub.add_orchestrator(order)
    handle = hub.start(order)
    assert warned(handle) == []
    assert handle.result() == 2
    assert pay_twice(2) == 4


def test_a_function_that_became_an_orchestrator_is_no_activity_any_more(hub):
    def child(context):
        return (yield context.call_activity("rest"))

    hub.add_activity(child)
    hub.add_orchestrator(child)
    parts = [child]

    def parent(context):
        yield from parts[0](context)

    hub.add_orchestrator(parent)
    assert warned(hub.start(parent)) == []


def test_a_comment_says_that_it_is_meant_as_a_plain_function(hub, caplog):
    @hub.activity
    def rounded(number):
        return round(number)

    def order(context):
        yield context.call_activity("rest")
        return rounded(1.4)  # durable: ignore[DNB208]

    hub.add_orchestrator(order)
    assert warned(hub.start(order)) == []
    assert not caplog.records


def test_it_tells_an_async_def_to_await(hub):
    naps = [time.sleep]

    async def napping(context):
        naps[0](0)
        await context.call_activity("rest")

    hub.add_orchestrator(napping)
    (words,) = warned(hub.start(napping))
    assert "Wait for a timer: await context.create_timer" in words


def test_a_comment_silences_it_on_its_line_also_in_a_function_that_is_called(hub, caplog):
    def quiet():
        return LOOKUP["clock"]()  # durable: ignore[DNB101]

    def loud():
        return LOOKUP["clock"]()

    def silenced(context):
        yield context.call_activity("rest")
        LOOKUP["clock"]()  # durable: ignore[DNB101]
        quiet()
        loud()  # durable: ignore[DNB203, DNB101]
        LOOKUP["clock"]()  # durable: ignore[DNB102]

    hub.add_orchestrator(silenced)
    assert [one.split(":")[0] + ":" for one in warned(hub.start(silenced))] == [place(silenced, 5)]


def test_what_is_only_printed_or_done_in_the_first_run_alone_does_no_harm(hub, caplog):
    def shown():
        print(LOOKUP["clock"]())

    def printing(context):
        print("it is", LOOKUP["clock"]())
        logging.getLogger("orders").info("at %s", LOOKUP["clock"]())
        if not context.is_replaying:
            LOOKUP["clock"]()
        shown()

    hub.add_orchestrator(printing)
    assert warned(hub.start(printing)) == []
    assert caplog.records == []


def test_a_seeded_generator_is_sound(hub, caplog):
    def drawing(context):
        numbers = random.Random(context.get_input())
        yield context.call_activity("rest")
        return [numbers.random(), numbers.randint(1, 6), numbers.choice([1, 2])]

    hub.add_orchestrator(drawing)
    assert warned(hub.start(drawing, 7)) == []


def test_replays_tell_nothing_and_looking_writes_nothing(tmp_path, caplog):
    def looked_at(context):
        LOOKUP["clock"]()
        yield context.wait_for_external_event("Done")

    with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_orchestrator(compiled("looked_at", "yield context.wait_for_external_event('Done')"))
        handle = hub.start("looked_at", instance_id="a")
        hub.step()
        before = fingerprint(hub)
        hub.add_orchestrator(looked_at)
        caplog.clear()
        assert hub.replay(handle, looked_at).fits
        assert hub.upgrade(handle).counts == {"moved": 1}
        assert handle.replay().fits
        handle.explore().close()
        assert caplog.records == []
        assert fingerprint(hub) == before


def test_a_profiler_of_somebody_else_is_left_alone(hub):
    def profiled(context):
        yield context.call_activity("rest")
        LOOKUP["clock"]()

    def profile(*_):
        return None

    hub.add_orchestrator(profiled)
    sys.setprofile(profile)
    try:
        hub.run(profiled)
        assert sys.getprofile() is profile
    finally:
        sys.setprofile(None)


def test_without_monitoring_only_the_first_episodes_are_slowed(hub):
    slowed = []

    def counted(context):
        for _ in range(EPISODES + 10):
            slowed.append(sys.getprofile() is not None)
            yield context.call_activity("rest")

    hub.add_orchestrator(counted)
    hub.run(counted)
    assert sum(slowed) == (EPISODES if sys.version_info < (3, 12) else 0)
    assert sys.getprofile() is None


def test_what_cannot_be_looked_at_does_no_harm(hub):
    class Odd:
        @property
        def __class__(self):
            raise RuntimeError("don't ask")

        def __call__(self):
            return 7

    odd = Odd()

    def orchestrator(context):
        yield context.call_activity("rest")
        return odd()

    hub.add_orchestrator(orchestrator)
    assert hub.run(orchestrator) == 7


def test_an_episode_of_many_calls_is_not_slowed_for_long(hub):
    def busy(context):
        for number in range(CALLS):
            abs(number)
        return sys.getprofile() is None

    hub.add_orchestrator(busy)
    assert hub.run(busy)
    assert sys.getprofile() is None
