"""Ten thousand calls at once, seen live: how often they are drawn, what it costs, how the page keeps up."""

from __future__ import annotations

import json
import re
import statistics

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Lab
from tests.browser.live_views import execute, open_tab, region, shown, view

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

SECONDS = 4.0
LEAST_FRAMES = 3
"""Of 40 changes in four seconds: a view takes a small share of the kernel, and is drawn once a second."""
MOST_PYTHON = 0.15
"""Seconds of processor time for a drawing, the median: what a view takes, whatever else the machine does."""
MOST_GAP = 1_000.0
"""Milliseconds between two frames of the page, the worst."""

WIDE = """import threading, time
from pathlib import Path
permits = threading.Semaphore(0)

@hub.activity
def tenth(part):
    permits.acquire()
    if part % 1_000 == 17:
        raise ValueError(f"part {part} is empty")
    return part

@hub.orchestrator
def wide(context):
    yield context.wait_for_external_event("Go")
    try:
        yield context.task_all([context.call_activity(tenth, part) for part in range(10_000)])
    except ValueError:
        pass

big = hub.start(wide, instance_id="big")
seen = big.watch(freeze=False)
costs = []

def timed(draw=seen.draw):
    def drawn(is_stale):
        begin = time.thread_time()
        regions = draw(is_stale)
        if regions:
            costs.append(time.thread_time() - begin)
        return regions
    return drawn

seen.draw = timed()

def release():
    for _ in range(40):
        permits.release(250)
        time.sleep(0.1)"""
MEASURE = """([view, seconds]) => new Promise(done => {
    const drawn = [], gaps = [];
    const graph = view.querySelector('[data-region=graph]');
    const watch = new MutationObserver(() => drawn.push(performance.now()));
    watch.observe(graph, {childList: true});
    const begin = performance.now();
    let last = begin;
    const frame = now => {
        gaps.push(now - last);
        last = now;
        if (now - begin < seconds * 1000) return requestAnimationFrame(frame);
        watch.disconnect();
        done({drawn: drawn.length, gap: Math.max(...gaps), frames: gaps.length});
    };
    requestAnimationFrame(frame);
})"""


ZOOM = """canvas => new Promise(done => {
    const box = canvas.getBoundingClientRect(), gaps = [];
    let last = performance.now();
    canvas.focus();
    const frame = now => {
        gaps.push(now - last);
        last = now;
        if (gaps.length > 60) return done(gaps.slice(1));
        const deltaY = gaps.length % 30 < 15 ? -30 : 30;
        const [clientX, clientY] = [box.left + box.width * 0.6, box.top + 90];
        canvas.dispatchEvent(new WheelEvent('wheel', {deltaY, clientX, clientY, cancelable: true}));
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
})"""
MOST_FRAME = 1 / 30
"""Seconds that the page works for a frame of a zoom: at 30 frames a second, all there is."""


def test_ten_thousand_calls_are_followed_while_they_run(lab: Lab) -> None:
    with shown(lab, "wide", WIDE, "seen") as (page, trouble):
        big = view(page, 1)
        expect(region(big, "waits")).to_contain_text("the external event 'Go'")
        execute(page, "big.raise_event('Go')")
        expect(region(big, "graph")).to_contain_text("running", timeout=30_000)
        execute(page, "costs.clear(); threading.Thread(target=release).start()")
        found = page.evaluate(MEASURE, [big.element_handle(), SECONDS])
        execute(page, "import json; Path('costs.json').write_text(json.dumps(costs))")
        costs = json.loads((lab.folder / "costs.json").read_text())
        print(f"\n{found}; seconds of Python for each drawing: {[round(one, 3) for one in costs]}")
        execute(page, "big.wait()")
        expect(region(big, "head").get_by_role("img", name="Completed")).to_be_visible(timeout=20_000)
        sql = "select count(*) from activities where status = 'Failed'"
        execute(page, f'Path("failed.txt").write_text(str(hub.sql("{sql}").fetchall()[0][0]))')
        failed = int((lab.folder / "failed.txt").read_text())
        expect(region(big, "graph").locator("path", has=page.get_by_text(f"{failed} failed"))).to_have_count(
            1
        )
        shape = (
            region(big, "graph").locator("path", has=page.get_by_text(f"{failed} failed")).get_attribute("d")
        )
        assert shape is not None
        assert shape.count("M") == failed == 10
        canvas = open_tab(big, "Timeline").locator(".dnb-canvas")
        expect(canvas).to_have_attribute("aria-label", re.compile("timeline of 10,00. calls"))
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})  # its own time, not that of others

        def worked() -> float:
            metrics = session.send("Performance.getMetrics")["metrics"]
            return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

        before = worked()
        zooms = canvas.evaluate(ZOOM)
        cost = (worked() - before) / len(zooms)
        print(
            f"zoom: {1_000 * cost:.1f} ms of work a frame, {statistics.median(zooms):.1f} ms between frames"
        )
        assert cost < MOST_FRAME
        assert found["drawn"] >= LEAST_FRAMES
        assert statistics.median(costs) < MOST_PYTHON
        assert found["gap"] < MOST_GAP
        assert trouble == []
