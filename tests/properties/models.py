"""A few entities as plain Python: lists that grow, queues, locks, and the orchestrations that use them.

The model knows no histories, episodes or commits. It does what is asked of it until nothing more can be done,
first come, first served.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

KEYS = ("a", "b", "c", "d")


@dataclass
class Thing:
    """An entity: a list of tags (None: it doesn't exist), and what waits for it."""

    tags: list[str] | None = None
    queue: deque[Operation | Section] = field(default_factory=deque)
    owner: Section | None = None
    failures: int = 0

    def do(self, name: str, tag: str) -> int | None:
        """Does an operation; None if it fails."""
        if name == "break":
            self.failures += 1
            return None
        if name == "clear":
            self.tags = None
            return 0
        self.tags = [*(self.tags or []), tag]
        return len(self.tags)


@dataclass
class Operation:
    """A requested operation, and the one that waits for its result."""

    name: str
    tag: str
    then: Callable[[int | None], None] = lambda result: None


@dataclass
class Asker:
    """An orchestration that calls one operation and returns its result."""

    result: int | str | None = None
    status: str = "open"
    is_suspended: bool = False
    has_answer: bool = False

    def answer(self, result: int | None) -> None:
        self.result, self.has_answer = "failed" if result is None else result, True

    def go_on(self, world: World) -> None:
        """Ends with the answer."""
        if self.has_answer and self.status == "open" and not self.is_suspended:
            self.status = "Completed"


@dataclass
class Section:
    """An orchestration that locks some entities, and does inside what it is told."""

    name: str
    keys: tuple[str, ...]
    generation: int = 0
    position: int = 0
    status: str = "open"
    is_suspended: bool = False
    is_granted: bool = False
    is_inside: bool = False
    told: deque[str] = field(default_factory=deque)
    result: int | None = None

    def go_on(self, world: World) -> None:
        """Does what it can until it waits for its locks or to be told something."""
        while self.status == "open" and not self.is_suspended and self.is_granted:
            if not self.is_inside:
                self.is_inside = True
                for key in self.keys:
                    world.things[key].do("append", f"{self.name}.{self.generation}")
            if not self.told:
                return
            self._obey(world, self.told.popleft())

    def _obey(self, world: World, told: str) -> None:
        first = world.things[self.keys[0]]
        if told == "stay":
            first.do("break", "")
            first.do("append", f"{self.name} stays")
            return
        self.result = len(first.tags or [])
        world.release(self)
        if told == "again":
            self.generation += 1
            self.position, self.is_granted, self.is_inside = 0, False, False
            world.request(self)
        elif told == "fail":
            self.status = "Failed"
        else:
            self.status = "Completed"
            for key in self.keys:
                world.ask(key, Operation("append", f"{self.name} was here"))


class World:
    """All of it."""

    def __init__(self) -> None:
        self.things = {key: Thing() for key in KEYS}
        self.orchestrations: dict[str, Asker | Section] = {}
        self.later: list[tuple[datetime, int, str, Operation]] = []
        self._numbers = count()
        self._awake: deque[str] = deque()

    @property
    def open(self) -> list[str]:
        """The members that aren't done, by name."""
        return [name for name, one in self.orchestrations.items() if one.status == "open"]

    @property
    def inside(self) -> list[str]:
        """Those that are inside of their section, and were not told what to do.

        Who is told before leaves as soon as it comes in, while others are let in: again an order that is
        not for a model to say.
        """
        found = [self.orchestrations[name] for name in self.open]
        return [one.name for one in found if isinstance(one, Section) and one.is_inside and not one.told]

    # -- what clients do -------------------------------------------------------------------------

    def ask(self, key: str, operation: Operation) -> None:
        self.things[key].queue.append(operation)
        self._awake.append(key)

    def ask_later(self, key: str, operation: Operation, due: datetime) -> None:
        self.later.append((due, next(self._numbers), key, operation))

    def pass_time(self, now: datetime) -> None:
        for due, _, key, operation in sorted(self.later, key=lambda one: one[:2]):
            if due <= now:
                self.ask(key, operation)
        self.later = [one for one in self.later if one[0] > now]

    def call(self, name: str, key: str, operation: str) -> None:
        asker = self.orchestrations[name] = Asker()
        self.ask(key, Operation(operation, name, asker.answer))

    def enter(self, name: str, keys: tuple[str, ...]) -> None:
        section = self.orchestrations[name] = Section(name, tuple(sorted(set(keys))))
        self.request(section)

    def tell(self, name: str, what: str) -> None:
        one = self.orchestrations[name]
        if isinstance(one, Section):
            one.told.append(what)

    def terminate(self, name: str) -> None:
        one = self.orchestrations[name]
        one.status = "Terminated"
        if isinstance(one, Section):
            self.release(one)

    # -- locks -----------------------------------------------------------------------------------

    def request(self, section: Section) -> None:
        key = section.keys[section.position]
        self.things[key].queue.append(section)
        self._awake.append(key)

    def release(self, section: Section) -> None:
        for key in section.keys[: section.position + 1]:
            thing = self.things[key]
            if thing.owner is section:
                thing.owner = None
            else:
                thing.queue.remove(section)
            self._awake.append(key)

    def settle(self) -> None:
        """Everything happens that can."""
        while True:
            for one in self.orchestrations.values():
                one.go_on(self)
            if not self._awake:
                return
            self._serve(self.things[self._awake.popleft()])

    def _serve(self, thing: Thing) -> None:
        while thing.queue and thing.owner is None:
            head = thing.queue.popleft()
            if isinstance(head, Operation):
                head.then(thing.do(head.name, head.tag))
                continue
            thing.owner = head
            if head.position + 1 < len(head.keys):
                head.position += 1
                self.request(head)
            else:
                head.is_granted = True
