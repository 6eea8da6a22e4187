"""Routes of HTTP triggers: parses templates such as ``orders/{id:int}``, and matches paths."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

_PARAMETER = re.compile(r"(?<!\{)\{(\*{0,2})(\w+)((?::[^{}:?=]+)*)(\?|=[^{}]*)?\}(?!\})")
_CONSTRAINT = re.compile(r"(\w+)(?:\(([^()]*)\))?")

Check = Callable[[str], object]
"""Raises `ValueError`, or returns a false value, for a part of a path that doesn't fit."""


@dataclass(frozen=True)
class RouteParameter:
    """A parameter of a route."""

    name: str
    checks: tuple[Check, ...]
    default: str | None

    def accepts(self, part: str) -> bool:
        """Tell whether a part of a path fits the parameter."""
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
        The text of the route.
    pattern
        Matches paths, with a group for each parameter.
    parameters
        The parameters.
    rank
        Of several routes that match a path, the one of the lowest rank is used: fixed words come before
        parameters.
    """

    template: str
    pattern: re.Pattern[str]
    parameters: tuple[RouteParameter, ...]
    rank: tuple[int, ...]

    def match(self, path: str) -> dict[str, str] | None:
        """Return the parameters' values in a path, or None if the path doesn't match."""
        match = self.pattern.fullmatch(path.removesuffix("/"))
        if match is None:
            return None
        values: dict[str, str] = {}
        for parameter, part in zip(self.parameters, match.groups(), strict=True):
            part = parameter.default if part is None else part
            if part is not None:
                if not parameter.accepts(part):
                    return None
                values[parameter.name] = part
        return values


def parse_route(template: str) -> Route:
    """Return the route that a template describes.

    Parameters
    ----------
    template
        ``{id}`` is a part of the path, ``{id?}`` an optional part, ``{id=5}`` one that defaults to 5,
        ``{*rest}`` the rest of the path; ``{id:int}`` has to be a number.

    Raises
    ------
    ValueError
        If the template is invalid.
    """
    segments = [_segment(text, template) for text in template.split("/") if text]
    parameters = tuple(parameter for segment in segments for parameter in segment.parameters)
    if len({parameter.name for parameter in parameters}) < len(parameters):
        raise ValueError(f"The route {template!r} has a parameter twice.")
    pattern = "".join(segment.pattern for segment in segments)
    rank = tuple(segment.rank for segment in segments)
    return Route(template, re.compile(pattern, re.IGNORECASE | re.DOTALL), parameters, rank)


class _Segment(NamedTuple):
    """A part of a template between two slashes."""

    pattern: str
    parameters: tuple[RouteParameter, ...]
    rank: int


def _segment(text: str, template: str) -> _Segment:
    whole = _PARAMETER.fullmatch(text)
    if whole is not None:
        stars, parameter = whole[1], _parameter(whole, template)
        pattern = "/(.+)" if stars else "/([^/]+)"
        is_optional = stars or whole[4]
        rank = (4 if stars else 2) + (not parameter.checks)
        return _Segment(f"(?:{pattern})?" if is_optional else pattern, (parameter,), rank)
    pattern, parameters, end = "/", [], 0
    for match in _PARAMETER.finditer(text):
        if match[1] or match[4]:
            raise ValueError(f"In the route {template!r}, {match.group()} must be between slashes.")
        pattern += _literal(text[end : match.start()], template) + "([^/]+?)"
        parameters.append(_parameter(match, template))
        end = match.end()
    return _Segment(pattern + _literal(text[end:], template), tuple(parameters), 1 if parameters else 0)


def _parameter(match: re.Match[str], template: str) -> RouteParameter:
    _, name, constraints, default = match.groups()
    checks = tuple(_check(constraint, template) for constraint in constraints.split(":")[1:])
    return RouteParameter(name, checks, default[1:] if default and default.startswith("=") else None)


def _literal(text: str, template: str) -> str:
    if "{" in text.replace("{{", "") or "}" in text.replace("}}", ""):
        raise ValueError(f"The route {template!r} can't be understood at {text!r}.")
    return re.escape(text.replace("{{", "{").replace("}}", "}"))


def _check(text: str, template: str) -> Check:
    match = _CONSTRAINT.fullmatch(text)
    try:
        if match is not None:
            name, arguments = match.groups()
            numbers = [] if arguments is None else [int(number) for number in arguments.split(",")]

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
