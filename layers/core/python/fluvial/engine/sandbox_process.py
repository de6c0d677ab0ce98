"""A child process that answers one request: started with nothing of ours, ended in time, measured."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

ANSWER_BYTES = 256 * 1024 * 1024
SAID_BYTES = 8 * 1024
_READ_BYTES = 256 * 1024
_WAITED_SECONDS = 0.002
_LOOKED_AT_SECONDS = 0.05


@dataclass(frozen=True)
class Ended:
    """How a process ended: by itself, by a signal (else 0), or by us because it was `late`.

    `said` is the end of what it wrote to standard error; memory is resident, at its peak as far as that was seen.
    """

    signal: int
    late: bool
    said: str
    peak_memory_bytes: int
    cpu_seconds: float


def talk(script: Path, request: bytes, *, seconds: float, folder: Path, on_line: Callable[[bytes], None]) -> Ended:
    """Runs the script on the request and hands over each line of its answer; then it and all that it started are gone.

    What `on_line` raises ends it at once. An answer of more than ANSWER_BYTES raises ValueError.
    """
    deadline = time.monotonic() + seconds
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(request)
        given.seek(0)
        child = subprocess.Popen(  # noqa: S603 - this interpreter, and a script of ours
            [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(script)],
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=said,
            cwd=folder,
            # Where Lambda's interpreter has its own library. One arena: each would reserve address space.
            env={"LD_LIBRARY_PATH": f"{sys.base_prefix}/lib", "MALLOC_ARENA_MAX": "1"},
            start_new_session=True,
        )
        killed, memory = 0, _Memory(child.pid)
        try:
            in_time = _read(child, deadline, on_line, memory) and _waited(child.pid, deadline)
            if in_time:
                killed = _signal(child.pid)
        finally:
            cpu_seconds = _end(child)
        size = said.seek(0, os.SEEK_END)
        said.seek(max(0, size - SAID_BYTES))
        return Ended(killed, not in_time, said.read().decode(errors="replace"), memory.peak, cpu_seconds)


class _Memory:
    """The resident memory of a process at its peak, as it was when one last looked.

    What the system counts until its end (`ru_maxrss`) begins with what the process had that started it.
    """

    def __init__(self, pid: int) -> None:
        self._status, self.peak = Path(f"/proc/{pid}/status"), 0

    def look(self) -> None:
        with suppress(OSError):
            for line in self._status.read_bytes().splitlines():
                if line.startswith(b"VmHWM:"):
                    self.peak = max(self.peak, int(line.split()[1]) * 1024)


def _read(child: subprocess.Popen[bytes], deadline: float, on_line: Callable[[bytes], None], memory: _Memory) -> bool:
    """Whether the answer ended in time."""
    line, size = bytearray(), 0
    with selectors.DefaultSelector() as ready:
        ready.register(_answers(child), selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            memory.look()
            if not ready.select(min(left, _LOOKED_AT_SECONDS)):
                continue
            some = os.read(_answers(child).fileno(), _READ_BYTES)
            if not some:
                return True
            *whole, rest = some.split(b"\n")
            for end in whole:
                on_line(bytes(line) + end)
                line.clear()
            line += rest
            size += len(some)
            if size > ANSWER_BYTES:
                raise ValueError("the answer is too long")
    return False


def _answers(child: subprocess.Popen[bytes]) -> BinaryIO:
    if child.stdout is None:
        raise ValueError("the process was started without a pipe")
    return child.stdout  # type: ignore[return-value]


def _waited(pid: int, deadline: float) -> bool:
    """Whether the process, which has closed its answer, ended in time. It stays to be asked how."""
    while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if time.monotonic() > deadline:
            return False
        time.sleep(_WAITED_SECONDS)
    return True


def _signal(pid: int) -> int:
    how = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return how.si_status if how and how.si_code in (os.CLD_KILLED, os.CLD_DUMPED) else 0


def _end(child: subprocess.Popen[bytes]) -> float:
    """Ends the process and its group, and says how many seconds of CPU it took."""
    # Nobody has waited for it yet, so its number is still its own.
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    _, status, took = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    _answers(child).close()
    return took.ru_utime + took.ru_stime
