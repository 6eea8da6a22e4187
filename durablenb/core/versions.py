"""Versions of an orchestrator: how they are compared, and which one's code an instance runs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cmp_to_key
from typing import Literal, get_args

VersionMatch = Literal["strict", "current-or-older"]
"""Whose instances a version's code runs, beside its own."""

VERSION_MATCHES: tuple[VersionMatch, ...] = get_args(VersionMatch)


def compared(one: str | None, other: str | None) -> int:
    """Less than, equal to or greater than 0: the one is older than the other, the same, or newer.

    Notes
    -----
    The rules are Azure's: no version, or an empty one, is older than any; numbers with dots between are
    compared one by one; all else is compared as text, without case. A single number counts as one, too.

    Examples
    --------
    >>> compared("1.9", "1.10"), compared(None, ""), compared("V2-beta", "v2-alpha")
    (-1, 0, 1)
    """
    one, other = one or "", other or ""
    numbers, others = _numbers(one), _numbers(other)
    if numbers and others:
        return (numbers > others) - (numbers < others)
    one, other = one.casefold(), other.casefold()
    return (one > other) - (one < other)


def newest(versions: Iterable[str]) -> str:
    """The newest of these; there has to be one."""
    return max(versions, key=cmp_to_key(compared))


def matching(versions: Iterable[str], wanted: str | None, match: VersionMatch) -> str | None:
    """Which of the registered versions runs an instance of the wanted one; None if none does.

    Its own, if it is there. With ``"current-or-older"``, else the next newer one.
    """
    known = list(versions)
    own = next((one for one in known if not compared(one, wanted)), None)
    if own is not None or match == "strict":
        return own
    newer = [one for one in known if compared(one, wanted) > 0]
    return min(newer, key=cmp_to_key(compared), default=None)


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isascii() and part.isdigit() for part in parts) else ()
