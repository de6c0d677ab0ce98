"""The SAM CLI as a process that forks for each command: to load it takes longer than to run a function."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Cli:
    server: subprocess.Popen[str]
    folder: Path

    def run(self, *arguments: str, given: str) -> subprocess.CompletedProcess[str]:
        """`sam` with these arguments, and `given` as its input."""
        stdin, stdout, stderr = (self.folder / name for name in ("stdin", "stdout", "stderr"))
        stdin.write_text(given)
        assert self.server.stdin
        assert self.server.stdout
        self.server.stdin.write(json.dumps([*map(str, (stdin, stdout, stderr)), *arguments]) + "\n")
        self.server.stdin.flush()
        too_late = threading.Timer(TIMEOUT_SECONDS, self.server.kill)
        too_late.start()
        try:
            code = int(self.server.stdout.readline())
        finally:
            too_late.cancel()
        return subprocess.CompletedProcess(arguments, code, stdout.read_text(), stderr.read_text())


@contextmanager
def served(python: Path, environment: dict[str, str], folder: Path) -> Iterator[Cli]:
    """The CLI that this Python has."""
    command = [python, Path(__file__).with_name("served.py")]
    with subprocess.Popen(
        command, env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield Cli(server, folder)
        assert server.stdin
        server.stdin.close()
