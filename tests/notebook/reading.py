"""Reads what the views wrote: HTML, the images in it, the marks in these."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from functools import cache, cached_property
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import durablenb as df
from durablenb.notebook.live.instance import LiveInstance
from durablenb.notebook.live.widget import LiveView
from tests.notebook.scenes import SCENES, Stage, stage

SVG = "{http://www.w3.org/2000/svg}"
_PREFIX = "data:image/svg+xml;base64,"


class Page(HTMLParser):
    """A piece of HTML: its tags, the pictures in it, the text that a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "br", "input", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    @cached_property
    def pictures(self) -> list[Picture]:
        return [
            Picture(str(attributes["alt"]), decoded(str(attributes["src"])))
            for tag, attributes in self.tags
            if tag == "img"
        ]

    def picture(self, place: int = -1) -> Picture:
        """One that is more than a word."""
        return [picture for picture in self.pictures if picture.width > 400][place]


def decoded(source: str) -> str:
    assert source.startswith(_PREFIX)
    return base64.b64decode(source.removeprefix(_PREFIX)).decode()


@dataclass
class Picture:
    """An SVG document, and what is said in its place."""

    alt: str
    svg: str
    root: ElementTree.Element = field(init=False)

    def __post_init__(self) -> None:
        self.root = ElementTree.fromstring(self.svg)

    @property
    def width(self) -> float:
        return float(self.root.attrib["width"])

    @property
    def texts(self) -> list[str]:
        return [_own_text(element) for element in self.root.iter(f"{SVG}text")]

    @property
    def titles(self) -> list[str]:
        return [element.text or "" for element in self.root.iter(f"{SVG}title")]


def _own_text(element: ElementTree.Element) -> str:
    return (element.text or "") + "".join(child.tail or "" for child in element)


def bundle_of(shown: object) -> dict[str, str]:
    """The MIME bundle that Jupyter gets."""
    bundle: dict[str, str] = shown._repr_mimebundle_()  # type: ignore[attr-defined]
    return bundle


def page_of(shown: object) -> Page:
    return Page(bundle_of(shown)["text/html"])


def text_of(shown: object, region: str = "") -> str:
    """The text that Jupyter is given, or what a region of a live view says."""
    return Page(getattr(shown, region).decode()).text if region else bundle_of(shown)["text/plain"]


# -- scenes, made once ---------------------------------------------------------------------------

SHARED: list[df.TaskHub] = []
"""The hubs of these instances; they are closed after the last test of the folder."""


@cache
def scene(name: str) -> df.Handle:
    """An instance in some state, for all tests that only look at it."""
    made = stage()
    SHARED.append(made.hub)
    return SCENES[name](made)


@cache
def again(name: str) -> df.Handle:
    """The same instance, made once more."""
    return scene.__wrapped__(name)


@cache
def page_of_scene(name: str) -> Page:
    """The page that a notebook shows of it."""
    return page_of(scene(name))


def forget_scenes() -> None:
    """Closes the hubs of all scenes."""
    for made in (scene, again, page_of_scene):
        made.cache_clear()
    while SHARED:
        SHARED.pop().close()


def anew(name: str) -> df.Handle:
    """An instance in some state, on a hub of its own."""
    return SCENES[name](stage())


# -- live views ----------------------------------------------------------------------------------


def watched(name: str) -> tuple[Stage, LiveInstance]:
    """A live view of an instance in some state, on a hub of its own."""
    made = stage()
    return made, SCENES[name](made).watch(freeze=False)


def tell(view: LiveView, do: Any, **more: Any) -> None:
    """Says to a view what its page would."""
    view._on_message(view, {"do": do, **more}, [])


def turn_to(view: LiveView, tab: str) -> None:
    """Shows another tab, and waits until it is drawn."""
    view.tab = tab
    view.refresh()


def html_of(view: LiveView) -> str:
    """All that a view has drawn."""
    return "".join(getattr(view, name).decode() for name in view.REGIONS)


def sent_by(view: LiveView) -> list[Any]:
    """The messages that the page gets from now on."""
    sent: list[Any] = []
    view.send = lambda message, *_: sent.append(message)  # type: ignore[method-assign]
    return sent
