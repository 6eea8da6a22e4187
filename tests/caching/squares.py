"""Activities that count or hold up their calls, and orchestrators that call them."""

import threading
from pathlib import Path

import durablenb as df
from durablenb.model.events import TaskCompleted, TaskScheduled


class Counted:
    """Counts the calls that run, in whichever thread or process."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "runs"

    def note(self) -> None:
        with self.file.open("a") as file:
            file.write(".")

    @property
    def count(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0


def register(hub, runs, cache=True, name="square", **options):
    """Register an activity that counts its calls, and an orchestrator that calls it for each number."""
    file = runs.file

    def square(number):
        with file.open("a") as opened:
            opened.write(".")
        if number < 0:
            raise ValueError("negative")
        return number**2

    hub.add_activity(square, name, cache=cache, **options)

    @hub.orchestrator
    def squares(context):
        return (yield context.task_all([context.call_activity(name, n) for n in context.get_input()]))

    return squares


class Held:
    """An activity whose calls end when the test lets them."""

    def __init__(self):
        self.began, self.may_end = threading.Event(), threading.Event()
        self.ran = []
        self.failure = None
        """What the first call raises, if it is to fail."""

    def __call__(self, number):
        self.ran.append(number)
        self.began.set()
        assert self.may_end.wait(10)
        if self.failure is not None and len(self.ran) == 1:
            raise self.failure
        return number


def register_held(hub, **options):
    """Register an activity that is held up."""
    held = Held()
    hub.add_activity(held, "slow", cache=df.CachePolicy(by="input"), **options)
    return held


def wait_until_scheduled(handle):
    while not [event for event in handle.history() if isinstance(event, TaskScheduled)]:
        pass


def cached_from(handle):
    """Return the origins of the results of a history, by task."""
    return {
        event.task_id: event.cached_from for event in handle.history() if isinstance(event, TaskCompleted)
    }
