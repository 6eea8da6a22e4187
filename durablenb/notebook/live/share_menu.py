"""The menu of a live view: it saves what the view is about as a file, or copies it as text."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import traitlets

FILES = {"svg": "image/svg+xml", "png": "image/png", "html": "text/html"}
"""The formats that are saved as files, and their media types."""

_WORDS = {
    "svg": "Picture, SVG",
    "png": "Picture, PNG",
    "html": "Page, HTML",
    "markdown": "Copy as Markdown",
    "mermaid": "Copy as Mermaid",
    "query": "Copy the query as a cell",
}


_UNSAFE = re.compile(r"[^\w.-]+")
"""Characters that aren't in the names of files."""


class ShareMenu(traitlets.HasTraits):
    """A part of a live view: a menu of formats. The page downloads or copies what is sent back.

    A subclass names its formats in `SHARES`, and returns the object that is saved from `shared`.
    """

    SHARES: ClassVar[tuple[str, ...]] = ()
    """The formats of the menu, in its order; without any, there is no menu."""

    shares: traitlets.List[list[str]] = traitlets.List().tag(sync=True)
    """The formats, and their words in the menu."""

    @traitlets.default("shares")
    def _all_shares(self) -> list[list[str]]:
        return [[name, _WORDS[name]] for name in self.SHARES]

    def shared(self, form: str) -> Any:
        """Return the object that is saved or copied in a format; it has a method `save`."""
        raise NotImplementedError

    def shared_name(self) -> str:
        """Return the name of a file, without its suffix."""
        raise NotImplementedError

    def shared_query(self) -> str:
        """Return the query for the rows of the view."""
        return str(self.sql)  # type: ignore[attr-defined]

    def do_share(self, id: str = "", **_: Any) -> None:
        """Send a file to the page that downloads it, or a text that it copies."""
        if id not in self.SHARES:
            return
        if id in FILES:
            stem = _UNSAFE.sub("-", self.shared_name())[:60].strip("-.") or "view"
            name = f"{stem}.{id}"
            with TemporaryDirectory() as folder:
                file = Path(folder, name)
                self.shared(id).save(file)
                content = base64.b64encode(file.read_bytes()).decode("ascii")
            self.send({"file": name, "type": FILES[id], "content": content})  # type: ignore[attr-defined]
        else:
            self.send({"copy": self._text(id)})  # type: ignore[attr-defined]

    def _text(self, form: str) -> str:
        if form == "query":
            return f'hub.sql("""\n{self.shared_query()}\n""").df()'
        shown = self.shared(form)
        if form == "mermaid":
            return str(shown.sequence().to_mermaid())
        return f"```text\n{shown._repr_mimebundle_()['text/plain']}\n```"
