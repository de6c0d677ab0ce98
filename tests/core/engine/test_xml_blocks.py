"""XML that is read block by block gives what reading it element by element does, which defines the result."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

import pytest

from fluvial.engine import collect, sources
from fluvial.engine.ingest import ingest
from fluvial.engine.options import Options
from fluvial.engine.rows import locate, read_page
from fluvial.engine.xml_blocks import BlockReader
from fluvial.errors import UnreadableFileError

NAMES = ["a", "b", "c", "p:d", "q:d", "e.f"]
TEXTS = ["", "a", "1", "2.5", "x,y", 'q"t', "l\nm", "&lt;b&gt;", " ", "é", "<![CDATA[<row>]]>", "a\r\nb"]
BESIDE = ["<meta>t</meta>", "text", "<!-- row -->", "<!-- <row> -->", "<x/><x/>", "<meta><row/></meta>", "<?pi a?>"]


def element(made: random.Random, name: str, depth: int) -> str:
    attributes = "".join(
        f' {key}="{made.choice(["", "1", "z", "a,b", "&quot;"])}"'
        for key in ("k", "p:k", "xsi:nil")
        if made.random() < 0.1
    )
    if depth < 3 and made.random() < 0.2:
        within = "".join(
            element(made, made.choice(NAMES), depth + 1) + made.choice(["", "\n"]) for _ in range(made.randint(0, 3))
        )
        return f"<{name}{attributes}>{within}</{name}>"
    return f"<{name}{attributes}>{made.choice(TEXTS)}</{name}>"


def document(seed: int) -> str:
    """Records of nearly one shape, with what may stand beside and between them."""
    made = random.Random(seed)
    fields, listed, attributed = made.sample(NAMES, made.randint(1, 5)), made.random() < 0.2, made.random() < 0.5
    parts = ['<?xml version="1.0"?>\n', '<r xmlns:p="1" xmlns:q="2">']
    for number in range(made.randint(2, 12)):
        if made.random() < 0.1:
            parts.append(made.choice(BESIDE))
        named = fields if made.random() < 0.9 else made.sample(NAMES, 3)
        row = "".join(made.choice(["", "\n"]) + element(made, name, 0) for name in named)
        begins = f'<row id="{number}"' if attributed else "<row"
        row = begins + made.choice(["", " ", "\n"]) + f">{row}</row>\n"
        parts.append(f"<list>{row}{row}</list>" if listed else row)
    return "".join(parts) + "</r>"


def outcome(data: str, options: Options) -> object:
    with tempfile.TemporaryDirectory() as temp:
        source, out = Path(temp, "source"), Path(temp, "out")
        source.write_text(data, newline="")
        try:
            manifest = ingest(source, out, filename="t", options=options, threads=1)
        except UnreadableFileError as error:
            return str(error)
        rows = read_page([(out / p.file, s, t) for p, s, t in locate(manifest, 0, manifest.rows)], manifest.columns)
        said = json.loads(manifest.to_json())
        for part in said["parts"]:
            del part["bytes"]
        return said, rows


@pytest.mark.parametrize("seed", range(24))
def test_both_ways_to_read_a_document_end_alike(seed, monkeypatch):
    data = document(seed)
    options = Options(record=[None, None, "row", "a"][seed % 4], null_tokens=("a", "") if seed % 3 == 0 else ())
    monkeypatch.setattr(sources, "CHUNK_BYTES", [300, 262_144][seed % 2])
    fast = outcome(data, options)
    monkeypatch.setattr(collect, "guessed", lambda *_: None)
    assert fast == outcome(data, options)


@pytest.fixture
def finished(monkeypatch) -> list[bool]:
    """A truth value for each document that was begun block by block: whether that was its end, too."""
    seen: list[bool] = []
    read = BlockReader.read

    def watched(self, chunks):
        seen.append(False)
        known = read(self, chunks)
        seen[-1] = True
        return known

    monkeypatch.setattr(BlockReader, "read", watched)
    return seen


@pytest.mark.parametrize(
    "row",
    ["<row><a>{}</a><b>x</b></row>\n", '<row a="{}" b=""/>', "<row k='1'><a><b>{}</b></a><c u='m'>2</c></row>\n"],
)
def test_ordinary_documents_are_read_in_blocks(row, finished):
    outcome("<r>" + "".join(row.format(n) for n in range(5000)) + "</r>", Options())
    assert finished == [True]


def test_a_guess_that_the_rest_of_the_document_refutes_is_given_up(finished, monkeypatch):
    monkeypatch.setattr(sources, "CHUNK_BYTES", 200)
    data = "<r>" + "<x><k>1</k></x>" * 20 + "<y><k>2</k></y>" * 50 + "</r>"
    said, rows = outcome(data, Options())
    assert said["dialect"] == {"record": "r/y"}
    assert rows == [{"k": 2}] * 50
    assert finished == [True, True]


def test_records_within_records_are_read_element_by_element(finished):
    said, rows = outcome("<r><row><a>1</a></row><row><a>2</a><row>x</row></row></r>", Options())
    assert finished == [False]
    assert rows == [{"a": 1, "row": None}, {"a": 2, "row": "x"}]
    assert said["rows"] == 2
