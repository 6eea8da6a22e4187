"""The picture of the architecture page: the rooms, and the imports between them, read from the code."""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from pathlib import Path

import grimp

from durablenb.notebook.svg import HAIR, MUTED, Drawing

ROOT = Path(__file__).parents[2]
ABOUT = {
    "cli": "the command line; the story of durablenb demo",
    "azure": "function apps, loaded and called as Azure does",
    "notebook": "pictures, live views, magics",
    "server": "the management API, its page",
    "lab": "a crash before every commit, grades",
    "hub": "hubs, instances, entities, clients; the control port",
    "analysis": "graphs, timelines, comparisons, SQL",
    "journal": "the journal port; files, copies, bundles",
    "agents": "agents of pydantic-ai",
    "cluster": "activities on Dask and Ray, and what runs there",
    "store": "the journal in DuckDB",
    "engine": "apply, commit, dispatch",
    "checks": "source code, before it runs",
    "core": "history and code -> what comes next",
    "values": "values as text and blobs",
    "model": "events, status, errors: plain data",
}
LEFT, TOP, CELL = 330, 74, 36


def floors() -> list[list[str]]:
    """Return the rooms of each floor, the highest first, as import-linter checks them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[room.strip("() ") for room in layer.split("|")] for layer in layers]


def imports() -> Counter[tuple[str, str]]:
    """Return the number of imports from one room to another."""
    graph = grimp.build_graph("durablenb", exclude_type_checking_imports=True)
    counts: Counter[tuple[str, str]] = Counter()
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            rooms = tuple(name.split(".")[1] if "." in name else "" for name in (importer, imported))
            if rooms[0] != rooms[1] and all(rooms):
                counts[rooms[0], rooms[1]] += 1
    return counts


def size(room: str) -> str:
    """Return the numbers of a room's modules and lines."""
    files = list((ROOT / "durablenb" / room).rglob("*.py"))
    lines = sum(file.read_text("utf-8").count("\n") for file in files)
    modules = len([file for file in files if file.name != "__init__.py"])
    return f"{modules} modules, {lines:,} lines"


def picture() -> str:
    """Return the picture as an SVG document: the rooms as rows, and as columns the rooms that they import."""
    rows = [(floor, room) for floor, rooms in enumerate(floors()) for room in rooms]
    rooms = [room for _, room in rows]
    counts = imports()
    right = LEFT + CELL * len(rooms)
    drawing = Drawing(
        right + 14, "The rooms of durablenb on their floors, and the numbers of imports between them"
    )
    for column, room in enumerate(rooms):
        x = LEFT + CELL * (column + 0.5)
        drawing.begin(transform=f"rotate(-50 {x:.0f} {TOP - 6})")
        drawing.text(x, TOP - 6, room, size=11)
        drawing.end()
    most = max(counts.values())
    for row, (floor, room) in enumerate(rows):
        y = TOP + CELL * row
        if row == 0 or rows[row - 1][0] != floor:
            drawing.path(f"M12 {y}H{right}", stroke=HAIR, stroke_width=1)
        drawing.text(16, y + 14, room, is_bold=True, size=12)
        drawing.text(92, y + 14, size(room), size=10, fill=MUTED)
        drawing.text(16, y + 27, ABOUT[room], size=10, width=LEFT - 30)
        for column, other in enumerate(rooms):
            x = LEFT + CELL * column
            count = counts[room, other]
            if room == other:
                drawing.box(x + 1, y + 1, CELL - 2, CELL - 2, fill=HAIR)
            elif count:
                shade = 0.12 + 0.5 * math.log(count + 1) / math.log(most + 1)
                drawing.box(
                    x + 1,
                    y + 1,
                    CELL - 2,
                    CELL - 2,
                    f"{room} imports {other}: {count}",
                    fill="#1f6feb" if column > row else "#cf222e",
                    fill_opacity=round(shade, 2),
                )
                drawing.text(x + CELL / 2, y + 21, count, size=11, anchor="middle")
    return drawing.finished(TOP + CELL * len(rows) + 12)


def write(path: Path) -> None:
    """Write the picture to a file."""
    path.write_text(picture(), "utf-8")
