"""What is remembered of running stacks: `.local/<port>/` for each, `.local/stack.json` for the last one.

.local/stack.json             a copy of the stack.json of the stack that was started last
.local/<port>/stack.json      written when the stack is ready, removed when it is stopped
.local/<port>/server.pid      the server's process id; the server holds a lock on it while it lives
.local/<port>/server.log      what the server and the functions printed
.local/<port>/tmp/            the emulator's temporary files
.local/<port>/upload-account.json   the key that `make upload` uses where it is given none
.local/uploads/               the uploads that are under way
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"
CURRENT = STATE / "stack.json"

_DAY = 24 * 60 * 60


class LocalError(Exception):
    """Something the person at the terminal can act on; its text is one clear sentence."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack. What `stack.json` holds, key for key."""

    endpoint_url: str
    """The emulator's AWS endpoint, for boto3 and the AWS CLI. Any credentials do; test/test are used here."""
    region: str
    apis: dict[str, dict[str, str]]
    """`{"reference": {"base_url": …}, …}`: one entry per API of the deployed template."""
    name: str
    port: int
    pid: int
    log: str
    auth: bool = False
    """Whether IAM is enforced: functions can do only what template.yaml allows them."""
    resources: dict[str, str] = field(default_factory=dict)
    """Physical id by logical id, for whatever a test wants to look at."""
    table: str | None = None
    bucket: str | None = None

    def base_url(self, api: str) -> str:
        """Base URL of one API; LocalError where the stack does not have it."""
        if api not in self.apis:
            raise LocalError(f"the stack on port {self.port} has no {api!r} API, only: {', '.join(self.apis)}")
        return self.apis[api]["base_url"]


def directory(port: int) -> Path:
    return STATE / str(port)


def ports() -> list[int]:
    """The ports that something is remembered of."""
    return sorted(int(path.name) for path in STATE.glob("*") if path.name.isdecimal())


def prune() -> None:
    """Remove what stacks that were stopped more than a day ago have left: their logs."""
    for port in ports():
        log = directory(port) / "server.log"
        if {path.name for path in directory(port).iterdir()} == {log.name} and log.stat().st_mtime < time.time() - _DAY:
            shutil.rmtree(directory(port))


def write(stack: Stack, *, current: bool) -> None:
    """Remember a stack; with `current`, also as the one that commands without PORT mean."""
    text = json.dumps(asdict(stack), indent=2) + "\n"
    for path in (directory(stack.port) / "stack.json", *([CURRENT] if current else [])):
        # Whoever polls for the file must never read half of it.
        partial = path.with_suffix(".partial")
        partial.write_text(text)
        partial.replace(path)


def read(path: Path) -> Stack | None:
    """The stack a file describes; None where there is none, or one of another version of this module."""
    try:
        return Stack(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def forget(port: int) -> None:
    """Remove what is remembered of a stack, but for its log."""
    for name in ("stack.json", "upload-account.json"):
        (directory(port) / name).unlink(missing_ok=True)
    current = read(CURRENT)
    if current is None or current.port == port:
        CURRENT.unlink(missing_ok=True)
