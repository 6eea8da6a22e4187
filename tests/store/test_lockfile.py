"""The lock beside a hub's file, with real processes as rivals."""

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import duckdb
import pytest

from durablenb.model.errors import HubLockedError, StoreError
from durablenb.store import lockfile
from durablenb.store.lockfile import HubLock, read_holder

HOLD = """
import sys
from pathlib import Path
from durablenb.store.lockfile import HubLock
lock = HubLock(Path(sys.argv[1]))
print("held", flush=True)
lock.announce(sys.stdin.readline().strip())
print("announced", flush=True)
sys.stdin.read()
"""

TRY = """
import sys
from pathlib import Path
from durablenb.model.errors import HubLockedError
from durablenb.store.lockfile import HubLock
for path in sys.stdin:
    try:
        HubLock(Path(path.strip())).release()
    except HubLockedError as error:
        print("refused:", error, flush=True)
    else:
        print("taken", flush=True)
"""

FORK = """
import os, sys
from pathlib import Path
from durablenb.model.errors import StoreError
from durablenb.store.lockfile import HubLock
lock = HubLock(Path(sys.argv[1]))
if os.fork() == 0:
    try:
        lock.check_owner()
    except StoreError as error:
        print(lock.is_foreign, error, flush=True)
    lock.release()
    if sys.argv[2] == "leave":
        os._exit(0)
    sys.stdin.read()
    os._exit(0)
if sys.argv[2] == "leave":
    os.wait()
    lock.check_owner()
    print(lock.is_foreign, flush=True)
    sys.stdin.read()
else:
    os.wait()
"""


@contextmanager
def process(script, *arguments):
    rival = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield rival
    finally:
        rival.stdin.close()
        rival.stdout.close()
        rival.wait()


def told(rival, line):
    """The process's answer to a line."""
    rival.stdin.write(f"{line}\n")
    rival.stdin.flush()
    return rival.stdout.readline().strip()


@pytest.fixture(scope="module")
def said_by_another_process():
    """The message in another process that tries to take the lock of a hub."""
    with process(TRY) as rival:
        yield lambda hub: told(rival, hub)


def test_second_process_is_told_who_holds_it_and_takes_it_over_when_the_holder_is_killed(hub):
    with process(HOLD, hub) as rival:
        assert rival.stdout.readline() == "held\n"
        started = read_holder(hub.with_name("hub.duckdb.lock")).started
        with pytest.raises(HubLockedError) as refused:
            HubLock(hub)
        message = str(refused.value)
        for part in (str(hub), f"process {rival.pid}", socket.gethostname(), started):
            assert part in message
        assert "close the hub there with hub.close(), or shut that kernel down" in message
        url = "http://127.0.0.1:7071"
        assert told(rival, url) == "announced"
        with pytest.raises(HubLockedError, match=f"which serves it at {url}"):
            HubLock(hub)
        rival.kill()
        rival.wait()
        with HubLock(hub) as lock:
            assert read_holder(lock.lock_path).pid == os.getpid()


def test_lock_file_that_nobody_holds_is_taken_over_whatever_it_says(hub):
    lock_file = hub.with_name("hub.duckdb.lock")
    for left_behind in ("", "no JSON", "[]", '{"pid": 1}', "\0" * 600):
        lock_file.write_text(left_behind)
        assert read_holder(lock_file) is None
        with HubLock(hub):
            assert read_holder(lock_file).pid == os.getpid()


def test_holder_without_a_note_is_refused_all_the_same(hub):
    with HubLock(hub) as lock:
        lock.lock_path.write_bytes(b"")
        with pytest.raises(HubLockedError, match="which left no name"):
            HubLock(hub)


def test_second_hub_of_the_same_process_is_refused_in_other_words(hub):
    with HubLock(hub), pytest.raises(HubLockedError, match="already open in this process"):
        HubLock(hub)


def test_released_lock_is_free_and_names_nobody(hub, said_by_another_process):
    lock = HubLock(hub)
    lock.release()
    lock.release()
    assert lock.lock_path.read_bytes() == b""
    assert said_by_another_process(hub) == "taken"
    HubLock(hub).release()


def test_releasing_twice_leaves_the_next_holder_alone(hub, said_by_another_process):
    first = HubLock(hub)
    first.release()
    with HubLock(hub):
        first.release()
        first.announce("http://late")
        assert read_holder(first.lock_path).url is None
        assert said_by_another_process(hub).startswith("refused")


def test_note_is_json_with_pid_host_start_and_url(hub):
    with HubLock(hub) as lock:
        note = json.loads(lock.lock_path.read_text())
        assert note["pid"] == os.getpid()
        assert note["host"] == socket.gethostname()
        assert note["started"].endswith("+00:00")
        assert note["url"] is None
        lock.announce("http://localhost/" + "x" * 900)
        assert read_holder(lock.lock_path).url.endswith("x")
        lock.announce("http://localhost/")
        assert read_holder(lock.lock_path).url == "http://localhost/"
        lock.announce(None)
        assert read_holder(lock.lock_path).url is None


def test_two_names_of_one_file_meet_the_same_lock(hub, tmp_path, said_by_another_process):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.duckdb"
    link.symlink_to(hub)
    with HubLock(hub), pytest.raises(HubLockedError):
        HubLock(link)
    with HubLock(link) as lock:
        assert lock.lock_path == hub.resolve().with_name("hub.duckdb.lock")
        assert said_by_another_process(hub).startswith("refused")


def test_copying_the_open_database_does_not_lose_the_lock(hub, tmp_path, said_by_another_process):
    with HubLock(hub) as lock, duckdb.connect(str(hub)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS i")
        shutil.copy(hub, tmp_path / "copy.duckdb")
        hub.read_bytes()
        shutil.copy(lock.lock_path, tmp_path / "copy.lock")
        assert said_by_another_process(hub).startswith("refused")


if hasattr(os, "fork"):

    def test_forked_child_is_refused_and_its_release_leaves_the_parents_lock(hub):
        with process(FORK, hub, "leave") as parent:
            answer = parent.stdout.readline()
            assert answer.startswith(f"True {hub} belongs to process {parent.pid}")
            assert "Open a hub in the child instead" in answer
            assert "'spawn'" in answer
            assert parent.stdout.readline() == "False\n"
            with pytest.raises(HubLockedError):
                HubLock(hub)

    def test_forked_child_that_outlives_its_parent_does_not_hold_the_lock(hub):
        with process(FORK, hub, "stay") as parent:
            parent.stdout.readline()
            os.kill(parent.pid, signal.SIGKILL)
            parent.wait()
            HubLock(hub).release()


def test_place_without_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "nowhere" / "hub.duckdb", tmp_path / "file" / "hub.duckdb"):
        with pytest.raises(StoreError, match="not an existing folder"):
            HubLock(path)


def test_folder_is_refused_without_leaving_a_lock_beside_it(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="is a folder"):
        HubLock(tmp_path / "folder")
    assert [child.name for child in tmp_path.iterdir()] == ["folder"]


def test_link_that_leads_to_itself_is_refused(tmp_path):
    loop = tmp_path / "loop.duckdb"
    loop.symlink_to(loop)
    with pytest.raises(StoreError, match="leads to itself"):
        HubLock(loop)


def test_name_that_no_disk_can_hold_is_refused(tmp_path):
    with pytest.raises(StoreError):
        HubLock(tmp_path / ("x" * 300))


def test_question_mark_is_refused_because_duckdb_would_misname_the_log(tmp_path):
    with pytest.raises(StoreError, match="Rename it"):
        HubLock(tmp_path / "what?.duckdb")


def test_folder_that_takes_no_files_is_refused(hub):
    hub.with_name("hub.duckdb.lock").mkdir()
    with pytest.raises(StoreError, match="choose another place"):
        HubLock(hub)


def test_disk_without_locks_is_refused(hub, monkeypatch):
    def take(fd):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lockfile, "_take", take)
    with pytest.raises(StoreError, match=r"No locks available.*Put it on a local disk"):
        HubLock(hub)


def test_full_disk_costs_the_note_but_not_the_lock(hub, monkeypatch, said_by_another_process):
    def write(fd, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lockfile.os, "write", write)
    with HubLock(hub):
        monkeypatch.undo()
        assert said_by_another_process(hub).startswith("refused")
