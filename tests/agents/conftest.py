"""Agents with models that answer from a script, offline."""

import pytest

import durablenb as df


@pytest.fixture
def hub():
    with df.TaskHub(":memory:", mode="kernel", executor="inline") as hub:
        yield hub
