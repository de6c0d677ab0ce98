"""The commands: `python -m local up|down|account|demo|upload`. A failure is one sentence and status 1."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from local import show, stack, state
from local.state import LocalError


def main() -> int:
    # The machine's own AWS account, profile and settings are none of a local stack's business.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull

    try:
        arguments = _parser().parse_args()
        return int(arguments.command(arguments))
    except LocalError as error:
        show.failed(str(error))
    except (BotoCoreError, ClientError) as error:
        show.failed(f"the local AWS refused a call: {error}")
    except KeyboardInterrupt:
        show.failed("stopped")
    except BrokenPipeError:
        # Whoever read the output has gone, as `head` does. Python must not find out once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description="Fluvial on this machine.")
    commands = parser.add_subparsers(required=True, metavar="command")

    up = commands.add_parser("up", help="start a stack and return when it answers")
    up.add_argument("--port", type=_port, default=stack.DEFAULT_PORT, help="(default %(default)s)")
    up.add_argument("--auth", action="store_true", help="enforce IAM, as AWS does")
    up.set_defaults(command=_up)

    down = commands.add_parser("down", help="stop a stack")
    down.add_argument("--port", type=_port, help="(default: the stack started last)")
    down.add_argument("--all", action="store_true", help="every stack of this clone")
    down.set_defaults(command=_down)

    account = commands.add_parser("account", help="make an account with an API key on a running stack")
    account.add_argument("--port", type=_port, help="(default: the stack started last)")
    account.add_argument("--email", required=True)
    account.add_argument("--plan", default="professional", help=f"{', '.join(stack.PLANS)} (default %(default)s)")
    account.add_argument("--name", help="(default: the part of the address before the @)")
    account.set_defaults(command=_account)

    demo = commands.add_parser("demo", help="a tour: start, upload a file, look at it, receive webhooks")
    demo.add_argument("--port", type=_port, default=stack.DEFAULT_PORT, help="(default %(default)s)")
    demo.add_argument("--file", type=Path, help="a data file of your own")
    demo.add_argument("--once", action="store_true", help="stop at the end; exit status 0 only if every step held")
    demo.set_defaults(command=_demo)

    upload = commands.add_parser("upload", help="upload a file, and wait until it has been read")
    upload.add_argument("--file", type=Path, required=True)
    upload.add_argument("--project", help="id of the project (default: one called Uploads)")
    upload.add_argument("--name", help="what the data is called (default: as the file)")
    upload.add_argument("--port", type=_port, help="(default: the stack started last)")
    upload.add_argument("--url", help="base URL of a deployed reference API; its key is read from KEY")
    upload.set_defaults(command=_upload)
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise LocalError(f"{text!r} is not a port number")
    return int(text)


def _up(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    made = stack.up(arguments.port, auth=arguments.auth)
    show.step(f"stack on {made.endpoint_url}" + (", IAM enforced" if made.auth else ""), began)
    show.pairs({f"{name} API": api["base_url"] for name, api in made.apis.items()} | {"log": made.log})
    show.note("make account EMAIL=you@example.org makes an account; make down stops the stack")
    return 0


def _down(arguments: argparse.Namespace) -> int:
    current = state.read(state.CURRENT)
    if arguments.all:
        ports = state.ports()
    else:
        ports = [arguments.port] if arguments.port else [current.port] if current else []
    stopped = 0
    for port in ports:
        began = time.monotonic()
        if stack.down(port):
            stopped += 1
            show.step(f"stopped the stack on port {port}", began)
    if not stopped:
        show.note(stack.none_running(arguments.port))
    return 0


def _account(arguments: argparse.Namespace) -> int:
    account = stack.create_account(stack.find(arguments.port), arguments.email, arguments.plan, arguments.name)
    # The last line is JSON and nothing else, for scripts.
    print(json.dumps(account))
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    # Imported here, so that the other commands do not wait for it.
    from local import demo

    return demo.run(port=arguments.port, file=arguments.file, once=arguments.once)


def _upload(arguments: argparse.Namespace) -> int:
    from local import upload

    wanted = upload.Wanted(
        file=arguments.file,
        project=arguments.project,
        name=arguments.name,
        port=arguments.port,
        url=arguments.url,
        # Not among the arguments, which other users of the machine can see.
        key=os.environ.get("KEY"),
    )
    return upload.run(wanted)


if __name__ == "__main__":
    sys.exit(main())
