"""What an entity's function is given for one operation: Azure's `DurableEntityContext`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from durablenb.core.registry import name_of
from durablenb.model.entities import EntityId, checked_entity_id, checked_operation
from durablenb.model.ids import checked_instance_id, checked_version
from durablenb.model.payloads import Codec
from durablenb.model.times import aware

NOTHING = "null"
"""The state of an entity that doesn't exist."""

NONE = " null"
"""The state of an entity that exists and has None for its state: JSON's null, but another text."""


def is_none(state: str) -> bool:
    """Whether a state's text stands for None: the entity doesn't exist, or that is its state."""
    return state in (NOTHING, NONE)


class Signal(NamedTuple):
    """An operation of another entity that an operation asked for."""

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


class Asked(NamedTuple):
    """An operation that is to be done: its number in the entity's history, its name and its input.

    Nobody waits for a signal.
    """

    number: int
    name: str
    input: str
    is_signal: bool = False


class DurableEntityContext:
    """What an entity's function knows of the operation that it is called for, and what it does to the state.

    What it sets, sends and starts counts if the function returns; if it raises, nothing of it has happened.

    Notes
    -----
    Names are those of ``azure.durable_functions``. That the function's own return value is the result where
    none was set, and `signal_entity` and `start_new`, are as in Azure's newer library and in .NET.
    """

    def __init__(
        self, entity_id: EntityId, execution_id: str, state: str, asked: Asked, codec: Codec
    ) -> None:
        self._id = entity_id
        self._execution_id = execution_id
        self._before = state
        self._asked = asked
        self._codec = codec
        self._state: Any = None
        self._simplify: Callable[[Any], Any] | None = None
        self._is_read = False
        self._exists = state != NOTHING
        self._result: Any = None
        self._is_result_set = False
        self._is_to_go = False
        self._sent: list[Signal | Start] = []
        self._made: list[tuple[Any, list[Any]]] = []

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
        """What is to be done."""
        return self._asked.name

    @property
    def is_newly_constructed(self) -> bool:
        """Whether the entity did not exist before this operation."""
        return self._before == NOTHING

    def get_input(self, expected_type: Any = None) -> Any:
        """The operation's input, rebuilt as `expected_type` if one is given; None if there is none."""
        return self._codec.decode(self._asked.input, expected_type)

    # -- the state -------------------------------------------------------------------------------

    def get_state(self, initializer: Callable[[], Any] | None = None, expected_type: Any = None) -> Any:
        """The state.

        Parameters
        ----------
        initializer
            Makes what is returned where the state is None.
        expected_type
            What the state is rebuilt as: a class, or an annotation such as ``list[Order]``.

        Notes
        -----
        What is changed inside of the state counts, also without `set_state`. What `initializer` made isn't
        the state until it is set.
        """
        if not self._is_read:
            self._state = self._codec.decode(self._before, None if is_none(self._before) else expected_type)
            self._is_read = True
        if self._state is None and initializer is not None:
            made = initializer()
            self._made.append((made, _parts(made)))
            return made
        return self._state

    def set_state(self, state: Any) -> None:
        """Sets the state; the entity exists then, also with None."""
        self._state, self._is_read, self._exists, self._is_to_go = state, True, True, False
        self._simplify = None

    def destruct_on_exit(self) -> None:
        """Deletes the entity's state when the operation has ended; a later operation makes it anew."""
        self._is_to_go = True

    # -- what others get -------------------------------------------------------------------------

    def set_result(self, result: Any) -> None:
        """Sets what the caller gets, which is else what the function returns; the entity exists then."""
        self._result, self._is_result_set, self._exists = result, True, True

    def signal_entity(
        self,
        entity_id: EntityId,
        operation_name: str,
        operation_input: Any = None,
        *,
        at: datetime | None = None,
    ) -> None:
        """Asks another entity, or this one, for an operation, without waiting for it.

        Parameters
        ----------
        entity_id, operation_name, operation_input
            Which entity, what it is to do, and with what.
        at
            Not before that; a naive time is UTC.
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
        """Starts an orchestration, without waiting for it, and returns its id.

        Parameters
        ----------
        orchestration_function_name
            The orchestrator's name, or the function itself.
        instance_id
            Its id. If an instance of that id is open, nothing is started. Without one, an id is made up.
        client_input, version
            As for a client's `start_new`.
        """
        number = sum(isinstance(one, Start) for one in self._sent)
        made = f"{self._execution_id}:{self._asked.number}.{number}"
        chosen = made if instance_id is None else checked_instance_id(instance_id)
        text = self._codec.encode(client_input, "input")
        name = name_of(orchestration_function_name)
        self._sent.append(Start(chosen, name, text, checked_version(version)))
        return chosen

    # -- inside ----------------------------------------------------------------------------------

    def _hold(self, state: Any, simplify: Callable[[Any], Any]) -> None:
        """Makes this object the state; `simplify` gives what of it is kept."""
        self.set_state(state)
        self._simplify = simplify

    def _outcome(self, returned: Any) -> tuple[str, str, list[Signal | Start]]:
        """The result, the state afterwards, and what was sent."""
        result = self._codec.encode(self._result if self._is_result_set else returned, "result")
        return result, NOTHING if self._is_to_go or not self._exists else self._kept(), self._sent

    @property
    def _lost(self) -> bool:
        """Whether an initial state was changed, and no state was set."""
        return self._state is None and any(
            len(before) != len(after)
            or any(one is not other for one, other in zip(before, after, strict=True))
            for before, after in ((before, _parts(made)) for made, before in self._made)
        )

    def _kept(self) -> str:
        """The state of an entity that exists, as text."""
        if not self._is_read:
            return NONE if self._before == NOTHING else self._before
        state = self._codec.encode(self._simplify(self._state) if self._simplify else self._state, "state")
        return NONE if state == NOTHING else state


def _parts(made: Any) -> list[Any]:
    """What is in a list or a dict."""
    if isinstance(made, dict):
        return [*made, *made.values()]
    return list(made) if isinstance(made, list) else []
