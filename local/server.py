"""Start and stop ministack, the AWS emulator, as a process group of its own.

The server inherits an open, locked file. The lock lives exactly as long as the server, whoever kills it and
however, so a process id is only signalled while the lock says that it is still ours: a stale file, or a number
that the system has given to somebody else since, cannot confuse.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from local import state
from local.state import LocalError

HOST = "127.0.0.1"
REGION = "us-east-1"
ACCESS_KEY = SECRET_KEY = "test"

START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 3
LOG_LINES_SHOWN = 15

# Functions inherit the server's environment. Nothing of the person's AWS account, proxies or other emulators gets in.
_KEPT = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH")


def endpoint_url(port: int) -> str:
    return f"http://{HOST}:{port}"


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Connections that were just closed do not make a port busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def running_pid(port: int) -> int | None:
    """Process id of our server on this port; None where it is dead or was never started."""
    try:
        with _pid_file(port).open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except FileNotFoundError:
        pass
    return None


def start(port: int, *, auth: bool = False) -> int:
    """Start a server, wait until it answers, and return its process id; LocalError where it does not."""
    directory = state.directory(port)
    temporary = directory / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)

    with _pid_file(port).open("a+") as pid_file, log_file(port).open("wb") as log:
        try:
            fcntl.flock(pid_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError(f"a stack is running on port {port} already") from None
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            cwd=directory,
            env=_environment(port, temporary, auth=auth),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[pid_file.fileno()],
        )
        pid_file.truncate(0)
        pid_file.write(str(process.pid))

    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not _answers(port):
        if process.poll() is not None:
            raise LocalError(f"the local AWS stopped while starting:\n{log_tail(port)}")
        if time.monotonic() > deadline:
            stop(port)
            raise LocalError(f"the local AWS did not answer within {START_TIMEOUT_SECONDS} s:\n{log_tail(port)}")
        time.sleep(0.05)
    # It is meant to outlive this process, and Popen must not warn that it does. stop() reaps it.
    process.returncode = 0
    return process.pid


def stop(port: int) -> bool:
    """Stop the server of a port and every worker of it. False where there was nothing to stop."""
    pid = running_pid(port)
    if pid is not None:
        _signal(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while running_pid(port) and time.monotonic() < deadline:
            time.sleep(0.02)
        # The group outlives its leader by workers that are still busy; and a server may not listen.
        _signal(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    _pid_file(port).unlink(missing_ok=True)
    shutil.rmtree(state.directory(port) / "tmp", ignore_errors=True)
    return pid is not None


def log_file(port: int) -> Path:
    return state.directory(port) / "server.log"


def log_tail(port: int) -> str:
    """The last lines of the server's log, indented."""
    lines = log_file(port).read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
    return "\n".join(f"    {line}" for line in lines)


def _pid_file(port: int) -> Path:
    return state.directory(port) / "server.pid"


def _signal(group: int, number: signal.Signals) -> None:
    # macOS answers PermissionError for a group with nothing but zombies in it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/_ministack/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _environment(port: int, temporary: Path, *, auth: bool) -> dict[str, str]:
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {
        "AUTH": str(auth).lower(),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        # The emulator's default is every address of the machine, and it runs code.
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "0",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(temporary),
    }
