"""durabletask's in-memory backend, workers with a hub's functions on it, and a client."""

import logging
import socket
import threading
from types import SimpleNamespace

import pytest
from durabletask.client import OrchestrationStatus, TaskHubGrpcClient
from durabletask.testing import create_test_backend, in_memory_backend
from durabletask.worker import TaskHubGrpcWorker

import durablenb as df
from tests.azure.conftest import PATIENCE

HOUR = 3600.0
"""Timers that are longer fire only once `Bridge.let_time_pass` is called; shorter ones fire at once."""


class Bridge:
    """A backend, the hub whose functions are on it, and a client."""

    def __init__(self, address, time):
        self.address = address
        self.hub = df.TaskHub(":memory:", mode="kernel")
        self.logger = logging.getLogger("tests.durabletask")
        self.logger.setLevel(logging.CRITICAL)
        self.client = None
        self.foreign = []  # orchestrators of durabletask's own kind
        self._workers = []
        self._time = time

    def serve(self, *hubs, workers=1):
        """Start workers, each of which has the functions of all these hubs, or of the bridge's own."""
        for _ in range(workers):
            worker = TaskHubGrpcWorker(host_address=self.address, logger=self.logger)
            for hub in hubs or (self.hub,):
                report = df.to_durabletask(worker, hub)
            for orchestrator in self.foreign:
                worker.add_orchestrator(orchestrator)
            worker.start()
            self._workers.append(worker)
        self.client = TaskHubGrpcClient(
            host_address=self.address, logger=self.logger, data_converter=report.converter
        )
        return report

    def start(self, name, input=None, **options):
        return self.client.schedule_new_orchestration(name, input=input, **options)

    def state(self, instance_id):
        return self.client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)

    def result(self, instance_id):
        state = self.state(instance_id)
        assert state.runtime_status is OrchestrationStatus.COMPLETED, state.failure_details
        return state.get_output()

    def run(self, name, input=None, **options):
        return self.result(self.start(name, input, **options))

    def failure(self, name, input=None):
        state = self.state(self.start(name, input))
        assert state.runtime_status is OrchestrationStatus.FAILED
        return state.failure_details

    def raise_event(self, instance_id, name, data=None):
        self.client.raise_orchestration_event(instance_id, name, data=data)

    def let_time_pass(self):
        self._time.set()

    def stop(self):
        """Stop the workers; each of them takes a second."""
        self._time.set()
        if self.client is not None:
            self.client.close()
        for worker in self._workers:
            worker.stop()


@pytest.fixture(scope="session")
def stopping():
    """Threads that stop workers and backends, while the next tests run."""
    threads = []
    yield threads
    for thread in threads:
        thread.join()


@pytest.fixture
def bridge(monkeypatch, stopping):
    time = threading.Event()

    def sleep(seconds):
        if seconds > HOUR:
            time.wait()

    monkeypatch.setattr(in_memory_backend, "time", SimpleNamespace(sleep=sleep))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    backend = create_test_backend(port)
    bridge = Bridge(f"localhost:{port}", time)

    def stop():
        bridge.stop()
        backend.stop()

    with bridge.hub:
        yield bridge
    thread = threading.Thread(target=stop)
    thread.start()
    stopping.append(thread)
