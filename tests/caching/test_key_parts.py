"""The parts of a key: inputs and modules; and values that can't be part of it."""

import sys
import threading
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import durablenb as df
from durablenb.engine.keys.code_parts import UnknownPartError
from durablenb.model.arguments import Arguments
from durablenb.values.codec import ValueCodec
from tests.caching.keys import defined, digest, key, parts_that_differ


def work(x):
    return x


@pytest.mark.parametrize(
    "make",
    [
        lambda: {1, 2, 3, "a", "b"},
        lambda: float("nan"),
        lambda: {"a": [1.5, None, True]},
        lambda: pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        lambda: np.arange(10).reshape(2, 5),
        lambda: np.asfortranarray(np.eye(3)),
    ],
)
def test_equal_inputs_have_equal_keys(make):
    assert digest(work, make()) == digest(work, make())


def test_inputs_that_differ_in_type_or_order_have_different_keys():
    values = [1, 1.0, True, "1", [1], (1,), {1}, None, 0.0, -0.0, {"a": 1, "b": 2}, {"b": 2, "a": 1}]
    assert len({digest(work, value) for value in values}) == len(values)


def test_frames_that_differ_have_different_keys():
    frames = [
        pd.DataFrame({"a": [1, 2]}),
        pd.DataFrame({"a": [2, 1]}),
        pd.DataFrame({"b": [1, 2]}),
        pd.DataFrame({"a": [1.0, 2.0]}),
        pd.DataFrame({"a": [1, 2]}, index=[1, 0]),
        pd.DataFrame({"a": [1, 2]}, dtype="i4"),
        np.array([1, 2]),
        np.array([[1, 2]]),
        np.array([1, 2], dtype="f4"),
    ]
    assert len({digest(work, frame) for frame in frames}) == len(frames)


def test_methods_of_a_registered_class_in_the_input_count():
    digests = set()
    for result in (1, 2):
        kind = defined(
            f"""
            from dataclasses import dataclass
            @dataclass
            class Order:
                number: int
                def total(self): return {result}
            """,
            "Order",
        )
        codec = ValueCodec()
        codec.register(kind)
        digests.add(key(defined("def work(x): return x.total()"), kind(7), codec).digest)
    assert len(digests) == 2


def test_ignored_names_of_the_input_dont_count_and_are_part_of_the_key():
    assert digest(work, {"n": 1, "session": 1}, ignore="session") == digest(
        work, {"n": 1, "session": 2}, ignore="session"
    )
    assert digest(work, {"n": 1, "session": 1}, ignore="session") != digest(
        work, {"n": 2, "session": 1}, ignore="session"
    )
    assert digest(work, {"n": 1, "session": 1}, ignore="session") != digest(work, {"n": 1})


def test_by_chooses_what_counts():
    one, another = defined("def work(x): return 1"), defined("def work(x): return 2")
    assert digest(one, 1, by="input") == digest(another, 1, by="input") != digest(one, 2, by="input")
    assert digest(one, 1, by="code") == digest(one, 2, by="code") != digest(another, 1, by="code")
    assert digest(one, 1, by="input") != digest(one, 1)


def test_versions_count():
    versions = [None, 1, "1", 2, ("1.0", "2.0"), ("1.0", "2.1")]
    assert len({digest(work, 1, version=version) for version in versions}) == len(versions)


# -- modules --------------------------------------------------------------------------------------------


@pytest.fixture
def module(monkeypatch):
    """Return a module of the user's, which cells import."""
    made = ModuleType("my_helpers")
    made.__file__ = "/home/me/my_helpers.py"
    exec("RATE = 1\nOTHER = 1\ndef clean(x): return x * RATE\ndef other(): return OTHER", vars(made))
    monkeypatch.setitem(sys.modules, "my_helpers", made)
    return made


USES = {
    "an attribute": "import my_helpers\ndef work(x): return my_helpers.clean(x)",
    "a name": "from my_helpers import clean\ndef work(x): return clean(x)",
    "an import inside of the function": "def work(x):\n  import my_helpers\n  return my_helpers.clean(x)",
    "a name that is imported inside": "def work(x):\n  from my_helpers import clean\n  return clean(x)",
    "the module itself": "import my_helpers\ndef work(x): return getattr(my_helpers, x)(1)",
    "the module under another name": "def work(x):\n  import my_helpers as h\n  return getattr(h, x)(1)",
}


@pytest.mark.parametrize("use", USES)
def test_the_code_of_the_users_modules_counts_as_far_as_it_is_used(module, use):
    before = key(defined(USES[use]), "clean")
    module.RATE = 2
    assert key(defined(USES[use]), "clean").digest != before.digest
    module.RATE, module.OTHER = 1, 2
    is_used_whole = "getattr" in USES[use]
    assert (key(defined(USES[use]), "clean").digest != before.digest) is is_used_whole


def test_which_of_the_users_modules_a_name_stands_for_counts(module, monkeypatch):
    other = ModuleType("my_other")
    other.__file__ = "/home/me/my_other.py"
    exec("RATE = 1\ndef clean(x): return x * RATE", vars(other))
    monkeypatch.setitem(sys.modules, "my_other", other)
    one, another = (
        defined(f"import {name} as h\ndef work(x): return h.clean(x)") for name in ("my_helpers", "my_other")
    )
    assert digest(one) != digest(another)


def test_a_module_that_has_the_name_of_an_alias_isnt_taken_for_it(module, monkeypatch):
    """The notebook's ``h`` is one module, and another one is called ``h``."""
    other = ModuleType("h")
    other.__file__ = "/home/me/h.py"
    exec("RATE = 1\ndef rated(): return RATE", vars(other))
    monkeypatch.setitem(sys.modules, "h", other)
    source = "import my_helpers as h\nfrom h import rated\ndef work(x): return h.RATE, rated()"
    before = digest(defined(source))
    other.RATE = 2
    assert digest(defined(source)) != before
    other.RATE, module.RATE = 1, 2
    assert digest(defined(source)) != before


def test_a_module_that_is_read_and_passed_on_counts_as_a_whole(module):
    source = "import my_helpers\ndef work(x): return my_helpers.clean(1), getattr(my_helpers, x)"
    before = digest(defined(source))
    module.OTHER = 2
    assert digest(defined(source)) != before


def test_values_that_are_imported_inside_are_told_from_nothing(module):
    digests = set()
    for value in (0, "", None, 1):
        module.RATE = value
        digests.add(digest(defined("def work(x):\n  from my_helpers import RATE\n  return RATE")))
    assert len(digests) == 4


def test_installed_libraries_are_named_and_not_read():
    parts = key(defined("import json, decimal\ndef work(x): return json.dumps(x), decimal.Decimal(x)")).parts
    assert [part for part in parts if "json" in part] == ["global json.dumps"]


# -- what can't be part of a key ------------------------------------------------------------------------

LOCK = threading.Lock()
UNKNOWN = {
    "eval, which is used by work": "evaluate = eval\ndef work(x): return evaluate(x)",
    "importlib.import_module, which": "from importlib import import_module as f\ndef work(x): return f(x)",
    "sys._getframe": "import sys\ndef work(x): return sys._getframe(1)",
    "global LOCK": "def work(x):\n  with LOCK: return x",
    "eval": "def work(x): return eval('x')",
    "exec": "def work(x): exec('y = 1')",
    "globals": "def work(x): return globals()['A']",
    "importlib.import_module": "import importlib\ndef work(x): return importlib.import_module(x)",
    "sys.modules": "def work(x):\n  import sys\n  return sys.modules[x]",
    "global generator": "generator = (i for i in [])\ndef work(x): return next(generator)",
    "default lock": "def work(x, lock=LOCK): return x",
}


@pytest.mark.parametrize("part", UNKNOWN)
def test_a_part_that_cant_be_computed_is_named(part):
    with pytest.raises(UnknownPartError, match=part):
        key(defined(UNKNOWN[part], LOCK=LOCK))


def test_a_global_that_cant_be_part_can_be_ignored():
    assert key(defined(UNKNOWN["global LOCK"], LOCK=LOCK), ignore="LOCK")


def test_loggers_and_modules_can_be_part():
    source = "import logging\nlog = logging.getLogger('a')\ndef work(x): log.info(x)"
    assert key(defined(source)).digest == key(defined(source)).digest


def test_parts_name_what_differs():
    one, another = (
        defined(f"RATE = {n}\ndef clean(x): return x * RATE\ndef work(x): return clean(x)") for n in (1, 2)
    )
    assert parts_that_differ(key(one), key(another)) == {"global RATE"}
    assert key(one).parts["global RATE"] == "=1"
    third = defined("RATE = 1\ndef clean(x): return x * RATE + 1\ndef work(x): return clean(x)")
    assert parts_that_differ(key(one), key(third)) == {"code of clean"}


def test_classes_of_the_users_modules_in_a_pickled_input_count(module):
    exec("class Model:\n    def predict(self): return RATE", vars(module))
    codec = ValueCodec(allow_pickle=True)
    predict = defined("def work(x): return x.value.predict()")
    before = key(predict, df.Pickled(module.Model()), codec)
    assert key(predict, df.Pickled(module.Model()), codec).digest == before.digest
    module.RATE = 2
    assert key(predict, df.Pickled(module.Model()), codec).digest != before.digest


def test_the_type_of_each_argument_is_part_of_the_key():
    source = """
        from dataclasses import dataclass
        @dataclass
        class Order:
            number: int
            rate: int = {rate}
        def work(count, order: Order): return count, order
    """
    one, other = (defined(source.format(rate=rate)) for rate in (1, 2))
    given = Arguments((3, {"number": 1}), {})
    assert key(one, given).digest != key(other, given).digest
    assert "type of the argument order" in key(one, given).parts
