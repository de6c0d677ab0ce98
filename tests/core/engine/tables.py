"""Small tables as the engine reads them from a file, and merges of them, for the tests of versions."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from fluvial.engine.limits import Limits
from fluvial.engine.load import Loader, connect, identifier, merged_bounds
from fluvial.engine.manifest import Column, Manifest, Part
from fluvial.engine.matching import Base, Incoming
from fluvial.engine.merge import Merge, Plan, Wish
from fluvial.engine.rows import locate, read_page
from fluvial.engine.tables import CleanPart, PartWriter, encoded_cell
from fluvial.engine.widening import as_text

Cells = dict[str, str | None]


def read(folder: Path, rows: Sequence[Cells], *, part_rows: int = 3) -> Manifest:
    """The rows as a file would be read: typed, in parts of `part_rows` rows; "" is an empty text, None nothing."""
    names = list(rows[0])
    limits = Limits(part_rows=part_rows)
    with tempfile.TemporaryDirectory(dir=folder) as temp:
        clean: list[CleanPart] = []
        with PartWriter(Path(temp), len(names), ",", limits, clean.append) as writer:
            for row in rows:
                cells = [encoded_cell((row[name] or "").encode(), row[name] == "", b",") for name in names]
                writer.write(b",".join(cells) + b"\n", 1)
        loader = Loader(connect(Path(temp), [folder], 200, 1), folder, limits, workers=1)
        loader.start(names, {})
        for part in clean:
            loader.add(part)
        decisions, parts = loader.finish()
        loader.close()
    columns = []
    for name, decision, stats in zip(names, decisions, loader.statistics, strict=True):
        least, greatest = merged_bounds(decision.type, stats.bounds)
        columns.append(Column(name, decision.type, decision.reason, decision.format, stats.nulls, least, greatest))
    count = len(rows)
    return Manifest("csv", None, "utf-8", None, [], columns, count, 0, count, 1, "0" * 64, parts, None)


@dataclass
class Version:
    """A version in a folder that stands for the bucket: a location is a folder in it."""

    bucket: Path
    location: str
    manifest: Manifest

    def path(self, part: Part) -> Path:
        return self.bucket / part.key(self.location)

    def base(self) -> Base:
        return Base(self.manifest, self.location, self.bucket, self.path)

    def texts(self) -> list[Cells]:
        """Every row with the text of its cells."""
        names = [column.name for column in self.manifest.columns]
        cells = ", ".join(as_text(identifier(column.name), column) for column in self.manifest.columns)
        found: list[Cells] = []
        sql = duckdb.connect()
        sql.execute("SET TimeZone = 'UTC'")
        for part in self.manifest.parts:
            assert part.first_row == len(found)
            rows = sql.execute(f"SELECT {cells} FROM read_parquet($path)", {"path": str(self.path(part))}).fetchall()
            assert len(rows) == part.rows
            found += [dict(zip(names, row, strict=True)) for row in rows]
        assert len(found) == self.manifest.rows
        return found

    def page(self, offset: int, limit: int) -> list[dict[str, object]]:
        parts = locate(self.manifest, offset, limit)
        return read_page([(self.path(part), skip, take) for part, skip, take in parts], self.manifest.columns)

    def types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.manifest.columns}


def first(bucket: Path, rows: Sequence[Cells], *, part_rows: int = 3) -> Version:
    folder = Path(tempfile.mkdtemp(dir=bucket))
    return Version(bucket, f"{folder.name}/", read(folder, rows, part_rows=part_rows))


def incoming(bucket: Path, rows: Sequence[Cells], *, part_rows: int = 3) -> Incoming:
    folder = Path(tempfile.mkdtemp(dir=bucket))
    return Incoming(read(folder, rows, part_rows=part_rows), folder, lambda row: row + 1)


def merged(
    before: Version, rows: Sequence[Cells], mode: str, *key: str, drift: str = "evolve", part_rows: int = 3
) -> tuple[Version, Plan]:
    """The next version, which does just what was planned; the one before it stays as it is."""
    file, wish = incoming(before.bucket, rows, part_rows=part_rows), Wish(mode, key, drift)
    old = before.texts()
    plan = planned(before, file, wish)
    out = Path(tempfile.mkdtemp(dir=before.bucket))
    with Merge(before.base(), file, wish, temp=before.bucket, out=out, threads=1) as merge:
        manifest = merge.write()
        assert merge.plan() == plan
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert manifest.merged is not None
    assert manifest.merged["counts"] == plan.counts.described()
    assert before.texts() == old
    own = {part.file for part in manifest.parts if part.location is None}
    rejects = {manifest.rejects_file} if manifest.rejects_file else set()
    assert {path.name for path in out.iterdir()} == own | rejects
    version = Version(before.bucket, f"{out.name}/", manifest)
    check_statistics(version)
    return version, plan


def planned(before: Version, file: Incoming, wish: Wish) -> Plan:
    """The plan alone, which writes nothing."""
    out = Path(tempfile.mkdtemp(dir=before.bucket))
    with Merge(before.base(), file, wish, temp=before.bucket, out=out, threads=1) as merge:
        plan = merge.plan()
    assert list(out.iterdir()) == []
    return plan


def check_statistics(version: Version) -> None:
    """Nulls are counted exactly, and bounds are right where there are any."""
    sql = duckdb.connect()
    sql.execute("SET TimeZone = 'UTC'")
    rows = f"read_parquet({[str(version.path(part)) for part in version.manifest.parts]})"
    for column in version.manifest.columns:
        cell = identifier(column.name)
        found = sql.execute(
            f"SELECT count(*) - count({cell}), min({cell})::VARCHAR, max({cell})::VARCHAR FROM {rows}"
        ).fetchone()
        assert found is not None
        assert column.nulls == found[0], column
        if column.min is not None:
            assert (column.min, column.max) == found[1:], column
