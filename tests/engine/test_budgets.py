"""Budgets: what is counted, what is refused, and that a refusal is a fact of the history."""

import json

import pytest

import durablenb as df
from tests.engine.fanned import finish

PRICES = {"gpt-x": {"input": 2, "output": 8, "cached_input": 0.5}}
QUESTION = {"messages": [{"kind": "request", "parts": [{"part_kind": "user-prompt", "content": "hi"}]}]}


def answer(_, tokens=(60, 40), **usage):
    used = {"input_tokens": tokens[0], "output_tokens": tokens[1], **usage}
    return {"kind": "response", "parts": [], "usage": used, "model_name": "gpt-x"}


def asks(context):
    """Asks the model so many times, and returns how often it answered and why it stopped."""
    for count in range(context.get_input()):
        try:
            yield context.call_activity("bot.model", QUESTION)
        except df.BudgetExceededError as error:
            return count, error.details.message
    return context.get_input(), None


def nested(context):
    """Asks once itself, and lets two children ask one after the other."""
    yield context.call_activity("bot.model", QUESTION)
    first = yield context.call_sub_orchestrator("asks", 2)
    second = yield context.call_sub_orchestrator("asks", 2)
    return first[0], second[0]


def fill(hub):
    hub.add_activity(answer, "bot.model")
    hub.orchestrator(asks)
    hub.orchestrator(nested)
    return hub


@pytest.fixture(scope="module")
def hub():
    with df.TaskHub(":memory:", mode="kernel", verify_replay=True) as hub:
        yield fill(hub)


@pytest.mark.parametrize(
    ("budget", "count", "reason"),
    [
        (df.Budget(requests=2), 2, "made 2 of 2 requests"),
        (df.Budget(tokens=250), 3, "used 300 of 250 tokens"),
        (df.Budget(tokens=200), 2, "used 200 of 200 tokens"),
        (df.Budget(usd=0.0008, prices=PRICES), 2, "used 0.00088 of 0.0008 US dollars"),
        (df.Budget(usd=1, prices={"other": PRICES["gpt-x"]}), 1, "without a price for 'gpt-x'"),
        (df.Budget(prices=PRICES), 4, None),
        (None, 4, None),
    ],
)
def test_the_next_request_is_refused(hub, budget, count, reason):
    handle = hub.start(asks, 4, budget=budget)
    answered, why = handle.result()
    assert answered == count
    assert (why is None) if reason is None else f"{handle.id} has {reason}" in why or reason in why
    assert hub.run(asks, 1) == (1, None)  # another instance has no budget


def test_requests_of_a_hub_with_threads_are_counted_too():
    with df.TaskHub(":memory:", verify_replay=True) as hub:
        assert fill(hub).run(asks, 4, budget=df.Budget(requests=2))[0] == 2
        assert hub.run(nested, budget=df.Budget(requests=4)) == (2, 1)


def test_an_id_that_is_used_again_begins_a_new_count(hub):
    def start():
        return hub.start(asks, 3, instance_id="again", budget=df.Budget(requests=2))

    handle = start()
    assert handle.result()[0] == 2
    assert start().result()[0] == 2
    handle.purge()
    assert start().result()[0] == 2
    assert handle.restart(restart_with_new_instance_id=False).result()[0] == 2


def test_the_children_of_an_earlier_use_of_an_id_do_not_count(hub):
    for _ in range(2):
        handle = hub.start(nested, instance_id="family", budget=df.Budget(requests=4))
        assert handle.result() == (2, 1)


def test_children_count(hub):
    assert hub.run(nested, budget=df.Budget(requests=4)) == (2, 1)
    assert hub.run(nested, budget=df.Budget(tokens=101)) == (1, 0)


def test_an_unhandled_refusal_fails_the_orchestration_and_is_not_retried(hub):
    def tries(context):
        policy = df.RetryOptions(1, 5)
        for _ in range(2):
            yield context.call_activity_with_retry("bot.model", policy, QUESTION)

    handle = hub.start(hub.orchestrator(tries), budget=df.Budget(requests=1))
    with pytest.raises(df.BudgetExceededError, match=r"1 of 1 requests"):
        handle.result()
    sql = "select status from activities where instance_id = ? order by seq"
    assert hub.sql(sql, [handle.id]).fetchall() == [("Completed",), ("Failed",)]


def test_the_count_survives_the_process(tmp_path):
    path = tmp_path / "hub.duckdb"

    def waits(context):
        yield context.call_activity("bot.model", QUESTION)
        yield context.wait_for_external_event("Go")
        child = yield context.call_sub_orchestrator("asks", 2)
        return child[0]

    for handle_it in (
        lambda hub: hub.start("waits", instance_id="w", budget=df.Budget(requests=2)).replay,
        lambda hub: hub.handle("w").raise_event("Go"),
    ):
        with fill(df.TaskHub(path, mode="kernel")) as hub:
            hub.orchestrator(waits)
            handle_it(hub)
            finish(hub)
            last = hub.handle("w").status().output
    assert last == 1


def test_a_fork_has_the_budget_and_what_was_used(hub):
    handle = hub.start(asks, 4, budget=df.Budget(requests=3))
    assert handle.result()[0] == 3
    at = next(event.event_id for event in handle.history() if type(event).__name__ == "TaskCompleted")
    assert handle.fork(at=at).result()[0] == 3


def test_activities_that_only_have_such_a_name_are_not_counted(hub):
    def trains(context):
        for _ in range(3):
            yield context.call_activity("bot.model", {"rows": 7})

    hub.run(hub.orchestrator(trains), budget=df.Budget(requests=1))


def test_another_value_is_no_budget(hub):
    with pytest.raises(TypeError, match="budget is 5; expected a Budget"):
        hub.start(asks, 1, budget=5)


def test_cached_tokens_have_their_price():
    used = df.model.budgets.Usage.of_answer
    text = json.dumps(answer(None, (1_000_000, 0), cache_read_tokens=600_000, cache_write_tokens=100_000))
    assert df.Budget(prices=PRICES).cost(used(text)) == pytest.approx(0.3 * 2 + 0.6 * 0.5 + 0.1 * 2)
    assert used("[1]") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"usd": 1},
        {"tokens": 0},
        {"requests": True},
        {"usd": float("inf"), "prices": PRICES},
        {"prices": {"gpt-x": {"input": 1}}},
        {"prices": {"gpt-x": {"input": 1, "output": -1}}},
        {"prices": {"gpt-x": {"input": 1, "output": 1, "cashed": 1}}},
    ],
)
def test_a_budget_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected|prices="):
        df.Budget(**wrong)


def test_a_budget_is_read_from_its_tag():
    budget = df.Budget(usd=5, tokens=7, requests=9, prices=PRICES)
    assert df.Budget.from_tags({"durablenb.budget": budget.to_tag()}) == budget
    assert df.Budget.from_tags({"durablenb.budget": "{"}) is None
    assert repr(budget) == "Budget(usd=5, tokens=7, requests=9, prices of 'gpt-x')"
