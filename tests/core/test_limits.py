"""Exact limits on moto; races are tested on the emulator, because moto does not hold them."""

from __future__ import annotations

import pytest

from fluvial import limits
from tests import factories

NOON = 1_767_268_800_000  # 2026-01-01T12:00:00Z


@pytest.fixture(autouse=True)
def small_limit(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.POLICIES, ("reference", "all"), {"free": limits.Policy(3, 60)})


def test_exactly_the_limit_passes_in_a_window_and_remaining_counts_down() -> None:
    caller = factories.new_caller(plan="free")
    windows = [
        limits.spend(caller, api="reference", now=lambda moment=NOON + second * 1000: moment) for second in (0, 1, 59)
    ]
    assert [window.remaining for window in windows] == [2, 1, 0]
    assert {window.reset for window in windows} == {NOON // 1000 + 60}
    for _ in range(3):
        with pytest.raises(limits.WindowUsedUpError) as refusal:
            limits.spend(caller, api="reference", now=lambda: NOON + 59_000)
        assert refusal.value.retry_after_seconds == 1
    assert limits.spend(caller, api="reference", now=lambda: NOON + 60_000).remaining == 2


def test_each_key_has_a_window_of_its_own() -> None:
    one, other = factories.new_caller(plan="free"), factories.new_caller(plan="free")
    for _ in range(3):
        limits.spend(one, api="reference", now=lambda: NOON)
    assert limits.spend(other, api="reference", now=lambda: NOON).remaining == 2


def test_headers_say_limit_remaining_and_reset() -> None:
    window = limits.Window(limit=60, remaining=58, reset=NOON // 1000 + 60, window_seconds=60)
    assert window.headers(NOON + 20_000) == {
        "X-RateLimit-Limit": "60",
        "X-RateLimit-Remaining": "58",
        "X-RateLimit-Reset": str(NOON // 1000 + 60),
        "RateLimit": '"default";r=58;t=40',
        "RateLimit-Policy": '"default";q=60;w=60',
    }
