"""Calls of one activity, in a hub of their own and in any executor."""

import concurrent.futures
import multiprocessing
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import durablenb as df


def fan(context):
    """Call the activity for each input at once."""
    return (yield context.task_all([context.call_activity("work", one) for one in context.get_input()]))


def add_fan(hub, function, **options):
    """Register the activity and its orchestrator."""
    hub.add_activity(function, "work", **options)
    hub.add_orchestrator(fan)


def run_all(hub, function, inputs, **options):
    """Return the results of one activity for all these inputs, called at once."""
    add_fan(hub, function, **options)
    return hub.run(fan, list(inputs))


@contextmanager
def fanned(function, inputs=("a",), *, mode="threads", **options):
    """Start a call of an activity for each input, and yield the handle."""
    with df.TaskHub(":memory:", mode=mode) as hub:
        add_fan(hub, function, **options)
        yield hub.start(fan, list(inputs))


def log_of(function, inputs=("a",), **options):
    """Return what calls of an activity with these inputs have printed, once they have ended."""
    with fanned(function, inputs, **options) as handle:
        handle.wait()
        return list(handle.logs())


def messages(lines, stream=None):
    return [line.message for line in lines if stream in (None, line.stream)]


def spawned(size):
    """A pool of processes of the standard library's."""
    return concurrent.futures.ProcessPoolExecutor(size, multiprocessing.get_context("spawn"))


def finish(hub):
    """Let a hub in mode kernel do all that it can do by now."""
    while hub.step() is not None:
        pass


def run_script(source, *arguments):
    """Run a script in a process of its own, and return what it printed and its complaints."""
    done = subprocess.run(
        [sys.executable, "-c", source, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    return done.stdout, done.stderr


class Here(concurrent.futures.Executor):
    """A user's own executor, which runs what it gets at once, in the thread that submits it."""

    def submit(self, function, /, *arguments):
        done = concurrent.futures.Future()
        try:
            done.set_result(function(*arguments))
        except BaseException as error:
            done.set_exception(error)
        return done


class Gauge:
    """Counts how many are inside at once, the most that ever were, and their threads."""

    def __init__(self):
        self.inside = self.most = 0
        self.threads = set()
        self._lock = threading.Lock()

    def __enter__(self):
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.threads.add(threading.current_thread().name)

    def __exit__(self, *_):
        with self._lock:
            self.inside -= 1
