"""Whether the first record of delimited text is its header, and which record that is where lines stand above it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from fluvial.engine.temporal import formats_of
from fluvial.engine.types import TRUTH_WORDS, decide, shown

Row = Sequence[str | None]
# Of the filled cells of a column, this many are of one kind where it is of that kind.
MOSTLY = 0.8
ROWS = 100
LEAST_FILLED = 0.5
_NUMERIC = re.compile(r"[-+(]?[^\w\s]{0,2}\s?[0-9](?:[0-9.,:/'\s-]*[0-9])?\.?\s?[^\w\s]{0,2}\)?")
_YEARS = range(1500, 2200)
_TRUTHS = frozenset(word for pair in TRUTH_WORDS for word in pair)


def kind(cell: str) -> str | None:
    """A coarse kind that says more of a cell than its type: what has digits and no letters is a number."""
    if _NUMERIC.fullmatch(cell):
        return "number"
    if formats_of(cell):
        return "date"
    return "truth" if cell in _TRUTHS else None


def column_kinds(rows: Sequence[Row], width: int) -> list[str | None]:
    """The kind that most filled cells of each column have."""
    found: list[str | None] = []
    for index in range(width):
        cells = [cell for row in rows[:ROWS] if (cell := row[index])]
        kinds = Counter(kind(cell) for cell in cells)
        best, count = kinds.most_common(1)[0] if kinds else (None, 0)
        found.append(best if cells and count >= MOSTLY * len(cells) else None)
    return found


def is_header(rows: Sequence[Row]) -> tuple[bool, str]:
    """Whether the first of these rows, all of one width, is a header, and why."""
    if not rows:
        return False, "no record has that width"
    first, rest = rows[0], rows[1:]
    kinds = column_kinds(rest, len(first))
    pairs = [(index, cell) for index, cell in enumerate(first) if cell and kinds[index]]
    above = [(index, cell) for index, cell in pairs if kind(cell) is None]
    alike = [(index, cell) for index, cell in pairs if kind(cell) is not None]
    if above and (len(above) > len(alike) or _numbers_are_names(first, rest, alike)):
        index, cell = above[0]
        type_ = decide(row[index] for row in rest).type
        what = f"a column of type {type_}" if type_ != "text" else f"a column of {kinds[index]}s"
        return True, f"the first record is a header: '{cell}' stands over {what}"
    if _numbers_are_names(first, rest, alike) and len(alike) > 1:
        listed = ", ".join(cell for _, cell in alike[:3])
        return True, f"the first record is a header: {listed} go up in equal steps, as the cells below do not"
    if alike:
        index, cell = alike[0]
        type_ = decide(row[index] for row in rows).type
        return False, f"there is no header: '{cell}' in the first record is a {type_} like the cells below it"
    return _by_words(first, rest)


def _by_words(first: Row, rest: Sequence[Row]) -> tuple[bool, str]:
    filled = [cell for cell in first if cell]
    named = len(filled) == len(first) == len(set(first))
    again = next((cell for index, cell in enumerate(first) if cell and _recurs(index, first, rest)), None)
    if again is not None and len(rest) > 1:
        return False, f"there is no header: {shown(again)} occurs again in its column"
    if named and not any(kind(cell) for cell in filled):
        return True, "the first record is a header: its cells are filled, distinct and no numbers or dates"
    return False, "there is no header: the first record has empty, repeated or numeric cells"


def _recurs(index: int, first: Row, rest: Sequence[Row]) -> bool:
    """Whether the cell of the first row is below it as well; a header that is repeated as a whole does not count."""
    return any(row[index] == first[index] and list(row) != list(first) for row in rest)


def _numbers_are_names(first: Row, rest: Sequence[Row], alike: Sequence[tuple[int, str]]) -> bool:
    """Years or counted numbers over columns: distinct, in equal steps, and not what the cells below them are."""
    if len({cell for _, cell in alike}) < len(alike) or not all(cell.isdigit() for _, cell in alike):
        return False
    numbers = [int(cell) for _, cell in alike]
    steps = {after - before for before, after in pairwise(numbers)}
    if len(steps) > 1 or 0 in steps or not all(first):
        return False
    if not all(number in _YEARS for number in numbers) and (len(numbers) < 3 or steps != {1}):
        return False
    below = [[row[index] for index, _ in alike] for row in rest[:ROWS]]
    return bool(below) and not any(_stepped(row) or _all_years(row) for row in below)


def _stepped(row: Row) -> bool:
    numbers = [int(cell) for cell in row if cell and cell.isdigit()]
    return 2 < len(row) == len(numbers) and all(after - before == 1 for before, after in pairwise(numbers))


def _all_years(row: Row) -> bool:
    return all(cell and cell.isdigit() and int(cell) in _YEARS for cell in row)


def looks_like_names(row: Row) -> bool:
    """Whether a row of another width than the table may still be its header: at least two words, all distinct."""
    filled = [cell for cell in row if cell]
    return len(filled) > 1 and len(filled) == len(set(filled)) and not any(kind(cell) for cell in filled)


def padded_titles(rows: Sequence[Row]) -> int:
    """How many of the first rows are titles whose empty cells a spreadsheet filled up, above a clear header.

    A table of two columns has none: there, a row with one cell is as likely a record.
    """
    if not rows or len(rows[0]) < 3:
        return 0
    count = 0
    while count < len(rows) - 2 and sum(bool(cell) for cell in rows[count]) <= max(1, len(rows[0]) // 4):
        count += 1
    header = rows[count]
    filled = sum(bool(cell) for cell in header)
    below = rows[count + 1 : count + 1 + ROWS]
    usual = sum(sum(bool(cell) for cell in row) for row in below) / len(below) if below else 0
    if count and filled >= max(3, LEAST_FILLED * len(header), 0.8 * usual) and is_header(rows[count:])[0]:
        return count
    return 0


def fitted(cells: list[str], width: int, *, labels: bool) -> tuple[list[str], str | None]:
    """A header of another width than the table's, brought to it, and a note; `labels`: its first column is unnamed."""
    spare = len(cells) - width
    if spare > 0:
        if sum(not cell.strip() for cell in cells) >= spare and not any(cell.strip() for cell in cells[width:]):
            return cells[:width], f"the header ends in {spare} delimiters more than the records"
        if sum(not cell.strip() for cell in cells) == spare:
            kept = [cell for cell in cells if cell.strip()]
            return kept, f"the header has {spare} empty cells more than the records; they are left out"
        lost = ", ".join(shown(cell) for cell in cells[width:][:3])
        return cells[:width], f"the header has {spare} cells more than the records, which are no names: {lost}"
    if spare == 0:
        return cells, None
    if labels:
        return ["", *cells], "the header has no name for the first column, which holds labels of the rows"
    return cells + [""] * -spare, f"the header has {-spare} cells fewer than the records; the last have no name"
