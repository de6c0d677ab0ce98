"""XML from whoever sent it, event by event: no entities, no external files, and bounded memory.

Expat keeps an unfinished tag, every open element and every name that it ever saw; so tags, depth and names have limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

from fluvial.engine.limits import MIB
from fluvial.errors import UnreadableFileError

MAX_DEPTH = 256
MAX_NAMES = 20_000
MAX_TAG_BYTES = 8 * MIB


class Markup:
    """Runs one expat parser; `what` names the document in messages.

    Its user sets the handlers of `parser`, and calls `opened` with the depth for each element that it goes into.
    """

    def __init__(self, what: str, *, doctype: bool, encoding: str | None = None) -> None:
        """`encoding` holds whatever the document declares."""
        self.what = what
        self.parser = expat.ParserCreate(encoding)
        self.parser.buffer_text = True
        self.parser.specified_attributes = True
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self.parser.EntityDeclHandler = self._refuse_entity
        self.parser.SkippedEntityHandler = self._refuse_skipped
        if not doctype:
            self.parser.StartDoctypeDeclHandler = self._refuse_doctype

    def run(self, chunks: Iterator[bytes]) -> Iterator[None]:
        """Parse the chunks; yields after each one and at the end."""
        fed = 0
        try:
            for chunk in chunks:
                self.parser.Parse(chunk, False)
                fed += len(chunk)
                if fed - self.parser.CurrentByteIndex > MAX_TAG_BYTES:
                    self.refuse(f"there is a tag of more than {MAX_TAG_BYTES // MIB} MiB")
                if len(self.parser.intern) > MAX_NAMES:
                    self.refuse(f"its elements and attributes have more than {MAX_NAMES} names")
                yield
            self.parser.Parse(b"", True)
            yield
        except expat.ExpatError as exc:
            reason = expat.ErrorString(exc.code) or "it is not XML"
            raise UnreadableFileError(
                f"{self.what} is broken at line {exc.lineno}, column {exc.offset + 1}: {reason}.",
                value={"line": exc.lineno, "column": exc.offset + 1},
            ) from exc
        except (LookupError, ValueError) as exc:
            # Before the first element only the declared encoding can raise these; later it would be a defect.
            if self.parser.intern:
                raise
            raise UnreadableFileError(f"{self.what} is in an encoding that is not read; save it as UTF-8.") from exc

    def opened(self, depth: int) -> None:
        """Refuse an element that lies too deep."""
        if depth > MAX_DEPTH:
            self.refuse(f"its elements lie in one another more than {MAX_DEPTH} deep")

    def refuse(self, reason: str) -> None:
        """Give the document up at the current place."""
        line, column = self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1
        raise UnreadableFileError(
            f"{self.what} is not read at line {line}, column {column}: {reason}.",
            value={"line": line, "column": column},
        )

    def _refuse_entity(self, *_: object) -> None:
        self.refuse("it declares entities, which may unfold to anything")

    def _refuse_skipped(self, name: str, *_: object) -> None:
        self.refuse(f"the entity '{name[:60]}' is declared nowhere in it")

    def _refuse_doctype(self, *_: object) -> None:
        self.refuse("it has a document type, which Office never writes")


def local(name: str) -> str:
    """The name without its prefix."""
    return name.rpartition(":")[2] if ":" in name else name


def declares_namespace(attribute: str) -> bool:
    return attribute == "xmlns" or attribute.startswith("xmlns:")
