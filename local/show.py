"""What the commands print: steps, notes and tables; in colour on a terminal, unless NO_COLOR is set."""

from __future__ import annotations

import os
import shutil
import sys
import time
import unicodedata
from collections.abc import Mapping, Sequence
from typing import IO

_CODES = {"green": "32", "red": "31", "dim": "2", "bold": "1", "cyan": "36"}
_INDENT, _GAP = "    ", "  "
_MAX_CELL, _LEAST_CELL = 36, 6
_LONGEST_CELL = 1000


def coloured(text: str, style: str, stream: IO[str] | None = None) -> str:
    if os.environ.get("NO_COLOR") or not (stream or sys.stdout).isatty():
        return text
    return f"\033[{_CODES[style]}m{text}\033[0m"


def step(text: str, began: float | None = None) -> None:
    """A step that held; how long it took, where `began` is the `time.monotonic()` of its beginning."""
    clear_progress()
    took = "" if began is None else f"{time.monotonic() - began:.1f} s"
    print(f"  {coloured('✓', 'green')} {text:<62} {coloured(took.rjust(7), 'dim')}".rstrip(), flush=True)


def failed(text: str) -> None:
    """Why it ends here, on stderr."""
    clear_progress()
    print(f"  {coloured('✗', 'red', sys.stderr)} {text}", file=sys.stderr, flush=True)


def note(text: str) -> None:
    print(f"    {coloured(text, 'dim')}", flush=True)


def heading(text: str) -> None:
    print(f"\n  {coloured(text, 'bold')}", flush=True)


def lines(*texts: str) -> None:
    """Lines to copy, unadorned."""
    for text in texts:
        print(f"    {text}", flush=True)


def end_line() -> None:
    """After Ctrl-C, which a terminal echoes as ^C."""
    print(flush=True)


def pairs(values: Mapping[str, str]) -> None:
    width = max(map(len, values), default=0)
    for name, value in values.items():
        print(f"    {coloured(name.ljust(width), 'dim')}  {value}", flush=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool] = ()) -> None:
    """An aligned table, no wider than the terminal; `right` says which columns stand to the right."""
    room = shutil.get_terminal_size((100, 24)).columns - len(_INDENT)
    lines = [[_plain(cell) for cell in row] for row in [columns, *rows]]
    widths: list[int] = []
    for index in range(len(columns)):
        # The last column may take all the room there is, the others leave some to those that follow.
        most = room if index == len(columns) - 1 else min(room, _MAX_CELL)
        width = min(max(_width(line[index]) for line in lines), most)
        widths.append(width)
        room -= width + len(_GAP)
        if room < _LEAST_CELL:
            break
    for number, line in enumerate(lines):
        cells = [_fit(line[index], width, bool(right) and right[index]) for index, width in enumerate(widths)]
        text = _GAP.join(cells).rstrip()
        print(_INDENT + (coloured(text, "dim") if number == 0 else text), flush=True)
    if len(widths) < len(columns):
        note(f"… and {len(columns) - len(widths)} more columns")


def progress(text: str) -> None:
    """A line that the next one replaces; nothing where the output is not a terminal."""
    if sys.stdout.isatty():
        print(f"\r\033[K    {coloured(text, 'dim')}", end="", flush=True)


def clear_progress() -> None:
    if sys.stdout.isatty():
        print("\r\033[K", end="", flush=True)


def _plain(text: str) -> str:
    """Data from a file must not move the cursor or set the title of somebody's terminal."""
    return "".join(character if character.isprintable() else "·" for character in text[:_LONGEST_CELL])


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _fit(text: str, width: int, right: bool) -> str:
    """The text at exactly this width, cut if need be."""
    if _width(text) > width:
        while _width(text) > width - 1:
            text = text[:-1]
        text += "…"
    space = " " * (width - _width(text))
    return space + text if right else text + space
