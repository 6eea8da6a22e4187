"""A power cut in the middle of a checkpoint: every hub opens, with all that was acknowledged."""

import pytest

from durablenb.store.blocks import metadata_blocks, torn_blocks
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.lockfile import durable_log_path
from durablenb.store.repair import repair
from durablenb.store.salvage import DamagedHubError, SalvageWarning
from tests.faults.power import WORKLOADS, Random, campaign, chains, contents_of, record
from tests.store.files import assert_kept, contents, flip, wal_of

CUTS = len(WORKLOADS) * 4


def test_wherever_a_block_is_torn_nothing_acknowledged_is_lost():
    figures = campaign(CUTS, seed=1)
    assert (figures.refused, figures.lost) == ([], [])
    assert figures.cuts == CUTS
    assert figures.mended > CUTS / 4


@pytest.fixture
def checkpoint(hub):
    """A checkpoint, and its database in the place of a hub, with metadata that is torn."""
    random = Random(3)
    checkpoint = record(chains, random, 1)[0]
    (block,) = set(checkpoint.metadata) & set(checkpoint.changed)
    while True:
        hub.write_bytes(checkpoint.cut(block, random))
        wal_of(hub).write_bytes(checkpoint.wal)
        durable_log_path(hub).write_bytes(checkpoint.log)
        if torn_blocks(hub):
            return checkpoint


@pytest.fixture
def hub(tmp_path):
    return tmp_path / "hub.duckdb"


def test_a_torn_block_is_told_and_the_files_as_they_were_are_kept(hub, checkpoint):
    before = contents(hub.parent)
    with pytest.warns(
        SalvageWarning, match="in block 0, as by a power cut in the middle of a checkpoint"
    ) as w:
        DuckStore(hub).close()
    assert [copy.read_bytes() for copy in w[-1].message.copies] == [
        before["hub.duckdb"],
        before["hub.duckdb.wal"],
        before["hub.duckdb.log"],
    ]
    assert_kept(before, hub.parent)
    DuckStore(hub).close()  # without a word


def test_repair_salvages_a_torn_block_with_its_log(hub, checkpoint):
    before = contents(hub.parent)
    report = repair(hub)
    assert report.verdict == "salvaged"
    assert "every value can be read" in report.done[0]
    assert len(report.kept) == 3
    assert_kept(before, hub.parent)
    store = DuckStore(hub)
    with store.connection() as connection:
        assert contents_of(connection) == checkpoint.contents
    store.close()


def test_repair_salvages_a_torn_block_without_duckdbs_log(hub, checkpoint):
    wal_of(hub).unlink()
    report = repair(hub)
    assert report.verdict == "salvaged"
    assert report.rows["journal"] > 0
    assert repair(hub).verdict == "ok"


def test_torn_block_is_left_as_it_is_if_not_every_value_can_be_read_then(hub, checkpoint):
    (data,) = {1, 2} & set(range(3)) - set(metadata_blocks(hub)) - set(checkpoint.changed)
    flip(hub, 12_288 + data * 262_144 + 5_000)
    before = contents(hub.parent)
    for _ in range(2):
        with pytest.raises(DamagedHubError, match=r"can't be read in full.*Copies are kept.*repair"):
            DuckStore(hub)
    assert contents(hub.parent).items() >= before.items()
    assert len(contents(hub.parent)) == 6
    assert_kept(before, hub.parent)
