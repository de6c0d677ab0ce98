"""Records of one shape: the same elements with the same attributes, whose texts are the cells of a row."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from xml.etree.ElementTree import Element

from fluvial.engine.json_table import EMPTY, JsonTable
from fluvial.engine.json_text import Text
from fluvial.engine.xml_values import NIL, Values

Items = Sequence[Iterable[tuple[str, str]]]


@dataclass(frozen=True)
class Shape:
    """Where the cells of a row are in a record. It holds as long as the table's columns stay as they are.

    `pick` takes them, in the order of the columns, from the texts of all elements followed by the values of all
    attributes; `unset` are places there that have to be empty. `inner` are the elements with elements in them.
    """

    pick: Callable[[list[str | None]], Sequence[str | None]]
    unset: tuple[int, ...]
    inner: tuple[int, ...]
    attributes: bool
    changes: int

    def cells(self, nodes: Sequence[Element], items: Items, nulls: frozenset[str]) -> list[str] | None:
        """The row of a record; None where it has a cell in a column that is not known to be text."""
        flat = [node.text for node in nodes]
        if self.attributes:
            empty = "" if "" in nulls else EMPTY
            flat += [value or empty for one in items for _, value in one]
        if self.unset and any(flat[at] for at in self.unset):
            return None
        flat.append(None)
        if nulls:
            return ["" if cell is None or cell in nulls else cell for cell in self.pick(flat)]
        return [cell or "" for cell in self.pick(flat)]


def shape_of(record: Element, values: Values, table: JsonTable) -> Shape | None:
    """The shape of a record that the table has taken; None where its cells are more than its texts."""
    template = copy.deepcopy(record)
    nodes = list(template.iter())
    count = len(nodes)
    for at, node in enumerate(nodes):
        node.text = None if len(node) else f"\0{at}"
        node.tail = None
        for name in list(node.attrib):
            if name == NIL:
                return None
            node.set(name, f"\0{count}")
            count += 1
    members = values.members(template)
    if any(type(value) is not Text for _, value in members) or len(dict(members)) < len(members):
        return None
    order, unset = [count] * table.width, []
    for name, value in members:
        place, kind = table.column(name)
        if kind not in ("", "text"):
            return None
        if place is None or not kind:
            unset.append(int(value[1:]))
        else:
            order[place] = int(value[1:])
    inner = tuple(at for at, node in enumerate(nodes) if len(node))
    return Shape(_picker(order), tuple(unset), inner, count > len(nodes), table.changes)


def _picker(order: list[int]) -> Callable[[list[Any]], Sequence[Any]]:
    if len(order) > 1:
        return itemgetter(*order)
    return lambda flat: [flat[at] for at in order]
