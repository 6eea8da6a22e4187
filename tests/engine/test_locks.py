"""An interrupt in the middle of a wait leaves no lock taken that whoever wakes the waiting thread needs."""

import ast
import concurrent.futures
import contextlib
import dis
import sys
import threading
from pathlib import Path

import pytest

import durablenb
from durablenb.engine import locks
from durablenb.engine.locks import Condition, Event, Promise

FILES = (threading.__file__, concurrent.futures._base.__file__, locks.__file__, __file__)


LOOKS_UP = ("RESUME", "CALL", "JUMP_BACKWARD")
"""What the interpreter has to have done in order to look whether there is an interrupt."""


def interrupted(do, number, *, ends=(KeyboardInterrupt, TimeoutError)):
    """Does it with an interrupt at the n-th moment that there can be one; answers whether it came to that."""
    moments, last = 0, {}

    def trace(frame, event, _argument):
        nonlocal moments
        if frame.f_code.co_filename not in FILES:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            moments += last.get(frame, "").startswith(LOOKS_UP)
            last[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            if moments == number:
                moments += 1
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 looks at this when the trace is set
    sys.settrace(trace)
    try:
        do()
    except ends:
        pass
    finally:
        sys.settrace(before)
    return moments > number


def is_free(condition):
    """Return True if another thread can take its lock."""
    return can_be_taken(condition._lock)


def can_be_taken(lock):
    """Return True if another thread can take the lock, which it releases again."""
    taken = []

    def take():
        taken.append(lock.acquire(blocking=False))
        if taken[0]:
            lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return taken[0]


@contextlib.contextmanager
def held_by_another(lock):
    """Another thread holds it meanwhile."""
    is_held, may_end = threading.Event(), threading.Event()

    def hold():
        with lock:
            is_held.set()
            may_end.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait()
    yield
    may_end.set()
    thread.join()


def waits_on_a_condition(condition):
    def do():
        with condition:
            condition.wait(0.0001)

    return do, condition


def waits_for_an_event(condition):
    event = Event()
    return lambda: event.wait(0.0001), event._cond


def waits_for_a_promise(condition):
    promise = Promise()
    return lambda: promise.result(0.0001), promise._condition


@pytest.mark.parametrize("waits", [waits_on_a_condition, waits_for_an_event, waits_for_a_promise])
def test_an_interrupt_ends_a_wait_as_an_interrupt_and_leaves_no_lock_taken(waits):
    number = 1
    while True:
        do, condition = waits(Condition())
        if not interrupted(do, number):
            break
        assert is_free(condition), f"taken for ever by an interrupt at moment {number}"
        number += 1
    assert number > 10


@pytest.mark.parametrize("is_busy", [False, True])
def test_an_interrupt_leaves_no_lock_that_is_waited_for_taken(is_busy):
    number = 1
    while True:
        lock = locks.RLock()
        with held_by_another(lock) if is_busy else contextlib.nullcontext():

            def do(lock=lock):
                with locks.Within(lock, 0.0001):
                    pass

            if not interrupted(do, number, ends=(KeyboardInterrupt, locks.NotTakenError)):
                break
        assert can_be_taken(lock), f"taken for ever by an interrupt at moment {number}"
        number += 1
    assert number > 2


def test_a_lock_that_its_owner_takes_again_stays_taken_after_an_interrupt():
    number = 1
    while True:
        lock = locks.RLock()
        with lock:

            def do(lock=lock):
                with locks.Within(lock, 1):
                    pass

            if not interrupted(do, number):
                break
            assert not can_be_taken(lock), f"released by an interrupt at moment {number}"
        number += 1
    assert number > 2


def test_nothing_below_the_server_waits_with_pythons_own_conditions():
    package = Path(durablenb.__file__).parent
    for path in package.rglob("*.py"):
        if path == Path(locks.__file__) or path.is_relative_to(package / "server"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {
                    ("threading", "Condition"),
                    ("threading", "Event"),
                    ("queue", "Queue"),
                }, path


def test_pythons_own_condition_is_left_taken():
    """Else there would be no need for ours."""
    stuck, number = 0, 1
    while True:
        do, condition = waits_on_a_condition(threading.Condition(threading.Lock()))
        if not interrupted(do, number, ends=(KeyboardInterrupt, RuntimeError)):
            break
        stuck += not condition._lock.acquire(blocking=False)
        number += 1
    assert stuck


def test_promises_are_futures():
    promise = Promise()
    threading.Timer(0.01, promise.set_result, [7]).start()
    assert promise.result(5) == 7
    seen = []
    promise.add_done_callback(seen.append)
    assert seen == [promise]
    assert concurrent.futures.wait([promise]).done == {promise}


def test_events_are_events():
    event = Event()
    assert not event.wait(0.001)
    threading.Timer(0.01, event.set).start()
    assert event.wait(5)
    event.clear()
    assert not event.is_set()


def test_a_promise_is_made_like_the_standard_librarys_future():
    """It sets what that one sets, so that a Python which sets more is noticed here."""
    assert vars(Promise()).keys() == vars(concurrent.futures.Future()).keys()
    ours, theirs = vars(Promise()), vars(concurrent.futures.Future())
    del ours["_condition"], theirs["_condition"]
    assert ours == theirs
