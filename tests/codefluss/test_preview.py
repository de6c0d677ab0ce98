"""Preview links: made with a key, opened without one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from codefluss.wire.common import PROJECT
from fluvial import clock, config, previews, sites
from fluvial.aws import client
from tests.codefluss.calls import Api, refusal

NOTHING = (404, refusal("NOT_FOUND", "This link opens nothing: it has ended, or there is no such page."))
BASE = "https://api.example.org/v1"
ANYBODY = Api(None)


@pytest.fixture
def site(api: Api, project: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project with version 1: home, and team below it, in two languages."""
    monkeypatch.setenv("FLUVIAL_BASE_URL", BASE)
    config.settings.cache_clear()
    home = api.new_page(project, status="published")
    api.new_page(project, "Team", parentId=home, status="published")
    api.new_section(home, "hero", content={"title": {"en": "Hello <b>", "de": "Hallo"}}, styles={"color": "red"})
    api.published(project)
    return project


@pytest.fixture
def token(api: Api, site: str) -> str:
    return token_of(api.made(f"/projects/{site}/versions/1/preview", None)["url"])


def token_of(url: str) -> str:
    found = re.fullmatch(re.escape(BASE) + r"/preview/([0-9a-f]{64})/index\.html", url)
    assert found is not None, url
    return found[1]


def opened(token: str, path: str) -> dict[str, Any]:
    return ANYBODY.send("GET", f"/preview/{token}{path}")


def test_a_link_is_made_for_an_hour(api: Api, site: str) -> None:
    status, answer = api.post(f"/projects/{site}/versions/1/preview")
    assert (status, answer.keys(), answer["data"].keys()) == (201, {"data"}, {"url", "expiresAt"})
    token = token_of(answer["data"]["url"])
    preview = previews.store.find(token)
    assert preview is not None
    assert answer["data"]["expiresAt"] == clock.iso(preview.ends)
    assert 0 < preview.ends - clock.now() <= clock.HOUR


def test_the_token_is_nowhere_in_the_table(token: str, aws: dict[str, str]) -> None:
    assert token not in str(client("dynamodb").scan(TableName=aws["Table"])["Items"])


def test_a_page_is_answered_as_html_that_can_run_nothing(token: str) -> None:
    answer = opened(token, "/index.html")
    headers = answer["multiValueHeaders"]
    assert (answer["statusCode"], headers["Content-Type"]) == (200, ["text/html; charset=utf-8"])
    assert "Hello &lt;b&gt;" in answer["body"]
    (policy,) = headers["Content-Security-Policy"]
    assert policy.split("; ") == [
        "default-src 'none'",
        "style-src 'self'",
        "img-src https: http: data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "sandbox allow-popups",
    ]
    assert headers["X-Robots-Tag"] == ["noindex"]
    assert headers["X-Content-Type-Options"] == ["nosniff"]
    assert headers["Cache-Control"] == ["no-store"]
    assert "X-RateLimit-Limit" not in headers


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/style.css", "text/css; charset=utf-8"),
        ("/home/index.html", "text/html; charset=utf-8"),
        ("/home/team/index.html", "text/html; charset=utf-8"),
        ("/de/home/index.html", "text/html; charset=utf-8"),
    ],
)
def test_all_files_of_the_version_are_there(token: str, path: str, kind: str) -> None:
    answer = opened(token, path)
    assert (answer["statusCode"], answer["multiValueHeaders"]["Content-Type"]) == (200, [kind])


@pytest.mark.parametrize(
    ("path", "goes_to"),
    [
        ("", "index.html"),
        ("/home", "home/index.html"),
        ("/home/team/", "home/team/index.html"),
        ("/de", "de/index.html"),
    ],
)
def test_a_folder_leads_to_its_page_for_links_are_relative_to_that(token: str, path: str, goes_to: str) -> None:
    answer = opened(token, path)
    assert (answer["statusCode"], answer["body"]) == (302, "")
    assert answer["multiValueHeaders"]["Location"] == [f"{BASE}/preview/{token}/{goes_to}"]


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/nope/index.html",
        "/site.json",
        "/../site.json",
        "/%2e%2e/site.json",
        "/home/../../site.json",
        "/home//index.html",
        "/index.html/",
        "/home/index.htm",
        "/" + "a" * 2000,
    ],
)
def test_nothing_else_is_opened_and_nothing_is_told_about_it(token: str, path: str) -> None:
    assert ANYBODY.call("GET", f"/preview/{token}{path}") == NOTHING


@pytest.mark.parametrize("token", ["0" * 64, "x", "Ä", "proj_00000000000", "%00"])
def test_a_token_that_opens_nothing_is_answered_like_a_page_that_is_not_there(site: str, token: str) -> None:
    for path in ("", "/index.html"):
        assert ANYBODY.call("GET", f"/preview/{token}{path}") == NOTHING


def test_a_link_ends_after_its_hour(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened(token, "/index.html")["statusCode"] == 200
    now = clock.now()
    monkeypatch.setitem(previews.open.__kwdefaults__, "now", lambda: now + clock.HOUR + 1)
    assert ANYBODY.call("GET", f"/preview/{token}/index.html") == NOTHING


def test_a_link_shows_its_version_also_when_another_is_live(api: Api, site: str, token: str) -> None:
    (home, *_) = api.get(f"/projects/{site}/pages")[1]["data"]
    (section,) = api.get(f"/pages/{home['id']}/sections")[1]["data"]
    api.put(f"/sections/{section['id']}", {"content": {"title": "Changed"}})
    assert api.published(site) == 2
    assert "Hello" in opened(token, "/index.html")["body"]


def test_the_site_of_a_deleted_project_is_not_shown(api: Api, site: str, token: str) -> None:
    assert api.delete(f"/projects/{site}")[0] == 200
    assert api.caller is not None
    sites.sweep(api.caller.account, PROJECT.parse(site))
    assert ANYBODY.call("GET", f"/preview/{token}/index.html") == NOTHING


def test_a_retry_answers_the_same_link(api: Api, site: str) -> None:
    headers = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}
    path = f"/projects/{site}/versions/1/preview"
    first, again = (api.send("POST", path, headers=headers) for _ in range(2))
    assert (first["statusCode"], again["statusCode"], again["body"]) == (201, 201, first["body"])
    assert again["multiValueHeaders"]["Idempotent-Replayed"] == ["true"]
    other = api.made(path, None)["url"]
    assert other not in first["body"]
