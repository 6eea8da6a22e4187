"""Rows 11 and 12: failures keep what they are, at every level, and a failure is never read as a success."""

import pytest

import durablenb as df


class OutOfStock(Exception):
    """An exception of the user's, with arguments of its own."""

    def __init__(self, article, *, left):
        super().__init__(f"{article}: {left} left")
        self.article = article


class Sulking(Exception):
    def __str__(self):
        raise RuntimeError("no text for you")


# -- row 11 --------------------------------------------------------------------------------------


def three_levels(lab, raises):
    @lab.activity
    def leaf():
        raises()

    @lab.orchestrator
    def child(context):
        yield context.call_activity(leaf)

    @lab.orchestrator
    def parent(context):
        yield context.call_sub_orchestrator(child, None, "child")

    @lab.orchestrator
    def grandparent(context):
        yield context.call_sub_orchestrator(parent, None, "parent")

    return lab.start(grandparent, instance_id="grandparent")


def test_row_11_a_childs_failure_keeps_type_message_traceback_and_inner_failure_at_every_level(lab):
    def raises():
        try:
            {}["key"]
        except KeyError as error:
            raise OutOfStock("tea", left=0) from error

    handle = three_levels(lab, raises)
    with pytest.raises(OutOfStock) as caught:
        handle.result(10)
    assert isinstance(caught.value, df.TaskFailedError)
    details = handle.status().failure_details
    names = []
    while details is not None:
        names.append(details.error_type.rpartition(".")[2])
        last, details = details, details.inner
        if names[-1] == "OutOfStock":
            assert last.message == "tea: 0 left"
            assert "in raises" in last.stack_trace
    # the three orchestrators' TaskFailedError, the activity's own exception, and its cause
    assert names == ["TaskFailedError"] * 3 + ["OutOfStock", "KeyError"]


def test_row_11_a_parent_catches_the_original_type_of_its_grandchilds_failure(lab):
    @lab.activity
    def leaf():
        raise OutOfStock("tea", left=0)

    @lab.orchestrator
    def child(context):
        yield context.call_activity(leaf)

    @lab.orchestrator
    def parent(context):
        yield context.call_sub_orchestrator(child)

    @lab.orchestrator
    def grandparent(context):
        try:
            yield context.call_sub_orchestrator(parent)
        except OutOfStock as error:
            return [type(error).__name__, error.details.inner.inner.message]

    assert lab.run(grandparent) == ["OutOfStock", "tea: 0 left"]


def test_row_11_the_text_names_each_function_on_the_way(lab):
    def raises():
        raise ValueError("nothing left")

    handle = three_levels(lab, raises)
    handle.wait(10)
    output = handle.status().output
    for part in (
        "Orchestrator function 'grandparent' failed",
        "Orchestrator function 'parent' failed",
        "Orchestrator function 'child' failed",
        "Activity function 'leaf' failed",
        "nothing left",
    ):
        assert part in output


def test_row_11_each_level_shows_its_failure_in_its_own_history(lab):
    def raises():
        raise ValueError("nothing left")

    three_levels(lab, raises).wait(10)
    for instance_id in ("grandparent", "parent"):
        events = lab.client.get_status(instance_id, True).history
        failed = next(event for event in events if event["EventType"] == "SubOrchestrationInstanceFailed")
        inner = failed["FailureDetails"]
        while "InnerFailure" in inner:
            inner = inner["InnerFailure"]
        assert inner["ErrorType"] == "builtins.ValueError"
        assert inner["ErrorMessage"] == "nothing left"


def test_row_11_a_child_knows_its_parent(lab):
    @lab.orchestrator
    def child(context):
        return context.parent_instance_id

    @lab.orchestrator
    def parent(context):
        return [context.parent_instance_id, (yield context.call_sub_orchestrator(child, None, "c"))]

    assert lab.run(parent, instance_id="p") == [None, "p"]
    assert lab.client.get_status("c").parent_instance_id == "p"
    assert lab.client.get_status("p").parent_instance_id is None


def test_row_11_a_failure_is_the_same_after_a_restart(disk):
    @disk.activity
    def leaf():
        raise OutOfStock("tea", left=0)

    @disk.orchestrator
    def catches(context):
        try:
            yield context.call_activity(leaf)
        except OutOfStock as error:
            text = [str(error), error.details.message, error.details.error_type]
        yield context.wait_for_external_event("go")
        return text

    handle = disk.start(catches, instance_id="i")
    disk.settle()
    disk.restart()
    handle = disk.hub.handle("i")
    handle.raise_event("go")
    text, message, error_type = handle.result()
    assert text.startswith("Activity function 'leaf' failed: tea: 0 left")
    assert (message, error_type.rpartition(".")[2]) == ("tea: 0 left", "OutOfStock")


def test_row_11_a_deep_chain_of_causes_is_kept_up_to_a_limit(lab):
    def raises():
        error = ValueError("0")
        for number in range(1, 60):
            outer = ValueError(str(number))
            outer.__cause__ = error
            error = outer
        raise error

    handle = three_levels(lab, raises)
    handle.wait(10)
    details, depth = handle.status().failure_details, 0
    while details is not None:
        details, depth = details.inner, depth + 1
    assert 20 <= depth <= 23


def test_row_11_what_an_orchestrator_catches_and_raises_anew_has_the_old_failure_inside(lab):
    @lab.activity
    def leaf():
        raise OutOfStock("tea", left=0)

    @lab.orchestrator
    def translates(context):
        try:
            yield context.call_activity(leaf)
        except OutOfStock as error:
            raise LookupError("no tea today") from error

    handle = lab.start(translates)
    with pytest.raises(LookupError, match="no tea today"):
        handle.result(10)
    details = handle.status().failure_details
    assert details.error_type == "builtins.LookupError"
    assert details.inner.inner.message == "tea: 0 left"


# -- row 12 --------------------------------------------------------------------------------------


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
        ValueError("x" * 10_000_000),
        KeyError("key"),
        Exception(),
        Exception(1, [2]),
        Sulking(),
        OutOfStock("tea", left=0),
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

    @kernel.orchestrator
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
    @lab.orchestrator
    def fails(context):
        raise ValueError

    handle = lab.start(fails)
    with pytest.raises(ValueError, match=r"builtins\.ValueError"):
        handle.result(10)
    assert handle.status().output == "Orchestrator function 'fails' failed: builtins.ValueError"


@pytest.mark.parametrize(
    "value",
    [object(), object, print, lambda: 0, iter([]), {"a": [1, {2: object()}]}],
    ids=lambda value: type(value).__name__,
)
def test_row_12_a_result_that_cannot_be_kept_is_a_failure(lab, value):
    @lab.activity
    def gives():
        return value

    @lab.orchestrator
    def asks(context):
        yield context.call_activity(gives)

    @lab.orchestrator
    def returns(context):
        return value

    for orchestrator in (asks, returns):
        handle = lab.start(orchestrator)
        with pytest.raises(df.NotSerializableError, match="which the journal can't keep"):
            handle.result(10)


def test_row_12_a_result_that_refers_to_itself_or_is_too_deep_is_a_failure(kernel):
    loop: list = []
    loop.append(loop)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    values = [loop, deep]

    @kernel.activity
    def gives(number):
        return values[number]

    @kernel.orchestrator
    def asks(context):
        yield context.call_activity(gives, context.get_input())

    for number, text in enumerate(("a reference to itself", "more than 500 levels")):
        with pytest.raises(df.NotSerializableError, match=text):
            kernel.run(asks, number)
    while deep:  # so that it is not freed by recursion
        deep = deep.pop()


@pytest.mark.parametrize("value", [None, 0, False, "", [], {}, "null", 0.0], ids=repr)
def test_row_12_null_and_other_false_results_are_results(kernel, value):
    @kernel.activity
    def gives():
        return value

    @kernel.orchestrator
    def asks(context):
        got = yield context.call_activity(gives)
        return [got]

    @kernel.orchestrator
    def passes_on(context):
        return (yield context.call_sub_orchestrator("gives_itself"))

    @kernel.orchestrator
    def gives_itself(context):
        return value

    assert kernel.run(asks) == [value]
    handle = kernel.start(passes_on)
    assert handle.result(10) == value
    assert handle.status().runtime_status == "Completed"


def test_row_12_an_input_that_cannot_be_kept_is_refused_before_anything_is_recorded(lab):
    @lab.orchestrator
    def asks(context):
        context.call_activity("anything", object())

    handle = lab.start(asks)
    with pytest.raises(df.NotSerializableError, match=r"value is a builtins\.object"):
        handle.result(10)
    assert "TaskScheduled" not in [type(event).__name__ for event in handle.history()]
    with pytest.raises(df.NotSerializableError):
        lab.start(asks, object(), instance_id="never")
    assert not lab.client.get_status("never")
