"""A served hub with orchestrators that echo, wait, fail and recover, and an entity."""

import httpx
import pytest

import durablenb as df
from durablenb.model.address import MANAGEMENT

PATIENCE = 20.0
"""The seconds after which a test stops waiting."""


class Served:
    """A hub, its server, and an HTTP client with the key."""

    def __init__(self, **options):
        self.hub = df.TaskHub(":memory:")
        register(self.hub)
        self.server = self.hub.serve(port=0, **options)
        self.base = self.server.url + MANAGEMENT
        self.http = httpx.Client(
            headers={"x-functions-key": self.server.key},
            base_url=self.base,
            timeout=PATIENCE,
            verify=False,  # reading the certificates takes as long as some tests
        )

    def start(self, name, value=None, instance_id=""):
        """Start an orchestration over HTTP, and return its id."""
        answer = self.http.post(f"/orchestrators/{name}/{instance_id}", json=value)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def run(self, name, value=None):
        """Run an orchestration to its end, and return its id."""
        instance_id = self.start(name, value)
        self.hub.handle(instance_id).wait(PATIENCE)
        return instance_id

    def status(self, instance_id, **query):
        return self.http.get(f"/instances/{instance_id}", params=query)

    def close(self):
        self.http.close()
        self.hub.close()


def register(hub):
    is_mended = set()

    @hub.activity
    def mendable(number):
        if number not in is_mended:
            is_mended.add(number)
            raise ValueError(f"{number} is broken")
        return f"{number} is whole"

    @hub.orchestrator
    def echo(context):
        return context.get_input()

    @hub.orchestrator
    def approval(context):
        context.set_custom_status("asked")
        return {"approved": (yield context.wait_for_external_event("ApprovalEvent"))}

    @hub.orchestrator
    def fails(context):
        raise ValueError("no luck")

    @hub.orchestrator
    def mends(context):
        return (yield context.call_activity(mendable, context.get_input()))

    @hub.orchestrator
    def versioned(context):
        return context.version

    @hub.entity
    class Counter:
        def __init__(self):
            self.value = 0

        def add(self, amount):
            self.value += amount

        def keep(self, value):
            self.value = value

    @hub.entity
    def Cell(context):
        if context.operation_name == "delete":
            context.destruct_on_exit()
        else:
            context.set_state(context.get_input())


@pytest.fixture(scope="module")
def served():
    made = Served()
    yield made
    made.close()


@pytest.fixture
def fresh():
    made = Served()
    yield made
    made.close()
