"""The pictures of a notebook are those in tests/notebook/pictures, in light and in dark colours.

After a change of the views, ``python -m tests.notebook.test_stored_pictures`` stores them anew, and so does
``make pictures``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

import durablenb as df
from tests.notebook.reading import SHARED, Picture, decoded, page_of, scene
from tests.notebook.scenes import RETRY, A, stage

FOLDER = Path(__file__).with_name("pictures")
COMMAND = f"python -m tests.notebook.{Path(__file__).stem}"


def hub_with_queues() -> df.TaskHub:
    hub = stage().hub
    SHARED.append(hub)
    hub.add_queue(df.Queue("disk", rate=(3, timedelta(seconds=20))))
    hub.add_queue(df.Queue("gpu", concurrency=4))
    return hub


SHOWN: dict[str, Callable[[], object]] = {
    "comparison": lambda: df.compare(scene("waiting"), scene("approved")),
    "continued": lambda: scene("continued"),
    "entity": lambda: scene("transferred").hub.entity(A),
    "failed": lambda: scene("failed"),
    "fanned": lambda: scene("fanned"),
    "hub": lambda: scene("transferred").hub,
    "queues": hub_with_queues,
    "retries": lambda: RETRY,
    "sequence": lambda: scene("transferred").sequence(),
    "transferred": lambda: scene("transferred"),
    "waiting": lambda: scene("waiting"),
}
"""What is shown, by the first part of the names of its pictures."""


def drawn_pictures() -> dict[str, str]:
    """The pictures that are more than a word, with those for narrow pages, an element in a line."""
    found = {}
    for name, shown in SHOWN.items():
        place = 1
        for tag, attributes in page_of(shown()).tags:
            if tag == "source":
                form = "narrowest" if "600px" in str(attributes["media"]) else "narrow"
                found[f"{name}-{place}-{form}"] = decoded(str(attributes["srcset"]))
            elif tag == "img" and Picture("", decoded(str(attributes["src"]))).width > 400:
                found[f"{name}-{place}"] = decoded(str(attributes["src"]))
                place += 1
    return {name: svg.replace("><", ">\n<").replace("}[", "}\n[") + "\n" for name, svg in found.items()}


def stored_pictures() -> dict[str, str]:
    return {path.stem: path.read_text("utf-8") for path in FOLDER.glob("*.svg")}


def comparison_page(names: list[str], stored: Mapping[str, str], drawn: Mapping[str, str]) -> str:
    """A page with the stored and the new pictures, one below the other, in both themes."""
    rows = []
    for name in names:
        rows.append(f"<h2>{name}</h2>")
        for theme, ground in (("light", "#ffffff"), ("dark", "#111111")):
            for when, pictures in (("stored", stored), ("now", drawn)):
                data = base64.b64encode(pictures.get(name, "").encode()).decode()
                source = f"data:image/svg+xml;base64,{data}"
                style = f"color-scheme: {theme}; background: {ground}"
                rows.append(
                    f'<p>{when}, {theme}</p><div style="{style}"><img alt="none" src="{source}"></div>'
                )
    return f'<!doctype html><meta charset="utf-8"><title>Pictures</title>{"".join(rows)}'


def test_the_pictures_are_the_stored_ones(tmp_path: Path) -> None:
    stored, drawn = stored_pictures(), drawn_pictures()
    names = sorted(name for name in {*stored, *drawn} if stored.get(name) != drawn.get(name))
    if names:
        page = tmp_path / "pictures.html"
        page.write_text(comparison_page(names, stored, drawn), "utf-8")
        pytest.fail(
            f"Pictures differ from those in tests/notebook/pictures: {', '.join(names)}.\n"
            f"To see both, open {page}.\n"
            f"If the new ones are right, store them: {COMMAND}",
            pytrace=False,
        )


def store() -> None:
    """Write all pictures, and remove those that there are no more."""
    FOLDER.mkdir(exist_ok=True)
    drawn = drawn_pictures()
    for name in {*stored_pictures(), *drawn}:
        path = FOLDER / f"{name}.svg"
        if name in drawn:
            path.write_text(drawn[name], "utf-8", newline="\n")
        else:
            path.unlink()


if __name__ == "__main__":
    store()
