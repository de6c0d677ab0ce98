"""The contract is checked on the stack that the tests in tests/stack use."""

from __future__ import annotations

from tests.stack.conftest import account, new_account, run_folder, stack

__all__ = ["account", "new_account", "run_folder", "stack"]
