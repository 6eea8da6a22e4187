"""Whatever user code raises, its own orchestration fails, readably, and nothing else does."""

import asyncio
import contextlib
import gc
import sys
import threading
from datetime import timedelta

import cloudpickle
import pytest

import durablenb as df
from durablenb.model.failures import MESSAGE_LIMIT


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no text")

    __repr__ = __str__


class Unpicklable(Exception):
    def __reduce__(self):
        raise ValueError("no pickle")

    def __getstate__(self):
        raise ValueError("no state")


class TwoArguments(Exception):
    def __init__(self, code, reason):
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


class KeywordOnly(OSError):
    def __new__(cls, *, place):
        return super().__new__(cls, place)

    def __init__(self, *, place):
        super().__init__(place)


class HasDetails(Exception):
    """Its `details` can't be set, as with the errors of some cloud libraries."""

    @property
    def details(self):
        return "mine"


class Slotted(Exception):
    __slots__ = ("place",)

    def __setattr__(self, name, value):
        raise AttributeError(f"{name} can't be set")


class Demanding(Exception):
    def __init_subclass__(cls, *, colour, **kwargs):
        super().__init_subclass__(**kwargs)


class OddText(str):
    def __len__(self):
        raise ValueError("no length")

    def __getitem__(self, index):
        raise ValueError("no items")


class SaysOddText(Exception):
    def __str__(self):
        return OddText("odd")


class SaysNothing(Exception):
    def __str__(self):
        return None


def deeper():
    return deeper() + 1


def too_much_memory():
    return bytearray(1 << 60)


def loop_of_causes():
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


def bytes_that_are_no_text():
    b"\xff".decode("utf-8")


def with_surrogate():
    raise ValueError("lone \ud800 and \x00")


def raising(make):
    def throw():
        raise make()

    return throw


# What it is called, what raises it, the type it is recorded as, a part of its recorded message.
TABLE = {
    "Exception": (raising(lambda: Exception("plain")), "builtins.Exception", "plain"),
    "BaseException": (raising(lambda: BaseException("base")), "builtins.BaseException", "base"),
    "KeyboardInterrupt": (raising(KeyboardInterrupt), "builtins.KeyboardInterrupt", ""),
    "SystemExit": (lambda: sys.exit(3), "builtins.SystemExit", "3"),
    "GeneratorExit": (raising(GeneratorExit), "builtins.GeneratorExit", ""),
    "StopIteration": (lambda: next(iter(())), "builtins.StopIteration", ""),
    "StopAsyncIteration": (raising(StopAsyncIteration), "builtins.StopAsyncIteration", ""),
    "MemoryError": (too_much_memory, "builtins.MemoryError", ""),
    "RecursionError": (deeper, "builtins.RecursionError", "recursion"),
    "ExceptionGroup": (
        raising(lambda: ExceptionGroup("several", [ValueError("one"), KeyError("two")])),
        "builtins.ExceptionGroup",
        "several",
    ),
    "BaseExceptionGroup": (
        raising(lambda: BaseExceptionGroup("several", [SystemExit(1)])),
        "builtins.BaseExceptionGroup",
        "several",
    ),
    "CancelledError": (raising(asyncio.CancelledError), "asyncio.exceptions.CancelledError", ""),
    "empty message": (raising(ValueError), "builtins.ValueError", ""),
    "10 MB message": (raising(lambda: ValueError("x" * 10_000_000)), "builtins.ValueError", "characters cut"),
    "surrogate and NUL": (with_surrogate, "builtins.ValueError", "lone \ud800 and \x00"),
    "UnicodeDecodeError": (bytes_that_are_no_text, "builtins.UnicodeDecodeError", "0xff"),
    "causes in a loop": (loop_of_causes, "builtins.ValueError", "first"),
    "__str__ raises": (raising(Unprintable), f"{__name__}.Unprintable", "__str__ raised ValueError"),
    "__str__ gives None": (raising(SaysNothing), f"{__name__}.SaysNothing", "__str__ raised TypeError"),
    "__str__ gives an odd str": (raising(SaysOddText), f"{__name__}.SaysOddText", "odd"),
    "__reduce__ raises": (raising(lambda: Unpicklable("cling")), f"{__name__}.Unpicklable", "cling"),
    "two arguments": (raising(lambda: TwoArguments(7, "why")), f"{__name__}.TwoArguments", "7: why"),
    "keyword only": (raising(lambda: KeywordOnly(place="here")), f"{__name__}.KeywordOnly", "here"),
    "a property details": (raising(lambda: HasDetails("cloud")), f"{__name__}.HasDetails", "cloud"),
    "nothing can be set": (raising(lambda: Slotted("rigid")), f"{__name__}.Slotted", "rigid"),
    "demanding subclass": (raising(lambda: Demanding("more")), f"{__name__}.Demanding", "more"),
}


@pytest.fixture(scope="module")
def hub():
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with df.TaskHub(":memory:", durability="pipelined") as hub:

        @hub.orchestrator
        def bystander(context):
            yield context.wait_for_external_event("go on")
            return "unharmed"

        @hub.orchestrator
        def failing_activity(context):
            return (yield context.call_activity(context.get_input()))

        yield hub
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def unharmed(hub):
    """Another instance of the same hub, which must come through."""
    other = hub.start("bystander")
    yield
    other.raise_event("go on")
    assert other.result(timeout=20) == "unharmed"


def fails_with(handle, error_type, message):
    with pytest.raises(df.TaskFailedError):
        handle.result(timeout=20)
    status = handle.status()
    assert status.runtime_status == "Failed"
    failure = status.failure_details
    while failure.error_type.endswith("TaskFailedError"):
        failure = failure.inner
    assert failure.error_type == error_type
    assert message in failure.message
    assert len(failure.message) < MESSAGE_LIMIT + 100
    assert failure.error_type.rpartition(".")[2] in repr(failure)
    assert repr(handle)
    assert status.output
    return status


def as_async(throw):
    async def activity():
        await asyncio.sleep(0)
        throw()

    return activity


@pytest.mark.parametrize("case", TABLE)
def test_what_an_activity_raises_fails_its_orchestration_and_nothing_else(hub, unharmed, case):
    throw, error_type, message = TABLE[case]
    for executor in ("threads", "inline", "processes"):
        hub.add_activity(throw, executor, executor=executor)
        fails_with(hub.start("failing_activity", executor), error_type, message)
    hub.add_activity(as_async(throw), "asyncio")
    if case == "StopIteration":  # Python itself says so of coroutines
        error_type = "builtins.RuntimeError"
    fails_with(hub.start("failing_activity", "asyncio"), error_type, message)


@pytest.fixture(scope="module")
def kernel():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_orchestrator(lambda context: (yield context.call_activity("throw")), "failing_activity")
        yield hub


@pytest.mark.parametrize("case", sorted(set(TABLE) - {"KeyboardInterrupt"}))
def test_what_an_activity_raises_in_the_kernel_fails_its_orchestration(kernel, case):
    throw, error_type, message = TABLE[case]
    kernel.add_activity(throw, "throw")
    fails_with(kernel.start("failing_activity"), error_type, message)


def test_a_keyboard_interrupt_in_the_kernel_is_the_stop_button_and_fails_nothing(kernel):
    kernel.add_activity(TABLE["KeyboardInterrupt"][0], "throw")
    handle = kernel.start("failing_activity")
    with pytest.raises(KeyboardInterrupt):
        handle.result()
    assert handle.status().runtime_status == "Running"
    kernel.add_activity(lambda: "came through", "throw")
    handle.terminate()


def orchestrators_of(throw):
    """Orchestrators of all forms that raise at once, or after their first call."""

    def generator(context):
        if context.get_input():
            yield context.call_activity("nothing")
        throw()
        yield

    async def coroutine(context):
        if context.get_input():
            await context.call_activity("nothing")
        throw()

    def plain(context):
        return throw()

    return {"generator": generator, "coroutine": coroutine, "plain": plain}


@pytest.mark.parametrize("case", TABLE)
def test_what_an_orchestrator_raises_fails_it_and_nothing_else(hub, unharmed, case):
    throw, error_type, message = TABLE[case]
    hub.add_activity(lambda: None, "nothing")
    for form, orchestrator in orchestrators_of(throw).items():
        hub.add_orchestrator(orchestrator, form)
        expected = error_type
        if case == "StopIteration" and form != "plain":  # Python itself says so of generators
            expected = "builtins.RuntimeError"
        for is_later in (False, True) if form != "plain" else (False,):
            fails_with(hub.start(form, is_later), expected, message)


EXCEPTIONS = {
    "Exception": Exception,
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "empty message": ValueError,
    "10 MB message": ValueError,
    "UnicodeDecodeError": UnicodeDecodeError,
    "causes in a loop": ValueError,
    "__str__ raises": Unprintable,
    "__reduce__ raises": Unpicklable,
    "two arguments": TwoArguments,
    "keyword only": KeywordOnly,
    "a property details": HasDetails,
}


@pytest.mark.parametrize("case", TABLE)
def test_a_parent_catches_the_original_type_if_it_can_be_used_even_through_a_child(hub, case):
    throw, error_type, _ = TABLE[case]
    kind = EXCEPTIONS.get(case, df.TaskFailedError)

    @hub.orchestrator
    def parent(context):
        caught = []
        for task in (
            context.call_activity("threads"),
            context.call_activity("processes"),
            context.call_sub_orchestrator("failing_activity", "threads"),
        ):
            try:
                yield task
            except kind as error:
                caught.append(error.details.error_type if str(error) else None)
        return caught

    for executor in ("threads", "processes"):
        hub.add_activity(throw, executor, executor=executor)
    child = f"{df.TaskFailedError.__module__}.TaskFailedError"
    assert hub.run(parent) == [error_type, error_type, child]


def test_the_result_of_a_handle_raises_the_original_type(hub):
    hub.add_activity(TABLE["two arguments"][0], "throw")
    with pytest.raises(TwoArguments, match="7: why"):
        hub.run("failing_activity", "throw")


def test_no_type_is_looked_for_in_a_module_that_would_have_to_run_code_for_it(hub, monkeypatch):
    class Lazy(type(sys)):
        def __getattr__(self, name):
            raise SystemExit("code ran")

    monkeypatch.setitem(sys.modules, "lazy_module", Lazy("lazy_module"))
    Hidden = type("Hidden", (Exception,), {"__module__": "lazy_module", "__qualname__": "Hidden"})
    hub.add_activity(raising(lambda: Hidden("away")), "throw", executor="threads")
    status = fails_with(hub.start("failing_activity", "throw"), "lazy_module.Hidden", "away")
    assert "away" in status.output


# -- orchestrators that don't do as they should -------------------------------------------------------


@pytest.mark.parametrize("yielded", [None, 1, "text", [], pytest.param(object(), id="object")])
def test_an_orchestrator_that_yields_no_task_fails_and_says_the_line(hub, unharmed, yielded):
    hub.add_activity(lambda: None, "nothing")

    @hub.orchestrator
    def careless(context):
        if context.get_input():
            yield context.call_activity("nothing")
        yield yielded

    for is_later in (False, True):
        status = fails_with(hub.start(careless, is_later), "builtins.TypeError", type(yielded).__name__)
        assert "Line " in status.output


def test_an_orchestrator_that_awaits_what_never_comes_fails(hub, unharmed):
    @hub.orchestrator
    async def waits_for_another_loop(context):
        loop = asyncio.new_event_loop()
        loop.close()
        await loop.create_future()

    @hub.orchestrator
    async def waits_for_nobody(context):
        await asyncio.get_running_loop().create_future()

    fails_with(hub.start(waits_for_another_loop), "builtins.RuntimeError", "another event loop")
    fails_with(hub.start(waits_for_nobody), "builtins.RuntimeError", "would wait forever")


def test_an_async_generator_is_no_orchestrator(hub, unharmed):
    @hub.orchestrator
    async def both(context):
        yield context.call_activity("nothing")

    fails_with(hub.start(both), "builtins.TypeError", "async generator")


def test_a_generator_that_closes_itself_fails(hub, unharmed):
    generators = []

    def closing(context):
        yield context.call_activity("nothing")
        generators[0].close()
        yield context.call_activity("nothing")

    def keep(context):
        generators[:] = [closing(context)]
        return generators[0]

    hub.add_activity(lambda: None, "nothing")
    hub.add_orchestrator(keep, "closing")
    fails_with(hub.start("closing"), "builtins.ValueError", "generator already executing")


def test_a_generator_that_is_closed_from_outside_ends(hub, unharmed):
    generators = []

    def victim(context):
        yield context.wait_for_external_event("go on")

    def keep(context):
        generators[:] = [victim(context)]
        return generators[0]

    hub.add_orchestrator(keep, "victim")
    handle = hub.start("victim")
    while not generators or generators[0].gi_frame.f_lasti < 5:
        threading.Event().wait(0.001)
    generators[0].close()
    handle.raise_event("go on")
    assert handle.wait(timeout=20).runtime_status in ("Completed", "Failed")


def test_an_orchestrator_that_catches_generator_exit_can_be_terminated(hub, unharmed, monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)  # Python's own complaint

    @hub.orchestrator
    def clinging(context):
        while True:
            with contextlib.suppress(GeneratorExit):
                yield context.wait_for_external_event("never")

    handle = hub.start(clinging)
    while len(handle.history()) < 3:
        threading.Event().wait(0.001)
    handle.terminate("enough")
    with pytest.raises(df.OrchestrationTerminatedError, match="enough"):
        handle.result(timeout=20)
    del clinging
    gc.collect()


def test_finally_blocks_of_a_terminated_orchestrator_ask_for_nothing_any_more(hub, unharmed):
    @hub.orchestrator
    def tidy(context):
        try:
            yield context.wait_for_external_event("never")
        finally:
            context.call_activity("nothing")
            context.set_custom_status("tidied")

    handle = hub.start(tidy)
    while len(handle.history()) < 3:
        threading.Event().wait(0.001)
    handle.terminate()
    assert [type(event).__name__ for event in handle.history()] == [
        "ExecutionStarted",
        "OrchestratorStarted",
        "EventSubscribed",
        "ExecutionTerminated",
    ]


def endless_over_one_settled_task(context):
    task = context.task_all([])
    while True:
        yield task


def endless_without_waiting(context):
    while True:
        context.call_activity("nothing")
    yield


async def endless_coroutine(context):
    task = context.task_all([])
    while True:
        await task


@pytest.mark.parametrize(
    "endless",
    [endless_over_one_settled_task, endless_without_waiting, endless_coroutine],
    ids=lambda function: function.__name__,
)
def test_an_orchestrator_that_never_ends_is_stopped_by_the_limit(monkeypatch, endless):
    with small_limit(monkeypatch) as hub:
        hub.add_activity(lambda: None, "nothing")
        hub.add_orchestrator(endless, "endless")
        fails_with(hub.start("endless"), "durablenb.model.errors.OrchestrationLimitError", ",000 t")


def small_limit(monkeypatch):
    import durablenb.hub.task_hub

    class Small(durablenb.hub.task_hub.EpisodeOptions):
        def __init__(self, **options):
            super().__init__(max_orchestration_actions=1_000, **options)

    monkeypatch.setattr(durablenb.hub.task_hub, "EpisodeOptions", Small)
    return df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())


def test_a_retry_handler_that_raises_fails_the_call(hub, unharmed):
    for handler_raises in (ValueError, SystemExit, Unprintable):

        def handle(failure, kind=handler_raises):
            raise kind("handler")

        hub.add_activity(raising(lambda: KeyError("first")), "throw")

        @hub.orchestrator
        def retrying(context, handle=handle):
            options = df.RetryOptions(1, 3, handle=handle)
            return (yield context.call_activity_with_retry("throw", options))

        with pytest.raises(df.TaskFailedError):
            hub.run(retrying)


def test_a_from_json_that_raises_is_the_orchestrators_own_exception(hub, unharmed):
    class Order:
        @staticmethod
        def from_json(value):
            raise KeyError("price")

    hub.add_activity(lambda: {"id": 1}, "order")

    @hub.orchestrator
    def reading(context):
        try:
            yield context.call_activity("order", None, Order)
        except TypeError as error:
            return str(error)

    assert "can't be made a Order: KeyError: 'price'" in hub.run(reading)


def test_a_thread_that_an_activity_leaves_behind_stops_nobody(hub, unharmed, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda args: None)

    def leaves_a_thread():
        thread = threading.Thread(target=raising(ZeroDivisionError))
        thread.start()
        thread.join()
        return "done"

    hub.add_activity(leaves_a_thread, "leaves")
    assert hub.run("failing_activity", "leaves") == "done"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, ValueError])
def test_a_task_that_an_async_activity_leaves_behind_stops_nobody(hub, unharmed, kind):
    async def left_behind():
        raise kind("left behind")

    async def leaves_a_task():
        task = asyncio.get_running_loop().create_task(left_behind())
        task.add_done_callback(lambda done: done.exception())
        return "done"

    async def fine():
        await asyncio.sleep(0.01)
        return "fine"

    hub.add_activity(leaves_a_task, "leaves")
    hub.add_activity(fine)
    assert hub.run("failing_activity", "leaves") == "done"
    assert hub.run("failing_activity", "fine") == "fine"


def test_failures_of_failures_are_cut_not_endless(hub):
    def nested(level=40):
        try:
            raise ValueError(f"level {level}")
        except ValueError as error:
            if level:
                try:
                    nested(level - 1)
                except ValueError as inner:
                    raise error from inner
            raise

    hub.add_activity(lambda: nested(), "throw")
    handle = hub.start("failing_activity", "throw")
    with pytest.raises(ValueError, match="level 40"):
        handle.result()
    failure, depth = handle.status().failure_details, 0
    while failure is not None:
        failure, depth = failure.inner, depth + 1
    assert 10 < depth < 40


def test_retries_end_for_every_kind_of_exception():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        for case in ("BaseException", "SystemExit", "__str__ raises", "CancelledError"):
            calls = []

            def counted(throw=TABLE[case][0], calls=calls):
                calls.append(1)
                throw()

            hub.add_activity(counted, "throw")

            @hub.orchestrator
            def retrying(context):
                options = df.RetryOptions(round(timedelta(days=1) / timedelta(milliseconds=1)), 3)
                return (yield context.call_activity_with_retry("throw", options))

            with pytest.raises(df.TaskFailedError):
                hub.run(retrying)
            assert len(calls) == 3
