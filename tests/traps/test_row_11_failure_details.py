"""Row 11: failures keep what they are, at every level."""

import pytest

import durablenb as df


class OutOfStock(Exception):
    """An exception of the user's, with arguments of its own."""

    def __init__(self, article, *, left):
        super().__init__(f"{article}: {left} left")
        self.article = article


def three_levels(lab, raises):
    """A grandparent that calls a parent that calls a child, whose activity raises."""

    def leaf():
        raises()

    def child(context):
        yield context.call_activity(leaf)

    def parent(context):
        yield context.call_sub_orchestrator(child, None, "child")

    def grandparent(context):
        yield context.call_sub_orchestrator(parent, None, "parent")

    lab.activity(leaf)
    for one in (child, parent):
        lab.orchestrator(one)
    return lab.start(grandparent, instance_id="grandparent")


def sold_out():
    raise OutOfStock("tea", left=0)


def test_row_11_a_failure_keeps_type_message_traceback_and_inner_failure_at_every_level(lab):
    def raises():
        try:
            {}["key"]
        except KeyError as error:
            raise OutOfStock("tea", left=0) from error

    handle = three_levels(lab, raises)
    with pytest.raises(OutOfStock) as caught:
        handle.result(10)
    assert isinstance(caught.value, df.TaskFailedError)
    levels = [details := handle.status().failure_details]
    while (details := details.inner) is not None:
        levels.append(details)
    # the three orchestrators' TaskFailedError, the activity's own exception, and its cause
    names = ["TaskFailedError"] * 3 + ["OutOfStock", "KeyError"]
    assert [level.error_type.rpartition(".")[2] for level in levels] == names
    assert levels[3].message == "tea: 0 left"
    assert "in raises" in levels[3].stack_trace
    for part in (
        "Orchestrator function 'grandparent' failed",
        "Orchestrator function 'parent' failed",
        "Orchestrator function 'child' failed",
        "Activity function 'leaf' failed",
        "tea: 0 left",
    ):
        assert part in handle.status().output
    for instance_id in ("grandparent", "parent"):  # each has it in its own history
        events = lab.client.get_status(instance_id, True).history
        failed = next(event for event in events if event["EventType"] == "SubOrchestrationInstanceFailed")
        inner = failed["FailureDetails"]
        while "InnerFailure" in inner:
            inner = inner["InnerFailure"]
        assert (inner["ErrorType"], inner["ErrorMessage"]) == ("builtins.KeyError", "'key'")


def test_row_11_a_parent_catches_the_original_type_of_its_grandchilds_failure(lab):
    three_levels(lab, sold_out).wait(10)

    def catches(context):
        try:
            yield context.call_sub_orchestrator("parent")
        except OutOfStock as error:
            return [type(error).__name__, error.details.inner.inner.message]

    assert lab.run(catches) == ["OutOfStock", "tea: 0 left"]


def test_row_11_a_child_knows_its_parent(lab):
    @lab.orchestrator
    def child(context):
        return context.parent_instance_id

    def parent(context):
        return [context.parent_instance_id, (yield context.call_sub_orchestrator(child, None, "c"))]

    assert lab.run(parent, instance_id="p") == [None, "p"]
    assert lab.client.get_status("c").parent_instance_id == "p"
    assert lab.client.get_status("p").parent_instance_id is None


def test_row_11_a_failure_is_the_same_after_a_restart(disk):
    def catches(context):
        try:
            yield context.call_activity("leaf")
        except OutOfStock as error:
            text = [str(error), error.details.message, error.details.error_type]
        yield context.wait_for_external_event("go")
        return text

    disk.activity(sold_out, "leaf")
    disk.begin(catches, instance_id="i")
    handle = disk.restart("i")
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
    def translates(context):
        try:
            yield context.call_activity(sold_out)
        except OutOfStock as error:
            raise LookupError("no tea today") from error

    lab.activity(sold_out)
    handle = lab.start(translates)
    with pytest.raises(LookupError, match="no tea today"):
        handle.result(10)
    details = handle.status().failure_details
    assert details.error_type == "builtins.LookupError"
    assert details.inner.inner.message == "tea: 0 left"


def test_row_11_notes_on_an_exception_are_kept_below_its_traceback(lab):
    def raises():
        error = OutOfStock("tea", left=0)
        error.add_note("The shop was closed.")
        error.add_note("It opens at nine.")
        raise error

    handle = three_levels(lab, raises)
    details = handle.wait(10).failure_details
    while details.inner is not None:
        assert "closed" not in details.stack_trace
        details = details.inner
    assert details.message == "tea: 0 left"
    assert details.stack_trace.endswith("\nThe shop was closed.\nIt opens at nine.\n")


@pytest.mark.parametrize("notes", [7, [object], None])
def test_row_11_notes_that_are_none_do_no_harm(lab, notes):
    def raises():
        error = OutOfStock("tea", left=0)
        error.__notes__ = notes
        raise error

    with pytest.raises(OutOfStock, match="tea: 0 left"):
        three_levels(lab, raises).result(10)
