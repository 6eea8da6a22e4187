"""Row 14: code that is there is found, however its name is written; names are compared without case."""

import pytest

import durablenb as df
from tests.traps.corpus import after
from tests.traps.lab import kinds


def SayHello(city):
    return f"Hello {city}!"


def Greet(context):
    return (yield context.call_activity("sayhello", context.get_input()))


@pytest.fixture
def greeting(lab):
    lab.activity(SayHello)
    lab.orchestrator(Greet)
    return lab


def test_row_14_functions_and_their_instances_are_found_without_case(greeting):
    def parent(context):
        return (yield context.call_sub_orchestrator("gREET", "Oslo"))

    for name in ("greet", "GREET", "Greet"):
        assert greeting.run(name, "Tokyo") == "Hello Tokyo!"
    assert greeting.run(parent) == "Hello Oslo!"
    outputs = sorted(status.output for status in greeting.hub.instances(name="gReet"))
    assert outputs == ["Hello Oslo!"] + ["Hello Tokyo!"] * 3


def test_row_14_a_name_that_is_registered_again_in_another_case_is_replaced(greeting):
    greeting.hub.add_activity(lambda city: f"Hi {city}!", "SAYHELLO")
    assert greeting.run("greet", "Rome") == "Hi Rome!"
    assert [name for name in greeting.hub._registry.activities if name.lower() == "sayhello"] == ["SAYHELLO"]


def test_row_14_a_version_is_found_without_case(lab):
    lab.hub.add_orchestrator(lambda context: "old", "Shipping", version="1.0")
    lab.hub.add_orchestrator(lambda context: "new", "SHIPPING", version="2.0")
    assert lab.run("shipping") == "new"
    assert lab.hub.start("shipping", version="1.0").result(10) == "old"
    lab.hub._registry.versions.pop("shipping")


def test_row_14_a_limit_counts_all_ways_to_write_a_name(kernel):
    running, most = [], []

    def wide(context):
        names = ["work", "Work", "WORK", "work"]
        yield context.task_all([context.call_activity(name) for name in names])

    async def work(_):
        import asyncio

        running.append(1)
        most.append(len(running))
        await asyncio.sleep(0)
        running.pop()

    kernel.hub.add_activity(work, "Work", max_concurrency=1)
    kernel.run(wide)
    assert len(most) == 4
    assert max(most) == 1
    kernel.hub._registry.activities.pop("work")


def test_row_14_a_history_that_has_a_name_in_another_case_fits(greeting):
    handle = greeting.start("Greet", "Tokyo")
    handle.result(10)

    def with_case(context):
        return (yield context.call_activity(SayHello, context.get_input()))

    def with_another_name(context):
        return (yield context.call_activity("SayHallo", context.get_input()))

    def with_other_input(context):
        return (yield context.call_activity(SayHello, "Oslo"))

    assert greeting.hub.replay(handle, with_case).fits
    assert not greeting.hub.replay(handle, with_another_name).fits
    misfit = handle.replay(with_other_input).trace.mismatch
    assert [field for field, _, _ in misfit.differences] == ["input"]


def test_row_14_after_a_restart_a_cell_is_found_that_writes_the_name_otherwise(disk):
    def waits(context):
        yield after(context, hours=1)
        return (yield context.call_activity("sayhello", "Tokyo"))

    disk.orchestrator(waits, "Waits")
    disk.activity(SayHello)
    disk.begin("waits", instance_id="w")
    handle = disk.restart("w", without=("Waits", "SayHello"))
    disk.advance(hours=1)
    assert handle.status().runtime_status == "Running"
    disk.orchestrator(waits, "WAITS")
    disk.settle()
    assert "TaskScheduled" in kinds(handle.history())
    disk.activity(SayHello, "sayHello")
    assert handle.result() == "Hello Tokyo!"


def test_row_14_a_check_knows_names_without_case(greeting):
    def misspelt(context):
        return (yield context.call_activity("say_hello"))

    assert df.check(Greet, greeting.hub).codes == []
    assert df.check(misspelt, greeting.hub).codes == ["DNB501"]


def test_row_14_code_that_is_registered_in_another_case_is_a_change_of_the_same(disk, caplog):
    def waits(context):
        yield context.wait_for_external_event("go")

    def waits_otherwise(context):
        yield context.wait_for_external_event("stop")

    disk.orchestrator(waits, "Waits")
    disk.begin("Waits")
    with caplog.at_level("WARNING", "durablenb"):
        disk.orchestrator(waits_otherwise, "WAITS")
    assert "WAITS has changed. 1 open instance goes on" in caplog.text
