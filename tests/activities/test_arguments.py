"""Calls of activities with several arguments: by position, by name, and together with the engine's own."""

from dataclasses import dataclass

import pandas as pd
import pytest

import durablenb as df
from durablenb.model.events import TaskScheduled


@dataclass
class Params:
    depth: int
    rate: float = 0.1


@pytest.fixture(params=["kernel", "threads"])
def hub(request):
    with df.TaskHub(":memory:", mode=request.param, verify_replay=True) as hub:
        yield hub


def started(hub, call):
    """An orchestration that yields what `call` makes of its context, and returns the result."""

    def asks(context):
        return (yield call(context))

    hub.add_orchestrator(asks)
    return hub.start(asks)


def answer(hub, call):
    return started(hub, call).result()


def recorded_input(hub, call):
    handle = started(hub, call)
    handle.result()
    return next(event.input for event in handle.history() if isinstance(event, TaskScheduled))


def fit(frame, params, *, digits=2, label="fit"):
    return [len(frame), params, digits, label]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda context: context.call_activity("fit", [1, 2], 3), [2, 3, 2, "fit"]),
        (lambda context: context.call_activity("fit", [1, 2], params=3), [2, 3, 2, "fit"]),
        (lambda context: context.call_activity("fit", frame=[1], params=None), [1, None, 2, "fit"]),
        (lambda context: context.call_activity(fit, [], 3, digits=4, label="x"), [0, 3, 4, "x"]),
        (
            lambda context: context.call_activity("FIT", [], params={"@type": "a"}),
            [0, {"@type": "a"}, 2, "fit"],
        ),
        (lambda context: context.call_activity("fit", [1], None, params=(1,)), [1, (1,), 2, "fit"]),
        (lambda context: context.call_activity("fit", [1], list, params=2), [1, 2, 2, "fit"]),
        (
            lambda context: context.call_activity_with_retry("fit", df.RetryOptions(1, 2), [1], 5, digits=0),
            [1, 5, 0, "fit"],
        ),
    ],
)
def test_arguments_reach_their_parameters(hub, call, expected):
    hub.add_activity(fit)
    assert answer(hub, call) == expected


def test_one_argument_is_kept_as_azure_keeps_it(hub):
    hub.add_activity(lambda value=7: value, "echo")
    for call, text in (
        (lambda context: context.call_activity("echo", [1]), "[1]"),
        (lambda context: context.call_activity("echo", None, None), "null"),
        (lambda context: context.call_activity("echo", input_={"a": 1}, expected_type=dict), '{"a": 1}'),
        (lambda context: context.call_activity("echo"), "null"),
    ):
        assert recorded_input(hub, call) == text


def test_several_arguments_are_readable_in_the_journal(hub):
    hub.add_activity(fit)
    text = recorded_input(hub, lambda context: context.call_activity(fit, "abc", params=Params(3)))
    assert text == '{"@type": "arguments", "@value": [["abc"], {"params": {"depth": 3, "rate": 0.1}}]}'


def typed(frame: pd.DataFrame, params: Params, *more: Params, extra: list[Params] | None = None) -> str:
    return f"{type(frame).__name__} {params!r} {extra!r}"


def test_each_argument_is_rebuilt_to_its_annotation(hub):
    hub.add_activity(typed)
    frame = pd.DataFrame({"a": [1]})
    got = answer(hub, lambda context: context.call_activity(typed, frame, Params(1), extra=[Params(2)]))
    assert got == f"DataFrame {Params(1)!r} {[Params(2)]!r}"


def test_registered_types_and_the_expected_type(hub):
    hub.register_type(Params)
    hub.add_activity(lambda params, depth: {"depth": params.depth + depth}, "deepen")
    got = answer(
        hub, lambda context: context.call_activity("deepen", Params(1), depth=2, expected_type=Params)
    )
    assert got == Params(3)


def contextual(first, activity: df.ActivityContext, second=None):
    return [first, second, activity.name]


@pytest.mark.parametrize(
    "call",
    [
        lambda context: context.call_activity(contextual, 1, 2),
        lambda context: context.call_activity(contextual, 1, second=2),
        lambda context: context.call_activity(contextual, second=2, first=1),
    ],
)
def test_the_context_of_an_activity_is_no_argument(hub, call):
    hub.add_activity(contextual)
    assert answer(hub, call) == [1, 2, "contextual"]


def test_other_processes_get_all_arguments():
    with df.TaskHub(":memory:", executor="processes") as hub:
        hub.add_activity(typed)
        frame = pd.DataFrame({"a": range(10_000)})
        got = answer(hub, lambda context: context.call_activity(typed, frame, params=Params(1)))
        assert got == f"DataFrame {Params(1)!r} None"


async def waits(first, second):
    return [first, second]


def test_coroutines_take_several_arguments(hub):
    hub.add_activity(waits)
    assert answer(hub, lambda context: context.call_activity(waits, 1, second=2)) == [1, 2]


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (
            lambda context: context.call_activity("fit", [1], param=2),
            r"The arguments don't fit: missing a required argument: 'params'. The activity takes "
            r"\(frame, params, \*, digits=2, label='fit'\), and was called with \(\[1\], param=2\).",
        ),
        (lambda context: context.call_activity("fit", 1, 2, 3), "too many positional arguments"),
        (lambda context: context.call_activity("fit", 1, 2, frame=3), "multiple values for argument 'frame'"),
    ],
)
def test_arguments_that_do_not_fit_are_explained(hub, call, problem):
    hub.add_activity(fit)
    with pytest.raises(TypeError, match=problem):
        answer(hub, call)


def test_a_parameter_of_the_engines_name_is_given_by_position(hub):
    hub.add_activity(lambda name, timeout: [name, timeout], "named")
    assert answer(hub, lambda context: context.call_activity("named", "a", 5)) == ["a", 5]


def test_tables_and_pictures_have_the_call(hub):
    hub.add_activity(fit)
    handle = started(hub, lambda context: context.call_activity(fit, [1], params=2))
    assert handle.result() == [1, 2, 2, "fit"]
    (found,) = hub.sql("select input ->> '$.\"@value\"[1].params' from activities").fetchall()
    assert found == ("2",)
    for shown in (handle, handle.replay(), handle.history()):
        assert shown._repr_mimebundle_()


def test_what_cannot_be_kept_is_named_by_its_path(hub):
    hub.add_activity(fit)
    with pytest.raises(df.NotSerializableError, match=r"\[1\]\['params'\]"):
        answer(hub, lambda context: context.call_activity(fit, [1], params=object()))
