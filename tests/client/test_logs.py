"""An instance's log, as a user holds it."""

import io
import logging
import sys
import threading

import pytest

import durablenb as df
from durablenb.model.logs import LogLine
from tests.notebook.reading import bundle_of, page_of, text_of


def messages(lines):
    return [line.message for line in lines]


@pytest.fixture(scope="module")
def hub():
    with df.TaskHub(":memory:", clock=df.VirtualClock()) as hub:

        @hub.activity
        def fetch(city):
            print("fetching", city)
            logging.getLogger("mine").warning("no %s", city)
            return city

        @hub.activity
        def store(city):
            logging.getLogger("mine").error("no room for %s", city)
            print("not stored", file=sys.stderr)

        @hub.orchestrator
        def one(context):
            context.logger.info("one %s", context.get_input())
            yield context.call_activity(fetch, context.get_input())

        @hub.orchestrator
        def season(context):
            yield context.call_activity(fetch, "Oslo")
            yield context.call_sub_orchestrator(one, "Rome", context.get_input())
            yield context.call_activity(store, "Oslo")

        yield hub


@pytest.fixture(scope="module")
def handle(hub):
    handle = hub.start("season", "child", instance_id="2026")
    handle.result()
    return handle


def test_a_log_has_the_lines_of_the_instance_and_of_its_sub_orchestrations_in_order(handle, hub):
    log = handle.logs()
    assert messages(log) == [
        "fetching Oslo",
        "no Oslo",
        "one Rome",
        "fetching Rome",
        "no Rome",
        "no room for Oslo",
        "not stored",
    ]
    assert [line.instance_id for line in log] == ["2026"] * 2 + ["child"] * 3 + ["2026"] * 2
    assert messages(hub.handle("child").logs()) == ["one Rome", "fetching Rome", "no Rome"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"level": "WARNING"}, ["no Oslo", "no Rome", "no room for Oslo"]),
        ({"level": "warning"}, ["no Oslo", "no Rome", "no room for Oslo"]),
        ({"level": logging.ERROR}, ["no room for Oslo"]),
        ({"level": "CRITICAL"}, []),
        ({"level": "INFO", "name": "one"}, ["one Rome"]),
        ({"task_id": 0}, ["fetching Oslo", "no Oslo"]),
        ({"task_id": 1}, []),
        ({"name": "store"}, ["no room for Oslo", "not stored"]),
        ({"name": "unknown"}, []),
    ],
    ids=str,
)
def test_a_log_can_be_narrowed(handle, asked, found):
    assert messages(handle.logs(**asked)) == found


def test_a_level_that_there_is_not_is_refused(handle):
    with pytest.raises(ValueError, match=r"no level 'LOUD'; expected one of 'NOTSET', .*'DEBUG'"):
        handle.logs(level="LOUD")


def test_a_level_without_a_name_is_compared_by_its_number():
    line = LogLine("i", "e", None, "n", 1, None, "logging", "Level 35", "l", "m")
    assert (line.reaches(30), line.reaches(36)) == (True, False)


def test_a_log_is_a_sequence_with_a_text(handle):
    log = handle.logs()
    assert log == handle.logs()
    assert hash(log) == hash(handle.logs())
    assert log != messages(log)
    assert isinstance(log[0], LogLine)
    assert messages(log[-2:]) == ["no room for Oslo", "not stored"]
    assert repr(log) == "<Log of 2026: 7 lines>"
    assert repr(log[:1]) == "<Log of 2026: 1 line>"
    assert str(log) == (
        "fetch #0        fetching Oslo\n"
        "fetch #0        WARNING: no Oslo\n"
        "child one       INFO: one Rome\n"
        "child fetch #0  fetching Rome\n"
        "child fetch #0  WARNING: no Rome\n"
        "store #2        ERROR: no room for Oslo\n"
        "store #2        not stored"
    )
    assert str(log[:0]) == ""


def test_the_text_in_a_notebook_has_no_times(handle):
    assert text_of(handle.logs(name="store")) == (
        "<Log of 2026: 2 lines>\n"
        "printed by  message\n"
        "──────────  ───────────────────────\n"
        "store #2    ERROR: no room for Oslo\n"
        "store #2    not stored"
    )
    assert text_of(handle.logs(name="unknown")) == "<Log of 2026: 0 lines>"


def test_the_table_in_a_notebook_says_who_printed_what(handle):
    texts = page_of(handle.logs(name="store")).texts
    start = texts.index("store #2")
    assert texts[start : start + 3] == ["store #2", "ERROR", "no room for Oslo"]
    assert "stderr" in texts
    assert "Nothing was printed or logged." in page_of(handle.logs(name="unknown")).texts


def test_of_a_long_log_the_last_lines_are_shown_and_those_before_are_folded(hub):
    @hub.activity
    def chatter():
        for n in range(1_000):
            print(f"line {n}" + (" <b>" if n == 999 else "\nin two" if n == 998 else ""))

    hub.add_orchestrator(lambda context: (yield context.call_activity(chatter)), "main")
    handle = hub.start("main")
    handle.result()
    bundle = bundle_of(handle.logs())
    html = bundle["text/html"]
    shown, folded = html.split("</details>")[1], html.split("</details>")[0]
    assert "line 999 &lt;b&gt;" in shown
    assert "line 998" in shown
    assert "line 900<" in folded
    assert "line 960<" in folded
    assert "line 961<" not in folded
    assert "200 lines before; print(handle.logs()) shows the 761 before them" in folded
    assert "line 761<" in folded
    assert "line 760<" not in folded
    assert "<script" not in html
    assert len(html) < 100_000
    assert "… 961 lines before" in bundle["text/plain"]


def test_of_a_running_instance_there_is_what_was_printed_so_far():
    began, end = threading.Event(), threading.Event()
    with df.TaskHub(":memory:") as hub:

        @hub.activity
        def lasts():
            print("begun")
            print("\r 10%", end="")
            print("\r 50%", end="")
            began.set()
            end.wait(20)
            print("\r100%")

        hub.add_orchestrator(lambda context: (yield context.call_activity(lasts)), "main")
        handle = hub.start("main")
        began.wait(20)
        assert messages(handle.logs()) == ["begun", " 50%"]
        assert hub.sql("select message from logs").fetchall() == [("begun",)]
        end.set()
        handle.result()
        assert messages(handle.logs()) == ["begun", "100%"]


def test_the_log_of_an_instance_that_is_not_there_is_refused(hub):
    handle = hub.start("one", "Rome", instance_id="purged")
    handle.result()
    assert len(handle.logs()) == 3
    handle.purge()
    with pytest.raises(df.InstanceNotFoundError):
        handle.logs()
    assert hub.sql("select * from logs where instance_id = 'purged'").fetchall() == []


def test_the_log_of_a_closed_hub_is_refused():
    with df.TaskHub(":memory:") as hub:
        hub.add_orchestrator(lambda context: print("said"), "main")
        handle = hub.start("main")
        handle.result()
    with pytest.raises(df.StoreError, match="closed"):
        handle.logs()


def test_an_instance_of_which_nothing_was_heard_has_an_empty_log(hub):
    handle = hub.start(hub.orchestrator(lambda context: 1, name="silent"))
    handle.result()
    assert list(handle.logs()) == []


# -- echo ---------------------------------------------------------------------------------------------


@pytest.fixture
def echo():
    df.options.echo = io.StringIO()
    yield df.options.echo
    df.options.echo = None


def test_lines_are_echoed_at_once_to_the_stream_that_was_chosen(echo, hub):
    hub.run("season", "kid", instance_id="2027")
    assert echo.getvalue().splitlines()[:4] == [
        "2027 fetch #0: fetching Oslo",
        "2027 fetch #0: no Oslo",
        "kid one: one Rome",
        "kid fetch #0: fetching Rome",
    ]


def test_an_echo_to_the_screen_is_no_line_of_its_own(hub, capsys):
    df.options.echo = sys.stderr
    try:
        handle = hub.start("one", "Rome", instance_id="r")
        handle.result()
    finally:
        df.options.echo = None
    assert len(handle.logs()) == 3
    assert capsys.readouterr().err == "r one: one Rome\nr fetch #0: fetching Rome\nr fetch #0: no Rome\n"


def test_an_echo_that_fails_fails_nothing(hub):
    df.options.echo = closed = io.StringIO()
    closed.close()
    try:
        handle = hub.start("one", "Rome")
        handle.result()
    finally:
        df.options.echo = None
    assert len(handle.logs()) == 3


def test_what_is_no_stream_is_refused_as_an_echo():
    with pytest.raises(TypeError, match="expected a text stream"):
        df.options.echo = "stderr"
    assert df.options.echo is None
