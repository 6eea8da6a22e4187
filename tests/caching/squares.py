"""An activity that counts its calls, and an orchestrator that calls it."""

from pathlib import Path

from durablenb.model.events import TaskCompleted


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


def cached_from(handle):
    """Return the origins of the results of a history, by task."""
    return {
        event.task_id: event.cached_from for event in handle.history() if isinstance(event, TaskCompleted)
    }
