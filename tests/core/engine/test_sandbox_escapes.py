"""Attempts to leave the sandbox. Each meets the check and, without it, the locked database; nothing comes of either."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fluvial.engine.limits import MIB
from fluvial.engine.sandbox import Bounds, SqlRefusedError, Step, _paths, run
from fluvial.engine.sandbox_check import _FUNCTIONS, _TABLE_FUNCTIONS, RefusedError, checked
from fluvial.engine.sandbox_process import talk

UNCHECKED = Path(__file__).with_name("sandbox_unchecked.py")
BOUNDS = Bounds(seconds=300, cpu_seconds=60, memory_bytes=512 * MIB, spill_bytes=64 * MIB)
CANARY = "another account's row"
CONNECTION = duckdb.connect()

# {other} is a folder with another account's rows, {work} the run's own. Without the check, the database refuses these …
OUTSIDE = [
    # files that are read
    "SELECT * FROM read_csv('{other}/a.csv')",
    "FROM '{other}/a.csv'",
    'FROM "{other}/a.parquet"',
    "SELECT * FROM read_parquet('{other}/*.parquet')",
    "SELECT * FROM read_parquet(['{work}/../other/a.parquet'])",
    "SELECT * FROM parquet_scan('{other}/a.parquet')",
    "SELECT content FROM read_text('{other}/a.csv')",
    "SELECT content FROM read_blob('{work}/../other/a.csv')",
    "SELECT * FROM read_json('{other}/a.json')",
    "SELECT * FROM read_ndjson_objects('{other}/a.json')",
    "SELECT * FROM read_duckdb('{other}/a.db', table_name := 't')",
    "SELECT * FROM sniff_csv('{other}/a.csv')",
    "SELECT * FROM parquet_metadata('{other}/a.parquet')",
    "SELECT * FROM parquet_kv_metadata('{other}/a.parquet')",
    "SELECT * FROM glob('{other}/*')",
    "SELECT * FROM glob('/proc/*/environ')",
    "SELECT (SELECT content FROM read_text('{other}/a.csv')) AS x",
    "WITH a AS (SELECT * FROM read_csv('{other}/a.csv')) SELECT * FROM a",
    'WITH a AS (WITH "{other}/a.csv" AS (SELECT 1) SELECT 1) SELECT * FROM "{other}/a.csv"',
    "SELECT * FROM (SELECT 1) JOIN '{other}/a.csv' ON true",
    "SELECT 1 UNION ALL SELECT x FROM '{other}/a.csv'",
    "SELECT 1 WHERE EXISTS (FROM '{other}/a.csv')",
    "SELECT * FROM query('FROM ''{other}/a.csv''')",
    "SELECT * FROM query_table('{other}/a.csv')",
    "SELECT * FROM histogram('{other}/a.csv', x)",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('FROM ''{other}/a.csv'''))",
    "SELECT content FROM read_text('/proc/self/environ')",
    "SELECT content FROM read_text('/proc/1/environ')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT content FROM read_text('file:///etc/passwd')",
    "SELECT content FROM read_blob('/dev/fd/0')",
    # files that are written
    "COPY (SELECT 1) TO '{other}/w.csv'",
    "COPY (SELECT 1) TO '{work}/../other/w.parquet' (FORMAT parquet)",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "EXPORT DATABASE '{other}/w'",
    "ATTACH '{other}/w.db' AS w",
    "ATTACH '{other}/a.db' AS a (READ_ONLY)",
    "CALL enable_logging(storage := 'file', storage_path := '{other}/w')",
    "SET profiling_output = '{other}/w'",
    "IMPORT DATABASE '{other}'",
    # the network
    "SELECT * FROM read_parquet('https://example.com/a.parquet')",
    "FROM 's3://bucket/a.parquet'",
    "SELECT content FROM read_text('http://169.254.169.254/latest/meta-data/')",
    "ATTACH 'https://example.com/a.db' AS a",
    # extensions
    "INSTALL httpfs",
    "INSTALL shellfs FROM community",
    "LOAD httpfs",
    "LOAD '{other}/a.duckdb_extension'",
    # settings, secrets, the environment, the session
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "RESET lock_configuration",
    "SET allowed_directories = ['/']",
    "SET memory_limit = '100GB'",
    "SET threads = 64",
    "SET temp_directory = '{other}'",
    "PRAGMA memory_limit = '100GB'",
    "SELECT getenv('FLUVIAL_TABLE')",
    "CREATE SECRET (TYPE s3, KEY_ID 'x', SECRET 'y')",
    # Python's
    "SELECT * FROM rows_of_python",
    "SELECT * FROM python_map_function(1, 2)",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    # what changes something
    "INSERT INTO t VALUES (1)",
    "WITH a AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM a",
    "WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a",
    "SELECT nextval('w')",
    # what is not one SELECT
    "SELECT 1; COPY (SELECT 1) TO '{other}/w.csv'",
    "SELECT 1) TO '{other}/w.csv'; --",
    "SELECT 1 /* */ ; /* */ ATTACH '{other}/a.db'",
    "SELECT 1) LIMIT 1; COPY (SELECT 1) TO '{other}/w.csv'; SELECT * FROM (SELECT 1",
]
# … and answers these, with nothing that is not the run's.
INSIDE = [
    "SELECT current_setting('temp_directory')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM which_secret('s3://bucket', 's3')",
    "SET VARIABLE x = 1",
    "SELECT getvariable('x')",
    "SELECT sql FROM duckdb_views()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM sqlite_master",
    "SELECT current_query()",
    "CREATE TABLE w AS SELECT 1",
    "CREATE MACRO w() AS 1",
    "CHECKPOINT",
    "SELECT write_log('w')",
    "SELECT 1; SELECT 2",
    "",
    "-- nothing",
    "EXPLAIN ANALYZE SELECT 1",
    "DESCRIBE t",
    "SUMMARIZE t",
    "PIVOT t ON x",
    "SHOW TABLES",
    "CALL pragma_version()",
    "PREPARE w AS SELECT 1",
    "EXECUTE w",
    "BEGIN",
    "SELECT * FROM (SHOW TABLES)",
    "DROP VIEW t",
]
ESCAPES = OUTSIDE + INSIDE

SETTINGS = {
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "allowed_directories": "[{work}/, {work}/spill/]",
    "allowed_paths": "[]",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_access": "false",
    "lock_configuration": "true",
    "max_temp_directory_size": "64.0 MiB",
    "memory_limit": "156.0 MiB",
    "python_enable_replacements": "false",
    "threads": "1",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("escapes")
    work, other = folder / "work", folder / "other"
    work.mkdir()
    other.mkdir()
    (other / "a.csv").write_text(f"x\n{CANARY}\n")
    (other / "a.json").write_text(json.dumps({"x": CANARY}) + "\n")
    connection = duckdb.connect()
    connection.execute(f"COPY (SELECT $x AS x) TO '{other}/a.parquet'", {"x": CANARY})
    connection.execute(f"COPY (SELECT 'own' AS x) TO '{work}/t.parquet'")
    connection.execute(f"ATTACH '{other}/a.db' AS a")
    connection.execute("CREATE TABLE a.t AS SELECT $x AS x", {"x": CANARY})
    connection.close()
    return {"work": work, "other": other}


@pytest.fixture(scope="module")
def unchecked(folders: dict[str, Path]) -> list[Any]:
    """What is around the process; what came of each attempt without the check; and of the same again, by itself."""
    statements = [escape.format(**folders) for escape in ESCAPES]
    statements.append(f"SELECT name, value FROM duckdb_settings() WHERE name IN {tuple(SETTINGS)} ORDER BY name")
    request = {
        "paths": _paths(),
        "bounds": asdict(BOUNDS),
        "work": str(folders["work"]),
        "input": str(folders["work"] / "t.parquet"),
        "statements": statements,
    }
    before = {path: path.read_bytes() for path in folders["other"].iterdir()}
    lines: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch, (folders["other"] / "a.csv").open() as file:
        patch.setenv("FLUVIAL_TABLE", CANARY)
        os.set_inheritable(file.fileno(), True)
        script = UNCHECKED
        ended = talk(script, json.dumps(request).encode(), seconds=300, folder=folders["work"], on_line=lines.append)
    assert (ended.signal, ended.late, ended.said) == (0, False, "")
    assert {path: path.read_bytes() for path in folders["other"].iterdir()} == before
    # Of what was sent to standard output by SQL there is no line.
    assert len(lines) == 3
    return [json.loads(line) for line in lines]


def test_there_are_at_least_forty_attempts() -> None:
    assert len(set(ESCAPES)) == len(ESCAPES) >= 40


@pytest.mark.parametrize("escape", ESCAPES)
def test_the_check_refuses(escape: str, folders: dict[str, Path]) -> None:
    with pytest.raises((RefusedError, duckdb.ParserException)):
        checked(CONNECTION, escape.format(**folders), {"t"})


@pytest.mark.parametrize(
    ("sql", "tables", "parameters"),
    [
        ("SELECT * FROM T -- not t2;", {"t"}, set()),
        ("FROM t JOIN t2 USING (x) WHERE x > $least;", {"t", "t2"}, {"least"}),
        ("WITH t AS (SELECT 1 AS x) FROM t", set(), set()),
        ("WITH a AS (FROM t), t2 AS (FROM a) FROM t2", {"t"}, set()),
        ("WITH RECURSIVE t2 AS (SELECT 1 UNION ALL FROM t2) FROM t2, t", {"t"}, set()),
        ("SELECT (SELECT max(x) FROM t2), ';' FROM (PIVOT t ON x IN (1) USING count(*)) ; /* ; */", {"t", "t2"}, set()),
        ("UNPIVOT t ON x, y", {"t"}, set()),
        ("VALUES (1), (2)", set(), set()),
        ("SELECT * FROM t, unnest([1, 2]) AS u(n), range(3) ORDER BY ALL DESC LIMIT 10%", {"t"}, set()),
        ("SELECT sum(x) FILTER (x > 1) OVER w, x.upper(), columns('y') FROM t WINDOW w AS (ORDER BY x)", {"t"}, set()),
        ("SELECT DISTINCT ON (x) x, [y + 1 FOR y IN l], x COLLATE NOCASE, #1 FROM t TABLESAMPLE 10%", {"t"}, set()),
    ],
)  # fmt: skip
def test_the_check_finds_what_a_select_reads(sql: str, tables: set[str], parameters: set[str]) -> None:
    select = checked(CONNECTION, sql, {"t", "t2"})
    assert (select.tables, select.parameters) == (tables, parameters)
    # It can stand in parentheses.
    assert len(CONNECTION.extract_statements(f"SELECT * FROM ({select.sql}\n)")) == 1


@pytest.mark.parametrize(
    "sql", ["WITH a AS (FROM t2), t2 AS (SELECT 1) FROM a", "SELECT (WITH t2 AS (SELECT 1) FROM t2) FROM t2"]
)
def test_a_name_of_with_is_known_only_where_it_holds(sql: str) -> None:
    with pytest.raises(RefusedError, match="There is no input and no earlier step called 't2'"):
        checked(CONNECTION, sql, {"t"})


def test_every_function_that_is_allowed_exists() -> None:
    found = CONNECTION.execute("SELECT DISTINCT lower(function_name) FROM duckdb_functions()").fetchall()
    assert (_FUNCTIONS | _TABLE_FUNCTIONS) - {"unnest"} <= {name for (name,) in found}


def test_a_long_text_is_refused() -> None:
    with pytest.raises(RefusedError, match="The SQL has more than 262144 bytes"):
        checked(CONNECTION, f"SELECT '{'x' * 300_000}'", {"t"})


@pytest.mark.parametrize("at", range(len(ESCAPES)), ids=ESCAPES)
def test_without_the_check_nothing_is_reached(at: int, unchecked: list[Any]) -> None:
    answer = unchecked[1][at]
    assert CANARY not in answer.get("rows", "")
    if at < len(OUTSIDE):
        assert "error" in answer


def test_without_the_check_the_configuration_stays_as_it_was(unchecked: list[Any], folders: dict[str, Path]) -> None:
    work = folders["work"]
    expected = [(name, value.format(work=work)) for name, value in SETTINGS.items()]
    assert unchecked[1][-1] == {"rows": repr(expected)}


def test_the_process_has_nothing_of_ours(unchecked: list[Any]) -> None:
    around = unchecked[0]
    assert set(around["environment"]) <= {"LD_LIBRARY_PATH", "MALLOC_ARENA_MAX", "LC_CTYPE"}
    assert not any("a.csv" in file for file in around["files"])
    assert len(around["files"]) == 3
    assert around["group"]
    assert around["processes"] == around["core"] == [0, 0]
    assert around["threads"] == 1


@pytest.mark.parametrize(
    ("escape", "sentence"),
    [
        ("FROM '{other}/a.csv'", "There is no input and no earlier step called '{other}/a.csv'."),
        (
            "SELECT content FROM read_text('/proc/self/environ')",
            "There is no function called 'read_text' for SQL here.",
        ),
        ("COPY (SELECT 1) TO '{other}/w.csv'", "Only a SELECT is run, and this is COPY."),
        ("SELECT 1; SELECT 2", "One SELECT is wanted, and these are 2 statements."),
        (
            "WITH a AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM a",
            "Only SELECTs that read are run, and this one has INSERT QUERY.",
        ),
    ],
)
def test_an_attempt_is_refused_before_anything_runs(
    escape: str, sentence: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    steps = [Step("fine", "SELECT 1 AS x"), Step("escape", escape.format(**folders))]
    with pytest.raises(SqlRefusedError) as refused:
        run({}, steps, temp=tmp_path, out=None, bounds=BOUNDS)
    assert str(refused.value) == sentence.format(**folders)
    assert (refused.value.step, refused.value.done) == ("escape", [])
    assert list(tmp_path.iterdir()) == []
