"""Failures as plain data, and back into exceptions of their original type."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

from durablenb.model.display import Saved
from durablenb.model.errors import NonRetriableError, TaskFailedError

MESSAGE_LIMIT = 64_000
"""The characters of a message or a traceback that are kept; the middle of a longer one is cut out."""

CHAIN_LIMIT = 20
"""The number of inner failures that are kept, outermost first."""


@dataclass(frozen=True, slots=True)
class FailureDetails(Saved):
    """The details of an exception, as the journal keeps them.

    Parameters
    ----------
    error_type
        Qualified name, ``builtins.ValueError`` or ``shop.orders.OutOfStock``.
    message
        The exception's text.
    stack_trace
        The traceback as Python prints it, followed by the exception's notes.
    inner
        The failure that caused this one (``raise ... from``, a failed child's own, the first of a group).
    is_non_retriable
        True if no retry policy makes another attempt: the function raised a `NonRetriableError`, isn't
        registered, or was canceled.
    """

    error_type: str
    message: str
    stack_trace: str = ""
    inner: FailureDetails | None = None
    is_non_retriable: bool = False

    def is_caused_by(self, kind: type[BaseException]) -> bool:
        """Return True if the error that was raised is of a class, or of a class derived from it.

        Of a failed sub-orchestration, it is the error that its code let pass. False if this process hasn't
        imported the error's class.

        Parameters
        ----------
        kind
            A class of exceptions.

        Examples
        --------
        >>> import durablenb as df
        >>> df.FailureDetails("builtins.KeyError", "'Oslo'").is_caused_by(LookupError)
        True
        >>> options = df.RetryOptions(1_000, 5, handle=lambda failure: not failure.is_caused_by(LookupError))
        """
        return issubclass(_known_type(_origin(self).error_type), kind)

    def as_text(self) -> str:
        """Return the failure as text for the journal."""
        return json.dumps(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """Return the failure as JSON values, with the Durable Task Framework's field names."""
        fields: dict[str, Any] = {
            "ErrorType": self.error_type,
            "ErrorMessage": self.message,
            "StackTrace": self.stack_trace,
        }
        if self.inner is not None:
            fields["InnerFailure"] = self.inner.as_json()
        if self.is_non_retriable:
            fields["IsNonRetriable"] = True
        return fields

    @staticmethod
    def from_json(fields: dict[str, Any]) -> FailureDetails:
        """Return the failure for JSON from `as_json`."""
        inner = fields.get("InnerFailure")
        return FailureDetails(
            fields["ErrorType"],
            fields["ErrorMessage"],
            fields.get("StackTrace", ""),
            FailureDetails.from_json(inner) if inner else None,
            bool(fields.get("IsNonRetriable", False)),
        )


def describe_failure(exception: BaseException, *, is_non_retriable: bool = False) -> FailureDetails:
    """Return the details of an exception; never raises, even if the exception's own methods do."""
    return _describe(exception, is_non_retriable, CHAIN_LIMIT)


def _describe(exception: BaseException, is_non_retriable: bool, depth: int) -> FailureDetails:
    if isinstance(exception, TaskFailedError) and hasattr(exception, "details"):
        inner: FailureDetails | None = exception.details
        name = f"{TaskFailedError.__module__}.{TaskFailedError.__qualname__}"
    else:
        cause = exception.__cause__
        if cause is None and isinstance(exception, BaseExceptionGroup):
            cause = exception.exceptions[0]
        inner = _describe(cause, False, depth - 1) if cause is not None and depth > 1 else None
        name = _type_name(type(exception))
    return FailureDetails(
        name,
        _cut(_message(exception)),
        _cut(_stack(exception) + _notes(exception)),
        inner,
        is_non_retriable or isinstance(exception, NonRetriableError),
    )


def _type_name(kind: type[BaseException]) -> str:
    try:
        return str.__str__(f"{kind.__module__}.{kind.__qualname__}")
    except BaseException:
        return "builtins.Exception"


def _message(exception: BaseException) -> str:
    try:
        return str.__str__(str(exception))  # a plain str, even if it is of a subclass
    except BaseException as error:
        return f"<no text: __str__ raised {type(error).__name__}>"


def _stack(exception: BaseException) -> str:
    try:
        return "".join(traceback.format_tb(exception.__traceback__, limit=-50))
    except BaseException:
        return ""


def _notes(exception: BaseException) -> str:
    try:
        return "".join(f"{note}\n" for note in getattr(exception, "__notes__", ()))
    except BaseException:
        return ""


def operation_note(operation: str, entity_id: str) -> str:
    """Return the note for a failed operation's error, whose text is the one that was raised."""
    return f"Operation '{operation}' on entity '{entity_id}' failed."


def _cut(text: str) -> str:
    if len(text) <= MESSAGE_LIMIT:
        return text
    half = MESSAGE_LIMIT // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters cut ...\n{text[-half:]}"


def exception_of(failure: FailureDetails, text: str) -> TaskFailedError:
    """Return a `TaskFailedError` with this text that is also of the failure's original type.

    Notes
    -----
    The type is looked up among modules that are already imported, never by importing: a name
    found in data must not run code.
    """
    original: Any = _known_type(_origin(failure).error_type)
    error = _type_for(original)(text)
    error.details = failure
    return error


def _origin(failure: FailureDetails) -> FailureDetails:
    """Return the failure with which a chain of failed tasks began."""
    wrapper = f"{TaskFailedError.__module__}.{TaskFailedError.__qualname__}"
    while failure.error_type == wrapper and failure.inner is not None:
        failure = failure.inner
    return failure


def _known_type(name: str) -> type[Exception]:
    module_name, _, qualname = name.rpartition(".")
    while module_name and module_name not in sys.modules:
        module_name, _, head = module_name.rpartition(".")
        qualname = f"{head}.{qualname}"
    value: Any = sys.modules.get(module_name)
    for part in qualname.split("."):
        # Not getattr, since a module's __getattr__ would run code.
        value = vars(value).get(part) if isinstance(value, (ModuleType, type)) else None
    if isinstance(value, type) and issubclass(value, Exception):
        return value
    return TaskFailedError


_NEVER_MIXED = (TaskFailedError, StopIteration, StopAsyncIteration, ExceptionGroup)


@lru_cache(maxsize=512)
def _type_for(original: Any) -> type[TaskFailedError]:
    if issubclass(original, _NEVER_MIXED):
        return TaskFailedError
    try:
        mixed = type(
            original.__name__,
            (TaskFailedError, original),
            {
                "__module__": original.__module__,
                "details": None,  # hides a property of the original type
                "__init__": lambda self, text: Exception.__init__(self, text),
                "__new__": lambda cls, text: _bare(cls, original, text),
                "__str__": lambda self: str(self.args[0]),
                "__reduce__": lambda self: (exception_of, (self.details, self.args[0])),
            },
        )
        mixed("probe").details = None
    except Exception:
        return TaskFailedError
    return mixed


def _bare(cls: type[Exception], original: type[Exception], text: str) -> Exception:
    """Create an exception without its own constructor, whose arguments are unknown."""
    for builtin in original.__mro__:
        if builtin.__module__ == "builtins" and issubclass(builtin, Exception):
            with contextlib.suppress(TypeError):  # such as a subclass of MemoryError and another
                made: Exception = builtin.__new__(cls, text)
                return made
    raise TypeError(f"{original!r} isn't an exception")
