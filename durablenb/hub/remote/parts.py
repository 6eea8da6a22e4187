"""Parts of a remote journal that are kept up: the history of an instance, of an entity, of the whole hub."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from durablenb.hub.journal_source import Standing
from durablenb.hub.remote.link import Link
from durablenb.journal.replica.mirror import Mirror
from durablenb.journal.replica.passages import Passage
from durablenb.model.errors import DurableError, HubUnreachableError

WAIT = 20.0
"""Seconds that the server may wait for news."""

LINGER = 30.0
"""Seconds after which a part that nobody looks at is followed no longer."""

PAUSE = 1.0
"""Seconds between two tries to reach a server that doesn't answer."""

LIMIT = 1_000_000
"""Events of a hub that is looked at as a whole."""

FORMAT = Passage.format


class Part:
    """A part of a remote journal: a mirror of it, as it was when the server was last asked.

    Parameters
    ----------
    link
        The way to the server.
    instance_id
        Whose history; None for that of all instances, without long payloads.
    pause
        Waits so many seconds between two tries.
    """

    def __init__(
        self, link: Link, instance_id: str | None = None, *, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._link = link
        self._path = ("journal",) if instance_id is None else ("journal", instance_id)
        self._pause = pause
        self._turn = threading.Lock()
        self._server = ""
        self._then, self._heard_at, self._ticks = datetime.now(UTC), time.monotonic(), True
        self._asked_at = 0.0
        self._thread: threading.Thread | None = None
        self._error: DurableError | None = None
        self._lost: datetime | None = None
        self.standing = Standing()
        """What the hub's engine said last of the instance."""
        self.mirror = self._filled = Mirror()
        """What is known of it. It is another one when something was purged, as soon as that is whole."""

    def now(self) -> datetime:
        """Return the hub's time."""
        since = time.monotonic() - self._heard_at if self._ticks else 0.0
        return self._then + timedelta(seconds=since)

    def trouble(self) -> str:
        """Return that nobody answers who follows it; nothing if somebody does."""
        if self._lost is None:
            return ""
        return f"{self._link.url} hasn't answered since {self._lost:%H:%M:%S} UTC. It is asked again."

    # -- asking ----------------------------------------------------------------------------------

    def look(self, wait: float = 0.0) -> None:
        """Ask the server for what is new, and let it wait so many seconds for that.

        Raises
        ------
        HubUnreachableError
            If nobody answers.
        DurableError
            If the server refuses, or speaks another form.
        """
        while not self._read(wait):
            wait = 0.0

    def _read(self, wait: float) -> bool:
        """Take in one passage; answers whether that was all."""
        place = self._place()
        found = self._link.look(*self._path, query=place, wait=wait)
        self._check(found)
        with self._turn:
            return self._link.is_closed or (self._place() == place and self._take(found))

    def _place(self) -> dict[str, int]:
        return {"after": self._filled.last_seq, "held": self._filled.count}

    def _take(self, found: dict[str, Any]) -> bool:
        is_other = found["server"] != self._server and self._filled.count > 0
        self._server = found["server"]
        if is_other or found["held"] != self._filled.count:  # something was purged
            self._filled = Mirror()
            return False
        if len(self._path) == 1 and self._filled.count + len(found["rows"]) > LIMIT:
            raise DurableError(
                f"The hub has more than {LIMIT:,} events: too many to look at all of them from elsewhere. "
                "Look at its instances one by one, or ask: remote.sql(...)."
            )
        self._filled.add(found["rows"])
        self._then, self._heard_at = datetime.fromisoformat(found["now"]), time.monotonic()
        self._ticks = bool(found["ticks"])
        if "standing" in found:
            self.standing = Standing.from_json(found["standing"])
        if found["is_whole"]:
            self.mirror = self._filled
        return bool(found["is_whole"])

    def _check(self, found: Any) -> None:
        if not (isinstance(found, dict) and isinstance(found.get("format"), int) and "server" in found):
            raise DurableError(f"What answers at {self._link.url} is no hub of durablenb.")
        if found["format"] > FORMAT:
            raise DurableError(
                f"The hub at {self._link.url} has format {found['format']} of the journal; this durablenb "
                f"knows up to {FORMAT}. Install a newer one here."
            )

    # -- following -------------------------------------------------------------------------------

    def follow(self) -> Mirror:
        """Return the mirror, which a thread keeps up as long as this is called every now and then.

        A connection that breaks is made again, and goes on where it was.

        Raises
        ------
        DurableError
            If the server refuses.
        """
        self._asked_at = time.monotonic()
        if self._link.is_closed:
            raise DurableError(f"The connection to {self._link.url} was closed. Connect again.")
        with self._turn:
            error, self._error = self._error, None
            if error is not None:
                raise error
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="durablenb-remote", daemon=True)
                self._thread.start()
        return self.mirror

    def _run(self) -> None:
        try:
            while time.monotonic() - self._asked_at < LINGER and not self._link.is_closed:
                try:
                    self.look(WAIT)
                    self._lost = None
                except HubUnreachableError:
                    self._lost = self._lost or datetime.now(UTC)
                    self._pause(PAUSE)
        except DurableError as error:
            self._error = error
        finally:
            self._thread = None

    def close(self) -> None:
        """Let go of the mirror's memory."""
        with self._turn:
            self.mirror.close()
            self._filled.close()
