"""Equal keys have equal results; equal code has the same key in each process."""

import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.caching.keys import defined, digest, key

PROGRAM = """
import functools
import numpy as np
import pandas as pd

RATE = {rate}
TABLE = {table}
FRAME = pd.DataFrame({{"a": {column}}})
ARRAY = np.array({column}, dtype={dtype!r})
NAMES = frozenset({names})

class Base:
    offset = {offset}

    def shifted(self, x):
        return x + self.offset

class Shape(Base):
    @staticmethod
    def scaled(x):
        return x * {scale}

    @property
    def size(self):
        return {size}

SHAPE = Shape()
SHAPE.extra = {extra}

def twice(function):
    @functools.wraps(function)
    def wrapper(x):
        return function(x) * {times}
    return wrapper

@twice
def first(x):
    return x + RATE

def second(x):
    return x - RATE

if {swapped}:
    first, second = second, first

def made(constant):
    def inner(x, step={default}, *, width={keyword}):
        return x + constant + step + width
    return inner

closed = made({closed})
shortened = functools.partial(pow, 2, mod={mod})

@functools.lru_cache
def remembered(x):
    return x * {cached}

def deep(x):
    return (lambda y: [y * {lambda_} for _ in range(2)])(x)

def work(x, {parameter}):
    total = {body}
    return (total, sorted(NAMES), list(TABLE.items()), list(FRAME.a), ARRAY.dtype.str, ARRAY.tolist())
"""

NUMBERS = st.sampled_from(["0", "1", "2", "1.0", "True", "-0.0", "0.0"])
CHOICES = {
    "rate": NUMBERS,
    "table": st.sampled_from(["{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", "{'a': 1.0, 'b': 2}", "{}"]),
    "column": st.sampled_from(["[1, 2]", "[2, 1]", "[1.5, 2]", "[1]"]),
    "dtype": st.sampled_from(["f8", "f4", "i8"]),
    "names": st.sampled_from(["{'a', 'b', 'c'}", "{'c', 'b', 'a'}", "{'a', 'b'}"]),
    "offset": NUMBERS,
    "scale": NUMBERS,
    "size": NUMBERS,
    "extra": NUMBERS,
    "times": st.sampled_from(["1", "2"]),
    "swapped": st.sampled_from(["True", "False"]),
    "default": NUMBERS,
    "keyword": NUMBERS,
    "closed": NUMBERS,
    "mod": st.sampled_from(["5", "7"]),
    "cached": NUMBERS,
    "lambda_": NUMBERS,
    "parameter": st.sampled_from(["step=1", "step=2", "*, step=1"]),
    "body": st.sampled_from(
        [
            "first(x), second(x)",
            "second(x), first(x)",
            "closed(x), step",
            "SHAPE.shifted(x), SHAPE.size, SHAPE.extra",
            "Shape.scaled(x)",
            "shortened(int(x)), remembered(x)",
            "deep(x), np.add(x, RATE)",
            "deep(x), np.subtract(x, RATE)",
        ]
    ),
}
PROGRAMS = st.fixed_dictionaries(CHOICES)


@settings(max_examples=50, deadline=None)
@given(PROGRAMS, st.data())
def test_functions_with_equal_keys_return_the_same(program, data):
    changed = data.draw(st.lists(st.sampled_from(sorted(CHOICES)), max_size=2, unique=True))
    other = {**program, **{name: data.draw(CHOICES[name], name) for name in changed}}
    one, another = (defined(PROGRAM.format(**choices)) for choices in (program, other))
    for x in (1, 3):
        if digest(one, x) == digest(another, x):
            assert repr(one(x)) == repr(another(x))
    if program == other:
        assert key(one, 1).parts == key(another, 1).parts


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()), max_size=4),
    st.data(),
)
def test_values_with_equal_digests_are_equal(values, data):
    value = data.draw(
        st.sampled_from(
            [values, tuple(values), set(map(repr, values)), dict(enumerate(values)), [values, values]]
        )
    )
    other = data.draw(st.sampled_from([values, tuple(values), values[::-1], dict(enumerate(values[::-1]))]))
    source = "def work():\n    return VALUE"
    one, another = (defined(source, VALUE=one) for one in (value, other))
    if digest(one) == digest(another):
        assert type(value) is type(other)
        assert repr(value) == repr(other)


def test_keys_are_the_same_in_processes_with_other_hash_seeds():
    choices = dict.fromkeys(CHOICES, "1") | {
        "table": "{'a': 1}",
        "column": "[1, 2]",
        "dtype": "f8",
        "names": "{'a', 'b', 'c', 'd'}",
        "swapped": "False",
        "mod": "5",
        "parameter": "step=1",
        "body": "first(x), closed(x), SHAPE.shifted(x), deep(x), remembered(x), shortened(x)",
    }
    program = (
        "from tests.caching.keys import defined, digest\n"
        "from tests.caching.test_key_properties import PROGRAM\n"
        f"print(digest(defined(PROGRAM.format(**{choices!r})), {{'a', 'b', 'c'}}))"
    )
    found = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path)) or "."},
        )
        found.add(done.stdout)
    assert len(found) == 1
