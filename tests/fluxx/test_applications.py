"""The applications group of the Fluxx API through its handler, on moto."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluvial import accounts, clock
from tests import factories
from tests.fluxx.calls import Api, Client, client_of, new_account, refusal
from workers import create_account

PATH = "/oauth/applications"


def create(api: Api, **body: Any) -> dict[str, Any]:
    status, answer = api.post(PATH, {"name": "Export", **body})
    assert status == 200
    assert list(answer) == ["application"]
    made: dict[str, Any] = answer["application"]
    return made


def opens(application: dict[str, Any]) -> bool:
    """Whether what was answered gets a token that stands for the application."""
    token = Client(application["client_id"], application["client_secret"]).token()
    return bool(factories.caller_of(token).key == application["id"])


def shown(api: Api, application_id: int) -> dict[str, Any]:
    _, page = api.get(PATH, per_page="500")
    found = (each for each in page["records"]["application"] if each["id"] == application_id)
    return next(found)


def without_secret(application: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in application.items() if name != "client_secret"}


def test_a_new_application_is_answered_whole_with_its_secret_which_is_shown_once(api: Api) -> None:
    made = create(api, scopes=["records:read", "data:read"])
    assert made == {
        "id": made["id"],
        "name": "Export",
        "client_id": made["client_id"],
        "scopes": ["data:read", "records:read"],
        "hint": made["client_secret"][-4:],
        "created_at": made["created_at"],
        "created_by_id": api.caller.user,
        "rolled_at": None,
        "old_secret_expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
        "client_secret": made["client_secret"],
    }
    assert (len(made["client_id"]), len(made["client_secret"])) == (64, 64)
    assert opens(made)
    assert shown(api, made["id"]) == without_secret(made)


def test_applications_are_listed_newest_first_in_the_form_of_this_api(api: Api, account: accounts.Opened) -> None:
    made = [create(api, name=f"Number {number}")["id"] for number in range(3)]
    _, page = api.get(PATH, per_page="3", page="1")
    assert [each["id"] for each in page["records"]["application"]] == made[::-1]
    assert {name: value for name, value in page.items() if name != "records"} == {
        "total_pages": 2,
        "total_entries": 4,
        "current_page": 1,
        "per_page": 3,
    }
    _, last = api.get(PATH, per_page="3", page="2")
    assert [each["id"] for each in last["records"]["application"]] == [account.application.id]
    _, beyond = api.get(PATH, page="9")
    assert (beyond["records"], beyond["total_entries"]) == ({"application": []}, 4)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"page": "0"}, {"page": ["'page' must be at least 1, not \"0\"."]}),
        ({"per_page": "501"}, {"per_page": ["'per_page' must be at most 500, not \"501\"."]}),
    ],
)
def test_a_page_out_of_range_is_refused(api: Api, query: dict[str, str], message: dict[str, Any]) -> None:
    assert api.get(PATH, **query) == (200, refusal(message))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"name": "N", "scopes": []}, "scopes"),
        ({"name": "N", "scopes": ["records:eat"]}, "scopes"),
        ({"name": "N", "client_id": "mine"}, "client_id"),
    ],
)
def test_a_bad_application_is_refused_by_field_and_none_is_made(api: Api, body: dict[str, Any], field: str) -> None:
    status, answer = api.post(PATH, body)
    assert (status, answer["error"]["code"]) == (200, 100)
    assert f'"{field}"' in answer["error"]["message"]
    assert api.get(PATH)[1]["total_entries"] == 1


def test_a_rolled_secret_is_answered_once_and_the_one_before_works_for_the_grace(api: Api) -> None:
    made = create(api)
    status, answer = api.post(f"{PATH}/{made['id']}/roll", {"grace_seconds": 600})
    rolled = answer["application"]
    assert status == 200
    assert rolled["client_secret"] != made["client_secret"]
    assert (rolled["id"], rolled["client_id"], rolled["hint"]) == (
        made["id"],
        made["client_id"],
        rolled["client_secret"][-4:],
    )
    assert rolled["old_secret_expires_at"] > rolled["rolled_at"] >= made["created_at"]
    assert opens(made)
    assert opens(rolled)
    assert shown(api, made["id"]) == without_secret(rolled)


@pytest.mark.parametrize("grace", [-1, 604_801, "60", 1.5, None])
def test_a_grace_out_of_range_is_refused_and_nothing_changes(api: Api, grace: object) -> None:
    made = create(api)
    status, answer = api.post(f"{PATH}/{made['id']}/roll", {"grace_seconds": grace})
    assert (status, answer["error"]["code"]) == (200, 100)
    assert '"grace_seconds"' in answer["error"]["message"]
    assert shown(api, made["id"]) == without_secret(made)


def test_a_revoked_application_stays_in_the_list_and_revoking_again_answers_the_same(api: Api) -> None:
    made = create(api)
    status, answer = api.delete(f"{PATH}/{made['id']}")
    assert (status, answer) == (
        200,
        {"application": {**without_secret(made), "revoked_at": answer["application"]["revoked_at"]}},
    )
    assert answer["application"]["revoked_at"] is not None
    assert api.delete(f"{PATH}/{made['id']}") == (status, answer)
    assert shown(api, made["id"]) == answer["application"]
    status, answer = api.post(f"{PATH}/{made['id']}/roll", {})
    assert (status, answer) == (200, refusal({"base": ["This application is revoked: make a new one."]}))


def test_an_application_can_revoke_itself(api: Api, client: Client, token: str) -> None:
    assert api.delete(f"{PATH}/{api.caller.key}")[0] == 200
    with pytest.raises(LookupError):
        factories.caller_of(token)


def test_what_another_account_has_is_absent(api: Api, stranger: Api) -> None:
    made = create(api)
    for method, path in (("POST", f"{PATH}/{made['id']}/roll"), ("DELETE", f"{PATH}/{made['id']}")):
        foreign = stranger.call(method, path)
        assert foreign == (200, refusal({"base": [f"No application '{made['id']}' exists."]}))
        absent = stranger.call(method, path.replace(str(made["id"]), "1"))
        assert absent == (200, refusal({"base": ["No application '1' exists."]}))
    assert opens(made)


@pytest.mark.parametrize("text", ["first", "0", "1.0", "99999999999999999"])
def test_what_is_no_id_is_absent(api: Api, text: str) -> None:
    assert api.delete(f"{PATH}/{text}") == (200, refusal({"base": [f"No application '{text}' exists."]}))


def test_the_same_request_again_under_its_key_answers_the_same_application(api: Api) -> None:
    first = api.post(PATH, {"name": "Once"}, **{"Idempotency-Key": "one"})
    assert api.post(PATH, {"name": "Once"}, **{"Idempotency-Key": "one"}) == first
    assert opens(first[1]["application"])
    assert api.get(PATH)[1]["total_entries"] == 2
    path = f"{PATH}/{first[1]['application']['id']}/roll"
    rolled = api.post(path, {}, **{"Idempotency-Key": "two"})
    assert api.post(path, {}, **{"Idempotency-Key": "two"}) == rolled
    assert opens(rolled[1]["application"])


def test_a_key_with_the_scope_but_no_administrator_s_role_is_refused(owner: Api) -> None:
    forbidden = refusal("Only owners and admins manage applications.", 403)
    viewer = Api(replace(owner.caller, role="viewer"))
    assert viewer.get(PATH) == (200, forbidden)
    assert viewer.post(PATH, {"name": "Mine"}) == (200, forbidden)


@pytest.mark.parametrize(("method", "scope"), [("GET", "applications:read"), ("POST", "applications:write")])
def test_the_scope_is_needed(owner: Api, method: str, scope: str) -> None:
    less = Api(replace(owner.caller, scopes=frozenset({"records:read"})))
    assert less.call(method, PATH, body={"name": "Mine"}) == (
        200,
        refusal(f"This API key lacks the scope '{scope}'.", 403),
    )


def test_its_last_use_is_shown(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from fluvial import applications

    made = create(api)
    caller = factories.caller_of(Client(made["client_id"], made["client_secret"]).token())
    applications.note_use(caller, now=lambda: 1_798_761_600_000)
    assert shown(api, made["id"])["last_used_at"] == clock.iso(1_798_761_600_000)


def test_the_operator_is_told_the_first_application_s_id_and_secret(aws: dict[str, str]) -> None:
    made = create_account.handler({"email": "a@example.com", "plan": "free"}, None)
    assert list(made) == [
        "account_id",
        "subscription_id",
        "user_id",
        "email",
        "plan",
        "api_key",
        "client_id",
        "client_secret",
    ]
    by_key = factories.caller_of(made["api_key"])
    by_token = factories.caller_of(Client(made["client_id"], made["client_secret"]).token())
    assert (by_token.account, by_token.user, by_token.role) == (by_key.account, by_key.user, "system")
    assert by_token.scopes == by_key.scopes == {"*"}


def test_two_accounts_have_applications_of_their_own(aws: dict[str, str]) -> None:
    first, second = client_of(new_account()), client_of(new_account())
    assert first != second
