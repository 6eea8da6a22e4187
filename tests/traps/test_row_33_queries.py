"""Row 33: finding instances, and waiting for them."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

import durablenb as df
from tests.traps.corpus import fails, quick, waits
from tests.traps.lab import PATIENCE, Lab


@pytest.fixture(scope="module", params=["kernel", "threads"])
def full(request):
    """Six instances, an hour apart, to read: a-0 to a-2 completed, b-0 waits, b-1 failed, c is terminated."""
    lab = Lab(request.param)
    lab.began = lab.clock.now()
    for number in range(3):
        lab.run(quick, number, instance_id=f"a-{number}")
        lab.advance(hours=1)
    lab.start(waits, instance_id="b-0")
    lab.advance(hours=1)
    lab.start(fails, instance_id="b-1").wait(10)
    lab.advance(hours=1)
    lab.start(waits, instance_id="c").terminate()
    yield lab
    lab.close()


def ids(statuses):
    return [status.instance_id for status in statuses]


def test_row_33_all_are_listed_oldest_first(full):
    expected = ["a-0", "a-1", "a-2", "b-0", "b-1", "c"]
    assert ids(full.client.get_status_all()) == expected
    assert ids(full.client.get_status_by()) == expected
    assert ids(full.hub.instances()) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Completed", ["a-0", "a-1", "a-2"]),
        (df.OrchestrationRuntimeStatus.Failed, ["b-1"]),
        (["Running", "Terminated"], ["b-0", "c"]),
        ([df.OrchestrationRuntimeStatus.Running, "Failed"], ["b-0", "b-1"]),
        (["Pending"], []),
        ([], []),
        (None, ["a-0", "a-1", "a-2", "b-0", "b-1", "c"]),
    ],
)
def test_row_33_by_status_one_or_several_none_or_no_condition(full, status, expected):
    assert ids(full.client.get_status_by(runtime_status=status)) == expected
    assert ids(full.hub.instances(status)) == expected


def test_row_33_an_unknown_status_is_refused_with_those_that_there_are(lab):
    with pytest.raises(ValueError, match=r"'Done' is not a valid.*The statuses are: Running, Completed"):
        lab.client.get_status_by(runtime_status="Done")


def test_row_33_by_time_with_both_ends_included(full):
    hour = timedelta(hours=1)
    began = full.began
    between = full.client.get_status_by(began + hour, began + 3 * hour)
    assert ids(between) == ["a-1", "a-2", "b-0"]
    assert ids(full.client.get_status_by(created_time_from=began + 4 * hour)) == ["b-1", "c"]
    assert ids(full.client.get_status_by(created_time_to=began)) == ["a-0"]
    assert ids(full.client.get_status_by((began + 5 * hour).replace(tzinfo=None))) == ["c"]
    assert ids(full.client.get_status_by(began + hour, began)) == []
    assert ids(full.hub.instances(since=began + 5 * hour)) == ["c"]


def test_row_33_by_prefix_to_the_letter(lab):
    for instance_id in ("a-0", "a-1", "b-0", "A-0", "a_0", "%"):
        lab.run(quick, instance_id=instance_id)

    def by_prefix(prefix):
        return sorted(ids(lab.client.get_status_by(instance_id_prefix=prefix)))

    assert by_prefix("a-") == ["a-0", "a-1"]
    assert by_prefix("a_") == ["a_0"]
    assert by_prefix("%") == ["%"]
    assert by_prefix("x") == []
    assert len(by_prefix("")) == 6


def test_row_33_by_name_and_by_all_conditions_together(full):
    assert ids(full.client.get_status_by(name="waits")) == ["b-0", "c"]
    assert ids(full.hub.instances(name="quick", top=2)) == ["a-0", "a-1"]
    found = full.client.get_status_by(
        full.began, full.clock.now(), ["Completed", "Running"], "b", name="waits"
    )
    assert ids(found) == ["b-0"]


def test_row_33_pages_have_no_gap_and_no_overlap_and_an_end(full):
    pages = [ids(full.client.get_status_by(top=4, skip=skip)) for skip in (0, 4, 8)]
    assert pages == [["a-0", "a-1", "a-2", "b-0"], ["b-1", "c"], []]
    assert ids(full.client.get_status_by(top=6)) == ids(full.client.get_status_all())
    assert ids(full.client.get_status_by(skip=5)) == ["c"]
    assert full.client.get_status_by(top=0) == []
    assert ids(full.client.get_status_by(runtime_status="Completed", top=1, skip=2)) == ["a-2"]


@pytest.mark.parametrize(("top", "skip"), [(-1, 0), (None, -1)])
def test_row_33_a_negative_page_is_refused(lab, top, skip):
    with pytest.raises(ValueError, match=r"(top|skip) is -1"):
        lab.client.get_status_by(top=top, skip=skip)


def test_row_33_of_many_at_one_moment_all_are_listed_and_pages_are_whole(kernel):
    for _ in range(110):
        kernel.start(quick)
    assert len(kernel.client.get_status_all()) == 110
    seen = [i for skip in range(0, 110, 40) for i in ids(kernel.client.get_status_by(top=40, skip=skip))]
    assert len(seen) == len(set(seen)) == 110


def test_row_33_parents_can_be_told_from_children(lab):
    lab.orchestrator(quick)

    def parent(context):
        yield context.call_sub_orchestrator(quick)

    lab.run(parent, instance_id="p")
    assert ids(s for s in lab.hub.instances() if s.parent_instance_id is None) == ["p"]
    rows = lab.hub.sql("select instance_id from instances where parent_instance_id is null").fetchall()
    assert rows == [("p",)]


def test_row_33_an_unknown_id_is_a_false_status_not_an_error(lab):
    status = lab.client.get_status("nobody")
    assert not status
    assert (status.instance_id, status.runtime_status, status.created_time) == (None, None, None)


def test_row_33_a_wait_that_runs_out_says_so_and_harms_nothing(lab):
    handle = lab.begin(waits)
    with pytest.raises(df.WaitTimeoutError):
        handle.result(0.05)
    with pytest.raises(TimeoutError):
        lab.client.wait_for_completion(handle.id, timeout=0)
    handle.raise_event("go", "well")
    assert handle.result(10) == "well"
    assert handle.result(0) == "well"  # what has ended needs no time


def test_row_33_waiting_for_nobody_is_an_error(lab):
    with pytest.raises(df.InstanceNotFoundError, match="nobody"):
        lab.client.wait_for_completion("nobody", 10)


def test_row_33_a_wait_goes_on_in_the_next_kernel(disk):
    handle = disk.start(waits, instance_id="w")
    with pytest.raises(df.WaitTimeoutError):
        handle.result()
    handle = disk.restart("w")
    handle.raise_event("go", "well")
    assert handle.result() == "well"
    assert disk.restart("w").result() == "well"


def test_row_33_nine_who_wait_do_not_keep_a_tenth_from_starting(threads):
    handles = [threads.start(waits) for _ in range(9)]
    with ThreadPoolExecutor(9) as pool:
        waiting = [pool.submit(handle.result, PATIENCE) for handle in handles]
        assert threads.run(quick, "through") == "through"
        for number, handle in enumerate(handles):
            handle.raise_event("go", number)
        assert [future.result(PATIENCE) for future in waiting] == list(range(9))


def test_row_33_nine_who_wait_in_an_event_loop_do_not_keep_a_tenth_from_starting(threads):
    threads.orchestrator(waits)
    threads.orchestrator(quick)

    async def main():
        client = df.DurableOrchestrationClient(threads.hub)
        started = [await client.start_new("waits") for _ in range(9)]
        waiting = [asyncio.create_task(client.wait_for_completion(i, PATIENCE)) for i in started]
        await asyncio.sleep(0)
        tenth = await client.start_new("quick", None, "through")
        assert (await client.wait_for_completion(tenth, PATIENCE)).output == "through"
        for number, instance_id in enumerate(started):
            await client.raise_event(instance_id, "go", number)
        return [status.output for status in await asyncio.gather(*waiting)]

    assert asyncio.run(main()) == list(range(9))


def test_row_33_several_who_wait_for_one_all_learn_of_its_end(threads):
    handle = threads.start(waits)
    barrier = threading.Barrier(6)

    def wait():
        barrier.wait(10)
        return handle.result(PATIENCE)

    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(wait) for _ in range(5)]
        barrier.wait(10)
        handle.raise_event("go", "well")
        assert [future.result(PATIENCE) for future in waiting] == ["well"] * 5
