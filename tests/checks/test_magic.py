"""The arguments of `%durable check`."""

from datetime import datetime

import pytest
from IPython.core.error import UsageError

import durablenb as df
from durablenb.notebook.magics.show import findings


def late(context):
    return datetime.now()


def test_it_takes_a_registered_name_or_a_variable():
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_orchestrator(late, name="evening")
        assert findings(hub, "evening", {}).codes == ["DNB101"]
        assert findings(hub, "mine", {"mine": late}).codes == ["DNB101"]
        with pytest.raises(UsageError, match="Did you mean 'evening'"):
            findings(hub, "evenings", {})
        with pytest.raises(UsageError, match="Expected an orchestrator's function, not 5"):
            findings(hub, "five", {"five": 5})


def test_a_file_that_is_only_read_has_no_functions(tmp_path):
    with df.TaskHub(tmp_path / "flows.duckdb"):
        pass
    with (
        df.open_history(tmp_path / "flows.duckdb") as file,
        pytest.raises(UsageError, match="has no functions"),
    ):
        findings(file, "evening", {})
