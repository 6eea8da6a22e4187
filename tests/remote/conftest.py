"""Hubs that are served, and what another process would hold of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

import durablenb as df
from durablenb.hub.remote_hub import RemoteHub
from durablenb.server.server import Server

PATIENCE = 20.0
"""Seconds after which something that has not come about counts as never."""


class Served:
    """A hub, its server, and the hub as somebody elsewhere holds it."""

    def __init__(self, path: Any = ":memory:", **options: Any) -> None:
        self.hub = df.TaskHub(path)
        register(self.hub)
        self.server = self.hub.serve(port=0, **options)
        self.remote = self.connect()

    def connect(self) -> RemoteHub:
        return df.TaskHub.connect(self.server.url, key=self.server.key)

    def restart(self, **options: Any) -> None:
        """The server ends, and is there again at the same place with the same key."""
        port, key = self.server.port, self.server.key
        self.server.close()
        self.server = self.hub.serve(port=port, key=key, **options)

    def close(self) -> None:
        self.remote.close()
        self.hub.close()


def register(hub: df.TaskHub) -> None:
    mended: set[Any] = set()

    @hub.activity
    def double(value: Any) -> Any:
        print("doubling", value)
        return 2 * value

    @hub.activity
    def mendable(value: Any) -> Any:
        if value not in mended:
            mended.add(value)
            raise ValueError(f"{value} is broken")
        return f"{value} is whole"

    @hub.orchestrator
    def echo(context):
        return context.get_input()

    @hub.orchestrator
    def doubles(context):
        values = context.get_input()
        return (yield context.task_all([context.call_activity(double, value) for value in values]))

    @hub.orchestrator
    def approval(context):
        context.set_custom_status("asked")
        return {"approved": (yield context.wait_for_external_event("Approval"))}

    @hub.orchestrator
    def mends(context):
        return (yield context.call_activity(mendable, context.get_input()))

    @hub.orchestrator
    def odd(context):
        """Gives what JSON doesn't have."""
        return (context.current_utc_datetime, {1, 2}, b"\x00")

    @hub.orchestrator
    def versioned(context):
        return context.version

    @hub.entity
    class Counter:
        def __init__(self):
            self.value = 0

        def add(self, amount):
            self.value += amount


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    made = Served(sql=True)
    yield made
    made.close()


@pytest.fixture
def fresh() -> Iterator[Served]:
    made = Served()
    yield made
    made.close()


def serve_still(hub: df.TaskHub) -> Server:
    """A server of a hub that works only while it is told to: it is looked at, and nothing happens in it."""
    hub._mode = "threads"
    try:
        return hub.serve(port=0, key="k")
    finally:
        hub._mode = "kernel"


class Wire:
    """A way to a server that can be cut, and mended again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ends: list[socket.socket] = []
        self._is_whole = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._is_whole = False
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()

    def mend(self) -> None:
        self._is_whole = True

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._is_whole:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._port))
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_carry, args=(one, other), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    source.close()
