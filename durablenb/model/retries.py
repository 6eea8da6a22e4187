"""Retry policies of activities and sub-orchestrations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from durablenb.model.display import Displayed
from durablenb.model.failures import FailureDetails

MAX_RETRY_INTERVAL = timedelta(days=6)
"""The default of the longest delay between two attempts, as in the Durable Task Framework."""


@dataclass(frozen=True)
class RetryOptions(Displayed):
    """The retry policy of a call.

    Parameters
    ----------
    first_retry_interval_in_milliseconds
        The delay before the second attempt, at least 1.
    max_number_of_attempts
        The number of attempts, including the first; 0 means 1, as in Azure's library.
    backoff_coefficient
        The factor from each delay to the next, at least 1.
    max_retry_interval_in_milliseconds
        The longest delay; defaults to six days.
    retry_timeout_in_milliseconds
        The time after the first attempt in which a failed attempt is followed by another one, by the
        orchestration's clock. The last attempt may begin one delay later.
    handle
        Called with the failure of an attempt; a false result ends the retries. It runs again in a replay, as
        orchestrator code does, so it must be deterministic. It isn't called for a `NonRetriableError`, which
        ends the retries.

    Raises
    ------
    ValueError
        If a number is out of range.

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
        """Return the delay after the failed attempt of a number (1, 2, ...)."""
        longest = self.max_retry_interval_in_milliseconds
        cap = MAX_RETRY_INTERVAL if longest is None else timedelta(milliseconds=longest)
        try:
            factor = self.backoff_coefficient ** (attempt - 1)
            return min(cap, timedelta(milliseconds=self.first_retry_interval_in_milliseconds * factor))
        except OverflowError:
            return cap

    def may_retry(self, attempt: int, failure: FailureDetails, began: datetime, now: datetime) -> bool:
        """Tell whether another attempt follows the failed one of a number.

        Parameters
        ----------
        attempt
            The number of the failed attempt, from 1.
        failure
            The failure of that attempt.
        began, now
            The orchestration's time at the first attempt, and now.
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
