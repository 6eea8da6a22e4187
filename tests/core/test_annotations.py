"""The types in functions' annotations."""

import functools
from collections.abc import Awaitable, Coroutine, Generator, Iterator
from typing import Any

import pytest

import durablenb as df
from durablenb.core.annotations import input_type, result_type


def plain(order: int, more: str = "") -> list[int]: ...
def by_name(order: "int") -> "list[int]": ...
async def waiting(order: int) -> list[int]: ...
def generator(order: int) -> Generator[Any, Any, list[int]]: ...
def coroutine(order: int) -> Coroutine[Any, Any, list[int]]: ...
def awaitable(order: int) -> Awaitable[list[int]]: ...


class Called:
    def __call__(self, order: int) -> list[int]: ...

    def method(self, order: int) -> list[int]: ...

    @staticmethod
    def static(order: int) -> list[int]: ...


@functools.wraps(plain)
def wrapped(*args, **kwargs): ...


app = df.DFApp()
built = app.activity_trigger(input_name="order")(plain)

ALIKE = [
    *(plain, by_name, waiting, generator, coroutine, awaitable, wrapped, built),
    *(
        Called(),
        Called().method,
        Called.static,
        functools.partial(plain, more="x"),
        functools.partial(Called()),
    ),
]


@pytest.mark.parametrize("function", ALIKE, ids=lambda function: type(function).__name__)
def test_all_kinds_of_functions_say_what_they_take_and_give(function):
    assert input_type(function) is int
    assert result_type(function) == list[int]


def silent(order): ...
def stream(order: int) -> Iterator[int]: ...
def bare(order) -> Generator: ...
def nothing() -> None: ...


@pytest.mark.parametrize(
    "function", [silent, stream, bare, nothing, print, len, 5, "name", None, lambda x: x]
)
def test_what_says_nothing_or_only_that_it_yields_says_no_result(function):
    assert result_type(function) in (None, type(None))


def test_an_orchestrators_result_is_understood_through_create():
    assert result_type(df.Orchestrator.create(generator)) == list[int]


def test_a_name_that_is_not_there_yet_hinders_no_other_and_is_found_once_it_is():
    def later(order: "Later") -> int: ...  # noqa: F821

    assert input_type(later) is None
    assert result_type(later) is int
    later.__globals__["Later"] = str
    try:
        assert input_type(later) is str
    finally:
        del later.__globals__["Later"]
