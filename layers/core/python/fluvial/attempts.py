"""Trying a change again that met another one: what was read is read anew, so neither change is lost."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

ATTEMPTS = 12
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 1.0


def attempts(what: str) -> Iterator[int]:
    """Counts tries from 1, with a growing random pause before each further one; RuntimeError after the last."""
    pause = FIRST_PAUSE_SECONDS
    for number in range(1, ATTEMPTS + 1):
        yield number
        time.sleep(pause * random.random())  # noqa: S311 (spreads writers, guards nothing)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
    raise RuntimeError(f"{what} is changed by too many at once")
