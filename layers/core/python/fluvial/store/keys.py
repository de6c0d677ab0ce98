"""How keys are spelled. Every partition of a customer's things starts with the account: isolation is the key itself.

a#<account>                  account
a#<account>#users            users by id
a#<account>#projects         projects by id, which is by creation
a#<account>#datasets         datasets by id
a#<account>#p#<project>#data one entry per dataset of the project, by creation
a#<account>#uploads          upload sessions by id
a#<account>#jobs             jobs by id
a#<account>#keys             API keys by id (never the key itself)
a#<account>#idempotency      answers under an Idempotency-Key, by hash of route and key
a#<account>#events           the outbox: events by id
a#<account>#usage            counters of use, by hour or window: requests, bytes processed, projects created
a#<account>#endpoints        webhook endpoints by id
a#<account>#e#<endpoint>     the endpoint's deliveries, by event
<a list's partition>#total   counters of the list, by shard
key#<sha256>                 the identity that a key stands for
email#<address>              guards that an address is used once
"""

from __future__ import annotations

from fluvial import ids


def number(value: int) -> str:
    """An id as a sort key: eleven characters that sort as the number does."""
    return ids.spell("", value)[1:]


def account(account_id: int) -> str:
    return f"a#{number(account_id)}"


def listed(account_id: int, what: str) -> str:
    """The partition of an account's things of one kind."""
    return f"a#{number(account_id)}#{what}"


def project_data(account_id: int, project_id: int) -> str:
    return f"a#{number(account_id)}#p#{number(project_id)}#data"


def deliveries(account_id: int, endpoint_id: int) -> str:
    return f"a#{number(account_id)}#e#{number(endpoint_id)}"


def key_secret(digest: str) -> str:
    return f"key#{digest}"


def email(address: str) -> str:
    return f"email#{address.casefold()}"


def window(start: int, key_id: int, api: str, route_class: str) -> str:
    """The sort key of a request counter among its account's counters of use; `start` in epoch seconds."""
    return f"{start:010d}#{number(key_id)}#{api}#{route_class}"
