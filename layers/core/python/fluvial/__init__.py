"""The rules of Fluvial: what all five APIs and all workers share. Imports nothing from `functions/`."""

VERSION = "1.0.0"
