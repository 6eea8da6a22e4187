"""``DFApp`` and ``Blueprint`` as in ``azure.durable_functions``, with all of Azure's triggers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from azure import functions as func

Decorator = Callable[..., Any]


class Blueprint(func.TriggerApi, func.BindingApi, func.SettingsApi):
    """Functions that are registered together, with a `DFApp` or an ``azure.functions.FunctionApp``."""

    def __init__(self, http_auth_level: func.AuthLevel | str = func.AuthLevel.FUNCTION) -> None:
        super().__init__(auth_level=http_auth_level)  # type: ignore[no-untyped-call]

    def orchestration_trigger(
        self, context_name: str, orchestration: str | None = None, input_type: type[Any] | None = None
    ) -> Decorator:
        """Make a function an orchestrator."""
        return self.generic_trigger(context_name, "orchestrationTrigger", orchestration=orchestration)

    def activity_trigger(self, input_name: str, activity: str | None = None) -> Decorator:
        """Make a function an activity."""
        return self.generic_trigger(input_name, "activityTrigger", activity=activity)

    def entity_trigger(self, context_name: str, entity_name: str | None = None) -> Decorator:
        """Make a function an entity."""
        return self.generic_trigger(context_name, "entityTrigger", entity_name=entity_name)

    def durable_client_input(
        self, client_name: str, task_hub: str | None = None, connection_name: str | None = None
    ) -> Decorator:
        """Give a function a client."""
        return self.generic_input_binding(client_name, "durableClient")


class DFApp(Blueprint, func.FunctionRegister):
    """A function app."""
