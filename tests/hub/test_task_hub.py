"""The hub as a user holds it: its options, its decorators, its ways to run and to look."""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import duckdb
import pytest

import durablenb as df


@pytest.fixture
def hub():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        yield hub


def calling(name, input_=None):
    """An orchestrator that calls one activity."""

    def orchestrator(context):
        return (yield context.call_activity(name, input_))

    return orchestrator


# -- opening ------------------------------------------------------------------------------------------


def test_an_option_that_is_none_of_those_there_are_is_refused_and_the_file_stays_free(tmp_path):
    for options, error, message in (
        ({"mode": "thread"}, ValueError, "mode is 'thread'; expected one of 'threads', 'kernel'"),
        ({"mode": None}, ValueError, "mode is None"),
        ({"durability": "safe"}, ValueError, "durability is 'safe'; expected one of 'strict', 'pipelined'"),
        ({"on_nondeterminism": "warn"}, ValueError, "expected one of 'hold', 'fail'"),
        ({"max_concurrency": 0}, ValueError, "max_concurrency is 0; expected at least 1"),
        ({"max_concurrency": -1}, ValueError, "expected at least 1"),
        ({"max_concurrency": "4"}, TypeError, "max_concurrency is '4'; expected a whole number"),
        ({"max_concurrency": True}, TypeError, "expected a whole number"),
        ({"executor": "thread"}, ValueError, "no executor 'thread'; expected 'threads', 'inline'"),
        ({"executor": 0}, ValueError, "number of threads is 0; expected at least 1"),
        ({"executor": -3}, ValueError, "expected at least 1"),
        ({"executor": True}, TypeError, "isn't an executor"),
        ({"executor": ThreadPoolExecutor}, TypeError, "isn't an executor"),
        ({"executor": 2.0}, TypeError, "isn't an executor"),
        ({"colour": "blue"}, TypeError, "colour"),
    ):
        with pytest.raises(error, match=message):
            df.TaskHub(tmp_path / "hub.duckdb", **options)
    with df.TaskHub(tmp_path / "hub.duckdb"):
        pass


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        (None, TypeError, "Expected a path or ':memory:', not a NoneType"),
        (7, TypeError, "not a int"),
        ("", ValueError, "isn't a path"),
        (":memory", ValueError, "':memory' isn't a path"),
        (":memory:x", ValueError, "isn't a path"),
        ("no/such/folder/hub.duckdb", df.StoreError, "not an existing folder"),
    ],
)
def test_what_is_no_place_for_a_file_is_refused(tmp_path, monkeypatch, path, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        df.TaskHub(path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("open_it", [df.TaskHub, df.open_history])
def test_a_path_that_leads_to_itself_is_refused(tmp_path, open_it):
    loop, other = tmp_path / "loop.duckdb", tmp_path / "other.duckdb"
    loop.symlink_to(other)
    other.symlink_to(loop)
    with pytest.raises(df.StoreError, match=r"loop\.duckdb is a link that leads to itself"):
        open_it(loop)
    assert sorted(tmp_path.iterdir()) == [loop, other]
    with pytest.raises(df.StoreError, match="not an existing folder"):
        open_it(loop / "hub.duckdb")


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with df.TaskHub("~/hub.duckdb"):
        assert (tmp_path / "hub.duckdb").exists()


def test_hubs_in_memory_are_hubs_of_their_own():
    with df.TaskHub(":memory:") as one, df.TaskHub(":memory:") as other:
        assert one is not other
        one.add_orchestrator(lambda context: 1, "one")
        assert one.run("one") == 1
        assert not other.instances()


def test_a_hub_can_be_used_with_and_without_with(tmp_path):
    hub = df.TaskHub(tmp_path / "hub.duckdb")
    with hub as same:
        assert same is hub
    hub.close()
    hub.close()


def test_the_text_of_a_hub_says_what_is_open(tmp_path):
    hub = df.TaskHub(tmp_path / "flows.duckdb", mode="kernel")
    assert "flows.duckdb" in repr(hub)
    assert "0 open instances" in repr(hub)
    hub.add_orchestrator(lambda context: (yield context.wait_for_external_event("go")), "waits")
    handle = hub.start("waits")
    assert "1 open instance" in repr(hub)
    hub.close()
    assert repr(hub) == "<TaskHub flows.duckdb: closed>"
    assert "closed hub" in repr(handle)


def test_a_closed_hub_says_so_whatever_one_asks():
    hub = df.TaskHub(":memory:", mode="kernel")
    hub.add_orchestrator(lambda context: 1, "one")
    handle = hub.start("one")
    handle.result()
    hub.close()
    for call in (
        lambda: hub.start("one"),
        lambda: hub.run("one"),
        hub.step,
        hub.instances,
        hub.connection,
        lambda: hub.sql("select 1"),
        lambda: hub.handle(handle.id),
        handle.result,
        handle.status,
        handle.history,
        handle.terminate,
        lambda: handle.raise_event("go"),
        lambda: hub.add_orchestrator(lambda context: 2, "one"),
        lambda: hub.add_activity(len),
        lambda: hub.add_entity(lambda context: 1, "counter"),
        lambda: hub.add_queue(df.Queue("q", concurrency=1)),
        lambda: hub.queues,
    ):
        with pytest.raises(df.StoreError, match="closed"):
            call()


@pytest.mark.usefixtures("alone")
def test_close_gives_everything_back():
    before, interval = set(threading.enumerate()), sys.getswitchinterval()
    hub = df.TaskHub(":memory:", executor="processes")

    @hub.activity
    async def sleeps():
        await asyncio.to_thread(lambda: None)

    hub.add_activity(lambda: None, "in_a_thread", executor=2)
    hub.add_activity(lambda: None, "in_a_process")
    for name in ("sleeps", "in_a_thread", "in_a_process"):
        hub.add_orchestrator(calling(name), "calls")
        hub.run("calls")
    assert sys.getswitchinterval() < interval
    assert len(set(threading.enumerate()) - before) > 4
    hub.close()
    assert set(threading.enumerate()) <= before
    assert sys.getswitchinterval() == interval


@pytest.mark.usefixtures("alone")
def test_the_switch_interval_is_put_back_by_the_last_hub():
    interval = sys.getswitchinterval()
    one, other = df.TaskHub(":memory:"), df.TaskHub(":memory:")
    one.close()
    assert sys.getswitchinterval() < interval
    other.close()
    assert sys.getswitchinterval() == interval


# -- decorators ---------------------------------------------------------------------------------------


def test_decorators_give_back_the_function_itself(hub):
    def activity(n):
        return n + 1

    def orchestrator(context):
        return (yield context.call_activity(activity, 1))

    assert hub.activity(activity) is activity
    assert hub.activity(name="other")(activity) is activity
    assert hub.orchestrator(orchestrator) is orchestrator
    assert hub.orchestrator(name="other")(orchestrator) is orchestrator
    assert activity(1) == 2


def test_activities_have_their_own_name_or_the_one_given(hub):
    @hub.activity
    def plain(n):
        return f"plain {n}"

    @hub.activity()
    def with_brackets(n):
        return f"brackets {n}"

    @hub.activity(name="F1", max_concurrency=2, executor="threads")
    def renamed(n):
        return f"renamed {n}"

    hub.add_activity(renamed, "F2")
    hub.add_activity(lambda n: f"lambda {n}", name="F3", max_concurrency=1, executor=1)

    @hub.orchestrator()
    def all_of_them(context):
        names = ["plain", "with_brackets", "F1", "F2", "F3", plain, with_brackets]
        return (yield context.task_all([context.call_activity(name, 1) for name in names]))

    assert hub.run(all_of_them) == [
        "plain 1",
        "brackets 1",
        "renamed 1",
        "renamed 1",
        "lambda 1",
        "plain 1",
        "brackets 1",
    ]


def test_orchestrators_have_their_own_name_or_the_one_given(hub):
    @hub.orchestrator
    def plain(context):
        return "plain"

    @hub.orchestrator(name="Renamed")
    def other(context):
        return "other"

    hub.add_orchestrator(plain, "Again")
    main = df.Orchestrator.create(other)
    hub.add_orchestrator(main, name="Chaining")
    assert [hub.run(name) for name in ("plain", "Renamed", "Again", "Chaining", main)] == [
        "plain",
        "other",
        "plain",
        "other",
        "other",
    ]


@pytest.mark.parametrize("add", ["add_activity", "add_orchestrator"])
def test_what_cannot_be_registered_is_refused(hub, add):
    for function, name, error, message in (
        (None, None, TypeError, "Expected a function, not a NoneType"),
        ("text", "name", TypeError, "Expected a function, not a str"),
        (lambda x: x, None, ValueError, "A lambda has no name of its own"),
        (partial(print), None, TypeError, "has no name of its own"),
        (len, "", ValueError, "cannot be empty"),
        (len, 7, TypeError, "Expected a function or its name"),
    ):
        with pytest.raises(error, match=message):
            getattr(hub, add)(function, name)


def test_an_activitys_options_are_looked_at_when_it_is_registered(hub):
    for options, error in (
        ({"max_concurrency": 0}, ValueError),
        ({"max_concurrency": 1.5}, TypeError),
        ({"executor": "cloud"}, ValueError),
        ({"executor": 0}, ValueError),
        ({"executor": object()}, TypeError),
    ):
        with pytest.raises(error):
            hub.add_activity(len, "length", **options)
        with pytest.raises(error):
            hub.activity(**options)(len)
    hub.add_activity(len, "length")
    hub.add_orchestrator(calling("length", [1, 2]), "calls")
    assert hub.run("calls") == 2


def test_an_orchestrators_name_must_not_look_like_an_entitys(hub):
    with pytest.raises(ValueError, match="must not start with @"):
        hub.add_orchestrator(len, "@counter")


def test_the_functions_of_an_app_are_registered_together(hub):
    app, blueprint = df.DFApp(), df.Blueprint()

    @blueprint.activity_trigger(input_name="city")
    def hello(city):
        return f"Hello {city}!"

    @app.orchestration_trigger(context_name="context", orchestration="Greeting")
    def greet(context):
        return (yield context.call_activity(hello, "Tokyo"))

    app.register_functions(blueprint)
    hub.add_app(app)
    assert hub.run("Greeting") == "Hello Tokyo!"
    assert hub.run(greet) == "Hello Tokyo!"


def test_an_app_with_a_function_without_a_trigger_is_refused(hub):
    app = df.DFApp()

    @app.function_name("lost")
    def lost(context): ...

    with pytest.raises(ValueError, match="'lost' has no trigger"):
        hub.add_app(app)


# -- functions of all kinds ---------------------------------------------------------------------------


class Adder:
    def __init__(self, n):
        self.n = n

    def __call__(self, value):
        return self.n + value

    def method(self, value):
        return self.n + value

    @classmethod
    def of_class(cls, value):
        return value + 1

    @staticmethod
    def static(value):
        return value + 1


class AsyncAdder:
    async def __call__(self, value):
        await asyncio.sleep(0)
        return value + 1


class Slotted:
    """Lets no name be noted on it."""

    __slots__ = ()

    def __call__(self, value):
        return value + 1


class Unhashable(Adder):
    __hash__ = None

    def __eq__(self, other):
        return True


async def async_add(n, value):
    return n + value


ADDERS = {
    "lambda": lambda value: value + 1,
    "partial": partial(lambda n, value: n + value, 1),
    "partial of a partial": partial(partial(lambda a, b, value: a + b + value, 0), 1),
    "partial of async": partial(async_add, 1),
    "callable": Adder(1),
    "async callable": AsyncAdder(),
    "method": Adder(1).method,
    "class method": Adder.of_class,
    "static method": Adder.static,
    "builtin": (1).__add__,
    "slotted": Slotted(),
    "unhashable": Unhashable(1),
    "default": lambda value=5: value + 1,
    "two defaults": lambda value, n=1: value + n,
    "keyword only": lambda value, *, n=1: value + n,
    "var positional": lambda *values: sum(values) + 1,
    "var keyword": lambda value, **_: value + 1,
    "positional only": lambda value, /: value + 1,
    "lambda that gives a coroutine": lambda value: async_add(1, value),
}


@pytest.mark.usefixtures("by_value")
@pytest.mark.parametrize("executor", [None, "threads", "processes", "asyncio", 2])
def test_anything_that_can_be_called_with_one_argument_is_an_activity(hub, executor):
    for kind, function in ADDERS.items():
        hub.add_activity(function, kind, executor=executor)

    @hub.orchestrator
    def all_of_them(context):
        return (yield context.task_all([context.call_activity(kind, 41) for kind in ADDERS]))

    assert hub.run(all_of_them) == [42] * len(ADDERS)


def test_an_activity_without_a_parameter_is_called_without_an_argument(hub):
    for function, expected in (
        (lambda: "nothing", "nothing"),
        (lambda value: value, None),
        (lambda value="default": value, None),
        (lambda **options: len(options), 0),
        (lambda *, option="keyword": option, "keyword"),
        (partial(lambda value: value, "bound"), "bound"),
    ):
        hub.add_activity(function, "f")
        hub.add_orchestrator(calling("f"), "calls")
        assert hub.run("calls") == expected
    hub.add_activity(dict, "f")  # it has no signature to look at, and so is given its input
    with pytest.raises(TypeError):
        hub.run("calls")


def test_an_activity_that_wants_two_arguments_fails_with_pythons_own_words(hub):
    hub.add_activity(lambda a, b: a, "two")
    hub.add_orchestrator(calling("two", 1), "calls")
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'b'"):
        hub.run("calls")


def test_an_activity_that_is_a_generator_function_fails_and_says_so(hub):
    @hub.activity
    def yields():
        yield 1

    hub.add_orchestrator(calling("yields"), "calls")
    with pytest.raises(df.NotSerializableError, match="generator"):
        hub.run("calls")


def test_anything_that_can_be_called_with_a_context_is_an_orchestrator(hub):
    def plain(context):
        return context.get_input() + 1

    def generator(context):
        return (yield context.call_activity("add", context.get_input()))

    async def coroutine(context):
        return await context.call_activity("add", context.get_input())

    class Callable:
        def __call__(self, context):
            return (yield context.call_activity("add", context.get_input()))

    hub.add_activity(lambda value: value + 1, "add")
    for form in (
        *(plain, generator, coroutine, Callable(), Callable().__call__),
        lambda context: generator(context),
        partial(lambda n, context: context.get_input() + n, 1),
        partial(lambda n, context: generator(context), 1),
    ):
        hub.add_orchestrator(form, "orchestrator")
        assert hub.run("orchestrator", 41) == 42, form


# -- running ------------------------------------------------------------------------------------------


def test_start_takes_a_function_or_a_name_and_gives_a_handle(hub):
    @hub.orchestrator(name="Named")
    def greet(context):
        return [context.instance_id, context.get_input(), context.version]

    handle = hub.start(greet, {"a": 1}, instance_id="one", tags={"team": "blue"}, version="2")
    assert handle.id == "one"
    assert handle.result() == ["one", {"a": 1}, "2"]
    assert handle.status().tags == {"team": "blue"}
    assert hub.start("Named").result()[1] is None
    assert hub.run(greet, instance_id="two")[0] == "two"
    assert hub.run("Named", 5, instance_id="three", version="3") == ["three", 5, "3"]


def test_start_refuses_what_cannot_be_started(hub):
    hub.add_orchestrator(lambda context: (yield context.wait_for_external_event("go")), "waits")
    hub.start("waits", instance_id="open")
    for start, error, message in (
        (lambda: hub.start("wait"), df.FunctionNotFoundError, "Did you mean 'waits'"),
        (lambda: hub.start("waits", instance_id="open"), df.InstanceExistsError, "is open"),
        (lambda: hub.start("waits", instance_id=""), ValueError, "1 to 256 characters"),
        (lambda: hub.start("waits", instance_id="a/b"), ValueError, "leave out"),
        (lambda: hub.start("waits", instance_id="@a"), ValueError, "must not start with @"),
        (lambda: hub.start("waits", instance_id=7), TypeError, "is text"),
        (lambda: hub.start(""), ValueError, "cannot be empty"),
        (lambda: hub.start(None), TypeError, "function or its name"),
        (lambda: hub.start("waits", start_at="tomorrow"), TypeError, "Expected a datetime"),
        (lambda: hub.start("waits", tags={"a": 1}), TypeError, "Tags are text"),
    ):
        with pytest.raises(error, match=message):
            start()
    assert len(hub.instances()) == 1


def test_a_start_can_be_put_off(hub):
    hub.add_orchestrator(lambda context: context.current_utc_datetime.isoformat(), "when")
    handle = hub.start("when", start_at=datetime(2026, 1, 3, 12, tzinfo=UTC))
    assert handle.status().runtime_status == "Pending"
    assert handle.result() == "2026-01-03T12:00:00+00:00"
    assert hub.start("when", start_at=datetime(2000, 1, 1)).result() == "2026-01-03T12:00:00+00:00"


def test_step_says_what_it_did(hub):
    hub.add_activity(lambda: 1, "work")

    @hub.orchestrator
    def one(context):
        yield context.call_activity("work")
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))

    hub.start(one, instance_id="i")
    did = []
    while step := hub.step():
        did.append(step)
    assert did == [
        "episode of i",
        "activity work of i",
        "episode of i",
        "timer of i",
        "episode of i",
    ]
    assert hub.step() is None
    assert hub.handle("i").result() is None


def test_step_is_for_the_kernel():
    with df.TaskHub(":memory:") as hub, pytest.raises(df.DurableError, match="works in the background"):
        hub.step()


def test_run_in_the_kernel_raises_instead_of_waiting_for_ever(hub):
    hub.add_orchestrator(lambda context: (yield context.wait_for_external_event("go")), "waits")
    with pytest.raises(df.WaitTimeoutError, match="nothing is left to happen"):
        hub.run("waits", instance_id="one")
    hub.client.raise_event("one", "go", 1)
    assert hub.handle("one").result() == 1


def test_a_hub_can_be_asked_from_an_activity(hub):
    hub.add_orchestrator(lambda context: context.get_input() * 2, "double")
    hub.add_activity(lambda n: hub.run("double", n), "nested")
    hub.add_orchestrator(calling("nested", 21), "calls")
    assert hub.run("calls") == 42
    with df.TaskHub(":memory:") as threads:
        threads.add_orchestrator(lambda context: context.get_input() * 2, "double")
        threads.add_activity(lambda n: threads.run("double", n), "nested")
        threads.add_orchestrator(calling("nested", 21), "calls")
        assert threads.run("calls") == 42


def test_a_handle_can_be_awaited():
    with df.TaskHub(":memory:") as hub:
        hub.add_orchestrator(lambda context: context.get_input(), "echo")

        async def main():
            return [await handle for handle in [hub.start("echo", n) for n in range(5)]]

        assert asyncio.run(main()) == list(range(5))


# -- registering again --------------------------------------------------------------------------------


def test_registering_again_replaces_for_the_calls_to_come():
    go_on, begun = threading.Event(), threading.Event()
    with df.TaskHub(":memory:") as hub:

        @hub.activity
        def work(n):
            begun.set()
            go_on.wait(10)
            return f"old {n}"

        @hub.orchestrator
        def twice(context):
            first = yield context.call_activity("work", 1)
            yield context.wait_for_external_event("go")
            return [first, (yield context.call_activity("work", 2))]

        handle = hub.start(twice)
        assert begun.wait(10)
        hub.add_activity(lambda n: f"new {n}", "work")
        go_on.set()
        handle.raise_event("go")
        assert handle.result() == ["old 1", "new 2"]


def test_a_queued_call_runs_the_code_of_the_moment_at_which_it_begins():
    go_on, begun = threading.Event(), threading.Event()
    with df.TaskHub(":memory:", executor=1) as hub:

        @hub.activity
        def work(n):
            begun.set()
            go_on.wait(10)
            return f"old {n}"

        @hub.orchestrator
        def fan(context):
            return (yield context.task_all([context.call_activity("work", n) for n in range(2)]))

        handle = hub.start(fan)
        assert begun.wait(10)
        hub.add_activity(lambda n: f"new {n}", "work")
        go_on.set()
        assert handle.result() == ["old 0", "new 1"]


def test_a_live_orchestration_keeps_the_code_it_has(hub):
    def version(n):
        def orchestrator(context):
            yield context.wait_for_external_event("go")
            return n

        return orchestrator

    hub.add_orchestrator(version(1), "orchestrator")
    old = hub.start("orchestrator")
    while hub.step():
        pass
    hub.add_orchestrator(version(2), "orchestrator")
    new = hub.start("orchestrator")
    for handle in (old, new):
        handle.raise_event("go")
    assert (old.result(), new.result()) == (1, 2)


def test_a_cell_can_be_run_again_while_its_functions_run():
    with df.TaskHub(":memory:") as hub:

        def cell():
            hub.add_activity(lambda n: n + 1, "add")

            @hub.orchestrator
            def chain(context):
                n = 0
                for _ in range(50):
                    n = yield context.call_activity("add", n)
                return n

        cell()
        handles = []
        for _ in range(20):
            handles.append(hub.start("chain"))
            cell()
        assert [handle.result() for handle in handles] == [50] * 20


# -- looking ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ended():
    """A hub with three instances that have ended, for tests that only ask it."""
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_activity(lambda n: n, "echo")
        hub.add_orchestrator(calling("echo", 1), "good")

        @hub.orchestrator
        def bad(context):
            raise ValueError("bad")
            yield

        hub.run("good", instance_id="g1")
        with pytest.raises(ValueError, match="bad"):
            hub.run(bad, instance_id="b1")
        hub._engine.clock.advance(days=1)
        hub.run("good", instance_id="g2")
        yield hub


def test_instances_are_found_by_status_name_and_time(ended):
    def ids(**conditions):
        return [status.instance_id for status in ended.instances(**conditions)]

    assert sorted(ids()) == ["b1", "g1", "g2"]
    assert ids(status="Failed") == ["b1"]
    assert ids(status=df.OrchestrationRuntimeStatus.Completed, name="good") == ["g1", "g2"]
    assert sorted(ids(status=["Failed", "Completed"])) == ["b1", "g1", "g2"]
    assert ids(since=datetime(2026, 1, 2, tzinfo=UTC)) == ["g2"]
    assert ids(since=datetime(2026, 1, 2)) == ["g2"]
    assert ids(top=1) == ids()[:1]
    assert ids(name="none") == []
    with pytest.raises(ValueError, match="The statuses are: Running"):
        ids(status="Faild")


def test_handles_are_found_by_id(ended):
    assert ended.handle("g1").result() == 1
    assert ended.handle("g1") == ended.handle("g1")
    assert len({ended.handle("g1"), ended.handle("g1"), ended.handle("g2")}) == 2
    with pytest.raises(df.InstanceNotFoundError, match="'g3'"):
        ended.handle("g3")


def test_sql_answers_queries(ended):
    assert ended.sql("select count(*) from instances").fetchall() == [(3,)]
    assert ended.sql("from instances select name where instance_id = ?", ["b1"]).fetchall() == [("bad",)]
    assert ended.sql("select $n + 1", {"n": 1}).fetchall() == [(2,)]
    assert ended.sql("with a as (select 1) select * from a").fetchall() == [(1,)]
    assert ended.sql("select count(*) from history where event_type = 'TaskScheduled'").fetchall() == [(2,)]
    assert len(ended.sql("select * from activities").df()) == 2
    assert ended.sql("select count(update) from (select 1 as update)").fetchall() == [(1,)]
    assert ended.sql("values (1), (2)").fetchall() == [(1,), (2,)]
    for query in (
        *("describe instances", "show tables", "summarize instances"),
        *("explain select 1", "explain (format json) select 'ü'", "explain (select 1)"),
        "explain analyze from instances",
        "select '(delete from journal' -- (delete from journal",
        "pivot instances on status using count(*)",
    ):
        assert ended.sql(query).fetchall(), query


NO_QUERIES = [
    "",
    "  -- nothing",
    "select 1; select 2",
    "select 1; delete from journal",
    "delete from journal",
    "insert into journal select * from journal",
    "update journal set name = 'x'",
    "truncate journal",
    "drop table journal",
    "drop view instances",
    "alter table journal add column x integer",
    "create table t (x integer)",
    "create or replace view instances as select 1",
    "create temp table t as select 1",
    "copy journal to 'stolen.csv'",
    "copy (select 1) to 'stolen.csv'",
    "export database 'folder'",
    "attach ':memory:' as other",
    "detach hub",
    "use temp",
    "begin",
    "commit",
    "checkpoint",
    "vacuum",
    "set memory_limit = '1GB'",
    "reset memory_limit",
    "load json",
    "install httpfs",
    "explain analyze delete from journal",
    "explain analyze insert into journal select * from journal",
    "explain analyze create table t (x integer)",
    "EXPLAIN\n/* so */ ANALYZE update journal set name = 'x'",
    "call force_checkpoint()",
    "prepare p as delete from journal",
    "execute p",
    "explain (analyze) delete from journal",
    "explain (analyze, format json) delete from journal",
    "explain 'ü' delete from journal",
    "with gone as (delete from journal returning *) select * from gone",
    "with gone as materialized (/* so */ DELETE from journal returning *) select 1",
    "with more as (insert into journal select * from journal returning *) select * from more",
    "with other as (update journal set name = 'x' returning *) select * from other",
    "with stolen as (copy journal to 'stolen.csv') select 1",
    "explain with gone as (delete from journal returning *) select * from gone",
    "pragma database_size",
]


def test_sql_refuses_what_is_no_query(ended, tmp_path, monkeypatch):
    def everything():
        return [
            ended.sql(query).fetchall()
            for query in (
                "select * from history order by seq",
                "select * from instances order by instance_id",
            )
        ]

    monkeypatch.chdir(tmp_path)
    before = everything()
    assert len(before[1]) == 3
    for statement in NO_QUERIES:
        with pytest.raises((ValueError, duckdb.Error)):
            ended.sql(statement).fetchall()
        assert everything() == before, statement
        assert not list(tmp_path.iterdir()), statement
    assert ended.run("good", instance_id="more") == 1
    ended.client.purge_instance_history("more")


def test_a_wrong_query_says_what_is_wrong(ended):
    with pytest.raises(duckdb.Error, match="nope"):
        ended.sql("select nope from instances")
    with pytest.raises(duckdb.Error):
        ended.sql("selec 1")


def test_connections_are_the_users_own_and_close_with_the_hub():
    hub = df.TaskHub(":memory:", mode="kernel")
    one, other = hub.connection(), hub.connection()
    assert one is not other
    assert one.execute("select count(*) from instances").fetchall() == [(0,)]
    one.close()
    assert other.execute("select 1").fetchall() == [(1,)]
    hub.add_orchestrator(lambda context: 1, "one")
    hub.run("one")
    assert other.execute("select count(*) from instances").fetchall() == [(1,)]
    hub.close()
    with pytest.raises(duckdb.Error):
        other.execute("select 1")


def test_a_query_sees_what_is_on_disk_and_goes_on_beside_the_work():
    with df.TaskHub(":memory:") as hub:
        hub.add_activity(lambda n: n, "echo")

        @hub.orchestrator
        def chain(context):
            for n in range(100):
                yield context.call_activity("echo", n)

        handles = [hub.start(chain) for _ in range(3)]
        seen = [0]
        while any(not handle.status().runtime_status.is_terminal for handle in handles):
            seen.append(hub.sql("select count(*) from history").fetchall()[0][0])
        assert seen == sorted(seen)
        assert hub.sql("select count(*) from history where event_type = 'TaskCompleted'").fetchall() == [
            (300,)
        ]
