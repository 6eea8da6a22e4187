"""Calls of activities with several arguments: by position, by name, and together with the engine's own."""

from dataclasses import dataclass

import pandas as pd
import pytest

import durablenb as df
from durablenb.model.events import TaskScheduled
from tests.calls import start_call


@dataclass
class Params:
    depth: int
    rate: float = 0.1


def recorded_input(hub, activity, *given, **named):
    handle = start_call(hub, activity, *given, **named)
    handle.result()
    return next(event.input for event in handle.history() if isinstance(event, TaskScheduled))


def fit(frame, params, *, digits=2, label="fit"):
    return [len(frame), params, digits, label]


def named(*given, **named):
    return given, named


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (named("fit", [1, 2], 3), [2, 3, 2, "fit"]),
        (named("fit", [1, 2], params=3), [2, 3, 2, "fit"]),
        (named("fit", frame=[1], params=None), [1, None, 2, "fit"]),
        (named(fit, [], 3, digits=4, label="x"), [0, 3, 4, "x"]),
        (named("FIT", [], params={"@type": "a"}), [0, {"@type": "a"}, 2, "fit"]),
        (named("fit", [1], None, params=(1,)), [1, (1,), 2, "fit"]),
        (named("fit", [1], list, params=2), [1, 2, 2, "fit"]),
        (named("fit", [1], 5, digits=0, retry=df.RetryOptions(1, 2)), [1, 5, 0, "fit"]),
        (named("two", 1, 2), [1, 2, "two"]),
        (named("two", 1, second=2), [1, 2, "two"]),
        (named("two", second=2, first=1), [1, 2, "two"]),
        (named("waits", 1, second=2), [1, 2]),
        (named("engine", "a", 5), ["a", 5]),
    ],
)
def test_arguments_reach_their_parameters(kernel, given, expected):
    def two(first, activity: df.ActivityContext, second=None):
        return [first, second, activity.name]

    async def waits(first, second):
        return [first, second]

    for activity in (fit, two, waits):
        kernel.add_activity(activity)
    kernel.add_activity(lambda name, timeout: [name, timeout], "engine")
    assert start_call(kernel, *given[0], **given[1]).result() == expected


def test_one_argument_is_kept_as_azure_keeps_it(kernel):
    kernel.add_activity(lambda value=7: value, "echo")
    assert recorded_input(kernel, "echo", [1]) == "[1]"
    assert recorded_input(kernel, "echo", None, None) == "null"
    assert recorded_input(kernel, "echo", input_={"a": 1}, expected_type=dict) == '{"a": 1}'
    assert recorded_input(kernel, "echo") == "null"


def test_several_arguments_are_readable_in_the_journal(kernel):
    text = recorded_input(kernel, kernel.activity(fit), "abc", params=Params(3))
    assert text == '{"@type": "arguments", "@value": [["abc"], {"params": {"depth": 3, "rate": 0.1}}]}'


def typed(frame: pd.DataFrame, params: Params, *more: Params, extra: list[Params] | None = None) -> str:
    return f"{type(frame).__name__} {params!r} {extra!r}"


@pytest.mark.parametrize("options", [{"mode": "kernel"}, {"executor": "processes"}], ids=str)
def test_each_argument_is_rebuilt_to_its_annotation(options):
    frame = pd.DataFrame({"a": range(10_000)})
    with df.TaskHub(":memory:", **options) as hub:
        handle = start_call(hub, hub.activity(typed), frame, Params(1), extra=[Params(2)])
        assert handle.result() == f"DataFrame {Params(1)!r} {[Params(2)]!r}"


def test_registered_types_and_the_expected_type():
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.register_type(Params)
        hub.add_activity(lambda params, depth: {"depth": params.depth + depth}, "deepen")
        handle = start_call(hub, "deepen", Params(1), depth=2, expected_type=Params)
        assert handle.result() == Params(3)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            named("fit", [1], param=2),
            r"The arguments don't fit: missing a required argument: 'params'. The activity takes "
            r"\(frame, params, \*, digits=2, label='fit'\), and was called with \(\[1\], param=2\).",
        ),
        (named("fit", 1, 2, 3), "too many positional arguments"),
        (named("fit", 1, 2, frame=3), "multiple values for argument 'frame'"),
    ],
)
def test_arguments_that_do_not_fit_are_explained(kernel, given, problem):
    kernel.add_activity(fit)
    with pytest.raises(TypeError, match=problem):
        start_call(kernel, *given[0], **given[1]).result()


def test_tables_and_pictures_have_the_call():
    with df.TaskHub(":memory:", mode="kernel") as hub:
        handle = start_call(hub, hub.activity(fit), [1], params=2)
        assert handle.result() == [1, 2, 2, "fit"]
        (found,) = hub.sql("select input ->> '$.\"@value\"[1].params' from activities").fetchall()
        assert found == ("2",)
        for shown in (handle, handle.replay(), handle.history()):
            assert shown._repr_mimebundle_()


def test_what_cannot_be_kept_is_named_by_its_path(kernel):
    kernel.add_activity(fit)
    with pytest.raises(df.NotSerializableError, match=r"\[1\]\['params'\]"):
        start_call(kernel, fit, [1], params=object()).result()
