"""Reports as files: what they show, that nothing in them is cut in silence, and that no content leaves its place."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import openpyxl
import pytest
import typst

from fluvial import report_data, report_sections
from fluvial.report_charts import Chart
from fluvial.report_data import Result
from fluvial.report_render import chart_data, figures, markdown, pdf, render, spreadsheets, svg, vega, view, words
from fluvial.report_render.chart_data import NotDrawableError
from fluvial.report_render.html import TEMPLATES
from fluvial.report_render.ticks import spelled_ticks, ticks
from fluvial.report_sections import Report
from tests.core import report_sample
from tests.core.report_sample import MADE, ORDERS
from tests.template import ROOT

VOID = ("meta", "br", "hr")
TAGS = frozenset(
    re.findall(
        r"\S+",
        """
        html head meta title style body header main footer section div p h1 h2 h3 h4 h5 h6 ul ol li dl dt dd blockquote
        pre code strong em s br hr a span table thead tbody tr th td figure figcaption details summary svg g path line
        rect text tspan circle defs clippath
        """,
    )
)
ATTRIBUTES = frozenset(
    re.findall(
        r"\S+",
        """
        lang charset http-equiv content name class scope tabindex role aria-label href rel start xmlns viewbox transform
        d x y x1 y1 x2 y2 dx dy cx cy r rx ry width height id clip-path fill fill-opacity stroke stroke-width opacity
        stroke-opacity stroke-dasharray stroke-linecap stroke-linejoin stroke-miterlimit font-size font-weight
        text-anchor
        """,
    )
)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><svg onload=alert(1)>",
    "]]><!--<b>",
    '#panic("typst")',
    '#read("/etc/passwd") $ x^2 $ *bold* = head <label> @ref',
    '\\ #sys.inputs #eval("1") ```raw```',
    '=HYPERLINK("https://evil.example","x")',
    "+1+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "datum.x + warn('x')",
    "https://evil.example/pixel.png",
)


class Page(HTMLParser):
    """A page as a browser would see it; every tag closed in its order, and nothing but what a report has."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        for name, value in attrs:
            assert name in ATTRIBUTES, (tag, name)
            assert name != "href" or re.match("https?://|mailto:", value or ""), value
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def files_of(report: Report, results: dict[str, Result], *formats: str) -> dict[str, bytes]:
    found = render(report, results, made=MADE, formats=formats or ("html", "pdf", "xlsx", "csv"))
    return {each.path: each.content for each in found}


def one(section: dict[str, Any], types: dict[str, str], rows: list[tuple[Any, ...]], **more: Any) -> Any:
    """A report of one section with the answer to it."""
    total = more.pop("total", None)
    report = report_sections.parse({"title": "A report", "sections": [section], **more}).with_values()
    return report, dict.fromkeys(report.questions(), report_sample.result(types, rows, total=total))


def section(kind: str, groups: list[Any], measures: list[str], **fields: Any) -> dict[str, Any]:
    aggregates = [{"function": "sum", "column": "price", "as": name} for name in measures]
    return {"type": kind, "dataset": ORDERS, "query": {"group_by": groups, "aggregates": aggregates}, **fields}


@pytest.fixture(scope="module")
def sample() -> dict[str, bytes]:
    return files_of(report_sample.report(), report_sample.results())


@pytest.fixture(scope="module")
def hostile() -> tuple[Report, dict[str, Result]]:
    """Every text that anybody gives is hostile, each in its turn."""
    turn = iter(HOSTILE * 50)
    text = "\n\n".join(f"{each}\n\n- {each}\n\n`{each}` [{each}](https://example.org/?q=1)" for each in HOSTILE)
    figure = section("key_figure", [], ["v"], label=next(turn), value="v", note=next(turn))
    sections = [{"type": "text", "text": text.replace("{{ 7 * 7 }}", "7 * 7")}, figure]
    for kind in ("bar", "line", "donut"):
        names = {"dimension": "name", "measures": ["v"]}
        x_title = {} if kind == "donut" else {"x_title": next(turn), "y_title": next(turn)}
        affixes = {"prefix": next(turn)[:10], "suffix": next(turn)[:10]}
        chart = {"type": kind, **names, **x_title, "format": affixes, "labels": True}
        sections.append(section("chart", ["name"], ["v"], title=next(turn), caption=next(turn), chart=chart))
    columns = [{"column": "name", "label": next(turn)}, {"column": "v", "label": next(turn), "format": {}}]
    sections.append(section("table", ["name"], ["v"], title="=1+1", caption=next(turn), columns=columns))
    given = {"title": next(turn), "subtitle": next(turn), "sections": sections}
    given["parameters"] = [{"name": "p", "type": "text", "label": next(turn), "default": HOSTILE[5]}]
    report = report_sections.parse(given).with_values()
    rows = [(each, at + 1) for at, each in enumerate(HOSTILE)]
    named = Result(
        report_sample.Source("dataset", ORDERS), HOSTILE[5], 1, {"name": "text", "v": "integer"}, rows, 99, 9
    )
    only = Result(named.source, HOSTILE[0], 2, {"v": "integer"}, [(7,)], 1, 9)
    results = {key: named if getattr(each.query, "groups", ()) else only for key, each in report.questions().items()}
    return report, results


# ---------------------------------------------------------------- the whole


def test_a_report_is_a_page_a_document_a_workbook_and_its_tables(sample: dict[str, bytes]) -> None:
    assert list(sample) == ["report.html", "report.pdf", "report.xlsx", "tables/01-shops-by-revenue.csv"]
    assert sample["report.pdf"].startswith(b"%PDF-")


def test_the_same_report_has_the_same_bytes_in_another_process_and_needs_no_duckdb(sample: dict[str, bytes]) -> None:
    code = (
        "import hashlib, json, sys\n"
        "from tests.core import report_sample as s\n"
        "from fluvial.report_render import render\n"
        "files = render(s.report(), s.results(), made=s.MADE)\n"
        "found = {each.path: hashlib.sha256(each.content).hexdigest() for each in files}\n"
        "print(json.dumps([found, 'duckdb' in sys.modules]))\n"
    )
    path = [str(ROOT), str(ROOT / "layers/core/python")]
    found = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "99", "TZ": "Asia/Tokyo", "LANG": "C"},
    )
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in sample.items()}
    assert json.loads(found.stdout) == [digests, False]


def test_the_fingerprint_changes_with_the_data_and_not_with_the_time() -> None:
    report, results = report_sample.report(), report_sample.results()
    shown = view.of(report, results, MADE)
    assert shown["digest"] == view.of(report, results, MADE + 60_000)["digest"]
    key = next(iter(results))
    changed = {**results, key: report_data.from_json({**results[key].to_json(), "version": 15})}
    assert view.of(report, changed, MADE)["digest"] != shown["digest"]


def test_results_survive_being_written_and_read() -> None:
    types = {"a": "integer", "b": "decimal(38,2)", "c": "float", "d": "text", "e": "boolean"}
    rows = report_data.typed([(2**63 - 1, "9" * 36 + ".90", "NaN", "x", True), (None,) * 5], list(types.values()))
    given = report_sample.result(types, rows).to_json()
    again = report_data.from_json(json.loads(json.dumps(given)))
    assert again.to_json() == given
    assert again.rows[0][1] == Decimal("9" * 36 + ".90")


# ---------------------------------------------------------------- the page


def test_the_page_stands_alone_under_a_policy_that_allows_its_style_only(sample: dict[str, bytes]) -> None:
    page = Page(sample["report.html"])
    style = (TEMPLATES / "report.css").read_text()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    [policy] = [each["content"] for each in page.all("meta") if "http-equiv" in each]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f"<style>{style}</style>" in sample["report.html"].decode()
    assert "url(" not in style
    assert "@import" not in style
    assert [each["href"] for each in page.all("a")] == ["https://example.org/methods"]


def test_the_page_shows_figures_charts_tables_and_where_the_data_are_from(sample: dict[str, bytes]) -> None:
    page = Page(sample["report.html"])
    assert len(page.all("svg")) == 3
    for text in (
        "Sales since 2024-01-01",
        "8,412,306\u00a0€",
        "▲ 8.8%",
        "406,881.52\u00a0€",
        "The first 12 of 40 rows are shown here; the workbook has all 40.",
        "The query's limit kept 40 of 112 rows.",
        "1,284,377",
        "2025-11-29 12:00 UTC",
    ):
        assert text in page.text, text


def test_no_content_gets_out_of_its_place_on_the_page(hostile: tuple[Report, dict[str, Result]]) -> None:
    html = files_of(*hostile, "html")["report.html"]
    page = Page(html)
    assert {each["href"] for each in page.all("a")} == {"https://example.org/?q=1"}
    for each in HOSTILE:
        assert each in page.text, each


def test_every_level_of_headings_is_there(hostile: tuple[Report, dict[str, Result]]) -> None:
    text = "#### deep\n\n###### deeper\n\n# top"
    page = Page(files_of(*one({"type": "text", "text": text}, {}, []), "html")["report.html"])
    assert [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)] == ["h1", "h2", "h3", "h2"]


# ---------------------------------------------------------------- Markdown


def parts(text: str, **values: Any) -> str:
    return json.dumps(markdown.tree(text, values), ensure_ascii=False)


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "/here", "//evil.example", "vbscript:x"],
)
def test_links_lead_to_the_web_and_to_mail_only(address: str) -> None:
    for text in (f"[text]({address})", f"[text][a]\n\n[a]: {address}", f"<{address}>"):
        assert '"link"' not in parts(text)
        assert address in parts(text)


def test_an_image_is_shown_as_its_description_and_address() -> None:
    [paragraph] = markdown.tree("![a *cat*](https://example.org/cat.png)", {})
    assert "".join(part.get("text", "") for part in paragraph["parts"]).endswith("(https://example.org/cat.png)")
    assert '"link"' not in json.dumps(paragraph)


def test_html_in_markdown_is_plain_text() -> None:
    [paragraph] = markdown.tree("<b>x</b>\n<script>1</script>", {})
    assert {part["kind"] for part in paragraph["parts"]} == {"text"}
    assert "".join(part["text"] for part in paragraph["parts"]) == "<b>x</b> <script>1</script>"


def test_a_parameter_in_markdown_is_plain_text_and_never_an_address() -> None:
    assert '"strong"' not in parts("{{x}}", x="**bold**")
    assert '"link"' not in parts("{{x}}", x="[a](https://example.org)")
    assert '"link"' not in parts("[a]({{x}})", x="https://evil.example")


def test_what_is_nested_too_deep_is_shown_as_it_was_written() -> None:
    assert markdown.tree(">" * 500 + "end", {}) == [{"kind": "code", "text": ">" * 500 + "end"}]


# ---------------------------------------------------------------- the document


def streams(document: bytes) -> bytes:
    """A PDF with its compressed streams opened."""
    found = [document]
    for each in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", document, re.DOTALL):
        try:
            found.append(zlib.decompress(each))
        except zlib.error:
            continue
    return b"\n".join(found)


def test_the_document_is_archivable_tagged_and_of_the_reports_time(sample: dict[str, bytes]) -> None:
    opened = streams(sample["report.pdf"])
    assert b"<pdfaid:part>2</pdfaid:part>" in opened
    assert b"<pdfuaid:part>1</pdfuaid:part>" in opened
    assert b"2025-11-29T12:00:00" in opened
    assert b"SourceSansPro-Regular" in opened
    assert re.findall(rb"/URI ?\((.*?)\)", opened) == [b"https://example.org/methods"]


@pytest.mark.parametrize("word", [b"/JavaScript", b"/JS", b"/Launch", b"/EmbeddedFile", b"/OpenAction", b"/SubmitForm"])
def test_the_document_does_nothing(sample: dict[str, bytes], word: bytes) -> None:
    assert word not in streams(sample["report.pdf"])


def test_typst_never_reads_content_as_markup(hostile: tuple[Report, dict[str, Result]]) -> None:
    opened = streams(files_of(*hostile, "pdf")["report.pdf"])
    # A #panic that was read would have ended the document; the title is there as it was given.
    title = hostile[0].title.encode("utf-16-be").hex().upper().encode()
    assert title in opened.upper() or hostile[0].title.encode() in opened
    assert set(re.findall(rb"/URI ?\((.*?)\)", opened)) == {b"https://example.org/?q=1"}


def test_typst_would_have_read_markup_that_is_pasted() -> None:
    # The test above means something only while this is so.
    with pytest.raises(typst.TypstError, match="typst"):
        typst.compile(HOSTILE[5].encode())


def test_our_document_evaluates_reads_and_imports_nothing() -> None:
    template = (TEMPLATES / "report.typ").read_text()
    assert not re.findall(r"\b(eval|read|include|import|plugin|mode:)\b", re.sub("//.*", "", template))


def test_a_document_whose_fonts_lack_a_character_says_so() -> None:
    report, results = one({"type": "text", "text": "東京 and 😀"}, {}, [])
    shown = view.of(report, results, MADE)
    opened = streams(pdf.document(shown, MADE))
    assert b"pdfaid:part" not in opened
    assert b"pdfaid:part" in streams(pdf.document({**shown, "blocks": []}, MADE))
    assert "{text}" in words.of("en")["not_in_fonts"]


def test_a_wide_table_goes_on_below_with_its_first_column() -> None:
    columns = [{"label": f"c{at}", "numeric": at > 0} for at in range(25)]
    found = pdf._parts({"columns": columns, "rows": [[str(at) for at in range(25)]]}, words.of("en"))
    assert [part["name"] for part in found] == ["Columns 2–10 of 25", "Columns 11–19 of 25", "Columns 20–25 of 25"]
    assert {part["columns"][0]["label"] for part in found} == {"c0"}
    shown = [cell for part in found for cell in part["rows"][0][1:]]
    assert shown == [str(at) for at in range(1, 25)]


def test_numbers_of_38_digits_have_room() -> None:
    columns = [{"label": f"c{at}", "numeric": True} for at in range(6)]
    found = pdf._parts({"columns": columns, "rows": [["9" * 38] * 6]}, words.of("en"))
    assert [len(part["columns"]) for part in found] == [2, 2, 2, 2, 2]


# ---------------------------------------------------------------- spreadsheets


def test_a_workbook_has_what_the_report_is_and_a_sheet_for_each_table(sample: dict[str, bytes]) -> None:
    book = openpyxl.load_workbook(io.BytesIO(sample["report.xlsx"]))
    assert book.sheetnames == [
        "About",
        "Shops by revenue",
        "Revenue by month",
        "Revenue by category",
        "Orders by region",
    ]
    sheet = book["Shops by revenue"]
    assert [cell.value for cell in sheet[1]] == ["Shop", "Opened", "Orders", "Revenue", "Margin", "Rating"]
    assert sheet.max_row == 41
    assert sheet["D2"].value == 406881.52
    assert sheet["D2"].number_format == "#,##0.00\\ \\€"
    assert sheet["B2"].value.isoformat() == "2003-10-04T00:00:00"
    assert book.properties.created.isoformat() == "2025-11-29T12:00:00"
    facts = {row[0]: row[1:] for row in book["About"].iter_rows(values_only=True) if row[0]}
    assert facts["Orders"] == (ORDERS, "14", "1,284,377")


def test_no_cell_of_a_workbook_is_a_formula_or_a_link(hostile: tuple[Report, dict[str, Result]]) -> None:
    content = files_of(*hostile, "xlsx")["report.xlsx"]
    book = openpyxl.load_workbook(io.BytesIO(content))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} == {"s", "n"}
    assert not any(cell.hyperlink for cell in cells)
    texts = {cell.value for cell in cells}
    assert set(HOSTILE) <= texts
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert not any(b"<f>" in archive.read(name) or b"<f " in archive.read(name) for name in archive.namelist())
        assert not any("externalLink" in name for name in archive.namelist())


def test_no_cell_of_a_csv_file_starts_a_formula(hostile: tuple[Report, dict[str, Result]]) -> None:
    files = files_of(*hostile, "csv")
    assert list(files) == ["tables/01-1-1.csv"]
    lines = list(csv.reader(io.StringIO(files["tables/01-1-1.csv"].decode("utf-8-sig"))))
    assert len(lines) == 1 + len(HOSTILE)
    assert not any(cell.startswith(spreadsheets.FORMULA_STARTS) for line in lines for cell in line)
    assert [line[0].removeprefix("'") for line in lines[1:]] == [each.removeprefix("'") for each in HOSTILE]


def test_numbers_keep_all_their_digits_in_files() -> None:
    types = {"name": "text", "v": "decimal(38,2)", "n": "integer", "f": "float"}
    rows = [("=x", Decimal("-" + "9" * 36 + ".90"), 2**63 - 1, 0.1), ("", None, -5, float("inf"))]
    report, results = one(section("table", ["name"], ["v", "n", "f"]), types, rows)
    files = files_of(report, results, "csv", "xlsx", "html")
    written = files["tables/01-table-1.csv"].decode("utf-8-sig")
    assert written == f'name,v,n,f\n\'=x,-{"9" * 36}.90,9223372036854775807,0.1\n"",,-5,Infinity\n'
    sheet = openpyxl.load_workbook(io.BytesIO(files["report.xlsx"]))["Table 1"]
    assert [cell.value for cell in sheet[2]] == ["=x", f"-{'9' * 36}.90", "9223372036854775807", 0.1]
    text = Page(files["report.html"]).text
    assert f"−{'9' * 36}.90" in text
    assert "9223372036854775807" in text
    assert "Infinity" in text


def test_sheets_of_one_title_have_names_of_their_own() -> None:
    each = section("table", ["name"], ["v"], title="History: [all] of the very long titles of tables")
    report = report_sections.parse({"title": "x", "sections": [each, each, {**each, "title": "About"}]}).with_values()
    results = dict.fromkeys(report.questions(), report_sample.result({"name": "text", "v": "integer"}, [("a", 1)]))
    names = openpyxl.load_workbook(io.BytesIO(files_of(report, results, "xlsx")["report.xlsx"])).sheetnames
    assert len({name.lower() for name in names}) == 4
    assert all(len(name) <= 31 for name in names)


# ---------------------------------------------------------------- charts


def chart(**fields: Any) -> Chart:
    given = {"type": "bar", "dimension": "d", "measures": ["v"], **fields}
    return report_sections.report_charts.parse(given)


def data(given: Chart, types: dict[str, str], rows: list[tuple[Any, ...]]) -> chart_data.ChartData:
    return chart_data.of(given, report_sample.result(types, rows))


PLAIN = {"d": "text", "v": "integer"}
SERIES = {"d": "text", "s": "text", "v": "integer"}


def test_rows_become_labels_and_series_with_gaps() -> None:
    found = data(chart(series="s"), SERIES, [("a", "x", 1), ("b", "x", 2), ("b", "y", 3)])
    assert found.labels == ["a", "b"]
    assert [(each.name, each.values) for each in found.series] == [("x", [1, 2]), ("y", [None, 3])]
    assert found.notes == []


def test_labels_are_sorted_as_the_chart_says_nulls_last() -> None:
    rows = [("b", 1), (None, 9), ("a", 5)]
    assert data(chart(), PLAIN, rows).labels == ["b", None, "a"]
    assert data(chart(sort={"by": "dimension"}), PLAIN, rows).labels == ["a", "b", None]
    assert data(chart(sort={"by": "dimension", "order": "desc"}), PLAIN, rows).labels == ["b", "a", None]
    assert data(chart(sort={"by": "value", "order": "desc"}), PLAIN, rows).labels == [None, "a", "b"]


def test_time_runs_to_the_right() -> None:
    found = data(chart(type="line"), {"d": "date", "v": "integer"}, [("1970-02-01", 2), ("1970-01-02", 1)])
    assert (found.labels, found.days) == (["1970-01-02", "1970-02-01"], [1.0, 31.0])


def test_what_is_not_drawn_is_told() -> None:
    bars = data(chart(), PLAIN, [(str(at), at) for at in range(61)])
    assert bars.notes == [("labels_left_out", {"shown": 60, "all": 61})]
    series = data(chart(series="s"), SERIES, [("a", str(at), at) for at in range(9)])
    assert series.notes == [("series_left_out", {"shown": 8, "all": 9})]
    assert [each.name for each in series.series] == [str(at) for at in range(1, 9)]
    missing = data(chart(), {"d": "text", "v": "float"}, [("a", None), ("b", float("nan")), ("c", 1.0)])
    assert missing.notes == [("not_drawn", {"count": 2, "all": 3})]


def test_the_smallest_slices_are_one_with_their_exact_sum() -> None:
    types = {"d": "text", "v": "decimal(38,2)"}
    found = data(chart(type="pie"), types, [(str(at), Decimal(f"{20 - at}.01")) for at in range(12)])
    assert found.folded
    assert len(found.labels) == chart_data.MAX_SLICES
    assert found.series[0].values[-1] == Decimal("30.03")
    assert found.notes == [("folded", {"count": 3, "all": 12})]


@pytest.mark.parametrize(
    ("given", "types", "rows", "word"),
    [
        (chart(), PLAIN, [("a", 1), ("a", 2)], "duplicates"),
        (chart(series="s"), SERIES, [("a", "x", 1), ("a", "x", 2)], "duplicates"),
        (chart(type="pie"), PLAIN, [("a", 1), ("b", -1)], "negative"),
        (chart(type="pie"), PLAIN, [("a", 0)], "zero"),
    ],
)
def test_data_that_make_no_chart_say_why(given: Chart, types: dict[str, str], rows: Any, word: str) -> None:
    with pytest.raises(NotDrawableError) as caught:
        data(given, types, rows)
    assert caught.value.word == word
    assert all(word in words.of(language) for language in ("en", "de"))


def test_a_chart_without_data_says_so() -> None:
    report, results = one(
        section("chart", ["d"], ["v"], chart={"type": "bar", "dimension": "d", "measures": ["v"]}), PLAIN, []
    )
    page = Page(files_of(report, results, "html")["report.html"])
    assert page.all("svg") == []
    assert "There is no data." in page.text


def drawing(given: dict[str, Any], types: dict[str, str], rows: list[tuple[Any, ...]]) -> figures.Figure:
    names = [name for name in (given.get("dimension"), given.get("series")) if name]
    report, results = one(section("chart", names, given["measures"], chart=given), types, rows)
    [only] = report.sections
    assert isinstance(only, report_sections.ChartSection)
    return figures.of(only, next(iter(results.values())), prefix="p", words=words.of("en"), language="en")


@pytest.mark.parametrize(
    ("fields", "marks"),
    [
        ({"type": "bar"}, 2),
        ({"type": "bar", "horizontal": True, "labels": True}, 2),
        ({"type": "line"}, 1),
        ({"type": "area"}, 2),
        ({"type": "pie"}, 2),
        ({"type": "donut"}, 2),
    ],
)
def test_every_type_is_drawn(fields: dict[str, Any], marks: int) -> None:
    found = drawing({"dimension": "d", "measures": ["v"], **fields}, PLAIN, [("a", 3), ("b", 4)])
    assert found.drawing is not None
    assert len(re.findall(rf'fill="{vega.PALETTE[0]}"|stroke="{vega.PALETTE[0]}"', found.drawing)) >= 1
    assert len(re.findall(r"<path ", found.drawing)) >= marks


@pytest.mark.parametrize("arrangement", ["grouped", "stacked"])
def test_series_are_drawn_in_their_colours_with_a_legend(arrangement: str) -> None:
    given = {"type": "bar", "dimension": "d", "measures": ["v"], "series": "s", "arrangement": arrangement}
    found = drawing(given, SERIES, [("a", "x", 3), ("a", "y", 4), ("b", "y", 1)])
    assert found.drawing is not None
    assert found.drawing.count(f'fill="{vega.PALETTE[1]}"') == 3
    assert ">x</text>" in found.drawing


def test_points_are_drawn_by_series() -> None:
    given = {"type": "scatter", "measures": ["v", "w"], "series": "s"}
    found = drawing(given, {"s": "text", "v": "integer", "w": "float"}, [("x", 1, 2.5), ("y", 2, None), ("y", 3, 1.5)])
    assert found.drawing is not None
    assert found.drawing.count(f'fill="{vega.PALETTE[1]}"') == 2
    assert found.notes == ["Not drawn, because missing or not finite: 1 of 3 values."]


def strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value


def test_what_people_wrote_is_data_in_a_specification() -> None:
    given = chart(labels=True)
    found = data(given, PLAIN, [(each, at) for at, each in enumerate(HOSTILE)])
    texts = vega.Texts(list(HOSTILE), [HOSTILE[0]], [list(HOSTILE)])
    spec = vega.of(given, found, texts, width="full", language="en")
    params = {each["name"]: each.pop("value") for each in spec["params"]}
    assert params["labels"] == list(HOSTILE)
    assert [each.pop("t") for each in spec["data"]["values"]] == list(HOSTILE)
    assert not {each for each in strings(spec) if each in HOSTILE or each in ("url", "href", "signal")}


def test_nothing_is_fetched_for_a_drawing() -> None:
    spec = {"data": {"url": "https://example.org/x.csv"}, "mark": "bar", "encoding": {"x": {"field": "a"}}}
    with pytest.raises(ValueError, match="not allowed"):
        svg.draw(spec, "p")


@pytest.mark.parametrize(
    "inside",
    [
        "<script>1</script>",
        "<a/>",
        "<image href='x'/>",
        "<g onload='x'/>",
        "<g style='x'/>",
        "<path d='M1' fill='url(https://evil.example)'/>",
        "<path d='M1' fill='url(#nothing)'/>",
        "<foreignObject/>",
        "<x xmlns='urn:other'/>",
    ],
)
def test_a_drawing_with_more_than_shapes_is_refused(inside: str) -> None:
    # Groups with nothing in them go before anything is looked at.
    text = inside.replace("/>", "><path d='M1'/></g>") if inside.startswith("<g") else inside
    with pytest.raises(svg.UnsafeDrawingError):
        svg.checked(f"<svg xmlns='{svg.NAMESPACE}' width='1' height='1'>{text}</svg>", "p")


def test_ids_of_a_drawing_begin_with_its_prefix() -> None:
    inside = "<clipPath id='clip0'><rect/></clipPath><path d='M1' clip-path='url(#clip0)'/>"
    found = svg.checked(f"<svg xmlns='{svg.NAMESPACE}' width='1' height='1'>{inside}</svg>", "chart-3")
    assert 'id="chart-3-1"' in found
    assert 'clip-path="url(#chart-3-1)"' in found
    assert "clip0" not in found


def test_hostile_labels_stay_texts_of_a_drawing() -> None:
    rows = [(each, at + 1) for at, each in enumerate(HOSTILE)]
    found = drawing({"type": "bar", "dimension": "d", "measures": ["v"], "horizontal": True}, PLAIN, rows)
    assert found.drawing is not None
    texts = {each.text for each in ElementTree.fromstring(found.drawing).iter(f"{{{svg.NAMESPACE}}}text")}
    assert "<script>alert(1)</script>" in texts
    assert "@SUM(1+1)" in texts


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0, 95, ["0", "20", "40", "60", "80", "100"]),
        (0, 1_234_567, ["0", "0.5M", "1.0M", "1.5M"]),
        (-3, 7, ["−4", "−2", "0", "2", "4", "6", "8"]),
        (0, 0.37, ["0", "0.1", "0.2", "0.3", "0.4"]),
        (0, 0, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0, 3e-15, ["0E+0", "1E-15", "2E-15", "3E-15"]),
    ],
)
def test_ticks_are_round_and_exactly_spelled(low: float, high: float, texts: list[str]) -> None:
    assert spelled_ticks(ticks(low, high), None, "en") == texts


def test_an_answer_of_chart_data_is_drawn_and_tells_what_it_left_out() -> None:
    measure = {"aggregation": "sum", "column": "price"}
    dimension = {"column": "sold_on", "bucket": "month"}
    asked = {"dimension": dimension, "series": {"column": "region", "limit": 1, "other": True}, "measures": [measure]}
    given = {"type": "chart", "dataset": ORDERS, "chart_query": asked, "chart": {"type": "area"}}
    report = report_sections.parse({"title": "x", "sections": [given]}).with_values()
    [(key, question)] = report.questions().items()
    answer = {
        "labels": ["2025-01-01", "2025-02-01"],
        "series": [
            {"name": "Other", "data": ["1.50", "0.00"], "measure": "sum(price)", "group": "Other", "other": False},
            {"name": "Other", "data": ["2.50", None], "measure": "sum(price)", "group": None, "other": True},
        ],
        "rowsScanned": 9,
        "totalGroups": 40,
        "totalSeries": 7,
        "truncated": True,
        "otherLabel": None,
        "version": 3,
    }
    result = report_data.of_chart(question, "Orders", report_sample.TYPES, answer)
    assert list(result.types.items()) == [("sold_on", "date"), ("region", "text"), ("sum(price)", "decimal(38,2)")]
    assert result.rows[:2] == [("2025-01-01", "Other", Decimal("1.50")), ("2025-01-01", "Other …", Decimal("2.50"))]
    assert result.left_out[0] == ("labels_left_out", 2, 40)
    page = Page(files_of(report, {key: result}, "html")["report.html"])
    assert len(page.all("svg")) == 1
    assert "The first 2 of 40 values along the axis are drawn." in page.text
