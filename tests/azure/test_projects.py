"""Function apps in a folder run as they are: of model v2, and of model v1."""

import logging
import sys

import pytest

import durablenb as df
from tests.azure.conftest import APPS, PATIENCE


@pytest.fixture(scope="module")
def decorated(served):
    """A hub with an app of model v2."""
    served.hub.add_app(APPS / "decorated")
    return served


def test_an_app_of_model_v2_answers_starts_and_counts(decorated):
    handle = decorated.started("/api/orchestrators/greet", json="London")
    assert handle.result(PATIENCE) == "Hello London!"
    assert decorated.http.get("/api/counters/greetings").json() == 1
    assert decorated.http.get("/api/counters/none").status_code == 404


def test_the_default_version_of_host_json_is_that_of_a_start_without_one(decorated):
    handle = decorated.started("/api/orchestrators/Waiting")
    decorated.hub.client.raise_event(handle.id, "ApprovalEvent", True)
    assert handle.result(PATIENCE) == ["1.0", True]
    other = decorated.hub.start("Waiting", version="0.9")
    decorated.hub.client.raise_event(other.id, "ApprovalEvent", False)
    assert other.result(PATIENCE) == ["0.9", False]


def test_an_app_of_model_v1_does_too_under_its_own_prefix(serve, caplog):
    served = serve(str(APPS / "folders"))
    handle = served.started("/functions/orchestrators/Greet")
    assert handle.result(PATIENCE) == ["Tokyo", "Hello Tokyo!", 12, 2]
    assert served.http.get("/functions/ReadCounter?key=a").text == "2"
    assert served.http.get("/api/ReadCounter?key=a").status_code == 404
    assert [one.getMessage() for one in caplog.records] == [
        "The function 'Text' gives 'message' to twilioSms, which durablenb doesn't have: it goes nowhere."
    ]


def test_a_trigger_of_another_kind_is_said_once(caplog):
    with df.TaskHub(":memory:") as hub:
        for _ in range(2):
            hub.add_app(APPS / "decorated")
        assert hub.clock.next_due().hour == 4, "its timer waits for its schedule"
    said = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert said == [
        "The function 'on_order' has a queueTrigger, which durablenb doesn't have: nothing calls it."
    ]


def test_an_app_whose_import_line_was_changed_is_one_too(served, written):
    parts = "import durablenb as df\nbp = df.Blueprint()\n@bp.route()\ndef hello(req):\n    return 'Hello!'\n"
    text = "import durablenb as df\nfrom parts import bp\napp = df.DFApp()\napp.register_functions(bp)\n"
    served.hub.add_app(written({"function_app.py": text, "parts.py": parts}))
    assert served.http.get("/api/hello").text == "Hello!"


# -- what goes wrong is said --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "import os\nimport no_such_package\n",
            r"function_app\.py, line 2: ModuleNotFoundError.*requirements",
        ),
        ("import os\n\nif True\n", r"function_app\.py, line 3: SyntaxError: expected ':'"),
        ("def fails():\n    return 1 / 0\n\n\nfails()\n", r"function_app\.py, line 2: ZeroDivisionError"),
        ("import inner\n", r"inner\.py, line 2: Attribute"),
        ("app = None\n", "no function app at its top level"),
        (
            "import azure.functions as f\na, b = f.FunctionApp(), f.FunctionApp()\n",
            "more than one function app",
        ),
    ],
)
def test_an_app_that_fails_to_load_names_the_line(hub, written, text, said):
    with pytest.raises(df.DurableError, match=said):
        hub.add_app(written({"function_app.py": text, "inner.py": "x = 1\ny = x.z\n"}))


def test_without_azure_functions_it_says_what_to_install(hub, written, monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.functions", None)
    with pytest.raises(df.DurableError, match=r"pip install 'durablenb\[azure\]'"):
        hub.add_app(written({"function_app.py": "import azure.functions\n"}))


ACTIVITY = {"bindings": [{"type": "activityTrigger", "name": "a"}]}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"notes.py": ""}, r"no function app in .*neither function_app\.py nor folders with function\.json"),
        ({"A/function.json": "{"}, r"function\.json isn't JSON"),
        ({"A/function.json": "[]"}, r"function\.json isn't a JSON object"),
        ({"A/function.json": {"bindings": []}}, "has no trigger, or more than one"),
        ({"A/function.json": ACTIVITY}, "no file .*__init__"),
        (
            {"A/function.json": {**ACTIVITY, "scriptFile": "s.py"}, "A/s.py": ""},
            r"s\.py has no function 'main'",
        ),
    ],
)
def test_a_folder_that_is_no_app_says_what_is_missing(hub, written, files, said):
    with pytest.raises(df.DurableError, match=said):
        hub.add_app(written(files))


def test_a_folder_that_is_not_there_is_said(hub, tmp_path):
    with pytest.raises(df.DurableError, match="There is no folder"):
        hub.add_app(tmp_path / "nowhere")


TIMED = """
import azure.functions as func

app = func.FunctionApp()


@app.route(route="first")
def first(req):
    return "first"


@app.timer_trigger(schedule={schedule!r}, arg_name="timer")
def later(timer): ...
"""


@pytest.mark.parametrize(
    ("schedule", "said"),
    [("%No_Such_Setting%", "setting 'No_Such_Setting' is missing"), ("often", "'often'")],
)
def test_of_an_app_with_a_mistake_nothing_is_registered(served, written, schedule, said):
    with pytest.raises((df.DurableError, ValueError), match=said):
        served.hub.add_app(written({"function_app.py": TIMED.format(schedule=schedule)}))
    assert served.http.get("/api/first").status_code == 404


def test_a_setting_comes_from_the_environment_before_the_file(written, monkeypatch):
    settings = {"Values": {"Schedule": "0 0 5 * * *"}}
    folder = written(
        {"function_app.py": TIMED.format(schedule="%Schedule%"), "local.settings.json": settings}
    )
    monkeypatch.setenv("Schedule", "0 0 6 * * *")
    with df.TaskHub(":memory:") as hub:
        hub.add_app(folder)
        assert hub.clock.next_due().hour == 6
