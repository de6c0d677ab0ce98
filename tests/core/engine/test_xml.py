# ruff: noqa: E501 (documents and sentences stay whole)
"""XML: which element is a row, what its columns are, and what hostile documents do not get."""

from __future__ import annotations

import tempfile
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial.engine import sources
from fluvial.engine.ingest import ingest
from fluvial.engine.limits import Limits
from fluvial.engine.options import Options
from fluvial.engine.rows import locate, read_page, read_rejects
from fluvial.errors import UnreadableFileError


def take(tmp: Path, data: bytes | str, *, limits: dict[str, int] | None = None, **options: object):
    """The manifest, all rows and all rejects of these bytes."""
    out = Path(tempfile.mkdtemp(dir=tmp))
    (tmp / "source").write_bytes(data if isinstance(data, bytes) else data.encode())
    manifest = ingest(
        tmp / "source", out, filename="t", options=Options(**options), limits=Limits(**limits or {}), threads=1
    )
    rows = read_page([(out / p.file, s, t) for p, s, t in locate(manifest, 0, manifest.rows)], manifest.columns)
    assert len(rows) == manifest.rows == manifest.source_rows - manifest.rejected
    rejected = read_rejects(out / "rejects.ndjson", 0, 10**6) if manifest.rejected else []
    return manifest, rows, rejected


def refused(tmp: Path, data: bytes | str, **options: object) -> str:
    with pytest.raises(UnreadableFileError) as caught:
        take(tmp, data, **options)
    return str(caught.value)


CATALOG = """<?xml version="1.0" encoding="UTF-8"?>
<catalog made="2025-11-22">
  <title>All books</title>
  <book id="007"><author><name>Anna</name><born>1970</born></author><price cur="EUR">1.50</price><note/></book>
  <book id="12"><author><name>Ben</name><born>1981</born></author><price cur="EUR">2.25</price><note>a &lt; <![CDATA[<b>]]></note></book>
</catalog>"""


def test_the_element_that_repeats_is_a_row(tmp_path):
    manifest, rows, _ = take(tmp_path, CATALOG)
    assert rows == [
        {"@id": "007", "author.name": "Anna", "author.born": 1970, "price.@cur": "EUR", "price": "1.50", "note": None},
        {
            "@id": "12",
            "author.name": "Ben",
            "author.born": 1981,
            "price.@cur": "EUR",
            "price": "2.25",
            "note": "a < <b>",
        },
    ]
    assert {column.name: column.type for column in manifest.columns} == {
        "@id": "text", "author.name": "text", "author.born": "integer", "price.@cur": "text", "price": "decimal(18,2)",
        "note": "text",
    }  # fmt: skip
    assert (manifest.format, manifest.encoding, manifest.dialect) == ("xml", "utf-8", {"record": "catalog/book"})
    assert manifest.detected_because == [
        "the content starts with markup",
        "'book' is the element that repeats most, 2 times",
        "elements beside the records were left out: catalog, title",
    ]
    assert manifest.columns[0].counter_example == {"row": 1, "line": 4, "value": "007"}


@pytest.mark.parametrize(
    ("data", "record", "rows"),
    [
        ("<r><a>1</a><a>2</a></r>", "r/a", 2),
        ("<r><list><a>1</a><a>2</a><a>3</a></list><other><b>1</b><b>2</b></other></r>", "r/list/a", 3),
        ("<r><x/><x/><list><a>1</a><a>2</a><a>3</a></list></r>", "r/x", 2),
        ("<r><one><x>1</x></one></r>", "r", 1),
        ("<r><m/><e><t>1</t></e><e><t>2</t></e><m/><e><t>3</t></e></r>", "r/e", 3),
    ],
)
def test_the_record_is_the_most_frequent_at_the_shallowest_level_that_repeats(tmp_path, data, record, rows):
    padded = data.replace("<x/>", "<x>1</x>").replace("<m/>", "<m>1</m>")
    manifest, got, _ = take(tmp_path, padded)
    assert manifest.dialect == {"record": record}
    assert len(got) == rows


def test_the_caller_can_name_the_record(tmp_path):
    data = "<r><x>1</x><x>2</x><list><a>1</a></list><other><a>2</a></other></r>"
    assert take(tmp_path, data, record="a")[1] == [{"a": 1}, {"a": 2}]
    assert take(tmp_path, data, record="list/a")[1] == [{"a": 1}]
    assert take(tmp_path, data, record="/r/other")[1] == [{"a": 2}]
    assert refused(tmp_path, data, record="row") == (
        "The XML has no element 'row'; the most frequent are 'r/x', 'r', 'r/list', 'r/list/a', 'r/other'."
    )


def test_repeated_and_mixed_content_becomes_json_with_a_reason(tmp_path):
    data = '<r><b><a>A</a><p>one <i k="v">two</i> three</p></b><b><a>B</a><a n="1">C</a><a/></b><b><a>"D"</a></b></r>'
    manifest, rows, _ = take(tmp_path, data)
    assert rows == [
        {"a": '"A"', "p": '["one ",{"i":{"@k":"v","#text":"two"}}," three"]'},
        {"a": '["B",{"@n":"1","#text":"C"},""]', "p": None},
        {"a": '"\\"D\\""', "p": None},
    ]
    assert [column.format for column in manifest.columns] == ["json", "json"]
    assert manifest.columns[0].reason == "row 2 holds a nested value after text ones, so every cell is kept as JSON"


def test_prefixes_are_dropped_unless_names_clash(tmp_path):
    data = '<r xmlns:a="1" xmlns:b="2"><x><a:id>1</a:id><b:id>2</b:id><a:n b:u="3">4</a:n></x><x><a:id>5</a:id></x></r>'
    manifest, rows, _ = take(tmp_path, data)
    assert rows[0] == {"a:id": 1, "b:id": 2, "n.@u": 3, "n": 4}
    assert manifest.detected_because[-2:] == [
        "prefixes are left out of names: a, b",
        "names that are equal without their prefix keep it: a:id, b:id",
    ]  # fmt: skip


def test_empty_elements_are_null_and_spaces_are_kept(tmp_path):
    data = '<r><x t=""><a> b </a><n>1</n></x><x t="y"><a/><n xmlns:xsi="s" xsi:nil="true"/></x></r>'
    _, rows, _ = take(tmp_path, data)
    assert rows == [{"@t": "", "a": " b ", "n": 1}, {"@t": "y", "a": None, "n": None}]


def test_the_declared_encoding_is_read(tmp_path):
    text = '<?xml version="1.0" encoding="{}"?><r><a>Müller €</a><a>ß</a></r>'
    for encoding in ("windows-1252", "iso-8859-15", "utf-16", "utf-8-sig"):
        declared = "utf-8" if encoding == "utf-8-sig" else encoding
        assert [row["a"] for row in take(tmp_path, text.format(declared).encode(encoding))[1]] == ["Müller €", "ß"]
    assert refused(tmp_path, text.format("shift_jis").encode("shift_jis", "replace")) == (
        "The XML is in an encoding that is not read; save it as UTF-8."
    )


def test_the_encoding_that_the_caller_says_holds_against_the_declared_one(tmp_path):
    text = '<?xml version="1.0" encoding="{}"?><r><a>Łódź</a><a>ż</a></r>'
    for said, data in (
        ("windows-1250", text.format("utf-8").encode("cp1250")),
        ("utf-8", text.format("iso-8859-1").encode()),
        ("utf-16-le", text.format("utf-8").encode("utf-16-le")),
        ("shift_jis", text.format("shift_jis").replace("Łódź", "東京").replace("ż", "京").encode("shift_jis")),
    ):
        manifest, rows, _ = take(tmp_path, data, encoding=said)
        assert [row["a"] for row in rows] == (["東京", "京"] if said == "shift_jis" else ["Łódź", "ż"])
        assert manifest.encoding == said
        assert f"the caller said that the encoding is {said}" in manifest.detected_because
    assert "The XML is broken at line 1" in refused(tmp_path, text.format("cp1250").encode("cp1250"), encoding="utf-8")


def test_types_that_the_caller_says_hold_for_columns_of_xml(tmp_path):
    data = "<r>\n<x k='1'><a>007</a></x>\n<x k='y'><a>8</a></x>\n<x k='3'><a>no</a></x>\n<x k='4'/></r>"
    manifest, rows, rejected = take(tmp_path, data, types={"a": "integer", "@k": "text"})
    assert rows == [{"@k": "1", "a": 7}, {"@k": "y", "a": 8}, {"@k": "4", "a": None}]
    assert [(one["line"], one["column"], one["cause"]) for one in rejected] == [
        (4, 2, "'no' is no integer, which the caller said 'a' is")
    ]
    assert manifest.columns[1].reason == (
        "the caller said integer; cells that were written in another way, and are normalised: 1"
    )


def test_a_column_that_appears_late_is_null_before_and_in_other_parts(tmp_path):
    data = "<r>" + "".join(f"<x><a>{n}</a>{'<b>z</b>' if n > 6 else ''}</x>" for n in range(9)) + "</r>"
    _, rows, _ = take(tmp_path, data, limits={"part_rows": 4})
    assert rows == [{"a": n, "b": "z" if n > 6 else None} for n in range(9)]


def test_a_document_in_many_chunks_is_read_like_one(tmp_path, monkeypatch):
    whole = take(tmp_path, CATALOG)[1]
    monkeypatch.setattr(sources, "CHUNK_BYTES", 3)
    assert take(tmp_path, CATALOG)[1] == whole


def test_a_cell_that_is_too_long_costs_its_record_only(tmp_path):
    _, rows, rejected = take(tmp_path, "<r>\n<a>1</a>\n<a>xxxxxxxxx</a>\n<a>3</a></r>", limits={"cell_bytes": 5})
    assert [row["a"] for row in rows] == [1, 3]
    assert [(one["line"], one["cause"]) for one in rejected] == [(3, "a value of more than 5 bytes")]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("<r><a>1</a>\n<a>2</b></r>", "The XML is broken at line 2, column 7: mismatched tag."),
        ("<r><a>1</a><a>2</a>", "The XML is broken at line 1, column 20: no element found."),
        ("<r><a>1</a></r><r/>", "The XML is broken at line 1, column 16: junk after document element."),
        ("<r><a>&nbsp;</a></r>", "The XML is broken at line 1, column 7: undefined entity."),
        ("<!DOCTYPE html>\n<html/>", "The file is a web page (HTML), which is not read; export it as CSV."),
        ('<?xml version="1.0"?><html><p>1</p><p>2</p></html>', "The file is a web page (HTML), which is not read; export it as CSV."),
    ],
)  # fmt: skip
def test_a_damaged_document_fails_as_a_whole_with_its_place(tmp_path, data, sentence):
    assert refused(tmp_path, data) == sentence


LAUGHS = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><r><x>&b;</x><x>&b;</x></r>'


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (LAUGHS, "it declares entities"),
        ('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r><a>&x;</a></r>', "it declares entities"),
        ('<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1/x">%p;]><r><a>1</a></r>', "it declares entities"),
        ('<!DOCTYPE r SYSTEM "http://127.0.0.1/x.dtd"><r><a>&x;</a><a>1</a></r>', "the entity 'x' is declared nowhere"),
        ("<a>" * 300 + "</a>" * 300, "more than 256 deep"),
        ("<r><a " + " ".join(f"b{n}='1'" for n in range(25_000)) + "/></r>", "have more than 20000 names"),
        ("<r><!--" + "x" * (9 * 1024 * 1024) + "--></r>", "a tag of more than 8 MiB"),
        ("<r>" + "".join(f"<x><b{n}>1</b{n}></x>" for n in range(2_001)) + "</r>", "more than 2000 columns"),
    ],
    ids=["laughs", "file", "parameter", "skipped", "deep", "names", "tag", "columns"],
)
def test_hostile_documents_are_refused(tmp_path, data, sentence):
    assert sentence in refused(tmp_path, data)


def test_a_record_that_never_ends_is_refused(tmp_path):
    data = "<r><x>1</x><x>" + "<y/>" * 5_000 + "</x></r>"
    assert "a record needs more than 1 MiB" in refused(tmp_path, data, limits={"json_document_bytes": 1024 * 1024})


def test_a_document_type_without_entities_is_no_matter(tmp_path):
    data = '<!DOCTYPE r [<!ELEMENT r (a*)><!ATTLIST a k CDATA "d">]><r><a>1</a><a>2</a></r>'
    assert take(tmp_path, data)[1] == [{"a": 1}, {"a": 2}]


CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=8)


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(CELLS, CELLS, st.integers()), min_size=2, max_size=8), st.booleans())
def test_any_table_comes_back(tmp_path, cells, pretty):
    gap = "\n  " if pretty else ""
    body = "".join(
        f"<row{gap} k={quoteattr(key)}>{gap}<a>{escape(text)}</a>{gap}<n>{number}</n></row>{gap}"
        for key, text, number in cells
    )
    _, rows, rejected = take(tmp_path, f"<t>{gap}{body}</t>")
    assert not rejected
    assert all(same((row["@k"], row["a"], row["n"]), one) for row, one in zip(rows, cells, strict=True))


def same(got: tuple[object, ...], wanted: tuple[object, ...]) -> bool:
    """Equal but for the types that cells were given, whose texts are the source's."""
    return [("" if one is None else str(one)).lower() for one in got] == [str(one).lower() for one in wanted]
