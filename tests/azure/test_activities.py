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


@pytest.mark.parametrize(
    ("function", "bound", "second"),
    [
        (input_alone, "order", None),
        (input_first, "order", "input_first"),
        (input_last, "order", "input_last"),
        (of_a_type, "order", "of_a_type"),
        (with_a_default, "order", 3),
        (awaited, "order", "awaited"),
        (context_alone, "context", None),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_an_activity_may_ask_for_the_context_in_any_position(function, bound, second):
    app = df.DFApp()
    app.activity_trigger(input_name=bound)(function)
    assert called(app, function) == [[1, second], [2, second]]


def test_an_activity_may_ask_for_context_and_client():
    app = df.DFApp()
    app.activity_trigger(input_name="order")(app.durable_client_input(client_name="client")(client_between))
    assert called(app, client_between) == [[1, "client_between"], [2, "client_between"]]


def test_an_activity_of_model_v1_may_too(tmp_path):
    (tmp_path / "Act").mkdir()
    (tmp_path / "Act" / "function.json").write_text(
        '{"scriptFile": "__init__.py", "bindings": [{"name": "order", "type": "activityTrigger"}]}'
    )
    (tmp_path / "Act" / "__init__.py").write_text(
        "def main(order, context):\n"
        "    return [order['number'], context.function_name, context.function_directory]\n"
    )
    with df.TaskHub(":memory:") as hub:
        hub.add_app(tmp_path)
        hub.add_orchestrator(lambda context: (yield context.call_activity("Act", {"number": 1})), "o")
        assert hub.start("o").result(PATIENCE) == [1, "Act", str(tmp_path / "Act")]


def called(app, function):
    with df.TaskHub(":memory:") as hub:
        hub.add_app(app)

        @hub.orchestrator
        def both(context):
            calls = [context.call_activity(function.__name__, {"number": number}) for number in (1, 2)]
            return (yield context.task_all(calls))

        return hub.start(both).result(PATIENCE)
