"""Rules of signing.py, against the published vectors and the PyPI verifier of Standard Webhooks."""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from fluvial import signing
from fluvial.errors import InvalidError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    ("secret", "event_id", "timestamp", "body", "signature"),
    [
        (
            SECRET,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1649367553,
            b'{"email":"test@example.com","username":"test_user"}',
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
    ],
)
def test_the_published_vectors_are_signed_as_published(secret, event_id, timestamp, body, signature):
    assert signing.sign(event_id, timestamp, body, [secret]) == signature


@given(
    event_id=st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
    body=st.text(st.characters(exclude_categories=["Cs"])),
    keys=st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=3),
)
def test_the_published_verifier_accepts_what_we_sign_with_any_of_the_secrets(event_id, body, keys):
    secrets = ["whsec_" + base64.b64encode(key).decode() for key in keys]
    headers = signing.headers(event_id, int(time.time()), body.encode(), secrets)
    for secret in secrets:
        Webhook(secret).verify(body, headers, json_parse=False)


def test_the_published_verifier_refuses_a_changed_body_and_another_secret():
    headers = signing.headers("evt_1", int(time.time()), b"{}", [SECRET])
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify("{ }", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.new_secret()).verify("{}", headers)


def test_the_headers_are_the_three_of_the_standard():
    assert signing.headers("evt_1", 12, b"{}", [SECRET]) == {
        "webhook-id": "evt_1",
        "webhook-timestamp": "12",
        "webhook-signature": signing.sign("evt_1", 12, b"{}", [SECRET]),
    }


def test_an_event_id_with_a_dot_is_refused_because_it_could_be_read_as_another_message():
    with pytest.raises(ValueError, match="contains a dot"):
        signing.sign("m.1", 2, b"x", [SECRET])


def test_nothing_is_signed_without_a_secret():
    with pytest.raises(ValueError, match="without a secret"):
        signing.sign("m", 1, b"x", [])


def test_new_secrets_have_32_bytes_differ_and_are_accepted_as_they_are():
    first, second = signing.new_secret(), signing.new_secret()
    assert first != second
    assert len(base64.b64decode(first.removeprefix("whsec_"), validate=True)) == 32
    assert signing.accept_secret(first) == first


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=2, max_size=64))
def test_free_text_of_8_to_64_bytes_becomes_a_key_of_just_these_bytes(text):
    if 8 <= len(text.encode()) <= 64 and not text.startswith("whsec_"):
        accepted = signing.accept_secret(text)
        assert base64.b64decode(accepted.removeprefix("whsec_")) == text.encode()
        assert signing.accept_secret("whsec_" + "A" * 32) != accepted
    else:
        with pytest.raises(InvalidError):
            signing.accept_secret(text)


def test_a_secret_that_lost_its_padding_is_the_same_secret():
    key = "whsec_" + base64.b64encode(b"k" * 32).decode()
    assert key.endswith("=")
    assert signing.accept_secret(key.rstrip("=")) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short12",
        "x" * 65,
        "é" * 33,
        "\ud800" * 8,
        "whsec_",
        "whsec_" + base64.b64encode(b"k" * 23).decode(),
        "whsec_" + base64.b64encode(b"k" * 65).decode(),
        "whsec_not base64 not base64 not base64 not",
        "whsec_" + "é" * 40,
        "whsec_" + "A" * 33,
    ],
)
def test_other_secrets_are_refused_with_what_is_allowed_and_never_repeated(text):
    with pytest.raises(InvalidError) as caught:
        signing.accept_secret(text, field="signing_secret")
    allowed = "'whsec_' and the base64 of 24 to 64 bytes, or any other text of 8 to 64 bytes"
    assert caught.value.field == "signing_secret"
    assert caught.value.reason == f"The secret must be {allowed}."
    assert caught.value.constraint == allowed
    assert caught.value.value is None
