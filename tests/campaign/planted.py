"""Faults to be planted: a line of the code, what it is turned into, and the tests that must notice."""

from __future__ import annotations

from typing import NamedTuple


class Planted(NamedTuple):
    """A fault.

    Parameters
    ----------
    what
        What is wrong with it in place.
    file
        Where it goes.
    old, new
        The text that stands there once, and the faulty one.
    tests
        The nearest tests, as arguments of pytest.
    """

    what: str
    file: str
    old: str
    new: str
    tests: str


ENGINE = (
    Planted(
        "a timer set on an activity's thread doesn't wake the engine",
        "durablenb/engine/engine_loop.py",
        "        if is_needed:\n",
        "        if False:\n",
        "tests/traps/test_row_25_timers.py",
    ),
    Planted(
        "the heap of timers is no heap after a sweep",
        "durablenb/engine/timers.py",
        "            heapq.heapify(self._heap)\n",
        "",
        "tests/traps/test_row_25_timers.py",
    ),
    Planted(
        "a timer fires after its moment only",
        "durablenb/engine/timers.py",
        "due <= now",
        "due < now",
        "tests/traps/test_row_25_timers.py",
    ),
    Planted(
        "a cancelled timer fires",
        "durablenb/engine/timers.py",
        "return self.task_id is None or self.task_id in instance.pending",
        "return True",
        "tests/traps/test_row_06_event_against_timeout.py tests/traps/test_row_25_timers.py",
    ),
    Planted(
        "a late result is taken by the next execution",
        "durablenb/engine/state.py",
        "            or instance.execution_id != job.execution_id\n",
        "",
        "tests/traps/test_row_02_continue_as_new_generations.py",
    ),
    Planted(
        "a second result of one task is recorded",
        "durablenb/engine/state.py",
        "            or job.task_id not in instance.pending\n",
        "",
        "tests/traps/test_row_18_duplicates.py",
    ),
    Planted(
        "timers are not set again after a crash",
        "durablenb/engine/state.py",
        "self.timers.add(event.fire_at, instance, event.task_id)",
        "pass",
        "tests/traps/test_row_19_recovery.py tests/traps/test_row_25_timers.py",
    ),
    Planted(
        "code that kills the process is tried fifty times",
        "durablenb/engine/state.py",
        "POISON_LIMIT = 5\n",
        "POISON_LIMIT = 50\n",
        "tests/traps/test_row_20_interruptions.py",
    ),
    Planted(
        "orphaned critical sections stay locked after a crash",
        "durablenb/engine/state.py",
        "        self.entities.release_orphans()\n",
        "",
        "tests/traps/test_row_30_ends_of_critical_sections.py tests/entities",
    ),
    Planted(
        "a suspension is recorded and not kept",
        "durablenb/engine/commands.py",
        "            instance.is_suspended = True\n",
        "",
        "tests/traps/test_row_10_suspend.py",
    ),
    Planted(
        "continue_as_new drops the events that were not seen",
        "durablenb/engine/effects.py",
        "ended.mailbox.unprocessed() if ended else []",
        "[]",
        "tests/traps/test_row_01_continue_as_new_carries_events.py",
    ),
    Planted(
        "generations aren't counted",
        "durablenb/engine/effects.py",
        "generation=started.generation + 1",
        "generation=started.generation",
        "tests/traps/test_row_02_continue_as_new_generations.py tests/client/test_status.py",
    ),
    Planted(
        "a wait for an instance that has just ended is never answered",
        "durablenb/engine/completions.py",
        "            if instance_id not in self._open:\n",
        "            if False:\n",
        "tests/schedules tests/client/test_handle.py",
    ),
    Planted(
        "the next generation has no parent",
        "durablenb/engine/effects.py",
        "            parent=started.parent,\n",
        "",
        "tests/traps/test_row_02_continue_as_new_generations.py tests/traps/test_row_32_children.py",
    ),
    Planted(
        "a child answers a later execution of its parent",
        "durablenb/engine/effects.py",
        "or parent is None or parent.execution_id != link.execution_id",
        "or parent is None",
        "tests/traps/test_row_02_continue_as_new_generations.py",
    ),
    Planted(
        "one call too many of an activity with a cap",
        "durablenb/engine/call_queue.py",
        "self.running < self.concurrency",
        "self.running <= self.concurrency",
        "tests/engine/test_caps.py",
    ),
    Planted(
        "one call too many in a hub with a cap",
        "durablenb/engine/dispatcher.py",
        "limit - len(self._running)",
        "limit + 1 - len(self._running)",
        "tests/engine/test_caps.py",
    ),
    Planted(
        "an instance with one of that id open is started",
        "durablenb/engine/commands.py",
        'if message.instance_id in self._instances.open and message.if_exists != "restart":',
        "if False:",
        "tests/traps/test_row_17_ids.py tests/traps/test_row_18_duplicates.py",
    ),
    Planted(
        "a start that is to attach starts anew what has ended",
        "durablenb/engine/commands.py",
        'if message.if_exists == "attach":\n            state = state_of(message.instance_id)',
        "if False:\n            state = state_of(message.instance_id)",
        "tests/client/test_if_exists.py",
    ),
    Planted(
        "an instance that hasn't failed is rewound",
        "durablenb/engine/rewinds.py",
        "            if member.status is Status.Failed\n",
        "",
        "tests/traps/test_row_27_rewind_records.py",
    ),
    Planted(
        "suspending twice is recorded twice",
        "durablenb/engine/commands.py",
        "if instance is not None and not instance.is_suspended:",
        "if instance is not None:",
        "tests/traps/test_row_10_suspend.py",
    ),
    Planted(
        "a purge shares its transaction, and one that comes with it is lost",
        "durablenb/engine/committer.py",
        "return self._unsaved[:1]",
        "return self._unsaved[:2]",
        "tests/engine/test_committer.py",
    ),
    Planted(
        "a commit that died is repeated by another thread",
        "durablenb/engine/committer.py",
        "        if self._end is not None:\n            return\n",
        "        if False:\n            return\n",
        "tests/schedules/test_schedules.py",
    ),
    Planted(
        "an interrupt leaves a lock taken for ever",
        "durablenb/engine/locks.py",
        "                self._lock.release()\n            except RuntimeError:",
        "                pass\n            except RuntimeError:",
        "tests/engine/test_locks.py tests/faults/test_interrupts.py",
    ),
    Planted(
        "what a leading thread leaves over is committed by nobody",
        "durablenb/engine/committer.py",
        "                return\n        self.nudge()\n",
        "                return\n",
        "tests/schedules/test_schedules.py",
    ),
    Planted(
        "what is answered isn't on disk",
        "durablenb/engine/write_buffer.py",
        "self._batch.replies.append((reply, value))",
        "reply.set_result(value)",
        "tests/faults/test_disk_full.py",
    ),
)

CORE = (
    Planted(
        "a timer of the past turns the orchestration's time back",
        "durablenb/core/execution.py",
        "self.now = max(self.now, event.timestamp)  # even",
        "self.now = event.timestamp  # even",
        "tests/traps/test_row_25_timers.py",
    ),
    Planted(
        "names of events are compared with case",
        "durablenb/core/mailbox.py",
        "key = event.name.casefold()",
        "key = event.name",
        "tests/traps/test_row_03_04_05_external_events.py",
    ),
    Planted(
        "an event that a cancelled wait had is lost",
        "durablenb/core/mailbox.py",
        "self.deliver(task._give_back())",
        "task._give_back()",
        "tests/traps/test_row_03_04_05_external_events.py tests/traps/test_row_06_event_against_timeout.py",
    ),
    Planted(
        "a fork sets cancelled timers again",
        "durablenb/core/fork.py",
        "if event.settles is not None}",
        'if event.settles is not None and event.settlement != "canceled"}',
        "tests/changing/test_forks.py",
    ),
    Planted(
        "a rewind does again what had succeeded",
        "durablenb/core/rewind.py",
        'event.settlement == "completed" and getattr(event, "task_id", -1) in same_tasks',
        "False",
        "tests/traps/test_row_27_rewind.py",
    ),
    Planted(
        "a retry begins at the moment of the time limit",
        "durablenb/model/retries.py",
        "now >= began + ",
        "now > began + ",
        "tests/traps/test_row_13_retries.py",
    ),
    Planted(
        "one attempt too many",
        "durablenb/model/retries.py",
        "attempt >= self.max_number_of_attempts",
        "attempt > self.max_number_of_attempts",
        "tests/traps/test_row_13_retries.py",
    ),
    Planted(
        "entities are locked in the order in which they were named",
        "durablenb/core/locking.py",
        "tuple(sorted({checked_entity_id(entity) for entity in entities}))",
        "tuple(dict.fromkeys(checked_entity_id(entity) for entity in entities))",
        "tests/traps/test_row_30_critical_sections.py",
    ),
    Planted(
        "a locked entity is called twice at a time",
        "durablenb/core/locking.py",
        "if under_way is not None and not under_way.is_completed:",
        "if False:",
        "tests/traps/test_row_30_critical_sections.py",
    ),
    Planted(
        "the limit of actions isn't kept",
        "durablenb/core/replay_checker.py",
        "if self.requested > self._limit and not is_outcome:",
        "if False:",
        "tests/traps/test_row_35_limits.py",
    ),
    Planted(
        "a status forgets that the instance was suspended",
        "durablenb/model/events.py",
        "    status_after = Status.Suspended\n",
        "    status_after = None\n",
        "tests/store/test_conformance_states.py",
    ),
)

ENTITIES = (
    Planted(
        "what the owner of a lock asks for waits behind the others",
        "durablenb/engine/entities.py",
        "source = entity.queue if entity.lock is None else entity.owned",
        "source = entity.queue",
        "tests/traps/test_row_30_critical_sections.py",
    ),
    Planted(
        "what was not done of a batch is done in reverse",
        "durablenb/engine/entities.py",
        "left.extendleft(reversed(by_number.values()))",
        "left.extendleft(by_number.values())",
        "tests/traps/test_row_31_order_of_messages.py tests/traps/test_row_29_entities.py tests/entities",
    ),
    Planted(
        "a batch from before a recovery is taken for one of now",
        "durablenb/engine/entities.py",
        "if self._busy.get(entity.id) is not entity:",
        "if False:",
        "tests/traps/test_row_31_order_of_messages.py",
    ),
    Planted(
        "a state that didn't change is written again",
        "durablenb/engine/entities.py",
        "if result.state != entity.state:",
        "if True:",
        "tests/traps/test_row_29_entities.py tests/traps/test_row_29_states_and_later.py tests/entities",
    ),
    Planted(
        "a signal for later is done at once",
        "durablenb/engine/entities.py",
        "if deliver_at is not None and deliver_at > now:",
        "if False:",
        "tests/traps/test_row_29_states_and_later.py",
    ),
)

STORE = (
    Planted(
        "a granted lock is no news after a crash",
        "durablenb/store/statements.py",
        "{event_types(_ARRIVALS)}",
        "{event_types(kind for kind in _ARRIVALS if kind is not events.EntityLockGranted)}",
        "tests/store/test_conformance_open.py",
    ),
    Planted(
        "in memory a granted lock is still asked for",
        "durablenb/lab/memory_store.py",
        "elif event.settles is not None:",
        'elif event.settles is not None and type(event).__name__ != "EntityLockGranted":',
        "tests/store/test_conformance_open.py",
    ),
    Planted(
        "two processes hold one lock",
        "durablenb/store/lockfile.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        "tests/store/test_lockfile.py",
    ),
    Planted(
        "blobs that others refer to are deleted, or none is",
        "durablenb/store/tables.py",
        "    unused = blobs.free(writer, purged, parameters)\n",
        "    unused: list[str] = []\n",
        "tests/store/test_blobs.py",
    ),
    Planted(
        "of a purged past nothing stays",
        "durablenb/store/blobs.py",
        "{_OF_EXECUTIONS} and not list_contains($needed::bigint[], seq)",
        "{_OF_EXECUTIONS} and not list_contains($needed::bigint[], -seq)",
        "tests/store/test_conformance_generations.py",
    ),
    Planted(
        "what a fork shares its past with is purged",
        "durablenb/store/statements.py",
        " and execution_id not in ({_FORKED})",
        "",
        "tests/store/test_conformance_generations.py",
    ),
    Planted(
        "an entry is acknowledged before it is synced",
        "durablenb/store/log_file.py",
        "        self._sync()\n        self._end, self.position = ",
        "        self._end, self.position = ",
        "tests/faults/test_log_power.py",
    ),
    Planted(
        "a reader doesn't wait for the tables",
        "durablenb/store/durable_log.py",
        "        if self._applied < self._written:\n",
        "        if False:\n",
        "tests/store/test_durable_log.py",
    ),
    Planted(
        "the log begins again before the database has everything",
        "durablenb/store/durable_log.py",
        "        self._tables.checkpoint()  # most of the work, while others write\n",
        "        pass\n",
        "tests/store/test_durable_log.py tests/faults/test_log_power.py",
    ),
    Planted(
        "what the tables have is applied again after a crash",
        "durablenb/store/log_recovery.py",
        " or frame.position.number <= after.number:\n",
        ":\n",
        "tests/store/test_durable_log.py",
    ),
    Planted(
        "after a sync that failed the same file is written on",
        "durablenb/store/log_file.py",
        "            self.is_broken = True\n"
        "            raise _unwritable(self.path, error) from error\n\n"
        "    def _make_room",
        "            raise _unwritable(self.path, error) from error\n\n    def _make_room",
        "tests/store/test_durable_log.py",
    ),
    Planted(
        "another hub's log is applied",
        "durablenb/store/log_recovery.py",
        "    if header.hub != state.hub:\n",
        "    if False:\n",
        "tests/store/test_durable_log.py",
    ),
    Planted(
        "copies that went different ways are merged",
        "durablenb/store/log_recovery.py",
        "    if at_tables != state.position:\n",
        "    if False:\n",
        "tests/store/test_durable_log.py",
    ),
    Planted(
        "a blob that was purged counts as written",
        "durablenb/store/durable_log.py",
        "            self._waiting_blobs.clear()\n",
        "            pass\n",
        "tests/store/test_durable_log.py",
    ),
    Planted(
        "a commit whose answer got lost is applied twice",
        "durablenb/store/durable_log.py",
        "        left = [one for one in batch if one.position.number > last]\n",
        "        left = batch\n",
        "tests/store/test_durable_log.py",
    ),
    Planted(
        "a log without its database is deleted",
        "durablenb/store/lockfile.py",
        "        if orphans:\n",
        "        if False:\n",
        "tests/store/test_opening.py tests/store/test_lockfile.py",
    ),
)

SERVER = (
    Planted(
        "of several Host headers the first one counts",
        "durablenb/server/guard.py",
        "if len(hosts) == 1 else None",
        "if hosts else None",
        "tests/server/test_guard.py",
    ),
    Planted(
        "pages of other sites may ask",
        "durablenb/server/guard.py",
        'if any(origin.lower() != own for origin in headers.get(b"origin", [])):',
        "if False:",
        "tests/server/test_guard.py",
    ),
    Planted(
        "a path below the files of the page needs no key",
        "durablenb/server/guard.py",
        'if path in self._files and scope["method"] in ("GET", "HEAD"):',
        'if path.startswith(tuple(self._files)) and scope["method"] in ("GET", "HEAD"):',
        "tests/server/test_guard.py",
    ),
    Planted(
        "one view too many is open",
        "durablenb/server/sessions.py",
        "if len(self._open) >= SESSIONS:",
        "if len(self._open) > SESSIONS:",
        "tests/server/test_page.py",
    ),
)

PLANTED = (*ENGINE, *CORE, *ENTITIES, *STORE, *SERVER)
