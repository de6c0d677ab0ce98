"""The caller's options under the engine's roof; they live in the core, where APIs check them without the engine."""

from __future__ import annotations

from fluvial.reading import Options

__all__ = ["Options"]
