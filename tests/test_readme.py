"""The examples of the README, and of pages that stand on their own, run block by block."""

import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

import durablenb as df

ROOT = Path(__file__).parent.parent
PAGES = [
    "README.md",
    "docs/index.md",
    "docs/how-to/change-a-running-orchestration.md",
    "docs/how-to/check-an-orchestrator.md",
    "docs/how-to/choose-durability.md",
    "docs/how-to/deploy-to-azure.md",
    "docs/how-to/export-histories.md",
    "docs/how-to/find-out-why-it-is-stuck.md",
    "docs/how-to/from-azure-and-back.md",
    "docs/how-to/grow-an-orchestration.md",
    "docs/how-to/hand-around-data-frames.md",
    "docs/how-to/handle-failures.md",
    "docs/how-to/keep-an-endless-orchestration-small.md",
    "docs/how-to/keep-state-in-entities.md",
    "docs/how-to/keep-what-an-activity-shows.md",
    "docs/how-to/limit-rates.md",
    "docs/how-to/lock-several-entities.md",
    "docs/how-to/make-an-activity-idempotent.md",
    "docs/how-to/pass-several-arguments.md",
    "docs/how-to/put-a-picture-into-a-paper.md",
    "docs/how-to/query-from-a-notebook.md",
    "docs/how-to/remember-results.md",
    "docs/how-to/report-the-progress-of-an-activity.md",
    "docs/how-to/run-a-notebook-again.md",
    "docs/how-to/run-an-agent.md",
    "docs/how-to/send-an-orchestration.md",
    "docs/how-to/start-many-at-once.md",
    "docs/how-to/stop-an-activity.md",
    "docs/how-to/test-an-orchestrator.md",
    "docs/how-to/use-asyncio-in-an-orchestrator.md",
    "docs/how-to/walk-through-a-replay.md",
    "docs/how-to/watch-what-an-agent-does.md",
    "docs/how-to/what-if.md",
    "docs/explanation/event-sourcing.md",
    "docs/explanation/replay.md",
    "docs/tutorial/quickstart.md",
    "docs/reference/api.md",
    "docs/reference/errors.md",
    "docs/reference/events.md",
    "docs/reference/tables.md",
    "docs/reference/values.md",
]
FILES = {
    "docs/how-to/hand-around-data-frames.md": {
        "sales-2026-01.csv": "day,shop,amount\n2026-01-05,0,3.5\n2026-01-12,1,4.5\n"
    }
}
"""The files that a page reads."""
PYTHON_BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_python_blocks_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.get(page, {}).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    run(page, tmp_path)


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_running_them_again_in_the_same_folder_does_the_work_once(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(3):
        run(page, tmp_path)
    with df.open_history(tmp_path / "flows.duckdb") as file:
        runs = "select name, count(*) from activities where name in ('fetch', 'rank') group by all order by 1"
        found = dict(file.sql(runs).fetchall())
        begun = "select count(*) from history where instance_id = 'season-2026' and event_type = $type"
        assert file.sql(begun, {"type": "ExecutionStarted"}).fetchall() == [(1,)]
    assert found == ({"fetch": 3, "rank": 1} if page == "README.md" else {"fetch": 3})


def run(page, tmp_path):
    """Runs the Python blocks of a page, as a notebook of its own, whose classes can be found by name."""
    sys.modules["example"] = module = ModuleType("example")
    namespace = vars(module)
    blocks = PYTHON_BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert blocks
    try:
        for number, (_, block) in enumerate(blocks, start=1):
            source = textwrap.dedent(block)
            file = tmp_path / f"block_{number}.py"  # a file, since a hub keeps functions' sources
            file.write_text(source, encoding="utf-8")
            exec(compile(source, file, "exec"), namespace)
    finally:
        del sys.modules["example"]
        for value in list(namespace.values()):
            if isinstance(value, df.TaskHub):
                value.close()
