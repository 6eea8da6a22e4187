"""Row 24: starts that are scheduled."""

from datetime import datetime, timedelta, timezone

import pytest


def quick(context):
    return context.current_utc_datetime.isoformat()


def test_row_24_a_scheduled_instance_does_not_start_at_once_and_can_be_seen_waiting(lab):
    ran = []

    def eager(context):
        ran.append(context.is_replaying)
        return context.current_utc_datetime.isoformat()

    start_at = lab.clock.now() + timedelta(hours=1)
    handle = lab.begin(eager, start_at=start_at)
    status = handle.status()
    assert (status.runtime_status, status.scheduled_start_time) == ("Pending", start_at)
    assert [one.instance_id for one in lab.hub.instances("Pending")] == [handle.id]
    lab.advance(minutes=59)
    assert ran == []
    lab.advance(minutes=1)
    assert ran[0] is False
    assert handle.result(10) == start_at.isoformat()


def test_row_24_a_start_may_be_given_in_any_kind_of_datetime(lab):
    start_at = lab.clock.now() + timedelta(hours=1)
    ahead, behind = timezone(timedelta(hours=9)), timezone(timedelta(hours=-11, minutes=-30))
    given = [start_at, start_at.replace(tzinfo=None), start_at.astimezone(ahead), start_at.astimezone(behind)]
    handles = [lab.start(quick, start_at=one) for one in given]
    assert {handle.status().scheduled_start_time for handle in handles} == {start_at}
    assert {handle.result(10) for handle in handles} == {start_at.isoformat()}


def test_row_24_a_start_in_the_past_is_a_start_now(lab):
    began = lab.clock.now()
    for start_at in (began, began - timedelta(seconds=1), datetime.min):
        assert lab.start(quick, start_at=start_at).result(10) == began.isoformat()


def test_row_24_something_else_than_a_datetime_is_refused(lab):
    with pytest.raises(TypeError, match="Expected a datetime"):
        lab.start(quick, start_at="tomorrow")
    assert lab.hub.instances() == []


def test_row_24_its_start_outlives_restarts(disk):
    start_at = disk.clock.now() + timedelta(hours=2)
    disk.start(quick, start_at=start_at, instance_id="s")
    disk.restart()
    disk.advance(hours=1)
    assert disk.client.get_status("s").runtime_status == "Pending"
    assert disk.restart("s").result() == start_at.isoformat()


def test_row_24_a_start_that_was_missed_while_nothing_ran_happens_at_once(disk):
    disk.start(quick, start_at=disk.clock.now() + timedelta(hours=2), instance_id="s")
    disk.hub.close()
    disk.clock.advance(hours=5)
    disk.open()
    assert disk.hub.handle("s").result() == disk.clock.now().isoformat()


def test_row_24_several_start_in_the_order_of_their_times(lab):
    order = []

    def notes(context):
        if not context.is_replaying:
            order.append(context.get_input())

    now = lab.clock.now()
    for hours in (3, 1, 2):
        lab.start(notes, hours, start_at=now + timedelta(hours=hours))
    lab.advance(hours=4)
    assert order == [1, 2, 3]
