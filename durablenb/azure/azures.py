"""What ``azure.durable_functions`` 1.x has and durablenb has no other use for: apps import these names."""

from __future__ import annotations

import json
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

__all__ = [
    "ACTIVITY_TRIGGER",
    "DATETIME_STRING_FORMAT",
    "DEFAULT_LOCAL_HOST",
    "DEFAULT_LOCAL_ORIGIN",
    "DURABLE_CLIENT",
    "ENTITY_TRIGGER",
    "HTTP_ACTION_NAME",
    "ORCHESTRATION_TRIGGER",
    "DurableFunctionsCompatibilityWarning",
    "DurableOrchestrationBindings",
    "ManagedIdentityTokenSource",
    "TokenSource",
    "orchestrator_generator_wrapper",
]

DEFAULT_LOCAL_HOST = "localhost:7071"
DEFAULT_LOCAL_ORIGIN = f"http://{DEFAULT_LOCAL_HOST}"
DATETIME_STRING_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
HTTP_ACTION_NAME = "BuiltIn::HttpActivity"
ORCHESTRATION_TRIGGER = "orchestrationTrigger"
ACTIVITY_TRIGGER = "activityTrigger"
ENTITY_TRIGGER = "entityTrigger"
DURABLE_CLIENT = "durableClient"


class DurableFunctionsCompatibilityWarning(UserWarning):
    """What Azure's package warns by of an app that its next version won't run; durablenb warns of none."""


class TokenSource:
    """Where `call_http` gets a token from, in Azure."""


class ManagedIdentityTokenSource(TokenSource):
    """A token of the identity that Azure manages for an app; durablenb has none, so `call_http` refuses it.

    Parameters
    ----------
    resource
        What the token is for.
    """

    def __init__(self, resource: str) -> None:
        self.resource = resource

    def to_json(self) -> dict[str, str]:
        """Return what Azure's host is told."""
        return {"resource": self.resource, "kind": "AzureManagedIdentity"}


class DurableOrchestrationBindings:
    """What Azure's host gives to a function for its client.

    Parameters
    ----------
    taskHubName, creationUrls, managementUrls, rpcBaseUrl
        The hub's name and URLs, by the names that the host gives them.
    **others
        What else it gives.
    """

    def __init__(
        self,
        taskHubName: str,
        creationUrls: dict[str, str],
        managementUrls: dict[str, str],
        rpcBaseUrl: str | None = None,
        **others: Any,
    ) -> None:
        self.task_hub_name = taskHubName
        self.creation_urls = creationUrls
        self.management_urls = managementUrls
        self.rpc_base_url = rpcBaseUrl
        self.client_data = SimpleNamespace(**others)

    @classmethod
    def from_json(cls, json_string: str) -> DurableOrchestrationBindings:
        """Return what a text of the host has in it."""
        return cls(**json.loads(json_string))


def orchestrator_generator_wrapper(generator: Generator[Any, Any, Any]) -> Generator[Any, Any, None]:
    """Drive an orchestrator in a test, without a hub, and yield the tasks that it waits for.

    Each task's ``result`` is handed back to the orchestrator; what that raises is raised there. What the
    orchestrator returns is yielded last.

    Parameters
    ----------
    generator
        What calling the orchestrator with a context of the test's own gives.
    """
    try:
        task = next(generator)
        while True:
            yield task
            try:
                result = task.result
            except Exception as error:
                task = generator.throw(error)
            else:
                task = generator.send(result)
    except StopIteration as end:
        yield end.value
