"""The operator's function: an account with its owner, first key and first application.

No API exposes it; AWS credentials do.
"""

from __future__ import annotations

from typing import Any

from fluvial import accounts, ids
from fluvial.errors import FluvialError


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes `{"email", "plan", "name"?, "limits"?, "features_off"?}`; returns ids, the key, and the application's two.

    A refusal is `{"error": {"message", "field"}}`. `limits` are an enterprise account's own, such as
    `{"fluxjiva": 1000}`: requests per window, by API. `features_off` are what the account shall not have, such as
    `["automations"]`.
    A second call with the same address is refused, so a retry never makes a second account.
    """
    try:
        opened = accounts.create(
            email=str(event.get("email", "")),
            plan=str(event.get("plan", "free")),
            name=event.get("name"),
            limits=event.get("limits"),
            features_off=event.get("features_off"),
        )
    except FluvialError as error:
        return {"error": {"message": str(error), "field": error.field}}
    return {
        "account_id": ids.spell(ids.ACCOUNT, opened.account.id),
        "subscription_id": opened.account.subscription,
        "user_id": ids.spell(ids.USER, opened.user.id),
        "email": opened.user.email,
        "plan": opened.account.plan,
        "api_key": opened.api_key,
        "client_id": opened.application.client_id,
        "client_secret": opened.client_secret,
    }
