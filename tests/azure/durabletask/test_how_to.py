"""The code of the how-to guide runs, but for what needs Azure."""

import textwrap

from tests.test_docs import DOCS, PYTHON_BLOCK, read


def test_the_guide_runs_on_the_in_memory_backend():
    page = read(DOCS / "how-to/move-a-hub-to-the-durable-task-scheduler.md")
    here, _ = page.split("## Run it on Azure")
    namespace = {"__name__": "guide"}
    for _, block in PYTHON_BLOCK.findall(here):
        exec(compile(textwrap.dedent(block), "guide.md", "exec"), namespace)
    namespace["hub"].close()
    assert repr(namespace["report"]) in here
