"""Delimited text in, cleaned parts and rejects out: every record of the source ends in exactly one of the two.

Two ways lead to the same result. `Grammar` reads record by record and defines what a record is. Blocks in which
every record is well formed, which is nearly all of nearly every file, are recognised by whole-block operations
that cost a tenth of it: the text outside of quotes alone (`skeleton`) shows whether all is well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat

from fluvial.engine.detect import Detected
from fluvial.engine.detect_header import fitted
from fluvial.engine.dialect import Grammar, Record, column_names
from fluvial.engine.encodings import shown_bytes
from fluvial.engine.limits import MIB, Limits
from fluvial.engine.null_tokens import NullTokens
from fluvial.engine.sources import line_ends
from fluvial.engine.tables import UNIT_SEPARATOR, LineIndex, PartWriter, Rejects, encoded_cell
from fluvial.errors import UnreadableFileError

# Delimiters that cleaned parts have as well; others are replaced by one that hardly occurs in text.
KEPT_DELIMITERS = ("\t", ";", "|", ",")
_LINE_END = re.compile(rb"\r\n|\n|\r")


class NotUtf8Error(Exception):
    """A record is not UTF-8, and nobody has looked yet whether the whole file is."""


class RecordReader:
    """Reads one delimited text from chunks of UTF-8 bytes.

    `reject_undecodable`: the file is known to be UTF-8, so records that are not are rejected instead of raising
    NotUtf8Error. `encoding` is what their cause calls the file's. `null_tokens` are bare cells that are null.
    `exact_lines`: the line of every row has to be known, also where that takes longer.
    """

    def __init__(
        self,
        detected: Detected,
        limits: Limits,
        rejects: Rejects,
        open_writer: Callable[[int, str], PartWriter],
        *,
        reject_undecodable: bool,
        encoding: str = "UTF-8",
        null_tokens: Sequence[str] = (),
        exact_lines: bool = False,
    ) -> None:
        self.width, self.limits, self.rejects = detected.width, limits, rejects
        dialect = detected.dialect
        kept = dialect.delimiter in KEPT_DELIMITERS
        self.delimiter = (dialect.delimiter if kept and dialect.delimiter else UNIT_SEPARATOR).encode()
        # The file's own, where it is another than that of the cleaned parts.
        self._foreign = b"" if kept else (dialect.delimiter or "").encode()
        self.null_tokens = NullTokens(null_tokens, self.delimiter)
        self.writer = open_writer(detected.width, self.delimiter.decode())
        self.lines = LineIndex()
        self.header: list[str] | None = None
        self.on_header: Callable[[], None] = lambda: None
        self.header_note: str | None = None
        self.source_rows = self.blank_lines = self.comment_lines = 0
        self.line_endings: dict[str, int] = {}
        self._grammar, self._layout = Grammar(dialect, detected.width), detected.layout
        self._awaits_header = detected.header
        self._skip = detected.layout.skip_lines
        self._reject_undecodable, self._encoding, self._exact_lines = reject_undecodable, encoding, exact_lines
        self._line = 1
        self._rows = 0
        self._plain_quotes = dialect.quote == '"' and dialect.doubled
        # Blocks with one of these are read record by record, unless their quotes are plain.
        self._special = {b'"', self._grammar.quote, self._grammar.escape if dialect.bare_escapes else b""} - {b""}
        self._comments = [end + self._grammar.comment for end in (b"\n", b"\r")] if dialect.comment else []
        stop = re.escape(self.delimiter)
        # What is left of a block without any other byte: one _outline per record if all are well formed.
        self._ignored = bytes(set(range(256)) - {ord(self.delimiter), ord("\n")})
        self._outline = self.delimiter * (self.width - 1) + b"\n"
        self._misplaced = re.compile(b"[^" + stop + rb'\n"]"|"[^' + stop + rb'\n"]')

    def read(self, chunks: Iterator[bytes]) -> None:
        """Read to the end; raises UnreadableFileError where no table can be made of it."""
        buffer = b""
        for chunk in chunks:
            if b"\0" in chunk:
                self._refuse_nul(buffer + chunk)
            buffer = buffer + chunk if buffer else chunk
            if self._skip:
                buffer = self._past_skipped(buffer)
            buffer = self._consume(buffer)
        if buffer and not self._skip:
            self._slowly(buffer, final=True)

    def names(self) -> tuple[list[str], dict[int, str]]:
        """Column names with notes; column_1 and so on without a header."""
        if self.header is None:
            return [f"column_{number + 1}" for number in range(self.width)], {}
        return column_names(self.header)

    def notes(self) -> list[str]:
        """What was passed over, as `detected_because` says it."""
        said = [self.header_note] if self.header_note else []
        if self.comment_lines:
            said.append(f"{self.comment_lines} comment lines are not records")
        if self.blank_lines:
            said.append(f"{self.blank_lines} blank lines are not records")
        return said

    def line_ending(self) -> str:
        r"""\n, \r\n or \r as JSON would show it, or "mixed"."""
        kinds = [kind for kind, count in self.line_endings.items() if count]
        return kinds[0] if len(kinds) == 1 else "mixed" if kinds else "\n"

    def _past_skipped(self, buffer: bytes) -> bytes:
        """The buffer without the lines above the table; of a line that goes on, only what may be half a line end."""
        pos = 0
        while self._skip:
            ended = _LINE_END.search(buffer, pos)
            if ended is None or (ended.end() == len(buffer) and ended[0] == b"\r"):
                return buffer[-1:] if buffer.endswith(b"\r") else b""
            pos = ended.end()
            self._skip -= 1
            self._line += 1
        return buffer[pos:]

    def _refuse_nul(self, data: bytes) -> None:
        line = self._line + line_ends(data[: data.index(b"\0")])
        raise UnreadableFileError(
            f"Line {line} contains a NUL byte, which text never has; save the file as plain text in UTF-8.",
            value=line,
            constraint="text without NUL bytes",
        )

    def _consume(self, buffer: bytes) -> bytes:
        """Take all complete records off the buffer; returns what is left."""
        if self._awaits_header and (b"\n" in buffer or b"\r" in buffer or len(buffer) > self.limits.line_bytes):
            buffer = buffer[self._slowly(buffer, final=False) :]
        cut = 0 if self._awaits_header else self._cut(buffer)
        if cut and self._at_once(buffer[:cut]):
            return buffer[cut:]
        return buffer[self._slowly(buffer, final=False) :] if cut or len(buffer) > self.limits.line_bytes else buffer

    def _cut(self, buffer: bytes) -> int:
        """Just past the last line end that is outside of quotes, if quotes are well placed; 0 if none."""
        size = len(buffer)
        cut = max(buffer.rfind(b"\n"), buffer.rfind(b"\r", 0, size - 1)) + 1
        if not self._plain_quotes or not cut:
            return cut
        # To find none takes a fiftieth of the time of counting none.
        odd = b'"' in buffer and buffer.count(b'"', 0, cut) % 2
        while cut and odd:
            end = cut - 2 if buffer.endswith(b"\r\n", 0, cut) else cut - 1
            before = max(buffer.rfind(b"\n", 0, end), buffer.rfind(b"\r", 0, end)) + 1
            odd = (odd + buffer.count(b'"', before, cut)) % 2
            cut = before
        return cut

    def _at_once(self, block: bytes) -> bool:
        """Take a block of whole, well-formed records in one go; False leaves it untouched."""
        if not block.isascii():
            try:
                block.decode("utf-8")
            except UnicodeDecodeError:
                return False
        if self._comments and (
            block.startswith(self._grammar.comment) or any(comment in block for comment in self._comments)
        ):
            return False
        quotes = b'"' in block
        if not self._plain_quotes and any(mark in block for mark in self._special):
            return False
        pieces = block.split(b'"') if quotes else [block]
        limit = min(self.limits.line_bytes, self.limits.cell_bytes)
        if len(block) > limit and (quotes or len(max(block.splitlines(), key=len)) > limit):
            return False
        if quotes and (self._foreign or self.null_tokens.occur_in(block)):
            return False
        if self._foreign or not self._grammar.delimiter:
            if self.delimiter in block:
                return False
            pieces = [block.replace(self._foreign, self.delimiter)] if self._foreign else pieces
        clean, endings = pieces[0] if not quotes else block, None
        if b"\r" in block:
            endings = self._endings(pieces)
            pieces[::2] = [piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n") for piece in pieces[::2]]
            clean = b'"'.join(pieces)
        skeleton = b'"'.join(pieces[::2]) if quotes else clean
        if quotes and self._misplaced.search(b"\n" + skeleton):
            return False
        rows = self._take(skeleton, clean, line_ends(block) if quotes else None)
        if rows is None:
            return False
        for kind, count in (endings or {"\n": rows}).items():
            self.line_endings[kind] = self.line_endings.get(kind, 0) + count
        return True

    @staticmethod
    def _endings(pieces: list[bytes]) -> dict[str, int]:
        """Line ends outside of quotes, by kind; a chunk never ends between \\r and \\n."""
        newlines = returns = both = 0
        for piece in pieces[::2]:
            newlines += piece.count(b"\n")
            if b"\r" in piece:
                returns += piece.count(b"\r")
                both += piece.count(b"\r\n")
        return {"\n": newlines - both, "\r\n": both, "\r": returns - both}

    def _take(self, skeleton: bytes, clean: bytes, physical: int | None) -> int | None:
        """Load the records of a block; returns the number of its records, or None if that takes a closer look.

        `physical` counts the physical lines of a block with quotes; without quotes, lines are records, and ragged
        ones can be told from the others here.
        """
        outline = skeleton.translate(None, self._ignored)
        count = len(outline) // self.width
        even = outline == self._outline * count
        if physical is not None:
            if not even or count > self.limits.part_rows or (self._exact_lines and physical != count):
                return None
            if count > self.writer.room:
                self.writer.close()
            self._count(count, self._line if physical == count else None)
            self.writer.write(clean, count)
            self._line += physical
            return count
        if even:
            self._count(count, self._line)
            if count <= self.writer.room:
                self.writer.write(self.null_tokens.without(clean), count)
            else:
                self._write_lines(clean.split(b"\n")[:-1])
        elif self._grammar.delimiter:
            lines = clean.split(b"\n")[:-1]
            self._write_lines(list(self._fitting(lines)))
            count = len(lines)
        else:
            return None
        self._line += count
        return count

    def _fitting(self, lines: list[bytes]) -> Iterator[bytes]:
        """The lines that are records of the right width; the others are rejected or, if blank, passed over."""
        counts = map(bytes.count, lines, repeat(self.delimiter))
        for offset, (line, count) in enumerate(zip(lines, counts, strict=True)):
            if count == self.width - 1:
                self._count(1, self._line + offset)
                yield line
            elif not self._is_blank(line):
                self.source_rows += 1
                raw = line.replace(self.delimiter, self._foreign) if self._foreign else line
                self._reject_ragged(self._line + offset, count + 1, raw)
            else:
                self.blank_lines += 1

    def _is_blank(self, line: bytes) -> bool:
        """Whether a line of a table with several columns has nothing but spaces, where these do not divide it."""
        return not line or (self._grammar.delimiter != b" " and not line.strip(b" "))

    def _count(self, rows: int, line: int | None) -> None:
        """Account for rows about to be loaded, the first of which starts on `line`."""
        self.lines.note(self._rows + 1, line)
        self._rows += rows
        self.source_rows += rows

    def _write_lines(self, lines: list[bytes]) -> None:
        start = 0
        while start < len(lines):
            some = lines[start : start + self.writer.room]
            self.writer.write(self.null_tokens.without(b"\n".join(some) + b"\n"), len(some))
            start += len(some)

    def _reject_ragged(self, line: int, found: int, raw: bytes) -> None:
        kind = "few" if found < self.width else "many"
        column = found if found < self.width else self.width + 1
        self.rejects.add(line, column, f"too {kind} cells: {found} where {self.width} were expected", raw)

    def _slowly(self, buffer: bytes, *, final: bool) -> int:
        """Take records one by one, only the header if that is awaited; returns where the first incomplete one is."""
        pos, limit, awaited = 0, self.limits.line_bytes, self._awaits_header
        while pos < len(buffer):
            record = self._grammar.read(buffer, pos, final=final)
            if record is None and len(buffer) - pos <= limit:
                break
            if record is None or record.end - record.start > limit:
                record = self._past_limit(buffer, pos)
            self._one(buffer, record)
            self._line += line_ends(buffer[record.start : record.next])
            pos = record.next
            if awaited and not self._awaits_header and not final:
                break
        return pos

    def _past_limit(self, buffer: bytes, pos: int) -> Record:
        """The record at `pos` exceeds the limit: an unclosed quote costs its first line, a long line the file."""
        limit = self.limits.line_bytes
        ended = _LINE_END.search(buffer, pos, pos + limit + 2)
        if ended is None or ended.start() - pos > limit:
            shown = f"{limit / MIB:g} MiB" if limit >= MIB else f"{limit} bytes"
            raise UnreadableFileError(
                f"Line {self._line} is longer than {shown}; this is no table, or its line ends are missing.",
                value=self._line,
                constraint=f"lines of at most {limit} bytes",
            )
        opened = self._grammar.read(buffer[pos : pos + limit], 0, final=True)
        column = len(opened.cells) if opened else 1
        cause = f"a quote that is not closed within {limit} bytes"
        return Record(
            pos, ended.start(), ended.end(), [], (cause, opened.error[1] if opened and opened.error else column)
        )

    def _one(self, buffer: bytes, record: Record) -> None:
        raw = buffer[record.start : record.end]
        ending = buffer[record.end : record.next].decode()
        if ending in ("\n", "\r", "\r\n"):
            self.line_endings[ending] = self.line_endings.get(ending, 0) + 1
        if record.comment:
            self.comment_lines += 1
            return
        if self.width > 1 and self._is_blank(raw):
            self.blank_lines += 1
            return
        fits = len(record.cells) == self.width or self._layout.fit_header
        if self._awaits_header and not record.error and fits and self._decodes(raw):
            named = [cell.decode("utf-8") for cell, _ in record.cells]
            # A second byte order mark, as a tool leaves that marks what is marked already.
            named[0] = named[0].removeprefix("\ufeff")
            self.header, self.header_note = fitted(named, self.width, labels=self._layout.labels)
            self._awaits_header = False
            self.on_header()
            return
        self.source_rows += 1
        if record.error:
            cause, column = record.error
            self.rejects.add(self._line, column, cause, raw)
        elif not self._decodes(raw):
            self._reject_undecoded(record, raw)
        elif len(record.cells) != self.width:
            self._reject_ragged(self._line, len(record.cells), raw)
        elif (long := self._overlong_cell(record)) is not None:
            self.rejects.add(self._line, long, f"a cell of more than {self.limits.cell_bytes} bytes", raw)
        else:
            self.source_rows -= 1
            self._count(1, self._line)
            cells = (encoded_cell(cell, quoted, self.delimiter) for cell, quoted in self.null_tokens.of(record.cells))
            self.writer.write(self.delimiter.join(cells) + b"\n", 1)

    def _overlong_cell(self, record: Record) -> int | None:
        if record.end - record.start <= self.limits.cell_bytes:
            return None
        for number, (cell, _) in enumerate(record.cells, 1):
            if len(cell) > self.limits.cell_bytes:
                return number
        return None

    def _decodes(self, raw: bytes) -> bool:
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            if not self._reject_undecodable:
                raise NotUtf8Error from None
            return False
        return True

    def _reject_undecoded(self, record: Record, raw: bytes) -> None:
        place, column = 0, len(record.cells)
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as exc:
            place = exc.start + 1
        for number, (cell, _) in enumerate(record.cells, 1):
            try:
                cell.decode("utf-8")
            except UnicodeDecodeError:
                column = number
                break
        cause = f"bytes that are not {self._encoding}, from byte {place} of the record"
        self.rejects.add(self._line, column, cause, shown_bytes(raw))
