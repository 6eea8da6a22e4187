"""Ten deaths in the middle of the work: nothing that was said is lost, nothing done is repeated."""

from collections import Counter, defaultdict

import pytest

import durablenb as df
from tests.faults import worker
from tests.faults.deaths import KILLS, begun_again, check_each, deaths_of

SEEDS = range(1, 3)
"""`python -m tests.campaign kills` has more."""


@pytest.mark.timeout(300)
def test_ten_deaths_lose_nothing_and_repeat_nothing(tmp_path):
    assert deaths_of("tests.faults.worker", tmp_path, SEEDS) == len(SEEDS) * KILLS
    assert begun_again(tmp_path, SEEDS)
    check_each(tmp_path, SEEDS, check)


def check(path, diary):
    check_diary([line.split() for line in diary.read_text().splitlines()])
    with df.TaskHub(path, mode="kernel") as hub:
        rows = hub.sql("select seq from history order by seq").fetchall()
        assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
        histories = {
            status.instance_id: hub.handle(status.instance_id).history() for status in hub.instances()
        }
        for history in histories.values():
            check_history(history)
        check_families(histories)
        for kind, instance_id, _ in worker.plan():
            assert hub.handle(instance_id).result() == expected(kind, instance_id)


def check_diary(lines):
    acknowledged = Counter(tuple(line) for line in lines if line[0] in ("started", "raised"))
    assert not [ask for ask, times in acknowledged.items() if times > 1], "acknowledged, and then gone"
    begun, ended, scheduled, completed, now = set(), set(), set(), set(), set()
    for what, *about in lines:
        key = about[0] if about else None
        if what == "began":
            begun |= now
            scheduled, now = set(), set()
        elif what == "TaskScheduled":
            scheduled.add(key)
        elif what == "TaskCompleted":
            completed.add(key)
            assert key in ended, f"{key} is recorded as completed and has not run"
        elif what == "opened":
            assert begun <= scheduled, f"begun before they were on disk: {begun - scheduled}"
        elif what == "begun":
            assert key not in completed, f"{key} was recorded as completed and runs again"
            assert key not in now, f"{key} runs twice in one process"
            now.add(key)
        elif what == "ended":
            ended.add(key)
    assert lines[-1] == ["closed"]


def check_history(history):
    """Event ids are dense, each task ends once, each execution ends once."""
    executions = []
    for event in history:
        if type(event).__name__ == "ExecutionStarted":
            executions.append([])
        executions[-1].append(event)
    for events in executions:
        assert [event.event_id for event in events] == list(range(1, len(events) + 1))
        kinds = [type(event).__name__ for event in events]
        ends = [kind for kind in kinds if kind in ("ExecutionCompleted", "ContinueAsNew")]
        assert ends == kinds[-1:]
        asked = Counter(
            event.task_id
            for event in events
            if type(event).__name__ in ("TaskScheduled", "TimerCreated", "SubOrchestrationInstanceCreated")
        )
        settled = Counter(
            event.task_id
            for event in events
            if type(event).__name__ in ("TaskCompleted", "TimerFired", "SubOrchestrationInstanceCompleted")
        )
        assert asked == settled
        assert not asked or max(asked.values()) == 1


def check_families(histories):
    """Parents and children tell the same story."""
    told, happened = defaultdict(list), {}
    for history in histories.values():
        children = {
            event.task_id: event.instance_id
            for event in history
            if type(event).__name__ == "SubOrchestrationInstanceCreated"
        }
        for event in history:
            if type(event).__name__ == "SubOrchestrationInstanceCompleted":
                told[children[event.task_id]].append(event.result)
    for instance_id, history in histories.items():
        if history[0].parent is not None:
            happened[instance_id] = [history[-1].result]
            assert instance_id.startswith(history[0].parent.instance_id)
    assert told == happened
    assert len(happened) == worker.FAMILIES * 6


def expected(kind, instance_id):
    if kind == "chain":
        return [f"{instance_id}/{step}" for step in range(worker.LENGTH)]
    if kind == "fan":
        return [f"{instance_id}/{n}" for n in range(worker.WIDTH)]
    if kind == "waiter":
        return list(range(worker.EVENTS))
    if kind == "sleeper":
        return "rested"
    return family(instance_id, 2)


def family(instance_id, depth):
    children = [family(f"{instance_id}.{n}", depth - 1) for n in range(2)] if depth else []
    return [f"{instance_id}/own", *(key for child in children for key in child)]
