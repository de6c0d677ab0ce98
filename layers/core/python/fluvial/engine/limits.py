"""What one ingest may take. Every limit protects memory, disk or time; none changes what a value means."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True)
class Limits:
    """Bounds of one ingest; sizes are of the unpacked file."""

    columns: int = 2_000
    line_bytes: int = 8 * MIB
    cell_bytes: int = 4 * MIB
    unpacked_bytes: int = 8 * GIB
    unpacked_ratio: int = 200
    unpacked_ratio_from_bytes: int = 64 * MIB
    json_document_bytes: int = 64 * MIB
    part_rows: int = 250_000
    part_bytes: int = 256 * MIB
    row_group_rows: int = 20_480
