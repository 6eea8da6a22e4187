"""Bars of running activities in the live view of their instance."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab
from tests.browser.live_views import execute, region, shown, view

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

CELLS = [
    """import threading, time
go_on, end = threading.Event(), threading.Event()

@hub.activity
def train(epochs: int, activity: df.ActivityContext):
    activity.progress(30, epochs, "loss 0.41")
    go_on.wait(60)
    activity.progress(80, epochs, "loss 0.17")
    end.wait(60)
    return epochs

@hub.activity
def scan(folder):
    for n, file in enumerate(df.tqdm(range(1_000), desc="reading", mininterval=0)):
        if n == 250:
            end.wait(60)

@hub.orchestrator
def night(context):
    yield context.task_all([context.call_activity(train, 120), context.call_activity(scan, "data")])

handle = hub.start(night, instance_id="night")""",
    "handle.watch(freeze=False)",
    "handle.progress()",
]


@pytest.fixture(scope="module")
def opened(lab: Lab) -> Iterator[tuple[Page, list[str]]]:
    """The notebook, run once; its activities wait to go on."""
    with shown(lab, "running", *CELLS, is_fresh=True) as (page, trouble):
        yield page, trouble
        execute(page, "end.set()")


def test_a_running_activity_has_a_bar_that_grows(opened: tuple[Page, list[str]]) -> None:
    page, trouble = opened
    waits = region(view(page, 1), "waits")
    expect(waits).to_contain_text("train #0")
    expect(waits).to_contain_text("30 of 120 (25%)")
    expect(waits).to_contain_text("loss 0.41")
    expect(waits).to_contain_text("250 of 1,000 (25%)")
    expect(waits).to_contain_text("reading")
    execute(page, "go_on.set()")
    expect(waits).to_contain_text("80 of 120 (67%)")
    expect(waits.locator('svg[aria-label="80 of 120 (67%)"]')).to_be_visible()
    execute(page, "end.set()")
    expect(waits).not_to_contain_text("train #0")
    assert trouble == []
