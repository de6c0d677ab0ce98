"""The form of API keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial import base62, keys


def test_a_new_key_is_well_formed_and_no_two_are_alike() -> None:
    made = {keys.new_secret() for _ in range(200)}
    assert len(made) == 200
    assert all(keys.well_formed(secret) and len(secret) == 42 for secret in made)


@given(st.integers(4, 41), st.sampled_from(base62.ALPHABET))
def test_one_wrong_character_is_noticed(position: int, character: str) -> None:
    secret = keys.new_secret()
    typo = secret[:position] + character + secret[position + 1 :]
    assert keys.well_formed(typo) == (typo == secret)


@pytest.mark.parametrize(
    "text", ["", "flv_", "nonsense", "flv_" + "a" * 38, "x" * 42, "FLV_" + "0" * 38, "flv_" + "é" * 38]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    assert not keys.well_formed(text)


def test_the_digest_does_not_contain_the_key() -> None:
    secret = keys.new_secret()
    assert keys.digest(secret) == keys.digest(secret)
    assert secret not in keys.digest(secret)
