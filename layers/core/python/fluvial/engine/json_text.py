"""JSON and NDJSON in, cleaned parts and rejects out, with every number's digits as they were written.

Python's decoder is used because it alone hands over numbers as text: DuckDB's reader turns 1.50 into 1.5. Records
are decoded one at a time from a bounded buffer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from fluvial.engine.limits import MIB, Limits
from fluvial.errors import UnreadableFileError

ROW_MEMBERS = ("data", "records", "rows", "items")
_SPACE = re.compile(r"[ \t\n\r]*")


class Number(str):
    """A JSON number as its digits."""

    __slots__ = ()


class Text(str):
    """Text without a type of its own, as XML has it: typed by its characters, like a cell of a CSV."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """A JSON object as its members in order, so that a repeated key is seen and kept."""

    __slots__ = ()


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=Members, parse_int=Number, parse_float=Number, parse_constant=_no_constant
)


def compact(value: Any) -> str:
    """A decoded value as compact JSON: digits, order and repeated keys kept; strings escape only what they must."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Members):
        return "{" + ",".join(f"{compact(key)}:{compact(member)}" for key, member in value) + "}"
    return "[" + ",".join(compact(item) for item in value) + "]"


def kind_of(value: Any) -> str:
    """string, number, boolean, text or nested; "" for null."""
    if value is None:
        return ""
    if isinstance(value, Text):
        return "text"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, Number):
        return "number"
    return "string" if isinstance(value, str) else "nested"


def shape_of(head: str) -> tuple[str, list[str]]:
    """json or ndjson for text that starts like JSON, from its first values."""
    start = _space(head, 0)
    try:
        value, end = _DECODER.raw_decode(head, start)
    except (ValueError, RecursionError):
        first_line = head[start:].split("\n", 1)[0].rstrip()
        broken_lines = first_line.startswith("{") and first_line.endswith("}") and "\n{" in head[start:]
        if broken_lines:
            return "ndjson", ["each line starts a JSON object"]
        return "json", [f"the content starts with {head[start]!r} as a JSON document does"]
    after = head[end:]
    if after.strip() and re.match(r"[ \t]*\r?\n", after):
        return "ndjson", ["its first line is a whole JSON value and more lines follow"]
    if isinstance(value, Members) and not after.strip() and not holds_rows(value):
        return "ndjson", ["it is a single JSON object, which is one record"]
    return "json", [f"the content starts with {head[start]!r} as a JSON document does"]


def holds_rows(document: Members) -> bool:
    """Whether an object is a table: a known member with a list, or nothing but lists of one length."""
    if any(
        key in ROW_MEMBERS and isinstance(value, list) and not isinstance(value, Members) for key, value in document
    ):
        return True
    return bool(document) and all(isinstance(value, list) and not isinstance(value, Members) for _, value in document)


def _space(text: str, pos: int) -> int:
    found = _SPACE.match(text, pos)
    return found.end() if found else pos


class Reader:
    """Decodes one document value by value from chunks of text, remembering the line of each value."""

    def __init__(self, chunks: Iterator[bytes], limits: Limits) -> None:
        self._chunks, self._limits = chunks, limits
        self._text, self._pos, self._rest, self._ended = "", 0, b"", False
        self._line, self._line_pos, self._column_shift = 1, 0, 0

    def peek(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            self._pos = _space(self._text, self._pos)
            if self._pos < len(self._text):
                return self._text[self._pos]
            if not self._more():
                return ""

    def take(self, character: str, where: str) -> None:
        """Go past a character that must come next."""
        found = self.peek()
        if found != character:
            self.fail(f"{character!r} is expected {where}, not {found!r}" if found else f"the file ends {where}")
        self._pos += 1

    def value(self) -> tuple[Any, int]:
        """The next value and the line it starts on."""
        self.peek()
        line = self._line_here()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._pos)
                # A number at the end of the buffer may go on in the next chunk.
                if end < len(self._text) or not self._more():
                    self._pos = end
                    return value, line
            except json.JSONDecodeError as exc:
                # What looks broken near the end of the buffer may be cut; an open string always reaches the end.
                beyond = exc.pos - self._pos
                cut = exc.pos >= len(self._text) - 64 or exc.msg.startswith("Unterminated") or bool(self._rest)
                if not cut or not self._more():
                    self._pos = min(self._pos + beyond, len(self._text))
                    self.fail(exc.msg[0].lower() + exc.msg[1:])
            except ValueError as exc:
                self.fail(str(exc))
            except RecursionError:
                self.fail("values are nested too deeply")
            if len(self._text) - self._pos > self._limits.json_document_bytes:
                self.fail(f"a value is larger than {self._limits.json_document_bytes // MIB} MiB")

    def place(self) -> tuple[int, int]:
        """1-based line and column of the current position."""
        start = self._text.rfind("\n", 0, self._pos)
        return self._line_here(), self._pos - start + (self._column_shift if start < 0 else 0)

    def _line_here(self) -> int:
        self._line += self._text.count("\n", self._line_pos, self._pos)
        self._line_pos = max(self._line_pos, self._pos)
        return self._line

    def fail(self, what: str) -> None:
        line, column = self.place()
        raise UnreadableFileError(
            f"The JSON is broken at line {line}, column {column}: {what}.", value={"line": line, "column": column}
        )

    def _more(self) -> bool:
        """Read on, forgetting what is done; at least as much as is kept, so that retries stay linear."""
        if self._ended:
            return False
        self._line_here()
        start = self._text.rfind("\n", 0, self._pos)
        self._column_shift = self._pos - start - 1 + (self._column_shift if start < 0 else 0)
        kept = self._text[self._pos :]
        pieces, size = [kept], 0
        while size <= len(kept):
            data = next(self._chunks, None)
            if data is None:
                self._ended = True
            text = self._decoded(data or b"")
            pieces.append(text)
            size += len(text)
            if self._ended:
                break
        self._text, self._pos, self._line_pos = "".join(pieces), 0, 0
        return size > 0

    def _decoded(self, data: bytes) -> str:
        data = self._rest + data
        if b"\0" in data:
            self.fail("there is a NUL byte, which text never has")
        try:
            self._rest = b""
            return data.decode("utf-8")
        except UnicodeDecodeError as exc:
            if not self._ended and exc.end == len(data) and exc.reason == "unexpected end of data":
                self._rest = data[exc.start :]
                return data[: exc.start].decode("utf-8")
            line = self._line + self._text.count("\n", self._line_pos) + data.count(b"\n", 0, exc.start)
            raise UnreadableFileError(
                f"Line {line} of the JSON is not UTF-8 (byte {data[exc.start]:#04x}); save the file as UTF-8.",
                value=line,
            ) from exc


Record = tuple[Any, int]
OnReject = Callable[[int, int | None, str, str | bytes], None]


def document_records(reader: Reader, because: list[str]) -> Iterator[Record]:
    """(value, line) for each record of a JSON document; notes in `because` what else it held."""
    if reader.peek() == "[":
        yield from _array(reader)
    else:
        yield from _object(reader, because)
    if reader.peek():
        reader.fail("there is more after the end of the document")


def _array(reader: Reader) -> Iterator[Record]:
    reader.take("[", "at the start of the records")
    if reader.peek() == "]":
        reader.take("]", "")
        return
    while True:
        yield reader.value()
        if reader.peek() == "]":
            reader.take("]", "")
            return
        reader.take(",", "between two records")


def _object(reader: Reader, because: list[str]) -> Iterator[Record]:
    """The rows of {"data": [...], ...}, or of an object of equally long arrays, one per column."""
    others = Members()
    rows_of: str | None = None
    first_line = 1
    reader.take("{", "at the start of the document")
    while reader.peek() != "}":
        if rows_of is not None or others:
            reader.take(",", "between two members")
        key, first_line = reader.value()
        if not isinstance(key, str) or isinstance(key, Number):
            reader.fail("a member's name must be a string")
        reader.take(":", "after a member's name")
        if key in ROW_MEMBERS and rows_of is None and reader.peek() == "[":
            rows_of = key
            because.append(f"its rows are the list '{key}'")
            yield from _array(reader)
        else:
            others.append((key, reader.value()[0]))
    reader.take("}", "")
    if rows_of is not None:
        if others:
            because.append("other members were left out: " + ", ".join(sorted({key for key, _ in others})))
        return
    yield from _columns(others, first_line, because)


def _columns(members: Members, line: int, because: list[str]) -> Iterator[Record]:
    lengths = {
        key: len(value) if isinstance(value, list) and not isinstance(value, Members) else -1 for key, value in members
    }
    if not lengths or -1 in lengths.values():
        yield members, line
        return
    if len(lengths) < len(members) or len(set(lengths.values())) > 1:
        raise UnreadableFileError(
            "The JSON is an object of lists whose lengths or names do not agree: "
            + ", ".join(f"'{key}' has {length}" for key, length in list(lengths.items())[:5])
            + "; give every column as many values, or send a list of objects."
        )
    because.append("it is an object of lists, one per column")
    for values in zip(*(value for _, value in members), strict=True):
        yield Members(zip(lengths, values, strict=True)), line


def line_records(chunks: Iterator[bytes], limits: Limits, reject: OnReject) -> Iterator[Record]:
    """(value, line) for each line of NDJSON; lines that are no JSON go to `reject`. Blank lines are no records."""
    number, rest = 0, b""
    for chunk in _with_end(chunks):
        block = rest + chunk if chunk is not None else rest
        lines = block.split(b"\n")
        rest = lines.pop() if chunk is not None else b""
        if len(rest) > limits.line_bytes:
            raise UnreadableFileError(
                f"Line {number + len(lines) + 1} is longer than {limits.line_bytes} bytes.",
                constraint=f"lines of at most {limits.line_bytes} bytes",
            )
        for raw in lines:
            number += 1
            line = raw.strip(b" \t\r")
            if line:
                found = _line_value(line, number, reject)
                if found is not None:
                    yield found[0], number


def _with_end(chunks: Iterator[bytes]) -> Iterator[bytes | None]:
    yield from chunks
    yield None


def _line_value(line: bytes, number: int, reject: OnReject) -> tuple[Any] | None:
    try:
        text = line.decode("utf-8")
        value, end = _DECODER.raw_decode(text)
        if end < len(text):
            raise json.JSONDecodeError("More follows the value", text, end)
    except UnicodeDecodeError as exc:
        reject(number, None, f"bytes that are not UTF-8, from byte {exc.start + 1} of the record", line)
    except json.JSONDecodeError as exc:
        reject(number, None, f"broken JSON at character {exc.pos + 1}: {exc.msg[0].lower()}{exc.msg[1:]}", line)
    except ValueError as exc:
        reject(number, None, f"broken JSON: {exc}", line)
    except RecursionError:
        reject(number, None, "values nested too deeply", line)
    else:
        return (value,)
    return None
