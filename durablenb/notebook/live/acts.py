"""What a page can ask for of the instance that a view shows: what its handle does."""

from __future__ import annotations

from typing import Any

from durablenb.notebook.live.parts import typed
from durablenb.notebook.live.sight import Sight


class Acts:
    """The actions of an instance's live view."""

    _sight: Sight

    def do_open(self, id: str = "", **_: Any) -> None:
        """Show another instance."""
        raise NotImplementedError

    def do_back(self, **_: Any) -> None:
        """Show the instance before, if there was one."""
        raise NotImplementedError

    def do_raise(self, name: str = "", fields: Any = None, **_: Any) -> None:
        """Raise an external event: what was typed is JSON, or else text."""
        data = typed((fields or {}).get("data", ""))
        self._sight.instance.raise_event(name, data)

    def do_terminate(self, **_: Any) -> None:
        """End the orchestration."""
        self._sight.instance.terminate("from the live view")

    def do_suspend(self, **_: Any) -> None:
        """Let it rest."""
        self._sight.instance.suspend("from the live view")

    def do_resume(self, **_: Any) -> None:
        """Let it go on."""
        self._sight.instance.resume("from the live view")

    def do_rewind(self, **_: Any) -> None:
        """Do what failed once more."""
        self._sight.instance.rewind("from the live view")

    def do_restart(self, **_: Any) -> None:
        """Start it once more, and show the new instance."""
        self.do_open(id=self._sight.instance.restart().id)

    def do_purge(self, **_: Any) -> None:
        """Delete it."""
        self._sight.instance.purge()
        self.do_back()

    def do_jump(self, **_: Any) -> None:
        """Move a virtual clock to the next deadline."""
        self._sight.clock.jump()

    def do_idle(self, **_: Any) -> None:
        """Move a virtual clock until nothing is due any more."""
        self._sight.clock.run_until_idle()

    def do_advance(self, fields: Any = None, **_: Any) -> None:
        """Move a virtual clock by so many hours."""
        hours = str((fields or {}).get("hours", "")).strip()
        try:
            self._sight.clock.advance(hours=float(hours))
        except (ValueError, OverflowError):
            raise ValueError(f"Give a number of hours, such as 72 or 0.5, not {hours!r}.") from None
