"""Lines that calls print reach the store by themselves, however they meet its writes."""

import threading
from datetime import UTC, datetime

import durablenb as df
from durablenb.engine.capture.log_writer import LogSource, LogWriter


class Lines:
    """A store that keeps lines, and lets something happen while it writes."""

    def __init__(self):
        self.messages = []
        self.while_writing = []

    def append_lines(self, lines):
        self.messages += [line.message for line in lines]
        while self.while_writing:
            self.while_writing.pop(0)()


class Visitor:
    """The committer's part: a visit for each nudge, and one when the last visit said so."""

    def __init__(self, store):
        self._nudges = 0
        self._is_expected = False
        self.writer = LogWriter(store, lambda: datetime.now(UTC), str, self._nudge)
        self.output = self.writer.open(LogSource("one", "1", 0, "work"))

    def _nudge(self):
        self._nudges += 1

    def say(self, *words):
        for word in words:
            self.output.write("stdout", f"{word}\n")

    def come(self):
        """All visits that are due, with time enough between them."""
        visits = 0
        while self._nudges or self._is_expected:
            self._nudges = max(0, self._nudges - 1)
            self.writer._written_at = 0.0  # the pause between two writes is over
            self._is_expected = self.writer.visit() is not None
            visits += 1
        return visits


def test_a_line_after_one_that_came_in_the_middle_of_a_write_is_written_too():
    store = Lines()
    visitor = Visitor(store)
    for n in range(3):
        store.while_writing.append(lambda n=n: visitor.say(f"while writing {n}"))
        visitor.say(f"before {n}")
        visitor.come()
    visitor.say("last")
    visitor.come()
    found = [f"{when} {n}" for n in range(3) for when in ("before", "while writing")]
    assert store.messages == [*found, "last"]


def test_a_line_that_has_to_wait_for_the_pause_is_written_after_it():
    store = Lines()
    visitor = Visitor(store)
    visitor.say("first")
    visitor.come()
    visitor.say("second")
    assert visitor.writer.visit() > 0  # too early
    visitor.say("third")
    visitor._is_expected = True
    visitor.come()
    assert store.messages == ["first", "second", "third"]


def test_many_lines_of_one_moment_need_few_visits():
    store = Lines()
    visitor = Visitor(store)
    visitor.say(*range(1000))
    assert visitor.come() == 1
    assert len(store.messages) == 1000


def test_more_than_fits_during_one_write_does_not_end_the_log(monkeypatch):
    monkeypatch.setattr("durablenb.engine.capture.log_writer.WAITING_CHARACTERS", 100)
    store = Lines()
    visitor = Visitor(store)
    store.while_writing.append(lambda: visitor.say(*["x" * 40] * 10))
    visitor.say("first")
    visitor.come()
    assert 1 < len(store.messages) < 11
    visitor.say("later")
    visitor.come()
    assert store.messages[-1] == "later"


def test_what_a_long_activity_prints_reaches_the_disk_while_it_runs():
    """Nobody asks for the log, and nothing else is written: the store is looked at from beside."""
    enough, go_on = threading.Event(), threading.Event()
    with df.TaskHub(":memory:") as hub:
        store = hub._engine.store

        @hub.activity
        def talk():
            n = 0
            while not enough.wait(0.002):
                print("line", n)
                n += 1
            go_on.wait(10)
            return n

        hub.add_orchestrator(lambda context: (yield context.call_activity("talk")), "one")
        append, written = store.append_lines, []

        def append_lines(lines):
            append(lines)
            written.extend(lines)
            if len(written) > 200:
                enough.set()

        store.append_lines = append_lines
        handle = hub.start("one")
        try:
            assert enough.wait(20), f"only {len(written)} lines were written"
        finally:
            enough.set()
            go_on.set()
        printed = handle.result()
        assert len(handle.logs()) == printed
