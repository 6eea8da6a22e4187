"""The control port: what should happen to instances and entities, and the code that a hub has for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from durablenb.core.ports.store import InstanceQuery
from durablenb.core.registry import Code
from durablenb.engine.instance import InstanceOutcome
from durablenb.journal.port import Journal
from durablenb.model.activities import TextStream
from durablenb.model.address import Address
from durablenb.model.errors import DurableError, FunctionNotFoundError
from durablenb.model.failures import FailureDetails
from durablenb.model.payloads import Kind

if TYPE_CHECKING:
    from durablenb.analysis.replays.replay import Replayer


@dataclass(frozen=True)
class ForkInstance:
    """Start an instance that shares the past of another one; answered with its id.

    `at`, `results` and `input` are as for `Handle.fork`, with values as text. `fork_id` is the new instance's
    id; None for a generated one.
    """

    instance_id: str
    at: int | None
    results: Mapping[int | str, str | FailureDetails]
    input: str | None
    fork_id: str | None


@dataclass(frozen=True)
class RestartInstance:
    """Start an orchestration again with its input, version and tags; answered with the id."""

    instance_id: str
    has_new_id: bool


@dataclass(frozen=True)
class PurgeInstance:
    """Delete an ended instance, with its sub-orchestrations if `is_recursive`; answered with the count."""

    instance_id: str
    is_recursive: bool


@dataclass(frozen=True)
class PurgeInstances:
    """Delete the ended instances that a query is about; answered with the count."""

    query: InstanceQuery
    is_recursive: bool


@dataclass(frozen=True)
class PurgePastGenerations:
    """Delete an instance's past generations, but for the last `keep`; answered with the count."""

    instance_id: str
    keep: int


class MovableClock(Protocol):
    """A hub's clock. Only a virtual one can be moved."""

    @property
    def can_be_moved(self) -> bool:
        """True if it is virtual."""
        ...

    def now(self) -> datetime:
        """Return the time."""
        ...

    def next_due(self) -> datetime | None:
        """Return the next deadline."""
        ...

    def advance(self, duration: timedelta | None = None, /, **parts: float) -> None:
        """Move it by a duration."""
        ...

    def jump(self) -> datetime | None:
        """Move it to the next deadline."""
        ...

    def run_until_idle(self) -> timedelta:
        """Move it until nothing is due."""
        ...


class Control(ABC):
    """Makes things happen. Commands are plain data; a hub of this process and a server answer the same ones.

    The commands are those of this module and the client's messages of `durablenb.engine.messages`.
    """

    clock: MovableClock
    is_read_only = False
    """True if every command is refused."""
    does_work_in_caller = False
    """True if instances run only while a caller waits for them, in the caller's thread."""

    @property
    def address(self) -> Address | None:
        """The address at which the hub is served; None if it isn't."""
        return None

    def publish_address(self, address: Address | None) -> None:
        """Note the address at which the hub is served; None if it isn't any more."""
        raise NotImplementedError("only a hub that is open in this process is served")

    @abstractmethod
    def request(self, command: Any) -> Any:
        """Send a command, and return the answer as soon as what it did is on disk."""

    async def request_async(self, command: Any) -> Any:
        """Do the same without blocking the event loop."""
        import asyncio  # slow to import

        return await asyncio.to_thread(self.request, command)

    @abstractmethod
    def wait(self, instance_id: str, timeout: float | None) -> InstanceOutcome | None:
        """Wait until an instance has ended. Return its outcome; None if the journal has to be read for it."""

    async def wait_async(self, instance_id: str, timeout: float | None) -> InstanceOutcome | None:
        """Do the same without blocking the event loop."""
        import asyncio  # slow to import

        return await asyncio.to_thread(self.wait, instance_id, timeout)

    @abstractmethod
    def ended(self, instance_ids: Sequence[str], timeout: float | None) -> Iterator[str]:
        """Yield the ids of instances as these end, in any order; each has ended on disk by then.

        It raises what `wait` raises, if the time is over, or if all that are left are blocked.
        """

    @abstractmethod
    def streamed(self, instance_id: str, timeout: float | None) -> TextStream:
        """Return what activities of an instance stream, until it has ended; nothing if it has.

        Reading raises what `wait` raises.
        """

    # -- values that are sent --------------------------------------------------------------------

    @abstractmethod
    def encode(self, value: Any, kind: Kind) -> str:
        """Return a value as the text in which a command has it.

        Raises
        ------
        NotSerializableError
            If it can't be sent.
        """

    @abstractmethod
    def failure(self, error: BaseException) -> FailureDetails:
        """Return an exception as the details in which a command has it."""

    @abstractmethod
    def new_id(self) -> str:
        """Return the id of a new instance: 32 hexadecimal digits."""

    # -- code ------------------------------------------------------------------------------------

    @property
    def orchestrator_names(self) -> Collection[str]:
        """The names of the orchestrators that are registered here."""
        return ()

    def default_version(self, orchestrator: Any) -> str | None:
        """Return the version that is started by default."""
        return None

    def check_entity(self, name: str) -> None:
        """Raise `FunctionNotFoundError` if it is known that no such entity is registered."""
        return

    def result_type(self, instance_id: str, name: str) -> Any:
        """Return the annotation of the result of an orchestrator, by its name; None if there is none."""
        return None

    def registered(self, name: str, version: str | None) -> Code | None:
        """Return the code that is registered here for an orchestrator; None if there is none."""
        return None

    @abstractmethod
    def no_code(self, name: str, version: str | None) -> FunctionNotFoundError:
        """Return the error for code that isn't registered here."""

    def code(self, name: str, version: str | None) -> Code:
        """Return the code that is registered here for an orchestrator.

        Raises
        ------
        FunctionNotFoundError
            If there is none.
        """
        code = self.registered(name, version)
        if code is None:
            raise self.no_code(name, version)
        return code

    def replayer(self, journal: Journal, function: Callable[..., Any], ids: tuple[str, str]) -> Replayer:
        """Return what replays a function against histories of an execution; see `Replayer`."""
        from durablenb.analysis.replays.replay import FileReplayer  # only needed for replays

        return FileReplayer(function, ids, journal.codec)

    def looking(self) -> AbstractContextManager[None]:
        """Return the context in which code is replayed only to look at it: its prints are discarded."""
        from durablenb.engine.capture.output import MUTED, replaying_for

        return replaying_for(MUTED)


class ReadOnly(Control):
    """The control of a file that is only read: it refuses every command.

    Parameters
    ----------
    journal
        The file's journal.
    name
        The file, for messages.
    """

    is_read_only = True

    def __init__(self, journal: Journal, name: str) -> None:
        self._journal = journal
        self._name = name
        self.clock = FixedClock(
            journal.now, "A file that is only read has no clock that could be moved. Open it as a hub."
        )

    def request(self, command: Any) -> NoReturn:
        """Raise `DurableError`: nothing can be done to a file that is only read."""
        raise self._refusal()

    def wait(self, instance_id: str, timeout: float | None) -> None:
        """Return if the instance has ended; raise `DurableError` if not, since nothing happens in a file."""
        state = self._journal.existing(instance_id)
        if not state.status.is_terminal:
            raise DurableError(
                f"{instance_id} is {state.status}, and nothing happens in {self._name}, which is only read. "
                "To resume it, open the file as a hub: durablenb.TaskHub(path)."
            )

    def ended(self, instance_ids: Sequence[str], timeout: float | None) -> Iterator[str]:
        """Yield the ids of those that have ended; raise `DurableError` for the others."""
        opened = []
        for instance_id in instance_ids:
            if self._journal.existing(instance_id).status.is_terminal:
                yield instance_id
            else:
                opened.append(instance_id)
        if opened:
            self.wait(opened[0], timeout)

    def streamed(self, instance_id: str, timeout: float | None) -> TextStream:
        """Return nothing if the instance has ended; raise `DurableError` if not."""
        self.wait(instance_id, timeout)
        return TextStream()

    def encode(self, value: Any, kind: Kind) -> NoReturn:
        """Raise `DurableError`: nothing can be sent to a file that is only read."""
        raise self._refusal()

    def failure(self, error: BaseException) -> NoReturn:
        """Raise `DurableError`: nothing can be sent to a file that is only read."""
        raise self._refusal()

    def new_id(self) -> NoReturn:
        """Raise `DurableError`: nothing can be started in a file that is only read."""
        raise self._refusal()

    def no_code(self, name: str, version: str | None) -> FunctionNotFoundError:
        """Return the error for code that isn't registered: a file has none."""
        return FunctionNotFoundError(
            f"A file has no functions. Define {name!r} as it was, or as you want it to be, and give it."
        )

    def _refusal(self) -> DurableError:
        return DurableError(
            f"{self._name} is only read: its instances can be looked at and replayed, not started or "
            "changed. Open it as a hub: durablenb.TaskHub(path)."
        )


class FixedClock:
    """The clock of a hub that isn't in this process.

    Parameters
    ----------
    now
        Returns the time.
    refusal
        The reason why it can't be moved.
    """

    can_be_moved = False

    def __init__(self, now: Callable[[], datetime], refusal: str) -> None:
        self.now = now
        self._refusal = refusal

    def next_due(self) -> datetime | None:
        """Return None: the next deadline isn't known here."""
        return None

    def advance(self, duration: timedelta | None = None, /, **parts: float) -> NoReturn:
        """Raise `DurableError`."""
        raise DurableError(self._refusal)

    def jump(self) -> NoReturn:
        """Raise `DurableError`."""
        raise DurableError(self._refusal)

    def run_until_idle(self) -> NoReturn:
        """Raise `DurableError`."""
        raise DurableError(self._refusal)
