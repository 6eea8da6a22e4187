"""The view `llm_calls`: tokens, costs and turns; forks count once, children have their parent's prices."""

import pytest

import durablenb as df
from durablenb.analysis.conversation import read_conversation
from durablenb.model.conversations import is_model_request

PRICES = {"gpt-x": {"input": 2, "output": 8, "cached_input": 0.5}}
SAID = {"kind": "request", "parts": []}
BUDGET = df.Budget(prices=PRICES)


def answer(given):
    call = {"part_kind": "tool-call", "tool_name": "add", "args": {}, "tool_call_id": "a"}
    first = len(given["messages"]) == 1
    usage = {
        "input_tokens": 1_000_000,
        "output_tokens": 500_000,
        **({} if first else {"cache_read_tokens": 400_000}),
    }
    return {"parts": [call, call] if first else [], "usage": usage, "model_name": given.get("model", "gpt-x")}


def bot(context):
    yield context.call_activity("bot.model", {"messages": [SAID], **(context.get_input() or {})})
    yield context.call_activity("add", 1)
    yield context.call_activity("bot.model", {"messages": [SAID, SAID]})


def above(context):
    yield context.call_sub_orchestrator("bot")


def fill(hub):
    hub.add_activity(answer, "bot.model")
    hub.add_activity(lambda number: number, "add")
    hub.orchestrator(bot)
    hub.orchestrator(above)
    return hub


@pytest.fixture
def hub():
    with fill(df.TaskHub(":memory:", mode="kernel")) as hub:
        yield hub


def rows(hub, columns, where="true"):
    return hub.sql(f"select {columns} from llm_calls where {where} order by seq").fetchall()


def test_a_row_has_tokens_cost_and_tool_calls(hub, tmp_path):
    hub.start(bot, instance_id="a", budget=BUDGET).result()
    hub.start(bot, {"model": "other"}, instance_id="b", budget=BUDGET).result()
    columns = "instance_id, agent, model, turn, attempt, input_tokens, output_tokens, cached_tokens, cost"
    columns += ", tool_calls"
    assert rows(hub, columns) == [
        ("a", "bot", "gpt-x", 1, 1, 1_000_000, 500_000, 0, 2 + 4, 2),
        ("a", "bot", "gpt-x", 2, 1, 1_000_000, 500_000, 400_000, 1.2 + 0.2 + 4, 0),
        ("b", "bot", "other", 1, 1, 1_000_000, 500_000, 0, None, 2),
        ("b", "bot", "gpt-x", 2, 1, 1_000_000, 500_000, 400_000, 5.4, 0),
    ]
    assert all(latency is not None for (latency,) in rows(hub, "latency"))
    hub.handle("a").save(tmp_path / "a.html")
    assert rows(df.open_history(tmp_path / "a.html"), columns) == rows(hub, columns, "instance_id = 'a'")


def test_children_have_the_prices_of_the_nearest_instance_above(hub):
    hub.start(above, budget=BUDGET).result()
    hub.start(above).result()
    assert rows(hub, "cost") == [(6,), (5.4,), (None,), (None,)]


def test_turns_that_forks_share_count_once_even_when_the_origin_is_gone(hub):
    handle = hub.start(bot, instance_id="a")
    handle.result()
    done = [event.event_id for event in handle.history() if isinstance(event, df.model.events.TaskCompleted)]
    fork = handle.fork(results={done[1]: 5}, instance_id="b")
    fork.result()
    fork.fork(at=done[0], instance_id="c").result()
    assert rows(hub, "instance_id, turn") == [("a", 1), ("a", 2), ("b", 2), ("c", 2)]
    assert rows(hub, "turn", "instance_id = 'b'") == [(2,)]
    handle.purge()
    assert rows(hub, "instance_id, turn") == [("b", 1), ("b", 2), ("c", 2)]


def test_an_open_call_that_a_fork_makes_again_is_its_own(hub):
    handle = hub.start(bot, instance_id="a")
    hub.step()
    handle.fork(instance_id="b")
    while hub.step():
        pass
    assert rows(hub, "instance_id, turn") == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_attempts_are_rows_of_one_turn_and_other_calls_are_none():
    def flaky(given):
        if df.current_activity().attempt == 1:
            raise ValueError("overloaded")
        return answer(given)

    def tries(context):
        policy = df.RetryOptions(1, 2)
        yield context.call_activity_with_retry("bot.model", policy, {"messages": [SAID]})
        yield context.call_activity("my.model", {"rows": 1})

    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_activity(flaky, "bot.model")
        hub.add_activity(lambda given: given, "my.model")
        hub.run(hub.orchestrator(tries))
        assert rows(hub, "turn, attempt, status, input_tokens, cost") == [
            (1, 1, "Failed", None, None),
            (1, 2, "Completed", 1_000_000, None),
        ]


REQUESTS = [{"messages": [SAID]}, {"messages": [{"kind": "response"}]}, {"messages": [], "after": 0}]
OTHERS = [
    {"messages": []},
    {"messages": ["Win a prize!"]},
    {"messages": [{"role": "user", "content": "hi"}]},
    {"messages": [{"kind": "letter"}]},
    {"messages": 5, "after": 0},
    {"messages": {"kind": "request"}},
    {"rows": [{"messages": [SAID]}]},
    ["messages"],
    '"messages"',
]


def test_an_activity_is_a_request_by_its_messages_for_views_and_budgets_alike(hub):
    @hub.orchestrator
    def calls(context):
        yield context.call_activity("spam.model", context.get_input())

    hub.add_activity(lambda given: {"usage": {"input_tokens": 1, "output_tokens": 1}}, "spam.model")
    for given in (*REQUESTS, *OTHERS):
        handle = hub.start(calls, given, budget=df.Budget(tokens=1))
        handle.result()
        found = rows(hub, "seq", f"instance_id = '{handle.id}'")
        assert len(found) == len(read_conversation(handle.history())) == (given in REQUESTS)
        (event,) = [one for one in handle.history() if isinstance(one, df.model.events.TaskScheduled)]
        assert is_model_request(event.name, event.input) is (given in REQUESTS)
        assert not is_model_request("spam", event.input)
