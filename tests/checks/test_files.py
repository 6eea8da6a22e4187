"""`durablenb check`: files, notebooks and folders, read and not run."""

import json

import nbformat
import pytest

from durablenb import cli

LATE = """
from datetime import datetime

@hub.orchestrator
def late(context):
    yield context.call_activity("ship", datetime.now())
"""

SOUND = """
@hub.orchestrator
def sound(context):
    yield context.call_activity("ship", 1)
"""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Writes files, checks, and gives the exit code, what was printed, and what was complained of."""
    monkeypatch.chdir(tmp_path)

    def run(files, *arguments):
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        code = cli.main(["check", *(arguments or ["."])])
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return run


def notebook(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), *cells]))


def test_a_finding_is_a_line_that_begins_with_its_place(check):
    code, lines, complaints = check({"late.py": LATE, "sound.py": SOUND})
    assert code == 1
    assert lines == [
        "late.py:6:41: DNB101 datetime.datetime.now() is called. Use context.current_utc_datetime instead.",
        "1 finding in 2 orchestrators of 2 files.",
    ]
    assert complaints == []


def test_nothing_found_is_exit_code_0(check):
    code, lines, _ = check({"sound.py": SOUND})
    assert code == 0
    assert lines == ["Nothing found in 1 orchestrator of 1 file."]


def test_json_is_a_list_of_findings(check):
    code, lines, _ = check({"late.py": LATE}, "--json", "late.py")
    (finding,) = json.loads("\n".join(lines))
    assert code == 1
    assert (finding["path"], finding["line"], finding["column"], finding["code"]) == (
        "late.py",
        6,
        41,
        "DNB101",
    )
    assert finding["page"] == "docs/reference/checks.md#dnb101"
    assert check({}, "--json", "late.py")[0] == 1
    assert check({"sound.py": SOUND}, "--json", "sound.py")[:2] == (0, ["[]"])


def test_what_cannot_be_read_is_told_and_is_exit_code_2(check):
    code, lines, complaints = check(
        {"broken.py": "def f(:\n", "late.py": LATE, "old.ipynb": "{}", "torn.ipynb": "{"},
        *("broken.py", "late.py", "old.ipynb", "torn.ipynb", "nowhere.py"),
    )
    assert code == 2
    assert len(lines) == 2
    assert [one.split(":")[1].strip() for one in complaints] == [
        "broken.py",
        "old.ipynb",
        "torn.ipynb",
        "nowhere.py",
    ]


def test_the_cells_of_a_notebook_share_their_names_and_are_named(check):
    code, lines, _ = check(
        {
            "flows.ipynb": notebook(
                "%load_ext durablenb\nfrom time import time\nhub = df.TaskHub(':memory:')",
                "files = !ls\n?hub\nhub?\n%%durable\nfor one in files:\n    %durable ls",
                "@hub.orchestrator\ndef late(context):\n    yield context.call_activity('a', [time(), at()])",
                "%%durable_sql\nselect * from instances",
                "await hub.client\ndef at():\n    return time()",
                "%%time\n@hub.orchestrator\ndef again(context):\n    return time()",
            )
        }
    )
    assert code == 1
    assert [one.split(": DNB")[0] for one in lines[:-1]] == [
        "flows.ipynb:cell 4:3:39",
        "flows.ipynb:cell 4:3:47",
        "flows.ipynb:cell 7:4:12",
    ]


def test_hidden_folders_and_environments_are_left_out(check):
    code, lines, _ = check({".venv/a.py": LATE, "venv/a.py": LATE, "node_modules/a.py": LATE, "a.txt": LATE})
    assert code == 0
    assert lines == ["Nothing found in 0 orchestrators of 0 files."]


def test_orchestrators_are_found_however_they_are_registered(check):
    text = """
import time
import durablenb as df
from durablenb import DurableOrchestrationContext

def one(context):
    return time.time()

main = df.Orchestrator.create(one)

def two(context):
    return time.time()

def three(ctx: df.DurableOrchestrationContext):
    return time.time()

def four(ctx: "DurableOrchestrationContext"):
    return time.time()

def test():
    from time import time as now

    with df.TaskHub(":memory:") as hub:
        hub.add_orchestrator(two, name="second")
        hub.add_orchestrator(lambda context: time.time(), name="fifth")

        @hub.orchestrator(name="sixth")
        async def six(context):
            return now()

def not_one(context):
    return time.time()

def entity(context: df.DurableOrchestrationContext):
    context.set_state(time.time())

counter = df.Entity.create(entity)
"""
    _, lines, _ = check({"flows.py": text})
    assert [int(one.split(":")[1]) for one in lines[:-1]] == [7, 12, 15, 18, 25, 29]
    assert lines[-1] == "6 findings in 6 orchestrators of 1 file."


def test_a_name_counts_as_unknown_only_where_it_is_much_like_a_known_one(check):
    activities = "@bp.activity_trigger(input_name='city')\ndef say_hello(city):\n    return city\n"
    orchestrators = """
@bp.orchestration_trigger(context_name="context")
def greet(context):
    yield context.call_activity("say_helo", 1)
    yield context.call_activity("elsewhere", 1)
    yield context.call_activity("say_hello", 1)
    yield context.call_sub_orchestrator("gret", 1)
"""
    _, lines, _ = check({"activities.py": activities, "orchestrators.py": orchestrators})
    assert lines[:-1] == [
        "orchestrators.py:4:11: DNB501 No activity 'say_helo' is registered. Did you mean 'say_hello'? "
        "Register it.",
        "orchestrators.py:7:11: DNB502 No orchestrator 'gret' is registered. Did you mean 'greet'? "
        "Register it.",
    ]


def test_two_activities_of_one_name_have_no_parameters_that_are_known(check):
    code, _, _ = check(
        {
            "one.py": "hub.add_activity(lambda: 1, name='ship')\n" + SOUND,
            "other.py": "hub.add_activity(lambda order: 1, name='ship')\n",
        }
    )
    assert code == 0


def test_nothing_is_run_and_nothing_imported(check):
    code, _, complaints = check({"loud.py": "raise SystemExit('it ran')\nimport nowhere\n" + LATE})
    assert (code, complaints) == (1, [])


ACTIVITIES = """
from statistics import mean

@hub.activity
def pay(amount):
    return amount

def refund(amount):
    return -amount

hub.add_activity(refund, "Refund")
"""

DIRECT = """
import shop.activities
from shop import activities as acts
from shop.activities import pay, refund as back
from bank import pay as other

@hub.orchestrator
def order(context):
    pay(1)
    back(1)
    acts.pay(1)
    shop.activities.pay(1)
    other(1)
    yield context.call_activity(pay, 1)
    yield context.call_activity("Refund", 1)
"""


def test_an_activity_that_is_called_directly_is_known_through_imports(check):
    code, lines, _ = check({"shop/activities.py": ACTIVITIES, "flows.py": DIRECT})
    assert code == 1
    assert [one.split(" ")[:3] for one in lines[:-1]] == [
        ["flows.py:9:5:", "DNB208", "pay()"],
        ["flows.py:10:5:", "DNB208", "refund()"],
        ["flows.py:11:5:", "DNB208", "pay()"],
        ["flows.py:12:5:", "DNB208", "pay()"],
    ]


def test_an_activity_that_is_registered_by_a_call_is_known_in_its_own_file(check):
    code, lines, _ = check(
        {
            "flows.py": ACTIVITIES
            + """
undo = refund

@hub.orchestrator
def order(context):
    yield context.call_activity("Refund", mean([1, undo(1)]))
"""
        }
    )
    assert code == 1
    assert [one.split(" ")[1:3] for one in lines[:-1]] == [["DNB208", "refund()"]]


HELPERS = """
import random
from deep import token

def new_id():
    return token()

def pick(items):
    return random.choice(items)

def harmless(items):
    return sorted(items)
"""

DEEP = """
import uuid

def token():
    return str(uuid.uuid4())
"""


@pytest.mark.parametrize(
    ("files", "imports", "call"),
    [
        ({"helpers.py": HELPERS, "deep.py": DEEP}, "from helpers import new_id", "new_id()"),
        ({"helpers.py": HELPERS, "deep.py": DEEP}, "import helpers", "helpers.new_id()"),
        ({"lib/helpers.py": HELPERS, "deep.py": DEEP}, "from lib import helpers as h", "h.new_id()"),
        ({"lib/__init__.py": HELPERS, "deep.py": DEEP}, "import lib", "lib.new_id()"),
        ({"lib/helpers.py": HELPERS, "deep.py": DEEP}, "from lib.helpers import new_id as n", "n()"),
        ({"helpers.py": HELPERS, "deep.py": DEEP}, "from .helpers import new_id", "new_id()"),
    ],
)
def test_what_is_imported_from_the_project_is_read_too(check, files, imports, call):
    flow = f"""
{imports}

@hub.orchestrator
def late(context):
    yield context.call_activity("ship", {call})
"""
    code, lines, complaints = check({**files, "function_app.py": flow})
    assert code == 1
    assert len(lines) == 2
    assert "DNB103 In new_id(), line 6: In token(), line 5: uuid.uuid4() is called." in lines[0]
    assert complaints == []
    code, single, _ = check({}, "function_app.py")
    assert code == 1
    assert single[0] == lines[0]


def test_what_is_sound_in_another_module_is_no_finding(check):
    flow = """
import helpers
import nowhere
from deep import missing

@hub.orchestrator
def sound(context):
    names = helpers.harmless(context.get_input())
    yield context.call_activity("ship", [names, nowhere.anything(), missing(), helpers.unknown()])
"""
    code, lines, _ = check(
        {"helpers.py": HELPERS, "deep.py": DEEP, "broken.py": "def (", "flow.py": flow}, "flow.py"
    )
    assert (code, lines) == (0, ["Nothing found in 1 orchestrator of 1 file."])


def test_modules_that_import_each_other_end(check):
    one = "import two\n\ndef f(n):\n    return two.g(n)\n"
    two = "import one\nimport time\n\ndef g(n):\n    time.time()\n    return one.f(n)\n"
    flow = """
from one import f

@hub.orchestrator
def late(context):
    yield context.call_activity("ship", f(1))
"""
    code, lines, _ = check({"one.py": one, "two.py": two, "flow.py": flow}, "flow.py")
    assert code == 1
    assert [line.split(" ")[1] for line in lines[:-1]] == ["DNB101"]


def test_orchestrators_of_durabletask_are_not_judged_by_the_methods_of_this_context(check):
    theirs = """
import durablenb as df
from durabletask import task, worker

def order(ctx: task.OrchestrationContext, amount: int):
    yield ctx.call_activity("ship", input=amount)
    yield ctx.create_timer_with_anything(5)

worker.add_orchestrator(order)
hub = df.TaskHub(":memory:")

@hub.orchestrator
def ours(context: df.DurableOrchestrationContext):
    yield context.create_timer_with_anything(5)
"""
    code, lines, _ = check({"flows.py": theirs})
    assert code == 1
    assert [line.split(" ")[1] for line in lines[:-1]] == ["DNB504"]
    assert lines[-1] == "1 finding in 1 orchestrator of 1 file."


def test_lines_are_counted_as_python_counts_them(check):
    odd = LATE.replace("from", "\x0cfrom")
    text = f'WORDS = "a\u2028b"\n{odd.replace("now())", "now())  # durable: ignore[DNB101]")}'
    assert check({"flow.py": text})[0] == 0
