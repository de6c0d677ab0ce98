"""The report as PDF, set by Typst: tagged, archivable (PDF/A-2a, PDF/UA-1), the same bytes each time.

Typst's document is ours; the report reaches it as JSON in `sys.inputs`, where nothing is read as markup. Fonts are the
package's and Typst's own, never the machine's. Nothing is fetched, and no file but ours is in reach.
"""

from __future__ import annotations

import atexit
import json
import re
import shutil
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import typst

TEMPLATE = Path(__file__).parent / "templates" / "report.typ"
FONT = "Source Sans Pro"
FACES = ("Regular", "It", "Semibold", "SemiboldIt")
STANDARDS: list[Any] = ["a-2a", "ua-1"]
# In characters of the small size in which wide tables are set.
NARROW = 12
BREAKS_FROM = 14  # so long a text can be broken
CELL_PADDING = 4
MAX_LINE = 125
LARGE_LINE = 95  # of the usual size
MAX_COLUMNS = 10  # side by side; more follow below

_LACKING = re.compile(r"the text `\"(.*?)\"` could not be displayed", re.DOTALL)


def document(view: dict[str, Any], made: int) -> bytes:
    """The document, as of `made` in milliseconds.

    An archivable PDF has no characters that its fonts lack. Where there are some, the document says so, and is a plain
    PDF, in which boxes stand for them.
    """
    shown = {**view, "blocks": [_block(each, view["words"]) for each in view["blocks"]]}
    try:
        return _compiled(shown, made, STANDARDS)
    except typst.TypstError as error:
        lacking = _LACKING.search(error.message)
        if lacking is None:
            raise
        notice = view["words"]["not_in_fonts"].format(text=f"U+{ord(lacking[1][0]):04X}")
        return _compiled({**shown, "notice": notice}, made, [])


def _compiled(view: dict[str, Any], made: int, standards: list[Any]) -> bytes:
    compiled: bytes = typst.compile(
        TEMPLATE,
        root=TEMPLATE.parent,
        font_paths=_fonts(),
        sys_inputs={"report": json.dumps(view, ensure_ascii=False)},
        format="pdf",
        timestamp=made // 1000,
        pdf_standards=standards,
    )
    return compiled


def _block(block: dict[str, Any], words: dict[str, str]) -> dict[str, Any]:
    """A block as the document has it: drawings with its font, wide tables in parts. Data of charts are not printed."""
    if block["kind"] == "charts":
        return {
            **block,
            "charts": [{**each, "svg": _with_font(each["svg"]), "table": None} for each in block["charts"]],
        }
    if block["kind"] == "table":
        return {**block, "table": None, "parts": _parts(block["table"], words)}
    return block


def _with_font(drawing: str | None) -> str | None:
    return None if drawing is None else drawing.replace("<svg ", f'<svg font-family="{FONT}" ', 1)


def _parts(table: dict[str, Any], words: dict[str, str]) -> list[dict[str, Any]]:
    """The table; one that is too wide for a page in several, which repeat the first column."""
    columns, rows = table["columns"], table["rows"]
    needed = [
        CELL_PADDING + (length if each["numeric"] else min(length, BREAKS_FROM))
        for each, length in zip(columns, _longest(columns, rows), strict=True)
    ]
    groups = _groups(needed)
    found = []
    for group in groups:
        some = [[row[at] for at in group] for row in rows]
        name = words["columns_of"].format(first=group[min(1, len(group) - 1)] + 1, last=group[-1] + 1, all=len(columns))
        found.append(
            {
                "name": name if len(groups) > 1 else None,
                "columns": _flexible([columns[at] for at in group], some),
                "rows": some,
                "small": sum(needed[at] for at in group) > LARGE_LINE,
            }
        )
    return found


def _groups(needed: list[int]) -> list[list[int]]:
    """The columns side by side: the first, and as many others as a page has room for. Numbers are never broken."""
    groups = [[0]]
    for at in range(1, len(needed)):
        group = groups[-1]
        used = sum(needed[each] for each in (*group, at))
        if len(group) > 1 and (len(group) == MAX_COLUMNS or used > MAX_LINE):
            groups.append([0, at])
        else:
            group.append(at)
    return groups


def _longest(columns: list[dict[str, Any]], rows: list[list[str | None]]) -> list[int]:
    """The characters of the longest text of each column."""
    return [max([len(each["label"]), *(len(row[at] or "") for row in rows)]) for at, each in enumerate(columns)]


def _flexible(columns: list[dict[str, Any]], rows: list[list[str | None]]) -> list[dict[str, Any]]:
    """The columns, each with whether it takes what room is left: those with long texts, or else the first."""
    longest = _longest(columns, rows)
    wide = [not each["numeric"] and length > NARROW for each, length in zip(columns, longest, strict=True)]
    if not any(wide):
        wide[0] = True
    return [{**each, "flexible": flexible} for each, flexible in zip(columns, wide, strict=True)]


@cache
def _fonts() -> typst.Fonts:
    """The faces that we use and Typst's own. A folder of links: the package has others of the same names beside."""
    folder = Path(tempfile.mkdtemp(prefix="fluvial-fonts-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for face in FACES:
        name = f"SourceSansPro-{face}.ttf"
        (folder / name).symlink_to(str(files("font_source_sans_pro") / "files" / name))
    return typst.Fonts(include_system_fonts=False, font_paths=[folder])
