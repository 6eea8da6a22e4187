"""A queue with a rate for activities of some seeds, and what must hold when one of their calls begins."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from durablenb.core.registry import Activity, Registry
from durablenb.engine.jobs import ActivityJob
from durablenb.model.queues import Queue
from tests.simulation.audit import Audit
from tests.simulation.corpus import ACTIVITIES
from tests.simulation.scenario import Scenario

NARROW = Queue("narrow", 2, (3, timedelta(seconds=20)))


class Rationing:
    """The queue of a seed, if it has one.

    Parameters
    ----------
    seed
        Says whether there is one, without taking anything from the series of the other moves.
    scenario
        What may happen.
    audit
        Takes what is wrong.
    """

    def __init__(self, seed: int, scenario: Scenario, audit: Audit) -> None:
        self._has_queue = Random(f"queue {seed}").random() < 0.4
        # A clock that was set back counts starts again, and with pipelined durability a death loses some.
        self._is_exact = scenario.is_strict and "back" not in scenario.troubles
        self._audit = audit
        self._begun: list[datetime] = []

    def add_to(self, registry: Registry) -> None:
        """Let the activities that have no limit of their own wait in the queue."""
        if self._has_queue:
            registry.add_queue(NARROW)
            for name in list(registry.activities):
                registry.activities[name] = self.queued(registry.activities[name])

    def queued(self, activity: Activity) -> Activity:
        """The activity, in the queue if there is one."""
        if not self._has_queue or activity.max_concurrency is not None or activity.name.startswith("@"):
            return activity
        return replace(activity, queue=NARROW.name)

    def check(self, work: ActivityJob, running: Sequence[ActivityJob]) -> None:
        """Check the rules for a call that begins while others run."""
        if not self._has_queue or not _is_queued(work):
            return
        alike = [one for one in running if one.scope is work.scope and _is_queued(one) and one is not work]
        assert NARROW.concurrency is not None
        self._audit.check(len(alike) < NARROW.concurrency, "queue", "too many run at once", work.name)
        if work.started_at is not None and self._is_exact:
            count, period = NARROW.rate or (0, timedelta())
            self._begun = [*self._begun, work.started_at]
            inside = [begun for begun in self._begun if begun > work.started_at - period]
            self._audit.check(len(inside) <= count, "queue", "too many begin in one period", inside)


def _is_queued(work: ActivityJob) -> bool:
    return work.name in ACTIVITIES and ACTIVITIES[work.name].max_concurrency is None and work.name[0] != "@"
