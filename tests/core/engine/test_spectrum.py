"""The public cases of csv-spectrum: each file reads to its JSON, the text of every cell included.

Differences:
- csv-spectrum knows no null, and calls a bare empty cell the empty string. Here it is null (docs/data-model.md,
  "Typing"), so null counts as the empty string below.
- location_coordinates.json is one object, not a list of one, and has another phone number than its file: a slip of the
  collection. The file's number is expected here.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fluvial.engine.ingest import ingest
from fluvial.engine.rows import locate, read_page

CASES = sorted(Path(__file__).with_name("spectrum").glob("*.csv"))


def test_all_twelve_cases_are_there():
    assert len(CASES) == 12


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_public_case_reads_to_its_json(tmp_path, path):
    manifest = ingest(path, tmp_path, filename=path.name, threads=1)
    page = read_page([(tmp_path / p.file, s, t) for p, s, t in locate(manifest, 0, manifest.rows)], manifest.columns)
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    if path.stem == "location_coordinates":
        expected = [expected | {"Contact Phone Number": "2095257564"}]
    got = [{name: "" if value is None else _text(value, manifest, name) for name, value in row.items()} for row in page]
    assert got == expected
    assert manifest.rejected == 0


def _text(value: object, manifest, name: str) -> str:
    format_ = next(column.format for column in manifest.columns if column.name == name)
    return repr(value).removesuffix(".0") if isinstance(value, float) and format_ else str(value)
