"""Two histories side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from durablenb.analysis.compare import Comparison


def compare(a: Any, b: Any) -> Comparison:
    """Return two instances side by side: what they asked for, how long it took, what came of it.

    Parameters
    ----------
    a, b
        Handles, instances of a file that is only read, or histories; they need not be of one hub. Of each the
        last execution is compared.

    Returns
    -------
    Comparison
        In a notebook it shows as a picture and a table. Its `first_difference` is where the two part.

    Raises
    ------
    TypeError
        If it is something else.
    InstanceNotFoundError
        If one was purged.

    Notes
    -----
    Steps are aligned by what was called, so that those after a detour still stand side by side. Times, the
    ids of instances and those of children that were given none are no differences; how long a timer was set
    for is one.
    """
    from durablenb.analysis.compare import compare_histories  # what only comparisons need

    return compare_histories(a, b)
