"""The authorizer of the API whose requests have `X-Api-Key: KEY` and `X-Subscription-Id: UUID`.

The UUID spells the id of the key's account, so that it costs no read. One that does not belong to the key is answered
as a bad key is.
"""

from __future__ import annotations

from typing import Any

from authorizer import identity
from fluvial import ids


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Who the key stands for, if it is of this subscription."""
    account = ids.of_uuid(ids.ACCOUNT, identity.header(event, "x-subscription-id").strip())
    # Without an account there is no key that could be of it.
    secret = "" if account is None else identity.header(event, "x-api-key").strip()
    return identity.answer(event, secret, account=account)
