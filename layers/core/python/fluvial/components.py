"""Changes of the tree of components in a section, by id. Pure: each answers a new list, checked by nobody yet.

What comes out goes through `elements.checked_section` like anything that was sent, so that depth, number and ids have
one judge. What was given is never changed.
"""

from __future__ import annotations

from typing import Any

from fluvial import elements
from fluvial.element_types import HOLDERS
from fluvial.errors import InvalidError, NotFoundError

Component = dict[str, Any]


def find(components: list[Component], name: str) -> Component:
    """The component with this id; NotFoundError where there is none."""
    for component in elements.walk(components):
        if component["id"] == name:
            return component
    raise NotFoundError("component", name)


def add(components: list[Component], new: Component, parent: str | None, order: int | None) -> list[Component]:
    """With a new component in `parent` (None: the section itself), last unless `order` says where."""
    if parent is None:
        return _inserted(components, new, order)
    if all(component["id"] != parent for component in elements.walk(components)):
        raise InvalidError(
            "parent_id", "No component of this section has this id.", value=parent, constraint="a component's id"
        )
    holder = find(components, parent)
    if holder["type"] not in HOLDERS:
        raise InvalidError(
            "parent_id",
            f"A component of the type '{holder['type']}' holds no others.",
            value=parent,
            constraint=f"a component of the type {', '.join(HOLDERS)}",
        )
    filled = {**holder, "components": _inserted(holder["components"], new, order)}
    return replace(components, parent, filled)


def replace(components: list[Component], name: str, new: Component) -> list[Component]:
    """With another component in the place of this one."""
    find(components, name)
    return [
        new
        if component["id"] == name
        else {**component, "components": replace(component["components"], name, new)}
        if _holds(component, name)
        else component
        for component in components
    ]


def remove(components: list[Component], name: str) -> list[Component]:
    """Without this component and all in it."""
    find(components, name)
    return _without(components, name)


def move(components: list[Component], name: str, parent: str | None, order: int | None) -> list[Component]:
    """With this component, and all in it, at another place; last there unless `order` says where."""
    moved = find(components, name)
    if parent is not None and (parent == name or _holds(moved, parent)):
        raise InvalidError(
            "parent_id",
            "A component cannot be moved into itself.",
            value=parent,
            constraint="a component that is not in this one",
        )
    return add(_without(components, name), moved, parent, order)


def _holds(component: Component, name: str) -> bool:
    return any(inner["id"] == name for inner in elements.walk(component["components"]))


def _without(components: list[Component], name: str) -> list[Component]:
    return [
        {**component, "components": _without(component["components"], name)}
        for component in components
        if component["id"] != name
    ]


def _inserted(components: list[Component], new: Component, order: int | None) -> list[Component]:
    if order is None:
        return [*components, new]
    allowed = f"0-{len(components)}"
    if not 0 <= order <= len(components):
        raise InvalidError("order", f"'order' must be {allowed} here.", value=order, constraint=allowed)
    return [*components[:order], new, *components[order:]]
