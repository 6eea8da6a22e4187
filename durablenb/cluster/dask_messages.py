"""Messages of running calls, from Dask's scheduler to the sessions that wait for them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from distributed import Client

from durablenb.cluster.calls import Message

log = logging.getLogger("durablenb")

Listener = Callable[[Message], None]


class MessageRouter:
    """Gives each message of a topic to all sessions of one client that listen to it.

    A client has one handler for a topic, and a hub may have several sessions with the same client.
    """

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = {}

    def add(self, client: Client, topic: str, listener: Listener) -> None:
        """Listen to a topic, also again after the client has connected again."""
        others = [other for other in self._listeners.get(topic, ()) if other != listener]
        self._listeners[topic] = [*others, listener]
        client.subscribe_topic(topic, self._handler(topic))

    def remove(self, client: Client, topic: str, listener: Listener) -> None:
        """Listen no more."""
        self._listeners[topic] = [other for other in self._listeners.get(topic, ()) if other != listener]
        if not self._listeners[topic]:
            del self._listeners[topic]
            if client.status == "running":
                client.unsubscribe_topic(topic)

    def _handler(self, topic: str) -> Callable[[tuple[float, Any]], None]:
        def handle(event: tuple[float, Any]) -> None:
            for listener in self._listeners.get(topic, ()):
                try:
                    listener(event[1])
                except Exception:
                    log.exception("A message of a call on the cluster could not be taken")

        return handle


_routers: WeakKeyDictionary[Client, MessageRouter] = WeakKeyDictionary()


def router_of(client: Client) -> MessageRouter:
    """Return the router of a client."""
    return _routers.setdefault(client, MessageRouter())
