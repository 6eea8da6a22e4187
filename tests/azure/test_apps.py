"""Apps that a notebook makes: with durablenb's decorators, with Azure's, and with those of both."""

import sys
from types import SimpleNamespace

import azure.durable_functions as adf
import azure.functions as func
import pytest

import durablenb as df
from tests.azure.conftest import PATIENCE


def own():
    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    return app, df


def azures():
    return adf.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS), adf


@pytest.fixture(params=[own, azures], ids=["durablenb.DFApp", "azure.durable_functions.DFApp"])
def made(request):
    """The same app, written with durablenb's decorators and with those of Azure's package."""
    app, package = request.param()

    @app.route(route="orders/{name}", methods=[func.HttpMethod.POST])
    @app.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client):
        instance_id = await client.start_new(req.route_params["name"], client_input=req.get_json())
        return client.create_check_status_response(req, instance_id)

    @app.function_name("Hello")
    @app.activity_trigger(input_name="city")
    def hello(city: str) -> str:
        return f"Hello {city}!"

    @app.orchestration_trigger(context_name="context", orchestration="Greeting")
    def greet(context):
        options = package.RetryOptions(1, 3)
        greeting = yield context.call_activity_with_retry("Hello", options, context.get_input())
        yield context.call_entity(package.EntityId("Counter", "a"), "add", 2)
        return [greeting, (yield context.call_activity(hello, "again"))]

    @app.entity_trigger(context_name="context", entity_name="Counter")
    def counter(context):
        context.set_state(context.get_state(lambda: 0) + context.get_input())

    @app.blob_output(arg_name="copy", path="copies", connection="Storage")
    @app.queue_trigger(arg_name="message", queue_name="orders", connection="Storage")
    def on_order(message, copy): ...

    return app


def test_an_apps_functions_are_registered_and_answer(made, serve, caplog):
    served = serve(made)
    handle = served.started("/api/orders/Greeting", json="Tokyo")
    assert handle.result(PATIENCE) == ["Hello Tokyo!", "Hello again!"]
    assert served.hub.entity_state(df.EntityId("Counter", "a")) == 2
    assert [one.getMessage() for one in caplog.records] == [
        "The function 'on_order' gives 'copy' to blob, which durablenb doesn't have: it goes nowhere.",
        "The function 'on_order' has a queueTrigger, which durablenb doesn't have: nothing calls it.",
    ]
    served.hub.add_app(made)  # its cell is run again
    assert served.started("/api/orders/Greeting", json="b").result(PATIENCE) == ["Hello b!", "Hello again!"]
    assert len(caplog.records) == 2


def test_blueprints_are_taken_with_their_app_and_by_themselves(served):
    app, with_it, azures, own = func.FunctionApp(), func.Blueprint(), func.Blueprint(), df.Blueprint()
    for name, blueprint in (("first", with_it), ("second", azures), ("third", own)):

        def function(req, name=name):
            return name

        blueprint.function_name(name)(blueprint.route(route=name)(function))
    app.register_functions(with_it)
    for one in (app, azures, own):
        served.hub.add_app(one)
    assert [served.http.get(f"/api/{name}").text for name in ("first", "second", "third")] == [
        "first",
        "second",
        "third",
    ]


def test_functions_of_durablenbs_decorators_can_be_called_and_tested_as_functions():
    app = df.DFApp()

    @app.route(route="double", trigger_arg_name="number")
    def double(number):
        return 2 * number

    @app.schedule(schedule="0 0 * * * *", arg_name="timer")
    def hourly(timer):
        return timer

    # the trigger's argument is the function's own
    with pytest.raises(ValueError, match=r"no parameter 'req'; it has \['number'\]"):
        app.route()(lambda number: number)
    assert double.function(21) == 42
    assert repr(hourly) == "<timerTrigger hourly>"


def test_a_function_has_one_trigger():
    app = df.DFApp()
    with pytest.raises(ValueError, match="two triggers, httpTrigger and timerTrigger"):

        @app.timer_trigger(schedule="0 0 * * * *", arg_name="req")
        @app.route()
        def both(req): ...


def test_what_is_no_decorator_is_said():
    with pytest.raises(AttributeError, match="DFApp has no decorator 'rout'"):
        df.DFApp().rout()


@pytest.mark.parametrize("app", [5, None, df.DFApp, func.FunctionApp])
def test_what_is_no_app_is_refused(hub, app):
    with pytest.raises(TypeError, match="Expected a function app"):
        hub.add_app(app)


def test_a_blueprint_of_azures_is_not_put_into_durablenbs():
    with pytest.raises(TypeError, match=r"Give it to hub\.add_app, too"):
        df.DFApp().register_functions(func.Blueprint())


def test_two_functions_of_one_name_are_refused(hub):
    app = df.DFApp()

    @app.function_name("same")
    @app.route(route="a")
    def first(req): ...

    @app.function_name("same")
    @app.route(route="b")
    def second(req): ...

    with pytest.raises(ValueError, match="Two functions of the app are called 'same'"):
        hub.add_app(app)


def test_a_route_that_cannot_be_understood_is_refused(hub):
    app = df.DFApp()
    app.route(route="{a")(lambda req: None)
    with pytest.raises(ValueError, match="route"):
        hub.add_app(app)


def test_in_a_hub_that_does_not_work_by_itself_timers_are_said_not_to_fire(hub, caplog):
    app = df.DFApp()

    @app.timer_trigger(schedule="* * * * * *", arg_name="timer")
    def often(timer): ...

    hub.add_app(app)
    assert hub.clock.next_due() is None
    assert 'fires only in a hub of mode="threads"' in caplog.text


def test_a_hub_that_is_closed_takes_no_app():
    hub = df.TaskHub(":memory:")
    hub.close()
    with pytest.raises(df.StoreError, match="closed"):
        hub.add_app(df.DFApp())


def test_azures_decorator_for_openai_agents_says_what_to_use_instead(hub, monkeypatch):
    with pytest.raises(AttributeError, match=r"no decorator 'durable_openai.*hub.agent\(agent\)"):
        df.DFApp().durable_openai_agent_orchestrator
    package = "azure.durable_functions.openai_agents"
    generator = f"{package}.orchestrator_generator"
    monkeypatch.setitem(sys.modules, "agents", SimpleNamespace(ModelProvider=object))
    monkeypatch.setitem(sys.modules, package, SimpleNamespace())
    function = "durable_openai_agent_orchestrator_generator"
    monkeypatch.setitem(sys.modules, generator, SimpleNamespace(**{function: None}))
    app = adf.DFApp()
    monkeypatch.setattr(app, "_is_durable_openai_agent_setup", True)

    @app.orchestration_trigger(context_name="context")
    @app.durable_openai_agent_orchestrator
    def hello(context):
        return "never"

    with pytest.raises(df.DurableError, match="'hello' can't run here"):
        hub.add_app(app)
