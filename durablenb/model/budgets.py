"""Budgets for requests to language models, and what an answer of a model has used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

TAG = "durablenb.budget"
"""The tag of an instance that has its budget, as JSON."""

_PRICES = ("input", "output", "cached_input", "cache_write")


@dataclass(frozen=True)
class Budget:
    """The most that an orchestration and its sub-orchestrations may use of language models.

    Give it to `hub.start`. Before a request to a model is made, what the answers so far have used is compared
    with the limits. If a limit is reached, the call fails with `BudgetExceededError` instead. What one
    request uses is only known afterwards, so the last one may go beyond the limit, and so may requests that
    run at the same time. The budget is a tag of the instance: forks, restarts and new generations have it,
    too. A restart counts from zero; earlier generations and a fork's shared past count.

    Requests to a model are calls of activities in the form that `hub.agent` writes; see
    *Watch what an agent does*.

    Parameters
    ----------
    usd
        US dollars; None for no limit. It needs `prices`.
    tokens
        Tokens of requests and answers together; None for no limit.
    requests
        The number of requests, failed ones and other attempts included; None for no limit.
    prices
        The prices of models in US dollars for a million tokens, by the model's name as its answers have it:
        ``{"gpt-x": {"input": 2, "output": 8, "cached_input": 0.5, "cache_write": 2.5}}``. Without the last
        two, cached tokens cost as much as others. With prices alone, the budget limits nothing, and the view
        `llm_calls` has costs.

    Raises
    ------
    ValueError
        If a limit isn't positive, a price is missing or negative, or `usd` is given without prices.

    Examples
    --------
    >>> import durablenb as df
    >>> df.Budget(usd=5, requests=100, prices={"gpt-x": {"input": 2, "output": 8}})
    Budget(usd=5, requests=100, prices of 'gpt-x')
    """

    usd: float | None = None
    tokens: int | None = None
    requests: int | None = None
    prices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("usd", "tokens", "requests"):
            limit = getattr(self, name)
            if limit is not None and not (_is_number(limit) and limit > 0):
                raise ValueError(f"{name} is {limit!r}; expected a number above 0, or None for no limit.")
        for model, prices in self.prices.items():
            _check_prices(model, prices)
        if self.usd is not None and not self.prices:
            raise ValueError("A budget in US dollars needs prices=: durablenb knows none.")

    def to_tag(self) -> str:
        """Return the budget as the text of its tag."""
        limits = {"usd": self.usd, "tokens": self.tokens, "requests": self.requests}
        given: dict[str, Any] = {name: limit for name, limit in limits.items() if limit is not None}
        if self.prices:
            given["prices"] = {model: dict(prices) for model, prices in self.prices.items()}
        return json.dumps(given)

    @staticmethod
    def from_tags(tags: Mapping[str, str]) -> Budget | None:
        """Return the budget of an instance; None if it has none, or none that can be read."""
        text = tags.get(TAG)
        try:
            return None if text is None else Budget(**json.loads(text))
        except (TypeError, ValueError, AttributeError):  # a tag that somebody else wrote
            return None

    def cost(self, usage: Usage) -> float | None:
        """Return the price of an answer in US dollars; None if its model has no price."""
        prices = self.prices.get(usage.model)
        if prices is None:
            return None
        plain = usage.input_tokens - usage.cached_tokens - usage.written_tokens
        total = (
            plain * prices["input"]
            + usage.cached_tokens * prices.get("cached_input", prices["input"])
            + usage.written_tokens * prices.get("cache_write", prices["input"])
            + usage.output_tokens * prices["output"]
        )
        return total / 1e6

    def __repr__(self) -> str:
        limits = ((name, getattr(self, name)) for name in ("usd", "tokens", "requests"))
        parts = [f"{name}={limit!r}" for name, limit in limits if limit is not None]
        if self.prices:
            parts.append(f"prices of {', '.join(map(repr, self.prices))}")
        return f"Budget({', '.join(parts)})"


class Usage(NamedTuple):
    """The tokens that an answer of a model has used; those of the input include cached ones."""

    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    written_tokens: int = 0

    @staticmethod
    def of_answer(text: str) -> Usage | None:
        """Return the usage of an answer, as JSON; None if it is none."""
        try:
            answer = json.loads(text)
            usage = answer["usage"]
            return Usage(
                str(answer.get("model_name") or ""),
                int(usage.get("input_tokens") or 0),
                int(usage.get("output_tokens") or 0),
                int(usage.get("cache_read_tokens") or 0),
                int(usage.get("cache_write_tokens") or 0),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return None


def _check_prices(model: str, prices: Mapping[str, float]) -> None:
    if (
        not isinstance(prices, Mapping)
        or not {"input", "output"} <= prices.keys() <= set(_PRICES)
        or not all(_is_number(price) and price >= 0 for price in prices.values())
    ):
        raise ValueError(
            f"The prices of {model!r} are {prices!r}; expected US dollars for a million tokens, such as "
            "{'input': 2, 'output': 8}, and optionally 'cached_input' and 'cache_write'."
        )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
