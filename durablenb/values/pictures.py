"""Pictures as PNG: the converters of Pillow's images and Matplotlib's figures."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path
from typing import Any

from durablenb.values.converter_kinds import BlobConverter, CellCodec, InlineConverter
from durablenb.values.encode_error import EncodeError
from durablenb.values.writer import Encoder

_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
"""Modes of images that PNG keeps without loss."""


class Picture:
    """A picture as a value, which notebooks display; a Matplotlib figure is decoded as one.

    Parameters
    ----------
    png
        The bytes of a PNG file.

    Raises
    ------
    ValueError
        If the bytes are no PNG file.
    """

    __slots__ = ("__weakref__", "png")

    def __init__(self, png: bytes) -> None:
        if png[:8] != b"\x89PNG\r\n\x1a\n" or len(png) < 24:
            raise ValueError("That is no PNG file.")
        self.png = png
        """The bytes of a PNG file."""

    @property
    def size(self) -> tuple[int, int]:
        """The width and height in pixels."""
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


def find(kind: type[Any]) -> BlobConverter | Encoder | None:
    """Return the converter of a picture's type; None for others, such as axes and palettes."""
    if kind is Picture:
        return PICTURE
    figures = sys.modules.get("matplotlib.figure")
    if figures is not None and issubclass(kind, figures.Figure):
        return PICTURE._replace(write=_write_figure)
    images = sys.modules.get("PIL.Image")
    if images is not None and issubclass(kind, images.Image):
        return _IMAGE
    return None


def _write_figure(figure: Any, cells: CellCodec) -> bytes:
    buffer = io.BytesIO()
    # Matplotlib's version in the file would change the bytes of the same figure after an update.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _write_image(image: Any, cells: CellCodec) -> bytes:
    if image.mode not in _MODES:
        raise EncodeError(
            f"a PIL image of mode {image.mode}, which PNG would change",
            "Convert it: image.convert('RGBA'), or pass its array: numpy.asarray(image)",
        )
    if 0 in image.size:
        raise EncodeError("a PIL image without pixels", "Leave it out")
    buffer = io.BytesIO()
    image.save(buffer, format="png", compress_level=1)
    return buffer.getvalue()


def _read_image(content: bytes, cells: CellCodec) -> Any:
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        return image.copy()


def _size(picture: Any, content: bytes) -> dict[str, Any]:
    return {"size": list(Picture(content).size)}


PICTURE = BlobConverter(
    "picture",
    write=lambda picture, cells: picture.png,
    read=lambda content, cells: Picture(content),
    describe=_size,
    copy=lambda picture: picture,
    size=lambda picture: 0,
)

_IMAGE = BlobConverter(
    "PIL.Image",
    _write_image,
    _read_image,
    describe=lambda image, content: {"size": list(image.size), "mode": image.mode},
    copy=lambda image: image.copy(),
    size=lambda image: len(image.tobytes()),
    is_same=lambda image, cached: (
        image.mode == cached.mode
        and image.size == cached.size
        and image.getpalette() == cached.getpalette()
        and image.tobytes() == cached.tobytes()
    ),
)

READERS: dict[str, BlobConverter | InlineConverter] = {PICTURE.name: PICTURE, _IMAGE.name: _IMAGE}
