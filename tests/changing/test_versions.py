"""Several versions of an orchestrator beside each other: which code an instance runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import durablenb as df
from durablenb.core.versions import compare_versions, matching_version, newest_version

# -- comparing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (None, "0"),
        ("", "1.0"),
        ("1", "2"),
        ("9", "10"),
        ("1.9", "1.10"),
        ("1.0", "1.0.0"),
        ("1.2.3", "2"),
        ("1.0-alpha", "1.0-BETA"),
        ("2025-01-31", "2025-02-01"),
        ("1.0", "v1"),
    ],
)
def test_versions_are_compared_as_azure_compares_them(older, newer):
    assert compare_versions(older, newer) < 0 < compare_versions(newer, older)


@pytest.mark.parametrize(("one", "same"), [(None, ""), ("1.0", "1.00"), ("V1-x", "v1-X"), ("7", "7")])
def test_some_are_the_same_though_written_otherwise(one, same):
    assert compare_versions(one, same) == 0 == compare_versions(same, one)


@given(st.lists(st.sampled_from(["1", "2", "1.5", "10", "1.5.1"]), min_size=1))
def test_the_newest_is_not_older_than_any(versions):
    assert all(compare_versions(newest_version(versions), one) >= 0 for one in versions)


@pytest.mark.parametrize(
    ("registered", "asked", "strict", "current_or_older"),
    [
        (["1", "2"], "1", "1", "1"),
        (["1", "3"], "2", None, "3"),
        (["5", "1", "3", "4"], "2", None, "3"),
        (["1", "3"], None, None, "1"),
        (["1", "3"], "4", None, None),
        (["v1"], "V1", "v1", "v1"),
    ],
)
def test_strict_runs_its_own_version_and_current_or_older_the_next_newer(
    registered, asked, strict, current_or_older
):
    assert matching_version(registered, asked, "strict") == strict
    assert matching_version(registered, asked, "current-or-older") == current_or_older


# -- running -------------------------------------------------------------------------------------


def code(says):
    def say(context):
        yield context.wait_for_external_event("Go")
        return f"{says}, asked for {context.version}"

    return say


def answers(hub, *handles):
    for handle in handles:
        handle.raise_event("Go")
    return [handle.result(20) for handle in handles]


def test_each_instance_runs_the_code_of_the_version_that_it_was_started_with(any_hub):
    any_hub.add_orchestrator(code("one"), "say", version="1")
    any_hub.add_orchestrator(code("two"), "say", version="2")
    handles = [any_hub.start("say", version=version) for version in ("1", "2", None)]
    assert answers(any_hub, *handles) == ["one, asked for 1", "two, asked for 2", "two, asked for 2"]


def test_it_is_a_decorator_too_and_a_function_starts_its_own_version(hub):
    @hub.orchestrator(name="say", version="1")
    def first(context):
        return f"first {context.version}"

    @hub.orchestrator(name="say", version="2")
    def second(context):
        return f"second {context.version}"

    assert hub.run(first) == "first 1"
    assert hub.run(second) == "second 2"
    assert hub.run("say") == "second 2"
    assert hub.run(second, version="1") == "first 1"


def test_without_a_version_the_newest_is_started_whichever_was_registered_last(hub):
    for version in ("9", "10", "2"):
        hub.add_orchestrator(code(version), "say", version=version)
    assert answers(hub, hub.start("say")) == ["10, asked for 10"]


def test_code_without_a_version_runs_what_has_no_code_of_its_own(hub):
    plain = code("plain")
    hub.add_orchestrator(plain, "say")
    hub.add_orchestrator(code("two"), "say", version="2")
    handles = [hub.start("say", version=version) for version in ("1", "2", "3")]
    assert answers(hub, *handles) == ["plain, asked for 1", "two, asked for 2", "plain, asked for 3"]
    assert answers(hub, hub.start(plain)) == ["plain, asked for None"]
    assert answers(hub, hub.start("say")) == ["two, asked for 2"]


def test_a_start_in_a_version_that_has_no_code_is_an_error_that_names_those_that_have(hub):
    hub.add_orchestrator(code("one"), "say", version="1")
    with pytest.raises(df.FunctionNotFoundError, match=r"for the version '3'. Registered are: '1'"):
        hub.start("say", version="3")
    with pytest.raises(df.FunctionNotFoundError, match=r"'sya' isn't registered\. Did you mean 'say'"):
        hub.start("sya", version="1")


def test_a_child_without_code_in_its_version_fails_its_caller_at_once(hub):
    hub.add_orchestrator(code("one"), "say", version="1")

    @hub.orchestrator
    def parent(context):
        return (yield context.call_sub_orchestrator("say", version=context.get_input()))

    with pytest.raises(df.FunctionNotFoundError, match="for the version '2'"):
        hub.run(parent, "2")
    handle = hub.start(parent, "1")
    hub.clock.advance()
    (child,) = hub.instances(name="say")
    hub.client.raise_event(child.instance_id, "Go")
    assert handle.result() == "one, asked for 1"


def test_after_a_restart_an_instance_waits_for_the_code_of_its_version(opened):
    def twice(context):
        yield context.wait_for_external_event("Go")
        return (yield context.wait_for_external_event("Go"))

    with opened() as hub:
        hub.add_orchestrator(twice, "say", version="1")
        hub.start("say", instance_id="a")
        hub.clock.advance()
    with opened() as hub:
        hub.add_orchestrator(code("two"), "say", version="2")
        handle = hub.handle("a")
        handle.raise_event("Go")
        with pytest.raises(df.FunctionNotFoundError, match="waits for 'say, version 1'"):
            handle.result()
        hub.add_orchestrator(twice, "say", version="1")
        with pytest.raises(df.WaitTimeoutError, match="nothing is left to happen"):
            handle.result()
        handle.raise_event("Go", "went")
        assert handle.result() == "went"


def test_with_current_or_older_newer_code_takes_over(opened):
    with opened() as hub:
        hub.add_orchestrator(code("one"), "say", version="1")
        hub.start("say", instance_id="a")
        hub.clock.advance()
    with opened(version_match="current-or-older") as hub:
        hub.add_orchestrator(code("two"), "say", version="2")
        assert answers(hub, hub.handle("a")) == ["two, asked for 1"]
        assert answers(hub, hub.start("say", version="1")) == ["two, asked for 1"]
        with pytest.raises(df.FunctionNotFoundError):
            hub.start("say", version="3")


def test_registering_a_version_again_replaces_that_one_alone(hub):
    hub.add_orchestrator(code("one"), "say", version="1")
    hub.add_orchestrator(code("two"), "say", version="2")
    hub.add_orchestrator(code("mended"), "say", version="1")
    handles = [hub.start("say", version=version) for version in ("1", "2")]
    assert answers(hub, *handles) == ["mended, asked for 1", "two, asked for 2"]


def test_a_new_version_leaves_those_alone_that_run_the_old_one(hub, caplog):
    hub.add_orchestrator(code("one"), "say", version="1")
    handle = hub.start("say")
    hub.clock.advance()
    hub.add_orchestrator(code("two"), "say", version="2")
    assert hub.upgrade("say").counts == {"current": 1}
    assert "has changed" not in caplog.text
    assert answers(hub, handle) == ["one, asked for 1"]


def test_only_those_that_run_the_version_that_changed_are_told_of(hub, caplog):
    for version in ("1", "2"):
        hub.add_orchestrator(code(version), "say", version=version)
        hub.start("say", version=version)
    hub.clock.advance()
    hub.add_orchestrator(lambda context: "done", "say", version="1")
    assert "say has changed. 1 open instance goes on" in caplog.text
    assert "The new code does not fit 1 of 1" in caplog.text


def test_replay_goes_through_each_instance_with_the_code_of_its_version(hub):
    hub.add_orchestrator(code("one"), "say", version="1")
    hub.add_orchestrator(lambda context: (yield context.wait_for_external_event("Stop")), "say", version="2")
    for version in ("1", "2"):
        hub.start("say", version=version, instance_id=version)
    hub.clock.advance()
    assert hub.replay("say").fits
    assert [one.version for one in hub.replay("say")] == ["1", "2"]
    assert [one.fits for one in hub.replay("say", code("one"))] == [True, False]
    assert hub.handle("2").replay().fits


def test_continue_as_new_restart_and_rewind_keep_the_version_and_its_code(hub):
    broken = [True]
    hub.add_activity(lambda: 1 / 0 if broken else "well", name="fragile")

    @hub.orchestrator(version="1")
    def again(context):
        if context.get_input() is None:
            context.continue_as_new("second")
            return None
        yield context.call_activity("fragile")
        return context.version

    hub.add_orchestrator(code("two"), "again", version="2")
    handle = hub.start("again", version="1")
    handle.wait()
    broken.clear()
    handle.rewind()
    assert handle.result() == "1"
    assert handle.restart().result() == "1"


def test_an_entity_starts_the_newest_version(hub):
    hub.add_orchestrator(lambda context: context.version, "job", version="1")
    hub.add_orchestrator(lambda context: context.version, "job", version="2")

    @hub.entity
    def starter(context):
        context.set_result(context.start_new("job"))

    @hub.orchestrator
    def asks(context):
        return (yield context.call_entity(df.EntityId("starter", "a"), "go"))

    child = hub.run(asks)
    assert hub.handle(child).result() == "2"


def test_the_result_is_rebuilt_as_the_versions_function_says(hub):
    from dataclasses import dataclass

    @dataclass
    class Order:
        number: int

    def one(context) -> Order:
        return Order(1)

    hub.add_orchestrator(one, "make", version="1")
    hub.add_orchestrator(lambda context: {"number": 2}, "make", version="2")
    assert hub.run("make", version="1") == Order(1)
    assert hub.run("make", version="2") == {"number": 2}


def test_what_is_no_version_is_refused(hub):
    with pytest.raises(TypeError, match="A version is text"):
        hub.add_orchestrator(code("one"), "say", version=1)
    with pytest.raises(ValueError, match="version_match"):
        df.TaskHub(":memory:", version_match="none")
