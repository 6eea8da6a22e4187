"""Remembered results of activities: the policy, the key of a call, and a remembered call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal, NamedTuple, get_args

from durablenb.model.names import folded
from durablenb.model.plain import Plain, plain

KeyPart = Literal["input", "code"]
"""The parts of a key that a policy may name."""

Version = str | int | tuple[str | int, ...] | None
"""A version that the user names: of a library, of data, of a model."""


@plain
class CachePolicy(Plain):
    """When a call of an activity gets the result of a former call instead of running.

    Parameters
    ----------
    by
        What has to be equal: ``"input"``, ``"code"``, or both.
    expires
        The age at which a result is no longer used, by the hub's clock; None for never.
    ignore
        Names that don't count, whatever they stand for: keys of an input that is a dict, arguments by name,
        globals, closure variables, parameters with defaults, and attributes of modules that the code reads.
    refresh
        True to run each call and remember its result. Or a function that returns True or False; it is called
        for each call, with the input or the arguments if it has a parameter, in the hub's own thread. It
        should be quick.
    version
        Text or a number, or several as a tuple. Results of another version aren't used. Installed libraries
        aren't part of the code: name their versions here if they matter.

    Raises
    ------
    TypeError, ValueError
        If one of these is wrong.

    Examples
    --------
    >>> from datetime import timedelta
    >>> import durablenb as df
    >>> df.CachePolicy(expires=timedelta(days=1), ignore=("session",), version=2)  # doctest: +ELLIPSIS
    CachePolicy(by=('input', 'code'), expires=datetime.timedelta(days=1), ignore=('session',), ...)
    """

    by: tuple[KeyPart, ...] = ("input", "code")
    expires: timedelta | None = None
    ignore: tuple[str, ...] = ()
    refresh: bool | Callable[..., bool] = False
    version: Version = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", _names("by", self.by))
        object.__setattr__(self, "ignore", _names("ignore", self.ignore))
        unknown = [part for part in self.by if part not in get_args(KeyPart)]
        if unknown or not self.by:
            raise ValueError(f"by is {self.by!r}; expected 'input', 'code', or both.")
        if self.expires is not None and not isinstance(self.expires, timedelta):
            raise TypeError(f"expires is {self.expires!r}; expected a timedelta, or None.")
        if self.expires is not None and self.expires <= timedelta():
            raise ValueError(f"expires is {self.expires!r}; expected more than 0, or None.")
        if not isinstance(self.refresh, bool) and not callable(self.refresh):
            raise TypeError(f"refresh is {self.refresh!r}; expected True, False, or a function.")
        _check_version(self.version)


def cache_policy(cache: object) -> CachePolicy | None:
    """Return the policy that an activity is registered with; None for no cache.

    Raises
    ------
    TypeError
        If it is neither a bool nor a policy.
    """
    if cache is None or cache is False:
        return None
    if cache is True:
        return CachePolicy()
    if isinstance(cache, CachePolicy):
        return cache
    raise TypeError(f"cache is {cache!r}; expected True, False, or a durablenb.CachePolicy.")


def _names(parameter: str, names: Any) -> Any:
    chosen = (names,) if isinstance(names, str) else names
    if isinstance(chosen, (tuple, list, set, frozenset)) and all(isinstance(name, str) for name in chosen):
        return tuple(dict.fromkeys(chosen))
    raise TypeError(f"{parameter} is {names!r}; expected names, such as ('input',).")


def _check_version(version: object) -> None:
    several = version if isinstance(version, tuple) else (version,)
    if version is not None and not all(type(one) in (str, int) for one in several):
        raise TypeError(f"version is {version!r}; expected text, a whole number, or a tuple of these.")


@plain
class CacheKey(Plain):
    """The key of a call: calls with equal keys have equal results.

    Parameters
    ----------
    name
        The activity's name.
    input
        A digest of the input; empty if it doesn't count.
    parts
        Digests of all else by what they are of: ``"code of clean"``, ``"global RATE"``.
    """

    name: str
    input: str
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The digest of all parts but the input."""
        return digest(json.dumps(sorted(self.parts.items())))

    @property
    def digest(self) -> str:
        """The digest of the whole key."""
        return digest(json.dumps([folded(self.name), self.input, self.code]))


def digest(text: str) -> str:
    """Return 40 hexadecimal digits of a text's SHA-256."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


CallReason = Literal["expired", "refreshed"]
"""The reason for which a call ran although a result of its key was remembered."""


class CachedCall(NamedTuple):
    """A call that ran, with its key. Its result is remembered if it `is_completed`.

    `seq` is the position of its outcome in the journal, as long as that isn't purged.
    """

    seq: int
    key: str
    name: str
    instance_id: str
    execution_id: str
    task_id: int
    timestamp: datetime
    input: str
    code: str
    is_completed: bool
    reason: CallReason | None = None


class CodePart(NamedTuple):
    """One of the parts behind a `CachedCall.code`."""

    code: str
    part: str
    digest: str


class CachedResult(NamedTuple):
    """A remembered result: of which call, and since when. `text` is None if it has to be read first."""

    seq: int
    key: str
    name: str
    instance_id: str
    execution_id: str
    task_id: int
    timestamp: datetime
    text: str | None

    @classmethod
    def of(cls, call: CachedCall, text: str, longest: int) -> CachedResult:
        """Return the result of a call; with its text, unless that is too long to be kept in memory."""
        return cls(*call[:7], text if len(text) <= longest else None)

    @property
    def origin(self) -> str:
        """The call, as `TaskCompleted.cached_from` has it."""
        return f"{self.instance_id}:{self.execution_id}:{self.task_id}"


class CachedFrom(NamedTuple):
    """The call that a cached result comes from."""

    instance_id: str
    execution_id: str
    task_id: int


def cached_from(text: str) -> CachedFrom:
    """Return the call that a text of `CachedResult.origin` names."""
    instance_id, execution_id, task_id = text.rsplit(":", 2)
    return CachedFrom(instance_id, execution_id, int(task_id))
