"""Pillow's images come back pixel by pixel; a Matplotlib figure comes back as a picture of it."""

import matplotlib.figure
import numpy as np
import PIL.Image
import pytest

import durablenb.values.pictures as pictures
from durablenb.model.errors import NotSerializableError
from durablenb.model.payloads import carried_blobs
from durablenb.values.codec import ValueCodec
from durablenb.values.pictures import Picture


def drawn():
    figure = matplotlib.figure.Figure(figsize=(2, 1), dpi=50)
    figure.subplots().plot([1, 3, 2])
    return figure


def image(mode, size=(5, 4)):
    chance = np.random.default_rng(0)
    if mode == "P":
        return image("RGB", size).quantize(8)
    if mode == "I;16":
        return PIL.Image.fromarray(chance.integers(0, 2**16, size[::-1], dtype=np.uint16))
    bands = len(PIL.Image.new(mode, (1, 1)).getbands())
    return (
        PIL.Image.frombytes(mode, size, chance.bytes(size[0] * size[1] * bands))
        if mode != "1"
        else (image("L", size).convert("1"))
    )


@pytest.mark.parametrize("mode", pictures._MODES)
def test_an_image_comes_back_pixel_by_pixel(round_trip, mode):
    sent = image(mode)
    back = round_trip({"a": sent})["a"]
    assert type(back) is PIL.Image.Image
    assert (back.mode, back.size) == (sent.mode, sent.size)
    assert back.tobytes() == sent.tobytes()
    assert back.getpalette() == sent.getpalette()


def test_an_image_from_a_file_goes_too(round_trip, tmp_path):
    image("RGB").save(tmp_path / "x.bmp")
    with PIL.Image.open(tmp_path / "x.bmp") as opened:
        assert round_trip(opened).tobytes() == image("RGB").tobytes()


@pytest.mark.parametrize("mode", ["CMYK", "F", "I", "YCbCr", "HSV", "LAB", "RGBX", "PA"])
def test_an_image_that_png_would_change_is_refused(codec, mode):
    with pytest.raises(NotSerializableError, match=rf"value\[0\] is a PIL image of mode {mode}.*convert"):
        codec.encode([PIL.Image.new(mode, (2, 2))])


def test_an_image_without_pixels_is_refused(codec):
    with pytest.raises(NotSerializableError, match="without pixels"):
        codec.encode(PIL.Image.new("RGB", (0, 3)))


def test_each_receiver_gets_an_image_of_its_own(codec):
    text = codec.encode(image("RGB"))
    codec.decode(text).putpixel((0, 0), (1, 2, 3))
    assert codec.decode(text).tobytes() == image("RGB").tobytes()


def test_a_figure_comes_back_as_a_picture(codec, tmp_path):
    text = codec.encode({"figure": drawn()})
    picture = codec.decode(text)["figure"]
    assert type(picture) is Picture
    assert picture.size == (100, 50)
    assert repr(picture) == "<Picture of 100 x 50 pixels>"
    assert picture._repr_png_() == carried_blobs(text)[0].content
    picture.save(tmp_path / "x.png")
    with PIL.Image.open(tmp_path / "x.png") as shown:
        assert shown.size == (100, 50)


def test_a_picture_goes_on_as_the_same_picture(codec):
    text = codec.encode(drawn())
    picture = codec.decode(text)
    assert codec.encode(picture) == text
    assert ValueCodec().encode(picture) == text
    assert codec.decode(text) == picture
    assert len({picture, codec.decode(text)}) == 1


def test_the_same_figure_has_the_same_bytes(codec):
    assert codec.encode(drawn()) == ValueCodec().encode(drawn())


def test_a_picture_is_a_png_file():
    with pytest.raises(ValueError, match="no PNG file"):
        Picture(b"GIF89a")


def test_what_is_in_a_figure_is_refused_by_itself(codec):
    with pytest.raises(NotSerializableError, match=r"value\['axes'\] is a matplotlib.*Axes"):
        codec.encode({"axes": drawn().axes[0]})
