"""What an app's settings say: which of its functions are disabled, and which there are."""

import json

import pytest

import durablenb as df
from durablenb.azure.settings import local_settings
from tests.azure.conftest import PATIENCE

APP = """
import azure.durable_functions as df
import azure.functions as func

app = df.DFApp()

@app.route()
def shown(req): return "shown"

@app.function_name("Other")
@app.route(route="other")
def hidden(req): return "hidden"

@app.activity_trigger(input_name="city", activity="SayHello")
def say_hello(city): return f"Hello {city}!"

@app.activity_trigger(input_name="city")
def say_bye(city): return f"Bye {city}!"

@app.entity_trigger(context_name="context")
def Counter(context): context.set_state(1)

@app.orchestration_trigger(context_name="context")
def o(context): return (yield context.call_activity(context.get_input(), "Tokyo"))

@app.timer_trigger(schedule="0 0 4 * * *", arg_name="timer")
def early(timer): ...

@app.timer_trigger(schedule="0 0 6 * * *", arg_name="timer")
def late(timer): ...
"""


@pytest.fixture
def app(tmp_path):
    """Writes an app with these settings, and this beside them in host.json."""

    def write(values=None, **host):
        (tmp_path / "function_app.py").write_text(APP)
        (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values or {}}))
        (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", **host}))
        return tmp_path

    return write


def disabled(*names, value="true"):
    return {f"AzureWebJobs.{name}.Disabled": value for name in names}


def test_a_function_that_a_setting_disables_is_not_called(app, serve):
    served = serve(app(disabled("Other", "say_hello", "Counter", "early")))
    assert served.http.get("/api/shown").text == "shown"
    assert served.http.get("/api/other").status_code == 404
    assert served.hub.clock.next_due().hour == 6
    assert served.hub.start("o", "say_bye").result(PATIENCE) == "Bye Tokyo!"
    with pytest.raises(df.TaskFailedError, match="SayHello"):
        served.hub.start("o", "SayHello").result(PATIENCE)
    with pytest.raises(df.FunctionNotFoundError):
        served.hub.client.signal_entity(df.EntityId("Counter", "a"), "add")


@pytest.mark.parametrize("value", ["True", "1", True, 1])
def test_names_are_compared_without_case_and_the_value_may_be_one(app, serve, value):
    served = serve(app({"azurewebjobs.OTHER.disabled": value}))
    assert served.http.get("/api/other").status_code == 404


@pytest.mark.parametrize("value", ["false", "0", "", "yes", False])
def test_any_other_value_leaves_it_enabled(app, serve, value):
    served = serve(app(disabled("Other", value=value)))
    assert served.http.get("/api/other").text == "hidden"


@pytest.mark.parametrize(("value", "status"), [("true", 404), ("false", 200)])
def test_the_environment_comes_before_the_file(app, serve, monkeypatch, value, status):
    monkeypatch.setenv("AzureWebJobs.Other.Disabled", value)
    served = serve(app(disabled("Other", value="false" if value == "true" else "true")))
    assert served.http.get("/api/other").status_code == status
    assert served.http.get("/api/shown").status_code == 200


def test_the_environment_holds_for_an_app_of_a_notebook(serve, monkeypatch):
    app = df.DFApp()

    @app.route()
    def first(req):
        return "first"

    @app.route()
    def second(req):
        return "second"

    monkeypatch.setenv("AzureWebJobs.second.Disabled", "1")
    served = serve(app)
    assert served.http.get("/api/first").text == "first"
    assert served.http.get("/api/second").status_code == 404


@pytest.mark.parametrize(("said", "is_there"), [("IS_OFF", False), ("IS_ON", True), (False, True)])
def test_function_json_may_name_the_setting_that_disables_it(tmp_path, serve, said, is_there):
    for name, disabled in (("First", said), ("Second", False)):
        (tmp_path / name).mkdir()
        bindings = [{"name": "req", "type": "httpTrigger"}, {"name": "$return", "type": "http"}]
        described = {"scriptFile": "__init__.py", "bindings": bindings, "disabled": disabled}
        (tmp_path / name / "function.json").write_text(json.dumps(described))
        (tmp_path / name / "__init__.py").write_text(f"def main(req): return {name!r}")
    (tmp_path / "local.settings.json").write_text('{"Values": {"IS_OFF": "1", "IS_ON": "false"}}')
    served = serve(tmp_path)
    assert served.http.get("/api/Second").text == "Second"
    assert (served.http.get("/api/First").status_code == 200) is is_there


# -- the file ---------------------------------------------------------------------------------------

LENIENT = r"""
// for Azure's local tools
{
  "IsEncrypted": false, /* a comment
  of two lines */
  "Values": {
    "URL": "https://example.org/a//b",   // not a comment in the text
    "QUOTED": "a \" // b, }",
    "LIST": "[1, 2,]",
    "AzureWebJobs.Other.Disabled": "true", // the last one
  },
  "Host": {"CORS": ["*",],},
}
"""


def test_local_settings_may_have_comments_and_commas_at_the_end(app, serve):
    folder = app()
    (folder / "local.settings.json").write_text(LENIENT)
    served = serve(folder)
    assert served.http.get("/api/other").status_code == 404
    assert local_settings(folder) == {
        "URL": "https://example.org/a//b",
        "QUOTED": 'a " // b, }',
        "LIST": "[1, 2,]",
        "AzureWebJobs.Other.Disabled": "true",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("// only this\n", "isn't JSON"),
        ('{\n// one\n"a" 1}', "line 3"),
        ('{"a": 1,,}', "isn't JSON"),
        ("[]", "a JSON object"),
    ],
)
def test_what_is_no_json_otherwise_is_refused_with_its_line(app, text, said):
    folder = app()
    (folder / "local.settings.json").write_text(text)
    with df.TaskHub(":memory:") as hub, pytest.raises(df.DurableError, match=said):
        hub.add_app(folder)


def test_without_values_there_are_none(app):
    for text in ("{}", '{"Values": null}'):
        folder = app()
        (folder / "local.settings.json").write_text(text)
        assert local_settings(folder) == {}


# -- host.json --------------------------------------------------------------------------------------


def test_the_functions_that_host_json_names_are_the_only_ones(app, serve):
    served = serve(app(functions=["shown", "LATE", "o", "say_bye"]))
    assert served.http.get("/api/shown").text == "shown"
    assert served.http.get("/api/other").status_code == 404
    assert served.hub.clock.next_due().hour == 6
    assert served.hub.start("o", "say_bye").result(PATIENCE) == "Bye Tokyo!"
    assert served.http.post("/admin/functions/early").status_code == 404


def test_of_model_v1_the_others_are_not_imported(tmp_path, serve):
    for name in ("First", "Second"):
        (tmp_path / name).mkdir()
        bindings = [{"name": "req", "type": "httpTrigger"}, {"name": "$return", "type": "http"}]
        (tmp_path / name / "function.json").write_text(json.dumps({"bindings": bindings}))
    (tmp_path / "First" / "__init__.py").write_text("def main(req): return 'first'")
    (tmp_path / "Second" / "__init__.py").write_text("1 / 0")
    (tmp_path / "host.json").write_text('{"functions": ["first"]}')
    assert serve(tmp_path).http.get("/api/First").text == "first"


STARTING = """
{imported}
import azure.functions as func

app = df.DFApp()

@app.route(route="start/{{name}}")
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client):
    {made}
    await client.start_new("o", req.route_params["name"], req.params["n"])
    return func.HttpResponse(status_code=202)

@app.orchestration_trigger(context_name="context")
def o(context):
    yield context.wait_for_external_event("End")
    return context.get_input()
"""


@pytest.mark.parametrize("imported", ["import azure.durable_functions as df", "import durablenb as df"])
@pytest.mark.parametrize("made", ["pass", "client = df.DurableOrchestrationClient(client)"])
@pytest.mark.parametrize("states", ["AnyState", "NonRunningStates", None])
def test_host_json_says_whether_a_start_replaces_an_open_instance(tmp_path, serve, imported, made, states):
    durable = {} if states is None else {"overridableExistingInstanceStates": states}
    (tmp_path / "function_app.py").write_text(STARTING.format(imported=imported, made=made))
    (tmp_path / "host.json").write_text(json.dumps({"extensions": {"durableTask": durable}}))
    served = serve(tmp_path)
    for name in ("a", "b"):
        assert served.http.get(f"/api/start/{name}?n=1").status_code == 202
    again = served.http.get("/api/start/a?n=2")
    assert again.status_code == (202 if states == "AnyState" else 500)
    for name in ("a", "b"):
        served.hub.client.raise_event(name, "End")
    assert served.hub.handle("a").result(PATIENCE) == ("2" if states == "AnyState" else "1")
    assert served.hub.handle("b").result(PATIENCE) == "1"
    served.hub.start("o", instance_id="c")
    with pytest.raises(df.InstanceExistsError):
        served.hub.start("o", instance_id="c")
