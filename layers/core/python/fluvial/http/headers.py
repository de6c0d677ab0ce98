"""Headers that every answer carries, and what they are for."""

from __future__ import annotations

from functools import cache

# Answers are one account's own, and they change: nobody on the way keeps them.
NOT_KEPT = "no-store"
# The caller may keep it, and asks each time whether it still holds (ETag).
ASKED_AGAIN = "private, no-cache"

# Nothing that an API answers is a page: a browser that is led to it shall do nothing with it.
# https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

# What a script of another origin may read beside the body.
EXPOSED = ", ".join(
    (
        "ETag",
        "Idempotent-Replayed",
        "RateLimit",
        "RateLimit-Policy",
        "Retry-After",
        "X-RateLimit-Limit",
        "X-RateLimit-Remaining",
        "X-RateLimit-Reset",
        "X-Request-Id",
    )
)


@cache
def common(origin: str) -> dict[str, list[str]]:
    """What every answer has, unless its route says otherwise; `origin` may read it from a browser."""
    wanted = {
        "Cache-Control": NOT_KEPT,
        **SECURITY,
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": EXPOSED,
        **({} if origin == "*" else {"Vary": "Origin"}),
    }
    return {name: [value] for name, value in wanted.items()}
