"""Settings."""

from __future__ import annotations

import pytest

from fluvial import config


def test_settings_are_read_by_type_and_have_defaults() -> None:
    settings = config.read(
        {"FLUVIAL_TABLE": "t", "FLUVIAL_MAX_INLINE_BYTES": "10", "FLUVIAL_WEBHOOKS_ALLOW_PRIVATE": "true"}
    )
    assert (settings.table, settings.max_inline_bytes, settings.webhooks_allow_private) == ("t", 10, True)
    assert settings.max_upload_bytes == 10 * 1024**3


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("FLUVIAL_MAX_INLINE_BYTES", "4 MB"),
        ("FLUVIAL_MAX_UPLOAD_BYTES", "-1"),
        ("FLUVIAL_WEBHOOKS_ALLOW_PRIVATE", "yes"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(variable: str, text: str) -> None:
    with pytest.raises(ValueError, match=variable):
        config.read({variable: text})


def test_a_needed_setting_that_is_not_there_is_named() -> None:
    with pytest.raises(LookupError, match="FLUVIAL_BUCKET"):
        config.read({}).need("bucket")
