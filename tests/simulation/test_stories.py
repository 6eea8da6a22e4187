"""Findings of the simulator, told as short stories."""

from datetime import timedelta

import pytest

import durablenb as df


@pytest.fixture
def clock():
    return df.VirtualClock(autojump=False)


@pytest.fixture
def hub(clock):
    with df.TaskHub(":memory:", mode="kernel", clock=clock) as hub:
        yield hub


def work(hub: df.TaskHub) -> None:
    while hub.step() is not None:
        pass


def test_a_clock_that_is_set_back_is_not_seen_behind_a_timer_that_fired(hub, clock):
    @hub.orchestrator
    def waits(context):
        due = context.current_utc_datetime + timedelta(hours=1)
        yield context.create_timer(due)
        return context.current_utc_datetime >= due

    handle = hub.start(waits)
    hub.step()
    clock.advance(hours=1)
    assert hub.step() == f"timer of {handle.id}"
    clock.advance(minutes=-30)
    assert handle.result() is True


def test_a_start_that_came_due_is_not_forgotten_when_the_clock_is_set_back(hub, clock):
    @hub.orchestrator
    def now(context):
        return context.current_utc_datetime.isoformat()

    start_at = clock.now() + timedelta(hours=1)
    handle = hub.start(now, start_at=start_at)
    handle.suspend()
    clock.advance(hours=1)
    work(hub)
    clock.advance(minutes=-30)
    handle.resume()
    assert handle.result() == start_at.isoformat()


def test_a_child_that_completed_while_its_parent_had_failed_is_not_run_again_by_a_rewind(hub):
    runs = []
    is_broken = [True]

    @hub.activity
    def broken():
        if is_broken[0]:
            raise ValueError("not yet")

    @hub.activity
    def count(n):
        runs.append(n)
        return n

    @hub.orchestrator
    def kid(context):
        yield context.wait_for_external_event("Go")
        return (yield context.call_activity(count, 1))

    @hub.orchestrator
    def elder(context):
        child = context.call_sub_orchestrator(kid, instance_id="kid")
        yield context.call_activity(broken)
        return (yield child)

    handle = hub.start(elder)
    work(hub)
    hub.handle("kid").raise_event("Go")
    work(hub)
    is_broken[0] = False
    handle.rewind()
    assert handle.result() == 1
    assert runs == [1]


def test_a_rewind_finds_its_childs_id_taken_and_fails_instead_of_waiting_for_a_stranger(hub):
    @hub.orchestrator
    def kid(context):
        return (yield context.wait_for_external_event("Go"))

    @hub.orchestrator
    def elder(context):
        return (yield context.call_sub_orchestrator(kid, instance_id="kid"))

    stranger = hub.start(kid, instance_id="kid")
    handle = hub.start(elder)
    for _ in range(2):
        with pytest.raises(df.InstanceExistsError):
            handle.result()
        handle.rewind()
    work(hub)
    stranger.terminate()
    handle.rewind()
    work(hub)
    hub.handle("kid").raise_event("Go", "at last")
    assert handle.result() == "at last"


def test_the_last_attempt_of_a_child_is_not_taken_for_the_first_one_by_a_rewind(hub, clock):
    is_broken = [True]

    @hub.activity
    def broken(n):
        if is_broken[0]:
            raise ValueError("not yet")
        return n

    @hub.orchestrator
    def kid(context):
        return (yield context.call_activity(broken, context.get_input()))

    @hub.orchestrator
    def elder(context):
        options = df.RetryOptions(1_000, 2)
        return (yield context.call_sub_orchestrator_with_retry(kid, options, 7, instance_id="kid"))

    handle = hub.start(elder)
    work(hub)
    clock.advance(seconds=1)
    with pytest.raises(ValueError, match="not yet"):
        handle.result()
    is_broken[0] = False
    handle.rewind()
    assert handle.result() == 7


def test_an_event_that_came_before_the_code_parted_is_seen_after_a_rewind(tmp_path, clock):
    def waits(context):
        return (yield context.wait_for_external_event("Go"))

    def edited(context):
        return (yield context.create_timer(context.current_utc_datetime + timedelta(hours=1)))

    options = {"mode": "kernel", "clock": clock, "on_nondeterminism": "fail"}
    with df.TaskHub(tmp_path / "hub.duckdb", **options) as hub:
        hub.add_orchestrator(waits, "waits")
        hub.start("waits", instance_id="a")
        work(hub)
    with df.TaskHub(tmp_path / "hub.duckdb", **options) as hub:
        hub.add_orchestrator(edited, "waits")
        hub.handle("a").raise_event("Go", "seen")
        work(hub)
        assert hub.handle("a").status().runtime_status == "Failed"
        hub.add_orchestrator(waits, "waits")
        hub.handle("a").rewind()
        assert hub.handle("a").result() == "seen"


def test_an_instance_started_right_after_a_purge_of_its_id_is_there(hub):
    @hub.orchestrator
    def quick(context):
        return context.get_input()

    for number in range(3):
        handle = hub.start(quick, number, instance_id="a")
        assert handle.result() == number
        handle.purge()
    assert hub.instances() == []


def test_a_hub_in_the_kernel_does_the_same_things_in_the_same_order(clock):
    def add(n):
        return n + 1

    def chain(context):
        one = yield context.call_activity("add", 1)
        return (yield context.call_activity("add", one))

    def family(context):
        yield context.task_all([context.call_sub_orchestrator("chain") for _ in range(3)])

    orders = set()
    for _ in range(10):
        with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
            hub.add_activity(add)
            hub.add_orchestrator(chain)
            hub.add_orchestrator(family)
            hub.start("family", instance_id="a")
            orders.add(tuple(iter(hub.step, None)))
    assert len(orders) == 1


def test_places_in_the_journal_are_not_given_twice_after_a_purge_and_an_interrupt(tmp_path):
    class StopButton(df.VirtualClock):
        is_pressed = False

        def now(self):
            if self.is_pressed:
                self.is_pressed = False
                raise KeyboardInterrupt
            return super().now()

    def quick(context):
        return context.get_input()

    clock = StopButton()
    for instance_id in ("a", "b"):
        with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel", clock=clock) as hub:
            hub.add_orchestrator(quick)
            if instance_id == "a":
                hub.run(quick, 1, instance_id="a")
                continue
            last = hub._store.last_seq()
            hub.handle("a").purge()
            clock.is_pressed = True
            with pytest.raises(KeyboardInterrupt):
                hub.start(quick, 2, instance_id="b")
            hub.run(quick, 2, instance_id="b")
            assert hub._store.records("b")[0].seq == last + 1


def test_an_entity_whose_turn_comes_while_the_disk_is_full_has_it_when_there_is_room_again(hub):
    @hub.entity
    def counter(context):
        context.set_state(context.get_state(lambda: 0) + 1)

    entity_id = df.EntityId("counter", "a")
    hub.client.signal_entity(entity_id, "add")
    store, engine = hub._store, hub._engine
    entity_states, is_full = store.entity_states, [True]

    def refused(instance_ids):
        if is_full[0]:
            raise df.StoreError("The disk can't be read.")
        return entity_states(instance_ids)

    store.entity_states = refused
    with pytest.raises(df.StoreError):
        engine.turn()
    is_full[0] = False
    work(hub)
    store.entity_states = entity_states
    assert hub.entity_state(entity_id) == 1
