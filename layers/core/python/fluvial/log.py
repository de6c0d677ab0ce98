"""Logs: JSON lines on stderr, where Lambda collects them."""

from __future__ import annotations

import json
import logging
import sys

log = logging.getLogger("fluvial")
"""For what goes wrong; the runtime gives it a handler that writes JSON."""


def write_line(message: str, **facts: object) -> None:
    """One line with fields that CloudWatch Logs Insights reads. No bodies and no credentials, ever."""
    print(json.dumps({"message": message, **facts}, default=str), file=sys.stderr, flush=True)  # noqa: T201
