"""`durablenb.check`: what it says of a function, and how it shows."""

import asyncio
import itertools
import json
import logging
import time
from datetime import datetime, timedelta
from functools import partial, wraps

import pytest

import durablenb as df
from durablenb.checks.rules import RULES


@pytest.fixture
def hub():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_activity(say_hello)
        hub.add_activity(two, name="two")
        hub.add_entity(counter, name="Counter")
        yield hub


def say_hello(city):
    return f"Hello {city}!"


def two(one, other):
    return [one, other]


def counter(context):
    context.set_state(1)


def sound(context):
    return (yield context.call_activity("say_hello", context.get_input()))


def late(context):
    yield context.call_activity("say_hello", context.get_input())
    return datetime.now().hour > 20


def test_a_finding_says_where_it_is_what_it_is_why_it_matters_and_what_to_write():
    (finding,) = df.check(late)
    assert late.__code__.co_firstlineno + 2 == finding.line
    assert finding.column == 12
    assert finding.code == "DNB101"
    assert finding.text == "datetime.datetime.now() is called."
    assert finding.why == RULES["DNB101"].why
    assert finding.instead == "Use context.current_utc_datetime instead."
    assert finding.source.strip() == "return datetime.now().hour > 20"
    assert finding.page == "docs/reference/checks.md#dnb101"
    assert finding.path.endswith("test_check.py")
    assert str(finding).startswith(
        f"{finding.path}:{finding.line}:12: DNB101 datetime.datetime.now() is called. "
    )
    assert json.loads(json.dumps(finding.as_json()))["why"] == finding.why


def test_the_findings_are_a_sequence_that_is_true_if_there_are_any():
    assert not df.check(sound)
    found = df.check(late)
    assert found
    assert len(found) == 1
    assert found[0] is next(iter(found))
    assert found.codes == found[:1].codes == ["DNB101"]
    assert not found[1:]
    assert repr(found) == "<late: 1 finding>"
    assert repr(df.check(sound)) == "<sound: nothing found>"
    assert str(found) == str(found[0])


def test_they_show_as_a_table_with_the_reasons():
    bundle = df.check(late)._repr_mimebundle_()
    assert "DNB101" in bundle["text/plain"]
    html = bundle["text/html"]
    assert "return datetime.now().hour &gt; 20" in html
    assert "Use context.current_utc_datetime instead." in html
    assert RULES["DNB101"].why in html
    assert "nothing found" in df.check(sound)._repr_mimebundle_()["text/html"]


def test_nothing_of_the_function_runs():
    def orchestrator(context):
        raise AssertionError("it ran")

    assert not df.check(orchestrator)


def test_names_are_compared_with_those_of_the_hub(hub):
    def orchestrator(context):
        yield context.call_activity("say_helo", 1)
        yield context.call_sub_orchestrator("child")
        yield context.call_activity(two, 1)
        yield context.call_activity("two", 1)
        yield context.call_sub_orchestrator("say_hello")
        context.signal_entity(df.EntityId("Conter", "a"), "add")
        context.signal_entity(df.EntityId("COUNTER", "a"), "add")
        yield context.entity("Cuonter", "a").add(1)

    found = df.check(orchestrator, hub)
    assert found.codes == ["DNB501", "DNB502", "DNB405", "DNB405", "DNB502", "DNB503", "DNB503"]
    assert found[0].text == "No activity 'say_helo' is registered. Did you mean 'say_hello'?"
    assert found[1].text == "No orchestrator 'child' is registered."
    assert found[4].text == "'say_hello' is registered as an activity, not as an orchestrator."
    assert df.check(orchestrator).codes == ["DNB405"]


def test_a_registered_orchestrator_is_checked_by_its_name(hub):
    hub.add_orchestrator(sound)
    assert not df.check("sound", hub)
    hub.add_orchestrator(late, name="evening")
    assert df.check("evening", hub).codes == ["DNB101"]
    with pytest.raises(df.FunctionNotFoundError, match="Did you mean 'evening'"):
        df.check("evenings", hub)
    with pytest.raises(TypeError, match="A name needs a hub"):
        df.check("evening")


def test_what_is_no_function_of_yours_is_refused():
    for wrong in (5, len, partial(late)):
        with pytest.raises(TypeError, match="Expected an orchestrator's function"):
            df.check(wrong)


def test_a_function_without_a_source_is_refused():
    namespace = {}
    exec("def typed(context):\n    return 1", namespace)
    with pytest.raises(ValueError, match="The source of typed isn't at hand"):
        df.check(namespace["typed"])


def test_azures_ways_to_register_are_understood():
    app = df.DFApp()

    @app.function_name("Evening")
    @app.orchestration_trigger(context_name="context")
    def evening(context):
        return datetime.now()

    assert df.check(evening).codes == ["DNB101"]
    assert df.check(evening).name == "Evening"
    assert df.check(df.Orchestrator.create(late)).codes == ["DNB101"]


def test_a_decorated_function_is_looked_at_behind_its_decorators():
    def decorated(function):
        @wraps(function)
        def called(context):
            return function(context)

        return called

    assert df.check(decorated(late)).codes == ["DNB101"]


def test_a_lambda_and_a_method_are_looked_at():
    assert df.check(lambda context: time.time()).codes == ["DNB101"]
    assert df.check(Shop().order).codes == ["DNB101"]


class Shop:
    """An orchestrator as a method."""

    def order(self, context):
        return time.time()


def test_a_name_of_the_closure_is_what_it_is_now():
    now = datetime.now

    def orchestrator(context):
        yield context.create_timer(now() + timedelta(hours=1))

    assert df.check(orchestrator).codes == ["DNB101"]
    now = "2026-01-01T00:00:00+00:00"
    assert df.check(orchestrator).codes == []


def test_what_a_helper_does_is_told_where_it_is_called():
    def stamp():
        return datetime.now()

    def orchestrator(context):
        yield context.create_timer(stamp())

    (finding,) = df.check(orchestrator)
    assert finding.source.strip() == "yield context.create_timer(stamp())"
    assert finding.text == (
        f"In stamp(), line {stamp.__code__.co_firstlineno + 1}: datetime.datetime.now() is called."
    )


def test_a_comment_silences_the_codes_that_it_names_on_its_line():
    def orchestrator(context):
        one = datetime.now()  # durable: ignore[DNB101]
        other = datetime.now()  # durable: ignore[DNB102]
        third = datetime.now()
        yield context.call_activity("say_hello", [one, other, third])

    lines = [one.line - orchestrator.__code__.co_firstlineno for one in df.check(orchestrator)]
    assert lines == [2, 3]


def test_a_comment_in_a_helper_silences_what_is_there():
    def stamp():
        return datetime.now()  # durable: ignore[DNB101]

    def orchestrator(context):
        yield context.create_timer(stamp())

    assert not df.check(orchestrator)


def test_helpers_that_call_each_other_do_no_harm():
    def orchestrator(context):
        return even(context.get_input())

    assert not df.check(orchestrator)
    assert not df.check(recursive)


def even(number):
    return number == 0 or odd(number - 1)


def odd(number):
    return number != 0 and even(number - 1)


def recursive(context):
    return recursive(context)


def test_a_hub_is_not_to_be_asked_from_inside(hub):
    def orchestrator(context):
        hub.run(sound)
        hub.client.start_new("sound")
        hub.entity(counter, "a").add(1)
        return hub.path

    found = df.check(orchestrator)
    assert found.codes == ["DNB206"] * 3
    assert found[0].text == "durablenb.TaskHub.run() is called."


def test_in_an_async_def_the_advice_is_to_await():
    async def orchestrator(context):
        time.sleep(5)

    (finding,) = df.check(orchestrator)
    assert "await context.create_timer" in finding.instead


def test_registering_says_what_is_found_once_for_each_text(hub, caplog):
    caplog.set_level(logging.WARNING, logger="durablenb")

    def register():
        def evening(context):
            return datetime.now().hour

        hub.add_orchestrator(evening)
        return evening

    register()
    (record,) = caplog.records
    assert record.name == "durablenb"
    place = df.check(late)[0].path
    assert record.getMessage().splitlines() == [
        f"A check found 1 problem in evening ({place}); durablenb.check(evening) has the details.",
        f"  line {register().__code__.co_firstlineno + 1}: DNB101 datetime.datetime.now() is called. "
        "Use context.current_utc_datetime instead.",
    ]
    assert len(caplog.records) == 1
    assert hub.run("evening") >= 0


def test_registering_says_nothing_of_a_sound_one_and_of_names_that_may_come_later(hub, caplog):
    hub.add_orchestrator(sound)

    @hub.orchestrator
    def coming(context):
        return (yield context.call_activity("not_defined_yet"))

    assert caplog.records == []


def test_what_is_defined_after_registration_is_seen_at_the_first_run(hub, caplog):
    @hub.orchestrator
    def coming(context):
        return moment()

    assert caplog.records == []

    def moment():
        return time.monotonic() > 0

    assert hub.run(coming)
    assert hub.run(coming)
    (record,) = caplog.records
    assert "In moment()" in record.getMessage()


def test_a_long_story_is_cut_short(hub, caplog):
    @hub.orchestrator
    def many(context):
        return [time.time(), time.time(), time.time()], [
            time.monotonic(),
            time.monotonic(),
            time.monotonic(),
            time.monotonic(),
        ]

    assert caplog.records[0].getMessage().splitlines()[-1] == "  and 2 more"
    assert len(df.check(many)) == 7


def test_an_iterator_of_its_own_is_no_shared_one():
    def orchestrator(context):
        numbers = itertools.count()
        yield context.call_activity("say_hello", next(numbers))

    assert not df.check(orchestrator)


def direct(context):
    greeting = say_hello("Tokyo")
    yield context.call_activity("say_hello", greeting)


def test_an_activity_that_is_called_directly_is_found_with_the_way_to_call_it(hub):
    for findings in (df.check(direct, hub), df.check(direct)):
        (finding,) = findings
        assert (finding.code, finding.line) == ("DNB208", direct.__code__.co_firstlineno + 1)
        assert finding.text == "say_hello() is an activity, and is called directly."
        assert "yield context.call_activity(say_hello, ...)" in finding.instead


def gathers_tasks(context):
    return (yield asyncio.gather(context.call_activity("say_hello", "Tokyo")))


def gathers_coroutines(context):
    async def both(city):
        return await context.call_activity("say_hello", await context.call_activity("say_hello", city))

    return (yield asyncio.gather(both("Tokyo"), both("Oslo")))


def test_for_gathering_in_a_generator_it_advises_what_works():
    (tasks,) = df.check(gathers_tasks)
    assert tasks.instead == "Wait for all of them: yield context.task_all([...])."
    (coroutines,) = df.check(gathers_coroutines)
    assert coroutines.code == "DNB205"
    assert "yield context.task_all([context.call_sub_orchestrator(...), ...])" in coroutines.instead
