"""The texts that the caller said are null, where they are whole, bare cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence


class NullTokens:
    """Empties such cells of delimited text, and counts them by column."""

    def __init__(self, tokens: Sequence[str], delimiter: bytes) -> None:
        """`delimiter` is that of the cleaned parts, one byte."""
        self.counts: Counter[int] = Counter()
        self._tokens, self._delimiter = frozenset(token.encode() for token in tokens), delimiter
        inner = b"[^" + re.escape(delimiter) + rb"\n]"
        either = b"|".join(re.escape(token) for token in sorted(self._tokens, key=len, reverse=True))
        self._whole_cell = re.compile(b"(?<!" + inner + b")(?:" + either + b")(?!" + inner + b")")

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def occur_in(self, block: bytes) -> bool:
        """Whether a token is anywhere in the block, be it a cell or not."""
        return any(token in block for token in self._tokens)

    def without(self, block: bytes) -> bytes:
        """A cleaned block without quotes, in which such cells are empty."""
        if not self._tokens:
            return block
        for found in self._whole_cell.finditer(block):
            begins = block.rfind(b"\n", 0, found.start()) + 1
            self.counts[block.count(self._delimiter, begins, found.start())] += 1
        return self._whole_cell.sub(b"", block)

    def of(self, cells: list[tuple[bytes, bool]]) -> list[tuple[bytes, bool]]:
        """The cells of one record, (content, quoted), likewise."""
        if not self._tokens:
            return cells
        for number, (cell, quoted) in enumerate(cells):
            if not quoted and cell in self._tokens:
                cells[number] = (b"", False)
                self.counts[number] += 1
        return cells

    def noted(self, notes: dict[int, str]) -> dict[int, str]:
        """The notes of the columns with the number of cells that became null in each."""
        said = dict(notes)
        for at, count in self.counts.items():
            told = f"cells that are null because the caller said so: {count}"
            said[at] = f"{said[at]}; {told}" if at in said else told
        return said
