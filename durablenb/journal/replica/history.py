"""The copy of one history of a served hub, or of all of them: brought up to date, or kept so by a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from durablenb.journal.replica.link import Link
from durablenb.journal.replica.pages import JournalPage
from durablenb.journal.replica.replica import JournalReplica
from durablenb.model.errors import DurableError, HubUnreachableError
from durablenb.model.queues import QueueState
from durablenb.model.runtime import RuntimeInfo

WAIT = 20.0
"""Seconds that the server may wait for news."""

LINGER = 30.0
"""Seconds after the last call of `follow` for which a copy is kept up to date."""

PAUSE = 1.0
"""Seconds between two attempts to reach a server that doesn't answer."""

LIMIT = 1_000_000
"""The largest number of events of a hub that is copied as a whole."""

FORMAT = JournalPage.format


class ReplicatedHistory:
    """A history of a served hub, as it was at the last request to the server.

    Parameters
    ----------
    link
        Sends requests to the server.
    instance_id
        The instance or the entity; None for the journal of all instances, without long payloads.
    pause
        Sleeps for a number of seconds between two attempts.
    """

    def __init__(
        self, link: Link, instance_id: str | None = None, *, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._link = link
        self._path = ("journal",) if instance_id is None else ("journal", instance_id)
        self._pause = pause
        self._lock = threading.Lock()
        self._server = ""
        self._hub_time, self._received_at, self._ticks = datetime.now(UTC), time.monotonic(), True
        self._followed_at = 0.0
        self._thread: threading.Thread | None = None
        self._error: DurableError | None = None
        self._lost: datetime | None = None
        self.runtime_info = RuntimeInfo()
        """The state of the instance that only the hub's engine knows."""
        self.queues: list[QueueState] = []
        """The state of each queue, in the copy of all histories."""
        self.replica = self._incoming = JournalReplica()
        """The copy. After a purge it is replaced, as soon as the new one is complete."""

    @property
    def is_followed(self) -> bool:
        """True if a thread keeps it up to date."""
        return self._thread is not None

    @property
    def was_read(self) -> bool:
        """True if the server has ever answered."""
        return bool(self._server)

    def now(self) -> datetime:
        """Return the hub's time."""
        since = time.monotonic() - self._received_at if self._ticks else 0.0
        return self._hub_time + timedelta(seconds=since)

    def trouble(self) -> str:
        """Return that the server doesn't answer; empty if it does."""
        if self._lost is None:
            return ""
        return f"{self._link.url} hasn't answered since {self._lost:%H:%M:%S} UTC. Trying again."

    # -- on request ------------------------------------------------------------------------------

    def refresh(self, wait: float = 0.0) -> None:
        """Ask the server for what is new; it may wait for news for so many seconds.

        Raises
        ------
        HubUnreachableError
            If the server doesn't answer.
        DurableError
            If the server refuses, or has a journal in a newer format.
        """
        while not self._read(wait):
            wait = 0.0

    def _read(self, wait: float) -> bool:
        """Add one page; return whether it was the last one."""
        position = self._position()
        page = self._link.look(*self._path, query=position, wait=wait)
        self._check(page)
        with self._lock:
            return self._link.is_closed or (self._position() == position and self._add(page))

    def _position(self) -> dict[str, int]:
        return {"after": self._incoming.last_seq, "held": self._incoming.count}

    def _add(self, page: dict[str, Any]) -> bool:
        is_other = page["server"] != self._server and self._incoming.count > 0
        self._server = page["server"]
        if is_other or page["held"] != self._incoming.count:  # rows were purged
            self._incoming = JournalReplica()
            return False
        if len(self._path) == 1 and self._incoming.count + len(page["rows"]) > LIMIT:
            raise DurableError(
                f"The hub has more than {LIMIT:,} events: too many to copy all of them. Look at its "
                "instances one by one, or query them: remote.sql(...)."
            )
        self._incoming.add(page["rows"])
        self._hub_time, self._received_at = datetime.fromisoformat(page["now"]), time.monotonic()
        self._ticks = bool(page["ticks"])
        if "standing" in page:
            self.runtime_info = RuntimeInfo.from_json(page["standing"])
        self.queues = list(map(QueueState.from_json, page.get("queues", ())))
        if page["is_whole"]:
            self.replica = self._incoming
        return bool(page["is_whole"])

    def _check(self, page: Any) -> None:
        if not (isinstance(page, dict) and isinstance(page.get("format"), int) and "server" in page):
            raise DurableError(f"What answers at {self._link.url} is no hub of durablenb.")
        if page["format"] > FORMAT:
            raise DurableError(
                f"The hub at {self._link.url} has format {page['format']} of the journal; this durablenb "
                f"knows up to {FORMAT}. Install a newer one here."
            )

    # -- by a thread -----------------------------------------------------------------------------

    def follow(self) -> JournalReplica:
        """Return the copy. A thread keeps it up to date, as long as this is called every now and then.

        A broken connection is made again, and the thread resumes where it was.

        Raises
        ------
        DurableError
            If the server refuses.
        """
        self._followed_at = time.monotonic()
        if self._link.is_closed:
            raise DurableError(f"The connection to {self._link.url} was closed. Connect again.")
        with self._lock:
            error, self._error = self._error, None
            if error is not None:
                raise error
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="durablenb-remote", daemon=True)
                self._thread.start()
        return self.replica

    def _run(self) -> None:
        try:
            while time.monotonic() - self._followed_at < LINGER and not self._link.is_closed:
                try:
                    self.refresh(WAIT)
                    self._lost = None
                except HubUnreachableError:
                    self._lost = self._lost or datetime.now(UTC)
                    self._pause(PAUSE)
        except DurableError as error:
            self._error = error
        finally:
            self._thread = None

    def close(self) -> None:
        """Release the memory of the copy."""
        with self._lock:
            self.replica.close()
            self._incoming.close()
