"""SciPy's sparse arrays and matrices come back in their format, entry by entry."""

import numpy as np
import pytest
import scipy.sparse as sparse

import durablenb as df

DENSE = np.array([[0, 1.5, 0, 0], [2, 0, 0, -0.5], [0, 0, 0, 0], [0, 3, 0, 4]])
FORMATS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
KINDS = [getattr(sparse, f"{form}_{shape}") for form in FORMATS for shape in ("array", "matrix")]


def assert_same(came, value):
    assert type(came) is type(value)
    assert (came.shape, came.dtype, came.nnz) == (value.shape, value.dtype, value.nnz)
    np.testing.assert_array_equal(came.toarray(), value.toarray())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_format_comes_back_with_entries_of_every_type_and_without_any(round_trip, kind):
    for dtype in ("float64", "int8", "bool", "complex64"):
        value = kind(DENSE.astype(dtype))
        assert_same(round_trip([value, {"same": value}])[0], value)
    has_blocks = kind.__name__.startswith("bsr")  # which are of some size
    for shape in [(2, 2), (5, 2)] if has_blocks else [(0, 0), (0, 3), (5, 2)]:
        value = kind(np.zeros(shape, "float32"))
        assert_same(round_trip(value), value)


def test_duplicates_blocks_and_one_dimension_come_back(round_trip):
    twice = sparse.coo_array(([1, 2, 3], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    assert round_trip(twice).nnz == 3
    assert_same(round_trip(twice), twice)
    blocks = sparse.bsr_array(np.kron(np.eye(3), np.ones((2, 2))), blocksize=(2, 2))
    assert round_trip(blocks).blocksize == (2, 2)
    line = sparse.coo_array(np.array([0, 1, 0, 2]))
    assert_same(round_trip(line), line)


def test_the_text_says_what_it_is_and_nobody_shares_it(codec):
    value = sparse.csr_array(DENSE)
    text = codec.encode(value)
    assert '"@type": "scipy.sparse"' in text
    assert '"kind": "csr_array", "shape": [4, 4], "dtype": "float64", "stored": 5' in text
    assert codec.encode(value) == text
    came = codec.decode(text)
    assert codec.encode(came) == text
    came.data[0] = 99
    assert_same(codec.decode(text), value)
    value.data[0] = 7
    assert codec.encode(value) != text


def test_a_sparse_array_passes_through_an_orchestration():
    with df.TaskHub(":memory:", mode="kernel", verify_replay=True) as hub:

        @hub.activity
        def doubled(value: sparse.csr_array) -> sparse.csr_array:
            return value * 2

        @hub.orchestrator
        def twice(context):
            once = yield context.call_activity(doubled, context.get_input())
            return (yield context.call_activity(doubled, once))

        assert_same(hub.run(twice, sparse.csr_array(DENSE)), sparse.csr_array(DENSE * 4))
