"""Policies: expiry, refresh, and what is refused."""

import logging
from datetime import timedelta

import pytest

import durablenb as df
from tests.caching.squares import register
from tests.calls import run_call, start_call


def test_results_expire_by_the_hubs_clock(runs):
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
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

    def run(number, **policy):
        policy = df.CachePolicy(by="input", ignore="values", **policy)
        hub.add_activity(lambda _: next(values), "fetch", cache=policy)
        handle = start_call(hub, "fetch", number)
        return handle.result(), handle.why(0).reason

    assert [run(1)[0], run(1)[0]] == [0, 0]
    assert run(1, refresh=True) == (1, "refreshed")
    assert run(1)[0] == 1
    assert run(1, refresh=lambda: fresh["wanted"])[0] == 1
    fresh["wanted"] = True
    assert run(1, refresh=lambda: fresh["wanted"])[0] == 2
    assert [run(number, refresh=lambda number: number > 1)[0] for number in (1, 2, 2)] == [2, 3, 4]


def test_several_arguments_are_ignored_by_name_and_given_to_refresh(hub):
    ran = []

    def add(one, other, *, verbose=False):
        ran.append((one, other))
        return one + other

    policy = {"ignore": ("ran", "verbose")}
    hub.add_activity(add, cache=df.CachePolicy(**policy))
    assert [run_call(hub, "add", 1, 2, verbose=verbose) for verbose in (True, False)] == [3, 3]
    assert run_call(hub, "add", 1, 3, verbose=False) == 4
    assert ran == [(1, 2), (1, 3)]
    hub.add_activity(add, cache=df.CachePolicy(**policy, refresh=lambda one, other, verbose: other > 2))
    assert [run_call(hub, "add", 1, other, verbose=False) for other in (2, 3)] == [3, 4]
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
