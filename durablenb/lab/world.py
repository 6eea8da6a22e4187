"""The world outside a hub that activities change: each run begins with the same one, and is judged by it."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, MutableSequence, MutableSet
from copy import deepcopy
from typing import Any


class World:
    """The state outside a hub that activities change: a ledger, a table, a mailbox.

    Parameters
    ----------
    observe
        Returns the world's state now: a value that can be compared with ``==`` and isn't changed later.
    reset
        Sets the world back to where each run begins.

    Raises
    ------
    TypeError
        If one of them can't be called.

    Examples
    --------
    >>> import durablenb as df
    >>> import sqlite3
    >>> bank = sqlite3.connect(":memory:")
    >>> _ = bank.execute("create table payment (key text, amount integer)")
    >>> world = df.lab.World(
    ...     observe=lambda: bank.execute("select amount from payment order by key").fetchall(),
    ...     reset=lambda: bank.execute("delete from payment"),
    ... )
    >>> _ = bank.execute("insert into payment values ('a', 40)")
    >>> world.observe()
    [(40,)]
    """

    def __init__(self, observe: Callable[[], Any], reset: Callable[[], Any]) -> None:
        for name, function in (("observe", observe), ("reset", reset)):
            if not callable(function):
                raise TypeError(f"{name} is {function!r}; expected a function without arguments.")
        self.observe = observe
        self.reset = reset


def as_world(given: Any) -> World:
    """Return a world given as one, as a collection that activities change, or as None.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if given is None:
        return World(lambda: None, lambda: None)
    if isinstance(given, World):
        return given
    first = deepcopy(given)
    if isinstance(given, MutableMapping):

        def fill() -> None:
            given.update(deepcopy(first))

    elif isinstance(given, MutableSet):

        def fill() -> None:
            for member in first:
                given.add(member)

    elif isinstance(given, MutableSequence):

        def fill() -> None:
            given.extend(deepcopy(first))

    else:
        raise TypeError(
            f"world is {given!r}; expected the list, dictionary or set that activities change, or "
            "durablenb.lab.World(observe, reset) for anything else, such as a table of a database."
        )

    def reset() -> None:
        given.clear()
        fill()

    return World(lambda: deepcopy(given), reset)
