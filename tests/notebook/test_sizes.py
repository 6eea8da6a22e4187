"""Pictures stay small, however much happened."""

from __future__ import annotations

import pytest

import durablenb as df
from durablenb.notebook import rendering
from tests.notebook.reading import SVG, Page, bundle_of
from tests.notebook.scenes import stage


@pytest.mark.parametrize(
    ("name", "count", "limit"),
    [("fan_out", 10, 40_000), ("fan_out", 1_000, 40_000), ("any_order", 1_000, 100_000)],
)
def test_the_size_hardly_grows(name: str, count: int, limit: int) -> None:
    made = stage()
    made.activity("crunch", 0.004, lambda part, _: name == "fan_out" and part % 290 == 17)
    handle = made.done(name, count)
    for shown in (handle, handle.history(), made.hub):
        assert len(bundle_of(shown)["text/html"]) < limit
    assert len(bundle_of(handle)["text/plain"]) < 2_000


def test_many_different_steps_are_a_few_boxes_and_say_how_many_more() -> None:
    made = stage()

    def steps(context):
        for number in range(300):
            yield context.call_activity(f"step {number}", number)

    for number in range(300):
        made.activity(f"step {number}", 0.1)
    made.orchestrator(steps)
    handle = made.done("steps")
    html = bundle_of(handle)["text/html"]
    graph = Page(html).picture(0)
    assert len(html) < 105_000
    assert "261 more steps" in graph.texts
    assert {"step 0", "step 299"} <= set(graph.texts)
    assert "277 more" in Page(html).picture(1).texts
    assert "… 270 steps more" in bundle_of(handle)["text/plain"]


def test_a_hundred_names_at_once_show_the_failed_ones_first() -> None:
    made = stage()

    def wide(context):
        yield context.task_all([context.call_activity(f"part {number}", number) for number in range(100)])

    for number in range(100):
        made.activity(f"part {number}", fails=lambda value, _: value == 77)
    made.orchestrator(wide)
    graph = Page(bundle_of(made.done("wide"))["text/html"]).picture(0)
    assert "part 77" in graph.texts
    assert "93 more steps" in graph.texts


def test_the_largest_picture_that_there_can_be_is_still_one() -> None:
    made = stage()
    names = [f"{letter * 60} {number}" for number in range(8) for letter in "abcdefghij"]

    def everything(context):
        for first in range(50):
            tasks = [context.call_activity(names[(first * 7 + place * 3) % 80], place) for place in range(8)]
            yield context.task_any(tasks)

    for name in names:
        made.hub.add_activity(lambda value: value, name=name)
    made.orchestrator(everything)
    html = bundle_of(made.done("everything"))["text/html"]
    graph = Page(html).picture(0)
    assert len(list(graph.root.iter(f"{SVG}rect"))) <= 2 * 201
    assert len(html) < 500_000


def test_a_call_of_very_many_attempts_is_a_strip() -> None:
    made = stage()

    def stubborn(context):
        yield context.call_activity_with_retry("broken", df.RetryOptions(1_000, 500), 1)

    made.orchestrator(stubborn)
    handle = made.done("stubborn")
    assert "failed, 500 tries" in bundle_of(handle)["text/plain"]
    assert len(bundle_of(handle)["text/html"]) < 100_000


def test_ten_thousand_calls_of_which_each_second_one_fails_are_still_small() -> None:
    made = stage()
    made.activity("crunch", 0.001, lambda part, _: part % 2 == 1)
    handle = made.done("fan_out", 10_000)
    html = bundle_of(handle)["text/html"]
    assert len(html) < 500_000
    assert "5,000 failed, 5,000 completed" in Page(html).picture(0).texts
    assert len(bundle_of(made.hub)["text/html"]) < 60_000


def test_a_million_characters_are_shown_from_their_beginning_and_too_much_for_a_notebook_is_text_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handle = stage().done("idle", "x" * 1_000_000)
    html = bundle_of(handle)["text/html"]
    assert len(html) < 100_000
    assert "998,000 characters more" in html
    monkeypatch.setattr(rendering, "SIZE_LIMIT", 1_000)
    assert set(bundle_of(handle)) == {"text/plain"}


def test_many_instances_and_orchestrators_are_folded() -> None:
    made = stage()
    for number in range(30):
        made.hub.add_orchestrator(lambda context: context.get_input(), f"kind {number:02}")
        for _ in range(3):
            made.hub.start(f"kind {number:02}").wait()
    hub = Page(bundle_of(made.hub)["text/html"])
    assert "17 more orchestrators" in hub.picture(0).texts
    assert hub.picture(0).alt == "90 instances: 90 Completed"
    instances = Page(bundle_of(made.hub.instances())["text/html"])
    assert "… 50 more" in instances.texts
    assert "… 60 more" in bundle_of(made.hub.instances())["text/plain"]
