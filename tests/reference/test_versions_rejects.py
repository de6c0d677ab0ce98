"""What imports rejected: as a file, and sent again, also where it is all of a file. The real worker is on moto."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fluvial import dataset_versions, ids, rejects, replays
from fluvial.engine import tables
from fluvial.errors import InvalidError
from reference.data import handler as data_handler
from reference.exports import handler as exports_handler
from reference.rows import handler as rows_handler
from tests import factories
from tests.reference.versions import Data
from tests.workers.pipeline import own_client

Make = Callable[[bytes], Data]
CSV = b"id,n\n1,10\n2\n3,30,3\n"
BROKEN = b'id,name\n2,"c" d\n3,"e" f\n'


@pytest.fixture
def make(aws: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda file: Data(aws, tmp_path, monkeypatch, file)


def replay(data: Data, version: int, **body: Any) -> Any:
    """The replay's version at its end."""
    status, made = data.ask("POST", "/rejects/replay", body={"version": version, **body})
    assert status == 201, made
    done = data.version(made["number"])
    if done["counts"]:
        # All that was sent is loaded or rejected.
        assert done["counts"]["insert"] + done["counts"]["reject"] == len(body.get("rows") or body["lines"])
    return done


def rows_of(data: Data) -> Any:
    return data.ask("GET", "/rows", on=rows_handler)[1]["data"]


def rejects_of(data: Data, version: int) -> Any:
    status, page = data.ask("GET", "/rejects", on=rows_handler, query={"version": str(version)})
    assert status == 200, page
    assert page["version"] == version
    return page["data"]


def linked(data: Data, found: dict[str, Any]) -> list[Any]:
    """What the link leads to, as S3 has it."""
    key = urlsplit(found["url"]).path.removeprefix("/").removeprefix(f"{data.resources['Bucket']}/")
    stored = data.stored(key)
    assert len(stored) == found["bytes"]
    return [json.loads(line) for line in stored.splitlines()]


# ---------------------------------------------------------------- the file


def test_all_rejects_of_a_version_are_one_file(make: Make) -> None:
    data = make(CSV)
    status, found = data.ask("GET", "/rejects/download")
    assert (status, found | {"url": None}) == (
        200,
        {
            "data_id": ids.spell(ids.DATASET, data.dataset.id),
            "version": 1,
            "format": "ndjson",
            "filename": "data-rejects-1.ndjson",
            "rows": 2,
            "bytes": found["bytes"],
            "url": None,
            "url_expires_in_seconds": 3600,
        },
    )
    assert linked(data, found) == data.ask("GET", "/rejects", on=rows_handler)[1]["data"]
    query = parse_qs(urlsplit(found["url"]).query)
    assert "data-rejects-1.ndjson" in query["response-content-disposition"][0]
    assert query["response-content-type"] == ["application/x-ndjson"]


def test_the_file_of_an_earlier_version_and_of_one_without_rejects(make: Make) -> None:
    data = make(CSV)
    data.add("id,n\n4,40\n", mode="append")
    _, current = data.ask("GET", "/rejects/download")
    assert (current["version"], current["rows"], current["bytes"], current["url"]) == (2, 0, 0, None)
    assert current["url_expires_in_seconds"] is None
    _, first = data.ask("GET", "/rejects/download", query={"version": "1"})
    assert (first["version"], [each["line"] for each in linked(data, first)]) == (1, [3, 4])
    assert [each["line"] for each in rejects_of(data, 1)] == [3, 4]


@pytest.mark.parametrize(
    ("version", "status", "message"),
    [
        ("9", 404, "No version '9' exists."),
        ("0", 400, None),
        ("1.0", 400, None),
        ("2", 409, "Version 2 kept no rejects: it is planned."),
        ("3", 409, "Version 3 kept no rejects: it is failed."),
        ("4", 409, "Version 4 kept no rejects: it is processing."),
    ],
)
def test_rejects_that_there_are_not(make: Make, version: str, status: int, message: str | None) -> None:
    data = make(CSV)
    data.add("id,n\n1,2\n3\n", mode="append", dry_run="true")
    data.add("id,n,t\n1,2,3\n", mode="append", drift="freeze")
    data.ask("POST", "/reparse", body={"options": {"header": False}})
    for resource, on in (("/rejects/download", None), ("/rejects", rows_handler)):
        more = {} if on is None else {"on": on}
        found, refusal = data.ask("GET", resource, query={"version": version}, **more)
        assert found == status
        assert message in (None, refusal["error"]["message"])
    if status == 409:
        found, refusal = data.ask("POST", "/rejects/replay", body={"version": int(version), "rows": [{"id": 1}]})
        assert (found, refusal["error"]["message"]) == (409, message)


def test_strangers_get_no_file(make: Make) -> None:
    data = make(CSV)
    stranger = factories.new_caller()
    assert data.ask("GET", "/rejects/download", caller=stranger)[0] == 404
    body = {"version": 1, "lines": ["2,20"]}
    assert data.ask("POST", "/rejects/replay", caller=stranger, body=body)[0] == 404


def test_the_file_has_the_engines_name() -> None:
    assert rejects.FILE == tables.REJECTS_FILE


# ---------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("file", "lines", "loaded"),
    [
        (CSV, ["2,20", "3,30"], [{"id": 2, "n": 20}, {"id": 3, "n": 30}]),
        # The dialect is the version's: delimiter, quote, escape, line ends, names that need quotes.
        (
            b'id|"a ""|"" b"\r\n1|x\r\n2\r\n3|y|z\r\n',
            ['2|"p|""q"', "3|"],
            [{"id": 2, 'a "|" b': 'p|"q'}, {"id": 3, 'a "|" b': None}],
        ),
        (b"id\tname\n1\ta\n2\n", ["2\tb"], [{"id": 2, "name": "b"}]),
        (b"id, name\n1, a, x\n2, b\n3, c\n", ["1, a"], [{"id": 1, " name": " a"}]),
        # Without a header, and with a line in two.
        (b'1,2\n3,4\n5\n6,"a\nb",c\n', ["5,6"], [{"column_1": 5, "column_2": "6"}]),
        (b'{"a": 1}\n{"a": \n', ['{"a": 2}'], [{"a": 2}]),
    ],
)
def test_corrected_lines_are_read_as_the_file_was(
    make: Make, file: bytes, lines: list[str], loaded: list[dict[str, Any]]
) -> None:
    data = make(file)
    before = rows_of(data)
    done = replay(data, 1, lines=lines)
    assert (done["status"], done["replays"], done["mode"], done["rejected_rows"]) == ("ready", 1, "append", 0)
    found = rows_of(data)
    assert [{name: str(value) for name, value in row.items()} for row in found[len(before) :]] == [
        {name: str(value) for name, value in row.items()} for row in loaded
    ]
    # The columns stay as they are.
    assert found[: len(before)] == before


def test_lines_that_still_do_not_fit_are_rejected_again_and_can_be_sent_again(make: Make) -> None:
    data = make(CSV)
    done = replay(data, 1, lines=["2,x", "3"])
    assert (done["status"], done["counts"]["insert"], done["counts"]["reject"]) == ("ready", 0, 2)
    done = replay(data, 1, lines=["2,20", "3"])
    assert (done["counts"]["insert"], done["counts"]["reject"]) == (1, 1)
    assert [each["raw"] for each in rejects_of(data, done["number"])] == ["3"]
    again = replay(data, done["number"], lines=["3,30"])
    assert rows_of(data)[-2:] == [{"id": 2, "n": 20}, {"id": 3, "n": 30}]
    assert again["replays"] == done["number"]


def test_lines_of_a_quoted_record_may_go_on_and_two_records_are_not_one(make: Make) -> None:
    data = make(b"id,t\n1,a\n2\n3\n4\n")
    assert replay(data, 1, lines=['2,"b\nc"'])["rows"] == 2
    # The quotes of two lines make one record of them: none of it is loaded.
    failed = replay(data, 1, lines=['3,"d', 'e"'])
    assert failed["status"] == "failed"
    assert "2 records were sent, but read by the version's dialect they are 1" in failed["failure"]["reason"]
    failed = replay(data, 1, lines=["3,d\n4,e"])
    assert failed["failure"]["reason"].startswith("1 records were sent, but read by the version's dialect they are 2")
    assert data.now().version == 2


def test_rejects_of_an_import_by_key_are_sent_again_as_lines(make: Make) -> None:
    data = make(b"id,n\n1,10\n")
    made = data.add("id,t\n2,a\n2,b\n3\n", mode="upsert", key="id")
    assert made["rejected_rows"] == 2
    done = replay(data, 2, lines=["4,c", "3,d"])
    assert rows_of(data)[-2:] == [{"id": 4, "n": None, "t": "c"}, {"id": 3, "n": None, "t": "d"}]
    assert done["counts"]["insert"] == 2


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({}, "lines", "Give either 'rows' or 'lines', not neither."),
        ({"rows": [{}], "lines": ["2,20"]}, "lines", "Give either 'rows' or 'lines', not both."),
        ({"lines": []}, "lines", None),
        ({"lines": [""]}, "lines.0", None),
        ({"lines": ["2,20", " \n"]}, "lines.1", None),
        ({"lines": ["2,\0"]}, "lines.0", None),
        ({"lines": ["2,20"] * 3}, "lines", "Version 1 rejected 2 records, not 3."),
        ({"rows": [{}] * 3}, "rows", "Version 1 rejected 2 records, not 3."),
        ({"lines": [2]}, "lines.0", None),
    ],
)
def test_a_replay_that_cannot_be_is_refused(make: Make, body: dict[str, Any], field: str, message: str | None) -> None:
    data = make(CSV)
    status, refusal = data.ask("POST", "/rejects/replay", body={"version": 1, **body})
    assert (status, refusal["error"]["field"]) == (400, field), refusal
    assert message in (None, refusal["error"]["message"])
    assert data.now().latest == 1


def test_lines_are_for_text_alone(make: Make) -> None:
    data = make(b'[{"a": 1}, 2]')
    status, refusal = data.ask("POST", "/rejects/replay", body={"version": 1, "lines": ['{"a":\n2}']})
    assert (status, refusal["error"]["field"]) == (400, "lines.0")
    manifest = {"format": "xlsx", "dialect": {}, "merged": None, "columns": []}
    with pytest.raises(InvalidError, match="read from xlsx, whose records are no text: send 'rows'"):
        replays._read_as(manifest, dataset_versions.first(data.dataset, 1))


# ---------------------------------------------------------------- a file of which every record is rejected


def test_a_first_file_without_a_good_record_keeps_its_rejects_and_is_made_of_the_corrected_ones(make: Make) -> None:
    data = make(BROKEN)
    found = data.now()
    assert (found.status, found.version, found.location) == ("failed", 0, None)
    first = data.version(1)
    assert (first["status"], first["rejected_rows"], first["rows"]) == ("failed", 2, None)
    assert first["failure"]["reason"].startswith("None of the 2 records of the file can be loaded: line 2 has text")
    assert [(each["line"], each["raw"]) for each in rejects_of(data, 1)] == [(2, '2,"c" d'), (3, '3,"e" f')]
    _, file = data.ask("GET", "/rejects/download", query={"version": "1"})
    assert (file["rows"], len(linked(data, file))) == (2, 2)
    # There is no current version: without a number there are no rejects either, nor are there rows of that one.
    assert data.ask("GET", "/rejects", on=rows_handler)[0] == 409
    of_first = {"path": {"number": "1"}, "on": rows_handler}
    assert data.ask("GET", "/versions/{number}/rows", **of_first)[0] == 409
    assert data.ask("GET", "/versions/{number}/rejects", **of_first)[1]["pagination"]["total"] == 2
    assert data.ask("POST", "/undo", body={"version": 1})[0] == 409
    again = replay(data, 1, lines=['2,"c"d', '3,"e"f'])
    assert (again["status"], again["mode"], again["rejected_rows"]) == ("failed", "create", 2)
    done = replay(data, again["number"], lines=["2,c d", '3,"e"f'])
    assert (done["status"], done["mode"], done["rows"], done["rejected_rows"]) == ("ready", "create", 1, 1)
    assert rows_of(data) == [{"id": 2, "name": "c d"}]
    assert replay(data, 1, rows=[{"id": "3", "name": "e"}])["mode"] == "append"
    assert rows_of(data)[-1] == {"id": 3, "name": "e"}
    assert data.now().status == "ready"


def test_rows_of_a_first_file_without_a_good_record_bring_their_own_columns(make: Make) -> None:
    data = make(BROKEN)
    assert replay(data, 1, rows=[{"id": 1, "name": "a"}])["mode"] == "create"
    assert rows_of(data) == [{"id": 1, "name": "a"}]


def test_a_later_file_without_a_good_record_leaves_the_data_and_keeps_its_rejects(make: Make) -> None:
    data = make(b"id,n\n1,10\n")
    failed = data.add('id,n\n2,"c" d\n3,"e" f\n', mode="append")
    assert (failed["status"], failed["rejected_rows"], data.now().version) == ("failed", 2, 1)
    assert [each["raw"] for each in rejects_of(data, 2)] == ['2,"c" d', '3,"e" f']
    assert replay(data, 2, lines=["2,20", "3,30"])["rows"] == 3
    # A dry run keeps nothing.
    plan = data.add('id,n\n2,"c" d\n3,"e" f\n', mode="append", dry_run="true")
    assert (plan["status"], plan["rejected_rows"]) == ("failed", None)
    assert data.ask("GET", "/rejects/download", query={"version": str(plan["number"])})[0] == 409


@pytest.mark.parametrize(
    ("file", "line"), [(b"[1, 2]", '{"a": 2}'), (b'{"a": 1, "a": 2}\n{"a": 1, "a": 3}\n', '{"a": 2}')]
)
def test_whatever_the_format_all_rejects_are_kept(make: Make, file: bytes, line: str) -> None:
    data = make(file)
    version = data.version(1)
    assert (version["status"], version["rejected_rows"], len(rejects_of(data, 1))) == ("failed", 2, 2)
    assert replay(data, 1, lines=[line])["rows"] == 1
    assert rows_of(data) == [{"a": 2}]


def test_records_of_forced_types_that_are_all_rejected_are_kept(make: Make) -> None:
    data = make(b"id,n\n1,10\n")
    failed = data.add("id,n\n2,a\n3,b\n", mode="append", options='{"types": {"n": "integer"}}')
    assert (failed["status"], failed["rejected_rows"]) == ("failed", 2)
    assert [each["raw"] for each in rejects_of(data, 2)] == ["2,a", "3,b"]
    assert replay(data, 2, lines=["2,20"])["rows"] == 2


def test_deleted_data_takes_kept_rejects_along(make: Make) -> None:
    data = make(BROKEN)
    data.ask("DELETE", "", on=data_handler)
    data.pipeline.settle()
    assert "Contents" not in own_client("s3").list_objects_v2(Bucket=data.resources["Bucket"])


# ---------------------------------------------------------------- a version's profile and export


def test_profiles_and_exports_are_of_any_version(make: Make) -> None:
    data = make(b"id,n\n1,10\n2,20\n")
    data.add("id,n\n3,x\n", mode="append")
    _, current = data.ask("GET", "/profile", on=data_handler)
    _, first = data.ask("GET", "/profile", on=data_handler, query={"version": "1", "columns": "n"})
    assert (current["version"], current["rows"]) == (2, 3)
    assert (first["version"], first["rows"], first["columns"][0]["max"]) == (1, 2, 20)
    status, made = data.ask("POST", "/exports", on=exports_handler, body={"format": "csv", "version": 1})
    assert (status, made["version"]) == (202, 1)
    data.pipeline.settle()
    path = {"export_id": made["id"]}
    _, done = data.ask("GET", "/exports/{export_id}", on=exports_handler, path=path)
    assert (done["status"], done["rows"], done["version"]) == ("completed", 2, 1)
    key = urlsplit(done["url"]).path.removeprefix("/").removeprefix(f"{data.resources['Bucket']}/")
    assert data.stored(key) == b"id,n\n1,10\n2,20\n"
    # Its columns are those of the version.
    body = {"format": "csv", "version": 1, "filter": [{"column": "n", "operator": "gt", "value": 15}]}
    assert data.ask("POST", "/exports", on=exports_handler, body=body)[0] == 202
    for version, status in (("9", 404), ("0", 400)):
        assert data.ask("GET", "/profile", on=data_handler, query={"version": version})[0] == status
        body = {"format": "csv", "version": int(version)}
        assert data.ask("POST", "/exports", on=exports_handler, body=body)[0] == status
    failed = data.add("id,n\n1\n", mode="append")["number"]
    assert data.ask("GET", "/profile", on=data_handler, query={"version": str(failed)})[0] == 409
    assert data.ask("POST", "/exports", on=exports_handler, body={"format": "csv", "version": failed})[0] == 409
