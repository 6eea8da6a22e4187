"""Queries over a network: answered as at home, where they are let through, and nothing else is."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

import durablenb as df
from durablenb.analysis.sandbox import fence
from durablenb.journal.replica import pages
from durablenb.model.address import MANAGEMENT
from tests.remote.conftest import PATIENCE, Served
from tests.waiting import until

FINE = [
    "select count(*) from instances",
    "from instances select name, status, output order by instance_id",
    "select * from history order by seq limit 5",
    "from timeline('{id}')",
    "from tree('{id}')",
    "from spans order by all limit 3",
    "from entity_operations",
    "from logs",
    "select hash, bytes from payloads",
    "with few as (from instances limit 1) select f.name from few f, instances i where f.name = i.name",
    "with recursive n(x) as (select 1 union all select x + 1 from n where x < 5) select * from n",
    "select j.seq, k.key from journal j, json_each(j.attributes) k order by all",
    "select * from (values (1, 'a'), (2, 'b')) v(n, t) union all select 3, 'c' order by all",
    "select unnest([1, 2, 3]) as n, n + 1",
    "select name from instances where instance_id in (select instance_id from activities) order by 1",
    "select 1 -- a comment",
    "select ';' as semicolon;",
    'select 1 as a, 2 as a, 3 as "b c""d", null as nothing',
    "select 1::hugeint, 1.50::decimal(9, 3), 0.1::double, 'inf'::double, true",
    "select uuid '6ba7b810-9dad-11d1-80b4-00c04fd430c8', interval '1 month 2 days', time '12:00:00.5'",
    "select date '2026-01-31', timestamp '2026-01-31 12:00:00.123456', timestamptz '2026-01-31 12:00+00'",
    "select 'x\\x00\\xFF'::blob, ['a, b', 'NULL', null, ''], map {{'k, 1': 1}}",
    "select {{'x': [1.5], 'y': 'it''s \"so\"'}}, '{{\"a\": [1, null]}}'::json as j, 'b'::enum('a', 'b') as e",
]

REFUSED = [
    "",
    ";",
    "select 1; select 2",
    "insert into journal select * from journal",
    "update journal set seq = 1",
    "delete from journal",
    "with x as (delete from journal returning *) select * from x",
    "with x as (insert into sources values ('a', 'b') returning *) select * from x",
    "create table t (a int)",
    "create macro timeline(id) as table select 1",
    "drop table journal",
    "alter table journal add column x int",
    "attach 'x.duckdb'",
    "detach memory",
    "use memory",
    "copy journal to 'x.csv'",
    "copy (select 1) to '/tmp/x' (format parquet)",
    "export database 'x'",
    "import database 'x'",
    "install httpfs",
    "load httpfs",
    "pragma version",
    "pragma database_list",
    "set threads = 1",
    "set enable_external_access = true",
    "reset threads",
    "call pragma_version()",
    "checkpoint",
    "vacuum",
    "begin",
    "explain select 1",
    "explain analyze select * from journal",
    "describe journal",
    "show tables",
    "summarize journal",
    "prepare p as select 1",
    "from '{file}'",
    "select * from '{file}'",
    'select * from "{file}"',
    "from read_text('{file}')",
    "from read_csv('{file}')",
    "from read_csv_auto('{file}')",
    "from read_blob('{file}')",
    "from read_json('{file}')",
    "from read_parquet('{file}')",
    "from parquet_metadata('{file}')",
    "from sniff_csv('{file}')",
    "from glob('/*')",
    "select content from system.main.read_text('{file}')",
    "select (select content from read_text('{file}'))",
    "select list_transform([1], x -> (select content from read_text('{file}')))",
    "select * from instances where name in (select content from read_text('{file}'))",
    "select * from instances order by (select content from read_text('{file}'))",
    "select sum(seq) over (order by (select content from read_text('{file}'))) from journal",
    "select sum(seq) filter ((select true from read_text('{file}'))) from journal",
    "select * from journal j, lateral (select content from read_text('{file}'))",
    "select 1 limit (select length(content) from read_text('{file}'))",
    "select 1 union all select length(content) from read_text('{file}')",
    "with x as (from read_text('{file}')) select content from x",
    "with recursive x(a) as (select 1 union all select content from read_text('{file}')) from x",
    "with \"{file}\" as (select 1) select * from (from '{file}')",
    "select * from (with \"{file}\" as (select 1) select 1), '{file}'",
    "from query('select 1')",
    "from query_table('journal')",
    "from json_execute_serialized_sql('{{}}')",
    "from seq_scan('journal')",
    "from main.journal",
    "from memory.main.journal",
    "from information_schema.tables",
    "from pg_catalog.pg_class",
    "from sqlite_master",
    "from duckdb_settings()",
    "from duckdb_secrets()",
    "from duckdb_databases()",
    "from which_secret('s3://a', 's3')",
    "from pragma_database_list()",
    "from test_all_types()",
    "select current_setting('home_directory')",
    "select CURRENT_SETTING('threads')",
    "select getvariable('x')",
    "select sleep_ms(10000)",
    "select write_log('x')",
    "select nextval('x')",
    "select setseed(0.5)",
    "from theirs",
    "from blobs",
    *(
        f"select * from {name} where exists (with {name} as (select 1) select 1)"
        for name in ("duckdb_databases", "duckdb_tables", "Duckdb_Columns", "sqlite_master", "pg_class")
    ),
    "with a as (from pragma_database_list), pragma_database_list as (select 1) from a",
    "with duckdb_views as (from duckdb_views) from duckdb_views",
    "with recursive duckdb_settings as (select 1 union all from duckdb_settings) from duckdb_settings",
    "from __sql__",
    "from __parameters__",
    "select * from range(5000000)",
    "select repeat('x', 20000000)",
    "select '" + "x" * 60_000 + "'",
]


@pytest.fixture(scope="module")
def filled(served: Served) -> str:
    connection = served.hub.connection()
    connection.execute("create table theirs as select 42 as secret")
    connection.execute("create macro my_own() as (select secret from theirs)")
    handle = served.remote.start("doubles", [1, 2])
    handle.result(PATIENCE)
    served.remote.entity("Counter", "a").add(1)
    until(lambda: served.hub.sql("from entities").fetchall())
    return handle.id


@pytest.mark.parametrize("query", FINE)
def test_a_query_is_answered_as_at_home(served: Served, filled: str, query: str) -> None:
    query = query.format(id=filled)
    here, there = served.remote.sql(query), served.hub.sql(query)
    assert here.columns == there.columns
    assert list(map(str, here.types)) == list(map(str, there.types))
    assert repr(here.fetchall()) == repr(there.fetchall())
    assert here.fetchall() == here.fetchall()  # it can be asked again


@pytest.mark.parametrize(
    "query",
    [
        "select my_own()",
        "select secret from theirs where exists (with theirs as (select 1) select 1)",
        "with theirs as (from theirs) from theirs",
    ],
)
def test_what_else_is_in_the_hubs_file_is_not_there(served: Served, filled: str, query: str) -> None:
    with pytest.raises(duckdb.Error) as error:
        served.remote.sql(query)
    assert "42" not in str(error.value)


def test_a_with_may_have_the_name_of_a_table_of_the_hubs(served: Served, filled: str) -> None:
    query = "with instances as (select 7 as n), columns as (from instances) select n from columns"
    assert served.remote.sql(query).fetchall() == [(7,)]


def test_values_of_a_query_are_handed_over(served: Served, filled: str) -> None:
    remote = served.remote
    assert remote.sql("select ? + 1, ?", [41, None]).fetchall() == [(42, None)]
    query = "select count(*) from instances where instance_id = $id and name = $name"
    assert remote.sql(query, {"id": filled, "name": "doubles"}).fetchall() == [(1,)]
    quotes = "'; drop table journal; --"
    assert remote.sql("select $q as q", {"q": quotes}).fetchall() == [(quotes,)]


def test_an_answer_is_a_data_frame(served: Served, filled: str) -> None:
    frame = served.remote.sql("select name, count(*) as n from activities group by name").df()
    assert list(frame.columns) == ["name", "n"]


@pytest.mark.parametrize("query", REFUSED)
def test_what_is_more_than_looking_at_the_hub_is_refused(
    served: Served, filled: str, query: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("a\nsecret\n")
    before = served.hub.sql("select count(*), max(seq) from journal").fetchall()
    with pytest.raises(ValueError, match=r"\w") as error:
        served.remote.sql(query.format(file=file))
    assert isinstance(error.value, fence.QueryRefusedError)
    assert served.hub.sql("select count(*), max(seq) from journal").fetchall() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_wrong_query_raises_what_it_raises_at_home(served: Served) -> None:
    with pytest.raises(duckdb.BinderException, match="nope"):
        served.remote.sql("select nope from instances")
    with pytest.raises(duckdb.ParserException):
        served.remote.sql("selec 1")
    with pytest.raises(duckdb.ConversionException):
        served.remote.sql("select name::int from instances")
    with pytest.raises(duckdb.InvalidInputException):
        served.remote.sql("select $id", {"other": 1})


NESTED = [("(select ", ")"), ("(", ")"), ("[", "]"), ("abs(", ")")]


@pytest.mark.parametrize(("opening", "closing"), NESTED)
def test_a_query_may_be_nested(served: Served, opening: str, closing: str) -> None:
    assert len(served.remote.sql(f"select {opening * 20}1{closing * 20}").fetchall()) == 1


@pytest.mark.parametrize(("opening", "closing"), NESTED)
def test_a_query_that_is_nested_too_deeply_is_refused_and_kills_nothing(
    served: Served, opening: str, closing: str
) -> None:
    assert served.remote.sql("select 1").fetchall() == [(1,)]
    queries = served.server._queries
    assert queries is not None
    pid = queries.pid
    for levels in (300, 3_000):
        with suppress(fence.QueryRefusedError, duckdb.Error):
            served.remote.sql(f"select {opening * levels}1{closing * levels}")
        assert queries.pid == pid
    with pytest.raises((fence.QueryRefusedError, duckdb.Error), match=r"nested|depth|recursi"):
        served.remote.sql(f"select {opening * 3_000}1{closing * 3_000}")
    assert served.remote.sql("select 1").fetchall() == [(1,)]
    assert queries.pid == pid


def test_what_is_too_much_says_how_much_may_be(served: Served) -> None:
    with pytest.raises(ValueError, match="more than 10,000 rows"):
        served.remote.sql("from range(10001)")
    assert len(served.remote.sql("from range(10000)").fetchall()) == 10_000
    with pytest.raises(ValueError, match="more than 16,777,216 characters"):
        served.remote.sql("select repeat('x', 20000000)")


def test_queries_are_off_unless_the_server_was_told_to(fresh: Served) -> None:
    with pytest.raises(df.DurableError, match=r"hub\.serve\(sql=True\)"):
        fresh.remote.sql("select 1")
    assert fresh.hub.serve(port=fresh.server._arguments[0], key=None) is fresh.server
    fresh.restart(sql=True)
    assert fresh.remote.sql("select 1").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "{own}"},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
    ],
)
def test_a_browser_gets_no_answer_with_the_key_either(served: Served, headers: dict[str, str]) -> None:
    sent = {"x-functions-key": served.server.key, "Content-Type": "application/json"}
    sent |= {name: value.format(own=served.server.url) for name, value in headers.items()}
    url = f"{served.server.url}{MANAGEMENT}/sql"
    answer = httpx.post(url, content=b'{"sql": "select 42 as answer"}', headers=sent)
    assert answer.status_code in (400, 403)
    assert "42" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        *("select 1", ["select 1"], {}, {"sql": 1}, {"sql": None}, {"sql": "select 1", "params": 5}),
        {"sql": "select 1", "more": True},
    ],
)
def test_a_body_of_another_form_is_refused(served: Served, body: Any) -> None:
    url = f"{served.server.url}{MANAGEMENT}/sql"
    answer = httpx.post(url, json=body, headers={"x-functions-key": served.server.key})
    assert answer.status_code == 400
    assert "The body is an object" in answer.text


def test_odd_values_for_a_query_are_no_mistake_of_the_servers(served: Served) -> None:
    url = f"{served.server.url}{MANAGEMENT}/sql"
    for params in ([{"a": [1]}], [[1, 2]], {"": 1}, [2**200], ["\ud800"], [1] * 1_000):
        answer = httpx.post(
            url,
            content=json.dumps({"sql": "select ?", "params": params}),
            headers={"x-functions-key": served.server.key, "Content-Type": "application/json"},
        )
        assert answer.status_code in (200, 400), (params, answer.text)


def test_the_reference_has_the_limits() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "http.md").read_text(encoding="utf-8")
    for limit in (
        f"{fence.QUERY:,} characters and {fence.SECONDS:g} seconds",
        f"{fence.MEMORY >> 20:,} MB of memory and {fence.SPILL >> 20:,} MB of temporary files",
        f"{fence.ROWS:,} rows and {fence.CHARACTERS:,} characters",
        f"up to {pages.ROWS:,} rows, and ends after {pages.BYTES:,} bytes",
        f"more than {pages.SHORT} bytes",
    ):
        assert limit in page, limit


def test_every_function_that_makes_rows_is_known_or_refused(served: Served) -> None:
    kinds = "select distinct function_name from duckdb_functions() where function_type like 'table%'"
    names = [name for (name,) in served.hub.sql(kinds).fetchall() if re.fullmatch(r"\w+", name)]
    let_through = set()
    for name in names:
        try:
            fence._check(served.hub.connection(), f"from {name}('x')")
            let_through.add(name)
        except fence.QueryRefusedError:
            pass
    own = {"timeline", "tree", "critical_path", "concurrency", "states_until"}
    assert let_through == own | {"generate_series", "json_each", "json_tree", "range", "unnest"}
