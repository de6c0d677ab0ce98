"""Loads the SAM CLI once, and forks for each command: run by the Python of .venv-sam, which has nothing else.

A line of its input is a list: the files that are the command's input, output and errors, and its arguments. A line of
its output is the exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any, NoReturn

LOADED = (
    "docker",
    "samcli.commands.local.invoke.cli",
    "samcli.commands.local.lib.local_lambda",
    "samcli.commands.local.local",
    "samcli.local.docker.lambda_image",
    "samcli.local.lambdafn.runtime",
)


def main() -> None:
    cli = importlib.import_module("samcli.cli.main").cli
    for name in LOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            _run(cli, *json.loads(line))
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(cli: Any, stdin: str, stdout: str, stderr: str, *arguments: str) -> NoReturn:
    os.dup2(os.open(stdin, os.O_RDONLY), 0)
    for number, name in enumerate((stdout, stderr), start=1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    # The one that there is may have read more than its line.
    sys.stdin = open(0)  # noqa: SIM115
    cli(arguments, prog_name="sam")
    raise AssertionError("the CLI exits")


if __name__ == "__main__":
    main()
