"""Parameters of requests for records, and what they ask for in core values."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, WithJsonSchema

from fluvial import exact_json, multipart, paging, record_groups, record_views
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.http import params
from fluvial.http.wire import File, Request, Shape
from fluvial.record_classes import ModelClass
from fluvial.record_schemas import Schema

DEFAULT_PER_PAGE = 25
MAX_PER_PAGE = 500
MAX_WORDS_LENGTH = 1_000
MAX_COLUMNS = 1_000
TRUE = ("1", "true", "yes", "on")
FALSE = ("", "0", "false", "no", "off")


def _said(what: str, example: str) -> WithJsonSchema:
    """JSON text; in a JSON body also the value itself."""
    return WithJsonSchema({"description": what, "examples": [example]})


Flag = Annotated[Any, WithJsonSchema({"enum": [*TRUE, *FALSE, True, False, 1, 0, None]})]
Whole = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": "^[0-9]{0,9}$"},
                {"type": "integer", "minimum": 1},
                {"type": "null"},
            ]
        }
    ),
]
Word = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]})]
Ignored = Annotated[Any, WithJsonSchema({"description": "Accepted, and without a meaning here"})]

VERSIONS = ("v1", "v2")
# In paths; the functions read them, for what is wrong with one is told in the words of this API.
Version = Annotated[str, WithJsonSchema({"type": "string", "enum": list(VERSIONS), "examples": ["v2"]})]
ModelType = Annotated[
    str, WithJsonSchema({"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*$", "examples": ["organization"]})
]
RecordId = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,16}$", "examples": ["1"]})]


class Columns(Request):
    """Which columns an answer has. Without any of the first three it has all core columns."""

    cols: Annotated[
        Any, _said("JSON: the names of columns; those that the class does not have are left alone", '["id", "name"]')
    ] = None
    all_core: Flag = None
    all_dynamic: Flag = None
    relation: Annotated[
        Any,
        _said("JSON: columns of related records, by the relation", '{"program_organization_id": ["name"]}'),
    ] = None
    show_mavs: Flag = None
    enhanced_mavs: Ignored = None
    style: Annotated[Any, WithJsonSchema({"description": "In `v1` only: `full`, `compact` or `detail`"})] = None

    def view(self, model: ModelClass, version: str) -> record_views.View:
        """The columns that are asked for; the old version's `style` stands in for them."""
        cols = _names("cols", self.cols)
        core, dynamic = flag("all_core", self.all_core), flag("all_dynamic", self.all_dynamic)
        style = text("style", self.style) if version == "v1" else ""
        if style == record_views.COMPACT and cols is None:
            cols = list(model.label)
        elif style == record_views.FULL:
            core = dynamic = True
        return record_views.view(
            model,
            cols,
            _relations(self.relation),
            all_core=core,
            all_dynamic=dynamic,
            paths=flag("show_mavs", self.show_mavs),
        )


class RecordQuery(Columns):
    """One record."""


class RecordsQuery(Columns):
    """A list."""

    filter: Annotated[
        Any, _said("JSON: a condition, or a group of conditions", '["amount_requested", "gt", "10000"]')
    ] = None
    query: Annotated[Any, _said("Words that every record found has in its texts", "clean water")] = None
    sort: Annotated[Any, _said("JSON: one column with its direction, or several", '["created_at", "desc"]')] = None
    sort_attribute: Annotated[Any, WithJsonSchema({"description": "One column, where there is no `sort`"})] = None
    sort_order: Annotated[Any, WithJsonSchema({"description": "`asc` or `desc`: that of `sort_attribute`"})] = None
    page: Whole = None
    per_page: Whole = None
    group: Annotated[Any, _said("JSON: columns, also of related records, to group by", '["program_id"]')] = None
    aggregation: Annotated[Any, _said("JSON: a function by column", '{"amount_recommended": "sum"}')] = None
    all: Ignored = None
    priority_index: Ignored = None

    @property
    def number(self) -> int:
        return _whole("page", self.page, 1, None)

    @property
    def size(self) -> int:
        return _whole("per_page", self.per_page, DEFAULT_PER_PAGE, MAX_PER_PAGE)

    @property
    def condition(self) -> Any:
        """The filter as JSON values."""
        return params.json_value("filter", self.filter)

    @property
    def sorting(self) -> Any:
        """The order as JSON values."""
        return params.json_value("sort", self.sort)

    def grouping(self, model: ModelClass, schema: Schema) -> record_groups.Grouping:
        """The groups that are asked for."""
        # The sample in the documents that users of this API have is `?group==["a.b"]`.
        given = self.group.removeprefix("=") if isinstance(self.group, str) else self.group
        return record_groups.parse(
            params.json_value("group", given), params.json_value("aggregation", self.aggregation), model, schema
        )

    @property
    def words(self) -> str | None:
        return text("query", self.query, MAX_WORDS_LENGTH) or None

    def walk(self, model: ModelClass, token: str) -> str:
        """What is read page by page, and by whom: the same for all pages of one list."""
        asked = {name: value for name, value in self.model_dump().items() if name != "page" and value is not None}
        said = json.dumps([token, model.name, asked], sort_keys=True, default=str)
        return hashlib.sha256(said.encode()).hexdigest()


class RecordWrite(Columns):
    """A new record, or changes of one. `content` is the file of a document."""

    data: Annotated[Any, _said("JSON: values by the name of the column", '{"name": "Acme"}')] = None
    content: File | None = None

    def said(self) -> bytes:
        """What the request says; of its file, the hash."""
        file = multipart.Form(files={} if self.content is None else {"content": self.content})
        return exact_json.dumps(self.model_dump(exclude={"content"})).encode() + file.said()

    def values(self) -> dict[str, Any]:
        """The values to write; numbers with a point are Decimals."""
        given = params.json_value("data", self.data)
        if given is None:
            raise InvalidError("data", "'data' is required: an object of values by column.", constraint="a JSON object")
        if not isinstance(given, dict):
            raise InvalidError("data", "'data' must be an object of values by column.", value=_shown(given))
        return given


class RecordDelete(Request):
    """How a record goes: softly, or for good."""

    hard_delete: Flag = None

    @property
    def hard(self) -> bool:
        return flag("hard_delete", self.hard_delete)


class RecordAnswer(Shape):
    """One record under the name of its class. For the OpenAPI document: the columns are the account's."""

    model_config = ConfigDict(extra="allow", defer_build=True)


class RecordsPage(Shape):
    """A page of records, under the name of their class."""

    records: dict[str, list[dict[str, Any]]]
    total_pages: int
    total_entries: int
    current_page: int
    per_page: int


def record_id(given: str) -> int:
    """The id in a path."""
    return whole_id("id", given)


def whole_id(name: str, given: Any) -> int:
    """An id, a whole number."""
    said = "" if given is None or isinstance(given, bool) else str(given)
    if not re.fullmatch("[0-9]{1,16}", said):
        reason = f"'{name}' must be a whole number, not '{_shown(said)}'."
        raise InvalidError(name, reason, value=_shown(said), constraint="a whole number")
    return int(said)


def page(model: ModelClass, shown: list[dict[str, object]], total: int, params: RecordsQuery) -> str:
    """The answer with a page of a list."""
    return exact_json.dumps(
        {
            "records": {model.key: shown},
            # One page, though empty, is what the document's own server counts.
            "total_pages": max(paging.total_pages(total, params.size), 1),
            "total_entries": total,
            "current_page": params.number,
            "per_page": params.size,
        }
    )


def one(model: ModelClass, shown: Mapping[str, object]) -> str:
    """The answer with one record; of a custom class also under its name, where some clients look for it."""
    return exact_json.dumps({model.key: shown, model.name: shown})


def flag(name: str, given: Any) -> bool:
    """What 1, true and the like say."""
    said = "" if given is None or given is False else str(given).strip().lower()
    if said not in TRUE and said not in FALSE:
        allowed = "1, true, 0 or false"
        raise InvalidError(name, f"'{name}' must be {allowed}.", value=_shown(given), constraint=allowed)
    return said in TRUE


def text(name: str, given: Any, max_length: int = 100) -> str:
    """Words; some clients send them as JSON text, with its quotes."""
    if given is None:
        return ""
    if not isinstance(given, str):
        raise InvalidError(name, f"'{name}' must be text.", value=_shown(given), constraint="text")
    said = given.strip()
    if len(said) > 1 and said[0] == said[-1] == '"':
        said = str(params.json_value(name, said))
    if len(said) > max_length:
        allowed = f"at most {max_length} characters"
        raise InvalidError(name, f"'{name}' must have {allowed}.", value=_shown(said), constraint=allowed)
    return said


def _whole(name: str, given: Any, default: int, most: int | None) -> int:
    if given is None or given == "":
        return default
    allowed = "a whole number from 1 on" if most is None else f"a whole number from 1 to {most}"
    said = str(given).strip().strip('"')
    number = int(said) if re.fullmatch("[0-9]{1,9}", said) and not isinstance(given, bool) else 0
    if number < 1 or (most is not None and number > most):
        raise InvalidError(name, f"'{name}' must be {allowed}, not {_shown(given)}.", value=given, constraint=allowed)
    return number


def _names(name: str, given: Any) -> list[str] | None:
    """Names of columns; what is no name is none of a column, either."""
    said = params.json_value(name, given)
    if said is None:
        return None
    if isinstance(said, str):
        said = [said]
    if not isinstance(said, list) or len(said) > MAX_COLUMNS:
        allowed = f"a list of at most {MAX_COLUMNS} names"
        raise InvalidError(name, f"'{name}' must be {allowed}.", value=_shown(said), constraint=allowed)
    return [each for each in said if isinstance(each, str)]


def _relations(given: Any) -> dict[str, list[str] | str]:
    """Columns, or a style, by relation."""
    said = params.json_value("relation", given)
    if said is None:
        return {}
    if not isinstance(said, dict):
        allowed = "an object of lists of columns, by relation"
        raise InvalidError("relation", f"'relation' must be {allowed}.", value=_shown(said), constraint=allowed)
    return {
        name: wanted if isinstance(wanted, str) else _names(f"relation.{name}", wanted) or []
        for name, wanted in said.items()
    }


def _shown(value: Any) -> str:
    return str(value)[:MAX_SHOWN]
