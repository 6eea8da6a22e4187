"""The plugin of Dask's scheduler that keeps calls while their hub is away."""

from __future__ import annotations

from typing import Any

from distributed import SchedulerPlugin

from durablenb.cluster.calls import Message
from durablenb.cluster.kept_messages import KeptMessages

TOPIC = "durablenb-"
"""The topic of a hub's messages is this and the id of the hub."""

ANNOTATION = "durablenb"
"""The annotation of calls: the id of the hub."""

PLUGIN = "durablenb-3"
"""The name of the plugin; another name for each change of what it does."""

ENDS = frozenset(("memory", "erred", "forgotten"))
"""The states in which a task has ended, for good or until it is submitted again."""

ENDED_PAUSE_SECONDS = 0.05
"""How long to wait for more calls to end, at most, before their hub is told."""

SECONDS_FOR_EACH = 0.0005
"""The pause for each call that has not ended: where few are left, the end of each may be waited for."""


class CallKeeper(SchedulerPlugin):
    """Keeps calls that a hub has submitted until the hub says that it has recorded them.

    Dask forgets a task once no client wants its result, and a hub that was killed is no longer a client.
    So the plugin also wants the results, in the name of the hub. The next process that opens the hub submits
    the same keys: it joins the calls that still run, and gets the results of the others.

    The plugin also tells the hub which calls have ended, many at once. A callback for each future would take
    the client longer than a short call.
    """

    name = PLUGIN
    idempotent = True

    def __init__(self) -> None:
        self._scheduler: Any = None
        self._clients: dict[str, set[str]] = {}
        self._told: dict[str, KeptMessages] = {}
        self._hubs: dict[str, str] = {}
        """The hub of each call that has not ended, or whose end is to be told."""
        self._ended: dict[str, list[str]] = {}

    async def start(self, scheduler: Any) -> None:
        """Begin to keep calls."""
        self._scheduler = scheduler

    def update_graph(self, scheduler: Any, *, annotations: dict[str, dict[Any, Any]], **_: Any) -> None:
        """Keep new calls, before any of them begins; one that loses its worker is its hub's to run again."""
        keys: dict[str, list[str]] = {}
        for key, hub in annotations.get(ANNOTATION, {}).items():
            keys.setdefault(hub, []).append(key)
            scheduler.tasks[key].suspicious = scheduler.allowed_failures
            self._hubs[key] = hub
        for hub, several in keys.items():
            scheduler.client_desires_keys(keys=several, client=_keeper(hub))

    def transition(self, key: Any, start: str, finish: str, *_: Any, **__: Any) -> None:
        """Note that a call has ended, and tell its hub soon."""
        if finish not in ENDS or (hub := self._hubs.get(key)) is None:
            return
        if hub not in self._ended:
            self._ended[hub] = []
            pause = min(ENDED_PAUSE_SECONDS, SECONDS_FOR_EACH * len(self._hubs))
            self._scheduler.loop.call_later(pause, self._tell_ended, hub)
        self._ended[hub].append(key)

    def leave(self, keys: list[str]) -> None:
        """Tell no hub of the ends of these calls any more."""
        for key in keys:
            self._hubs.pop(key, None)

    def _tell_ended(self, hub: str) -> None:
        self._scheduler.log_event(TOPIC + hub, {"ended": self._ended.pop(hub)})

    def log_event(self, topic: str, msg: Any) -> None:
        """Keep what a call says, for a hub that comes back: when it began, its progress, its last lines."""
        if not topic.startswith(TOPIC) or "ended" in msg:
            return
        hub = topic.removeprefix(TOPIC)
        self._kept_messages(hub).keep(msg, with_lines=not self._clients.get(hub))

    def remove_client(self, scheduler: Any, client: str) -> None:
        """Note that a hub has gone, or one of its connections: it receives no messages until it is back.

        Dask would send a client that connects again what is told in its first milliseconds, together with
        the confirmation of the connection. The client reads that alone, and would never be connected.
        """
        for hub, clients in self._clients.items():
            if client in clients:
                clients.discard(client)
                scheduler.unsubscribe_topic(TOPIC + hub, client)

    def restart(self, scheduler: Any) -> None:
        """Forget all messages, as the scheduler forgets its tasks."""
        self._told.clear()
        self._hubs.clear()

    def attach(self, hub: str, client: str) -> set[str]:
        """Record that a hub is connected; return the calls that have sent messages."""
        self._clients.setdefault(hub, set()).add(client)
        return self._kept_messages(hub).keys()

    def take(self, hub: str, key: str) -> Message | None:
        """Return a call's messages, with the lines that its hub has not received."""
        return self._kept_messages(hub).take(key)

    def release(self, scheduler: Any, hub: str, keys: list[str]) -> None:
        """Release calls that the hub has recorded."""
        self.leave(keys)
        if _keeper(hub) in scheduler.clients:
            scheduler.client_releases_keys(keys=list(keys), client=_keeper(hub))
        self._kept_messages(hub).release(keys)

    def _kept_messages(self, hub: str) -> KeptMessages:
        return self._told.setdefault(hub, KeptMessages())


def _keeper(hub: str) -> str:
    return f"{TOPIC}{hub}"


# -- what the hub has the scheduler do -----------------------------------------------------------------


def attach(hub: str, client: str, dask_scheduler: Any = None) -> set[str]:
    """Record that a hub is connected; return those of its calls that have sent messages."""
    told: set[str] = dask_scheduler.plugins[PLUGIN].attach(hub, client)
    return told


def take_told(hub: str, key: str, dask_scheduler: Any = None) -> Message | None:
    """Return a call's messages, with the lines that its hub has not received."""
    told: Message | None = dask_scheduler.plugins[PLUGIN].take(hub, key)
    return told


def has_failed(key: str, dask_scheduler: Any = None) -> bool:
    """Tell whether a call has failed, and was not submitted again since."""
    return key in dask_scheduler.tasks and dask_scheduler.tasks[key].state == "erred"


def release(hub: str, keys: list[str], dask_scheduler: Any = None) -> None:
    """Release calls that a hub has recorded."""
    dask_scheduler.plugins[PLUGIN].release(dask_scheduler, hub, keys)


def forget(hub: str, keys: list[str], dask_scheduler: Any = None) -> None:
    """Forget calls, even if a client wants them."""
    dask_scheduler.plugins[PLUGIN].leave(keys)
    for key in keys:
        for client in list(dask_scheduler.tasks[key].who_wants or ()) if key in dask_scheduler.tasks else ():
            dask_scheduler.client_releases_keys(keys=[key], client=client.client_key)
    dask_scheduler.plugins[PLUGIN].release(dask_scheduler, hub, keys)


def take_back(hub: str, keys: list[str], dask_scheduler: Any = None) -> list[str]:
    """Forget those of these calls that the scheduler has not given to a worker yet; return them."""
    tasks = dask_scheduler.tasks
    begun = ("processing", "memory", "erred")
    waiting = [key for key in keys if key not in tasks or tasks[key].state not in begun]
    forget(hub, waiting, dask_scheduler)
    return waiting
