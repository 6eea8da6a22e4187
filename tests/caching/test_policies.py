"""Policies: expiry, refresh, and what is refused."""

import logging
from datetime import timedelta

import pytest

import durablenb as df
from tests.caching.squares import register


def test_results_expire_by_the_hubs_clock(tmp_path, runs):
    clock = df.VirtualClock()
    with df.TaskHub(tmp_path / "flows.duckdb", mode="kernel", clock=clock) as hub:
        squares = register(hub, runs, cache=df.CachePolicy(expires=timedelta(hours=1)))
        hub.run(squares, [2])
        hub.clock.advance(minutes=59)
        hub.run(squares, [2])
        assert runs.count == 1
        hub.clock.advance(minutes=1)
        handle = hub.start(squares, [2])
        handle.result()
        assert runs.count == 2
        assert handle.why(0).reason == "expired"
        hub.run(squares, [2])
        assert runs.count == 2
        assert len(hub.cache) == 1


def test_a_refresh_runs_and_replaces_the_result(hub):
    values = iter(range(10))
    fresh = {"wanted": False}

    @hub.orchestrator
    def flow(context):
        return (yield context.call_activity("fetch", context.get_input()))

    def fetch(_):
        return next(values)

    policy = {"by": "input", "ignore": "values"}
    hub.add_activity(fetch, cache=df.CachePolicy(**policy))
    assert [hub.run(flow, 1), hub.run(flow, 1)] == [0, 0]
    hub.add_activity(fetch, cache=df.CachePolicy(**policy, refresh=True))
    handle = hub.start(flow, 1)
    assert handle.result() == 1
    assert handle.why(0).reason == "refreshed"
    hub.add_activity(fetch, cache=df.CachePolicy(**policy))
    assert hub.run(flow, 1) == 1
    hub.add_activity(fetch, cache=df.CachePolicy(**policy, refresh=lambda: fresh["wanted"]))
    assert hub.run(flow, 1) == 1
    fresh["wanted"] = True
    assert hub.run(flow, 1) == 2
    hub.add_activity(fetch, cache=df.CachePolicy(**policy, refresh=lambda number: number > 1))
    assert [hub.run(flow, 1), hub.run(flow, 2), hub.run(flow, 2)] == [2, 3, 4]


def test_several_arguments_are_ignored_by_name_and_given_to_refresh(hub):
    ran = []

    @hub.orchestrator
    def flow(context):
        numbers, verbose = context.get_input()
        return (yield context.call_activity("add", *numbers, verbose=verbose))

    def add(one, other, *, verbose=False):
        ran.append((one, other))
        return one + other

    policy = {"ignore": ("ran", "verbose")}
    hub.add_activity(add, cache=df.CachePolicy(**policy))
    assert [hub.run(flow, [[1, 2], verbose]) for verbose in (True, False)] == [3, 3]
    assert hub.run(flow, [[1, 3], False]) == 4
    assert ran == [(1, 2), (1, 3)]
    hub.add_activity(add, cache=df.CachePolicy(**policy, refresh=lambda one, other, verbose: other > 2))
    assert [hub.run(flow, [[1, 2], False]), hub.run(flow, [[1, 3], False])] == [3, 4]
    assert ran == [(1, 2), (1, 3), (1, 3)]


def test_a_refresh_that_fails_is_reported_and_the_call_runs(hub, runs, caplog):
    squares = register(hub, runs, cache=df.CachePolicy(refresh=lambda: 1 / 0))
    with caplog.at_level(logging.WARNING, "durablenb"):
        assert [hub.run(squares, [2]), hub.run(squares, [2])] == [[4], [4]]
    assert runs.count == 2
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"by": "inputs"}, ValueError, "expected 'input', 'code', or both"),
        ({"by": ()}, ValueError, "expected 'input', 'code', or both"),
        ({"by": 1}, TypeError, "expected names"),
        ({"expires": 60}, TypeError, "expected a timedelta"),
        ({"expires": timedelta()}, ValueError, "more than 0"),
        ({"refresh": "yes"}, TypeError, "True, False, or a function"),
        ({"version": 1.5}, TypeError, "text, a whole number"),
        ({"version": True}, TypeError, "text, a whole number"),
        ({"ignore": [1]}, TypeError, "expected names"),
    ],
)
def test_wrong_policies_are_refused(options, kind, message):
    with pytest.raises(kind, match=message):
        df.CachePolicy(**options)


def test_only_a_bool_or_a_policy_is_a_cache(hub):
    with pytest.raises(TypeError, match=r"expected True, False, or a durablenb\.CachePolicy"):
        hub.add_activity(len, "len", cache="yes")
