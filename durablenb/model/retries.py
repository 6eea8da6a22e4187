"""How a failed activity or sub-orchestration is tried again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from durablenb.model.display import Displayed
from durablenb.model.failures import FailureDetails

MAX_RETRY_INTERVAL = timedelta(days=6)
"""The longest wait between two attempts where none is given, as in the Durable Task Framework."""


@dataclass(frozen=True)
class RetryOptions(Displayed):
    """When a failed call is made again.

    Parameters
    ----------
    first_retry_interval_in_milliseconds
        Wait before the second attempt, at least 1.
    max_number_of_attempts
        All attempts, the first one included; 0 stands for 1, as in Azure's library.
    backoff_coefficient
        Each wait is the last one times this, at least 1.
    max_retry_interval_in_milliseconds
        No wait is longer; without it six days.
    retry_timeout_in_milliseconds
        No attempt begins later than this after the first one began, by the orchestration's clock.
    handle
        Called with the failure of an attempt; a false answer ends the retrying. It is orchestrator
        code: it runs again in a replay, so it must be deterministic.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> from datetime import timedelta
    >>> options = RetryOptions(1_000, 4, backoff_coefficient=2.0)
    >>> [options.delay(attempt) / timedelta(seconds=1) for attempt in (1, 2, 3)]
    [1.0, 2.0, 4.0]

    Notes
    -----
    The first two arguments are Azure's for Python; the others those of its .NET and JavaScript
    libraries. The formula is that of the Durable Task Framework's ``RetryInterceptor``.
    """

    first_retry_interval_in_milliseconds: int
    max_number_of_attempts: int
    backoff_coefficient: float = 1.0
    max_retry_interval_in_milliseconds: int | None = None
    retry_timeout_in_milliseconds: int | None = None
    handle: Callable[[FailureDetails], bool] | None = None

    def __post_init__(self) -> None:
        _at_least(self.first_retry_interval_in_milliseconds, 1, "first_retry_interval_in_milliseconds")
        _at_least(self.max_number_of_attempts, 0, "max_number_of_attempts")
        _at_least(self.backoff_coefficient, 1, "backoff_coefficient")
        for name in ("max_retry_interval_in_milliseconds", "retry_timeout_in_milliseconds"):
            if getattr(self, name) is not None:
                _at_least(getattr(self, name), 1, name)

    def delay(self, attempt: int) -> timedelta:
        """The wait after the failed attempt of this number (1, 2, ...)."""
        longest = self.max_retry_interval_in_milliseconds
        cap = MAX_RETRY_INTERVAL if longest is None else timedelta(milliseconds=longest)
        try:
            factor = self.backoff_coefficient ** (attempt - 1)
            return min(cap, timedelta(milliseconds=self.first_retry_interval_in_milliseconds * factor))
        except OverflowError:
            return cap

    def may_retry(self, attempt: int, failure: FailureDetails, began: datetime, now: datetime) -> bool:
        """Whether another attempt follows the failed one of this number.

        Parameters
        ----------
        attempt
            Number of the attempt that failed, from 1.
        failure
            What it failed with.
        began, now
            The orchestration's clock when the first attempt was asked for, and at this moment.
        """
        if failure.is_non_retriable or attempt >= self.max_number_of_attempts:
            return False
        limit = self.retry_timeout_in_milliseconds
        if limit is not None and now >= began + timedelta(milliseconds=limit):
            return False
        return self.handle is None or bool(self.handle(failure))


def _at_least(value: float, least: float, name: str) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} is {value!r}; expected a number of at least {least}.")
