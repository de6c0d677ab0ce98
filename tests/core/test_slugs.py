"""Slugs made of names: what comes out is a slug, whatever went in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial import slugs
from fluvial.errors import InvalidError


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Website", "my-website"),
        ("Straße & Söhne", "strasse-soehne"),
        ("Café №1", "cafe-no1"),
        ("日本", "thing"),
        ("--", "thing"),
        ("a" * 200, "a" * 80),
    ],
)
def test_a_name_becomes_a_slug(name: str, slug: str) -> None:
    assert slugs.of(name, "thing") == slug


@given(st.text(), st.integers(min_value=1))
def test_whatever_the_name_its_slug_and_those_beside_it_are_valid(name: str, number: int) -> None:
    slug = slugs.of(name, "thing")
    assert slugs.checked(slug) == slug
    beside = slugs.ending_in(slug, number % 10_000)
    assert slugs.checked(beside) == beside != slug


@pytest.mark.parametrize("slug", ["", "A", "a--b", "-a", "a-", "a b", "ä", "a" * 81])
def test_what_is_no_slug_is_refused_with_the_rule(slug: str) -> None:
    with pytest.raises(InvalidError) as refused:
        slugs.checked(slug)
    assert (refused.value.field, refused.value.value, refused.value.constraint) == ("slug", slug[:100], slugs.RULE)
