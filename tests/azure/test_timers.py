"""Timer triggers: called on their schedules by the hub's clock, each time once."""

import threading
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue

import azure.functions as func
import httpx
import pytest

import durablenb as df
from tests.azure.conftest import PATIENCE

START = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def hub():
    with df.TaskHub(":memory:", clock=df.VirtualClock(START)) as made:
        yield made


def timed(hub, schedule, function=None, **options):
    """The times at which a function is called, and whether it was late each time."""
    app, calls = df.DFApp(), []

    @app.timer_trigger(schedule=schedule, arg_name="timer", **options)
    def tick(timer: func.TimerRequest):
        assert isinstance(timer, func.TimerRequest)
        calls.append((f"{hub.clock.now():%H:%M:%S}", timer.past_due))
        if function is not None:
            function()

    hub.add_app(app)
    return calls


def on_time(*times):
    return [(time, False) for time in times]


def test_a_timer_is_fired_at_each_of_its_times_as_the_clock_goes(hub):
    calls = timed(hub, "0 */5 * * * *")
    assert hub.clock.next_due() == datetime(2026, 1, 1, 12, 5, tzinfo=UTC)
    hub.clock.advance(minutes=16)
    assert calls == on_time("12:05:00", "12:10:00", "12:15:00")
    assert hub.clock.jump() == datetime(2026, 1, 1, 12, 20, tzinfo=UTC)
    assert calls == on_time("12:05:00", "12:10:00", "12:15:00", "12:20:00")


def test_what_it_starts_happens_in_its_order(hub):
    @hub.orchestrator
    def reminder(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(minutes=2))
        return f"{context.current_utc_datetime:%H:%M}"

    app = df.DFApp()

    @app.schedule(schedule="0 */5 * * * *", arg_name="timer")
    @app.durable_client_input(client_name="client")
    async def starts(timer, client):
        await client.start_new("reminder")

    hub.add_app(app)
    hub.clock.advance(minutes=12)
    assert [one.output for one in hub.instances()] == ["12:07", "12:12"]


def test_until_all_is_idle_timers_do_not_count(hub):
    @hub.orchestrator
    def waits(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(minutes=7))

    calls = timed(hub, "0 */5 * * * *")
    hub.start(waits)
    assert hub.clock.run_until_idle() == timedelta(minutes=7)
    assert calls == on_time("12:05:00")


def test_one_that_runs_at_startup_is_fired_once_however_often_its_cell_is_run(hub):
    calls = timed(hub, "0 0 * * * *", run_on_startup=True)
    again = timed(hub, "0 30 * * * *", run_on_startup=True)
    hub.clock.advance(hours=1)
    assert calls == on_time("12:00:30")
    assert again == on_time("12:30:00")


def test_a_clock_that_jumps_over_times_fires_once_and_says_that_it_is_late():
    clock = df.VirtualClock(START)
    with df.TaskHub(":memory:", clock=clock) as hub:
        calls = timed(hub, "0 */5 * * * *")
        clock.advance(minutes=16)
        hub.clock.advance()
        assert calls == [("12:16:30", True)]
        hub.clock.advance(minutes=4)
        assert calls[1:] == on_time("12:20:00")


def test_a_clock_that_is_set_back_fires_no_time_again():
    clock = df.VirtualClock(START)
    with df.TaskHub(":memory:", clock=clock) as hub:
        calls = timed(hub, "0 */5 * * * *")
        hub.clock.advance(minutes=5)
        clock.advance(minutes=-3)
        hub.clock.advance(minutes=6)
        assert calls == on_time("12:05:00")
        hub.clock.advance(minutes=3)
        assert calls == on_time("12:05:00", "12:10:00")


def test_while_it_runs_it_is_not_fired_again():
    clock = df.VirtualClock(START)
    running, go_on = threading.Event(), threading.Event()

    def slow():
        running.set()
        go_on.wait(PATIENCE)

    with df.TaskHub(":memory:", clock=clock) as hub:
        calls = timed(hub, "0 */5 * * * *", slow)
        clock.advance(minutes=5)
        assert running.wait(PATIENCE)
        clock.advance(minutes=11)
        assert hub.clock.next_due() is None
        go_on.set()
        hub.clock.advance(minutes=5)
        assert calls == [("12:05:30", True), ("12:20:00", False)]


def test_one_that_fails_is_logged_and_fired_again(hub, caplog):
    calls = timed(hub, "0 */5 * * * *", lambda: 1 / 0)
    hub.clock.advance(minutes=11)
    assert calls == on_time("12:05:00", "12:10:00")
    assert caplog.text.count("The function tick failed") == 2
    assert "ZeroDivisionError" in caplog.text


def test_one_that_needs_another_service_is_logged_and_the_others_go_on(hub, caplog):
    app, calls = df.DFApp(), []

    @app.timer_trigger(schedule="0 */5 * * * *", arg_name="timer")
    @app.blob_input(arg_name="picture", path="a", connection="b")
    def needs(timer, picture): ...

    hub.add_app(app)
    calls = timed(hub, "0 */5 * * * *")
    hub.clock.advance(minutes=11)
    assert calls == on_time("12:05:00", "12:10:00")
    assert caplog.text.count("The function needs failed") == 2


def test_the_machines_clock_fires_them_too():
    fired = threading.Event()
    app = df.DFApp()

    @app.timer_trigger(schedule="* * * * * *", arg_name="timer")
    async def often(timer):
        assert timer.schedule_status["Next"]
        fired.set()

    with df.TaskHub(":memory:") as hub:
        hub.add_app(app)
        assert fired.wait(PATIENCE)


def test_after_closing_none_is_fired():
    clock = df.VirtualClock(START)
    with df.TaskHub(":memory:", clock=clock) as hub:
        calls = timed(hub, "0 */5 * * * *")
    clock.advance(hours=1)
    assert calls == []


def test_the_function_of_a_timer_can_be_called_by_hand_as_with_azures_tools(serve, caplog, monkeypatch):
    app, called = df.DFApp(), SimpleQueue()

    def timed(name, schedule):
        @app.function_name(name)
        @app.timer_trigger(schedule=schedule, arg_name="timer")
        def function(timer: func.TimerRequest):
            called.put((name, timer.past_due))

    timed("yearly", "0 0 4 1 1 *")
    timed("resting", "30 * * * * *")

    @app.timer_trigger(schedule="0 0 6 1 1 *", arg_name="timer")
    def failing(timer):
        called.put(("failing", None))
        raise ValueError("by hand")

    @app.route(route="shown")
    def shown(req):
        return "shown"

    monkeypatch.setenv("AzureWebJobs.resting.Disabled", "true")
    served = serve(app)
    for name in ("yearly", "resting", "YEARLY"):
        answer = served.http.post(f"/admin/functions/{name}", json={"input": ""})
        assert (answer.status_code, answer.text) == (202, "")
        assert called.get(timeout=PATIENCE) == (name.lower(), False)
    assert served.hub.clock.next_due().second == 0, "the one that is disabled waits for nothing"
    assert served.http.post("/admin/functions/failing").status_code == 202
    assert called.get(timeout=PATIENCE) == ("failing", None)
    served.hub.close()
    assert "The function failing failed" in caplog.text


def test_what_cannot_be_called_by_hand_is_said(serve):
    app = df.DFApp()

    @app.route(route="shown")
    def shown(req):
        return "shown"

    served = serve(app)
    refused = served.http.post("/admin/functions/shown")
    assert (refused.status_code, "httpTrigger" in refused.json()["ExceptionMessage"]) == (400, True)
    missing = served.http.post("/admin/functions/showm")
    assert (missing.status_code, "shown" in missing.json()["ExceptionMessage"]) == (404, True)
    assert served.http.get("/admin/functions/shown").status_code == 405
    assert httpx.post(f"{served.server.url}/admin/functions/shown").status_code == 401
