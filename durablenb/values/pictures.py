"""Pictures as PNG: Pillow's images, and what is left of a Matplotlib figure."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path
from typing import Any

from durablenb.values.kinds import Cells, LargeKind, SmallKind
from durablenb.values.refusal import Refusal
from durablenb.values.writer import Encoder

_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
"""Modes of images that PNG keeps without loss."""


class Picture:
    """A picture in a value; what a Matplotlib figure comes back as. Notebooks show it.

    Parameters
    ----------
    png
        The picture as the bytes of a PNG file.

    Raises
    ------
    ValueError
        If they are none.
    """

    __slots__ = ("__weakref__", "png")

    def __init__(self, png: bytes) -> None:
        if png[:8] != b"\x89PNG\r\n\x1a\n" or len(png) < 24:
            raise ValueError("That is no PNG file.")
        self.png = png
        """The bytes of a PNG file."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = struct.unpack(">II", self.png[16:24])
        return width, height

    def save(self, path: str | Path) -> None:
        """Write a PNG file."""
        Path(path).write_bytes(self.png)

    def __eq__(self, other: object) -> bool:
        return self.png == other.png if isinstance(other, Picture) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.png)

    def __repr__(self) -> str:
        width, height = self.size
        return f"<Picture of {width} x {height} pixels>"

    def _repr_png_(self) -> bytes:
        return self.png


def find(kind: type[Any]) -> LargeKind | Encoder | None:
    """How values of one of these libraries' types are kept; None for what can't be: axes, palettes."""
    if kind is Picture:
        return PICTURE
    figures = sys.modules.get("matplotlib.figure")
    if figures is not None and issubclass(kind, figures.Figure):
        return PICTURE._replace(write=_write_figure)
    images = sys.modules.get("PIL.Image")
    if images is not None and issubclass(kind, images.Image):
        return _IMAGE
    return None


def _write_figure(figure: Any, cells: Cells) -> bytes:
    buffer = io.BytesIO()
    # Matplotlib's version in the file would make the same figure another one after an update.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _write_image(image: Any, cells: Cells) -> bytes:
    if image.mode not in _MODES:
        raise Refusal(
            f"a PIL image of mode {image.mode}, which PNG would change",
            "Convert it: image.convert('RGBA'), or hand around its array: numpy.asarray(image)",
        )
    if 0 in image.size:
        raise Refusal("a PIL image without pixels", "Leave it out")
    buffer = io.BytesIO()
    image.save(buffer, format="png", compress_level=1)
    return buffer.getvalue()


def _read_image(content: bytes, cells: Cells) -> Any:
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        return image.copy()


def _size(picture: Any, content: bytes) -> dict[str, Any]:
    return {"size": list(Picture(content).size)}


PICTURE = LargeKind(
    "picture",
    write=lambda picture, cells: picture.png,
    read=lambda content, cells: Picture(content),
    about=_size,
    handed_out=lambda picture: picture,
    size=lambda picture: 0,
)

_IMAGE = LargeKind(
    "PIL.Image",
    _write_image,
    _read_image,
    about=lambda image, content: {"size": list(image.size), "mode": image.mode},
    handed_out=lambda image: image.copy(),
    size=lambda image: len(image.tobytes()),
    is_same=lambda image, kept: (
        image.mode == kept.mode
        and image.size == kept.size
        and image.getpalette() == kept.getpalette()
        and image.tobytes() == kept.tobytes()
    ),
)

READERS: dict[str, LargeKind | SmallKind] = {PICTURE.name: PICTURE, _IMAGE.name: _IMAGE}
