"""Sound orchestrators, some of which look as if they weren't: a check finds nothing in them."""

import asyncio
import contextlib
import datetime as dt
import functools
import hashlib
import io
import itertools
import json
import logging
import math
import os.path
import random
import re
import time
import uuid
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlencode

import numpy as np
import pandas as pd

import durablenb as df

bp = df.Blueprint()


class Unbound:
    """Stands for an object that isn't there yet, as web frameworks have them; nobody may ask what it is."""

    @property
    def __class__(self):
        raise RuntimeError("asked what it is")


request = Unbound()

CITIES = ["Tokyo", "Seattle", "London"]
ALLOWED = {"Tokyo", "Seattle"}
PRIMES = {2, 3, 5}
PRICES = {"Tokyo": 3, "Seattle": 5}
RETRIES = df.RetryOptions(1_000, 3)
DATA = Path("data")
RULE = re.compile(r"\d+")
log = logging.getLogger("shop")


@dataclass(frozen=True)
class Order:
    """Something that is handed around."""

    number: int
    at: datetime | None = None


@bp.activity_trigger(input_name="city")
def say_hello(city):
    time.sleep(0)
    return f"{datetime.now()}: Hello {city}, {random.random()}!"


@bp.activity_trigger(input_name="nothing")
def fetch(nothing):
    return Path("numbers.txt").read_text()


def no_input():
    return time.time()


def several(order, /, times, *more, label: str, **others):
    return [order, times, more, label, others]


def knows_itself(order, activity: df.ActivityContext, times=1):
    return [order, activity.attempt, times]


def with_a_default(order, times=1):
    return [order] * times


def with_a_context(order, activity: df.ActivityContext):
    activity.progress(1, 2)
    return order, activity.key


def only_a_context(activity: "df.ActivityContext"):
    return activity.key


# -- helpers ------------------------------------------------------------------------------------------


def slug(text):
    return "-".join(text.lower().split())


def hours_later(context, hours):
    return context.current_utc_datetime + timedelta(hours=hours)


def calls(context, cities):
    return [context.call_activity("say_hello", city) for city in cities]


def named_calls(context, cities):
    for city in cities:
        yield city, context.call_activity("say_hello", city)


def batches(items, size):
    for start in range(0, len(items), size):
        yield items[start : start + size]


def ids():
    number = 0
    while True:
        number += 1
        yield number


def shipped(context, order):
    label = yield context.call_activity("label", order)
    yield context.call_activity("ship", label)
    return label


async def shipped_awaited(context, order):
    return await context.call_activity("ship", order)


@contextlib.contextmanager
def stage(context):
    context.set_custom_status("begun")
    yield 1


def unused_and_unsound():
    return time.time(), random.random()


@functools.cache
def known(text):
    return len(text)


# -- time ---------------------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def time_of_the_context(context):
    due = context.current_utc_datetime + timedelta(hours=72)
    timer = context.create_timer(due)
    approval = context.wait_for_external_event("Approval")
    winner = yield context.task_any([approval, timer])
    if winner == approval:
        timer.cancel()
        return approval.result
    return datetime(2026, 1, 1, tzinfo=UTC) < due


@bp.orchestration_trigger("context")
def time_given(context):
    begun = datetime.fromisoformat(context.get_input())
    day = date.fromisoformat("2026-01-31")
    moment = dt.datetime.fromtimestamp(0, dt.UTC)
    yield context.create_timer(max(begun, moment))
    return [time.strftime("%Y", time.gmtime(0)), time.localtime(begun.timestamp()).tm_year, day.isoformat()]


@bp.orchestration_trigger("context")
def time_of_pandas(context):
    stamp = pd.Timestamp("2026-01-31")
    other = pd.to_datetime("2026-02-28")
    yield context.create_timer((stamp + pd.Timedelta(days=1)).to_pydatetime())
    return [str(stamp), str(other), str(np.datetime64("2026-01-01"))]


@bp.orchestration_trigger("context")
def time_only_printed(context):
    print(f"begun at {datetime.now()}")
    log.info("begun at %s", time.time())
    yield context.call_activity("ship")


@bp.orchestration_trigger("context")
def time_of_a_shadow(context):
    time = context.get_input()
    yield context.call_activity("ship", time.time)
    datetime = {"now": 1}
    return datetime.get("now")


@bp.orchestration_trigger("context")
def time_handed_to_a_helper(context):
    yield context.create_timer(hours_later(context, 3))


@bp.orchestration_trigger("context")
def function_only_named(context):
    yield context.call_activity(say_hello, "Tokyo")
    yield context.call_activity(fetch)
    return unused_and_unsound.__name__


# -- chance -------------------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def chance_with_a_seed_of_the_instance(context):
    dice = random.Random(context.instance_id)
    yield context.call_activity("ship", dice.randint(1, 6))
    generator = np.random.default_rng(7)
    yield context.call_activity("ship", int(generator.integers(6)))


@bp.orchestration_trigger("context")
def ids_of_the_context(context):
    yield context.call_activity("ship", context.new_uuid())
    yield context.call_activity("ship", context.new_guid().hex)
    yield context.call_activity("ship", str(uuid.uuid5(uuid.NAMESPACE_URL, "https://example.org")))
    return str(uuid.UUID(int=7))


@bp.orchestration_trigger("context")
def chance_by_an_activity(context):
    return (yield context.call_activity("draw"))


# -- sets, hashes, ids --------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def set_sorted(context):
    for city in sorted(ALLOWED):
        yield context.call_activity("say_hello", city)
    unique = set(context.get_input())
    yield context.task_all([context.call_activity("say_hello", one) for one in sorted(unique)])
    return sorted(one.upper() for one in unique), sorted(list(unique)), sorted(map(str, unique))


@bp.orchestration_trigger("context")
def set_asked(context):
    done = set()
    for city in CITIES:
        if city in ALLOWED and city not in done:
            done.add(city)
            yield context.call_activity("say_hello", city)
    return len(done), done == ALLOWED, done <= ALLOWED, bool(done - ALLOWED)


@bp.orchestration_trigger("context")
def set_summed(context):
    numbers = set(context.get_input())
    yield context.call_activity("ship", sum(numbers))
    return max(numbers), min(numbers), any(one > 3 for one in numbers), all(numbers), len(list(numbers))


@bp.orchestration_trigger("context")
def set_of_numbers(context):
    for prime in PRIMES:
        yield context.call_activity("ship", prime)
    for number in {1, 2, 3}:
        yield context.call_activity("ship", number)


@bp.orchestration_trigger("context")
def set_made_a_list_and_sorted(context):
    names = list(set(context.get_input()))
    names.sort()
    for name in names:
        yield context.call_activity("say_hello", name)


@bp.orchestration_trigger("context")
def set_to_set(context):
    upper = {city.upper() for city in ALLOWED}
    both = frozenset(city for city in upper if city.startswith("T"))
    prices = {city: PRICES[city] for city in ALLOWED}
    yield context.call_activity("ship", prices["Tokyo"])
    return len(both), "TOKYO" in upper


@bp.orchestration_trigger("context")
def set_counted(context):
    count = 0
    found = set()
    for city in ALLOWED:
        if city.startswith("T"):
            count += 1
            found.add(city)
    yield context.call_activity("ship", count)


@bp.orchestration_trigger("context")
def set_then_list(context):
    cities = set(context.get_input())
    cities = sorted(cities)
    for city in cities:
        yield context.call_activity("say_hello", city)


@bp.orchestration_trigger("context")
def dicts_keep_their_order(context):
    grouped = defaultdict(list)
    for item in context.get_input():
        grouped[item["city"]].append(item)
    for city, items in grouped.items():
        yield context.call_activity("ship", [city, len(items)])
    for city in dict.fromkeys(CITIES):
        yield context.call_activity("say_hello", city)
    return grouped.popitem(), Counter(CITIES).most_common(1)


@bp.orchestration_trigger("context")
def digest(context):
    name = hashlib.sha256(context.instance_id.encode()).hexdigest()
    yield context.call_activity("ship", name)
    return hash(7) % 3, hash(len(name))


@bp.orchestration_trigger("context")
def same_task(context):
    first, second = context.call_activity("a"), context.call_activity("b")
    winner = yield context.task_any([first, second])
    return "first" if id(winner) == id(first) else "second"


# -- what isn't I/O -----------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def paths_and_texts(context):
    place = DATA / context.instance_id / "result.json"
    name = os.path.join("data", "a.csv")
    address = "https://example.org/?" + urlencode({"q": quote("a b")})
    yield context.call_activity("ship", str(place.with_suffix(".txt")))
    yield context.call_activity("ship", [name, os.path.basename(name), address, PurePosixPath(name).stem])
    return json.loads(json.dumps({"a": math.sqrt(4)})), RULE.findall("1 2")


@bp.orchestration_trigger("context")
def http_of_the_context(context):
    answer = yield context.call_http("GET", "https://example.org/")
    return json.loads(answer["content"])


@bp.orchestration_trigger("context")
def methods_of_other_objects(context):
    order = context.get_input()
    order.open()
    order.get("https://example.org")
    order.sleep(3)
    yield context.call_activity("ship", order.read_text())


@bp.orchestration_trigger("context")
def printed(context):
    print("begun", context.instance_id)
    logging.info("begun")
    context.logger.info("begun %s", context.current_utc_datetime)
    yield context.call_activity("ship")


@bp.orchestration_trigger("context")
def frames(context):
    frame = pd.DataFrame({"city": CITIES})
    total = np.arange(3).sum()
    yield context.call_activity("ship", [len(frame), int(total)])


@bp.orchestration_trigger("context")
async def tasks_of_asyncio(context):
    async def later(seconds):
        await asyncio.sleep(seconds)
        return await context.call_activity("ship", seconds)

    gathered = await asyncio.gather(context.call_activity("ship"), later(1))
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        first, second = group.create_task(later(2)), group.create_task(later(3))
    queue, lock, loop = asyncio.Queue(), asyncio.Lock(), asyncio.get_running_loop()
    async with lock:
        await queue.put(loop.time())
    done, _ = await asyncio.wait([asyncio.create_task(later(4))])
    return [gathered, first.result(), second.result(), await queue.get(), [task.result() for task in done]]


@bp.orchestration_trigger("context")
async def errors_of_asyncio(context):
    try:
        return await context.call_activity("ship")
    except (asyncio.TimeoutError, asyncio.CancelledError):
        return None


# -- state --------------------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def state_of_its_own(context):
    seen, totals, waiting = [], {}, deque()
    for city in CITIES:
        greeting = yield context.call_activity(say_hello, city)
        seen.append(greeting)
        totals[city] = totals.get(city, 0) + 1
        waiting.append(city)
    waiting.popleft()
    del totals["Tokyo"]
    return seen


@bp.orchestration_trigger("context")
def state_of_the_input(context):
    order = context.get_input()
    order["state"] = "shipped"
    order.setdefault("lines", []).append(1)
    order.pop("old", None)
    yield context.call_activity("ship", order)
    return order


@bp.orchestration_trigger("context")
def state_of_an_inner_function(context):
    total = 0

    def count(number):
        nonlocal total
        total += number

    seen = []

    def note(text):
        seen.append(text)

    for number in (1, 2):
        count((yield context.call_activity("ship", number)))
        note("shipped")
    return total, seen


@bp.orchestration_trigger("context")
def constants_outside(context):
    price = PRICES["Tokyo"] + PRICES.get("Seattle", 0)
    yield context.call_activity_with_retry("ship", RETRIES, price)
    return known("abc"), [*CITIES], PRICES | {"London": 1}


@bp.orchestration_trigger("context")
def copies(context):
    prices = dict(PRICES)
    prices["London"] = 4
    cities = list(CITIES)
    cities.append("Paris")
    order = replace(Order(1), number=2)
    yield context.call_activity("ship", [prices, cities, order.number])


@bp.orchestration_trigger("context")
def default_not_changed(context, extra=(), more=[]):  # noqa: B006
    more = [*more, 1]
    more.append(2)
    yield context.call_activity("ship", [*extra, *more])


@bp.orchestration_trigger("context")
def counter_of_its_own(context):
    numbers = itertools.count(1)
    yield context.call_activity("ship", next(numbers))
    yield context.call_activity("ship", next(numbers))


@bp.orchestration_trigger("context")
def only_in_the_first_run(context):
    if not context.is_replaying:
        CITIES.append("Paris")
        PRICES.setdefault("begun", time.time())
        log.getChild(str(datetime.now())).info("begun")
    yield context.call_activity("ship")


# -- tasks --------------------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def signals(context):
    counter = df.EntityId("Counter", "a")
    context.signal_entity(counter, "add", 1)
    context.set_custom_status("counted")
    return (yield context.call_entity(counter, "get"))


@bp.orchestration_trigger("context")
def not_waited_for_on_purpose(context):
    _ = context.call_activity("ship", 1)
    _later = context.call_sub_orchestrator("child")
    yield context.call_activity("ship", 2)


@bp.orchestration_trigger("context")
def waited_for_later(context):
    first = context.call_activity("ship", 1)
    second = context.call_activity("ship", 2)
    tasks = [first]
    tasks.append(second)
    tasks += [context.call_activity("ship", 3)]
    results = yield context.task_all(tasks)
    third = context.call_activity("ship", 4)
    while not third.is_completed:
        yield context.create_timer(hours_later(context, 1))
    return results


@bp.orchestration_trigger("context")
def tasks_by_key(context):
    tasks = {city: context.call_activity(say_hello, city) for city in CITIES}
    yield context.task_all(list(tasks.values()))
    return {city: task.result for city, task in tasks.items()}


@bp.orchestration_trigger("context")
def tasks_of_helpers(context):
    yield context.task_all(calls(context, CITIES))
    tasks = []
    for _city, task in named_calls(context, CITIES):
        tasks.append(task)
    for batch in batches(CITIES, 2):
        yield context.task_all([context.call_activity(say_hello, city) for city in batch])
    return (yield context.task_all(tasks))


@bp.orchestration_trigger("context")
def tasks_of_a_block(context):
    with stage(context) as number:
        yield context.call_activity("ship", number)
    stage(context)
    with contextlib.suppress(ValueError):
        return number
    yield context.call_activity("ship", number)


@bp.orchestration_trigger("context")
def parts_of_it(context):
    first = yield from shipped(context, 1)
    second = yield from shipped(context, slug("Two Words"))
    return [first, second, list(itertools.islice(ids(), 3))]


@bp.orchestration_trigger("context")
async def parts_awaited(context):
    first = await shipped_awaited(context, 1)
    rest = await context.task_all([context.call_activity("ship", number) for number in range(3)])
    return [first, *rest]


@bp.orchestration_trigger("context")
def tasks_one_by_one(context):
    yield from [context.call_activity("ship", number) for number in range(3)]


@bp.orchestration_trigger("context")
def never_reached(context):
    return context.get_input()
    yield


@bp.orchestration_trigger("context")
def never_true(context):
    if False:
        yield
    return 1


@bp.orchestration_trigger("context")
def to_be_continued(context):
    yield context.call_activity("ship")
    yield ...


@bp.orchestration_trigger("context")
async def to_be_continued_awaited(context):
    await context.call_activity("ship")
    await context.to_be_continued()


@bp.orchestration_trigger("context")
def task_or_none(context):
    task = None
    if context.get_input():
        task = context.call_activity("ship")
    if task is not None:
        yield task


@bp.orchestration_trigger("context")
def task_chosen(context):
    call = context.call_activity if context.get_input() else context.call_sub_orchestrator
    return (yield call("ship"))


@bp.orchestration_trigger("context")
def entities(context):
    account = context.entity("Account", "a")
    yield account.deposit(5)
    with (yield context.lock([df.EntityId("Account", "a"), df.EntityId("Account", "b")])):
        balance = yield account.balance()
        yield context.entity("Account", "b").deposit(balance)
    return context.is_locked


@bp.orchestration_trigger("context")
async def entities_awaited(context):
    async with context.lock([df.EntityId("Account", "a")]):
        return await context.entity("Account", "a").balance()


# -- loops --------------------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def loop_with_a_break(context):
    while True:
        if (yield context.call_activity("is_ready")):
            break
        yield context.create_timer(hours_later(context, 1))


@bp.orchestration_trigger("context")
def loop_with_a_return(context):
    for attempt in itertools.count(1):
        if (yield context.call_activity("try", attempt)):
            return attempt


@bp.orchestration_trigger("context")
def loop_that_begins_afresh(context):
    rounds = 0
    while True:
        yield context.wait_for_external_event("tick")
        rounds += 1
        if rounds == 100:
            context.continue_as_new(rounds)
            yield context.create_timer(hours_later(context, 1))


@bp.orchestration_trigger("context")
def loop_that_fails_out(context):
    try:
        while True:
            yield context.call_activity("next")
    except StopAsyncIteration:
        return "done"


@bp.orchestration_trigger("context")
def loop_until_a_deadline(context):
    deadline = hours_later(context, 3)
    while context.current_utc_datetime < deadline:
        yield context.call_activity("poll")
        yield context.create_timer(hours_later(context, 1))


@bp.orchestration_trigger("context")
def eternal(context):
    yield context.call_activity("clean")
    yield context.create_timer(hours_later(context, 1))
    yield context.continue_as_new(None)


# -- calls --------------------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def arguments(context):
    options = {"input_": 1}
    more = ["ship", 1]
    yield context.call_activity("ship", **options)
    yield context.call_activity(*more)
    yield context.call_activity("ship", 1, dict[str, int])
    yield context.call_activity(name="ship", input_=None, expected_type=Order)
    yield context.call_activity(with_a_default, 1)
    yield context.call_activity(with_a_default, 1, 2)
    yield context.call_activity(with_a_default, 1, times=2, expected_type=int)
    yield context.call_activity(with_a_default, 1, int)
    yield context.call_activity(several, 1, 2, 3, 4, label="a", other="b")
    yield context.call_activity_with_retry(several, df.RetryOptions(1, 2), 1, times=2, label="a")
    yield context.call_activity(knows_itself, 1)
    yield context.call_activity(knows_itself, 1, times=2)
    yield context.call_activity(with_a_context, 1)
    yield context.call_activity(only_a_context)
    yield context.call_activity(no_input)
    yield context.call_activity(no_input, None)
    yield context.call_sub_orchestrator("child", 1, "child-1", "2")
    yield context.call_activity_with_retry("ship", df.RetryOptions(1, 2), 1)


@bp.orchestration_trigger("context")
def attributes(context):
    context.note = "mine"
    yield context.call_activity("ship", [context.note, context.version, context.parent_instance_id])
    return [context.is_replaying, context.will_continue_as_new, len(context.histories)]


@bp.orchestration_trigger("ctx")
def context_by_another_name(ctx):
    yield ctx.call_activity("ship")
    while True:
        ctx.continue_as_new(1)
        yield ctx.create_timer(hours_later(ctx, 1))


@bp.orchestration_trigger("context")
def matched(context):
    match context.get_input():
        case {"kind": "order", "number": number}:
            yield context.call_activity("ship", number)
        case [first, *_]:
            yield context.call_activity("ship", first)
        case _:
            return None


@bp.orchestration_trigger("context")
def silenced(context):
    begun = datetime.now()  # durable: ignore[DNB101]
    yield context.call_activity(
        "ship",
        [random.random(), begun.isoformat()],  # durable: ignore[DNB101, DNB102]
    )


@bp.orchestration_trigger("context")
def caught(context):
    try:
        yield context.call_activity("ship")
    except (OSError, ValueError) as error:
        return str(error)
    finally:
        context.signal_entity(df.EntityId("Counter", "a"), "add", 1)


@bp.orchestration_trigger("context")
def sorted_by_key(context):
    orders = sorted(context.get_input(), key=lambda order: (order["city"], -order["number"]))
    yield context.task_all([context.call_activity("ship", order) for order in orders])


def plain(context):
    return 2 * context.get_input()


plain_main = df.Orchestrator.create(plain)


@bp.orchestration_trigger(context_name="context")
def event_of_a_notebook(context):
    data = yield context.wait_for_external_event("Approval")
    return data["approved"], data.get("by"), data == "yes"


@bp.orchestration_trigger(context_name="context")
def event_of_either_kind(context):
    data = yield context.wait_for_external_event("Approval")
    if isinstance(data, str):
        data = json.loads(data)
    task = context.wait_for_external_event("Approval")
    yield task
    second = json.loads(task.result) if isinstance(task.result, str) else task.result
    third = yield context.wait_for_external_event("Approval")
    try:
        third = json.loads(third)
    except TypeError:
        pass
    return [data, second["approved"], third]


@bp.orchestration_trigger(context_name="context")
def event_of_a_type(context):
    text = yield context.wait_for_external_event("Approval", expected_type=str)
    return json.loads(text)


# -- waits in rounds ----------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def one_wait_for_all_rounds(context):
    approval = context.wait_for_external_event("Approval")
    for _ in range(3):
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        if (yield context.task_any([approval, timer])) is approval:
            return approval.result
    return None


@bp.orchestration_trigger("context")
def rounds_that_end_with_the_timer(context):
    end = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    taken = []
    while True:
        event = context.wait_for_external_event("Go")
        winner = yield context.task_any([event, end])
        if winner is end:
            return taken
        taken.append(event.result)


@bp.orchestration_trigger("context")
def rounds_that_end_without_the_event(context):
    while True:
        event = context.wait_for_external_event("Go")
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        yield context.task_any([event, timer])
        if not event.is_completed:
            break
        timer.cancel()
        yield context.call_activity("ship", event.result)


@bp.orchestration_trigger("context")
def a_wait_that_is_given_up(context):
    for _ in range(3):
        event = context.wait_for_external_event("Go")
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        if (yield context.task_any([event, timer])) is timer:
            event.cancel()


@bp.orchestration_trigger("context")
def files_that_are_none(context):
    text = yield context.call_activity("fetch", 1)
    frame = pd.read_csv(io.StringIO(text))
    buffer = io.BytesIO()
    with pd.ExcelWriter(buffer) as writer:
        frame.to_excel(writer)
    yield context.call_activity("ship", len(frame))


@bp.orchestration_trigger("context")
def tasks_by_their_ids(context):
    tasks = [context.call_activity("ship", n) for n in range(3)]
    numbers = {id(task): n for n, task in enumerate(tasks)}
    winner = yield context.task_any(tasks)
    return numbers[id(winner)]
