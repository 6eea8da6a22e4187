"""Orchestrators of the corpus, edited: some edits part from the history, others ask for the same."""

import random
from datetime import datetime, timedelta

from tests.histories.corpus import RETRIES, in_

MARK = "# here"

PARTING = {}
HARMLESS = {}


def edit(scene, edits=PARTING):
    """Notes an edited orchestrator and the scene whose history it has to fit; `MARK` is on the line named."""

    def note(function):
        edits[function.__name__] = (scene, function)
        return function

    return note


# -- edits that part from the history ------------------------------------------------------------


@edit("chain")
def an_activity_is_renamed(context):
    one = yield context.call_activity("add_one", context.get_input())
    two = yield context.call_activity("add_two", one)  # here
    return (yield context.call_activity("add_one", two))


@edit("chain")
def an_activity_is_put_first(context):
    yield context.call_activity("remember", [])  # here
    one = yield context.call_activity("add_one", context.get_input())
    two = yield context.call_activity("add_one", one)
    return (yield context.call_activity("add_one", two))


@edit("chain")
def an_activity_is_put_last(context):
    one = yield context.call_activity("add_one", context.get_input())
    two = yield context.call_activity("add_one", one)
    three = yield context.call_activity("add_one", two)
    yield context.call_activity("remember", [three])  # here
    return three


@edit("chain")
def an_activity_is_removed(context):
    one = yield context.call_activity("add_one", context.get_input())
    return (yield context.call_activity("add_one", one))  # here


@edit("compensation")
def two_activities_change_places(context):
    order = context.get_input()
    try:
        yield context.call_activity("refund", order)  # here
    except ConnectionError:
        yield context.call_activity("ship", order)
        raise


@edit("chain")
def an_input_is_changed(context):
    one = yield context.call_activity("add_one", context.get_input())
    two = yield context.call_activity("add_one", one + 10)  # here
    return (yield context.call_activity("add_one", two))


@edit("chain")
def a_result_is_changed(context):
    one = yield context.call_activity("add_one", context.get_input())
    two = yield context.call_activity("add_one", one)
    three = yield context.call_activity("add_one", two)  # here
    return -three


@edit("chain")
def it_returns_earlier(context):
    one = yield context.call_activity("add_one", context.get_input())  # here
    if one:
        return one
    two = yield context.call_activity("add_one", one)
    return (yield context.call_activity("add_one", two))


@edit("chain")
def it_raises_earlier(context):
    one = yield context.call_activity("add_one", context.get_input())
    raise ValueError(one)  # here


@edit("chain")
def a_timer_is_slipped_in(context):
    one = yield context.call_activity("add_one", context.get_input())
    yield context.create_timer(in_(context, seconds=1))  # here
    two = yield context.call_activity("add_one", one)
    return (yield context.call_activity("add_one", two))


@edit("chain")
def an_activity_becomes_a_child(context):
    one = yield context.call_sub_orchestrator("add_one", context.get_input())  # here
    two = yield context.call_activity("add_one", one)
    return (yield context.call_activity("add_one", two))


@edit("chain")
def a_chain_becomes_a_fan_out(context):
    one = context.get_input()
    tasks = [context.call_activity("add_one", n) for n in (one, one + 1)]  # here
    return (yield context.task_all(tasks))[-1]


@edit("fan_out")
def a_fan_out_is_wider(context):
    cities = [*context.get_input(), "Oslo"]
    tasks = []
    for city in cities:
        tasks.append(context.call_activity("say_hello", city))  # here
    return (yield context.task_all(tasks))


@edit("fan_out")
def a_fan_out_is_narrower(context):
    tasks = [context.call_activity("say_hello", city) for city in context.get_input()[:-1]]
    return (yield context.task_all(tasks))  # here


@edit("fan_out")
def a_fan_out_is_sorted(context):
    tasks = []
    for city in sorted(context.get_input()):
        tasks.append(context.call_activity("say_hello", city))  # here
    return (yield context.task_all(tasks))


@edit("fan_out")
def a_fan_out_becomes_a_chain(context):
    greetings = []
    for city in context.get_input():
        greetings.append((yield context.call_activity("say_hello", city)))  # here
    return greetings


@edit("chain")
def an_input_is_left_to_chance(context):
    one = yield context.call_activity("add_one", random.random())  # here
    two = yield context.call_activity("add_one", one)
    return (yield context.call_activity("add_one", two))


@edit("chain")
def an_input_is_the_wall_clocks(context):
    one = yield context.call_activity("add_one", datetime.now().isoformat())  # here
    two = yield context.call_activity("add_one", one)
    return (yield context.call_activity("add_one", two))


@edit("deadline_missed")
def a_timer_is_longer(context):
    answer = context.wait_for_external_event("Answer")
    timer = context.create_timer(in_(context, hours=73))  # here
    if (yield context.task_any([answer, timer])) is timer:
        answer.cancel()
        return "nobody answered"


@edit("deadline_missed")
def a_timer_is_the_wall_clocks(context):
    answer = context.wait_for_external_event("Answer")
    timer = context.create_timer(datetime.now() + timedelta(hours=72))  # here
    if (yield context.task_any([answer, timer])) is timer:
        answer.cancel()
        return "nobody answered"


@edit("deadline_met")
def a_timer_is_not_cancelled_any_more(context):
    answer = context.wait_for_external_event("Answer")
    timer = context.create_timer(in_(context, hours=72))
    yield context.task_any([answer, timer])  # here
    return answer.result


@edit("deadline_met")
def another_event_is_waited_for(context):
    answer = context.wait_for_external_event("Reply")  # here
    timer = context.create_timer(in_(context, hours=72))
    yield context.task_any([answer, timer])
    return answer.result


@edit("retries")
def a_retry_waits_longer(context):
    try:
        yield context.call_activity_with_retry("ship", RETRIES.__class__(2_000, 3), 3)  # here
    except ConnectionError:
        return "gave up"


@edit("retries")
def there_are_more_retries(context):
    try:
        yield context.call_activity_with_retry("ship", RETRIES.__class__(1_000, 4, 2.0), 3)  # here
    except ConnectionError:
        return "gave up"


@edit("continue_as_new")
def it_does_not_continue_as_new(context):
    total = context.get_input()
    amount = yield context.wait_for_external_event("Add")  # here
    return total + (amount or 0)


@edit("family")
def a_child_has_another_id(context):
    tasks = [context.call_sub_orchestrator("chain", 1)]
    tasks.append(context.call_sub_orchestrator("chain", 10, instance_id="third child"))  # here
    return (yield context.task_all(tasks))


# -- edits that don't ----------------------------------------------------------------------------


@edit("chain", HARMLESS)
def it_is_written_otherwise(context):
    value = context.get_input()
    for _ in range(3):
        print(value)
        value = yield context.call_activity("add_one", value)
    return value


@edit("chain", HARMLESS)
def a_part_of_it_is_a_generator_of_its_own(context):
    def twice(value):
        for _ in range(2):
            value = yield context.call_activity("add_one", value)
        return value

    two = yield from twice(context.get_input())
    return (yield context.call_activity("add_one", two))


@edit("chain", HARMLESS)
async def it_becomes_a_coroutine(context):
    value = context.get_input()
    for _ in range(3):
        value = await context.call_activity("add_one", value)
    return value


@edit("fan_out", HARMLESS)
def it_shows_another_status(context):
    context.set_custom_status("begun")
    tasks = [context.call_activity("say_hello", city) for city in context.get_input()]
    greetings = yield context.task_all(tasks)
    context.set_custom_status(len(greetings))
    return greetings


@edit("fan_out", HARMLESS)
def it_awaits_in_another_order(context):
    tasks = [context.call_activity("say_hello", city) for city in context.get_input()]
    yield context.task_all(tasks)
    last = yield tasks[-1]
    return [*[task.result for task in tasks[:-1]], last]
