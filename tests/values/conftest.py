import pytest

from durablenb.values.codec import ValueCodec


@pytest.fixture
def codec():
    return ValueCodec()


@pytest.fixture
def round_trip(codec):
    """Return the value that a reader gets; its text is the same when it is written again."""

    def go(value, expected_type=None):
        text = codec.encode(value)
        return codec.decode(text, expected_type)

    return go
