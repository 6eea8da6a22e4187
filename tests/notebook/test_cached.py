"""A call that gets a remembered result is shown as "from cache" wherever calls are shown."""

import matplotlib.pyplot as plt
import pytest

import durablenb as df
from durablenb.analysis.calls import read_calls
from durablenb.notebook.live.details import call_detail
from durablenb.notebook.still.history import history_table
from tests.notebook.reading import page_of


@pytest.fixture
def hub():
    clock = df.VirtualClock()
    with df.TaskHub(":memory:", mode="kernel", clock=clock) as hub:

        @hub.activity(cache=df.CachePolicy(by="input"))
        def fetch(city):
            clock.advance(seconds=2)
            return city

        @hub.orchestrator
        def tour(context):
            yield context.task_all([context.call_activity(fetch, city) for city in context.get_input()])
            return (yield context.call_activity(fetch, "Rome"))

        hub.run(tour, ["Oslo", "Rome"], instance_id="first")
        hub.run(tour, ["Oslo", "Rome", "Bonn"], instance_id="second")
        yield hub


@pytest.fixture
def handle(hub):
    return hub.handle("second")


def test_the_graph_and_the_timeline_say_it(handle):
    graph, timeline = page_of(handle).pictures[-2:]
    assert "3 completed, 2 from cache" in graph.texts
    assert "completed, from cache" in graph.texts
    assert "from cache" in timeline.texts, "behind its ring, where there is room"
    assert sum(title.startswith("fetch: from cache, first:") for title in timeline.titles) == 3


def test_the_history_says_it_as_text_and_as_a_table(handle):
    assert str(handle.history()).count("(from cache)") == 3
    assert str(history_table(list(handle.history()))).count(", from cache") == 3
    assert handle.history().timeline().count("from cache") == 3


def test_many_calls_in_one_line_count_those_from_the_cache(hub):
    hub.run("tour", ["Oslo", "Rome"] * 8, instance_id="many")
    text = hub.handle("many").history().timeline()
    assert "16 from cache" in text or "17 from cache" in text


def test_the_details_of_a_call_say_it(handle):
    call, *_, last = read_calls(handle.history())
    assert call.is_cached
    assert last.is_cached
    detail = str(call_detail(call, []))
    assert "from cache" in detail
    assert "first:" in detail


def test_a_comparison_shows_it_instead_of_a_duration(hub):
    text = str(df.compare(hub.handle("first"), hub.handle("second")))
    (line,) = [line for line in text.splitlines() if line.strip().startswith("1  ")]
    assert "2 s" in line
    assert "from cache" in line
    shown = page_of(df.compare(hub.handle("first"), hub.handle("second")))
    assert any("from cache" in text for text in shown.texts)


def test_a_figure_has_marks_for_them(handle):
    axes = handle.plot_timeline()
    (marks,) = [one for one in axes.collections if one.get_gid() == "from-cache"]
    assert len(marks.get_offsets()) == 3
    plt.close(axes.figure)


def test_views_of_sql_have_it(hub):
    query = "select count(cached_from), count(started) from activities where instance_id = 'second'"
    assert hub.sql(query).fetchall() == [(3, 1)]
