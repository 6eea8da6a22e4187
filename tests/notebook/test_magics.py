"""The magics: what they show, which hub they are about, and what they refuse."""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from nbclient import NotebookClient
from traitlets.config import Config

import durablenb as df
from durablenb.notebook.magics import parsing
from durablenb.notebook.magics.parsing import COMMANDS
from tests.kernel_sockets import kernel_config

REFERENCE = Path(__file__).parents[2] / "docs/reference/magics.md"


@pytest.fixture(scope="module")
def one_shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InteractiveShell]:
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.warn_venv = False  # another one may be active where the tests are run
    shell = InteractiveShell(config=config, ipython_dir=str(tmp_path_factory.mktemp("ipython")))
    shell.run_line_magic("load_ext", "durablenb")
    yield shell
    shell.restore_sys_module_state()


@pytest.fixture
def shell(one_shell: InteractiveShell) -> Iterator[InteractiveShell]:
    """A shell with no variables of other tests."""
    before = set(one_shell.user_ns)
    yield one_shell
    for name in set(one_shell.user_ns) - before:
        del one_shell.user_ns[name]


@pytest.fixture
def hub(shell: InteractiveShell) -> Iterator[df.TaskHub]:
    """A hub with an instance that was completed, one that failed, and one that waits."""
    clock = df.VirtualClock()
    with df.TaskHub(":memory:", mode="kernel", clock=clock) as hub:

        def good(context: Any) -> Any:
            return context.get_input()

        def bad(context: Any) -> Any:
            raise ValueError("no")

        def waiting(context: Any) -> Any:
            return (yield context.wait_for_external_event("Go"))

        for function in (good, bad, waiting):
            hub.add_orchestrator(function)
        hub.run(good, 7, instance_id="good-1")
        clock.advance(hours=2)
        hub.start(bad, instance_id="bad-1").wait()
        hub.start(waiting, instance_id="waiting-1")
        hub.step()
        yield hub


def ids(instances: Any) -> list[str]:
    return [status.instance_id for status in instances]


def refused(shell: InteractiveShell, name: str, line: str, cell: str | None = None) -> str:
    """The message for a magic that is not understood."""
    magic = shell.find_line_magic(name)
    with pytest.raises(UsageError) as caught:
        magic(line, cell=cell) if cell is not None else magic(line)
    return str(caught.value)


# -- %durable ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("alone")
def test_durable_says_where_the_hub_is_and_shows_it(shell, tmp_path, capsys) -> None:
    with df.TaskHub(tmp_path / "flows.duckdb") as hub:
        assert shell.run_line_magic("durable", "") is hub
    assert capsys.readouterr().out == f"durablenb {df.__version__}, {tmp_path / 'flows.duckdb'}\n"


def test_durable_ls_lists_instances(shell, hub) -> None:
    def listed(line: str) -> list[str]:
        return ids(shell.run_line_magic("durable", f"ls {line}"))

    assert listed("") == ["good-1", "bad-1", "waiting-1"]
    assert listed("--status failed") == ["bad-1"]
    assert listed("--status Failed --status completed") == ["good-1", "bad-1"]
    assert listed("--name waiting") == ["waiting-1"]
    assert listed("--name 'no such name'") == []
    assert listed("--since 1h") == listed("--since '90 m'") == ["bad-1", "waiting-1"]
    assert listed("--since 0.5w") == listed("--since 2d") == listed("--since 2026-01-01")
    assert listed("--since 2026-01-01T01:00") == ["bad-1", "waiting-1"]
    assert listed("--top 1") == ["good-1"]


def test_durable_show_shows_an_instance(shell, hub) -> None:
    assert shell.run_line_magic("durable", "show good-1") == hub.handle("good-1")
    with pytest.raises(df.InstanceNotFoundError, match="good-2"):
        shell.run_line_magic("durable", "show good-2")


def test_what_durable_does_not_understand_is_said(shell, hub) -> None:
    for line, words in {
        "ls --status faild": "'faild' is not a valid .* The statuses are: Running",
        "ls --since yesterday": "--since is 'yesterday'; expected a length such as 30s",
        "ls --top -1": "top is -1",
        "ls --top many": "--top: invalid int value: 'many'",
        "list": "invalid choice: 'list'",
        "show": "required: instance",
        "ls 'x": "No closing quotation in",
    }.items():
        assert re.search(words, refused(shell, "durable", line)), line


def test_the_magics_are_documented_where_ipython_looks(shell) -> None:
    for name, word in (("durable", "--since WHEN"), ("durable_sql", "stores the result")):
        assert word in shell.object_inspect_text(f"%{name}")


def test_every_command_is_documented_with_its_options(shell) -> None:
    (commands,) = (
        action.choices
        for action in parsing._parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    for text in (shell.object_inspect_text("%durable"), REFERENCE.read_text("utf-8")):
        for command in COMMANDS:
            options = {option for action in commands[command]._actions for option in action.option_strings}
            assert re.search(rf"(%durable |[ ;:`]){command}\b", text), command
            missing = {option for option in options - {"-h", "--help"} if option not in text}
            assert missing == set(), command


def completed(shell: InteractiveShell, line: str) -> list[str]:
    """The completions of a line."""
    with provisionalcompleter():
        return sorted(one.text for one in shell.Completer.completions(line, len(line)))


def test_commands_and_ids_are_completed(shell, hub) -> None:
    assert set(COMMANDS) <= set(completed(shell, "%durable "))
    assert completed(shell, "%durable sus") == ["suspend"]
    for command in ("show", "history", "sequence", "watch", "logs", "raise", "cancel", "terminate", "purge"):
        assert completed(shell, f"%durable {command} wai") == ["waiting-1"]
    assert {"good-1", "bad-1", "waiting-1"} <= set(completed(shell, "%durable show "))
    hub.close()
    assert "waiting-1" not in completed(shell, "%durable show wai")


def test_statuses_names_and_options_are_completed(shell, hub) -> None:
    assert completed(shell, "%durable ls --status fa") == ["Failed"]
    assert completed(shell, "%durable ls --name wai") == ["waiting"]
    assert {"--since", "--status"} <= set(completed(shell, "%durable ls --s"))
    assert completed(shell, "%durable logs good-1 --level war") == ["WARNING"]


def test_events_that_are_waited_for_are_completed(shell, hub) -> None:
    assert completed(shell, "%durable raise waiting-1 g") == ["Go"]
    hub.handle("waiting-1").raise_event("Go")
    assert "Go" not in completed(shell, "%durable raise waiting-1 ")


def test_entities_are_completed(shell, shop) -> None:
    assert {"counter@a", "counter@b"} <= set(completed(shell, "%durable entity @co"))
    assert "a" not in completed(shell, "%durable entity @counter@b")
    assert completed(shell, "%durable entities co") == ["counter"]


def test_the_hub_that_is_named_is_completed_and_asked(shell, hub) -> None:
    shell.user_ns["the_hub"] = hub
    with df.TaskHub(":memory:"):
        assert completed(shell, "%durable --hub the_") == ["the_hub"]
        assert completed(shell, "%durable --hub the_hub show wai") == ["waiting-1"]
        assert "waiting-1" not in completed(shell, "%durable show wai")


# -- one instance ------------------------------------------------------------------------------------


def test_each_part_of_an_instance_is_shown(shell, hub) -> None:
    def shown(line: str) -> Any:
        return shell.run_line_magic("durable", line)

    handle = hub.handle("waiting-1")
    assert shown("history waiting-1") == handle.history()
    assert shown("sequence waiting-1") == handle.sequence()
    assert shown("logs waiting-1") == handle.logs()
    graph = shown("graph waiting-1")._repr_mimebundle_()
    assert graph["text/html"].count("<img") == 2  # the status, and the graph
    assert graph["text/plain"].startswith("<waiting waiting-1: Running, waiting>")
    timeline = shown("timeline waiting-1")._repr_mimebundle_()
    assert "<table>" not in timeline["text/html"]
    assert timeline["text/plain"].startswith("<timeline of waiting-1>\nGo  ")
    with pytest.raises(df.InstanceNotFoundError, match="nobody"):
        shown("graph nobody")


def test_outputs_and_the_card_of_an_instance_are_shown(shell, hub) -> None:
    def draws(context: Any) -> None:
        context.set_custom_status("drawn")
        display({"text/plain": "a figure"}, raw=True)

    hub.add_orchestrator(draws)
    hub.run(draws, instance_id="draws-1")
    (output,) = shell.run_line_magic("durable", "outputs draws-1")
    assert output.data == {"text/plain": "a figure"}
    card = shell.run_line_magic("durable", "card draws-1")
    assert "a figure" in card._repr_mimebundle_()["text/html"]


def test_watch_gives_the_live_view(shell, hub, monkeypatch) -> None:
    monkeypatch.setattr(df.Handle, "watch", lambda handle: f"a live view of {handle.id}")
    assert shell.run_line_magic("durable", "watch waiting-1") == "a live view of waiting-1"


def test_replays_are_shown_and_explored_with_any_execution_and_other_code(shell, hub) -> None:
    def shown(line: str) -> Any:
        return shell.run_line_magic("durable", line)

    def rounds(context: Any) -> Any:
        yield context.create_timer(context.current_utc_datetime)
        if context.get_input() < 2:
            context.continue_as_new(context.get_input() + 1)

    def other(context: Any) -> Any:
        yield context.wait_for_external_event("Go")

    hub.run(hub.orchestrator(rounds), 0, instance_id="rounds-1")
    shell.user_ns["other"] = other
    replay = shown("replay rounds-1")
    assert replay._repr_mimebundle_()["text/plain"] == "<Replay of rounds-1: 2 replays, 1 await>"
    assert [shown(f"replay rounds-1 --execution {one}").trace.events[0].input for one in (1, 3)] == ["0", "2"]
    assert not shown("replay rounds-1 --code other").fits
    view = shown("explore --execution 2 rounds-1")
    assert (view.replay.instance_id, view.replay.trace.events[0].input) == ("rounds-1", "1")
    assert not shown("explore rounds-1 --code other").replay.fits
    for line, words in {
        "explore rounds-1 --execution 4": "numbered from 1 to 3",
        "replay rounds-1 --code nothing": "nothing isn't a function",
        "replay rounds-1 --execution first": "invalid int value",
    }.items():
        assert words in refused(shell, "durable", line)


def test_instances_of_a_file_are_replayed_with_code_that_is_named(shell, tmp_path) -> None:
    with df.TaskHub(tmp_path / "flows.duckdb", mode="kernel") as hub:

        def one(context: Any) -> Any:
            yield context.create_timer(context.current_utc_datetime)

        hub.run(hub.orchestrator(one), instance_id="a")
    with df.open_history(tmp_path / "flows.duckdb") as file:
        shell.user_ns |= {"file": file, "one": one}
        assert shell.run_line_magic("durable", "--hub file replay a --code one").fits
        assert shell.run_line_magic("durable", "--hub file explore a --code one").step.verdict == "returned"
        assert "--code NAME" in refused(shell, "durable", "--hub file replay a")
        assert "A file has no functions" in shell.run_line_magic("durable", "--hub file explore a").label


def test_logs_are_filtered(shell) -> None:
    with df.TaskHub(":memory:", mode="kernel") as hub:

        @hub.activity
        def speak(text):
            print(text)
            logging.getLogger("shop").warning("mind the step")

        @hub.orchestrator
        def speaking(context):
            yield context.call_activity(speak, "one")
            yield context.call_activity(speak, "two")

        hub.run(speaking, instance_id="a")
        messages = {
            line: [one.message for one in shell.run_line_magic("durable", f"logs a {line}")]
            for line in ("", "--task 1", "--level warning", "--name speaking")
        }
        assert len(messages[""]) == 4
        assert messages["--task 1"] == ["two", "mind the step"]
        assert messages["--level warning"] == ["mind the step"] * 2
        assert messages["--name speaking"] == []
        with pytest.raises(UsageError, match="loud"):
            shell.run_line_magic("durable", "logs a --level loud")


@pytest.mark.usefixtures("alone")
def test_where_says_which_hub_it_is(shell, capsys) -> None:
    with df.TaskHub(":memory:"):
        assert shell.run_line_magic("durable", "where") is None
    assert capsys.readouterr().out == f"durablenb {df.__version__}, in memory\n"


def test_sql_is_answered_by_durable_too(shell, hub) -> None:
    assert shell.run_line_magic("durable", "sql select 1 + 1").fetchall() == [(2,)]
    shell.user_ns |= {"another": hub, "name": "good"}
    query = "select instance_id from instances where name = $name"
    with df.TaskHub(":memory:"):
        for line in (f"sql --hub another {query}", f"--hub another sql {query}"):
            assert shell.run_line_magic("durable", line).fetchall() == [("good-1",)]
    assert shell.run_line_magic("durable", f"sql found << {query}") is None
    assert shell.user_ns["found"].fetchall() == [("good-1",)]


# -- steering ----------------------------------------------------------------------------------------


def test_an_event_is_raised_with_json_a_variable_or_text(shell, hub, capsys) -> None:
    shell.user_ns["form"] = {"rows": [1, 2]}
    for value, arrived in {
        "": None,
        "7": 7,
        '{"ok": true, "by": "Ada L."}': {"ok": True, "by": "Ada L."},
        '"yes"': "yes",
        "yes, please": "yes, please",
        "'7'": "7",
        "it's fine": "it's fine",
        "null": None,
        "$form": {"rows": [1, 2]},
    }.items():
        handle = hub.start("waiting")
        shell.run_line_magic("durable", f"raise {handle.id} go {value}")
        assert handle.result() == arrived
        told = "" if arrived is None else f" with {arrived!r}"
        assert capsys.readouterr().out == f"{handle.id} was sent go{told}.\n"


def test_what_can_not_be_done_is_refused_with_what_to_do(shell, hub) -> None:
    for line, words in {
        "raise waiting-1 Go {ok: true}": "{ok: true} isn't JSON: ",
        "raise waiting-1 Go $nothing": "There is no variable 'nothing'",
        "raise waiting-1": "required: event",
        "raise good-1 Go": "'good-1' is Completed and takes no events any more",
        "suspend good-1": "good-1 is Completed and can't be suspended any more",
        "resume bad-1": "bad-1 is Failed and can't be resumed any more",
        "rewind good-1": "good-1",
        "cancel good-1": "good-1 is Completed and can't be canceled any more",
        "purge waiting-1": "waiting-1",
        "restart waiting-1 --same-id": "is Running: it has to end first, see %durable terminate",
        "entity counter": "'counter' isn't the id of an entity. Expected @name@key",
    }.items():
        assert words in refused(shell, "durable", line)


def test_what_was_done_is_said(shell, hub, capsys) -> None:
    def said(line: str) -> str:
        shell.run_line_magic("durable", line)
        return capsys.readouterr().out.rstrip("\n")

    def status(instance_id: str) -> str:
        return str(hub.handle(instance_id).status().runtime_status)

    assert said("suspend waiting-1 for the night") == (
        "waiting-1 is suspended: for the night. Resume it with: %durable resume waiting-1"
    )
    assert status("waiting-1") == "Suspended"
    assert said("resume waiting-1") == "waiting-1 was resumed."
    assert status("waiting-1") == "Running"
    assert said("terminate waiting-1 isn't wanted") == (
        "waiting-1 was terminated, with its sub-orchestrations: isn't wanted."
    )
    assert (status("waiting-1"), hub.handle("waiting-1").status().output) == ("Terminated", "isn't wanted")
    assert said("terminate waiting-1").startswith("waiting-1 had ended already, it is Terminated")
    assert said("restart waiting-1 --same-id") == (
        "waiting-1 was started again, with its input, as waiting-1."
    )
    assert status("waiting-1") == "Pending"
    assert said("cancel waiting-1 isn't wanted") == (
        "waiting-1 is to cancel itself where it waits: isn't wanted."
    )
    assert (status("waiting-1"), hub.handle("waiting-1").status().output) == ("Canceled", "isn't wanted")
    assert said("rewind bad-1") == "bad-1 was rewound: what failed is retried, what succeeded is kept."
    assert hub.sql("select count(*) from history where event_type = 'ExecutionRewound'").fetchall() == [(1,)]
    assert said("purge good-1") == "good-1 was deleted with its history."
    assert ids(hub.instances()) == ["bad-1", "waiting-1"]


def test_a_restart_gives_the_new_instance(shell, hub) -> None:
    made = shell.run_line_magic("durable", "restart good-1")
    assert made.id != "good-1"
    assert made.result() == 7


@pytest.fixture
def judged(hub) -> df.Handle:
    """An instance whose activity gave 0.4, and which needs more than that."""
    hub.add_activity(lambda text: 0.4, name="judge")

    def review(context: Any) -> Any:
        mark = yield context.call_activity("judge", context.get_input())
        return f"{context.get_input()}: {mark}"

    handle = hub.start(hub.orchestrator(review), "draft", instance_id="review-1")
    handle.result()
    return handle


def test_a_fork_shares_the_past_and_may_get_another_result_or_input(shell, judged, capsys) -> None:
    shell.user_ns["mark"] = (1, 2)
    lines = {
        "": "draft: 0.4",
        "4": "draft: 0.4",
        "4 0.9": "draft: 0.9",
        "#0 0.9": "draft: 0.9",
        '4 {"good": true, "by": 2}': "draft: {'good': True, 'by': 2}",
        "4 $mark": "draft: (1, 2)",
        "--input final 1": "final: 0.4",
        "--input '[1, 2]'": "[1, 2]: 0.4",
    }
    for number, (line, gives) in enumerate(lines.items()):
        made = shell.run_line_magic("durable", f"fork --id other-{number} review-1 {line}")
        assert made.id == f"other-{number}"
        told = f"review-1 was forked at event {made.status().forked_at}, as {made.id}."
        assert capsys.readouterr().out.strip() == told
        assert made.result() == gives, line


def test_what_can_not_be_forked_is_refused(shell, judged) -> None:
    for line, words in {
        "fork review-1 fourth": "'fourth' isn't an event",
        "fork review-1 #0": "Task #0 needs a result.",
        "fork review-1 99": "99",
        "fork review-1 4 {ok: true}": "isn't JSON",
        "fork review-1 4 --input final": "--input must come before the event",
        "fork review-1 4 --input=final": "must come before the event",
        "fork --input final review-1 4": "input",
    }.items():
        assert words in refused(shell, "durable", line)


def test_the_answers_at_which_one_can_fork_are_completed(shell, judged) -> None:
    assert completed(shell, "%durable fork rev") == ["review-1"]
    assert completed(shell, "%durable fork review-1 4") == ["4"]
    assert "3" not in completed(shell, "%durable fork review-1 ")
    assert {"--id", "--input"} <= set(completed(shell, "%durable fork review-1 --i"))
    assert {"--execution", "--code"} <= set(completed(shell, "%durable explore review-1 --"))


def test_a_purge_tells_of_the_children(shell, capsys) -> None:
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_orchestrator(lambda context: 1, "child")

        def parent(context: Any) -> Any:
            yield context.task_all([context.call_sub_orchestrator("child") for _ in range(2)])

        hub.run(hub.orchestrator(parent), instance_id="a")
        shell.run_line_magic("durable", "purge a")
        assert capsys.readouterr().out == "a was deleted with its history, and 2 sub-orchestrations.\n"
        assert hub.instances() == []


CHANGES = ("cancel", "terminate", "suspend", "resume", "rewind", "restart", "fork", "purge")


def test_a_file_that_is_read_is_not_changed(shell, tmp_path) -> None:
    with df.TaskHub(tmp_path / "flows.duckdb", mode="kernel") as hub:
        hub.add_orchestrator(lambda context: 1, "one")
        hub.run("one", instance_id="a")
    with df.open_history(tmp_path / "flows.duckdb") as file:
        shell.user_ns["file"] = file
        for line in ("raise a Go", *(f"{command} a" for command in CHANGES)):
            told = refused(shell, "durable", f"--hub file {line}")
            assert told.endswith(
                "is only read, so a can't be changed. Open it as a hub: durablenb.TaskHub(path)."
            )
        view = shell.run_line_magic("durable", "watch a --hub file")
        view.refresh()
        assert "from a file that is only read" in bytes(view.head).decode()
        assert shell.run_line_magic("durable", "sequence a --hub file") == file.handle("a").sequence()


CRASH = """
import sys
import durablenb as df
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

config = Config()
config.HistoryManager.enabled = False
shell = InteractiveShell(config=config)
shell.run_line_magic("load_ext", "durablenb")
for line in sys.argv[1:]:
    shell.run_line_magic("durable", line)
    print("alive")
"""


@pytest.mark.parametrize(
    ("lines", "typed", "is_alive"), [(["crash", "crash"], "no\nyes\n", 1), (["crash --yes"], "", 0)]
)
def test_a_crash_kills_the_process_if_it_is_confirmed(lines, typed, is_alive, tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CRASH, *lines],
        input=typed,
        capture_output=True,
        text=True,
        env=os.environ | {"IPYTHONDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
    )
    assert done.stdout.count("alive") == is_alive
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.count("Type yes") == len(typed.split())


def test_a_crash_that_nobody_can_confirm_does_nothing(shell, monkeypatch) -> None:
    def nobody(question: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    assert refused(shell, "durable", "crash").endswith("confirm it with %durable crash --yes.")


# -- entities ----------------------------------------------------------------------------------------


@pytest.fixture
def shop(shell: InteractiveShell) -> Iterator[df.TaskHub]:
    """A hub with two counters and a light."""
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:

        @hub.entity
        class Counter:
            def __init__(self) -> None:
                self.value = 0

            def add(self, amount: int) -> None:
                self.value += amount

        hub.add_entity(Counter, "light")
        for name, key in (("Counter", "a"), ("Counter", "b"), ("light", "hall")):
            hub.entity(name, key).add(3)
        while hub.step():
            pass
        yield hub


def test_entities_are_listed_and_one_is_shown(shell, shop) -> None:
    def listed(line: str) -> list[tuple[Any, ...]]:
        return shell.run_line_magic("durable", line).fetchall()

    assert [row[:3] for row in listed("entities")] == [
        (name, '{"value": 3}', 1) for name in ("@counter@a", "@counter@b", "@light@hall")
    ]
    assert [row[0] for row in listed("entities Counter")] == ["@counter@a", "@counter@b"]
    for line in ("entity @counter@a", "entity counter@a", "entity @Counter@a"):
        assert shell.run_line_magic("durable", line).state() == {"value": 3}


# -- %durable_sql ------------------------------------------------------------------------------------


def test_a_line_of_sql_is_answered(shell, hub) -> None:
    answer = shell.run_line_magic("durable_sql", "select name from instances where output = '7'")
    assert answer.fetchall() == [("good",)]
    assert '<table class="dataframe">' in answer._repr_mimebundle_()["text/html"]


def test_a_cell_of_sql_is_answered(shell, hub) -> None:
    cell = "-- all of them\nselect status, count(*) as n\nfrom instances\ngroup by all\norder by all;\n"
    answer = shell.run_cell_magic("durable_sql", "", cell)
    assert answer.fetchall() == [("Completed", 1), ("Failed", 1), ("Running", 1)]


def test_an_answer_is_kept_in_a_variable(shell, hub) -> None:
    shell.user_ns["hub"] = hub
    query = "select instance_id from instances where status = 'Failed'"
    joined = "select count(*) from failed join history using (instance_id)"
    for line in ("failed <<", "-o failed", "failed<<", "--hub hub -o failed", "-o failed --hub=hub"):
        assert shell.run_cell_magic("durable_sql", line, query) is None
        assert shell.user_ns["failed"].fetchall() == [("bad-1",)]
        assert shell.run_line_magic("durable_sql", joined).fetchall() == [(3,)]
        del shell.user_ns["failed"]


def test_values_and_frames_are_variables(shell, hub) -> None:
    shell.run_cell(
        "import pandas as pd\nname = 'good'\nlabels = pd.DataFrame({'instance_id': ['good-1'], 'l': ['x']})"
    )
    query = "select l from labels join instances using (instance_id) where name = $name and $name != '$l'"
    assert shell.run_cell_magic("durable_sql", "", query).fetchall() == [("x",)]
    assert shell.run_line_magic("durable_sql", query).fetchall() == [("x",)]
    shell.run_cell(
        "def inside(name):\n"
        "    weights = pd.DataFrame({'w': [3]})\n"
        "    return get_ipython().run_line_magic('durable_sql', 'select w, $name from weights').fetchall()\n"
        "found = inside('own')"
    )
    assert shell.user_ns["found"] == [(3, "own")]


def test_what_is_no_query_is_refused_in_short(shell, hub) -> None:
    for query, words in {
        "select $nothing": r"The query has $nothing, and there is no variable 'nothing'.",
        "select ?": "write $name",
        "selec 1": "syntax error",
        "from zork": 'no table or view "zork"',
        "delete from journal": "Expected one query, not DELETE",
        "": "Expected one query, not nothing",
    }.items():
        assert words in refused(shell, "durable_sql", "", query)
        assert words in refused(shell, "durable_sql", query)


def test_a_name_that_no_variable_can_have_is_refused(shell, hub) -> None:
    assert refused(shell, "durable_sql", "-o a-b", "select 1") == "'a-b' isn't a valid name for a variable."


# -- which hub ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("alone")
def test_without_a_hub_the_magics_say_how_to_get_one(shell) -> None:
    for name, line in (("durable", ""), ("durable", "ls"), ("durable_sql", "select 1")):
        assert refused(shell, name, line).startswith("No hub is open in this kernel. Open one: ")


@pytest.mark.usefixtures("alone")
def test_it_is_the_hub_that_was_opened_last(shell, tmp_path, capsys) -> None:
    first = df.TaskHub(tmp_path / "first.duckdb")
    other = df.TaskHub(":memory:")
    assert shell.run_line_magic("durable", "") is other
    here, others = capsys.readouterr().out.splitlines()[-2:]
    assert here.endswith("in memory")
    assert others.startswith("also open: ")
    assert str(tmp_path / "first.duckdb") in others
    assert df.TaskHub(tmp_path / "first.duckdb") is first  # its cell was run again
    assert shell.run_line_magic("durable", "") is first
    first.close()
    assert shell.run_line_magic("durable", "") is other
    other.close()


def test_another_hub_or_file_is_named_by_its_variable(shell, hub, tmp_path) -> None:
    with df.TaskHub(tmp_path / "flows.duckdb", mode="kernel") as other:
        other.add_orchestrator(lambda context: 1, "one")
        other.run("one", instance_id="in the file")
        shell.user_ns |= {"another": hub, "number": 3}
        assert ids(shell.run_line_magic("durable", "ls --top 1")) == ["in the file"]
        assert ids(shell.run_line_magic("durable", "ls --top 1 --hub another")) == ["good-1"]
        assert shell.run_line_magic("durable", "--hub another") is hub
        query = "select count(*) from instances"
        assert shell.run_line_magic("durable_sql", f"--hub another {query}").fetchall() == [(3,)]
    for name, what in (("number", "is of type int"), ("nothing", "doesn't exist")):
        assert refused(shell, "durable", f"ls --hub {name}").startswith(
            f"{name} {what}. --hub takes a variable"
        )
        assert refused(shell, "durable_sql", f"--hub {name} {query}").startswith(f"{name} {what}.")
    with df.open_history(tmp_path / "flows.duckdb") as file:
        shell.user_ns["file"] = file
        assert ids(shell.run_line_magic("durable", "ls --hub file --since 1d")) == ["in the file"]
        assert shell.run_line_magic("durable", "show 'in the file' --hub file") == file.handle("in the file")
        assert shell.run_line_magic("durable_sql", f"--hub file {query}").fetchall() == [(1,)]
        assert shell.run_line_magic("durable", "--hub file") is file


# -- the page about it -------------------------------------------------------------------------------

PAGE = Path(__file__).parents[2] / "docs/how-to/query-from-a-notebook.md"


def test_the_cells_of_the_page_run(shell, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(?:python)?\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 9
    with df.TaskHub("flows.duckdb") as hub:

        def report(context: Any) -> Any:
            if context.get_input()["shop"] == "south":
                raise ValueError("closed")
            return {"rides": 3}

        hub.add_orchestrator(report)
        hub.run(report, {"shop": "north"})
        hub.start(report, {"shop": "south"}, instance_id="order-7").wait()
        shell.user_ns["hub"] = hub
        results = [shell.run_cell(block) for block in blocks]
        for result in results:
            result.raise_error()
        assert results[0].result.fetchall() == [("A", "Completed", 1), ("B", "Failed", 1)]
        assert results[2].result.fetchall() == [("B", 1)]
        assert results[4].result.fetchall() == [("closed", 1)]
        assert shell.user_ns["messages"] == ["closed"]
        assert shell.user_ns["rides"] == [(3,)]
        assert shell.user_ns["failed"].height == 1


# -- in a kernel -------------------------------------------------------------------------------------

CELLS = [
    "%load_ext durablenb",
    """import durablenb as df
import pandas as pd

hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())

@hub.orchestrator
def double(context):
    return 2 * context.get_input()

least = 4
doubles = [hub.run(double, n, instance_id=str(n)) for n in range(4)]
labels = pd.DataFrame({"instance_id": ["1", "3"], "label": ["one", "three"]})""",
    """%%durable_sql
select label, output::int as doubled
from instances join labels using (instance_id)
where output::int >= $least""",
    "%%durable_sql many <<\nselect count(*) as n from instances",
    "many.fetchall()",
    "ids = %durable_sql select instance_id from instances where instance_id > '2'\nids.df()",
    "%durable",
    "%durable show 3",
    "%durable_sql selec 1",
]


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::RuntimeWarning")
def test_the_magics_in_a_kernel(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(
        notebook, config=kernel_config(), allow_errors=True, timeout=60, resources=resources
    ).execute()
    outputs = [cell.outputs for cell in notebook.cells]
    assert outputs[:2] == [[], []]
    assert "three" in outputs[2][0].data["text/html"]
    assert "│ three   │       6 │" in outputs[2][0].data["text/plain"]
    assert outputs[3] == []
    assert outputs[4][0].data["text/plain"] == "[(4,)]"
    assert outputs[5][0].data["text/plain"].splitlines() == ["  instance_id", "0           3"]
    assert outputs[6][0].text == f"durablenb {df.__version__}, in memory\n"
    assert "data:image/svg+xml;base64," in outputs[6][1].data["text/html"]
    assert outputs[7][0].data["text/plain"] == "<double 3: Completed>"
    (told,) = outputs[8]
    assert told.text.startswith('UsageError: Parser Error: syntax error at or near "selec"')
