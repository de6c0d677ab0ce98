"""The profile of a version that a worker has just made: beside its parts, never in their way."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from fluvial import blobs
from fluvial.engine.manifest import Manifest
from fluvial.engine.profile import profile
from fluvial.log import log
from fluvial.profiles import PROFILE

TIMEOUT_SECONDS = 120  # of the function's 15 minutes
# Of parts of earlier versions, which have to be fetched for a profile of them all.
MAX_FETCHED_BYTES = 1024**3


def add_profile(manifest: Manifest, out: Path) -> None:
    """Writes the profile into `out`, where the version's own parts are; those of earlier versions are fetched.

    A version that needs too much of earlier ones gets none. Nor does one whose profile fails: that is logged, for the
    rows are what counts.
    """
    if sum(part.bytes for part in manifest.parts if part.location is not None) > MAX_FETCHED_BYTES:
        return
    try:
        with tempfile.TemporaryDirectory() as temp:
            files = []
            for number, part in enumerate(manifest.parts):
                path = out / part.file
                if part.location is not None:
                    path = Path(temp, f"{number:05d}.parquet")
                    blobs.fetch(part.key(part.location), path)
                files.append((path, part.first_row))
            found = profile(files, manifest.columns, manifest.rows, Path(temp), timeout_seconds=TIMEOUT_SECONDS)
    except Exception:
        log.exception("no profile of %s columns and %s rows", len(manifest.columns), manifest.rows)
        return
    (out / PROFILE).write_text(json.dumps(found, ensure_ascii=False, separators=(",", ":"), allow_nan=False))
