"""The commands of an instance's live view: those of its handle, and of a virtual clock."""

from __future__ import annotations

from typing import Any

from durablenb.hub.control import Control
from durablenb.hub.instance import Handle
from durablenb.journal.port import Journal
from durablenb.notebook.live.interactive import typed_value
from durablenb.notebook.live.widget import LiveView


class InstanceCommands(LiveView):
    """A live view whose buttons send commands to one instance; the journal is read right after a command."""

    _handle: Handle
    _journal: Journal
    _control: Control

    def do_raise(self, name: str = "", fields: Any = None, **_: Any) -> None:
        """Raise an external event; the typed data is JSON, or else text."""
        data = typed_value((fields or {}).get("data", ""))
        self._handle.raise_event(name, data)
        self._journal.refresh(self._handle.id)

    def do_cancel(self, **_: Any) -> None:
        """Request that the orchestration cancels itself."""
        self._handle.cancel("from the live view")
        self._journal.refresh(self._handle.id)

    def do_terminate(self, **_: Any) -> None:
        """Terminate the orchestration."""
        self._handle.terminate("from the live view")
        self._journal.refresh(self._handle.id)

    def do_suspend(self, **_: Any) -> None:
        """Suspend the orchestration."""
        self._handle.suspend("from the live view")
        self._journal.refresh(self._handle.id)

    def do_resume(self, **_: Any) -> None:
        """Resume the orchestration."""
        self._handle.resume("from the live view")
        self._journal.refresh(self._handle.id)

    def do_rewind(self, **_: Any) -> None:
        """Rewind the orchestration, to retry what failed."""
        self._handle.rewind("from the live view")
        self._journal.refresh(self._handle.id)

    def do_jump(self, **_: Any) -> None:
        """Move a virtual clock to the next deadline."""
        self._control.clock.jump()

    def do_idle(self, **_: Any) -> None:
        """Move a virtual clock until nothing is due."""
        self._control.clock.run_until_idle()

    def do_advance(self, fields: Any = None, **_: Any) -> None:
        """Move a virtual clock by a number of hours."""
        hours = str((fields or {}).get("hours", "")).strip()
        try:
            self._control.clock.advance(hours=float(hours))
        except (ValueError, OverflowError):
            raise ValueError(f"Give a number of hours, such as 72 or 0.5, not {hours!r}.") from None
