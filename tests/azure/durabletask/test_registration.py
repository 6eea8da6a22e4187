"""`to_durabletask`: what is registered, what is left out and why."""

import subprocess
import sys

import pytest
from durabletask.worker import TaskHubGrpcWorker

import durablenb as df


@pytest.fixture
def hub():
    with df.TaskHub(":memory:", mode="kernel") as hub:
        yield hub


@pytest.fixture
def worker():
    return TaskHubGrpcWorker()


def test_the_report_lists_everything(hub, worker):
    hub.add_activity(len, "size")
    hub.add_activity(abs, "slow", max_concurrency=2)

    @hub.entity
    class Counter:
        def add(self):
            pass

    @hub.orchestrator
    def done(context):
        yield context.call_activity("size", [])

    @hub.orchestrator
    def grows(context):
        yield context.call_activity("size", [])
        yield ...

    @hub.orchestrator(version="1")
    async def awaits(context):
        await context.to_be_continued()

    report = df.to_durabletask(worker, hub)
    assert (report.orchestrators, report.activities, report.entities) == (
        ("done",),
        ("size", "slow"),
        ("counter",),
    )
    assert list(report.left_out) == ["grows", "awaits"]
    assert repr(report) == (
        "Registered on the durabletask worker:\n"
        "  orchestrators: done\n"
        "  activities: size, slow\n"
        "  entities: counter\n"
        "Left out:\n"
        "  grows: its code waits for more code: `yield ...`. Finish it first.\n"
        "  awaits: its code, version 1, waits for more code: `yield ...`. Finish it first.\n"
        "Different there:\n"
        "  slow: runs in the worker's threads, without max_concurrency=2."
    )


def test_an_empty_hub(hub, worker):
    assert repr(df.to_durabletask(worker, hub)).count("none") == 3


def test_strict_raises_and_registers_nothing(hub, worker):
    @hub.orchestrator
    def grows(context):
        yield ...

    hub.add_activity(len, "size")
    with pytest.raises(df.DurableError, match=r"Not all .* worker:\n  grows: its code waits"):
        df.to_durabletask(worker, hub, strict=True)
    df.to_durabletask(worker, hub)  # nothing is in the way


def test_two_hubs_on_one_worker(bridge):
    with df.TaskHub(":memory:", mode="kernel") as other:
        other.add_activity(lambda value: value + 1, "increment")

        @bridge.hub.orchestrator
        def asks(context):
            return (yield context.call_activity("increment", 1))

        bridge.serve(bridge.hub, other)
        assert bridge.run("asks") == 2


def test_a_name_that_the_worker_has_is_refused(hub, worker):
    hub.add_activity(len, "size")
    df.to_durabletask(worker, hub)
    with pytest.raises(
        df.DurableError, match="refuses the activity 'size': A 'size' activity already exists"
    ):
        df.to_durabletask(worker, hub)


def test_a_running_worker_is_refused(bridge):
    bridge.hub.add_activity(len, "size")
    bridge.serve()
    with pytest.raises(RuntimeError, match="cannot be added while the worker is running"):
        df.to_durabletask(bridge._workers[0], bridge.hub)


def test_other_arguments_are_refused(hub, worker):
    with pytest.raises(TypeError, match="worker is a TaskHub; expected a durabletask TaskHubGrpcWorker"):
        df.to_durabletask(hub, hub)
    with pytest.raises(TypeError, match="hub is a TaskHubGrpcWorker; expected a TaskHub"):
        df.to_durabletask(worker, worker)
    with pytest.raises(TypeError, match="payload_limit is '1 MB'; expected a whole number of bytes, or None"):
        df.to_durabletask(worker, hub, payload_limit="1 MB")
    with pytest.raises(ValueError, match="payload_limit is 0; expected at least 1"):
        df.to_durabletask(worker, hub, payload_limit=0)


def test_a_function_that_is_registered_again_is_replaced_there(bridge):
    bridge.hub.add_activity(lambda _: "before", "say")

    @bridge.hub.orchestrator
    def asks(context):
        return (yield context.call_activity("say"))

    bridge.serve()
    assert bridge.run("asks") == "before"
    bridge.hub.add_activity(lambda _: "after", "Say")
    assert bridge.run("asks") == "after"


def test_the_hub_may_be_closed(bridge):
    with df.TaskHub(":memory:") as hub:
        hub.add_activity(len, "size")

        @hub.orchestrator
        def asks(context):
            return (yield context.call_activity("size", [1, 2]))

        bridge.serve(hub)
    assert bridge.run("asks") == 2


def test_it_is_loaded_when_it_is_asked_for_and_without_durabletask_the_error_says_what_to_install():
    code = (
        "import durablenb, sys; assert 'durabletask' not in sys.modules\n"
        "sys.modules['durabletask'] = None\n"
        "try: durablenb.to_durabletask\n"
        "except durablenb.DurableError as error: print(error)\n"
        "del sys.modules['durabletask']; assert durablenb.to_durabletask"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "pip install 'durablenb[durabletask]'" in done.stdout


def test_another_worker_takes_over(bridge):
    """The histories are the backend's: a worker with the same functions resumes what another one began."""

    def waits(context):
        before = yield context.call_activity("say")
        return [before, (yield context.wait_for_external_event("Go")), (yield context.call_activity("say"))]

    with df.TaskHub(":memory:", mode="kernel") as first, df.TaskHub(":memory:", mode="kernel") as second:
        for hub, word in ((first, "first"), (second, "second")):
            hub.add_orchestrator(waits)
            hub.add_activity(lambda _, word=word: word, "say")
        bridge.serve(first)
        instance_id = bridge.start("waits")
        bridge.raise_event(instance_id, "Other")
        while "first" not in str(bridge.client.get_orchestration_history(instance_id)):
            pass
        bridge._workers.pop().stop()
        bridge.serve(second)
        bridge.raise_event(instance_id, "Go", 1)
        assert bridge.result(instance_id) == ["first", 1, "second"]
