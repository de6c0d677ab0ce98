"""Applications and their access tokens, on moto: who may manage them, what a token opens, and how it ends."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorizer import authorize, identity, subscription
from fluvial import accounts, applications, base62, clock, events, ids, keys, limits, tokens
from fluvial import aws as clients
from fluvial.caller import Caller
from fluvial.errors import (
    ConflictError,
    FluvialError,
    ForbiddenError,
    InvalidError,
    LimitedError,
    NotFoundError,
    UnauthenticatedError,
)
from fluvial.store import applications as store
from fluvial.store import keys as stored_keys
from fluvial.store import table
from fluvial.store import tokens as stored_tokens
from tests import factories
from tests.costs import Cost, counted
from tests.workers.pipeline import Died, Pipeline
from tests.workers.test_crashes import Crash, crash
from workers import sweep

__all__ = ["crash"]

ARN = "arn:aws:execute-api:us-east-1:123456789012:api/v1/GET/api/rest/v2/user"
NOW = 1_798_761_600_000  # 2027-01-01T00:00:00Z

Made = tuple[applications.Application, str]


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def made(caller: Caller) -> Made:
    return applications.create(caller, name="Export")


@pytest.fixture(autouse=True)
def nothing_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "noted", {})


def issue(made: Made, at: int | None = None) -> str:
    return tokens.issue(made[0].client_id, made[1], now=clock.now if at is None else lambda: at).text


def authorized(credential: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {credential}"}
    return authorize.handler({"headers": headers, "methodArn": ARN, "requestContext": {"requestId": "r"}}, None)


def opens(credential: str) -> bool:
    return bool(authorized(credential)["policyDocument"]["Statement"][0]["Effect"] == "Allow")


def shown(caller: Caller, application: applications.Application) -> applications.Application:
    found = applications.page(caller, offset=0, limit=100).items
    return next(each for each in found if each.id == application.id)


def whole_table(aws: dict[str, str]) -> str:
    return json.dumps(clients.client("dynamodb").scan(TableName=aws["Table"])["Items"], default=str)


# ---------------------------------------------------------------- what they look like


def test_ids_secrets_and_tokens_are_64_characters_and_no_two_are_alike() -> None:
    texts = {applications.new_text() for _ in range(200)}
    assert len(texts) == 200
    assert all(len(text) == 64 and text.isalnum() and applications.well_formed(text) for text in texts)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 63), st.sampled_from(base62.ALPHABET))
def test_one_wrong_character_is_noticed(bits: bytes, position: int, character: str) -> None:
    text = applications.spell_secret(bits)
    typo = text[:position] + character + text[position + 1 :]
    assert applications.well_formed(typo) == (typo == text)


@given(st.binary(min_size=32, max_size=32))
def test_a_secret_of_few_bits_is_spread_over_all_its_characters(bits: bytes) -> None:
    text = applications.spell_secret(bits)
    assert text == applications.spell_secret(bits)
    assert len(set(text)) > 10


@pytest.mark.parametrize(
    "text",
    ["", "é" * 64, " " * 64, "0" * 63, keys.spell_secret(bytes(32))],
    ids=["nothing", "not ASCII", "blanks", "too short", "a key"],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    assert not applications.well_formed(text)


# ---------------------------------------------------------------- their life


def test_an_application_is_listed_whole_without_its_secret(aws: dict[str, str], caller: Caller, made: Made) -> None:
    application, secret = made
    assert application == applications.Application(
        id=application.id,
        account=caller.account,
        user=caller.user,
        name="Export",
        client_id=application.client_id,
        scopes=("*",),
        hint=secret[-4:],
        created=application.created,
    )
    page = applications.page(caller, offset=0, limit=9)
    # The other one came with the account.
    assert (page.total, page.items[0], page.items[1].name) == (2, application, "First application")
    assert secret not in whole_table(aws)
    assert keys.digest(secret) in whole_table(aws)


def test_an_account_comes_with_an_application_that_works(aws: dict[str, str]) -> None:
    opened = accounts.create(email="a@example.com", plan="free")
    caller = factories.caller_of(issue((opened.application, opened.client_secret)))
    assert (caller.account, caller.key) == (opened.account.id, opened.application.id)
    assert store.total(opened.account.id) == 1


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_applications_are_for_administrators(caller: Caller, made: Made, role: str) -> None:
    member = replace(caller, role=role)
    application = made[0].id
    actions: list[Callable[[], object]] = [
        lambda: applications.create(member, name="Mine"),
        lambda: applications.page(member, offset=0, limit=9),
        lambda: applications.roll(member, application),
        lambda: applications.revoke(member, application),
    ]
    for action in actions:
        with pytest.raises(ForbiddenError, match="Only owners and admins"):
            action()
    assert shown(caller, made[0]) == made[0]


@pytest.mark.parametrize("role", ["owner", "admin", "system"])
def test_administrators_and_applications_manage_applications(caller: Caller, role: str) -> None:
    manager = replace(caller, role=role)
    application, _ = applications.create(manager, name="Mine", scopes=["data:read"])
    applications.roll(manager, application.id)
    assert applications.revoke(manager, application.id).revoked is not None


def test_an_application_gets_no_scope_that_its_maker_lacks(caller: Caller) -> None:
    less = replace(caller, scopes=frozenset({"applications:write", "data:read"}))
    application, _ = applications.create(less, name="Same")
    assert application.scopes == ("applications:write", "data:read")
    with pytest.raises(ForbiddenError, match=r"lacks the scope 'data:write'"):
        applications.create(less, name="More", scopes=["data:write"])
    with pytest.raises(InvalidError, match="'data:eat' is not a scope"):
        applications.create(less, name="Odd", scopes=["data:eat"])
    with pytest.raises(InvalidError, match="At least one scope"):
        applications.create(less, name="None", scopes=[])


def test_a_secret_is_not_rolled_by_one_with_less_scopes(caller: Caller, made: Made) -> None:
    with pytest.raises(ForbiddenError):
        applications.roll(replace(caller, scopes=frozenset({"applications:write"})), made[0].id)
    assert issue(made)


def test_another_account_s_application_is_absent(aws: dict[str, str], made: Made) -> None:
    stranger = factories.new_caller()
    for action in (applications.roll, applications.revoke):
        with pytest.raises(NotFoundError):
            action(stranger, made[0].id)
    assert issue(made)


def test_a_rolled_secret_works_for_the_grace_and_tokens_stay(caller: Caller, made: Made) -> None:
    before = issue(made, NOW)
    rolled = applications.roll(caller, made[0].id, grace_seconds=60, now=lambda: NOW)
    assert rolled[0] == replace(made[0], hint=rolled[1][-4:], rolled=NOW, old_ends=NOW + 60_000, revision=2)
    assert shown(caller, made[0]) == rolled[0]
    assert issue(rolled, NOW)
    assert issue(made, NOW + 60_000 - 1)
    with pytest.raises(UnauthenticatedError):
        issue(made, NOW + 60_000)
    assert opens(before)


def test_without_a_grace_the_secret_before_ends_at_once(caller: Caller, made: Made) -> None:
    rolled = applications.roll(caller, made[0].id, grace_seconds=0)
    with pytest.raises(UnauthenticatedError):
        issue(made)
    assert issue(rolled)


def test_the_grace_is_a_day_unless_told(caller: Caller, made: Made) -> None:
    rolled, _ = applications.roll(caller, made[0].id, now=lambda: NOW)
    assert rolled.old_ends == NOW + clock.DAY


@pytest.mark.parametrize("grace", [-1, 7 * 24 * 3600 + 1])
def test_a_grace_out_of_range_is_refused(caller: Caller, made: Made, grace: int) -> None:
    with pytest.raises(InvalidError, match=f"'grace_seconds' must be 0 to 604800, not {grace}"):
        applications.roll(caller, made[0].id, grace_seconds=grace)
    assert shown(caller, made[0]) == made[0]


def test_there_are_never_more_than_two_secrets(caller: Caller, made: Made) -> None:
    second = applications.roll(caller, made[0].id)
    third = applications.roll(caller, made[0].id)
    with pytest.raises(UnauthenticatedError):
        issue(made)
    assert issue(second)
    assert issue(third)


def test_of_two_rolls_at_once_one_is_refused(caller: Caller, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    real, first = store.roll, []

    def roll_twice(*arguments: Any, **named: Any) -> bool:
        monkeypatch.setattr(store, "roll", real)
        first.append(applications.roll(caller, made[0].id))
        return real(*arguments, **named)

    monkeypatch.setattr(store, "roll", roll_twice)
    with pytest.raises(ConflictError, match="changed at the same moment"):
        applications.roll(caller, made[0].id)
    assert issue(first[0])


def test_a_revoked_application_is_not_rolled(caller: Caller, made: Made) -> None:
    applications.revoke(caller, made[0].id)
    with pytest.raises(ConflictError, match="revoked"):
        applications.roll(caller, made[0].id)


def test_an_application_stays_when_the_user_who_made_it_goes(caller: Caller) -> None:
    member = factories.new_member(caller, "admin")
    theirs = applications.create(replace(caller, user=member.id, role="admin"), name="Theirs")
    token = issue(theirs)
    accounts.remove(caller, member.id)
    assert opens(token)
    assert factories.caller_of(issue(theirs)).user == member.id


# ---------------------------------------------------------------- tokens


def test_a_token_acts_for_the_account_with_the_application_s_scopes(aws: dict[str, str]) -> None:
    limits_of_contract = {"fluxx-list": 7}
    opened = accounts.create(
        email="a@example.com", plan="enterprise", limits=limits_of_contract, features_off=["reports"]
    )
    owner = factories.caller_of(opened.api_key)
    application, secret = applications.create(owner, name="Reader", scopes=["records:read", "data:read"])
    assert factories.caller_of(issue((application, secret))) == Caller(
        account=opened.account.id,
        user=opened.user.id,
        key=application.id,
        plan="enterprise",
        scopes=frozenset({"data:read", "records:read"}),
        role="system",
        limits=limits_of_contract,
        features_off=frozenset({"reports"}),
    )


def test_the_authorizer_takes_keys_and_tokens_alike(aws: dict[str, str]) -> None:
    opened = accounts.create(email="a@example.com", plan="free")
    by_key, by_token = authorized(opened.api_key), authorized(issue((opened.application, opened.client_secret)))
    assert by_key["usageIdentifierKey"] == by_token["usageIdentifierKey"] == opened.account.gateway_key
    assert Caller.of_context(by_key["context"]).role == "owner"
    assert Caller.of_context(by_token["context"]).role == "system"
    assert by_token["principalId"] == str(opened.application.id)


def test_a_token_opens_its_own_subscription_and_no_other(aws: dict[str, str]) -> None:
    opened, other = (accounts.create(email=f"{name}@example.com", plan="free") for name in "ab")
    token = issue((opened.application, opened.client_secret))
    for account, effect in ((opened.account, "Allow"), (other.account, "Deny")):
        headers = {"X-Api-Key": token, "X-Subscription-Id": account.subscription}
        event = {"headers": headers, "methodArn": ARN, "requestContext": {"requestId": "r"}}
        assert subscription.handler(event, None)["policyDocument"]["Statement"][0]["Effect"] == effect


def test_a_token_ends_after_two_hours(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tokens.issue(made[0].client_id, made[1], now=lambda: NOW)
    assert (token.created, token.ends) == (NOW, NOW + 2 * 60 * 60 * 1000)
    moment = token.ends - 1
    monkeypatch.setattr(clock, "now", lambda: moment)
    assert opens(token.text)
    moment = token.ends
    assert not opens(token.text)


def test_an_ended_token_is_forgotten_by_the_table(made: Made) -> None:
    token = tokens.issue(made[0].client_id, made[1], now=lambda: NOW)
    found = table.get((f"key#{keys.digest(token.text)}", "identity"))
    (entry,) = table.query(stored_keys.application_tokens(made[0].account, made[0].id))
    assert found is not None
    assert {item["expires"] for item in (found, entry)} == {token.ends // 1000}


def test_a_token_is_stored_nowhere(aws: dict[str, str], made: Made) -> None:
    token = issue(made)
    assert token not in whole_table(aws)
    assert keys.digest(token) in whole_table(aws)


def test_a_typo_in_a_token_is_refused_without_a_read(made: Made) -> None:
    token, cost = issue(made), Cost()
    with counted(cost):
        assert not opens(token[:-1] + ("a" if token[-1] != "a" else "b"))
        assert not opens(token[:-1])
    assert cost.calls == []
    with counted(cost):
        assert not opens(applications.new_text())
    assert cost.calls == ["GetItem"]


def test_a_good_token_costs_one_read_and_its_use_is_noted_once_a_minute(caller: Caller, made: Made) -> None:
    token, cost = issue(made), Cost()
    assert shown(caller, made[0]).last_used is None
    with counted(cost):
        assert opens(token)
        assert opens(token)
    assert cost.calls == ["GetItem", "UpdateItem", "GetItem"]
    noted = shown(caller, made[0]).last_used
    assert noted is not None
    assert abs(noted - clock.now()) < clock.MINUTE


def test_a_client_secret_or_id_is_no_token(made: Made) -> None:
    assert not opens(made[0].client_id)
    assert not opens(made[1])


def test_issuing_takes_one_read_one_count_and_one_transaction(made: Made) -> None:
    cost = Cost()
    with counted(cost):
        issue(made)
    assert cost.calls == ["GetItem", "UpdateItem", "TransactWriteItems(3)"]


def wrong(made: Made, other: Made) -> Iterator[tuple[str, str]]:
    client_id, secret = made[0].client_id, made[1]
    yield client_id, applications.new_text()
    yield applications.new_text(), secret
    yield client_id, other[1]
    yield other[0].client_id, secret
    yield secret, client_id
    yield client_id, ""
    yield "", ""
    yield client_id, secret[:-1]
    yield client_id, secret.swapcase()
    yield client_id, keys.digest(secret)


def test_wrong_credentials_are_all_refused_alike(caller: Caller, made: Made) -> None:
    other = applications.create(caller, name="Other")
    reasons = set()
    for client_id, secret in wrong(made, other):
        with pytest.raises(UnauthenticatedError) as refused:
            tokens.issue(client_id, secret)
        reasons.add(str(refused.value))
    assert len(reasons) == 1


def test_a_typo_in_the_credentials_is_refused_without_a_read(made: Made) -> None:
    cost = Cost()
    with counted(cost), pytest.raises(UnauthenticatedError):
        tokens.issue(made[0].client_id, made[1][:-1] + "-")
    assert cost.calls == []


def test_an_application_gets_so_many_tokens_a_minute_and_wrong_secrets_are_not_counted(made: Made) -> None:
    limit = limits.POLICIES[tokens.API, limits.ALL]["professional"].limit
    for _ in range(3):
        with pytest.raises(UnauthenticatedError):
            tokens.issue(made[0].client_id, applications.new_text(), now=lambda: NOW)
    for _ in range(limit):
        issue(made, NOW)
    with pytest.raises(LimitedError):
        issue(made, NOW)
    assert issue(made, NOW + clock.MINUTE)


# ---------------------------------------------------------------- revocation


def test_a_revoked_application_opens_nothing_any_more(caller: Caller, made: Made) -> None:
    others = applications.create(caller, name="Other")
    old, other = [issue(made) for _ in range(3)], issue(others)
    revoked = applications.revoke(caller, made[0].id)
    assert revoked.revoked is not None
    assert shown(caller, made[0]) == revoked
    assert not any(opens(token) for token in old)
    with pytest.raises(UnauthenticatedError):
        issue(made)
    assert opens(other)
    assert issue(others)
    assert table.query(stored_keys.application_tokens(caller.account, made[0].id)) == []


def test_the_secret_before_opens_nothing_after_a_revocation(caller: Caller, made: Made) -> None:
    applications.roll(caller, made[0].id)
    applications.revoke(caller, made[0].id)
    with pytest.raises(UnauthenticatedError):
        issue(made)


def test_revoking_again_changes_nothing(caller: Caller, made: Made) -> None:
    first = applications.revoke(caller, made[0].id)
    assert applications.revoke(caller, made[0].id) == first
    assert [event.type for event in told(caller)] == ["application.revoked"]


def test_a_revocation_is_told_with_the_application(caller: Caller, made: Made) -> None:
    application = applications.revoke(caller, made[0].id, now=lambda: NOW)
    (event,) = told(caller)
    assert (event.type, event.created) == ("application.revoked", NOW)
    assert event.data == {
        "id": ids.spell(ids.APPLICATION, application.id),
        "name": "Export",
        "client_id": application.client_id,
        "scopes": ["*"],
        "created_at": clock.iso(application.created),
        "revoked_at": "2027-01-01T00:00:00Z",
    }


def told(caller: Caller) -> list[events.Event]:
    return list(events.read(caller, events.BEGINNING, limit=100).events)


def test_any_number_of_tokens_ends_with_the_application(
    caller: Caller, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_tokens, "REMOVED_AT_ONCE", 2)
    old = [issue(made) for _ in range(5)]
    applications.revoke(caller, made[0].id)
    assert not any(opens(token) for token in old)


def test_a_token_that_is_issued_while_its_application_is_revoked_is_refused(
    caller: Caller, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stored_tokens.issue

    def revoke_first(*arguments: Any, **named: Any) -> bool:
        applications.revoke(caller, made[0].id)
        return real(*arguments, **named)

    monkeypatch.setattr(stored_tokens, "issue", revoke_first)
    with pytest.raises(UnauthenticatedError):
        issue(made)
    assert table.query(stored_keys.application_tokens(caller.account, made[0].id)) == []


def test_a_roll_does_not_get_in_the_way_of_a_revocation(
    caller: Caller, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, rolled = store.revoke, []

    def roll_first(*arguments: Any) -> bool:
        monkeypatch.setattr(store, "revoke", real)
        rolled.append(applications.roll(caller, made[0].id))
        return real(*arguments)

    monkeypatch.setattr(store, "revoke", roll_first)
    applications.revoke(caller, made[0].id)
    for secret in (made, rolled[0]):
        with pytest.raises(UnauthenticatedError):
            issue(secret)


# ---------------------------------------------------------------- deaths


def attempt(act: Callable[[], object]) -> bool:
    """Whether it came to its end."""
    try:
        act()
    except Died:
        return False
    return True


def test_a_revocation_survives_a_death_at_any_call(aws: dict[str, str], crash: Crash, caller: Caller) -> None:
    pipeline = Pipeline(aws)
    pipeline.settle()
    for number, when in itertools.product(range(5), ("before", "after")):
        made = applications.create(caller, name="Doomed")
        token = issue(made)
        crash.arm(number, when)
        done = attempt(lambda made=made: applications.revoke(caller, made[0].id))  # type: ignore[misc]
        crash.countdown = None
        revoked = shown(caller, made[0]).revoked is not None
        assert revoked or opens(token), "it is half revoked"
        # Nobody asks again: the event has the worker end what is left.
        while pipeline.stream() | pipeline.drain("SweepQueue", sweep.handler):
            pass
        assert opens(token) == (not revoked)
        assert revoked or not done
        applications.revoke(caller, made[0].id)
        assert not opens(token)
    revocations = [event for event in told(caller) if event.type == "application.revoked"]
    assert len(revocations) == 10


def test_a_death_while_issuing_leaves_no_token_that_a_revocation_misses(
    aws: dict[str, str], crash: Crash, caller: Caller
) -> None:
    for number, when in itertools.product(range(3), ("before", "after")):
        made = applications.create(caller, name="Doomed")
        crash.arm(number, when)
        assert not attempt(lambda made=made: issue(made))  # type: ignore[misc]
        crash.countdown = None
        entries = table.query(stored_keys.application_tokens(caller.account, made[0].id))
        identities = [table.get((f"key#{entry['sk']}", "identity")) for entry in entries]
        assert all(identities)
        assert len(entries) == int((number, when) == (2, "after"))
        applications.revoke(caller, made[0].id)
        assert [table.get((f"key#{entry['sk']}", "identity")) for entry in entries] == [None] * len(entries)


def test_a_refusal_says_nothing_of_the_secret(made: Made) -> None:
    with pytest.raises(FluvialError) as refused:
        tokens.issue(made[0].client_id, "s3cret-that-is-wrong")
    assert "s3cret" not in str(refused.value)
