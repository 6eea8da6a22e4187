"""Each edit of what can change a result gives another key; what can change no result gives the same."""

import pytest

from tests.caching.keys import defined, digest, key

FRAMES = "import duckdb\nimport pandas as pd\n"

EDITS = {
    "a default": ("def work(x, y=1): return y", "def work(x, y=2): return y"),
    "a default of a keyword": ("def work(x, *, y=1): return y", "def work(x, *, y=2): return y"),
    "a default of a callee": (
        "def b(y=[1]): return y\ndef work(x): return b()",
        "def b(y=[2]): return y\ndef work(x): return b()",
    ),
    "a constant": ("def work(x): return x + 1", "def work(x): return x + 2"),
    "an equal constant of another type": ("def work(x): return x + 1", "def work(x): return x + 1.0"),
    "the name of a method": ("def work(x): return x.upper()", "def work(x): return x.lower()"),
    "a global": ("A = 1\ndef work(x): return A", "A = 2\ndef work(x): return A"),
    "a global in an f-string": ("A = 1\ndef work(x): return f'{A}'", "A = 2\ndef work(x): return f'{A}'"),
    "a global of a callee of a callee": (
        "A = 1\ndef c(): return A\ndef b(): return c()\ndef work(x): return b()",
        "A = 2\ndef c(): return A\ndef b(): return c()\ndef work(x): return b()",
    ),
    "a function that is passed on": (
        "def b(x): return 1\ndef work(x): return list(map(b, x))",
        "def b(x): return 2\ndef work(x): return list(map(b, x))",
    ),
    "a function in a dict": (
        "def b(x): return 1\nD = {'b': b}\ndef work(x): return D['b'](x)",
        "def b(x): return 2\nD = {'b': b}\ndef work(x): return D['b'](x)",
    ),
    "which function a name is of": (
        "def a(): return 1\ndef b(): return 2\ndef work(x): return a() - b()",
        "def a(): return 1\ndef b(): return 2\na, b = b, a\ndef work(x): return a() - b()",
    ),
    "two lambdas that are exchanged": (
        "F = lambda: 1\nG = lambda: 2\ndef work(x): return F() - G()",
        "G = lambda: 1\nF = lambda: 2\ndef work(x): return F() - G()",
    ),
    "a nested list": (
        "A = [[1], {'a': [2]}]\ndef work(x): return A",
        "A = [[1], {'a': [3]}]\ndef work(x): return A",
    ),
    "an attribute of a function": (
        "def b(): pass\nb.rate = 1\ndef work(x): return b.rate",
        "def b(): pass\nb.rate = 2\ndef work(x): return b.rate",
    ),
    "a method of a base class": (
        "class A:\n  def m(self): return 1\nclass B(A): pass\ndef work(x): return B().m()",
        "class A:\n  def m(self): return 2\nclass B(A): pass\ndef work(x): return B().m()",
    ),
    "the order of base classes": (
        "class A: v = 1\nclass B: v = 2\nclass C(A, B): pass\ndef work(x): return C.v",
        "class A: v = 1\nclass B: v = 2\nclass C(B, A): pass\ndef work(x): return C.v",
    ),
    "the default of a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n  v: int = 1\ndef work(x): return A().v",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n  v: int = 2\ndef work(x): return A().v",
    ),
    "the value of an enum": (
        "from enum import Enum\nclass A(Enum):\n  X = 1\ndef work(x): return A.X.value",
        "from enum import Enum\nclass A(Enum):\n  X = 2\ndef work(x): return A.X.value",
    ),
    "a field of a named tuple": (
        "from typing import NamedTuple\nclass A(NamedTuple):\n  v: int = 1\ndef work(x): return A().v",
        "from typing import NamedTuple\nclass A(NamedTuple):\n  v: int = 2\ndef work(x): return A().v",
    ),
    "the class of the input": (
        "class A:\n  def m(self): return 1\ndef work(x: A): return x.m()",
        "class A:\n  def m(self): return 2\ndef work(x: A): return x.m()",
    ),
    "the class of a part of the input": (
        "class A:\n  def m(self): return 1\ndef work(x: 'list[A]'): return x[0].m()",
        "class A:\n  def m(self): return 2\ndef work(x: 'list[A]'): return x[0].m()",
    ),
    "a pattern": (
        "import re\nP = re.compile('a')\ndef work(x): return P",
        "import re\nP = re.compile('b')\ndef work(x): return P",
    ),
    "the flags of a pattern": (
        "import re\nP = re.compile('a')\ndef work(x): return P",
        "import re\nP = re.compile('a', re.I)\ndef work(x): return P",
    ),
    "a library's function behind a name": (
        "from math import sin as f\ndef work(x): return f(x)",
        "from math import cos as f\ndef work(x): return f(x)",
    ),
    "a library's constant behind a name": (
        "import math as m\ndef work(x): return m.pi",
        "import math as m\ndef work(x): return m.e",
    ),
    "the library behind a name of a module": (
        "import math as m\ndef work(x): return m.sin(x)",
        "import cmath as m\ndef work(x): return m.sin(x)",
    ),
    "a frame that a query names": (
        f"{FRAMES}t = pd.DataFrame({{'a': [1]}})\ndef work(x): return duckdb.sql('from t').fetchall()",
        f"{FRAMES}t = pd.DataFrame({{'a': [2]}})\ndef work(x): return duckdb.sql('from t').fetchall()",
    ),
    "a frame that a query in a global names": (
        f"{FRAMES}Q = 'from t'\nt = pd.DataFrame({{'a': [1]}})\ndef work(x): return duckdb.sql(Q)",
        f"{FRAMES}Q = 'from t'\nt = pd.DataFrame({{'a': [2]}})\ndef work(x): return duckdb.sql(Q)",
    ),
    "a column of a frame": (
        "import pandas as pd\nt = pd.DataFrame({'a': [1]})\ndef work(x): return t.columns[0]",
        "import pandas as pd\nt = pd.DataFrame({'b': [1]})\ndef work(x): return t.columns[0]",
    ),
    "the index of a frame": (
        "import pandas as pd\nt = pd.DataFrame({'a': [1]}, index=[1])\ndef work(x): return t.index[0]",
        "import pandas as pd\nt = pd.DataFrame({'a': [1]}, index=[2])\ndef work(x): return t.index[0]",
    ),
    "an array": (
        "import numpy as np\nt = np.arange(3)\ndef work(x): return t",
        "import numpy as np\nt = np.arange(3).astype('i4')\ndef work(x): return t",
    ),
    "a model's state": (
        "class M: pass\nm = M()\nm.w = [1.0]\ndef work(x): return m.w",
        "class M: pass\nm = M()\nm.w = [2.0]\ndef work(x): return m.w",
    ),
    "slots": (
        "class M:\n  __slots__ = ('w',)\nm = M()\nm.w = 1\ndef work(x): return m.w",
        "class M:\n  __slots__ = ('w',)\nm = M()\nm.w = 2\ndef work(x): return m.w",
    ),
    "a bound method's object": (
        "class M:\n  def __init__(s, w): s.w = w\n  def p(s): pass\nf = M(1).p\ndef work(x): return f()",
        "class M:\n  def __init__(s, w): s.w = w\n  def p(s): pass\nf = M(2).p\ndef work(x): return f()",
    ),
    "what a decorator of a library wraps": (
        "import contextlib\n@contextlib.contextmanager\ndef c(): yield 1\ndef work(x): return next(c().gen)",
        "import contextlib\n@contextlib.contextmanager\ndef c(): yield 2\ndef work(x): return next(c().gen)",
    ),
    "what is shared": (
        "a = [1]\nA = [a, a]\ndef work(x):\n  import copy\n  b = copy.deepcopy(A)\n  b[0] += x\n  return b",
        "A = [[1], [1]]\ndef work(x):\n  import copy\n  b = copy.deepcopy(A)\n  b[0] += x\n  return b",
    ),
    "an undefined name": (
        "def work(x):\n  try: return A\n  except NameError: return 0",
        "A = 1\ndef work(x):\n  try: return A\n  except NameError: return 0",
    ),
    "a builtin that a cell replaces": (
        "def work(x): return len(x)",
        "def len(x): return 0\ndef work(x): return len(x)",
    ),
    "the flow of control": (
        "def work(x):\n  try: return 1\n  except ValueError: return 2",
        "def work(x):\n  try: return 1\n  except TypeError: return 2",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_each_edit_is_another_key(edit):
    one, another = (defined(source) for source in EDITS[edit])
    assert digest(one, "x") != digest(another, "x")
    assert digest(one, "x") == digest(defined(EDITS[edit][0]), "x"), "the same code again is the same key"


SAME = {
    "a comment": ("def work(x):\n  return x", "def work(x):\n\n  # nothing\n  return (x)"),
    "another place in the file": ("def work(x): return x", "a = 1\n\n\ndef work(x): return x"),
    "a global that isn't read": ("A = 1\ndef work(x): return x", "A = 2\ndef work(x): return x"),
    "an attribute of the same name": (
        "size = 1\ndef work(x): return x.size",
        "size = 2\ndef work(x): return x.size",
    ),
    "the order of a set": (
        "A = {'a', 'b', 'c'}\ndef work(x): return A",
        "A = {'c', 'b', 'a'}\ndef work(x): return A",
    ),
    "the local names of a class": (
        "v = 1\ndef work(x):\n  class C:\n    v = 3\n    w = v\n  return C.w",
        "v = 2\ndef work(x):\n  class C:\n    v = 3\n    w = v\n  return C.w",
    ),
}


@pytest.mark.parametrize("edit", SAME)
def test_what_can_change_no_result_is_the_same_key(edit):
    one, another = (defined(source) for source in SAME[edit])
    assert key(one, "x").parts == key(another, "x").parts
