"""A hub that is open already: in another process, in this one, before a fork, under another name."""

import os

import duckdb
import pytest

from durablenb.model.errors import HubLockedError
from durablenb.store.duckdb_store import DuckStore
from tests.store.files import run, write_commits

OPEN = """
import sys
from pathlib import Path
from durablenb.model.errors import HubLockedError
from durablenb.store.duckdb_store import DuckStore
for path in sys.argv[1:]:
    try:
        DuckStore(Path(path)).close()
    except HubLockedError as error:
        print(error, "---", sep="\\n")
"""

FORK = """
import os, sys
from pathlib import Path
from durablenb.model.errors import StoreError
from durablenb.store.duckdb_store import DuckStore
store = DuckStore(Path(sys.argv[1]))
store.last_seq()
if os.fork() == 0:
    for use in (store.last_seq, lambda: store.append([]), lambda: store.purge(["a"]), store.cursor):
        try:
            use()
        except StoreError as error:
            print(error, flush=True)
    store.close()
    os._exit(0)
os.wait()
print(store.last_seq())
store.close()
"""


def test_second_process_is_refused_and_told_who_holds_the_file(hub, tmp_path):
    """Also if that is another program, which has no lock of durablenb's."""
    held, foreign = hub, tmp_path / "foreign.duckdb"
    write_commits(foreign)
    store = DuckStore(held)
    with duckdb.connect(str(foreign)):
        of_a_hub, of_a_program = run(OPEN, held, foreign).removesuffix("\n---").split("\n---\n")
    assert f"is held by process {os.getpid()}" in of_a_hub
    assert "(PID " in of_a_program
    store.close()


def test_second_hub_in_the_same_process_is_refused_also_through_a_link(hub, tmp_path):
    link = tmp_path / "link.duckdb"
    link.symlink_to(hub)
    store = DuckStore(hub)
    for name in (hub, link):
        with pytest.raises(HubLockedError, match="already open in this process"):
            DuckStore(name)
    store.close()
    DuckStore(link).close()
    assert not link.with_name("link.duckdb.lock").exists()


def test_connection_of_the_same_process_that_goes_past_the_hub_is_named(hub):
    write_commits(hub)
    with duckdb.connect(str(hub)), pytest.raises(HubLockedError, match="this very process"):
        DuckStore(hub)


def test_forked_child_is_refused_every_use_and_leaves_the_parent_alone(hub):
    *refusals, answer = run(FORK, hub).splitlines()
    assert len(refusals) == 4
    assert all("forked from it: whatever it wrote would be lost" in line for line in refusals)
    assert answer == "0"
