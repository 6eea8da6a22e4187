"""Activities of an app: what they may ask for besides their input."""

from dataclasses import dataclass

import azure.functions as func
import pytest

import durablenb as df
from tests.azure.conftest import PATIENCE


@dataclass
class Order:
    number: int


def input_alone(order):
    return [order["number"], None]


def input_first(order, context: func.Context):
    return [order["number"], context.function_name]


def input_last(context: func.Context, order):
    return [order["number"], context.function_name]


def of_a_type(context: func.Context, order: Order):
    return [order.number, context.function_name]


def with_a_default(order, retries=3):
    return [order["number"], retries]


async def awaited(order, context: func.Context):
    return [order["number"], context.function_name]


def client_between(order, client, context):
    return [order["number"], context.function_name if hasattr(client, "start_new") else None]


def context_alone(context):
    return [context["number"], None]


FUNCTIONS = {
    "input_alone": None,
    "input_first": "input_first",
    "input_last": "input_last",
    "of_a_type": "of_a_type",
    "with_a_default": 3,
    "awaited": "awaited",
    "client_between": "client_between",
    "context_alone": None,
    "Act": "Act",
}
"""What each of them returns beside its order's number."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    app, folder = df.DFApp(), tmp_path_factory.mktemp("model-v1")
    for function in (input_alone, input_first, input_last, of_a_type, with_a_default, awaited):
        app.activity_trigger(input_name="order")(function)
    app.activity_trigger(input_name="context")(context_alone)
    app.activity_trigger(input_name="order")(app.durable_client_input(client_name="client")(client_between))
    (folder / "Act").mkdir()
    (folder / "Act" / "function.json").write_text(
        '{"scriptFile": "__init__.py", "bindings": [{"name": "order", "type": "activityTrigger"}]}'
    )
    (folder / "Act" / "__init__.py").write_text(
        "from pathlib import Path\n"
        "def main(order, context):\n"
        "    assert Path(context.function_directory) == Path(__file__).parent\n"
        "    return [order['number'], context.function_name]\n"
    )
    with df.TaskHub(":memory:") as hub:
        hub.add_app(app)
        hub.add_app(folder)
        yield hub


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_activity_may_ask_for_context_and_client_in_any_position(hub, name):
    @hub.orchestrator
    def both(context):
        calls = [context.call_activity(name, {"number": number}) for number in (1, 2)]
        return (yield context.task_all(calls))

    assert hub.start(both).result(PATIENCE) == [[1, FUNCTIONS[name]], [2, FUNCTIONS[name]]]
