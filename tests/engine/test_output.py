"""Prints of activities go to the log of their instance, wherever they run, and nowhere else."""

import asyncio
import concurrent.futures
import contextlib
import io
import os
import sys
import threading

import pytest

import durablenb as df
from tests.engine.fanned import Here, add_fan, fan, log_of, messages, run_all, run_script, spawned

# The streams are given back when the last hub is closed.
pytestmark = pytest.mark.usefixtures("alone", "by_value")


# -- wherever they run --------------------------------------------------------------------------------


def speak(word):
    print("out", word)
    print("err", word, file=sys.stderr)


async def speak_slowly(word):
    print("out", word)
    await asyncio.sleep(0)
    print("err", word, file=sys.stderr)


def test_what_is_printed_goes_to_the_log_and_not_to_the_screen_wherever_it_runs(capfd):
    with (
        concurrent.futures.ThreadPoolExecutor(2) as pool,
        spawned(1) as processes,
        df.TaskHub(":memory:") as hub,
    ):
        executors = ["threads", "inline", "asyncio", "processes", pool, processes, Here(), 1]
        for number, executor in enumerate(executors):
            function = speak_slowly if executor == "asyncio" else speak
            hub.add_activity(function, f"work{number}", executor=executor)

        @hub.orchestrator
        def everywhere(context):
            names = [f"work{number}" for number in range(len(executors))]
            yield context.task_all([context.call_activity(name, word) for name in names for word in "ab"])

        handle = hub.start(everywhere)
        handle.result()
        for task_id in range(2 * len(executors)):
            number, word = task_id // 2, "ab"[task_id % 2]
            assert [
                (line.stream, line.message, line.name, line.attempt, line.level, line.logger)
                for line in handle.logs(task_id=task_id)
            ] == [
                ("stdout", f"out {word}", f"work{number}", 1, None, None),
                ("stderr", f"err {word}", f"work{number}", 1, None, None),
            ], executors[number]
    assert capfd.readouterr() == ("", "")


def test_in_mode_kernel_it_appears_where_it_always_did_too(capsys):
    lines = log_of(speak, ["a"], mode="kernel")
    assert messages(lines) == ["out a", "err a"]
    assert capsys.readouterr() == ("out a\n", "err a\n")


def test_a_line_knows_its_instance_its_task_its_attempt_and_its_time():
    clock = df.VirtualClock()
    with df.TaskHub(":memory:", mode="kernel", clock=clock) as hub:

        @hub.activity
        def flaky(n):
            print("trying")
            raise ValueError("no")

        @hub.orchestrator
        def stubborn(context):
            yield context.call_activity_with_retry(flaky, df.RetryOptions(60_000, 2))

        handle = hub.start(stubborn, instance_id="s")
        handle.wait()
        first, second = handle.logs()
        times = [event.timestamp for event in handle.history() if type(event).__name__ == "TaskFailed"]
    assert (first.instance_id, first.name, first.message) == ("s", "flaky", "trying")
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.task_id != second.task_id
    assert [first.timestamp, second.timestamp] == times
    assert first.timestamp.tzinfo is not None


def test_an_activity_that_fails_says_what_it_printed_and_no_traceback():
    def fails(word):
        print("before")
        raise ValueError(word)

    assert messages(log_of(fails)) == ["before"]


def test_what_a_process_printed_before_it_died_is_kept():
    def dies(word):
        print("last words")
        os._exit(7)

    assert messages(log_of(dies, executor="processes")) == ["last words"]


def test_threads_that_carry_the_context_print_into_the_log_of_their_call():
    async def splits(word):
        await asyncio.gather(*(asyncio.to_thread(print, "from", n) for n in range(20)))

    assert sorted(messages(log_of(splits))) == sorted(f"from {n}" for n in range(20))


def test_lines_of_many_threads_are_never_mixed():
    begin = threading.Barrier(8)

    def chatter(word):
        begin.wait(20)
        for n in range(200):
            print(word, n, word, n, sep="-")

    lines = log_of(chatter, "abcdefgh")
    for task_id, word in enumerate("abcdefgh"):
        own = [line.message for line in lines if line.task_id == task_id]
        assert own == [f"{word}-{n}-{word}-{n}" for n in range(200)]


def test_lines_of_threads_within_one_call_are_never_mixed():
    async def chatter(word):
        def say(name):
            begin.wait(20)
            for n in range(100):
                sys.stdout.write(f"{name}-")
                sys.stdout.write(f"{n}\n")

        begin = threading.Barrier(4)
        await asyncio.gather(*(asyncio.to_thread(say, name) for name in range(4)))

    assert sorted(messages(log_of(chatter))) == sorted(f"{name}-{n}" for name in range(4) for n in range(100))


# -- lines --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (["a", "b\n"], ["ab"]),
        (["a\nb\n"], ["a", "b"]),
        (["a\n", "\n", "b\n"], ["a", "", "b"]),
        (["no end"], ["no end"]),
        (["\r 10%", "\r 50%", "\r100%", "\n", "done\n"], ["100%", "done"]),
        (["\r 10%", "\r 50%"], [" 50%"]),
        (["\r 10%", "\r     \r"], []),
        (["abc\r\ndef\r", "\nghi\r\n"], ["abc", "def", "ghi"]),
        (["雪😀", " ü\n"], ["雪😀 ü"]),
        (["half \ud83d\n"], ["half \\ud83d"]),
        (["nul \0\n"], ["nul \0"]),
        (["form\ffeed\x1cline\u2028sep\n"], ["form\ffeed\x1cline\u2028sep"]),
    ],
    ids=repr,
)
def test_lines_end_at_line_breaks_and_of_a_progress_bar_the_last_state_is_kept(written, lines):
    def writes(word):
        for text in written:
            sys.stdout.write(text)

    assert messages(log_of(writes)) == lines


def test_bytes_that_are_written_to_the_buffer_are_text_too():
    def writes(word):
        data = "größe 雪\n".encode()
        sys.stdout.buffer.write(data[:4])  # in the middle of a character
        sys.stdout.buffer.write(data[4:])
        sys.stdout.buffer.write(memoryview(b"bad \xff\n"))
        sys.stdout.buffer.flush()
        sys.stdout.flush()

    assert messages(log_of(writes)) == ["größe 雪", "bad �"]


def test_writing_answers_and_complains_as_the_stream_does():
    def writes(word):
        assert sys.stdout.write("four") == 4
        assert sys.stdout.buffer.write(b"bytes") == 5
        sys.stdout.writelines(["a\n", "b\n"])
        with pytest.raises(TypeError, match=r"write\(\) argument must be str, not int"):
            sys.stdout.write(4)
        with pytest.raises(TypeError):
            sys.stdout.buffer.write("text")
        return "well"

    assert messages(log_of(writes)) == ["fourbytesa", "b"]


def test_a_call_that_prints_without_end_is_cut_and_says_how_much():
    def storms(word):
        for n in range(25_000):
            print(n)

    lines = log_of(storms)
    assert len(lines) == 10_001
    assert messages(lines[:10_000]) == [str(n) for n in range(10_000)]
    assert (lines[-1].level, lines[-1].logger) == ("WARNING", "durablenb")
    assert lines[-1].message.startswith("15,000 lines more were not kept")


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_long_lines_are_cut_and_long_logs_too(executor):
    def shouts(word):
        print("x" * 25_000)
        sys.stdout.write("y" * 6_000)
        print("y" * 6_000)
        for _ in range(200):
            print("z" * 10_000)

    lines = messages(log_of(shouts, executor=executor))
    assert lines[0] == "x" * 10_000 + "… 15,000 characters more"
    assert lines[1] == "y" * 10_000 + "… 2,000 characters more"
    assert set(lines[2:-1]) == {"z" * 10_000}
    assert 1_000_000 <= sum(map(len, lines[:-1])) <= 1_011_000
    assert lines[-1].startswith(f"{202 - len(lines[:-1])} lines more were not kept")


def test_a_line_without_end_takes_bounded_memory():
    def drones(word):
        for _ in range(3_000):
            sys.stdout.write("x" * 1_000)

    assert messages(log_of(drones)) == ["x" * 10_000 + "… 2,990,000 characters more"]


# -- what is untouched --------------------------------------------------------------------------------


def test_what_is_printed_elsewhere_goes_where_it_always_went(capsys):
    with df.TaskHub(":memory:") as hub:
        print("in a cell")
        run_all(hub, lambda word: print("in an activity"), ["a"])
        thread = threading.Thread(target=print, args=("in a thread",))
        thread.start()
        thread.join()
        print("in a cell again", file=sys.stderr)
    assert capsys.readouterr() == ("in a cell\nin a thread\n", "in a cell again\n")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_the_streams_stay_the_objects_that_they_are(stream, capsys):
    before = getattr(sys, stream)
    shape, kind = {**vars(before)}, type(before)
    with df.TaskHub(":memory:"), df.TaskHub(":memory:"):
        now = getattr(sys, stream)
        assert now is before
        assert isinstance(now, io.TextIOWrapper)
        assert (now.encoding.lower(), now.isatty(), now.closed) == ("utf-8", False, False)
    assert vars(before) == shape
    assert type(before) is kind


def test_one_hub_of_several_may_be_closed():
    with df.TaskHub(":memory:") as other:
        add_fan(other, speak)
        with df.TaskHub(":memory:"):
            pass
        handle = other.start(fan, ["a"])
        handle.result()
        assert messages(handle.logs()) == ["out a", "err a"]


def test_a_stream_that_somebody_put_in_place_is_heard_and_given_back_alone():
    screen = io.StringIO()
    with df.TaskHub(":memory:") as hub:
        add_fan(hub, speak)
        with contextlib.redirect_stdout(screen):
            print("mine")
            handle = hub.start(fan, ["a"])
            handle.result()
        assert messages(handle.logs(), "stdout") == ["out a"]
    assert screen.getvalue() == "mine\n"
    assert "write" not in vars(screen)


def test_what_stands_in_place_when_the_hub_is_closed_stays(monkeypatch):
    screen = io.StringIO()
    before, shape = sys.stdout, dict(vars(sys.stdout))
    hub = df.TaskHub(":memory:")
    monkeypatch.setattr(sys, "stdout", screen)
    hub.close()
    assert sys.stdout is screen
    assert vars(before) == shape


def test_a_method_that_somebody_replaced_meanwhile_stays(capsys):
    hub = df.TaskHub(":memory:")
    written = []
    tap = sys.stdout.write
    sys.stdout.write = lambda text: (written.append(text), tap(text))[1]
    hub.close()
    print("still here")
    del sys.stdout.write
    assert written == ["still here", "\n"]
    assert capsys.readouterr().out == "still here\n"


def test_what_somebody_put_on_a_stream_of_pythons_own_meanwhile_stays(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stdout", screen)
    with df.TaskHub(":memory:"):
        screen.write = mine = lambda text: len(text)
    assert screen.write is mine


def test_an_activity_may_redirect_what_it_prints_itself():
    def redirects(word):
        with contextlib.redirect_stdout(io.StringIO()) as kept:
            print("kept")
        print("got", kept.getvalue().strip())

    assert messages(log_of(redirects, executor=1)) == ["got kept"]


def test_without_streams_nothing_breaks(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", object())
    assert log_of(lambda word: print("nowhere")) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_prints_as_if_there_were_no_hub():
    program = """
import os, sys, warnings
warnings.simplefilter("ignore")  # Python's own, that a process with threads forks
import durablenb as df

hub = df.TaskHub(":memory:")

@hub.activity
def forks():
    child = os.fork()
    if child == 0:
        print("from the child", flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print("from the parent")

@hub.orchestrator
def main(context):
    yield context.call_activity(forks)

handle = hub.start(main)
handle.result()
print([line.message for line in handle.logs()], "write" in vars(sys.stdout))
"""
    assert run_script(program) == ("from the child\n['from the parent'] True\n", "")


def test_at_the_end_of_the_process_what_still_runs_prints_as_if_there_were_no_hub():
    program = """
import atexit, sys, threading

ended = threading.Event()
said = threading.Event()
atexit.register(lambda: (ended.set(), said.wait(20)))  # called after the hub's own

import durablenb as df

hub = df.TaskHub(":memory:")
began = threading.Event()

@hub.activity
def lasts():
    began.set()
    ended.wait(20)
    print("after the end", flush=True)
    said.set()

@hub.orchestrator
def main(context):
    yield context.call_activity(lasts)

hub.start(main)
began.wait(20)
"""
    assert run_script(program) == ("after the end\n", "")
