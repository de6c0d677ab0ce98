"""The authorizer of the APIs whose requests have `Authorization: Bearer KEY`."""

from __future__ import annotations

from typing import Any

from authorizer import identity


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Who the key or access token stands for; another scheme is no credential."""
    scheme, _, token = identity.header(event, "authorization").partition(" ")
    return identity.answer(event, token.strip() if scheme.lower() == "bearer" else "")
