"""Records of logging and warnings: in the log of their instance once, with their level, and on no screen."""

import contextlib
import io
import logging
import sys
import warnings

import pytest

import durablenb as df
from tests.engine.fanned import add_fan, fan, log_of, messages, run_script


@contextlib.contextmanager
def unconfigured():
    """The root logger as a program finds it, without the handlers of pytest."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        yield root
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture
def mine():
    """A logger that lets everything through."""
    logger = logging.getLogger("mine")
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.setLevel(logging.NOTSET)
    logger.handlers.clear()
    logger.filters.clear()
    logger.propagate = True


def said(lines):
    return [(line.stream, line.level, line.logger, line.message) for line in lines]


def test_a_record_is_kept_with_its_level_and_its_logger(mine):
    def logs(word):
        mine.debug("about %s", word)
        mine.info("about %s", word)
        logging.getLogger("mine.child").error("bad")
        mine.log(25, "odd")

    assert said(log_of(logs)) == [
        ("logging", "DEBUG", "mine", "about a"),
        ("logging", "INFO", "mine", "about a"),
        ("logging", "ERROR", "mine.child", "bad"),
        ("logging", "Level 25", "mine", "odd"),
    ]


@pytest.mark.parametrize("where", ["root", "logger", "nowhere"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_handlers_that_write_to_the_screen_do_not_say_it_once_more(mine, capsys, where, when):
    def configure():
        if where != "nowhere":
            owner = logging.getLogger() if where == "root" else mine
            owner.addHandler(logging.StreamHandler(sys.stderr))

    with unconfigured(), contextlib.ExitStack() as stack:
        if when == "before":
            configure()
        hub = stack.enter_context(df.TaskHub(":memory:"))
        if when == "after":
            configure()
        add_fan(hub, lambda _: mine.warning("odd"))
        handle = hub.start(fan, [1])
        handle.result()
        assert said(handle.logs()) == [("logging", "WARNING", "mine", "odd")]
        assert capsys.readouterr() == ("", "")
        mine.warning("mine")
    assert capsys.readouterr().err == "mine\n"


def test_in_mode_kernel_handlers_write_to_the_screen_too(mine, capsys):
    mine.addHandler(logging.StreamHandler(sys.stderr))
    lines = log_of(lambda word: mine.warning("odd"), mode="kernel")
    assert said(lines) == [("logging", "WARNING", "mine", "odd")]
    assert capsys.readouterr() == ("", "odd\n")


def test_handlers_that_write_elsewhere_get_the_record_as_ever(mine):
    elsewhere = io.StringIO()
    mine.addHandler(logging.StreamHandler(elsewhere))
    assert messages(log_of(lambda word: mine.info("noted"))) == ["noted"]
    assert elsewhere.getvalue() == "noted\n"


def test_what_logging_does_not_let_through_is_not_kept(mine):
    def logs(word):
        logging.getLogger("quiet").info("below the root logger's level")
        mine.info("filtered")
        mine.warning("let through")

    mine.addFilter(lambda record: "filtered" not in record.msg)
    assert messages(log_of(logs)) == ["let through"]


def test_a_logger_that_does_not_propagate_is_heard(mine):
    mine.propagate = False
    assert messages(log_of(lambda word: mine.info("alone"))) == ["alone"]


def test_a_traceback_is_kept_with_its_record_and_not_twice(mine, capsys):
    mine.addHandler(logging.StreamHandler(sys.stderr))

    def logs(word):
        try:
            raise ValueError("no")
        except ValueError:
            mine.exception("it failed")
            raise

    (line,) = log_of(logs)
    assert line.message.startswith("it failed\nTraceback (most recent call last):")
    assert line.message.endswith("ValueError: no")
    assert line.message.count("Traceback") == 1
    assert capsys.readouterr() == ("", "")


def test_the_formatters_of_handlers_find_the_record_as_it_was(mine):
    class Short(logging.Formatter):
        def formatException(self, ei):
            return f"({ei[1]})"

    elsewhere = io.StringIO()
    handler = logging.StreamHandler(elsewhere)
    handler.setFormatter(Short())
    mine.addHandler(handler)

    def logs(word):
        try:
            raise ValueError("no")
        except ValueError:
            mine.exception("it failed")

    assert len(log_of(logs)) == 1
    assert elsewhere.getvalue() == "it failed\n(no)\n"


def test_a_record_whose_arguments_do_not_fit_fails_nobody(mine):
    mine.addHandler(logging.NullHandler())
    assert messages(log_of(lambda word: mine.info("%d things", "many"))) == ["%d things ('many',)"]


def test_a_long_record_is_cut(mine):
    assert messages(log_of(lambda word: mine.info("x" * 12_000))) == [
        "x" * 10_000 + "… 2,000 characters more"
    ]


def test_configuring_logging_works_as_ever_while_a_hub_is_open(mine):
    with unconfigured() as root:
        with df.TaskHub(":memory:"):
            logging.basicConfig(level=logging.INFO)
            assert [type(one) for one in root.handlers] == [logging.StreamHandler]
        assert len(root.handlers) == 1


def test_logging_is_given_back():
    before = logging.Logger.callHandlers
    with df.TaskHub(":memory:"):
        assert logging.Logger.callHandlers is not before
    assert logging.Logger.callHandlers is before


def test_an_activity_that_catches_warnings_keeps_them_to_itself():
    def catches(word):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.warn("mine", stacklevel=1)
        print(len(caught))

    assert messages(log_of(catches, executor=1)) == ["1"]


def test_a_warning_is_a_record_wherever_it_is_given_and_whoever_captures_warnings():
    program = """
import logging, warnings
import durablenb as df

def warns(number):
    warnings.warn(f"beware {number}")

def main(context):
    for number, name in enumerate(("threads", "processes")):
        yield context.call_activity(name, context.get_input() + number)

for is_captured in (False, True):
    logging.captureWarnings(is_captured)
    with df.TaskHub(":memory:") as hub:
        for executor in ("threads", "processes"):
            hub.add_activity(warns, executor, executor=executor)
        hub.add_orchestrator(main)
        handle = hub.start(main, 2 * is_captured)
        handle.result()
        for line in handle.logs():
            text = line.message.partition("UserWarning: ")[2].splitlines()[0]
            print(line.stream, line.level, line.logger, text)
"""
    told = "".join(f"logging WARNING py.warnings beware {number}\n" for number in range(4))
    assert run_script(program) == (told, "")
