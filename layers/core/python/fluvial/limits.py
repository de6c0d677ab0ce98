"""Exact request limits: one conditional count per request in the window of the caller's key.

    window start                              window end = X-RateLimit-Reset
    |----1----2----3-- … --limit------x----x--|----1----
                                      refused, nothing spent

A fixed window, as the documents' `Reset` implies. The count and its limit are one conditional write, so that no
number of callers at once passes more than the limit.
"""

from __future__ import annotations

from dataclasses import dataclass

from fluvial import clock
from fluvial.caller import Caller
from fluvial.errors import LimitedError
from fluvial.store import windows


@dataclass(frozen=True, slots=True)
class Policy:
    """So many requests per window; a window is a part of an hour, or an hour."""

    limit: int
    window_seconds: int


ALL = "all"  # the class of routes that have no limit of their own
MINUTE_SECONDS = 60
HOUR_SECONDS = 60 * 60


def _tiers(window_seconds: int, **limits: int) -> dict[str, Policy]:
    return {plan: Policy(limit, window_seconds) for plan, limit in limits.items()}


# By API and route class, by plan. Free and professional of the reference API, standard and professional of Fluxjiva
# are their documents' figures; docs/apis.md says why the others are these. An account's contract may say otherwise.
POLICIES: dict[tuple[str, str], dict[str, Policy]] = {
    ("reference", ALL): _tiers(HOUR_SECONDS, free=1_000, standard=5_000, professional=10_000, enterprise=100_000),
    ("fluxjiva", ALL): _tiers(MINUTE_SECONDS, free=20, standard=60, professional=300, enterprise=3_000),
    ("codefluss", ALL): _tiers(MINUTE_SECONDS, free=60, standard=120, professional=600, enterprise=3_000),
    ("flarelight", ALL): _tiers(MINUTE_SECONDS, free=30, standard=120, professional=600, enterprise=3_000),
    # Its document names one limit for each class of routes, and no plans.
    ("fluxx", "list"): _tiers(MINUTE_SECONDS, free=1_500, standard=1_500, professional=1_500, enterprise=15_000),
    ("fluxx", "get"): _tiers(MINUTE_SECONDS, free=180, standard=180, professional=180, enterprise=1_800),
    ("fluxx", "write"): _tiers(MINUTE_SECONDS, free=60, standard=60, professional=60, enterprise=600),
    ("fluxx", ALL): _tiers(MINUTE_SECONDS, free=60, standard=60, professional=60, enterprise=600),
}


def spelled(api: str, route_class: str) -> str:
    """What an account's contract calls a limit: `fluxjiva`, or `fluxx-list` for a class of routes."""
    return api if route_class == ALL else f"{api}-{route_class}"


NAMES = tuple(spelled(api, route_class) for api, route_class in POLICIES)


@dataclass(frozen=True, slots=True)
class Window:
    """Where a key stands in its window; `reset` in epoch seconds."""

    limit: int
    remaining: int
    reset: int
    window_seconds: int

    def headers(self, now: int) -> dict[str, str]:
        """The documents' headers, and the IETF's (draft-ietf-httpapi-ratelimit-headers). `now` in milliseconds."""
        left_seconds = max(self.reset - now // clock.SECOND, 0)
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
            "RateLimit": f'"default";r={self.remaining};t={left_seconds}',
            "RateLimit-Policy": f'"default";q={self.limit};w={self.window_seconds}',
        }


class WindowUsedUpError(LimitedError):
    """The limit of this window is reached; `window` says when the next begins."""

    def __init__(self, window: Window, now: int) -> None:
        wait_seconds = max(window.reset - now // clock.SECOND, 1)
        super().__init__(
            f"You've exceeded your rate limit of {window.limit} requests; it resets in {wait_seconds} seconds.",
            retry_after_seconds=wait_seconds,
        )
        self.window = window


def spend(caller: Caller, *, api: str, route_class: str = ALL, now: clock.Now = clock.now) -> Window:
    """Counts one request of this key, or raises WindowUsedUpError and counts nothing. One write, no read.

    windows.UnreachableError where the counter does not answer: whoever serves the request decides what then.
    """
    policy = POLICIES[api, route_class][caller.plan]
    name = spelled(api, route_class)
    if name in caller.limits:
        policy = Policy(caller.limits[name], policy.window_seconds)
    moment = now()
    start = moment // clock.SECOND // policy.window_seconds * policy.window_seconds
    reset = start + policy.window_seconds
    used = windows.count(
        caller,
        api=api,
        route_class=route_class,
        start=start,
        window_seconds=policy.window_seconds,
        limit=policy.limit,
    )
    if used is None:
        raise WindowUsedUpError(Window(policy.limit, 0, reset, policy.window_seconds), moment)
    return Window(policy.limit, policy.limit - used, reset, policy.window_seconds)
