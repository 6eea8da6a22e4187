"""Compare two values: equal, of the same types all the way down, NaN like NaN."""

import dataclasses
import math
from collections import Counter


def is_same(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    if isinstance(one, complex):
        return is_same(one.real, other.real) and is_same(one.imag, other.imag)
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            is_same(a, b) and is_same(one[a], other[b]) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, (set, frozenset)):
        return one == other and Counter(map(type, one)) == Counter(map(type, other))
    if dataclasses.is_dataclass(one):
        return is_same(vars(one), vars(other))
    if hasattr(one, "tzinfo") and one.tzinfo is not None:
        return one == other and str(one.tzinfo) == str(other.tzinfo) and one.isoformat() == other.isoformat()
    return repr(one) == repr(other) or one == other
