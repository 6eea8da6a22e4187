"""The rows of the campaign, in the order of its table."""

from __future__ import annotations

from tests.campaign import kills, logs, mutants, soak
from tests.campaign.others import program, repeated, simulated
from tests.campaign.row import Row

ROWS = {
    "kills": Row("SIGKILL of a working hub, five times on each file", 300, kills.orchestrations),
    "entity-kills": Row("SIGKILL of working entities, five times on each file", 200, kills.entities),
    "repair-kills": Row("SIGKILL of `durablenb repair`", 100, kills.repairs),
    "log-cuts": Row("power cut between commits: the log ends anywhere", 1_000, logs.power_cuts),
    "log-power": Row("power cuts at every write to the durable log", 100, logs.power_moments),
    "checkpoint-cuts": Row(
        "power cut in a checkpoint: a block is torn",
        3_000,
        program("-m", "tests.faults.power", "--cuts", "{count}", "--seed", "{seed}"),
    ),
    "disks": Row(
        "tests with a disk that is full or fails, repeated",
        20,
        repeated("tests/faults/test_disk_full.py", "tests/store/test_disk_full.py"),
    ),
    "simulator": Row("seeds of the simulator: all faults, one thread", 20_000, simulated),
    "schedules": Row(
        "schedules of each scenario with real threads, by a controlled scheduler",
        2_000,
        program("-m", "tests.schedules", "--seeds", "{count}", "--start", "{seed}"),
    ),
    "interrupts": Row(
        "tests with an interrupt at any moment, repeated",
        20,
        repeated("tests/kernels/test_interrupts.py", "tests/faults/test_interrupts.py"),
    ),
    "properties": Row(
        "tests with generated programs and requests, repeated",
        40,
        repeated(
            "tests/properties",
            "tests/caching/test_key_properties.py",
            "tests/server/test_values.py",
            "tests/store/test_agreement.py",
            "tests/store/test_row_codec.py",
            "tests/store/test_views.py",
            "tests/journal/test_azure_history.py",
            "tests/journal/test_round_trips.py",
            "tests/values/test_pandas.py",
            "tests/values/test_arrays_and_tables.py",
            "tests/values/test_blob_cache.py",
            "tests/analysis/test_snapshot_builder.py",
        ),
    ),
    "mutants": Row(
        "planted faults that the nearest tests must notice", len(mutants.PLANTED), mutants.mutants
    ),
    "soak": Row("instances in one process that works for ten minutes", 600, soak.soaked),
    "bombs": Row(
        "tests with queries, files and answers that are bombs, repeated",
        5,
        repeated(
            "tests/remote/test_sandbox.py",
            "tests/remote/test_sql.py",
            "tests/journal/test_hostile.py",
            "tests/values/test_hostile.py",
        ),
    ),
}
