"""Invalid imports are refused as a whole, with an error that says what is wrong."""

import json
import os
from copy import deepcopy

import duckdb
import pytest

import durablenb as df
from durablenb.store import parquet
from tests.journal.azure_statuses import CHAIN, answer, at, began, changed, did, ended
from tests.journal.orders import fill, register


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return the text of an export."""
    path = tmp_path_factory.mktemp("exported") / "shop.json"
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        register(hub)
        fill(hub)
        hub.export(None, path)
    return path.read_text()


@pytest.fixture
def document(exported):
    """Return an export as JSON values."""
    return json.loads(exported)


@pytest.fixture(scope="module")
def empty():
    """A hub that refuses all that it is given here, and stays empty."""
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        yield hub


@pytest.fixture
def refuse(empty):
    """Import something invalid, and return the error; the hub stays empty."""
    tables = ("journal", "log_lines", "blobs", "sources", "imported")
    counts = ", ".join(f"(select count(*) from {table}) as {table}" for table in tables)

    def refuse(source, kind=ValueError):
        with pytest.raises(kind) as refused:
            empty.import_history(source)
        found = empty.sql(f"select {counts}")
        assert dict(zip(found.columns, *found.fetchall(), strict=True)) == dict.fromkeys(tables, 0)
        return str(refused.value)

    return refuse


# -- files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no hub, no Parquet file, no page, and no JSON"),
        (b"\xff\xfe\x00", "is no hub, no Parquet file, no page, and no JSON"),
        (b"{", "is no hub, no Parquet file, no page, and no JSON"),
        (b"[" * 100_000, "is no hub, no Parquet file, no page, and no JSON"),
        (b"<!DOCTYPE html><p>", "durablenb hasn't saved it"),
        (b"5", "number 1 is no export of durablenb's, and no answer of Azure's"),
        (b'{"a": 1}', "number 1 is no export of durablenb's, and no answer of Azure's"),
        (b"[[]]", "number 1 is no export of durablenb's, and no answer of Azure's"),
        (b'{"durablenb": 1}', "durablenb is 1; expected an object"),
        (
            b'{"durablenb": {"format": 2, "version": "9"}}',
            "it has format 2 of exports; this durablenb knows up to 1",
        ),
        (b'{"durablenb": {"format": true, "version": "9"}}', "its format is True"),
        (b"PAR1 and then nothing", "can't be imported"),
        (b"01234567DUCK and then nothing", "is not a DuckDB database|is damaged|can't be"),
    ],
    ids=range(13),
)
def test_a_file_that_is_none_of_these_is_refused(refuse, tmp_path, content, said):
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    kind = df.StoreError if b"DUCK" in content else ValueError
    text = refuse(path, kind)
    assert str(path) in text
    assert any(one in text for one in said.split("|"))


def test_a_parquet_file_and_a_database_of_somebody_else_s_are_refused(refuse, tmp_path):
    table, database = tmp_path / "theirs.parquet", tmp_path / "theirs.duckdb"
    duckdb.sql("select 1 as a").write_parquet(str(table))
    duckdb.connect(str(database)).close()
    assert "it is a Parquet file, but no export" in refuse(table)
    assert "storage format" in (text := refuse(database, df.StoreError)) or "not a hub" in text


def test_a_file_that_isn_t_there_is_an_error_of_the_file_system(refuse, tmp_path):
    assert "nowhere.json" in refuse(tmp_path / "nowhere.json", FileNotFoundError)


def test_what_is_no_source_is_a_type_error(refuse):
    for source in (None, 5, df.EntityId("Counter", "a"), b"{}"):
        assert "Expected a path, a URL, a dict or a list of dicts" in refuse(source, TypeError)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="There are no such files")
def test_a_pipe_a_device_and_a_folder_are_no_files_and_are_not_waited_for(refuse, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path / "pipe", "/dev/zero", tmp_path):
        assert f"{source} can't be imported: it is no file" in refuse(source)


# -- exports ----------------------------------------------------------------------------------------


def first(document, kind):
    return next(row for row in document["events"] if row["event_type"] == kind)


def _a_list(document):
    document["events"] = {}


def _a_text(document):
    document["events"][0] = "ExecutionStarted"


def _an_unknown_part(document):
    document["extras"] = []


def _an_unknown_column(document):
    document["events"][0]["extra"] = 1


def _an_unknown_event(document):
    document["events"][1]["event_type"] = "OrchestratorVanished"


def _a_time_that_is_none(document):
    document["events"][0]["timestamp"] = float("nan")


def _a_payload_that_is_no_json(document):
    first(document, "TaskScheduled")["payload"] = "{"


def _a_payload_that_is_not_a_number(document):
    first(document, "TaskScheduled")["payload"] = "[NaN]"


def _a_payload_that_is_deep(document):
    first(document, "TaskScheduled")["payload"] = "[" * 100_000 + "]" * 100_000


def _no_payload(document):
    del first(document, "TaskScheduled")["payload"]


def _a_large_number(document):
    first(document, "TaskScheduled")["task_id"] = 2**31


def _a_large_number_inside(document):
    first(document, "SubOrchestrationInstanceCreated")["attributes"] = '{"instance_id": "c", "attempt": 1e30}'


def _a_generation_that_is_text(document):
    first(document, "ExecutionStarted")["attributes"] = '{"generation": "second"}'


def _an_odd_origin(document):
    first(document, "ExecutionStarted")["attributes"] = '{"forked_from": [{"instance_id": "x"}]}'


def _a_limit_of_no_time(document):
    first(document, "TaskScheduled")["attributes"] = '{"timeout": 0}'


def _a_limit_that_is_text(document):
    first(document, "TaskScheduled")["attributes"] = '{"timeout": "soon"}'


def _an_endless_limit(document):
    first(document, "TaskScheduled")["attributes"] = '{"timeout": 1e999}'


def _an_infinite_limit(document):
    first(document, "TaskScheduled")["attributes"] = '{"timeout": Infinity}'


def _a_huge_priority(document):
    first(document, "TaskScheduled")["attributes"] = f'{{"priority": {2**63}}}'


def _attributes_that_are_no_object(document):
    first(document, "ExecutionStarted")["attributes"] = "[1]"


def _an_event_twice(document):
    document["events"].insert(2, deepcopy(document["events"][1]))


def _no_beginning(document):
    del document["events"][0]


def _a_late_beginning(document):
    first(document, "ExecutionStarted")["attributes"] = '{"generation": 3}'


def _an_id_that_is_a_path(document):
    for row in document["events"]:
        row["instance_id"] = row["instance_id"].replace("open", "../open")


def _half_a_surrogate(document):
    first(document, "ExecutionStarted")["name"] = "\ud800"


def _an_entity_that_is_an_instance(document):
    for row in document["events"]:
        row["instance_id"] = row["instance_id"].replace("open", "@counter@open")


def _an_execution_of_two(document):
    rows = [row for row in document["events"] if row["instance_id"] == "again"]
    rows[0]["execution_id"] = first(document, "ExecutionStarted")["execution_id"]


def _a_missing_blob(document):
    document["blobs"] = []


def _a_blob_of_another_hash(document):
    document["blobs"][0]["content"] = "AAAA"


def _a_blob_that_is_no_base64(document):
    document["blobs"][0]["content"] = "!"


def _a_source_of_another_hash(document):
    document["sources"][0]["text"] += "# and more"


def _a_line_of_nobody(document):
    document["lines"][0]["instance_id"] = "nobody"


def _a_line_without_a_text(document):
    del document["lines"][0]["message"]


def _output(document, *, instance_id=None, **part):
    event = document["events"][0]
    document["outputs"] = [
        {
            **{name: event[name] for name in ("instance_id", "execution_id", "timestamp")},
            **({} if instance_id is None else {"instance_id": instance_id}),
            **{"name": "work", "attempt": 1, "output_id": "1"},
            "parts": [{"mime_type": "text/html", "size": 1, **part}],
        }
    ]


def _an_output_of_nobody(document):
    _output(document, instance_id="nobody", text="x")


def _an_output_whose_blob_is_missing(document):
    _output(document, hash="0" * 64)


def _an_output_with_nothing_in_it(document):
    _output(document)


def _an_output_with_odd_metadata(document):
    _output(document, text="x", metadata="{")


def _an_output_without_parts(document):
    _output(document)
    document["outputs"][0]["parts"] = []


def _its_own_parent(document):
    begun = [row for row in document["events"] if row["event_type"] == "ExecutionStarted"]
    for row, other in zip(begun, [*begun[1:], begun[0]], strict=True):
        link = {
            "instance_id": other["instance_id"],
            "execution_id": other["execution_id"],
            "task_id": 0,
            "name": "x",
        }
        row["attributes"] = json.dumps({"parent": link})


BROKEN = {
    _a_list: "events is a dict; expected a list",
    _a_text: "events, number 1 is 'ExecutionStarted'; expected an object",
    _an_unknown_part: "there is nothing called 'extras' in an export",
    _an_unknown_column: "events, number 1: there is no column 'extra'",
    _an_unknown_event: "there is no event 'OrchestratorVanished'; a newer durablenb may have written it",
    _a_time_that_is_none: "timestamp is nan; expected a time",
    _a_payload_that_is_no_json: "TaskScheduled can't be read",
    _a_payload_that_is_not_a_number: "NaN is no number of JSON's",
    _a_payload_that_is_deep: "it is nested too deeply",
    _no_payload: "TaskScheduled can't be read",
    _a_large_number: "task_id is 2147483648; expected a number from 0 to 2147483647",
    _a_large_number_inside: "attempt is 1e+30",
    _a_generation_that_is_text: "generation is 'second'",
    _an_odd_origin: "ExecutionStarted can't be read",
    _attributes_that_are_no_object: "ExecutionStarted can't be read",
    _a_limit_of_no_time: "timeout is 0, not a number of seconds above 0",
    _a_limit_that_is_text: "timeout is 'soon'",
    _an_endless_limit: "TaskScheduled can't be read: timeout is inf",
    _a_huge_priority: "priority is 9223372036854775808; expected a number from -9223372036854775807",
    _an_event_twice: "is there twice, or comes after a later one",
    _no_beginning: "has no beginning",
    _a_late_beginning: "begins with execution 3, not with 0",
    _an_id_that_is_a_path: "has '/' in it",
    _half_a_surrogate: "name has half a surrogate pair in it",
    _an_entity_that_is_an_instance: "'@counter@open' can't have an event ExecutionStarted",
    _an_execution_of_two: "have an execution in common",
    _a_missing_blob: "which isn't there",
    _a_blob_of_another_hash: "has another hash",
    _a_blob_that_is_no_base64: "content isn't in base64",
    _a_source_of_another_hash: "has another hash",
    _a_line_of_nobody: "a line of the log is of 'nobody', which isn't there",
    _an_infinite_limit: "timeout is inf",
    _a_line_without_a_text: "lines, number 1: message is None, not text",
    _an_output_of_nobody: "an output is of 'nobody', which isn't there",
    _an_output_whose_blob_is_missing: "refers to the blob 000000000000, which isn't there",
    _an_output_with_nothing_in_it: "outputs, number 1: a part has either a text or a hash",
    _an_output_with_odd_metadata: "outputs, number 1: ",
    _an_output_without_parts: "parts is list, not a list with something in it",
    _its_own_parent: "is its own ancestor",
}


@pytest.mark.parametrize("spoil", BROKEN, ids=lambda spoil: spoil.__name__.strip("_").replace("_", " "))
def test_an_export_with_a_mistake_in_it_is_refused_whole(refuse, document, spoil):
    spoil(document)
    text = refuse(document)
    assert BROKEN[spoil] in text
    assert text.endswith("Nothing was imported.")


def test_a_row_of_parquet_with_a_mistake_in_it_is_refused(refuse, shop, tmp_path):
    fill(shop)
    whole, spoilt = tmp_path / "whole.parquet", tmp_path / "spoilt.parquet"
    shop.export(None, whole)
    header = json.dumps({"format": 1, "version": "0"})
    for change, said in {
        "replace (if(event_id = 2, 'X', event_type) as event_type)": "there is no event 'X'",
        "replace ('what' as part)": "there is no part 'what'",
        "exclude (content)": "content",
    }.items():
        kept = f"(format parquet, kv_metadata {{durablenb: '{header}'}})"
        duckdb.sql(f"copy (select * {change} from '{whole}') to '{spoilt}' {kept}")
        assert said in refuse(spoilt)


def bomb(path, rows, characters):
    """A small Parquet file with large values."""
    value = f"repeat('x', {characters})"
    whole = dict.fromkeys(parquet._NAMES, "null::varchar") | {"part": "'event'", "payload": value}
    columns = ", ".join(f"{value} as {name}" for name, value in whole.items())
    header = json.dumps({"format": 1, "version": "0"})
    kept = f"(format parquet, compression zstd, kv_metadata {{durablenb: '{header}'}})"
    duckdb.sql(f"copy (select {columns} from range({rows})) to '{path}' {kept}")
    assert path.stat().st_size < 20_000
    return path


def test_a_small_file_that_unpacks_to_too_much_is_refused(refuse, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "LIMIT", 10_000_000)
    text = refuse(bomb(tmp_path / "bomb.parquet", 1_000, 100_000))
    assert "it has 100,205,000 bytes once it is unpacked, and up to 10,000,000 are imported" in text


def test_a_small_file_with_one_value_that_is_too_much_is_refused(refuse, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "MEMORY", "4MB")
    text = refuse(bomb(tmp_path / "bomb.parquet", 1, 20_000_000))
    assert "Out of Memory" in text
    assert not list(tmp_path.glob(".tmp*"))


# -- Azure's answers --------------------------------------------------------------------------------


def told(**fields):
    return changed(CHAIN, **fields)


def spoilt(number, **fields):
    copied = deepcopy(CHAIN)
    copied["historyEvents"][number].update(fields)
    return copied


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (told(instanceId="a/b"), "has '/' in it"),
        (told(instanceId="@counter@a"), "must not start with @"),
        (told(name=None), "name is missing"),
        (told(runtimeStatus="Vanished"), "runtimeStatus is 'Vanished'; expected one of Pending"),
        (told(historyEvents="all"), "historyEvents is 'all'; expected a list"),
        (told(historyEvents=[]), "Ask with showHistory=true"),
        (told(historyEvents=None), "Ask with showHistory=true"),
        (told(historyEvents=[5]), "event 1 is 5; expected an object"),
        (told(historyEvents=CHAIN["historyEvents"][1:]), "it has no ExecutionStarted"),
        (spoilt(1, EventType=99), "event 2: EventType is 99"),
        (spoilt(1, Timestamp=float("nan")), "event 2, TaskCompleted: Timestamp is nan; expected a time"),
        (spoilt(1, Timestamp="soon"), "event 2, TaskCompleted: Timestamp is 'soon'"),
        (spoilt(1, ScheduledTime="9999-99-99"), "event 2, TaskCompleted: ScheduledTime is '9999-99-99'"),
        (spoilt(1, FunctionName=["f"]), "event 2, TaskCompleted: FunctionName is a list; expected text"),
        (spoilt(1, FunctionName="\ud800"), "half a surrogate pair"),
        (spoilt(1, EventType="TimerCreated"), "FireAt is None; expected a time"),
        (spoilt(1, EventType="EventRaised"), "Name is missing"),
        ([CHAIN, told(output=1)], "'azure-1' is there twice, with different histories"),
        ([CHAIN, told(instanceId="b", name=1)], "name is 1; expected text"),
    ],
    ids=range(19),
)
def test_an_answer_that_can_t_be_so_is_refused_whole(refuse, source, said):
    text = refuse(source)
    assert said in text
    assert text.endswith("Nothing was imported.")


def test_answers_without_their_results_are_refused_since_no_replay_could_use_them(refuse):
    bare = deepcopy(CHAIN)
    for entry in bare["historyEvents"]:
        entry.pop("Result", None)
    assert "Ask with showHistoryOutput=true, too" in refuse(bare)


def test_a_value_of_many_megabytes_is_a_value(other):
    big = "x" * 20_000_000
    (handle,) = other.import_history(answer([began(), did("read", 7, big, 1, 2), ended(1, 3)], 1))
    assert other.sql("select length(result::varchar) from activities").fetchall() == [(len(big) + 2,)]
    assert handle.status().output == 1


def test_what_looks_like_a_tag_of_the_journal_s_is_plain_json(other):
    tagged = {"@type": "bytes", "@value": "AAAA"}
    reference = {"@payload": "0" * 64}
    history = [began(), did("read", 7, tagged, 1, 2), ended(reference, 3)]
    (handle,) = other.import_history(answer(history, reference))
    assert handle.status().output == reference
    assert other.sql("select count(*) from blob_uses").fetchall() == [(0,)]


def test_names_of_events_from_nowhere_are_no_code(other):
    odd = {"EventType": "__import__('os').abort()", "Timestamp": at(2)}
    (handle,) = other.import_history(answer([began(), odd, ended(1, 3)], 1))
    (line,) = handle.logs()
    assert "abort" in line.message
