"""The imports of a function app are its own: the notebook's modules and paths stay as they were."""

import sys

import azure.durable_functions
import pytest

import durablenb as df
from durablenb.azure.imports import AppImports
from tests.azure.azures import BINDING
from tests.azure.conftest import APPS


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shared_by_name.py").write_text("WHOSE = 'the app'\n")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "deep.py").write_text("import azure.durable_functions as df\n")
    return tmp_path


def test_modules_and_paths_are_as_they_were(folder, monkeypatch):
    notebooks = type(sys)("shared_by_name")
    monkeypatch.setitem(sys.modules, "shared_by_name", notebooks)
    path, finders, modules = list(sys.path), list(sys.meta_path), dict(sys.modules)
    with AppImports(folder):
        import inner.deep
        import shared_by_name

        assert shared_by_name.WHOSE == "the app"
        assert inner.deep.df.TaskHub is df.TaskHub
    assert (sys.path, sys.meta_path, dict(sys.modules)) == (path, finders, modules)
    assert sys.modules["shared_by_name"] is notebooks


def test_they_are_even_if_the_app_fails(hub, folder):
    path, modules = list(sys.path), dict(sys.modules)
    (folder / "function_app.py").write_text("import shared_by_name, azure.durable_functions\n1 / 0\n")
    with pytest.raises(df.DurableError, match="ZeroDivisionError"):
        hub.add_app(folder)
    assert sys.path == path
    assert {name for name in sys.modules if name not in modules and "durablenb" not in name} == set()


def test_azures_own_package_is_there_again(folder):
    its_own = azure.durable_functions
    with AppImports(folder):
        from azure import durable_functions

        assert durable_functions is not its_own
        assert durable_functions.RetryOptions is df.RetryOptions
    from azure import durable_functions as again

    assert again is its_own
    assert sys.modules["azure.durable_functions"] is its_own
    assert azure.durable_functions is its_own


def test_names_of_azures_inner_modules_are_durablenbs(folder):
    with AppImports(folder):
        from azure.durable_functions import Blueprint, DFApp
        from azure.durable_functions.models import DurableOrchestrationClient as client
        from azure.durable_functions.models.DurableOrchestrationClient import DurableOrchestrationClient
        from azure.durable_functions.models.DurableOrchestrationStatus import DurableOrchestrationStatus
        from azure.durable_functions.models.Task import TaskBase

    assert issubclass(DFApp, Blueprint)
    assert DurableOrchestrationClient is client
    assert issubclass(client, df.DurableOrchestrationClient)
    assert DurableOrchestrationStatus is df.DurableOrchestrationStatus
    assert isinstance(TaskBase, type)


@pytest.mark.parametrize(
    ("statement", "error", "said"),
    [
        (
            "import azure.durable_functions.openai_agents",
            ModuleNotFoundError,
            r"durable_functions\.openai_agents",
        ),
        ("from azure.durable_functions import DurableHttpRequest", ImportError, "DurableHttpRequest"),
        (
            "import azure.durable_functions as df; df.DurableFunctionsClient",
            AttributeError,
            "'DurableFunctionsClient', a name of version 2",
        ),
    ],
)
def test_a_name_that_durablenb_does_not_have_is_said(folder, statement, error, said):
    with AppImports(folder), pytest.raises(error, match=said):
        exec(statement, {})


def test_azures_smaller_names_are_there_and_are_as_azures(hub, folder):
    from azure.durable_functions import constants as azures_constants
    from azure.durable_functions.models import DurableOrchestrationBindings as azures_bindings
    from azure.durable_functions.models.TokenSource import ManagedIdentityTokenSource as azures_token

    with AppImports(folder):
        import azure.durable_functions as stand_in
        from azure.durable_functions import DurableFunctionsCompatibilityWarning, constants
        from azure.durable_functions.decorators.durable_app import Blueprint, DFApp
        from azure.durable_functions.models import DurableOrchestrationBindings
        from azure.durable_functions.models.DurableOrchestrationBindings import (
            DurableOrchestrationBindings as same_bindings,
        )
        from azure.durable_functions.models.TokenSource import ManagedIdentityTokenSource, TokenSource

        own = {name: getattr(constants, name) for name in vars(azures_constants) if name.isupper()}
        assert stand_in.DFApp is DFApp
        assert stand_in.Blueprint is Blueprint
        assert stand_in.ManagedIdentityTokenSource is ManagedIdentityTokenSource
    assert own == {name: value for name, value in vars(azures_constants).items() if name.isupper()}
    assert issubclass(DurableFunctionsCompatibilityWarning, UserWarning)
    token = ManagedIdentityTokenSource("https://vault")
    assert isinstance(token, TokenSource)
    assert token.to_json() == azures_token("https://vault").to_json()

    @hub.orchestrator
    def asks(context):
        return (yield context.call_http("GET", "https://example.org", token_source=token))

    with pytest.raises(df.TaskFailedError, match="Pass one in headers"):
        hub.run(asks)
    assert DurableOrchestrationBindings is same_bindings
    mine, its = DurableOrchestrationBindings.from_json(BINDING), azures_bindings.from_json(BINDING)
    for name in ("task_hub_name", "creation_urls", "management_urls", "rpc_base_url"):
        assert getattr(mine, name) == getattr(its, name)


class Done:
    """A task of a test's own."""

    def __init__(self, result):
        self._result = result

    @property
    def result(self):
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


def driven(first):
    """An orchestrator under test: waits, meets a failure, and returns."""
    second = yield Done(first)
    try:
        yield Done(ValueError(second))
    except ValueError as error:
        return f"caught {error}"


def returns_at_once(first):
    return first
    yield


def raises(first):
    yield Done(first)
    raise LookupError(first)


def test_an_orchestrator_is_driven_in_a_test_as_by_azures_wrapper(folder):
    from azure.durable_functions.testing import orchestrator_generator_wrapper as azures_wrapper

    with AppImports(folder):
        from azure.durable_functions.testing import orchestrator_generator_wrapper
        from azure.durable_functions.testing.OrchestratorGeneratorWrapper import (
            orchestrator_generator_wrapper as same,
        )
    assert orchestrator_generator_wrapper is same is not azures_wrapper
    for wrapper in (orchestrator_generator_wrapper, azures_wrapper):
        *tasks, output = wrapper(driven("a"))
        assert [type(one) for one in tasks] == [Done, Done]
        assert output == "caught a"
        waited = wrapper(raises("b"))
        assert next(waited).result == "b"
        with pytest.raises(LookupError, match="b"):
            next(waited)
    assert list(orchestrator_generator_wrapper(returns_at_once("c"))) == ["c"]


def test_two_apps_with_modules_of_one_name_do_not_meet(written, served):
    text = "import azure.functions as f\nimport own\napp = f.FunctionApp()\n@app.route()\n"
    for name in ("first", "second"):
        app = f"{text}def {name}(req): return own.NAME\n"
        folder = written({f"{name}/function_app.py": app, f"{name}/own.py": f"NAME = {name!r}\n"})
        served.hub.add_app(folder / name)
    assert served.http.get("/api/first").text == "first"
    assert served.http.get("/api/second").text == "second"


def test_what_is_shipped_as_an_app_leaves_nothing_behind():
    modules = set(sys.modules)
    with df.TaskHub(":memory:") as hub:
        hub.add_app(APPS / "folders")
        hub.add_app(APPS / "decorated")
    left = {name.partition(".")[0] for name in set(sys.modules) - modules}
    assert left - {"durablenb"} - sys.stdlib_module_names == set()
