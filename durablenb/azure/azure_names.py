"""Names that apps import from ``azure.durable_functions`` 1.x, and that durablenb needs for nothing else."""

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
    """The warning of Azure's package about apps that its next version rejects; durablenb never issues it."""


class TokenSource:
    """A source of tokens for `call_http`, in Azure."""


class ManagedIdentityTokenSource(TokenSource):
    """A token of an app's managed identity; durablenb has none, so `call_http` rejects it.

    Parameters
    ----------
    resource
        The resource that the token gives access to.
    """

    def __init__(self, resource: str) -> None:
        self.resource = resource

    def to_json(self) -> dict[str, str]:
        """Return the JSON for Azure's host."""
        return {"resource": self.resource, "kind": "AzureManagedIdentity"}


class DurableOrchestrationBindings:
    """The data from which a function creates its client, as Azure's host passes it.

    Parameters
    ----------
    taskHubName, creationUrls, managementUrls, rpcBaseUrl
        The hub's name and URLs, under the host's names.
    **others
        All other data.
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
        """Return the bindings in a JSON text of the host."""
        return cls(**json.loads(json_string))


def orchestrator_generator_wrapper(generator: Generator[Any, Any, Any]) -> Generator[Any, Any, None]:
    """Drive an orchestrator in a test, without a hub, and yield the tasks that it awaits.

    The orchestrator gets each task's ``result``, or the exception that reading it raises. Its return value is
    yielded last.

    Parameters
    ----------
    generator
        The orchestrator, called with the test's own context.
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
