"""The clock of a hub: moving it lets all that becomes due happen, in order, before the call returns."""

from __future__ import annotations

from datetime import datetime, timedelta

from durablenb.core.activity_context import current_activity
from durablenb.engine import locks
from durablenb.engine.clocks import VirtualClock, duration_from
from durablenb.engine.engine import Engine
from durablenb.engine.messages import Watch
from durablenb.engine.waiting import CHECK_SECONDS
from durablenb.model.display import Card, Displayed
from durablenb.model.errors import DurableError, WaitTimeoutError

PAUSE_SECONDS = 0.002
"""Seconds between two checks whether a hub with a thread of its own has come to rest."""

MOST_DEADLINES = 10_000
"""The most deadlines that `run_until_idle` passes."""


class HubClock(Displayed):
    """The clock of a hub; `TaskHub.clock` gives it. A virtual one can be moved.

    When you move it, everything happens that becomes due, deadline by deadline: a timer fires at its own
    time, not at the end of the jump, and what its orchestration then requests has happened when the call
    returns.

    Examples
    --------
    >>> import durablenb as df
    >>> from datetime import timedelta
    >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    >>> @hub.orchestrator
    ... def remind(context):
    ...     for day in (1, 2, 3):
    ...         yield context.create_timer(context.current_utc_datetime + timedelta(days=1))
    ...         context.set_custom_status(day)
    ...     yield context.wait_for_external_event("Answer")
    >>> handle = hub.start(remind)
    >>> hub.clock.advance(hours=50)
    >>> handle.status().custom_status, hub.clock.now().isoformat()
    (2, '2026-01-03T02:00:00+00:00')
    >>> hub.clock.run_until_idle()
    datetime.timedelta(seconds=79200)
    >>> handle.status().custom_status
    3
    >>> hub.close()
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def now(self) -> datetime:
        """Return the time, UTC."""
        return self._engine.clock.now()

    @property
    def can_be_moved(self) -> bool:
        """True if it is a virtual clock."""
        return isinstance(self._engine.clock, VirtualClock)

    def next_due(self) -> datetime | None:
        """Return when the next timer or start is due; None if nothing is."""
        alarms = self._engine.alarms
        dues = (self._engine.next_due(), None if alarms is None else alarms.next_due())
        return min((due for due in dues if due is not None), default=None)

    def advance(self, duration: timedelta | None = None, /, **parts: float) -> None:
        """Move the clock; all that becomes due by then happens before this returns.

        Parameters
        ----------
        duration
            How far.
        **parts
            Or what `datetime.timedelta` takes: ``hours=72``, ``seconds=1.5``.

        Raises
        ------
        DurableError
            If it isn't a virtual clock: the machine's clock can't be moved. In an activity of the hub: the
            call would wait for the activity's own end.
        ValueError
            If it would move back.
        TypeError
            If it isn't a duration.
        """
        clock, length = self._virtual(), duration_from(duration, parts)
        if length < timedelta():
            raise ValueError(f"A hub's clock only goes forward; it can't be moved by {length}.")
        self._settle()
        end = clock.now() + length
        while (due := self.next_due()) is not None and due <= end:
            self._move_to(clock, due)
        self._move_to(clock, end)

    def jump(self) -> datetime | None:
        """Move the clock to the next deadline, let that happen, and return the time; None if nothing is due.

        Raises
        ------
        DurableError
            If it isn't a virtual clock.
        """
        clock = self._virtual()
        self._settle()
        due = self.next_due()
        if due is not None:
            self._move_to(clock, due)
        return None if due is None else clock.now()

    def run_until_idle(self) -> timedelta:
        """Let everything happen, however far the clock has to move; return how far it moved.

        Instances that are open afterwards wait for an external event, more code, or a client.

        Raises
        ------
        DurableError
            If it isn't a virtual clock.
        WaitTimeoutError
            If something is always due, as in a monitor that continues as new for ever.
        """
        clock = self._virtual()
        begun = clock.now()
        for _ in range(MOST_DEADLINES):
            self._settle()
            if self._engine.next_due() is None:  # timers of function apps have no end
                return clock.now() - begun
            self.jump()
        raise WaitTimeoutError(
            f"After {MOST_DEADLINES:,} deadlines something is still due, at {self.next_due()}: an "
            "orchestration runs for ever. Move the clock by a time: hub.clock.advance(hours=1)."
        )

    # -- inside ----------------------------------------------------------------------------------

    def _virtual(self) -> VirtualClock:
        refusal = self._engine.refusal()
        if refusal is not None:
            raise refusal
        activity = current_activity()
        if activity.key.partition(":")[0] == self._engine.store.hub_id:
            raise DurableError(
                f"The activity {activity.name!r} moves the clock of its own hub, which would wait until the "
                "activity has ended. Move the clock that the hub was opened with: clock.advance(seconds=60)."
            )
        clock = self._engine.clock
        if not isinstance(clock, VirtualClock):
            raise DurableError(
                "This hub uses the machine's clock, which can't be moved. Open it with a clock of its "
                "own: durablenb.TaskHub(path, clock=durablenb.VirtualClock())."
            )
        return clock

    def _move_to(self, clock: VirtualClock, moment: datetime) -> None:
        left = moment - clock.now()
        if left > timedelta():
            clock.advance(microseconds=left // timedelta(microseconds=1))
        self._settle()

    def _settle(self) -> None:
        """Wait until all has happened that can happen before time passes."""
        engine = self._engine
        if engine.alarms is not None:
            engine.alarms.settle()
        while not engine.is_threaded:
            if engine.step() is None:
                if engine.is_idle:
                    engine.committer.drain()
                    return
                engine.rest(CHECK_SECONDS)
        while True:
            engine.ask(Watch("")).result()  # all messages before this one are applied by then
            if engine.is_settled():
                return
            engine.committer.drain()
            locks.Event().wait(PAUSE_SECONDS)

    def _shown(self) -> Card:
        kind = "Virtual clock" if self.can_be_moved else "System clock"
        rows = [("time", self.now().isoformat() if self.can_be_moved else "the machine's, UTC")]
        due = self.next_due()
        if due is not None:
            rows.append(("next due", due.isoformat()))
        return Card(repr(self), kind, tuple(rows))

    def __repr__(self) -> str:
        return f"<clock of a hub: {self._engine.clock!r}>"
