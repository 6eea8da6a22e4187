"""In a real kernel: what an activity displays is kept with its instance, and in no cell's output."""

from __future__ import annotations

import pytest

from tests.kernels.conftest import Kernel

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::RuntimeWarning")

SETUP = """
import threading

import durablenb as df
import matplotlib.pyplot as plt
from IPython.display import HTML, display
from tqdm.notebook import tqdm

hub = df.TaskHub("hub.duckdb")
go_on, has_shown = threading.Event(), threading.Event()


@hub.activity
def draw(word):
    display(HTML(f"<b>{word}</b>"))
    bar = tqdm(total=4, desc="bar")
    handle = display({"text/plain": "0"}, raw=True, display_id="count")
    go_on.wait(60)
    for number in range(20):
        handle.update({"text/plain": f"{number}"}, raw=True)
    bar.update(4)
    bar.close()
    plt.plot([1, 2, 3])
    plt.show()
    fig, axes = plt.subplots(1, 2)
    has_shown.set()


@hub.orchestrator
def main(context):
    display({"text/plain": "begun"}, raw=True)
    yield context.call_activity(draw, context.get_input())


handle = hub.start(main, "word", instance_id="a")
"""


def test_no_cell_gets_what_an_activity_displays_and_the_instance_has_it(kernel: Kernel) -> None:
    kernel.run(SETUP)
    kernel.run("display({'text/plain': 'mine'}, raw=True)\ngo_on.set()\nassert has_shown.wait(60)")
    kernel.run("handle.result()")
    assert kernel.run("[output.author for output in handle.outputs()][:2]") == "['main', 'draw #0']"
    texts = kernel.run("[output.data['text/plain'][:9] for output in handle.outputs()][:4]")
    assert texts == "['begun', '<IPython.', 'bar: 100%', '19']"
    assert kernel.run("[output.mime_types for output in handle.outputs()][4:]").count("image/png") == 2
    assert kernel.run("plt.get_fignums()") == "[]"
    assert kernel.displayed == [("display_data", {"text/plain": "mine"})]


def test_a_cell_that_captures_gets_no_activitys_outputs(kernel: Kernel) -> None:
    kernel.run(SETUP)
    kernel.run("%%capture captured\ndisplay('mine')\ngo_on.set()\nhandle.result()")
    assert kernel.run("[output.data['text/plain'] for output in captured.outputs]") == "[\"'mine'\"]"
    assert kernel.run("len(handle.outputs())") == "6"


def test_an_activity_that_captures_gets_its_own(kernel: Kernel) -> None:
    kernel.run(
        "import durablenb as df\n"
        "from IPython.utils.capture import capture_output\n"
        "hub = df.TaskHub(':memory:')\n"
        "@hub.activity\n"
        "def work(word):\n"
        "    with capture_output() as captured:\n"
        "        display({'text/plain': 'inside'}, raw=True)\n"
        "    display({'text/plain': 'outside'}, raw=True)\n"
        "    return [output.data['text/plain'] for output in captured.outputs]\n"
        "@hub.orchestrator\n"
        "def main(context):\n"
        "    return (yield context.call_activity(work, 'a'))\n"
        "handle = hub.start(main)"
    )
    assert kernel.run("handle.result()") == "['inside']"
    assert kernel.run("[output.data['text/plain'] for output in handle.outputs()]") == "['outside']"


def test_in_mode_kernel_the_cell_shows_it_as_well(kernel: Kernel) -> None:
    kernel.run(SETUP.replace('"hub.duckdb"', '":memory:", mode="kernel"'))
    kernel.run("go_on.set()\nhandle.result()")
    kinds = [kind for kind, _ in kernel.displayed]
    assert kinds.count("display_data") == 6
    assert kinds.count("update_display_data") == 20
    assert sum("image/png" in data for _, data in kernel.displayed) == 2
    assert kernel.run("len(handle.outputs())") == "6"


def test_outputs_of_a_killed_kernel_are_there_in_the_next_one(kernel: Kernel) -> None:
    kernel.run(SETUP)
    assert kernel.run("while len(handle.outputs()) < 4: pass\nlen(handle.outputs())") == "4"
    kernel.restart()
    kernel.run(
        "import durablenb as df\n"
        "with df.open_history('hub.duckdb') as file:\n"
        "    texts = [output.data['text/plain'][:5] for output in file.handle('a').outputs()]"
    )
    assert kernel.run("texts") == "['begun', '<IPyt', 'bar: ', '0']"
    kernel.run(SETUP.replace('handle = hub.start(main, "word", instance_id="a")', 'handle = hub.handle("a")'))
    kernel.run("go_on.set()\nhandle.result()")
    assert kernel.run("sum('image/png' in output.mime_types for output in handle.outputs())") == "2"
    assert kernel.run("[output.author for output in handle.outputs()].count('main')") == "1"
