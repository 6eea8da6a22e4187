"""An instance that kills the process whenever its orchestrator runs is held; the others go on."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import durablenb as df
from durablenb.engine.engine import POISON_LIMIT

# One life of a process; it says what it saw, unless it dies of it.
LIFE = """
    import json, os, sys
    import durablenb as df

    path, where, is_mended = sys.argv[1], sys.argv[2], sys.argv[3] == "mended"

    def die():
        if not is_mended:
            os._exit(13)

    def poison(context):
        if where == "at once":
            die()
        first = yield context.call_activity("work", 1)
        if where == "in replay" and context.is_replaying:
            die()
        yield context.wait_for_external_event("go on")
        if where == "beyond":
            die()
        return [first, (yield context.call_activity("work", 2))]

    def bystander(context):
        done = []
        for n in range(3):
            done.append((yield context.call_activity("work", n)))
            yield context.wait_for_external_event("go on")
        return done

    hub = df.TaskHub(path, mode="kernel")
    hub.add_activity(lambda n: n, "work")

    def step():
        while hub.step():
            pass

    hub.add_orchestrator(bystander)
    hub.add_orchestrator(poison)
    if not hub.instances():
        hub.start("bystander", instance_id="by")
        hub.start("poison", instance_id="poison")
    else:
        hub.client.raise_event("poison", "go on")
        if hub.client.get_status("by").runtime_status == "Running":
            hub.client.raise_event("by", "go on")
    step()
    try:
        seen = hub.handle("poison").result()
    except df.DurableError as error:
        seen = f"{type(error).__name__}: {error}"
    print(json.dumps([seen, str(hub.client.get_status("by").runtime_status)]))
    hub.close()
"""


def live(path, where, state="poisoned"):
    """What one life of a process saw, or None if it died."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LIFE), path, where, state],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    if done.returncode == 13:
        return None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("where", ["at once", "in replay", "beyond"])
def test_it_is_held_after_five_deaths_and_goes_on_once_it_is_mended(tmp_path, where):
    path = tmp_path / "hub.duckdb"
    lives = [live(path, where)]
    while lives[-1] is None or len(lives) == 1:
        lives.append(live(path, where))
        assert len(lives) < POISON_LIMIT + 5
    assert lives[-POISON_LIMIT - 1 : -1] == [None] * POISON_LIMIT
    seen, bystander = lives[-1]
    assert "poison" in seen
    assert f"{POISON_LIMIT} times in a row" in seen
    assert "Mend 'poison'" in seen
    assert bystander in ("Running", "Completed")
    for _ in range(3):  # it stays held, and the others run to their end
        seen, bystander = live(path, where)
        assert f"{POISON_LIMIT} times in a row" in seen
    assert bystander == "Completed"
    assert live(path, where, "mended") == [[1, 2], "Completed"]


def test_a_held_instance_can_be_terminated_and_purged(tmp_path):
    path = tmp_path / "hub.duckdb"
    for _ in range(POISON_LIMIT):
        assert live(path, "at once") is None
    with df.TaskHub(path, mode="kernel") as hub:
        handle = hub.handle("poison")
        assert "times in a row" in repr(raised(handle.result))
        handle.terminate("enough")
        assert isinstance(raised(handle.result), df.OrchestrationTerminatedError)
        assert handle.purge() == 1
    assert not list(tmp_path.glob("*.replaying"))


def raised(call):
    with pytest.raises(df.DurableError) as error:
        call()
    return error.value


def test_deaths_that_are_not_in_a_row_do_not_count(tmp_path):
    path = tmp_path / "hub.duckdb"
    live(path, "in replay")
    for _ in range(3):
        for _ in range(POISON_LIMIT - 1):
            assert live(path, "in replay") is None
        with df.TaskHub(path, mode="kernel") as hub:
            hub.add_activity(lambda n: n, "work")

            @hub.orchestrator
            def poison(context):
                yield context.call_activity("work", 1)
                yield context.wait_for_external_event("go on")
                return "mended"

            hub.handle("poison").suspend()
            hub.handle("poison").resume()
            while hub.step():
                pass
            assert hub.handle("poison").status().runtime_status in ("Running", "Completed")
            if hub.handle("poison").status().runtime_status == "Completed":
                break
