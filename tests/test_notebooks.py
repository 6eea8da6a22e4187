"""The lessons are well-formed: what nbval, which executes them, doesn't see."""

import re
from pathlib import Path

import nbformat
import pytest
from vega_datasets import data

ROOT = Path(__file__).parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
INDEX = (ROOT / "docs/tutorial/index.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| \[(.+)\]\(\.\./\.\./notebooks/(.+)\) \| (\d+) \|", INDEX, re.MULTILINE)
"""The title, the file and the minutes of each lesson, as the index has them."""

ABOUT = re.compile(
    r"- \*\*Outcomes\*\*: you can .+\n- \*\*Time\*\*: (\d+) minutes\n- \*\*Before this\*\*: ", re.DOTALL
)
FOLDED_ANSWER = "<details><summary>Answer</summary>\n\n"
TAGS = {
    "hide-output": {"outputs_hidden": True},
    "hide-cell": {"outputs_hidden": True, "source_hidden": True},
    "hide-input": {"source_hidden": True},
    "nbval-ignore-output": None,
}
"""The tags that a cell may have, and what JupyterLab hides of it."""

LIVE = re.compile(r"watch\(|progress\(|explore\(")
LINK = re.compile(r"\[[^\]]+\]\((?!https?://)([^)#]+)[^)]*\)")


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def lesson(request):
    """A lesson's path, and the notebook."""
    return request.param, nbformat.read(request.param, as_version=4)


def texts(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def codes(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def predictions(notebook):
    """The text before each cell whose output is to be guessed, the cell, and the text after it."""
    cells = notebook.cells
    return [
        (cells[place - 1].source, cell, cells[place + 1].source)
        for place, cell in enumerate(cells)
        if "hide-output" in cell.metadata.get("tags", [])
    ]


def exercises(notebook):
    """Each starter, and its solution."""
    cells = codes(notebook)
    return [
        (cells[place - 1], cell) for place, cell in enumerate(cells) if cell.source.startswith("# Solution\n")
    ]


def printed(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def test_it_begins_with_outcomes_time_and_what_it_builds_on(lesson):
    path, notebook = lesson
    first = notebook.cells[0].source
    minutes = ABOUT.search(first)[1]
    ((title, found),) = [(title, found) for title, file, found in ROWS if file == path.name]
    assert first.startswith(f"# {title}")
    assert found == minutes
    before = re.findall(r"\((\d\d_[a-z_]+\.ipynb)", first.partition("**Before this**")[2])
    later = path.name if path.name < "2" else "2"  # an elective needs no other one
    assert [name for name in before if name >= later] == []


def test_it_asks_for_a_prediction_and_hides_the_answer(lesson):
    _, notebook = lesson
    asked = predictions(notebook)
    assert asked
    for before, cell, after in asked:
        assert re.search(r"^(\*\*Predict\.\*\*|## Predict: )", before, re.MULTILINE)
        assert "?" in before
        assert cell.outputs
        assert after.startswith(FOLDED_ANSWER)


def test_the_line_that_jupyterlab_shows_of_a_folded_output_is_a_neutral_one(lesson):
    _, notebook = lesson
    for _, cell, _ in predictions(notebook):
        assert printed(cell).partition("\n")[0].endswith(":"), cell.source
        assert cell.outputs[0].output_type == "stream"


def test_it_has_something_to_change_and_a_graded_exercise(lesson):
    _, notebook = lesson
    assert any("**Change it.**" in text for text in texts(notebook))
    assert any("## Exercise: " in text for text in texts(notebook))
    assert exercises(notebook)
    for starter, solution in exercises(notebook):
        assert re.search("FAIL|expected", printed(starter))
        assert solution.metadata.tags == ["hide-cell"]
        assert re.search(r"^assert |\.check\(\)$", solution.source, re.MULTILINE)


def test_what_the_page_folds_is_folded_in_jupyterlab(lesson):
    _, notebook = lesson
    for cell in codes(notebook):
        for tag in cell.metadata.get("tags", []):
            assert TAGS[tag] is None or cell.metadata.jupyter == TAGS[tag]


def test_the_pages_about_the_course_add_up():
    assert [file for _, file, _ in ROWS] == [path.name for path in LESSONS]
    minutes = {title: int(found) for title, _, found in ROWS}
    core = [int(found) for _, file, found in ROWS if file < "2"]
    assert "They take eight hours." in INDEX
    assert round(sum(core) / 60) == 8
    path = re.search(
        r"^- \*\*Data scientist\*\*: (.+?) They take three hours\.", INDEX, re.MULTILINE | re.DOTALL
    )[1]
    titles = [" ".join(title.split()) for title in re.findall(r"\*(.+?)\*", path, re.DOTALL)]
    assert round(sum(minutes[title] for title in titles) / 60) == 3
    plan = (ROOT / "docs/tutorial/teaching.md").read_text(encoding="utf-8")
    begun = 0
    for hour, minute, took, what in re.findall(r"^\| (\d):(\d\d) \| (\d+) \| (.+?) \|", plan, re.MULTILINE):
        assert 60 * int(hour) + int(minute) == begun, what
        assert minutes.get(what.strip("*"), int(took)) == int(took)
        begun += int(took)
    assert 180 <= begun <= 240  # half a day
    assert f"{len(LESSONS)} notebooks" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_lessons_are_numbered():
    assert [path.name for path in LESSONS if not re.match(r"[0-9]{2}_[a-z_]+\.ipynb", path.name)] == []


def test_it_is_a_valid_notebook_for_any_python_3_kernel(lesson):
    _, notebook = lesson
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"


def test_it_is_short_and_begins_with_its_title(lesson):
    _, notebook = lesson
    assert 6 <= len(notebook.cells) <= 24
    assert re.match(r"# [A-Z][^\n]+\n", notebook.cells[0].source)


def test_it_ends_with_what_you_saw_and_leads_on(lesson):
    path, notebook = lesson
    last = texts(notebook)[-1]
    assert notebook.cells[-1].source == last
    assert last.startswith("## What you saw\n")
    assert "../docs/" in last
    later = [other.name for other in LESSONS if other.name > path.name]
    assert [link for link in LINK.findall(last) if link.endswith(".ipynb")] == later[:1]


def test_its_links_lead_to_files(lesson):
    path, notebook = lesson
    links = [link for text in texts(notebook) for link in LINK.findall(text)]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_it_was_executed_in_order_and_without_an_error(lesson):
    _, notebook = lesson
    cells = codes(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert any(outputs)
    assert [output for output in outputs if output.output_type == "error"] == []
    assert [output for output in outputs if output.get("name") == "stderr"] == []


def test_it_names_no_place_of_the_machine_it_was_executed_on(lesson):
    path, _ = lesson
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(tmp|home|root|work|Users|var)/", text)


def test_it_hides_little_from_the_comparison(lesson):
    _, notebook = lesson
    assert "NBVAL" not in "".join(cell.source for cell in codes(notebook))
    hidden = [cell for cell in codes(notebook) if "nbval-ignore-output" in cell.metadata.get("tags", [])]
    assert len([cell for cell in hidden if not LIVE.search(cell.source)]) <= 2


def test_what_was_live_is_a_still_picture_in_the_file(lesson):
    _, notebook = lesson
    assert "widgets" not in notebook.metadata
    for cell in codes(notebook):
        outputs = [output for output in cell.outputs if "data" in output]
        assert not any("widget-view" in kind for output in outputs for kind in output.data)
        if LIVE.search(cell.source):
            assert any("data:image/svg+xml" in output.data.get("text/html", "") for output in outputs)


def test_its_data_need_no_network(lesson):
    _, notebook = lesson
    names = {name for cell in codes(notebook) for name in re.findall(r"\bdata\.(\w+)\(", cell.source)}
    assert [name for name in names if not getattr(data, name).is_local] == []


def test_it_closes_its_hubs(lesson):
    _, notebook = lesson
    assert ".close()" in codes(notebook)[-1].source
