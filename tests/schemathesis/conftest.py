"""Schemathesis is run on the stack that the tests in tests/stack use."""

from __future__ import annotations

from tests.stack.conftest import run_folder, stack

__all__ = ["run_folder", "stack"]
