"""Keys of functions that are given as the text of a cell."""

import textwrap
from dataclasses import dataclass
from typing import Any

import durablenb as df
from durablenb.core.registry import Activity
from durablenb.engine.keys.call_keys import call_key
from durablenb.values.codec import ValueCodec


@dataclass
class Call:
    """As much of a job as a key needs."""

    text: str
    codec: ValueCodec


def key(function: Any, value: Any = None, codec: ValueCodec | None = None, **policy: Any) -> Any:
    codec = codec or ValueCodec()
    chosen = df.CachePolicy(**policy)
    activity = Activity("work", function, cache=chosen)
    return call_key(Call(codec.encode(value), codec), activity, chosen)  # type: ignore[arg-type]


def digest(function: Any, value: Any = None, **policy: Any) -> str:
    return str(key(function, value, **policy).digest)


def defined(source: str, name: str = "work", **names: Any) -> Any:
    """Return a function of a notebook's cell."""
    namespace = {"__name__": "__main__", **names}
    exec(textwrap.dedent(source), namespace)
    return namespace[name]


def parts_that_differ(one: Any, other: Any) -> set[str]:
    names = one.parts.keys() | other.parts.keys()
    return {name for name in names if one.parts.get(name) != other.parts.get(name)}
