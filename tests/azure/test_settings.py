"""The settings of an app: the functions that they disable, and the names that they may have."""

import pytest

import durablenb as df
from durablenb.azure.settings import Settings, local_settings
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


def disabled(*names, value="true"):
    return {f"AzureWebJobs.{name}.Disabled": value for name in names}


def test_a_function_that_a_setting_disables_is_not_called(written, serve):
    values = disabled("Other", "say_hello", "Counter", "early")
    served = serve(written({"function_app.py": APP, "local.settings.json": {"Values": values}}))
    assert served.http.get("/api/shown").text == "shown"
    assert served.http.get("/api/other").status_code == 404
    assert served.hub.clock.next_due().hour == 6
    assert served.hub.start("o", "say_bye").result(PATIENCE) == "Bye Tokyo!"
    with pytest.raises(df.TaskFailedError, match="SayHello"):
        served.hub.start("o", "SayHello").result(PATIENCE)
    with pytest.raises(df.FunctionNotFoundError):
        served.hub.client.signal_entity(df.EntityId("Counter", "a"), "add")


@pytest.mark.parametrize(
    ("value", "is_disabled"),
    [*((one, True) for one in ("true", "True", "1")), *((one, False) for one in ("false", "0", "", "yes"))],
)
def test_a_function_is_disabled_by_true_or_1_and_names_are_compared_without_case(
    monkeypatch, value, is_disabled
):
    assert Settings({"azurewebjobs.OTHER.disabled": value}).disables("Other") is is_disabled
    monkeypatch.setenv("AzureWebJobs.Other.Disabled", value)  # the environment comes before the file
    assert Settings(disabled("Other", value="0" if is_disabled else "1")).disables("Other") is is_disabled


def test_the_environment_holds_for_an_app_of_a_notebook(served, monkeypatch):
    app = df.DFApp()

    @app.route()
    def first(req):
        return "first"

    @app.route()
    def second(req):
        return "second"

    monkeypatch.setenv("AzureWebJobs.second.Disabled", "1")
    served.hub.add_app(app)
    assert served.http.get("/api/first").text == "first"
    assert served.http.get("/api/second").status_code == 404


BINDINGS = [{"name": "req", "type": "httpTrigger"}, {"name": "$return", "type": "http"}]


def test_function_json_may_name_the_setting_that_disables_it(written, served):
    files = {"local.settings.json": {"Values": {"IS_OFF": True, "IS_ON": "false"}}}
    for name, said in (("Off", "IS_OFF"), ("On", "IS_ON"), ("Always", False)):
        files[f"{name}/function.json"] = {"bindings": BINDINGS, "disabled": said}
        files[f"{name}/__init__.py"] = f"def main(req): return {name!r}"
    served.hub.add_app(written(files))
    answers = [served.http.get(f"/api/{name}").status_code for name in ("Off", "On", "Always")]
    assert answers == [404, 200, 200]


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


def test_local_settings_may_have_comments_and_commas_at_the_end(written):
    assert local_settings(written({"local.settings.json": LENIENT})) == {
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
def test_what_is_no_json_otherwise_is_refused_with_its_line(hub, written, text, said):
    with pytest.raises(df.DurableError, match=said):
        hub.add_app(written({"function_app.py": APP, "local.settings.json": text}))


@pytest.mark.parametrize("text", ["{}", '{"Values": null}'])
def test_without_values_there_are_none(written, text):
    assert local_settings(written({"local.settings.json": text})) == {}


# -- host.json --------------------------------------------------------------------------------------


def test_the_functions_that_host_json_names_are_the_only_ones(written, serve):
    functions = {"functions": ["shown", "LATE", "o", "say_bye"]}
    served = serve(written({"function_app.py": APP, "host.json": functions}))
    assert served.http.get("/api/shown").text == "shown"
    assert served.http.get("/api/other").status_code == 404
    assert served.hub.clock.next_due().hour == 6
    assert served.hub.start("o", "say_bye").result(PATIENCE) == "Bye Tokyo!"
    assert served.http.post("/admin/functions/early").status_code == 404


def test_of_model_v1_the_others_are_not_imported(written, served):
    files = {f"{name}/function.json": {"bindings": BINDINGS} for name in ("First", "Second")}
    files |= {"First/__init__.py": "def main(req): return 'first'", "Second/__init__.py": "1 / 0"}
    served.hub.add_app(written({**files, "host.json": {"functions": ["first"]}}))
    assert served.http.get("/api/First").text == "first"


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


OWN, AZURES = "import durablenb as df", "import azure.durable_functions as df"
MADE, GIVEN = "client = df.DurableOrchestrationClient(client)", "pass"


@pytest.mark.parametrize(
    ("states", "imported", "made"),
    [
        *(("AnyState", imported, made) for imported in (OWN, AZURES) for made in (MADE, GIVEN)),
        ("NonRunningStates", AZURES, GIVEN),
        (None, OWN, MADE),
    ],
)
def test_host_json_says_whether_a_start_replaces_an_open_instance(written, served, states, imported, made):
    durable = {} if states is None else {"overridableExistingInstanceStates": states}
    app = STARTING.format(imported=imported, made=made)
    host = {"extensions": {"durableTask": durable}}
    served.hub.add_app(written({"function_app.py": app, "host.json": host}))
    for name in ("a", "b"):
        assert served.http.get(f"/api/start/{name}?n=1").status_code == 202
    again = served.http.get("/api/start/a?n=2")
    assert again.status_code == (202 if states == "AnyState" else 500)
    for name in ("a", "b"):
        served.hub.client.raise_event(name, "End")
    assert served.hub.handle("a").result(PATIENCE) == ("2" if states == "AnyState" else "1")
    assert served.hub.handle("b").result(PATIENCE) == "1"
    of_the_hub = served.hub.start("o", instance_id="c")
    with pytest.raises(df.InstanceExistsError):
        served.hub.start("o", instance_id="c")
    of_the_hub.terminate("")
