"""The executor that a hub has on a cluster: it sends calls, follows them, and takes their answers."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from queue import Empty
from typing import Any
from uuid import uuid4

from durablenb.cluster.calls import Answer, Message, reports_in
from durablenb.cluster.connection import Connection, Listener
from durablenb.cluster.machine_clocks import MachineClocks
from durablenb.cluster.packing import PackedCall, Packer
from durablenb.cluster.quarantine import PROBATION_SECONDS, Quarantine
from durablenb.core.ports.executor import ActivityOutcome, Job
from durablenb.engine import locks
from durablenb.model.activities import Checkpoint, Report
from durablenb.model.errors import StoreError, WorkerLostError
from durablenb.model.logs import OutputLine
from durablenb.values.payload_files import PayloadFolder

log = logging.getLogger("durablenb")

CALLS_AT_ONCE = 1_000
"""How many calls are sent in one graph."""

BYTES_AT_ONCE = 4_000_000
"""How many bytes of calls are sent in one graph; Dask warns from 10 MB on."""

GATHER_PAUSE_SECONDS = 0.05
"""How long to wait for more answers, at most, before those that are there are fetched."""

SECONDS_FOR_EACH = 0.0005
"""The pause for each call whose answer isn't there: where few are left, each answer may be waited for."""

CANCEL_PAUSE_SECONDS = 0.01
"""How long to wait for more calls to cancel: as one is stopped, the next one of a queue would begin."""

RELEASE_PAUSE_SECONDS = 0.1
"""How long the cluster keeps calls whose outcome is on disk, so that they are released many at a time."""

PATIENCE_SECONDS = 0.5
"""How long other answers wait for a fetch; Dask may have to compute one of them again."""

RECORD_SECONDS = 5.0
"""How long closing waits until the last outcomes are on disk, so that the cluster can forget them."""

LOOK_SECONDS = 1.0
"""How often to look at all futures: when the connection breaks, no message says that they have ended."""

ENDS = frozenset(("finished", "error", "cancelled"))
"""The statuses of futures that have ended."""

TRIES = 5
"""How often a call is submitted again because the cluster lost it."""


@dataclass(eq=False)
class _Call:
    """A job on the cluster."""

    job: Job
    key: str
    future: Any = None
    worker: str | None = None
    """The worker that runs the call, as soon as it has reported that."""
    next_line: int = 0
    """The number of lines that this run has printed and the hub has received."""
    checkpoint: str | None = None
    losses: int = 0
    tries: int = 0
    has_ended: bool = False
    """True once the end of the future is noted."""
    is_over: bool = False


class ClusterSession:
    """An `Executor` on a cluster, for one hub.

    Parameters
    ----------
    connect
        Returns the connection, which gives messages to the session; called once.
    payloads
        The folder for large results; None if they come to the hub.
    allowed_losses
        How many workers a call may lose before it fails.

    Notes
    -----
    One thread does all but two things. The messages of running calls are taken in the connection's event
    loop. Answers are fetched there as well: that may take long if a worker that had an answer was lost.
    """

    def __init__(
        self,
        connect: Callable[[Listener], Connection],
        *,
        payloads: str | None,
        allowed_losses: int,
    ) -> None:
        self._cluster = connect(self._hear)
        self._payloads = payloads
        self._folder = ""
        self._allowed_losses = allowed_losses
        self._id = uuid4().hex
        self._calls: dict[str, _Call] = {}
        self._keys: dict[Job, str] = {}
        self._quarantine: Quarantine[_Call] = Quarantine(self._submit_again)
        self._unrecorded: set[str] = set()
        self._recorded: deque[str] = deque()
        self._is_release_due = False
        self._cancelled: deque[Job] = deque()
        self._is_cancel_due = False
        self._ended: deque[_Call] = deque()
        self._is_gather_due = False
        self._gathering_since: float | None = None
        self._clocks = MachineClocks()
        self._tasks: locks.Queue[Job | Callable[[], None] | None] = locks.Queue()
        self._thread: locks.Thread | None = None

    # -- the port --------------------------------------------------------------------------------

    def submit(self, job: Job) -> None:
        """Accept a job."""
        if self._thread is None:
            self._thread = locks.Thread(target=self._run, name="durablenb-cluster", daemon=True)
            self._thread.start()
        self._tasks.put(job)

    def cancel(self, job: Job) -> None:
        """Stop the function as far as the cluster can, and drop what it returns."""
        self._cancelled.append(job)
        if not self._is_cancel_due:
            self._is_cancel_due = True
            self._cluster.later(CANCEL_PAUSE_SECONDS, partial(self._tasks.put, self._cancel))

    def drop_unwanted(self) -> None:
        """Take back the calls that have not begun and aren't wanted any more."""
        self._tasks.put(self._drop_unwanted)

    def close(self, *, wait: bool) -> None:
        """End the session. Running calls continue on the cluster, and the next session joins them."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        end = locks.monotonic() + RECORD_SECONDS
        while wait and self._unrecorded and locks.monotonic() < end:
            locks.Event().wait(0.01)
        self._tasks.put(None)
        if wait:
            thread.join()

    # -- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        looked = locks.monotonic()
        while self._work():
            if locks.monotonic() - looked > LOOK_SECONDS:
                self._look()
                looked = locks.monotonic()
        self._do(self._release_recorded)
        self._cluster.close()
        self._calls.clear()
        self._keys.clear()

    def _work(self) -> bool:
        """Wait for the next tasks, and do them; return False after the last one."""
        is_open = True
        jobs: list[Job] = []
        for task in self._next_tasks():
            if task is None:
                is_open = False
            elif callable(task):
                self._submit(jobs)
                jobs = []
                self._do(task)
            else:
                jobs.append(task)
        self._submit(jobs)
        return is_open

    def _next_tasks(self) -> list[Job | Callable[[], None] | None]:
        try:
            tasks = [self._tasks.get(timeout=LOOK_SECONDS if self._calls else None)]
        except Empty:
            return []
        while len(tasks) < CALLS_AT_ONCE and not self._tasks.empty():
            tasks.append(self._tasks.get())
        return tasks

    def _do(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception as error:  # the scheduler has gone: all futures end, and that is dealt with
            log.debug("The %s cluster can't be reached: %s", self._cluster.system, error)

    # -- calls go --------------------------------------------------------------------------------

    def _submit(self, jobs: Sequence[Job]) -> None:
        wanted = [job for job in jobs if self._is_wanted(job)]
        if not wanted:
            return
        try:
            hub = wanted[0].hub_id
            self._cluster.open(hub)
            self._open_folder(hub)
        except Exception as error:
            for job in wanted:
                self._decline(job, self._no_cluster(error))
            return
        packer = Packer(self._cluster.topic, self._id, self._cluster.has_blob, self._folder)
        batch: list[tuple[_Call, PackedCall]] = []
        size = 0
        for job in wanted:
            call = self._call(job)
            try:
                packed = packer.pack(job, call.key, call.losses > 0, call.checkpoint)
            except BaseException as error:
                self._end(call)
                job.finish(job.codec.failure(error))
                continue
            if packed.is_large:
                self._send([call], partial(self._cluster.send_large, packed))
                continue
            if size + packed.weight > BYTES_AT_ONCE:
                self._send_batch(batch)
                batch, size = [], 0
            batch.append((call, packed))
            size += packed.weight
        self._send_batch(batch)

    def _open_folder(self, hub: str) -> None:
        if self._payloads is not None and not self._folder:
            folder = f"{self._payloads.rstrip('/')}/{hub}"
            PayloadFolder(folder).create()
            self._folder = folder

    def _is_wanted(self, job: Job) -> bool:
        if job.is_wanted:
            return True
        self._end_job(job)
        job.begin()
        return False

    def _known(self, job: Job) -> _Call | None:
        """Return the call of a job; None if another job has its key since, or it has ended."""
        call = self._calls.get(self._keys.get(job, ""))
        return call if call is not None and call.job is job else None

    def _call(self, job: Job) -> _Call:
        key = self._keys.get(job) or self._new_key(job)
        call = self._calls.get(key)
        if call is None or call.job is not job:
            call = self._calls[key] = _Call(job, key)
            self._keys[job] = key
        told = self._cluster.take_told(key)
        if told is not None:  # the process before this one has submitted it
            call.next_line = max(call.next_line, told["first"])
            self._hear(told)
        return call

    def _new_key(self, job: Job) -> str:
        """Return the name of a call on the cluster: the same one in each process that opens the hub.

        A retry has a task id of its own. After a rewind, another call may have the same one, so the name and
        the input count as well. Dask groups tasks by what is before the first hyphen.
        """
        info = job.info
        name, digest = info.name.replace("-", "_"), info.key.rpartition(":")[2]
        key = f"{name}-{job.hub_id}:{info.instance_id}:{info.execution_id}:{info.task_id}:{digest}"
        is_batch = info.instance_id.startswith("@")  # of an entity: the next process may make other batches
        return f"{key}:{uuid4().hex}" if is_batch else key

    def _send_batch(self, batch: Sequence[tuple[_Call, PackedCall]]) -> None:
        if batch:
            packed = [packed for _, packed in batch]
            self._send([call for call, _ in batch], partial(self._cluster.send, packed))

    def _send(self, several: Sequence[_Call], send: Callable[[], Sequence[Any]]) -> None:
        try:
            futures = send()
        except Exception as error:
            for call in several:
                self._end(call)
                call.job.decline(self._no_cluster(error))
            return
        for call, future in zip(several, futures, strict=True):
            if not call.is_over:
                call.future, call.has_ended = future, False
                self._note_end(call)  # its message may have come before the future was known

    # -- calls that aren't wanted any more --------------------------------------------------------

    def _cancel(self) -> None:
        self._is_cancel_due = False
        futures = {}
        for job in [self._cancelled.popleft() for _ in range(len(self._cancelled))]:
            call = self._known(job)
            if call is not None:
                futures[call.key] = call.future
                self._end(call)
                job.finish(None)
        if futures:
            self._cluster.cancel(futures)

    def _drop_unwanted(self) -> None:
        unwanted = {
            call.key: call
            for call in list(self._calls.values())
            if call.worker is None and not call.job.is_wanted
        }
        if not unwanted or not self._cluster.is_open:
            return
        for key in self._cluster.take_back(unwanted):
            call = unwanted.pop(key)
            self._end(call)
            call.job.finish(None)
        if unwanted:  # on a worker: those that have begun answer as ever, the others that they did not run
            self._cluster.revoke(self._id, unwanted)

    # -- messages of calls that run --------------------------------------------------------------

    def _hear(self, message: Message) -> None:
        """Take a message; in the connection's event loop, or in the thread before the call is sent."""
        for key in message.get("ended", ()):
            if key in self._calls:
                self._note_end(self._calls[key])
        call = self._calls.get(message.get("key", ""))
        if call is None or call.is_over or "worker" not in message:
            return
        if call.worker != message["worker"]:
            call.worker = message["worker"]
            if self._clocks.needs(message["node"]):
                self._tasks.put(partial(self._compare_clocks, message["node"], message["worker"]))
            ago = self._clocks.ago(message["began"], message["node"])
            if not call.job.begin(message["worker"], ago=ago, attempt=message["attempt"]):
                call.is_over = True  # nobody wants it, and it has given up its place
                self._tasks.put(partial(self._end, call))
                if call.job.is_cancelled:
                    self._tasks.put(partial(self._cluster.cancel, {call.key: call.future}))
                return
        self._take_reports(call, message.get("first", 0), message.get("lines", ()), reports_in(message))

    def _take_reports(
        self, call: _Call, first: int, lines: Iterable[Sequence[Any]], others: Iterable[Report]
    ) -> None:
        for number, line in enumerate(lines, first):
            if number >= call.next_line:
                call.job.report(OutputLine(*line))
                call.next_line = number + 1
        for report in others:
            call.job.report(report)
            if isinstance(report, Checkpoint):
                call.checkpoint = report.text

    def _compare_clocks(self, node: str, worker: str) -> None:
        if self._clocks.needs(node):
            self._clocks.measure(node, partial(self._cluster.worker_clock, worker))

    # -- answers come ----------------------------------------------------------------------------

    def _look(self) -> None:
        for call in list(self._calls.values()):
            self._note_end(call)

    def _note_end(self, call: _Call) -> None:
        """Note that a call has ended, if it has; in the event loop or in the thread."""
        future = call.future
        if call.is_over or call.has_ended or future is None or future.status not in ENDS:
            return
        call.has_ended = True
        if future.status == "finished":
            self._ended.append(call)
            if not self._is_gather_due:
                self._is_gather_due = True
                self._cluster.later(self._pause, self._gather)
        else:
            self._tasks.put(partial(self._failed, call, future))

    @property
    def _pause(self) -> float:
        return min(GATHER_PAUSE_SECONDS, SECONDS_FOR_EACH * max(len(self._calls) - len(self._ended), 1))

    def _gather(self) -> None:
        """Fetch the answers that are there, unless others are being fetched; in its event loop."""
        now = locks.monotonic()
        if not self._cluster.is_running:
            self._gathering_since = None
        elif self._gathering_since is not None and now - self._gathering_since < PATIENCE_SECONDS:
            self._cluster.later(self._pause, self._gather)
            return
        self._is_gather_due = False  # before the answers are counted: a later one is gathered later
        several = [self._ended.popleft() for _ in range(len(self._ended))]
        futures = {call.key: call.future for call in several if not call.is_over}
        if not futures:
            return
        if not self._cluster.is_running:
            self._tasks.put(partial(self._take, several, {}))
            return
        self._gathering_since = now

        def then(answers: dict[str, Any]) -> None:
            if self._gathering_since == now:
                self._gathering_since = None
            self._tasks.put(partial(self._take, several, answers))

        self._cluster.gather(futures, then)

    def _take(self, several: Sequence[_Call], answers: dict[str, Any]) -> None:
        for call in several:
            answer = answers.get(call.key)
            if call.is_over:
                continue
            if answer is None:
                self._failed(call, call.future)
            elif isinstance(answer, str):
                self._refuse(call, answer)
            else:
                self._answered(call, answer)

    def _answered(self, call: _Call, answer: Answer) -> None:
        if answer.outcome is None and call.job.is_wanted:  # the session before this one has revoked it
            self._leave(call)
            self._try_again(call)
            return
        if answer.session != self._id:
            call.job.joined()
        self._do(partial(self._compare_clocks, answer.node, answer.worker))
        ago = self._clocks.ago(answer.ended, answer.node)
        if answer.attempt > 1 and answer.attempt > call.job.info.attempt and call.job.is_wanted:
            # It was too short for a message.
            call.job.begin(answer.worker, ago=ago + answer.took, attempt=answer.attempt)
        self._take_reports(call, answer.first, answer.lines, answer.latest)
        self._record(call, answer.outcome, answer.worker, answer.took, ago)

    def _record(
        self,
        call: _Call,
        outcome: ActivityOutcome | None,
        worker: str | None,
        took: float | None = None,
        ago: float = 0.0,
    ) -> None:
        self._end(call)
        self._unrecorded.add(call.key)
        call.job.finish(outcome, worker, took=took, ago=ago, on_disk=partial(self._is_recorded, call))

    def _is_recorded(self, call: _Call) -> None:
        """Let the cluster forget a call whose outcome is on disk; from any thread."""
        self._recorded.append(call.key)
        self._unrecorded.discard(call.key)
        if not self._is_release_due:
            self._is_release_due = True
            self._cluster.later(RELEASE_PAUSE_SECONDS, partial(self._tasks.put, self._release_recorded))

    def _release_recorded(self) -> None:
        self._is_release_due = False
        keys = [self._recorded.popleft() for _ in range(len(self._recorded))]
        if keys:
            self._cluster.release(keys)

    def _end(self, call: _Call) -> None:
        """Stop following a call."""
        call.is_over = True
        if self._calls.get(call.key) is call:
            del self._calls[call.key]
        self._keys.pop(call.job, None)
        self._quarantine.remove(call)

    def _end_job(self, job: Job) -> None:
        call = self._known(job)
        if call is not None:
            self._end(call)

    # -- calls without an answer -----------------------------------------------------------------

    def _failed(self, call: _Call, future: Any) -> None:
        """Deal with a call whose worker, connection or scheduler was lost."""
        if call.is_over or call.future is not future:
            return
        error = future.exception() if future.status == "error" else None
        if error is None or not self._cluster.has_failed(call.key, future):
            self._cluster.note_loss()
            self._try_again(call)
            return
        worker = self._cluster.lost_worker(error)
        if worker is None:
            why = f"{type(error).__name__}: {_line(error)}"
            self._refuse(call, f"{self._cluster.system} can't run them ({why})")
        else:
            self._lost_worker(call, worker or call.worker)

    def _lost_worker(self, call: _Call, worker: str | None) -> None:
        """Run a call again that has lost its worker: the last time alone, among those that have."""
        call.losses += 1
        if call.losses > self._allowed_losses:
            lost = WorkerLostError(self._lost(call, worker))
            self._record(call, call.job.codec.failure(lost), worker)
            return
        self._leave(call)
        if call.worker is None and not call.job.begin(worker):  # it may have begun, and died at once
            self._end(call)
            return
        call.worker, call.next_line = None, 0
        if call.losses < self._allowed_losses:
            self._submit_again(call)
            return
        self._quarantine.remove(call)
        self._quarantine.add(call)
        if self._quarantine.is_waiting:
            look = partial(self._tasks.put, self._quarantine.look)
            self._cluster.later(PROBATION_SECONDS + 1, look)

    def _submit_again(self, call: _Call) -> None:
        self._tasks.put(call.job)

    def _try_again(self, call: _Call) -> None:
        """Submit a call again, which joins it if it still runs; give up if that doesn't help."""
        call.tries += 1
        if call.tries > TRIES:
            self._refuse(call, f"the {self._cluster.system} cluster has lost them again and again")
            return
        call.future = call.worker = None
        self._submit_again(call)

    def _refuse(self, call: _Call, why: str) -> None:
        self._end(call)
        self._leave(call)
        call.job.decline(why)

    def _decline(self, job: Job, why: str) -> None:
        self._end_job(job)
        job.decline(why)

    def _leave(self, call: _Call) -> None:
        """Have the cluster forget a call."""
        future, call.future = call.future, None
        with contextlib.suppress(Exception):
            self._cluster.forget({call.key: future})

    # -- what people are told ----------------------------------------------------------------------

    def _no_cluster(self, error: BaseException) -> str:
        if isinstance(error, StoreError):
            return str(error)
        why = f"{type(error).__name__}: {_line(error)}"
        return f"the {self._cluster.system} cluster can't be reached ({why})"

    def _lost(self, call: _Call, worker: str | None) -> str:
        many = f"{call.losses} workers were lost while they ran it"
        return (
            f"The call of {call.job.info.name!r} has no result: "
            f"{many if call.losses > 1 else 'its worker was lost'}, the last one was {worker or 'unknown'}. "
            "Either it ends its process (a library crashes, or the memory doesn't suffice), or the workers "
            "were killed for another reason; their logs say more. Retry the call with RetryOptions, or let "
            f"it lose more workers: {self._cluster.system}Executor(allowed_losses=...)."
        )


def _line(error: object) -> str:
    """Return an error's message in one line."""
    return " ".join(str(error).split())
