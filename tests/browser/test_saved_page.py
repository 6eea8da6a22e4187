"""Pages to send, opened from a file without a network: their replays, their tables, and nothing that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

import durablenb as df
from tests.notebook.reading import scene

EVIL = '</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 2">'

Open = Callable[[Path], Page]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Opens a page without a network; it may neither ask for anything nor complain."""
    trouble: list[str] = []
    context = browser.new_context(color_scheme="dark", viewport={"width": 700, "height": 900}, offline=True)

    def goto(path: Path) -> Page:
        page = context.new_page()
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: trouble.append(request.url) if "http" in request.url[:5] else None)
        page.goto(path.as_uri())
        expect(page.locator("#history tbody tr").first).to_be_visible()
        return page

    yield goto
    context.close()
    assert trouble == []


STEPS = """async () => {
  const history = await unpack("durablenb-history"), data = await unpack("durablenb-replays");
  return data.executions.map((frames) => {
    const own = history.events.filter((event) => event.execution_id === frames.execution_id);
    const replays = new Replays(frames, own), steps = [];
    for (let replay = 1; replay <= replays.last; replay++)
      for (let number = 1; number <= replays.count(replay); number++) {
        const step = replays.step(replay, number);
        steps.push([replay, number, step.verdict, step.says, step.line, Object.fromEntries(step.variables),
          step.written, step.answers, step.is_replaying, replays.lastKnown(step),
          Object.fromEntries([...replays.hits(step)].map(([line, hit]) => [line, [hit.mark, hit.times]]))]);
      }
    return steps;
  });
}"""


def steps_of(replay: Any) -> list[list[Any]]:
    """The same of the replays in Python."""
    from durablenb.analysis.replays.explorer import ExecutedLines

    lines = ExecutedLines(replay)
    first = replay.trace.events[0].event_id
    return [
        [
            *(step.replay, step.number, step.verdict, step.sentence, step.line, step.names),
            *([*step.written], sorted(step.answers), step.is_replaying, replay.events_at(step) + first - 1),
            {str(line): [hit.mark, hit.times] for line, hit in lines.hits_at(step).items()},
        ]
        for chosen in range(1, len(replay) + 1)
        for step in replay.steps(chosen)
    ]


@pytest.mark.parametrize("name", ["continued", "retried", "failed", "waiting", "looped", "in_a_section"])
def test_the_steps_of_a_page_are_those_of_the_replay(name: str, opened: Open, tmp_path: Path) -> None:
    handle = scene(name)
    handle.save(tmp_path / "page.html")
    executions = opened(tmp_path / "page.html").evaluate(STEPS)
    for number, steps in enumerate(executions, 1):
        assert steps == steps_of(handle.replay(execution=number))


def test_a_page_is_stepped_through_by_keyboard_and_filtered(opened: Open, tmp_path: Path) -> None:
    scene("failed").save(tmp_path / "page.html")
    page = opened(tmp_path / "page.html")
    page.locator(".dnb-explorer").focus()
    says = page.locator(".dnb-says")
    expect(says).to_contain_text("Raised.")
    page.keyboard.press("Home")
    expect(says).to_contain_text("Waits.")
    page.keyboard.press("PageDown")
    expect(page.locator(".dnb-tab[aria-current=true]")).to_contain_text("#2")
    page.locator("#replays .dnb-events button", has_text="ExecutionFailed").click()
    expect(says).to_contain_text("Raised.")
    page.locator("#history input").fill("RESERVE scheduled #0")
    expect(page.locator("#history tbody tr")).to_have_count(3)
    expect(page.locator("#history [role=status]")).to_have_text("3 events")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.emulate_media(media="print")
    expect(page.locator("#history input")).to_be_hidden()


def test_a_replay_without_an_await_or_an_end_has_a_step(opened: Open, tmp_path: Path) -> None:
    scene("pending").save(tmp_path / "page.html")
    page = opened(tmp_path / "page.html")
    step = "new Replays({replays: [{event: 2}], awaits: [], end: null}, []).step(1, 1)"
    assert page.evaluate(f"[{step}.requests, {step}.written]") == [[], []]


def test_nothing_runs_that_a_value_brought(opened: Open, tmp_path: Path) -> None:
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_activity(lambda value: print(value) or value, name="evil")  # type: ignore[func-returns-value]

        @hub.orchestrator(name=EVIL[:60])
        def work(context: df.DurableOrchestrationContext) -> Any:
            bad = yield context.call_activity("evil", context.get_input())
            print(bad)
            context.set_custom_status(bad)
            yield context.call_activity("evil", bad)
            raise ValueError(bad)

        handle = hub.start(EVIL[:60], EVIL, instance_id="<img onerror='window.hacked = 3' src=x>")
        handle.wait()
        handle.save(tmp_path / "page.html")
    page = opened(tmp_path / "page.html")
    page.keyboard.press("Tab")
    page.locator(".dnb-explorer").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".dnb-values")).to_contain_text("script")
    assert page.evaluate("window.hacked === undefined")
    assert page.locator("img[src=x]").count() == 0
