"""Versions of orchestrators: their order, and the version whose code an instance runs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cmp_to_key
from typing import Literal, get_args

VersionMatch = Literal["strict", "current-or-older"]
"""The rules by which code of one version runs instances of another."""

VERSION_MATCHES: tuple[VersionMatch, ...] = get_args(VersionMatch)


def compare_versions(first: str | None, second: str | None) -> int:
    """Return a number below, equal to or above 0 if the first version is older, the same, or newer.

    Notes
    -----
    The rules are Azure's: no version, or an empty one, is older than any; numbers separated by dots, or a
    single number, are compared one by one; anything else is compared as text, without case.

    Examples
    --------
    >>> compare_versions("1.9", "1.10"), compare_versions(None, ""), compare_versions("V2-beta", "v2-alpha")
    (-1, 0, 1)
    """
    first, second = first or "", second or ""
    numbers, others = _numbers(first), _numbers(second)
    if numbers and others:
        return (numbers > others) - (numbers < others)
    first, second = first.casefold(), second.casefold()
    return (first > second) - (first < second)


def newest_version(versions: Iterable[str]) -> str:
    """Return the newest of some versions, of which there has to be one."""
    return max(versions, key=cmp_to_key(compare_versions))


def matching_version(versions: Iterable[str], wanted: str | None, match: VersionMatch) -> str | None:
    """Return the registered version whose code runs an instance of the wanted version, or None.

    It is the same version, if that is registered; else, with ``"current-or-older"``, the next newer one.
    """
    known = list(versions)
    own = next((version for version in known if not compare_versions(version, wanted)), None)
    if own is not None or match == "strict":
        return own
    newer = [version for version in known if compare_versions(version, wanted) > 0]
    return min(newer, key=cmp_to_key(compare_versions), default=None)


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isascii() and part.isdigit() for part in parts) else ()
