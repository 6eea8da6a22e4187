"""The sequence diagram: who said what to whom, as a picture, as text, and in Mermaid's language."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

import durablenb as df
from durablenb.analysis.sequence import MOST_MESSAGES, Gap, Round, SequenceDiagram
from tests.notebook.hostile import PAYLOADS, harmless, hostile
from tests.notebook.reading import again, bundle_of, page_of, scene, text_of
from tests.notebook.scenes import SCENES, stage

TIMES = "\N{MULTIPLICATION SIGN}"
OPEN = ("running", "waiting", "between_attempts", "suspended", "locked_out", "in_a_section", "queued")


def lines(name: str) -> list[str]:
    return str(scene(name).sequence()).splitlines()


def from_orchestrator(orchestrator, input_=None) -> SequenceDiagram:
    made = stage()
    made.orchestrator(orchestrator)
    return made.done(orchestrator.__name__, input_).sequence()


# -- who says what ---------------------------------------------------------------------------------


def test_a_chain_is_a_call_and_a_result_for_each_activity() -> None:
    assert lines("completed") == [
        "client → chain: start",
        "chain → reserve: call",
        "chain ⇠ reserve: result",
        "chain → charge: call",
        "chain ⇠ charge: result",
        "chain → ship: call",
        "chain ⇠ ship: result",
        "client ⇠ chain: Completed",
    ]


def test_each_attempt_is_a_call_with_the_wait_before_it() -> None:
    assert lines("retried")[1:] == [
        "retrying → flaky: call",
        "retrying ⇠ flaky: failed (ValueError)",
        "retrying: retry in 1 s",
        "retrying → flaky: attempt 2",
        "retrying ⇠ flaky: failed (ValueError)",
        "retrying: retry in 2 s",
        "retrying → flaky: attempt 3",
        "retrying ⇠ flaky: result",
        "client ⇠ retrying: Completed",
    ]


def test_calls_made_together_are_one_message_and_failures_stand_apart() -> None:
    assert lines("fanned_wide") == [
        "client → fan_out: start",
        "fan_out → crunch: 1,000 \N{MULTIPLICATION SIGN} call",
        f"fan_out ⇠ crunch: 996 {TIMES} result",
        f"fan_out ⇠ crunch: 4 {TIMES} failed (ValueError)",
        "fan_out → merge: call",
        "fan_out ⇠ merge: result",
        "client ⇠ fan_out: Completed",
    ]


def test_children_answer_like_activities_and_are_started_by_their_parent() -> None:
    handle = scene("failed")
    diagram = handle.sequence()
    assert [(line.name, line.role) for line in diagram.lifelines] == [
        ("client", "client"),
        ("family", "orchestrator"),
        ("chain", "child"),
        ("doomed", "child"),
    ]
    assert str(diagram).splitlines()[-2:] == [
        "family ⇠ doomed: failed (ValueError)",
        "client ⇠ family: Failed (ValueError)",
    ]
    (child,) = handle.hub.instances(name="doomed")
    diagram = handle.hub.handle(child.instance_id).sequence()
    assert [line.role for line in diagram.lifelines] == ["parent", "orchestrator", "activity"]
    assert str(diagram).splitlines()[0] == "family → doomed: start"
    assert str(diagram).splitlines()[-1] == "family ⇠ doomed: Failed (ValueError)"


def test_an_approval_is_an_event_and_its_deadline_a_timer() -> None:
    assert lines("approved") == [
        "client → race: start",
        "race: wait for Approval",
        "race: timer 72 h",
        "client → race: approval",
        "race: timer 72 h canceled",
        "race → charge: call",
        "race ⇠ charge: result",
        "client ⇠ race: Completed",
    ]
    assert "race: timer 72 h fired" in lines("too_late")


def test_an_event_that_came_before_the_wait_is_taken() -> None:
    made = stage()
    handle = made.begin("race", steps=0)
    handle.raise_event("Approval", 1)
    handle.wait()
    assert "race: take Approval" in str(handle.sequence()).splitlines()


def test_entities_are_called_signaled_locked_and_unlocked_and_many_of_a_name_are_one_lifeline() -> None:
    said = lines("transferred")
    assert said[1:4] == [
        "transfer → @account@a: lock",
        "transfer → @account@b: lock",
        "transfer ⇠ @account@b: locked",
    ]
    assert said[said.index("transfer → @account@a: unlock") :][:3] == [
        "transfer → @account@a: unlock",
        "transfer → @account@b: unlock",
        "transfer → @audit@all: note",
    ]
    assert lines("tallied")[1:4] == [
        f"tally → @shop@*: 40 {TIMES} open",
        f"tally → @shop@*: 40 {TIMES} count",
        f"tally ⇠ @shop@*: 40 {TIMES} result",
    ]


def test_what_a_rewind_wrote_once_more_was_said_once() -> None:
    assert lines("rewound") == [
        "client → doomed: start",
        "doomed → broken: call",
        "doomed ⇠ broken: failed (ValueError)",
        "client ⇠ doomed: Failed (ValueError)",
        "client → doomed: rewind",
        "doomed → broken: call",
        "doomed ⇠ broken: result",
        "client ⇠ doomed: Completed",
    ]


def test_an_event_that_was_carried_into_a_new_execution_was_raised_once() -> None:
    made = stage()

    def again(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(minutes=1))
        if context.get_input() == 0:
            context.continue_as_new(1)
            return None
        return (yield context.wait_for_external_event("Go"))

    made.orchestrator(again)
    handle = made.begin("again", 0, steps=1)
    handle.raise_event("Go", 7)
    assert handle.result() == 7
    said = str(handle.sequence()).splitlines()
    assert said.count("client → again: Go") == 1
    assert said.index("client → again: Go") < said.index("again: continue as new")


def test_more_partners_than_there_is_room_for_share_a_lifeline_by_role() -> None:
    def many(context):
        for number in range(9):
            yield context.call_activity(f"act {number}", number)
        yield context.call_sub_orchestrator("idle")

    made = stage()
    made.orchestrator(many)
    for number in range(9):
        made.activity(f"act {number}", 0.1)
    diagram = made.done("many").sequence()
    assert [line.name for line in diagram.lifelines] == ["client", "many", "9 activities", "idle"]
    assert "many → 9 activities: act 3" in str(diagram).splitlines()


@pytest.mark.parametrize("name", OPEN)
def test_what_is_open_says_so(name: str) -> None:
    assert lines(name)[-1].endswith(" open")


def test_what_has_ended_leaves_nothing_open() -> None:
    assert scene("terminated").sequence().unanswered == {}
    assert lines("terminated")[-1] == "client → race: terminate"


# -- how much is shown -----------------------------------------------------------------------------


def test_the_rounds_of_a_loop_are_one_frame() -> None:
    diagram = scene("looped").sequence()
    (rounds,) = [part for part in diagram.parts if isinstance(part, Round)]
    assert (rounds.times, len(rounds.messages)) == (13, 4)
    assert "13 rounds" in page_of(diagram).picture().texts


def test_of_very_many_messages_the_first_and_the_last_are_shown_and_where_the_rest_is() -> None:
    def dice(context):
        for number in range(200):
            yield context.call_activity("poll" if number * number % 7 < 3 else "merge", number)

    diagram = from_orchestrator(dice)
    shown = [part for part in diagram.parts if not isinstance(part, Gap)]
    (gap,) = [part for part in diagram.parts if isinstance(part, Gap)]
    length = sum(len(part.messages) if isinstance(part, Round) else 1 for part in shown)
    said = sum(len(part.messages) * part.times if isinstance(part, Round) else 1 for part in shown)
    assert length <= MOST_MESSAGES
    assert said + gap.count == len(diagram.messages)
    words = f"{gap.count:,} messages more: print(handle.history().timeline()) shows them all"
    for text in (str(diagram), "\n".join(page_of(diagram).picture().texts), text_of(diagram)):
        assert f"… {words}" in text
    assert diagram.parts[0] == diagram.messages[0]
    assert diagram.parts[-1] == diagram.messages[-1]


# -- how it is shown -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENES)
def test_a_diagram_is_the_same_in_every_run_and_all_messages_are_in_its_picture_and_in_mermaid(
    name: str,
) -> None:
    diagram, other = scene(name).sequence(), again(name).sequence()
    assert diagram == other
    assert bundle_of(diagram) == bundle_of(other)
    picture, text = page_of(diagram).picture(), text_of(diagram)
    assert picture.root.attrib["aria-label"] == picture.alt
    assert text.startswith(f"<Sequence of {diagram.instance_id}: ")
    assert "2026" not in text
    assert " ms" not in text
    height = float(picture.root.attrib["height"])
    for element in picture.root.iter():
        for side, most in (("x", picture.width), ("cx", picture.width), ("y", height), ("cy", height)):
            assert 0 <= float(element.attrib.get(side, "0")) <= most
    statements = grammatical(diagram.to_mermaid())
    shown = sum(len(part.messages) if isinstance(part, Round) else 1 for part in diagram.parts)
    assert sum(re.match(ARROW, one) is not None for one in statements) == shown
    assert sum(one.startswith("participant ") for one in statements) == len(diagram.lifelines)


def test_times_stand_beside_the_messages() -> None:
    texts = page_of(scene("retried").sequence()).picture().texts
    assert [text for text in texts if text.startswith("+")] == [
        *("+0 s", "+200 ms", "+1.2 s", "+1.4 s", "+3.4 s", "+3.6 s")
    ]


def test_an_entity_is_drawn_as_locked_only_while_it_is() -> None:
    def locked(name: str) -> int:
        titles = page_of(scene(name).sequence()).picture().titles
        return sum(title.endswith(" is locked") for title in titles)

    assert locked("transferred") == 2
    assert locked("in_a_section") == 2
    assert locked("locked_out") == 0


def test_a_recorded_instance_has_the_same_diagram(tmp_path: Path) -> None:
    made = stage(tmp_path / "hub.duckdb")
    diagram = SCENES["approved"](made).sequence()
    with df.open_history(tmp_path / "hub.duckdb") as file:
        assert file.handle("race").sequence() == diagram
    made.hub.close()


# -- Mermaid ---------------------------------------------------------------------------------------

PLAIN = rf"(?:[^\W_]|[ .,_'()/@\-{TIMES}…]|#\d+;)+"
ARROW = r"p\d+(?:->>|-\)|-->>|--x)p\d+"
STATEMENTS = re.compile(
    rf"participant p\d+ as {PLAIN}|{ARROW}: {PLAIN}|Note over p\d+(?:,p\d+)?: {PLAIN}"
    r"|par [\d,]+ together|loop [\d,]+ rounds|end"
)


def grammatical(mermaid: str) -> list[str]:
    """The statements of a diagram, each of which is one of Mermaid's, with nothing of the data in it."""
    first, *rest = mermaid.split("\n")
    assert first == "sequenceDiagram"
    statements = [line.strip() for line in rest]
    for statement in statements:
        assert STATEMENTS.fullmatch(statement), statement
    opened = sum(statement.startswith(("par ", "loop ")) for statement in statements)
    assert statements.count("end") == opened
    return statements


def named(text: str) -> str:
    """The visible text of an escaped name."""
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), text)


def test_mermaid_says_par_and_loop() -> None:
    assert grammatical(scene("fanned").sequence().to_mermaid())[5:8] == [
        *("par 20 together", "p1->>p2: call", "end")
    ]
    assert "loop 13 rounds" in grammatical(scene("looped").sequence().to_mermaid())


def test_words_of_mermaid_are_names_in_a_name() -> None:
    made = stage()
    words = ("end", "par", "Note over p0: x", "wrap:x", "style:x#y;", "a;b", "a#35;b", "$$x$$")
    for text in (*words, "%%{init: {}}%%"):
        statements = grammatical(hostile(text, made).sequence().to_mermaid())
        assert f"participant p1 as {text}" in [named(one) for one in statements]


def test_names_are_shown_and_obeyed_by_nobody() -> None:
    made = stage()
    for text in PAYLOADS:
        diagram = hostile(text, made).sequence()
        grammatical(diagram.to_mermaid())
        page = harmless(bundle_of(diagram)["text/html"])
        assert "\x1b" not in text_of(diagram)
        assert "Mermaid" in page.texts
