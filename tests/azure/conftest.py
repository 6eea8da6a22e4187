"""A hub that is served, and what is asked of the functions of its apps."""

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
        headers = {"x-functions-key": self.server.key}
        self.http = httpx.Client(headers=headers, base_url=self.server.url, timeout=PATIENCE)

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
