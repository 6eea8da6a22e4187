"""An entity's context for one operation: Azure's `DurableEntityContext`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from durablenb.core.registry import target_name
from durablenb.model.entities import EntityId, checked_entity_id, checked_operation
from durablenb.model.ids import checked_instance_id, checked_version
from durablenb.model.payloads import Codec
from durablenb.model.times import aware

NOTHING = "null"
"""The state of an entity that doesn't exist."""

NONE = " null"
"""The state of an entity that exists with the state None: also JSON's null, but a different text."""


def is_none(state: str) -> bool:
    """Tell whether a state's text is None: the entity doesn't exist, or its state is None."""
    return state in (NOTHING, NONE)


class Signal(NamedTuple):
    """An operation of another entity that an operation sends."""

    entity_id: str
    name: str
    input: str
    deliver_at: datetime | None


class Start(NamedTuple):
    """An orchestration that an operation started."""

    instance_id: str
    name: str
    input: str
    version: str | None


class OperationRequest(NamedTuple):
    """An operation to run: its number in the entity's history, its name and its input.

    A signal has no waiting caller.
    """

    number: int
    name: str
    input: str
    is_signal: bool = False


class DurableEntityContext:
    """An entity function's interface to the operation that it runs, and to the entity's state.

    All changes, signals and starts take effect when the function returns; if it raises, none of them does.

    Notes
    -----
    Names are those of ``azure.durable_functions``. A return value as the result if none was set,
    `signal_entity` and `start_new` are as in Azure's newer library and in .NET.
    """

    def __init__(
        self, entity_id: EntityId, execution_id: str, state: str, operation: OperationRequest, codec: Codec
    ) -> None:
        self._id = entity_id
        self._execution_id = execution_id
        self._before = state
        self._operation = operation
        self._codec = codec
        self._state: Any = None
        self._simplify: Callable[[Any], Any] | None = None
        self._is_read = False
        self._exists = state != NOTHING
        self._result: Any = None
        self._is_result_set = False
        self._is_to_go = False
        self._sent: list[Signal | Start] = []
        self._initial: list[tuple[Any, list[Any]]] = []

    def __repr__(self) -> str:
        return f"<DurableEntityContext of {self._id}, {self.operation_name}>"

    # -- the operation ---------------------------------------------------------------------------

    @property
    def entity_id(self) -> EntityId:
        """The entity's id."""
        return self._id

    @property
    def entity_name(self) -> str:
        """The entity's name, in lower case."""
        return self._id.name.lower()

    @property
    def entity_key(self) -> str:
        """The entity's key."""
        return self._id.key

    @property
    def operation_name(self) -> str:
        """The operation's name."""
        return self._operation.name

    @property
    def is_newly_constructed(self) -> bool:
        """True if the entity did not exist before this operation."""
        return self._before == NOTHING

    def get_input(self, expected_type: Any = None) -> Any:
        """Return the operation's input, rebuilt as `expected_type` if one is given; None if there is none."""
        return self._codec.decode(self._operation.input, expected_type)

    # -- the state -------------------------------------------------------------------------------

    def get_state(self, initializer: Callable[[], Any] | None = None, expected_type: Any = None) -> Any:
        """Return the entity's state.

        Parameters
        ----------
        initializer
            Creates the value to return if the state is None.
        expected_type
            The type to which the state is rebuilt: a class, or an annotation such as ``list[Order]``.

        Notes
        -----
        Changes inside of the state are kept, even without `set_state`. The value from `initializer` doesn't
        become the state until it is set.
        """
        if not self._is_read:
            self._state = self._codec.decode(self._before, None if is_none(self._before) else expected_type)
            self._is_read = True
        if self._state is None and initializer is not None:
            initial = initializer()
            self._initial.append((initial, _parts(initial)))
            return initial
        return self._state

    def set_state(self, state: Any) -> None:
        """Set the state; the entity exists then, even with None."""
        self._state, self._is_read, self._exists, self._is_to_go = state, True, True, False
        self._simplify = None

    def destruct_on_exit(self) -> None:
        """Delete the entity's state when the operation has ended; a later operation recreates it."""
        self._is_to_go = True

    # -- what others get -------------------------------------------------------------------------

    def set_result(self, result: Any) -> None:
        """Set the caller's result, in place of the function's return value; the entity exists then."""
        self._result, self._is_result_set, self._exists = result, True, True

    def signal_entity(
        self,
        entity_id: EntityId,
        operation_name: str,
        operation_input: Any = None,
        *,
        at: datetime | None = None,
    ) -> None:
        """Send an operation to another entity, or to this one, without waiting for it.

        Parameters
        ----------
        entity_id, operation_name, operation_input
            The entity, the operation's name, and its input.
        at
            The earliest time of the operation; a naive time is UTC.
        """
        text = self._codec.encode(operation_input, "input")
        name = checked_operation(operation_name)
        due = aware(at)
        self._sent.append(Signal(str(checked_entity_id(entity_id)), name, text, due))

    def start_new(
        self,
        orchestration_function_name: Any,
        instance_id: str | None = None,
        client_input: Any = None,
        version: str | None = None,
    ) -> str:
        """Start an orchestration, without waiting for it, and return its id.

        Parameters
        ----------
        orchestration_function_name
            The orchestrator's name, or the function itself.
        instance_id
            Its id; generated if None. If an instance with that id is open, nothing is started.
        client_input, version
            As for a client's `start_new`.
        """
        number = sum(isinstance(message, Start) for message in self._sent)
        default = f"{self._execution_id}:{self._operation.number}.{number}"
        chosen = default if instance_id is None else checked_instance_id(instance_id)
        text = self._codec.encode(client_input, "input")
        name = target_name(orchestration_function_name)
        self._sent.append(Start(chosen, name, text, checked_version(version)))
        return chosen

    # -- inside ----------------------------------------------------------------------------------

    def _hold(self, state: Any, simplify: Callable[[Any], Any]) -> None:
        """Make an object the state; `simplify` returns its JSON."""
        self.set_state(state)
        self._simplify = simplify

    def _outcome(self, returned: Any) -> tuple[str, str, list[Signal | Start]]:
        """Return the result, the new state, and the sent messages."""
        result = self._codec.encode(self._result if self._is_result_set else returned, "result")
        return result, NOTHING if self._is_to_go or not self._exists else self._kept(), self._sent

    @property
    def _lost(self) -> bool:
        """True if an initial state was changed, but never set as the state."""
        return self._state is None and any(
            len(before) != len(after) or any(old is not new for old, new in zip(before, after, strict=True))
            for before, after in ((before, _parts(initial)) for initial, before in self._initial)
        )

    def _kept(self) -> str:
        """Return the text of an existing entity's state."""
        if not self._is_read:
            return NONE if self._before == NOTHING else self._before
        state = self._codec.encode(self._simplify(self._state) if self._simplify else self._state, "state")
        return NONE if state == NOTHING else state


def _parts(value: Any) -> list[Any]:
    """Return the members of a list or a dict."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    return list(value) if isinstance(value, list) else []
