"""Errors are told in a few lines: what happened, at which of your lines, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import durablenb as df
from durablenb.model import display
from durablenb.model.failures import FailureDetails
from durablenb.notebook.tracebacks import cell_or_file, failure_location, traceback_locations
from tests.notebook.scenes import STUCK, A, stage

PACKAGE = str(Path(df.__file__).parent)


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


def told(error: BaseException) -> list[str]:
    lines: list[str] = error._render_traceback_()  # type: ignore[attr-defined]
    assert not any(PACKAGE in line or "execution.py" in line for line in lines)
    return lines


def raised(action) -> list[str]:
    with pytest.raises(df.DurableError) as caught:
        action()
    return told(caught.value)


def test_a_failed_activity_is_told_from_the_line_that_raised() -> None:
    made = stage()

    @made.hub.activity
    def refuse(amount):
        if amount > 100:
            raise ValueError("card declined")

    @made.hub.orchestrator
    def order(context):
        yield context.call_activity(refuse, 170)

    lines = raised(lambda: made.hub.run(order))

    text = "\n".join(re.sub(r"\b\d+\b", "N", line) for line in lines)
    assert text == (
        "ValueError (also a TaskFailedError): card declined\n\n"
        "  ValueError was raised at refuse, line N of test_error_report.py\n"
        "      N  if amount > N:\n"
        '  →   N      raise ValueError("card declined")\n\n'
        "  it was awaited at order, line N of test_error_report.py\n"
        "      N  def order(context):\n"
        "  →   N      yield context.call_activity(refuse, N)\n\n"
        "  you asked for it at line N of test_error_report.py\n"
        "  →   N  lines = raised(lambda: made.hub.run(order))\n"
        "\n"
        "  err.details.stack_trace has the traceback; %tb shows all of this one."
    )


def test_an_error_that_another_one_led_to_has_its_own_message_in_front() -> None:
    made = stage()

    @made.hub.orchestrator
    def order(context):
        try:
            yield context.call_activity("broken", 1)
        except ValueError as error:
            raise RuntimeError("the order is lost") from error

    lines = raised(lambda: made.hub.run(order))
    assert lines[0] == "RuntimeError (also a TaskFailedError): the order is lost"
    text = "\n".join(lines)
    assert text.index("ValueError was raised at run") < text.index("it was awaited at order")
    assert "then RuntimeError (the order is lost) was raised at order" in text


def test_a_failure_inside_a_library_names_the_line_of_yours() -> None:
    made = stage()

    @made.hub.activity
    def read(text):
        import json

        return json.loads(text)

    @made.hub.orchestrator
    def order(context):
        yield context.call_activity(read, "nope")

    lines = raised(lambda: made.hub.run(order))
    assert lines[0].startswith("JSONDecodeError (also a TaskFailedError): Expecting value")
    assert any(line.endswith("return json.loads(text)") for line in lines)
    assert not any("decoder.py" in line for line in lines)


def test_what_no_longer_fits_shows_recorded_against_requested(tmp_path: Path) -> None:
    _, handle = STUCK["held"](tmp_path / "hub.duckdb")
    lines = raised(handle.result)
    assert lines[0] == "NonDeterminismError: The code no longer fits its history."
    text = "\n".join(lines)
    assert re.search(r"recorded is TaskScheduled 'reserve' #\d \(event 3\), requested is", text)
    assert "they diverge at changed, line" in text
    assert 'yield context.call_activity("ship", context.get_input())' in text
    assert re.search(r"name +reserve +ship", text)
    assert "Nothing was written. Change the code back" in text


def test_missing_code_and_what_to_do(tmp_path: Path) -> None:
    _, handle = STUCK["without_code"](tmp_path / "hub.duckdb")
    lines = raised(handle.result)
    assert lines[0].startswith("FunctionNotFoundError: chain (chain) waits for 'chain'")
    assert "run the cell that defines it" in " ".join(lines)


def test_the_other_errors_have_their_message_and_your_line() -> None:
    made = stage()
    waiting = made.begin("race", steps=1)
    made.clock._autojump = False
    cases = {
        "WaitTimeoutError: ": waiting.result,
        "InstanceNotFoundError: No instance with ID 'nobody'": lambda: made.hub.handle("nobody"),
        "InstanceExistsError: ": lambda: made.hub.start("race", instance_id="race"),
        "InstanceStateError: ": waiting.rewind,
        "FunctionNotFoundError: The orchestrator 'rice'": lambda: made.hub.start("rice"),
        "NotSerializableError: ": lambda: made.hub.start("race", (n for n in range(3))),
    }
    for first, action in cases.items():
        lines = raised(action)
        assert lines[0].startswith(first)
        assert any("you asked for it at" in line for line in lines)
        assert lines[-1] == "  %tb shows all of this one."
    made.hub.close()
    assert raised(lambda: made.hub.start("race"))[0] == (
        "StoreError: The hub is closed. Open it again: durablenb.TaskHub(path)."
    )


def test_a_failed_call_of_an_entity_is_told_with_the_entity_and_both_lines() -> None:
    made = stage()
    lines = raised(made.done("asking", 300).result)
    assert lines[0] == "ValueError (also a TaskFailedError): 300 is more than 100"
    text = "\n".join(lines)
    assert text.index("ValueError was raised at withdraw, line") < text.index(
        "@account@a.withdraw was awaited at asking, line"
    )
    assert 'raise ValueError(f"{amount} is more than {self.balance}")' in text
    assert 'yield context.call_entity(A, "withdraw", context.get_input())' in text


def test_a_broken_rule_of_locks_is_told_with_the_rule_and_the_line() -> None:
    made = stage()

    @made.hub.orchestrator
    def nested(context):
        with (yield context.lock([A])):
            yield context.call_sub_orchestrator("idle")

    lines = raised(lambda: made.hub.run(nested))
    assert lines[0] == (
        "LockingRulesViolationError (also a TaskFailedError): A sub-orchestration can't be called in a "
        "critical section."
    )
    text = " ".join(" ".join(lines).split())
    assert (
        "might wait for the entities that are locked here, @account@a. Call it before or afterwards." in text
    )
    assert "LockingRulesViolationError was raised at nested, line" in text
    assert any(line.endswith('yield context.call_sub_orchestrator("idle")') for line in lines)


def test_a_terminated_orchestration_gives_the_reason() -> None:
    made = stage()
    handle = made.begin("race", steps=1)
    handle.terminate("no longer wanted")
    assert "no longer wanted" in raised(handle.result)[0]


def test_long_messages_are_wrapped_and_begin_with_their_first_sentence() -> None:
    lines = told(df.StoreError("The disk is full. " + "Make room. " * 60))
    assert lines[0] == "StoreError: The disk is full."
    assert max(map(len, lines)) <= 102


def test_colours_are_used_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    error = df.StoreError("The disk is full.")
    assert "\x1b" not in "".join(told(error))
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm")
    assert told(error)[0] == "\x1b[1;31mStoreError\x1b[0m: The disk is full."
    monkeypatch.setenv("TERM", "dumb")
    assert told(error)[0] == "StoreError: The disk is full."


def test_an_account_that_fails_gives_way_to_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def short_account(self, error: Exception) -> list[str]:
            raise ZeroDivisionError

    monkeypatch.setattr(display, "_load", Broken)
    lines = df.StoreError("The disk is full.")._render_traceback_()
    assert lines[-1] == "durablenb.model.errors.StoreError: The disk is full.\n"


# -- tracebacks as text --------------------------------------------------------------------------


def test_frames_of_the_engine_are_left_out() -> None:
    trace = (
        f'  File "{PACKAGE}/core/execution.py", line 220, in _run\n    self._advance()\n    ^^^^^^^^\n'
        '  File "/tmp/ipykernel_17/2718.py", line 3, in season\n    yield context.call_activity(crunch)\n'
        '  File "/home/me/tools.py", line 9, in helper\n'
        '  File "/x/site-packages/lib/core.py", line 1, in inside\n    raise X\n'
    )
    places = traceback_locations(trace)
    assert [place.name for place in places] == ["season", "helper", "inside"]
    assert places[0].source == "yield context.call_activity(crunch)"
    assert places[1].source == ""
    place = failure_location(trace)
    assert place is not None
    assert place.where == "helper, line 9 of tools.py"
    assert failure_location("") is None
    assert failure_location("no traceback at all") is None


def test_a_cell_is_called_a_cell() -> None:
    assert cell_or_file("/tmp/ipykernel_17/2718.py") == "a notebook's cell"
    assert cell_or_file(r"C:\Temp\ipykernel_17\2718.py") == "a notebook's cell"
    assert cell_or_file("<ipython-input-3-abc>") == "cell In[3]"
    assert cell_or_file("/home/me/tools.py") == "tools.py"
    assert cell_or_file("<string>") == "<string>"


def test_a_source_that_has_changed_is_not_quoted_around_the_line(tmp_path: Path) -> None:
    from durablenb.notebook.tracebacks import Location, source_excerpt

    file = tmp_path / "tools.py"
    file.write_text("def f():\n    new = 1\n    return new\n", encoding="utf-8")
    assert source_excerpt(Location(str(file), 2, "f", "old = 1")) == [(2, "old = 1")]
    assert source_excerpt(Location(str(file), 2, "f", "new = 1")) == [
        (1, "def f():"),
        (2, "    new = 1"),
        (3, "    return new"),
    ]


def test_very_deep_chains_are_cut() -> None:
    failure = FailureDetails("builtins.ValueError", "0", '  File "a.py", line 1, in f\n    x\n')
    for number in range(1, 20):
        failure = FailureDetails("builtins.ValueError", str(number), failure.stack_trace, failure)
    error = df.TaskFailedError("deep")
    error.details = failure
    assert len(told(error)) < 60
