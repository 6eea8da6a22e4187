"""A comparison groups differences of one kind, and says which steps they belong to."""

from typing import Any

import durablenb as df
from tests.notebook.reading import page_of


def test_a_group_of_differences_says_whether_its_steps_follow_each_other() -> None:
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_activity(lambda x: x, name="one")
        hub.add_activity(lambda x: "same", name="two")

        @hub.orchestrator
        def alternating(context: Any) -> Any:
            for _ in range(4):
                yield context.call_activity("one", context.get_input())
                yield context.call_activity("two", 0)

        @hub.orchestrator
        def in_a_row(context: Any) -> Any:
            for _ in range(4):
                yield context.call_activity("one", context.get_input())

        texts = []
        for orchestrator in (alternating, in_a_row):
            handles = [hub.start(orchestrator, number) for number in range(2)]
            for handle in handles:
                handle.result()
            texts.append(" ".join(page_of(df.compare(*handles)).text.split()))
    assert "1 \N{HORIZONTAL ELLIPSIS} 7 one 4 \N{MULTIPLICATION SIGN} input" in texts[0]
    assert "1\N{EN DASH}4 one 4 \N{MULTIPLICATION SIGN} input" in texts[1]
