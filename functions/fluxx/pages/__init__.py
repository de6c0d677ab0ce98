"""The documentation pages of the API: of all classes, and of one. No script, no request, one stylesheet within.

What administrators wrote, such as descriptions of their own fields, is hostile until proven otherwise: Jinja escapes
all of it. The policy allows the one stylesheet, by its hash, and nothing else. Whoever imports this needs the
rendering layer.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from markupsafe import Markup

from fluvial import record_filters
from fluvial.record_classes import MANY, MULTI, RELATION, Field, ModelClass, camel
from fluvial.record_schemas import Schema
from fluxx.pages import samples

TEMPLATES = Path(__file__).parent / "templates"
# Of which an address consists, and which means nothing to a shell.
ADDRESS = re.compile(r"https?://[A-Za-z0-9.\[\]:/_~-]{1,2000}")
ANY_ADDRESS = "https://your-host/v1"  # where the request does not tell one
NAME_LINE = 20  # characters of a field's name between two places where a line may end


@dataclass(frozen=True, slots=True)
class Place:
    """Where the API is, as its callers see it, and which version of it is meant."""

    url: str
    version: str

    @property
    def base(self) -> str:
        """The address, if it is one that can stand in a command."""
        return self.url if ADDRESS.fullmatch(self.url) else ANY_ADDRESS

    @property
    def rest(self) -> str:
        """The address that the paths of classes begin with."""
        return f"{self.base}/api/rest/{self.version}"

    def link(self, name: str | None = None) -> str:
        """The path of a class's page, or of all classes', from the host on."""
        prefix = urlsplit(self.base).path.rstrip("/")
        return f"{prefix}/api/rest/{self.version}" + ("/doc" if name is None else f"/{name}/doc")


@dataclass(frozen=True, slots=True)
class Limit:
    """How many requests of a kind there may be in a minute."""

    of: str
    requests: int


@dataclass(frozen=True, slots=True)
class Row:
    """A field as the table shows it."""

    parts: tuple[str, ...]  # of the name
    custom: bool
    description: str
    options: tuple[str, ...]
    permission: str
    data_type: str
    related: str  # CamelCase
    link: str
    type: str
    groupable: str


def of_all_classes(place: Place, schema: Schema, limits: Sequence[Limit]) -> str:
    """The page that says how the API is used, and which classes there are."""
    kinds = (
        ("Core classes", [each for each in schema.models() if not each.platform and each.custom_type is None]),
        ("Projects and what is in them", [each for each in schema.models() if each.platform]),
        ("Your own classes", [each for each in schema.models() if each.custom_type is not None]),
    )
    operators = [(_KINDS.get(name, name), names) for name, names in record_filters.OPERATORS.items()]
    return _page(
        "all_classes.html",
        place,
        kinds=[(title, sorted(models, key=lambda each: each.name)) for title, models in kinds],
        groups=list(record_filters.KINDS),
        operators=operators,
        limits=limits,
    )


def of_class(place: Place, schema: Schema, model: ModelClass) -> str:
    """The page of one class: sample calls, and its fields."""
    rows = [_row(place, field) for field in sorted(model.fields, key=lambda each: each.name)]
    return _page("one_class.html", place, model=model, groups=samples.of(model, schema, place.rest), rows=rows)


def refusal(place: Place, title: str, reason: str) -> str:
    """A page that says why there is no other."""
    return _page("refusal.html", place, title=title, reason=reason)


@cache
def policy() -> str:
    """The Content-Security-Policy of every page."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    allowed = f"default-src 'none'; style-src 'sha256-{digest}'"
    return f"{allowed}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def _row(place: Place, field: Field) -> Row:
    related = field.related or ""
    return Row(
        parts=tuple(field.name[at : at + NAME_LINE] for at in range(0, len(field.name), NAME_LINE)),
        custom=field.custom,
        description=_described(field),
        options=() if field.type not in (MULTI, "string") else field.options,
        permission="[:create, :update]" if field.writable else "[]",
        data_type=camel(related) if related else _DATA_TYPES.get(field.type, field.type),
        related=camel(related) if related else "",
        link=place.link(related) if related else "",
        type="relation" if related else "column",
        groupable="Yes" if field.groupable else "No",
    )


_KINDS = {RELATION: "relation to one record", MANY: "records that point here", MULTI: "several options"}
# Where the name in this table is another than the core's. A relation to records of any class has none of its own.
_DATA_TYPES = {MULTI: "multi_value", RELATION: "integer", MANY: "integer"}


def _described(field: Field) -> str:
    described = field.description
    if field.type_field is not None:
        described = f"{described} Its class is in {field.type_field}."
    return f"{described} Required." if field.required else described


def _page(template: str, place: Place, **shown: Any) -> str:
    page = _environment().get_template(template)
    # The style is ours.
    return page.render(place=place, token=samples.token(place.base), style=Markup(_style()), **shown)  # noqa: S704


@cache
def _style() -> str:
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
