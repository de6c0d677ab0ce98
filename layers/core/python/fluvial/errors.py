"""What can go wrong, in the words of the domain. Each API renders these in its own envelope.

    FluvialError
    ├── UnauthenticatedError      no usable credential
    ├── ForbiddenError            a good credential that may not do this
    │   └── FeatureOffError       the account does not have this part of the product
    ├── NotFoundError             absent, or somebody else's: the two look alike
    ├── InvalidError              a field, parameter or file that cannot be accepted
    │   ├── UnreadableFileError   a file in which no table can be found
    │   ├── RecordInvalidError    values that a record cannot have, all of them at once
    │   ├── UnpublishableError    pages that make no site
    │   └── UnknownModelError     a class of records that there is not
    ├── ConflictError             it contradicts what is there already
    │   ├── StaleError            it was changed since the caller read it
    │   └── UnchangedError        what the caller has is what would be answered
    ├── ReusedKeyError            an Idempotency-Key that stands for another request
    ├── TooLargeError             more than can be taken this way
    └── LimitedError              the caller's quota of requests is used up

There are no status codes here: HTTP is the APIs' business. Anything that is not a FluvialError is a defect
or an outage, and is answered as an internal error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MAX_SHOWN = 100  # characters of a caller's own text that an error repeats


class FluvialError(Exception):
    """Something the caller can understand and act on; `str(error)` is one sentence for people."""

    field: str | None = None


class UnauthenticatedError(FluvialError):
    """The credential is absent, malformed, unknown, revoked or expired; which one is not told."""


class ForbiddenError(FluvialError):
    """The credential is good, but does not allow this action."""


class FeatureOffError(ForbiddenError):
    """This part of the product is switched off for the account."""

    def __init__(self, feature: str) -> None:
        super().__init__(f"The feature '{feature}' is not enabled for your subscription.")
        self.feature = feature


class NotFoundError(FluvialError):
    """No such thing in this account."""

    def __init__(self, kind: str, name: int | str, *, field: str | None = None) -> None:
        """`name` is the id, or the text where the caller sent one that spells no id; an API spells it its own way."""
        super().__init__(f"no {kind} {name}")
        self.kind = kind
        self.name = name
        self.field = field


class InvalidError(FluvialError):
    """A value that cannot be accepted: which field, why, what was given, and what is allowed."""

    def __init__(self, field: str | None, reason: str, *, value: object = None, constraint: str | None = None) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason
        self.value = value
        self.constraint = constraint


class UnreadableFileError(InvalidError):
    """A file in which no table can be found, or that must not be unpacked; the reason names the place."""

    def __init__(self, reason: str, *, value: object = None, constraint: str | None = None) -> None:
        super().__init__("file", reason, value=value, constraint=constraint)


class RecordInvalidError(InvalidError):
    """Values that a record cannot have; `problems` has all reasons by field, each one to be read behind its name."""

    def __init__(self, problems: Mapping[str, Sequence[str]]) -> None:
        field, (reason, *more) = next(iter(problems.items()))
        count = len(more) + sum(len(reasons) for reasons in problems.values()) - len(problems[field])
        others = f" There are {count} more such problems." if count else ""
        super().__init__(field, f"'{field}' {reason}.{others}")
        self.problems = {name: list(reasons) for name, reasons in problems.items()}


class UnpublishableError(InvalidError):
    """The pages of a project make no site; `problems` has all reasons, each with the path of its page (or None)."""

    def __init__(self, problems: list[tuple[str | None, str]]) -> None:
        path, reason = problems[0]
        more = f" There are {len(problems) - 1} more such problems." if len(problems) > 1 else ""
        super().__init__("pages" if path is None else f"pages.{path}", reason + more)
        self.problems = problems


class UnknownModelError(InvalidError):
    """There is no class of records of this name in the account."""

    def __init__(self, name: str) -> None:
        super().__init__("model_type", f"uninitialized constant {name[:MAX_SHOWN]}", value=name[:MAX_SHOWN])
        self.name = name


class ConflictError(FluvialError):
    """The request contradicts what is there already, such as a second account for one e-mail address."""

    def __init__(self, reason: str, *, field: str | None = None) -> None:
        super().__init__(reason)
        self.field = field


class StaleError(ConflictError):
    """It was changed since the caller read it: the revision that the caller knows (If-Match) is not the current one."""

    def __init__(self, kind: str, revision: int) -> None:
        super().__init__(f"The {kind} was changed since you read it: read it again. It is at revision {revision} now.")
        self.kind = kind
        self.revision = revision


class UnchangedError(ConflictError):
    """The caller has the answer already (If-None-Match), and the request is one that cannot be told so otherwise."""


class ReusedKeyError(FluvialError):
    """The Idempotency-Key was used for a request that was not this one."""

    field = "Idempotency-Key"


class TooLargeError(FluvialError):
    """More bytes than this way of sending takes; an API adds which of its ways to use instead."""

    def __init__(self, reason: str, *, field: str | None = None, limit_bytes: int) -> None:
        super().__init__(reason)
        self.field = field
        self.limit_bytes = limit_bytes


class LimitedError(FluvialError):
    """The quota of the current window is used up; nothing was spent on this request."""

    def __init__(self, reason: str, *, retry_after_seconds: int) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
