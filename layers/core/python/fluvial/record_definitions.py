"""What administrators define: classes, fields and options; and the text in which all of an account is stored."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from fluvial.errors import InvalidError

MAX_STORED_BYTES = 300 * 1024  # DynamoDB's items have at most 400 KB


@dataclass(frozen=True, slots=True)
class CustomClass:
    """A class. `id` is that of its machine_model_type record."""

    id: int
    name: str  # mac_model_type_dyn_<name>
    title: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Attribute:
    """A field of a class. `id` is that of its model_attribute record."""

    id: int
    model: str  # of the class that has it, snake_case
    name: str
    type: str  # one of the types of record_classes: string, multi, relation and so on
    description: str
    chosen: bool = False  # has options: a multi, or a string that is one of them
    required: bool = False
    related: str | None = None  # the class that a relation names, snake_case


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a field. `id` is that of its model_attribute_value record.

    `value` is what records have, `description` what people read. A retired one stays with the records that have it.
    """

    id: int
    attribute: int
    value: str
    description: str
    parent: int | None = None
    order: int | None = None
    retired: bool = False


T = TypeVar("T", CustomClass, Attribute, Option)


@dataclass(frozen=True)
class Definitions:
    """All definitions of an account. `gone` are names of classes that were deleted: their records are still there."""

    classes: tuple[CustomClass, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    options: tuple[Option, ...] = ()
    gone: dict[str, int] = field(default_factory=dict)

    @cached_property
    def _attributes(self) -> dict[int, Attribute]:
        return {each.id: each for each in self.attributes}

    @cached_property
    def _options(self) -> dict[int, list[Option]]:
        found: dict[int, list[Option]] = {}
        for each in sorted(self.options, key=lambda option: (option.order is None, option.order or 0, option.id)):
            found.setdefault(each.attribute, []).append(each)
        return found

    def attribute(self, attribute_id: int) -> Attribute | None:
        return self._attributes.get(attribute_id)

    def options_of(self, attribute_id: int) -> tuple[Option, ...]:
        """The options of a field in their order, the retired ones among them."""
        return tuple(self._options.get(attribute_id, ()))

    def with_class(self, made: CustomClass) -> Definitions:
        """With a class that is new, or in the place of what it was."""
        gone = {name: number for name, number in self.gone.items() if name != made.name}
        return replace(self, classes=_put(self.classes, made), gone=gone)

    def with_attribute(self, made: Attribute) -> Definitions:
        """With a field that is new, or in the place of what it was."""
        return replace(self, attributes=_put(self.attributes, made))

    def with_option(self, made: Option) -> Definitions:
        """With an option that is new, or in the place of what it was."""
        return replace(self, options=_put(self.options, made))

    def without_class(self, class_id: int) -> Definitions:
        """Without a class and its fields. Its name stays taken."""
        removed = next((each for each in self.classes if each.id == class_id), None)
        if removed is None:
            return self
        rest = self
        for each in self.attributes:
            if each.model == removed.name:
                rest = rest.without_attribute(each.id)
        gone = {**rest.gone, removed.name: class_id}
        return replace(rest, classes=_dropped(rest.classes, lambda each: each.id == class_id), gone=gone)

    def without_attribute(self, attribute_id: int) -> Definitions:
        """Without a field and its options."""
        return replace(
            self,
            attributes=_dropped(self.attributes, lambda each: each.id == attribute_id),
            options=_dropped(self.options, lambda each: each.attribute == attribute_id),
        )

    def stored(self) -> str:
        """The definitions as they are stored; InvalidError for more than an item holds."""
        plain = {
            "classes": [_compact(each) for each in self.classes],
            "attributes": [_compact(each) for each in self.attributes],
            "options": [_compact(each) for each in self.options],
            "gone": self.gone,
        }
        packed = zlib.compress(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode(), 9)
        text = base64.b64encode(packed).decode()
        if len(text) > MAX_STORED_BYTES:
            counts = f"{len(self.classes)} classes, {len(self.attributes)} fields and {len(self.options)} options"
            reason = f"does not fit: {counts} take {len(text)} bytes, at most {MAX_STORED_BYTES}"
            raise InvalidError("name", reason, constraint=f"at most {MAX_STORED_BYTES} bytes of definitions")
        return text

    @classmethod
    def of_stored(cls, text: str) -> Definitions:
        """The definitions that `stored` made this of."""
        plain = json.loads(zlib.decompress(base64.b64decode(text)))
        return cls(
            tuple(CustomClass(**each) for each in plain["classes"]),
            tuple(Attribute(**each) for each in plain["attributes"]),
            tuple(Option(**each) for each in plain["options"]),
            plain["gone"],
        )


def _compact(definition: CustomClass | Attribute | Option) -> dict[str, Any]:
    """Its members but those that are empty, which are so by default, too."""
    return {name: value for name, value in asdict(definition).items() if value not in (None, False)}


def _put(listed: tuple[T, ...], made: T) -> tuple[T, ...]:
    if any(each.id == made.id for each in listed):
        return tuple(made if each.id == made.id else each for each in listed)
    return listed + (made,)  # noqa: RUF005 (a star would lose the type)


def _dropped(listed: Iterable[T], is_gone: Callable[[T], bool]) -> tuple[T, ...]:
    return tuple(each for each in listed if not is_gone(each))
