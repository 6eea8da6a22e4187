"""Comparison of two histories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from durablenb.analysis.compare import Comparison


def compare(a: Any, b: Any) -> Comparison:
    """Compare two instances: their requests, durations and results, side by side.

    Parameters
    ----------
    a, b
        Handles or histories, which need not be of one hub. The last execution of each is compared.

    Returns
    -------
    Comparison
        A notebook shows it as a picture and a table. Its `first_difference` is the first step that differs.

    Raises
    ------
    TypeError
        If one is something else.
    InstanceNotFoundError
        If one was purged.

    Notes
    -----
    Steps are aligned by the called functions, so that the steps after a detour are still side by side. Times,
    ids of instances and generated ids of sub-orchestrations don't count as differences; the duration of a
    timer does.
    """
    from durablenb.analysis.compare import compare_histories  # only needed for comparisons

    return compare_histories(a, b)
