"""Edits of a running orchestrator: those that part from its history are seen, line and all; others fit."""

import inspect

import pytest

from durablenb.model.errors import NonDeterminismError
from tests.histories.edits import HARMLESS, MARK, PARTING
from tests.histories.golden import read
from tests.histories.replaying import executions, prefixes, replay


def histories(scene):
    """The executions of the orchestrator that a scene is about: of the one that was started first."""
    records = read(scene)
    for key, history in executions(records).items():
        if history[0].name == records[0].event.name:
            yield key, history


def marked_line(function):
    lines, first = inspect.getsourcelines(function)
    return next(first + offset for offset, line in enumerate(lines) if MARK in line)


@pytest.mark.parametrize("name", PARTING)
def test_an_edit_that_parts_from_the_history_is_seen_and_its_line_is_named(name):
    scene, function = PARTING[name]
    errors = []
    for key, history in histories(scene):
        try:
            replay(function, key, history)
        except NonDeterminismError as error:
            errors.append(error)
    assert errors, "the edit went unnoticed"
    assert errors[0].line == marked_line(function), errors[0]
    assert f"line {errors[0].line} " in str(errors[0])
    assert errors[0].differences


@pytest.mark.parametrize("name", PARTING)
def test_an_edit_is_seen_at_the_first_moment_at_which_it_parts(name):
    scene, function = PARTING[name]
    for key, history in histories(scene):
        seen = []
        for prefix in prefixes(history):
            try:
                replay(function, key, prefix)
                seen.append(False)
            except NonDeterminismError:
                seen.append(True)
        assert seen == sorted(seen), "once seen, it must stay seen"


@pytest.mark.parametrize("name", HARMLESS)
def test_an_edit_that_asks_for_the_same_fits(name):
    scene, function = HARMLESS[name]
    for key, history in histories(scene):
        for prefix in prefixes(history):
            replay(function, key, prefix)
