"""Other answers in the conversation of an agent, as the results that a fork takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from durablenb.core.fork import checked_outcomes, find_task
from durablenb.model.conversations import is_model_request, outcome_kind, tool_call_id
from durablenb.model.events import Event, Raised, Returned, TaskScheduled

_NO_USAGE = {"input_tokens": 0, "output_tokens": 0}


def with_answers(
    history: Sequence[Event], results: Mapping[int | str, Any] | None, answers: Mapping[int | str, Any]
) -> dict[int | str, Any]:
    """Return results with those that follow from answers of models and tools, by the same keys.

    Parameters
    ----------
    history
        The current execution.
    results, answers
        As for `Handle.fork`.

    Raises
    ------
    TypeError
        If one of them isn't a dict.
    ValueError
        If a key is neither a request to a model nor a call of a tool, or is in both.
    """
    given = {} if results is None else checked_outcomes(results, "results")
    answered = checked_outcomes(answers, "answers")
    twice = next((key for key in answered if key in given), None)
    if twice is not None:
        raise ValueError(f"{twice!r} is in results and in answers. Give it in one of them.")
    return {**given, **{key: _result(history, key, answer) for key, answer in answered.items()}}


def _result(history: Sequence[Event], key: int | str, answer: Any) -> Any:
    task_id = find_task(history, key)
    call = next((e for e in history if isinstance(e, TaskScheduled) and e.task_id == task_id), None)
    former = _former(history, task_id)
    if isinstance(answer, BaseException):
        return answer
    if call is not None and is_model_request(call.name, call.input):
        return _model_answer(call, former, answer)
    if call is not None and tool_call_id(call.input) is not None:
        if isinstance(former, dict) and "result" in former:
            return {"kind": "tool_return", **former, "result": answer}
        if former is None or outcome_kind(former) is not None:
            return {"kind": "tool_return", "result": answer}
        return answer
    raise ValueError(
        f"{key!r} is neither a request to a model nor a call of a tool. Give the result of another task with "
        "results=; handle.history() shows the tasks."
    )


def _model_answer(call: TaskScheduled, former: Any, answer: Any) -> Any:
    if hasattr(answer, "parts") or (isinstance(answer, dict) and "parts" in answer):  # as for a part
        return answer
    if not isinstance(answer, (str, list)) or (isinstance(answer, list) and not all(map(_is_part, answer))):
        raise ValueError(
            f"The answer of {call.name} is {answer!r}; expected a text, a list of parts with "
            "'part_kind', or a whole answer with parts."
        )
    parts = [{"part_kind": "text", "content": answer}] if isinstance(answer, str) else answer
    about = former if isinstance(former, dict) else {"timestamp": call.timestamp.isoformat()}
    kept = {name: about[name] for name in ("model_name", "provider_name", "timestamp") if name in about}
    return {"kind": "response", "parts": parts, "usage": _NO_USAGE, **kept}


def _is_part(part: Any) -> bool:
    """Return True for a part as JSON, or as pydantic-ai's own object."""
    return hasattr(part, "part_kind") or (isinstance(part, dict) and "part_kind" in part)


def _former(history: Sequence[Event], task_id: int | None) -> Any:
    """Return the recorded answer as JSON; None if there is none."""
    ends = [e for e in history if isinstance(e, (Returned, Raised)) and e.task_id == task_id]
    if not ends or not isinstance(ends[-1], Returned):
        return None
    try:
        return json.loads(ends[-1].result)
    except ValueError:
        return None
