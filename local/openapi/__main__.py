"""Writes `functions/<api>/openapi.json`: of the APIs that are named, of all without a name."""

from __future__ import annotations

import sys

from local import show
from local.openapi import apis, document


def main(names: list[str]) -> None:
    for name in names or apis.names():
        api = apis.load(name)
        api.file.write_text(document.text(api), encoding="utf-8")
        show.note(f"{api.file.relative_to(apis.ROOT)}: {len(api.operations)} operations")


if __name__ == "__main__":
    main(sys.argv[1:])
