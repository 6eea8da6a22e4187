"""Orchestrators that a check has to object to, on the lines that say so."""

import asyncio
import concurrent.futures
import contextlib
import datetime as dt
import glob
import itertools
import json
import os
import pathlib
import platform
import random
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from random import choice
from time import sleep
from uuid import uuid4

import httpx
import numpy as np
import pandas as pd

import durablenb as df

bp = df.Blueprint()

CITIES = {"Tokyo", "Seattle", "London"}
CACHE: dict[str, int] = {}
SEEN: list[str] = []
QUEUE: deque[str] = deque()
NUMBERS = itertools.count()
COUNTS = Counter()
GENERATOR = random.Random(7)
NUMPY_GENERATOR = np.random.default_rng(7)
TOTAL = 0
clock = datetime.now


class Settings:
    """Something that is shared."""

    retries = 3


@bp.activity_trigger(input_name="city")
def say_hello(city):
    return f"Hello {city}!"


@bp.activity_trigger(input_name="city")
async def send_hello(city):
    return f"Hello {city}!"


@bp.activity_trigger(input_name="order")
def store(order):
    Path("orders.txt").write_text(str(order))


def no_input():
    return 1


def two_inputs(one, other):
    return one + other


def only_a_context(activity: df.ActivityContext):
    return activity.key


# -- helpers ------------------------------------------------------------------------------------------


def stamp():
    return datetime.now().isoformat()


def shuffled(items):
    random.shuffle(items)
    return items


def remembered(key):
    CACHE[key] = len(key)
    return key


def parts(context, items):
    for item in items:
        yield context.call_activity("ship", item)
    yield [1, 2]


async def parts_awaited(context):
    await context.call_activity("ship", 1)
    await asyncio.sleep(1)


# -- 1: the clock -------------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def clock_now(context):
    deadline = datetime.now() + timedelta(hours=1)  # finds DNB101
    yield context.create_timer(deadline)


@bp.orchestration_trigger("context")
def clock_by_module(context):
    yield context.call_activity("ship", dt.datetime.utcnow().isoformat())  # finds DNB101
    yield context.call_activity("ship", dt.datetime.now(dt.UTC).isoformat())  # finds DNB101


@bp.orchestration_trigger("context")
def clock_of_time(context):
    begun = time.time()  # finds DNB101
    yield context.call_activity("ship")
    return time.monotonic() - begun > 5  # finds DNB101


@bp.orchestration_trigger("context")
def clock_today(context):
    if date.today().weekday() < 5:  # finds DNB101
        yield context.call_activity("ship")


@bp.orchestration_trigger("context")
def clock_by_another_name(context):
    now = datetime.utcnow
    yield context.create_timer(now() + timedelta(days=1))  # finds DNB101
    yield context.create_timer(clock() + timedelta(days=1))  # finds DNB101


@bp.orchestration_trigger("context")
def clock_of_strftime(context):
    folder = time.strftime("%Y-%m-%d")  # finds DNB101
    yield context.call_activity("ship", folder)
    return time.localtime().tm_hour, time.ctime()  # finds DNB101


@bp.orchestration_trigger("context")
def clock_of_pandas(context):
    yield context.call_activity("ship", pd.Timestamp.now().isoformat())  # finds DNB101
    yield context.call_activity("ship", str(pd.Timestamp("now")))  # finds DNB101
    yield context.call_activity("ship", str(np.datetime64("today")))  # finds DNB101


@bp.orchestration_trigger("context")
def clock_in_a_helper(context):
    yield context.call_activity("ship", stamp())  # finds DNB101


@bp.orchestration_trigger("context")
def clock_imported_inside(context):
    from time import perf_counter

    import datetime as when

    yield context.call_activity("ship", perf_counter())  # finds DNB101
    yield context.call_activity("ship", when.date.today().isoformat())  # finds DNB101


@bp.orchestration_trigger("context")
def clock_in_an_inner_function(context):
    def is_late():
        return datetime.now().hour > 20  # finds DNB101

    if is_late():
        yield context.call_activity("ship")


@bp.orchestration_trigger("context")
async def clock_in_an_async_def(context):
    await context.call_activity("ship", datetime.today().isoformat())  # finds DNB101


# -- 1: chance ----------------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def chance_of_random(context):
    if random.random() < 0.1:  # finds DNB102
        yield context.call_activity("ship")
    yield context.call_activity("ship", choice(["a", "b"]))  # finds DNB102


@bp.orchestration_trigger("context")
def chance_with_a_seed(context):
    random.seed(7)  # finds DNB102
    yield context.call_activity("ship", random.randint(1, 6))  # finds DNB102


@bp.orchestration_trigger("context")
def chance_without_a_seed(context):
    dice = random.Random()  # finds DNB102
    yield context.call_activity("ship", dice.randint(1, 6))


@bp.orchestration_trigger("context")
def chance_of_a_shared_generator(context):
    yield context.call_activity("ship", GENERATOR.random())  # finds DNB102
    yield context.call_activity("ship", NUMPY_GENERATOR.integers(6))  # finds DNB102


@bp.orchestration_trigger("context")
def chance_of_numpy(context):
    order = np.random.permutation(10)  # finds DNB102
    generator = np.random.default_rng()  # finds DNB102
    yield context.call_activity("ship", [*order.tolist(), float(generator.random())])


@bp.orchestration_trigger("context")
def chance_of_secrets(context):
    yield context.call_activity("ship", secrets.token_hex(8))  # finds DNB102
    yield context.call_activity("ship", os.urandom(8).hex())  # finds DNB102


@bp.orchestration_trigger("context")
def chance_in_a_key(context):
    items = context.get_input()
    items.sort(key=lambda _: random.random())  # finds DNB102
    yield context.task_all([context.call_activity("ship", item) for item in items])


@bp.orchestration_trigger("context")
def chance_in_a_helper(context):
    for item in shuffled(context.get_input()):  # finds DNB102
        yield context.call_activity("ship", item)


@bp.orchestration_trigger("context")
def new_ids(context):
    yield context.call_activity("ship", str(uuid.uuid4()))  # finds DNB103
    yield context.call_activity("ship", uuid4().hex)  # finds DNB103
    yield context.call_activity("ship", uuid.uuid1().hex)  # finds DNB103


# -- 1: the order of sets, hash and id ----------------------------------------------------------------


@bp.orchestration_trigger("context")
def order_of_a_set(context):
    for city in {"Tokyo", "Seattle"}:  # finds DNB104
        yield context.call_activity("ship", city)
    for city in CITIES:  # finds DNB104
        yield context.call_activity("ship", city)


@bp.orchestration_trigger("context")
def order_of_unique_items(context):
    unique = set(context.get_input())
    tasks = [context.call_activity("ship", one) for one in unique]  # finds DNB104
    return (yield context.task_all(tasks))


@bp.orchestration_trigger("context")
def order_of_a_list_of_a_set(context):
    wanted = list({item["city"] for item in context.get_input()})  # finds DNB104
    return (yield context.call_activity("ship", wanted[0]))


@bp.orchestration_trigger("context")
def order_of_what_is_left(context):
    left = set(context.get_input()) - {"Tokyo"}
    first = left.pop()  # finds DNB104
    text = ", ".join(left)  # finds DNB104
    yield context.call_activity("ship", [first, text, next(iter(left))])  # finds DNB104


@bp.orchestration_trigger("context")
def order_of_keys_in_common(context):
    one, other = context.get_input()
    for key in one.keys() & other.keys():  # finds DNB104
        yield context.call_activity("ship", key)


@bp.orchestration_trigger("context")
def order_of_unpacking(context):
    first, second = {"Tokyo", "Seattle"}  # finds DNB104
    yield context.call_activity("ship", [first, second])
    yield context.call_activity("ship", [*CITIES])  # finds DNB104


@bp.orchestration_trigger("context")
def order_of_tasks_in_a_sum(context):
    tasks = sorted((context.call_activity("ship", one) for one in CITIES), key=str)  # finds DNB104
    return (yield context.task_all(tasks))


@bp.orchestration_trigger("context")
def order_of_a_set_that_grows(context):
    done = set()
    done |= {"a"}
    done.add("b")
    for one in enumerate(done):  # finds DNB104
        yield context.call_activity("ship", one)


@bp.orchestration_trigger("context")
def order_of_a_set_of_tasks(context):
    tasks = {context.call_activity("ship", one) for one in range(3)}
    return (yield context.task_all(tasks))  # finds DNB104


@bp.orchestration_trigger("context")
def hash_of_text(context):
    bucket = hash(context.instance_id) % 10  # finds DNB105
    yield context.call_activity("ship", bucket)


@bp.orchestration_trigger("context")
def id_of_an_object(context):
    items = context.get_input()
    yield context.call_activity("ship", id(items))  # finds DNB105


# -- 1: the machine -----------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def environment(context):
    url = os.environ["URL"]  # finds DNB106
    if os.getenv("DEBUG"):  # finds DNB106
        yield context.call_activity("ship", url)
    yield context.call_activity("ship", os.environ.get("HOME"))  # finds DNB106


@bp.orchestration_trigger("context")
def machine(context):
    yield context.call_activity("ship", [socket.gethostname(), platform.node()])  # finds DNB106
    yield context.call_activity("ship", [os.getpid(), os.getcwd()])  # finds DNB106
    yield context.call_activity("ship", sys.argv[1:])  # finds DNB106
    yield context.call_activity("ship", str(Path.cwd()))  # finds DNB106


# -- 2: what blocks, and what comes from outside ------------------------------------------------------


@bp.orchestration_trigger("context")
def files(context):
    with open("numbers.json") as file:  # finds DNB201
        numbers = json.load(file)
    yield context.task_all([context.call_activity("ship", number) for number in numbers])


@bp.orchestration_trigger("context")
def files_of_pathlib(context):
    folder = Path("data")
    text = (folder / "names.txt").read_text()  # finds DNB201
    if folder.joinpath("more").exists():  # finds DNB201
        yield context.call_activity("ship", text)
    for one in pathlib.Path("data").glob("*.csv"):  # finds DNB201
        yield context.call_activity("ship", one.name)


@bp.orchestration_trigger("context")
def files_of_os(context):
    for name in os.listdir("data"):  # finds DNB201
        yield context.call_activity("ship", name)
    if not os.path.exists("done"):  # finds DNB201
        shutil.copy("a", "b")  # finds DNB201
    yield context.call_activity("ship", glob.glob("*.csv"))  # finds DNB201
    yield context.call_activity("ship", tempfile.mkdtemp())  # finds DNB201


@bp.orchestration_trigger("context")
def tables(context):
    frame = pd.read_csv("numbers.csv")  # finds DNB201
    yield context.call_activity("ship", len(frame))
    frame.to_parquet("numbers.parquet")  # finds DNB201
    np.save("numbers.npy", np.arange(3))  # finds DNB201


@bp.orchestration_trigger("context")
def databases(context):
    connection = sqlite3.connect("orders.db")  # finds DNB201
    rows = connection.execute("select * from orders").fetchall()
    yield context.task_all([context.call_activity("ship", row) for row in rows])


@bp.orchestration_trigger("context")
def file_written_by_a_helper(context):
    store(context.get_input())  # finds DNB208
    yield context.call_activity("ship")


@bp.orchestration_trigger("context")
def network(context):
    answer = httpx.get("https://example.org")  # finds DNB202
    yield context.call_activity("ship", answer.json())
    with urllib.request.urlopen("https://example.org") as page:  # finds DNB202
        yield context.call_activity("ship", page.read().decode())


@bp.orchestration_trigger("context")
async def network_awaited(context):
    async with httpx.AsyncClient() as client:  # finds DNB202
        answer = await client.get("https://example.org")  # finds DNB202
    await context.call_activity("ship", answer.text)


@bp.orchestration_trigger("context")
def sleeping(context):
    while not (yield context.call_activity("is_ready")):
        time.sleep(5)  # finds DNB203
    sleep(1)  # finds DNB203


@bp.orchestration_trigger("context")
def sleeping_awaited(context):
    yield asyncio.sleep(5)  # finds DNB203
    yield context.call_activity("ship")


@bp.orchestration_trigger("context")
def threads(context):
    thread = threading.Thread(target=print)  # finds DNB204
    thread.start()
    yield context.call_activity("ship")
    with ThreadPoolExecutor() as pool:  # finds DNB204
        results = list(pool.map(len, ["a", "b"]))  # finds DNB204
    return results


@bp.orchestration_trigger("context")
def processes(context):
    subprocess.run(["make"], check=True)  # finds DNB204
    yield context.call_activity("ship")
    os.system("make clean")  # finds DNB204
    concurrent.futures.wait([])  # finds DNB204


@bp.orchestration_trigger("context")
def own_tasks(context):
    tasks = [asyncio.create_task(work()) for _ in range(3)]  # finds DNB205
    asyncio.gather(*tasks)  # finds DNB205
    yield asyncio.wait_for(context.call_activity("ship"), 5)  # finds DNB205


@bp.orchestration_trigger("context")
async def beyond_its_loop(context):
    await asyncio.to_thread(time.time)  # finds DNB204
    await asyncio.open_connection("localhost", 80)  # finds DNB202
    asyncio.run_coroutine_threadsafe(work(), asyncio.new_event_loop())  # finds DNB205
    calls = [context.call_activity("ship", number) for number in range(3)]
    await asyncio.wait(calls)  # finds DNB205
    await asyncio.gather(clocked(context))  # finds DNB101


async def clocked(context):
    return time.time()


async def work():
    return 1


@bp.orchestration_trigger("context")
def own_loop(context):
    value = asyncio.run(work())  # finds DNB205
    yield context.call_activity("ship", value)


@bp.orchestration_trigger("context")
def asking(context):
    if input("Ship it? ") == "y":  # finds DNB207
        yield context.call_activity("ship")


# -- 3: state outside ---------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def global_set(context):
    global TOTAL
    TOTAL = yield context.call_activity("ship")  # finds DNB301


@bp.orchestration_trigger("context")
def global_counted(context):
    global TOTAL
    TOTAL += 1  # finds DNB301
    yield context.call_activity("ship", TOTAL)


@bp.orchestration_trigger("context")
def shared_dict(context):
    key = context.get_input()
    if key not in CACHE:
        CACHE[key] = yield context.call_activity("ship", key)  # finds DNB302
    return CACHE.pop(key)  # finds DNB302


@bp.orchestration_trigger("context")
def shared_list(context):
    SEEN.append(context.instance_id)  # finds DNB302
    QUEUE.appendleft(context.instance_id)  # finds DNB302
    COUNTS["calls"] += 1  # finds DNB302
    del SEEN[0]  # finds DNB302
    yield context.call_activity("ship", len(SEEN))


@bp.orchestration_trigger("context")
def shared_class(context):
    Settings.retries -= 1  # finds DNB302
    shared_class.calls = 1  # finds DNB302
    yield context.call_activity("ship", Settings.retries)


@bp.orchestration_trigger("context")
def shared_iterator(context):
    yield context.call_activity("ship", next(NUMBERS))  # finds DNB302


@bp.orchestration_trigger("context")
def shared_default(context, seen=[]):  # noqa: B006
    seen.append(context.instance_id)  # finds DNB302
    yield context.call_activity("ship", len(seen))


@bp.orchestration_trigger("context")
def shared_by_a_helper(context):
    yield context.call_activity("ship", remembered("a"))  # finds DNB302


@bp.orchestration_trigger("context")
def only_in_the_first_run_but_kept(context):
    seen = []
    if not context.is_replaying:
        seen.append(random.random())  # finds DNB102
    begun = None
    if not context.is_replaying:
        begun = time.time()  # finds DNB101
    yield context.call_activity("ship", [seen, begun])


@bp.orchestration_trigger("context")
def after_a_block(context):
    with contextlib.suppress(ValueError):
        return context.get_input()
    yield context.call_activity("ship", time.time())  # finds DNB101


# -- 4: tasks -----------------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def forgotten(context):
    context.call_activity("ship", 1)  # finds DNB401
    context.create_timer(context.current_utc_datetime + timedelta(days=1))  # finds DNB401
    yield context.call_activity("ship", 2)


@bp.orchestration_trigger("context")
def kept_and_forgotten(context):
    first = context.call_activity("ship", 1)
    second = context.call_activity("ship", 2)  # finds DNB401
    return (yield first)


@bp.orchestration_trigger("context")
def listed_and_forgotten(context):
    tasks = []
    for number in range(3):
        tasks.append(context.call_activity("ship", number))  # finds DNB401
    yield context.call_activity("done")


@bp.orchestration_trigger("context")
def comprehended_and_forgotten(context):
    [context.call_activity("ship", number) for number in range(3)]  # finds DNB401
    yield context.call_activity("done")


@bp.orchestration_trigger("context")
async def not_awaited(context):
    context.call_sub_orchestrator("child", 1)  # finds DNB401
    await context.call_activity("ship")


@bp.orchestration_trigger("context")
def entity_not_waited_for(context):
    context.entity("Account", "a").deposit(5)  # finds DNB401
    yield context.call_activity("ship")


@bp.orchestration_trigger("context")
def part_without_from(context):
    parts(context, [1, 2])  # finds DNB401
    yield parts(context, [1, 2])  # finds DNB402


@bp.orchestration_trigger("context")
async def part_not_awaited(context):
    parts_awaited(context)  # finds DNB401
    await context.call_activity("ship")


@bp.orchestration_trigger("context")
def list_waited_for(context):
    yield [context.call_activity("ship", number) for number in range(3)]  # finds DNB402
    tasks = []
    tasks.append(context.call_activity("ship"))
    return (yield tasks)  # finds DNB402


@bp.orchestration_trigger("context")
def constants_waited_for(context):
    yield 5  # finds DNB402
    yield "ship"  # finds DNB402
    yield  # finds DNB402
    yield context.get_input()  # finds DNB402


@bp.orchestration_trigger("context")
def signal_waited_for(context):
    yield context.signal_entity(df.EntityId("Counter", "a"), "add", 1)  # finds DNB402
    yield context.set_custom_status("half")  # finds DNB402


@bp.orchestration_trigger("context")
def activity_called_directly(context):
    greeting = say_hello("Tokyo")  # finds DNB208
    yield context.call_activity("say_hello", greeting)
    yield say_hello("Oslo")  # finds DNB208
    known_as = say_hello
    again = known_as("Rome")  # finds DNB208
    yield again  # finds DNB402


@bp.orchestration_trigger("context")
def activity_called_in_a_helper(context):
    yield context.call_activity("say_hello", greets("Tokyo"))  # finds DNB208


def greets(city):
    return say_hello(city) + "!"


@bp.orchestration_trigger("context")
async def async_activity_called_directly(context):
    return await send_hello("Tokyo")  # finds DNB208


@bp.orchestration_trigger("context")
def span_waited_for(context):
    yield timedelta(minutes=5)  # finds DNB402


@bp.orchestration_trigger("context")
async def yield_in_an_async_def(context):
    yield context.call_activity("ship")  # finds DNB402


@bp.orchestration_trigger("context")
async def list_awaited(context):
    await [context.call_activity("ship", number) for number in range(3)]  # finds DNB402


@bp.orchestration_trigger("context")
def wrong_in_a_part(context):
    yield from parts(context, [1])  # finds DNB402


@bp.orchestration_trigger("context")
def endless(context):
    while True:  # finds DNB403
        yield context.call_activity("poll")
        yield context.create_timer(context.current_utc_datetime + timedelta(minutes=1))


@bp.orchestration_trigger("context")
def endless_with_an_inner_break(context):
    while 1:  # finds DNB403
        for item in (yield context.call_activity("poll")):
            if item is None:
                break
            yield context.call_activity("ship", item)


@bp.orchestration_trigger("context")
def endless_count(context):
    for number in itertools.count():  # finds DNB403
        yield context.call_activity("ship", number)


@bp.orchestration_trigger("context")
def arguments(context):
    yield context.call_activity()  # finds DNB404
    yield context.call_activity("ship", "one", expected_type="other")  # finds DNB404
    yield context.call_sub_orchestrator("child", 1, "id", "1.0", int, 5)  # finds DNB404
    yield context.call_sub_orchestrator("child", input=1)  # finds DNB404
    yield context.call_activity_with_retry("ship", {"order": 1})  # finds DNB404


@bp.orchestration_trigger("context")
def moments(context):
    yield context.create_timer(60)  # finds DNB404
    yield context.create_timer(timedelta(minutes=1))  # finds DNB404


@bp.orchestration_trigger("context")
def single_task(context):
    yield context.task_all(context.call_activity("ship"))  # finds DNB404
    yield context.task_any(context.call_activity("ship"), context.call_activity("store"))  # finds DNB404


@bp.orchestration_trigger("context")
def parameters(context):
    yield context.call_activity(no_input, 5)  # finds DNB405
    yield context.call_activity(two_inputs, 1)  # finds DNB405
    yield context.call_activity(two_inputs, [1, 2])  # finds DNB405
    yield context.call_activity(two_inputs, 1, 2, 3)  # finds DNB405
    yield context.call_activity(two_inputs, 1, another=2)  # finds DNB405
    yield context.call_activity(two_inputs, 1, 2, one=3)  # finds DNB405
    yield context.call_activity_with_retry(no_input, df.RetryOptions(1, 2), 1, other=2)  # finds DNB405
    yield context.call_activity(only_a_context, 1)  # finds DNB405


@bp.orchestration_trigger("context")
def waits_anew(context):
    for _ in range(3):
        approval = context.wait_for_external_event("Approval")  # finds DNB406
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        winner = yield context.task_any([approval, timer])
        if winner == approval:
            timer.cancel()
            return approval.result


@bp.orchestration_trigger("context")
def waits_anew_in_place(context):
    taken = []
    while len(taken) < 3:
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        winner = yield context.task_any([timer, context.wait_for_external_event("Go")])  # finds DNB406
        if winner is timer:
            yield context.call_activity("ship")
        else:
            taken.append(winner.result)
    return taken


@bp.orchestration_trigger("context")
def waits_anew_for_two(context):
    for _ in range(3):
        go = context.wait_for_external_event("Go")  # finds DNB406
        stop = context.wait_for_external_event("Stop")
        winner = yield context.task_any([go, stop])
        if winner is stop:
            yield context.call_activity("ship")
        if winner is go:
            return


# -- 5: names -----------------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def members(context):
    yield context.call_activty("ship")  # finds DNB504
    yield context.callActivity("ship")  # finds DNB504
    return context.input  # finds DNB504


# -- what isn't found ---------------------------------------------------------------------------------


@bp.orchestration_trigger("context")
def hidden_in_a_table(context):
    sources = {"now": datetime.now, "then": lambda: None}
    yield context.call_activity("ship", sources["now"]().isoformat())  # misses DNB101


@bp.orchestration_trigger("context")
def hidden_in_map(context):
    yield context.call_activity("ship", list(map(random.choice, [[1, 2], [3, 4]])))  # misses DNB102


@bp.orchestration_trigger("context")
def hidden_two_calls_deep(context):
    yield context.call_activity("ship", stamped_again())  # finds DNB101


def stamped_again():
    return stamp()


@bp.orchestration_trigger("context")
def hidden_behind_an_alias(context):
    cache = CACHE
    cache["a"] = 1  # misses DNB302
    yield context.call_activity("ship")


@bp.orchestration_trigger("context")
def hidden_in_a_dict_of_a_set(context):
    prices = {city: 1 for city in CITIES}  # misses DNB104
    for city in prices:
        yield context.call_activity("ship", city)


@bp.orchestration_trigger("context")
def hidden_in_a_method(context):
    yield context.call_activity("ship", Watch().read())  # misses DNB101


class Watch:
    """A clock of one's own."""

    def read(self):
        return time.time()


@bp.orchestration_trigger(context_name="context")
def event_that_is_taken_for_text(context):
    first = yield context.wait_for_external_event("Approval")
    second = context.wait_for_external_event("Approval")
    yield second
    one = json.loads(first)  # finds DNB407
    return [one, json.loads(second.result), json.loads(second.get_result())]  # finds DNB407


@bp.orchestration_trigger("context")
def asks_only_the_first_time(context):
    if not context.is_replaying:
        yield context.call_activity("ship", 1)  # finds DNB408
        context.signal_entity(df.EntityId("Stock", "a"), "take", 1)  # finds DNB408
    yield context.call_activity("ship", 2)


def reads_the_clock():
    return in_between()


def in_between():
    return time.time()


@bp.orchestration_trigger("context")
def clock_two_calls_away(context):
    yield context.call_activity("ship", reads_the_clock())  # finds DNB101


def one_more():
    return reads_the_clock()


@bp.orchestration_trigger("context")
def clock_three_calls_away(context):
    yield context.call_activity("ship", one_more())  # finds DNB101


def too_far():
    return one_more()


@bp.orchestration_trigger("context")
def clock_four_calls_away(context):
    yield context.call_activity("ship", too_far())  # misses DNB101
