"""The shapes of the events group."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field

from fluvial import clock, events, ids
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.http.wire import WRITTEN_WHOLE, Documented, Shape, parse_time
from reference.wire.common import DEFAULT_PER_PAGE, MAX_PER_PAGE

EVENT_ID = re.compile(rf"{ids.EVENT}_[{ids.ALPHABET}]{{{ids.SPELLING_LENGTH}}}[0-9a-f]{{10}}")
SINCE = [{"format": "date-time"}, {"pattern": f"^{EVENT_ID.pattern}$"}]


class LogQuery(Shape):
    """Where in the log: behind an event, or from a time on. A log grows at its end, so it has no pages by number."""

    since: Annotated[str, Documented(anyOf=SINCE)] | None = None
    type: Literal[events.TYPES] | None = None  # type: ignore[valid-type]
    per_page: Annotated[int, Field(ge=1, le=MAX_PER_PAGE), WRITTEN_WHOLE] = DEFAULT_PER_PAGE

    def position(self) -> str:
        if self.since is None:
            return events.BEGINNING
        if EVENT_ID.fullmatch(self.since):
            return self.since
        if self.since.startswith(f"{ids.EVENT}_"):
            shown = self.since[:MAX_SHOWN]
            raise InvalidError("since", f"'{shown}' is no id of an event.", value=shown, constraint="an event's id")
        return events.position(parse_time("since", self.since))


class Event(Shape):
    id: str
    type: str
    created_at: str
    data: dict[str, Any]

    @classmethod
    def from_core(cls, event: events.Event) -> Event:
        return cls(id=event.id, type=event.type, created_at=clock.iso(event.created), data=event.data)


class Log(Shape):
    """A stretch of the log; `next` is the `since` of what follows."""

    data: list[Event]
    next: str | None

    @classmethod
    def from_core(cls, stretch: events.Stretch) -> Log:
        return cls(data=[Event.from_core(event) for event in stretch.events], next=stretch.next)
