"""Routes of HTTP triggers: templates such as ``orders/{id:int}``, and the paths that they fit."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

_HOLE = re.compile(r"(?<!\{)\{(\*{0,2})(\w+)((?::[^{}:?=]+)*)(\?|=[^{}]*)?\}(?!\})")
_CONSTRAINT = re.compile(r"(\w+)(?:\(([^()]*)\))?")

Check = Callable[[str], object]
"""Raises `ValueError`, or gives something false, for a part that doesn't fit."""


@dataclass(frozen=True)
class Hole:
    """A parameter of a route."""

    name: str
    checks: tuple[Check, ...]
    default: str | None

    def fits(self, part: str) -> bool:
        """Whether it may be this."""
        try:
            return all(check(part) for check in self.checks)
        except ValueError:
            return False


@dataclass(frozen=True)
class Route:
    """A path with parameters.

    Parameters
    ----------
    template
        As it was written.
    pattern
        What fits, with a group for each parameter.
    holes
        The parameters.
    rank
        Of two routes that fit a path, the one of lower rank is meant: fixed words come before parameters.
    """

    template: str
    pattern: re.Pattern[str]
    holes: tuple[Hole, ...]
    rank: tuple[int, ...]

    def match(self, path: str) -> dict[str, str] | None:
        """Return the parameters of a path, or None if it doesn't fit."""
        found = self.pattern.fullmatch(path.removesuffix("/"))
        if found is None:
            return None
        parameters: dict[str, str] = {}
        for hole, part in zip(self.holes, found.groups(), strict=True):
            part = hole.default if part is None else part
            if part is not None:
                if not hole.fits(part):
                    return None
                parameters[hole.name] = part
        return parameters


def route_of(template: str) -> Route:
    """Return the route that a template describes.

    Parameters
    ----------
    template
        ``{id}`` is a part of the path, ``{id?}`` one that may be missing, ``{id=5}`` one that is 5 then,
        ``{*rest}`` all that is left; ``{id:int}`` has to be a number.

    Raises
    ------
    ValueError
        If it can't be understood.
    """
    segments = [_segment(text, template) for text in template.split("/") if text]
    holes = tuple(hole for segment in segments for hole in segment.holes)
    if len({hole.name for hole in holes}) < len(holes):
        raise ValueError(f"The route {template!r} has a parameter twice.")
    pattern = "".join(segment.pattern for segment in segments)
    rank = tuple(segment.rank for segment in segments)
    return Route(template, re.compile(pattern, re.IGNORECASE | re.DOTALL), holes, rank)


class _Segment(NamedTuple):
    """What stands between two slashes."""

    pattern: str
    holes: tuple[Hole, ...]
    rank: int


def _segment(text: str, template: str) -> _Segment:
    whole = _HOLE.fullmatch(text)
    if whole is not None:
        stars, hole = whole[1], _hole(whole, template)
        pattern = "/(.+)" if stars else "/([^/]+)"
        may_be_missing = stars or whole[4]
        rank = (4 if stars else 2) + (not hole.checks)
        return _Segment(f"(?:{pattern})?" if may_be_missing else pattern, (hole,), rank)
    pattern, holes, end = "/", [], 0
    for found in _HOLE.finditer(text):
        if found[1] or found[4]:
            raise ValueError(f"In the route {template!r}, {found.group()} has to stand between slashes.")
        pattern += _literal(text[end : found.start()], template) + "([^/]+?)"
        holes.append(_hole(found, template))
        end = found.end()
    return _Segment(pattern + _literal(text[end:], template), tuple(holes), 1 if holes else 0)


def _hole(found: re.Match[str], template: str) -> Hole:
    _, name, constraints, otherwise = found.groups()
    checks = tuple(_check(one, template) for one in constraints.split(":")[1:])
    return Hole(name, checks, otherwise[1:] if otherwise and otherwise.startswith("=") else None)


def _literal(text: str, template: str) -> str:
    if "{" in text.replace("{{", "") or "}" in text.replace("}}", ""):
        raise ValueError(f"The route {template!r} can't be understood at {text!r}.")
    return re.escape(text.replace("{{", "{").replace("}}", "}"))


def _check(text: str, template: str) -> Check:
    found = _CONSTRAINT.fullmatch(text)
    try:
        if found is not None:
            name, given = found.groups()
            numbers = [] if given is None else [int(one) for one in given.split(",")]
            return _CHECKS[name.lower()](*numbers)
    except (KeyError, TypeError, ValueError):
        pass
    raise ValueError(
        f"The route {template!r} has the constraint {text!r}; known are {', '.join(sorted(_CHECKS))}."
    )


def _length(least: int, most: int | None = None) -> Check:
    return lambda part: least <= len(part) <= (least if most is None else most)


def _plain(check: Check) -> Callable[[], Check]:
    return lambda: check


_CHECKS: dict[str, Callable[..., Check]] = {
    "alpha": _plain(partial(re.fullmatch, "[A-Za-z]*")),
    "bool": _plain(lambda part: part.lower() in ("true", "false")),
    "decimal": _plain(partial(re.fullmatch, r"[+-]?\d+(\.\d+)?")),
    "double": _plain(lambda part: [float(part)]),
    "float": _plain(lambda part: [float(part)]),
    "guid": _plain(uuid.UUID),
    "int": _plain(partial(re.fullmatch, r"[+-]?[0-9]+")),
    "long": _plain(partial(re.fullmatch, r"[+-]?[0-9]+")),
    "length": _length,
    "minlength": lambda least: lambda part: len(part) >= least,
    "maxlength": lambda most: lambda part: len(part) <= most,
    "min": lambda least: lambda part: int(part) >= least,
    "max": lambda most: lambda part: int(part) <= most,
    "range": lambda least, most: lambda part: least <= int(part) <= most,
}
