"""A hub that is served, and what is asked of the functions of its apps."""

import json
from pathlib import Path

import httpx
import pytest

import durablenb as df

PATIENCE = 20.0
"""Seconds after which something that has not come about counts as never."""

APPS = Path(__file__).parents[1] / "apps"


class Served:
    """A hub with apps, its server, and an HTTP client that has the key."""

    def __init__(self, *apps, **options):
        self.hub = df.TaskHub(":memory:")
        for app in apps:
            self.hub.add_app(app)
        self.server = self.hub.serve(port=0, **options)
        self.http = httpx.Client(
            headers={"x-functions-key": self.server.key},
            base_url=self.server.url,
            timeout=PATIENCE,
            verify=False,  # reading the certificates takes as long as some tests
        )

    def started(self, path, **options):
        """The handle of an orchestration that a function has started."""
        answer = self.http.post(path, **options)
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == answer.json()["statusQueryGetUri"]
        return self.hub.handle(answer.json()["id"])

    def close(self):
        self.http.close()
        self.hub.close()


@pytest.fixture
def serve():
    made = []

    def begin(*apps, **options):
        made.append(Served(*apps, **options))
        return made[-1]

    yield begin
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def served():
    """A hub for all tests of a module, which add functions to it."""
    made = Served()
    yield made
    made.close()


@pytest.fixture
def route(served):
    """Adds a function with an HTTP trigger to the served hub, as `DFApp.route` does to an app."""

    def decorator(**options):
        def add(function):
            app = df.DFApp()
            app.route(**options)(function)
            served.hub.add_app(app)

        return add

    return decorator


@pytest.fixture(scope="module")
def hub():
    """A hub for tests in which nothing runs."""
    with df.TaskHub(":memory:", mode="kernel") as hub:
        yield hub


@pytest.fixture
def written(tmp_path):
    """Writes the files of an app, and returns its folder."""

    def write(files):
        for name, content in files.items():
            place = tmp_path / "app" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content if isinstance(content, str) else json.dumps(content))
        return tmp_path / "app"

    return write
