"""Row 12: a failure is never read as a success, and a result that is false is a result."""

import pytest

import durablenb as df
from tests.traps.corpus import quick


class Sulking(Exception):
    def __str__(self):
        raise RuntimeError("no text for you")


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        ValueError(""),
        ValueError(None),
        ValueError(" "),
        ValueError("\0"),
        ValueError("null"),
        ValueError('{"a": 1}'),
        ValueError("\udc80 half a surrogate"),
        ValueError("지속성 🦆"),
        ValueError("x" * 1_000_000),
        KeyError("key"),
        Exception(),
        Exception(1, [2]),
        Sulking(),
        MemoryError(),
        RecursionError(),
        ExceptionGroup("several", [ValueError("a"), KeyError("b")]),
        StopIteration(5),
        StopAsyncIteration(),
        GeneratorExit(),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"),
        OSError(2, "No such file", "tea.txt"),
        ImportError("no module", name="tea"),
        df.NotSerializableError("mine"),
        df.DurableError(),
    ],
    ids=lambda error: f"{type(error).__name__}-{len(error.args)}",
)
def test_row_12_an_activity_that_raises_fails_whatever_it_raises(kernel, error):
    @kernel.activity
    def raises():
        raise error

    def asks(context):
        try:
            result = yield context.call_activity(raises)
        except df.TaskFailedError as failed:
            return {"type": failed.details.error_type, "text": str(failed)}
        return {"result": result}

    answer = kernel.run(asks)
    assert answer["type"] == f"{type(error).__module__}.{type(error).__qualname__}"
    assert answer["text"].startswith("Activity function 'raises' failed: ")


@pytest.mark.parametrize(
    "error",
    [ValueError(), ValueError("null"), Sulking(), StopIteration(5)],
    ids=lambda error: type(error).__name__ + str(len(error.args)),
)
def test_row_12_an_orchestrator_that_raises_fails_whatever_it_raises(lab, error):
    @lab.orchestrator
    def generator(context):
        raise error
        yield

    @lab.orchestrator
    def plain(context):
        raise error

    @lab.orchestrator
    async def coroutine(context):
        raise error

    for orchestrator in (generator, plain, coroutine):
        handle = lab.start(orchestrator)
        assert handle.wait(10).runtime_status == "Failed"
        with pytest.raises(df.TaskFailedError):
            handle.result(10)
        assert handle.status().output.startswith(f"Orchestrator function '{orchestrator.__name__}' failed: ")


def test_row_12_a_failure_without_a_message_names_its_type(lab):
    def fails(context):
        raise ValueError

    handle = lab.start(fails)
    with pytest.raises(ValueError, match=r"builtins\.ValueError"):
        handle.result(10)
    assert handle.status().output == "Orchestrator function 'fails' failed: builtins.ValueError"


def deep():
    made: list = []
    for _ in range(100_000):
        made = [made]
    return made


def looped():
    made: list = []
    made.append(made)
    return made


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (object, "which the journal can't keep"),
        (lambda: object, "which the journal can't keep"),
        (lambda: print, "which the journal can't keep"),
        (lambda: deep, "which the journal can't keep"),
        (lambda: lambda: 0, "which the journal can't keep"),
        (lambda: iter([]), "which the journal can't keep"),
        (lambda: {"a": [1, {2: object()}]}, "which the journal can't keep"),
        (looped, "a reference to itself"),
        (deep, "more than 500 levels"),
    ],
)
def test_row_12_a_result_that_cannot_be_kept_is_a_failure(kernel, make, text):
    made = []

    def gives():
        made.append(make())
        return made[-1]

    def asks(context):
        yield context.call_activity("gives")

    def returns(context):
        return gives()

    kernel.activity(gives)
    for orchestrator in (asks, returns):
        with pytest.raises(df.NotSerializableError, match=text):
            kernel.run(orchestrator)
    for value in made if make is deep else ():
        while value:  # so that it is not freed by recursion
            value = value.pop()


def test_row_12_null_and_other_false_results_are_results(kernel):
    kernel.activity(lambda value: value, "echo")
    kernel.orchestrator(quick)

    def asks(context):
        value = context.get_input()
        child = yield context.call_sub_orchestrator("quick", value)
        return [(yield context.call_activity("echo", value)), child]

    for value in (None, 0, False, "", [], {}, "null", 0.0):
        assert repr(kernel.run(asks, value)) == repr([value, value])
        handle = kernel.start(quick, value)
        assert repr(handle.result(10)) == repr(value)
        assert handle.status().runtime_status == "Completed"


def test_row_12_an_input_that_cannot_be_kept_is_refused_before_anything_is_recorded(lab):
    def asks(context):
        context.call_activity("anything", object())

    handle = lab.start(asks)
    with pytest.raises(df.NotSerializableError, match=r"value is a builtins\.object"):
        handle.result(10)
    assert "TaskScheduled" not in [type(event).__name__ for event in handle.history()]
    with pytest.raises(df.NotSerializableError):
        lab.start(asks, object(), instance_id="never")
    assert not lab.client.get_status("never")
