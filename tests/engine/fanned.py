"""Calls of one activity, in a hub of their own and in any executor."""

import concurrent.futures
import multiprocessing
from contextlib import contextmanager

import durablenb as df


def fan(context):
    return (yield context.task_all([context.call_activity("work", one) for one in context.get_input()]))


@contextmanager
def fanned(function, inputs=("a",), *, mode="threads", **options):
    """Start a call of an activity for each input, and yield the handle."""
    with df.TaskHub(":memory:", mode=mode) as hub:
        hub.add_activity(function, "work", **options)
        hub.add_orchestrator(fan)
        yield hub.start(fan, list(inputs))


@contextmanager
def opened(executor):
    """Yield the executor of an activity: a pool if its name is given, all others as they are."""
    if executor == "pool":
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            yield pool
    elif executor == "process pool":
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            yield pool
    else:
        yield executor
