"""How far an upload is: a bar on a terminal, else a line for every tenth."""

from __future__ import annotations

import sys
import time
from collections import deque

from local import show

_BAR = 24
_EVERY_SECONDS = 0.1
_RATE_SECONDS = 10.0


class Bar:
    """Bytes, percentage, rate and the time that is left. Called from several threads, one at a time."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total = name, total
        self._tenth = 0
        self._terminal = sys.stdout.isatty()
        self._seen: deque[tuple[float, int]] = deque()

    def __call__(self, sent: int) -> None:
        """So many bytes have gone in all."""
        now = time.monotonic()
        if self._seen and self._seen[-1][0] > now - _EVERY_SECONDS and sent < self._total:
            return
        self._seen.append((now, sent))
        while self._seen[0][0] < now - _RATE_SECONDS:
            self._seen.popleft()
        if self._terminal:
            show.progress(f"{self._bar(sent)}  {self._text(sent)}")
        elif self._tenth < 10 * sent // self._total:
            self._tenth = 10 * sent // self._total
            show.note(f"{self._name}  {self._text(sent)}")

    def _bar(self, sent: int) -> str:
        filled = _BAR * sent // self._total
        return "█" * filled + "░" * (_BAR - filled)

    def _text(self, sent: int) -> str:
        (began, first), (now, last) = self._seen[0], self._seen[-1]
        rate = (last - first) / (now - began) if now > began else 0.0
        text = f"{100 * sent // self._total:>3} %  {size_text(sent)} of {size_text(self._total)}"
        if rate > 0:
            text += f"  {size_text(int(rate))}/s"
            left = int((self._total - sent) / rate)
            text += f"  {left // 60}:{left % 60:02} left" if left else ""
        return text


def size_text(size: int) -> str:
    """A number of bytes for people."""
    if size >= 1_000_000_000:
        return f"{size / 1_000_000_000:,.2f} GB"
    return f"{size / 1_000_000:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"
