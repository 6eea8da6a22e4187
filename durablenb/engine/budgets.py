"""Refuses requests to language models once an orchestration, or one above it, has used up its budget."""

from __future__ import annotations

from collections.abc import Iterator

from durablenb.core.ports.store import Store
from durablenb.engine.completions import Completions
from durablenb.engine.jobs import ActivityJob
from durablenb.engine.locks import Promise
from durablenb.model.budgets import Budget, Usage
from durablenb.model.conversations import is_model_request
from durablenb.model.errors import BudgetExceededError
from durablenb.model.events import Event, ExecutionStarted, TaskCompleted, TaskFailed, TaskScheduled

Task = tuple[str, int]
"""An execution's id, and the id of one of its tasks."""


class Budgets:
    """Counts what the model requests of open instances use, for those of them that have a budget.

    Parameters
    ----------
    store
        The journal, from which an instance's count begins.
    completions
        Has the open instances, with the first events of their executions.

    Notes
    -----
    A refusal is a failure of the call in the journal, so that a replay needs no count.
    """

    def __init__(self, store: Store, completions: Completions) -> None:
        self._store = store
        self._completions = completions
        self._counts: dict[str, _Count] = {}

    def refusal(self, job: ActivityJob) -> BudgetExceededError | None:
        """Return why a call may not be made; None if it may, and then it counts as a request."""
        if not is_model_request(job.name, job.text):
            return None
        counts = list(self._shared_counts(job))
        for count in counts:
            if _task(job) not in count.requests and (limit := count.reached()) is not None:
                return BudgetExceededError(
                    f"{job.name} isn't called: {count.instance_id} has {limit}. Handle the error, or start "
                    "the orchestration with a larger budget."
                )
        for count in counts:
            count.requests.add(_task(job))
        return None

    def spent(self, job: ActivityJob, result: str) -> None:
        """Count what the answer to a request has used."""
        if is_model_request(job.name, job.text):
            for count in self._shared_counts(job):
                count.add(_task(job), result)

    def _shared_counts(self, job: ActivityJob) -> Iterator[_Count]:
        """Yield the counts of the instance and of those above it that have a budget."""
        instance_id: str | None = job.instance_id
        while instance_id is not None:
            started = self._completions.started(instance_id)
            budget = None if started is None else Budget.from_tags(started.tags)
            if budget is not None:
                yield self._count(instance_id, budget, job)
            instance_id = None if started is None or started.parent is None else started.parent.instance_id

    def _count(self, instance_id: str, budget: Budget, job: ActivityJob) -> _Count:
        found, outcome = self._counts.get(instance_id), self._completions.watch(instance_id)
        if found is not None and found.budget == budget and found.outcome is outcome:
            return found
        self._counts = {known: count for known, count in self._counts.items() if known in self._completions}
        count = self._counts[instance_id] = _Count(instance_id, budget, outcome)
        counted = self._read_run(count)
        for member in self._store.descendants([instance_id]):
            self._read_child(count, member, counted)
        if job.instance_id == instance_id:
            self._read_memory(count, job)
        return count

    def _read_run(self, count: _Count) -> set[str]:
        """Count an instance since its id was last used for a new start; return its executions since then."""
        records = self._store.records(count.instance_id)
        starts = (place for place, record in enumerate(records) if _begins_anew(record.event))
        current = records[max(starts, default=0) :]
        count.read((record.execution_id, record.event) for record in current)
        return {record.execution_id for record in current}

    def _read_child(self, count: _Count, instance_id: str, counted: set[str]) -> None:
        """Count the executions that counted ones have called, and add them to these."""
        records = self._store.records(instance_id)
        counted.update(
            record.execution_id
            for record in records
            if isinstance(record.event, ExecutionStarted)
            and record.event.parent is not None
            and record.event.parent.execution_id in counted
        )
        count.read((r.execution_id, r.event) for r in records if r.execution_id in counted)

    def _read_memory(self, count: _Count, job: ActivityJob) -> None:
        """Count what isn't on disk yet, such as a fork's past."""
        execution = getattr(job.instance, "execution", None)
        if execution is not None:
            count.read((job.execution_id, event) for event in execution.history)


class _Count:
    """The use of language models by an instance and its sub-orchestrations."""

    def __init__(self, instance_id: str, budget: Budget, outcome: Promise | None) -> None:
        self.instance_id = instance_id
        self.budget = budget
        self.outcome = outcome
        """The same for all generations of an instance; another one when its id is used again."""
        self.requests: set[Task] = set()
        self._used: dict[Task, Usage] = {}

    def add(self, task: Task, result: str) -> None:
        """Count an answer."""
        usage = Usage.of_answer(result)
        if usage is not None:
            self._used[task] = usage

    def read(self, events: Iterator[tuple[str, object]]) -> None:
        """Count the requests in a history that have ended."""
        scheduled: set[Task] = set()
        for execution_id, event in events:
            if isinstance(event, TaskScheduled):
                if is_model_request(event.name, event.input):
                    scheduled.add((execution_id, event.task_id))
            elif isinstance(event, (TaskCompleted, TaskFailed)):
                task = execution_id, event.task_id
                if task not in scheduled:
                    continue
                if isinstance(event, TaskCompleted):
                    self.requests.add(task)
                    if event.cached_from is None:
                        self.add(task, event.result)
                elif not event.failure.is_caused_by(BudgetExceededError):
                    self.requests.add(task)

    def reached(self) -> str | None:
        """Return the limit that is reached, in words; None if there is none."""
        budget, used = self.budget, list(self._used.values())
        if budget.requests is not None and len(self.requests) >= budget.requests:
            return f"made {len(self.requests):,} of {budget.requests:,} requests"
        tokens = sum(usage.input_tokens + usage.output_tokens for usage in used)
        if budget.tokens is not None and tokens >= budget.tokens:
            return f"used {tokens:,} of {budget.tokens:,} tokens"
        if budget.usd is None:
            return None
        unknown = next((usage.model for usage in used if budget.cost(usage) is None), None)
        if unknown is not None:
            return f"a budget in US dollars without a price for {unknown!r}"
        usd = sum(budget.cost(usage) or 0 for usage in used)
        return f"used {usd:.4g} of {budget.usd:.4g} US dollars" if usd >= budget.usd else None


def _begins_anew(event: Event) -> bool:
    return isinstance(event, ExecutionStarted) and not event.generation


def _task(job: ActivityJob) -> Task:
    return job.execution_id, job.task_id
