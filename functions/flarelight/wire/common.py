"""What all groups share: camel case, ids, the envelope, lists, started jobs, the answer to a DELETE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from flarelight.errors import PREFIXES
from fluvial import ids
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.http import Uuid
from fluvial.http.wire import LEFT_OUT_IF_NONE, WRITTEN_WHOLE, Documented
from fluvial.http.wire import Request as AnyRequest
from fluvial.http.wire import Shape as AnyShape
from fluvial.paging import Listed

# Of a list that the document answers whole; the rest is asked for with `after`.
MAX_LISTED = 1_000

PROJECT = Uuid("project", PREFIXES["project"])
IMPORT = Uuid("dataset", PREFIXES["dataset"])
JOB = Uuid("job", PREFIXES["job"])
PREPARATION = Uuid("preparation", PREFIXES["preparation"])
REPORT = Uuid("report", PREFIXES["report"])
GENERATED_REPORT = Uuid("generated report", PREFIXES["generated report"])
AUTOMATION = Uuid("automation", PREFIXES["automation"])
RUN = Uuid("run", PREFIXES["run"])
ANALYSIS = Uuid("analysis", PREFIXES["analysis"])

ProjectId = Annotated[int, PROJECT]
ImportId = Annotated[int, IMPORT]
JobId = Annotated[int, JOB]
PreparationId = Annotated[int, PREPARATION]
ReportId = Annotated[int, REPORT]
GeneratedReportId = Annotated[int, GENERATED_REPORT]
AutomationId = Annotated[int, AUTOMATION]
RunId = Annotated[int, RUN]

# Ids in bodies and queries, as text until the core is asked: what is no id is answered as an absent one.
IdText = Annotated[str, Documented(pattern=IMPORT.pattern)]

Core = TypeVar("Core")
AnyAnswer = TypeVar("AnyAnswer", bound="Answer")

IN_CAMEL_CASE = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)


class Shape(AnyShape):
    """A part of an answer."""

    model_config = IN_CAMEL_CASE


class Request(AnyRequest):
    """A body. Nulls in optional fields are as absent: the document's clients send them."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _in_camel_case_only(cls, given: Any) -> Any:
        # pydantic 2.13, reading JSON, drops a field that comes under its Python name, where it should refuse it.
        for name in given if isinstance(given, dict) else ():
            if name in cls.model_fields and (alias := cls.model_fields[name].alias) != name:
                raise InvalidError(alias, f"Names are in camel case: send '{alias}'.", value=name)
        return given


class Message(Shape):
    """What a caller should know beside the data."""

    type: Literal["information", "warning"] = "information"
    code: str
    message: str
    field: Annotated[str | None, LEFT_OUT_IF_NONE] = None


class Answer(Shape):
    """The envelope of every answer; a group's answers say what `data` is."""

    data: Any
    messages: list[Message]

    @classmethod
    def of(cls: type[AnyAnswer], data: Any, *messages: Message) -> AnyAnswer:
        return cls(data=data, messages=list(messages))

    @classmethod
    def listed(
        cls: type[AnyAnswer], found: Listed[Core], from_core: Callable[[Core], Any], position: Callable[[Core], str]
    ) -> AnyAnswer:
        """The envelope of a list; where it goes on, a message says how. `position` spells the id of an item."""
        return cls.of([from_core(item) for item in found.items], *more_follow(found, position))


def more_follow(found: Listed[Core], position: Callable[[Core], str]) -> Sequence[Message]:
    """The message of a list that does not end here: no list is cut without saying so."""
    if not found.has_more:
        return ()
    after = position(found.items[-1])
    text = f"These are the first {len(found.items)}: ask for those that follow with 'after={after}'."
    return (Message(code="MORE_ITEMS", message=text, field="after"),)


class ListQuery(AnyShape):
    """A list that the document answers whole, newest first: its first thousand, or `count`, behind `after`."""

    after: IdText | None = None
    count: Annotated[int, Field(ge=1, le=MAX_LISTED), WRITTEN_WHOLE] = MAX_LISTED

    def behind(self, kind: Uuid) -> int | None:
        """The id in `after`; InvalidError for what is no id of this kind. Whether it still exists does not matter."""
        if self.after is None:
            return None
        number = ids.of_uuid(kind.prefix, self.after)
        if number is None:
            allowed = "the id of the last item that was answered"
            shown = self.after[:MAX_SHOWN]
            raise InvalidError("after", f"'after' must be {allowed}, not '{shown}'.", value=shown, constraint=allowed)
        return number


class Started(Shape):
    """A job that was begun: `GET /Job/{id}` tells how far it is."""

    job_id: str
    status: str


class StartedAnswer(Answer):
    data: Started

    @classmethod
    def begun(cls, job_id: int, status: str = "queued", *messages: Message) -> StartedAnswer:
        return cls.of(Started(job_id=JOB.spell(job_id), status=status), *messages)


class Gone(Shape):
    id: str
    deleted: Literal[True] = True


class Deleted(Answer):
    """The answer to a DELETE."""

    data: Gone

    @classmethod
    def gone(cls, kind: Uuid, number: int) -> Deleted:
        return cls.of(Gone(id=kind.spell(number)))
