"""The records of one class of one account as an SQLite table, in which they are searched, sorted and counted.

    records    id, and the columns of each field: `f_<field>`, and `t_<field>` without regard to case (`record_columns`)
    bodies     what a record is made of again, by id
    gone       records that were deleted, with the revision of that, so that an older one does not bring them back
    columns    the fields that there are columns of, with what tells each from another of its name
    meta       whose records these are, and the `position` in the log up to which they are complete

Rows that are looked through are kept apart from the bodies, which are three times as large. A table belongs to one
process, which throws it away when it ends: nothing is kept safe from a crash.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

from fluvial import record_columns, record_values, records
from fluvial.record_classes import STRING, TEXT, Field, ModelClass
from fluvial.record_columns import Kept
from fluvial.record_sql import column_name, quoted
from fluvial.record_values import Value
from fluvial.store import records as store
from fluvial.store.attributes import Item

FORMAT = 1  # of another one is thrown away
MEMORY = ":memory:"
CACHE_KIB = 64 * 1024
MAP_BYTES = 4 * 1024**3
REFILLED_AT_ONCE = 2_000
_EXACT = Context(prec=300)

_WITH_COLUMNS = (
    "CREATE TABLE columns (name TEXT PRIMARY KEY, kind TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE records (id INTEGER PRIMARY KEY)",
)
_WITHOUT_COLUMNS = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE bodies (id INTEGER PRIMARY KEY, revision, created, updated, made_by, updated_by, body TEXT)",
    "CREATE TABLE gone (id INTEGER PRIMARY KEY, revision)",
)


class StrangeTableError(Exception):
    """A file that is no table of this class of this account in the current format."""


class Table:
    """A table with the columns of `model`. One thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection, account_id: int, model: ModelClass) -> None:
        """Of a connection whose tables are there; `create` and `open` make them."""
        self.path = path
        self.account = account_id
        self._connection = connection
        self._model = model
        self._slots: dict[str, tuple[Field, int, int | None]] = {}
        self._insert = ""
        self._width = 0
        self._indexed: set[str] = set()

    @classmethod
    def create(cls, path: Path | str, account_id: int, model: ModelClass, *, position: int) -> Table:
        """An empty table in a new file, or in memory."""
        connection = _connect(path)
        for sql in (*_WITHOUT_COLUMNS, *_WITH_COLUMNS):
            connection.execute(sql)
        meta = {"format": FORMAT, "account": account_id, "model": model.name, "position": position}
        connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        table = cls(Path(path), connection, account_id, model)
        table._add_columns(model.fields)
        table._prepare()
        return table

    @classmethod
    def open(cls, path: Path, account_id: int, model: ModelClass) -> Table:
        """The table of a file; StrangeTableError for one that is broken, or another account's or class's."""
        connection: sqlite3.Connection | None = None
        try:
            connection = _connect(path)
            meta = dict(connection.execute("SELECT key, value FROM meta"))
            if (meta["format"], meta["account"], meta["model"]) != (FORMAT, account_id, model.name):
                raise StrangeTableError(f"{path} is of {meta}")
            table = cls(Path(path), connection, account_id, model)
            table._fit()
            return table
        except (sqlite3.DatabaseError, KeyError, StrangeTableError) as error:
            if connection is not None:
                connection.close()
            raise StrangeTableError(str(path)) from error

    def close(self) -> None:
        self._connection.close()

    @property
    def model(self) -> ModelClass:
        return self._model

    @property
    def position(self) -> int:
        """Up to when the table has all changes, in milliseconds."""
        return int(self._connection.execute("SELECT value FROM meta WHERE key = 'position'").fetchone()[0])

    @position.setter
    def position(self, moment: int) -> None:
        self._connection.execute("UPDATE meta SET value = ? WHERE key = 'position'", (moment,))

    def fit(self, model: ModelClass) -> None:
        """Gives the table the columns of the class as it is now; those of new fields are filled from the bodies."""
        if model is self._model or model.fields == self._model.fields:
            return
        self._model = model
        self._fit()

    def put(self, items: Iterable[Item]) -> None:
        """Takes items of the table of records in; those of deleted records take theirs out."""
        live: list[Item] = []
        gone: list[tuple[int, int]] = []
        for item in items:
            if item.get("deleted") is None:
                live.append(item)
            else:
                gone.append((item["id"], item["revision"]))
        made = [store.from_item(self._model, item) for item in live]
        with self._transaction() as connection:
            self._write_rows(connection, made)
            connection.executemany("REPLACE INTO bodies VALUES (?, ?, ?, ?, ?, ?, ?)", map(_body, live))
            self._remove(connection, gone)

    def remove(self, gone: Sequence[tuple[int, int]]) -> None:
        """Takes records out that are gone for good, each given as id and revision."""
        with self._transaction() as connection:
            self._remove(connection, gone)

    def revisions(self, record_ids: Iterable[int]) -> dict[int, int]:
        """The revisions at which these records are known, deleted ones included."""
        asked = json.dumps(list(record_ids))
        found: dict[int, int] = {}
        for table in ("gone", "bodies"):
            sql = f"SELECT id, revision FROM {table} WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608
            found.update(self._connection.execute(sql, (asked,)))
        return found

    def some(self, record_ids: Iterable[int]) -> dict[int, records.Record]:
        """These records by id; those that are not there are left out."""
        sql = "SELECT * FROM bodies WHERE id IN (SELECT value FROM json_each(?))"
        rows = self._connection.execute(sql, (json.dumps(list(record_ids)),))
        return {row[0]: self._record(row) for row in rows}

    def select(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Rows of a SELECT of our own making."""
        return self._connection.execute(sql, parameters)

    def insert(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Puts rows into a temporary table of the reader's."""
        with self._transaction() as connection:
            connection.executemany(sql, rows)

    def index(self, field: Field) -> None:
        """Sees that records are found by this field without looking through all."""
        if field.name not in self._indexed:
            name, column = quoted(f"by_{field.name}"), column_name(field)
            self._connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON records ({column})")
            self._indexed.add(field.name)

    def count(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM bodies").fetchone()[0])

    def stream(self, record_ids: Sequence[int], *, at_once: int = 500) -> Iterator[records.Record]:
        """These records in the order given; those that are not there are left out."""
        for start in range(0, len(record_ids), at_once):
            some = record_ids[start : start + at_once]
            found = self.some(some)
            yield from (found[each] for each in some if each in found)

    def _record(self, row: tuple[Any, ...]) -> records.Record:
        record_id, revision, created, updated, made_by, updated_by, body = row
        return records.Record(
            id=record_id,
            account=self.account,
            model=self._model.name,
            values=record_values.unpack(self._model, body),
            created=created,
            updated=updated,
            by=made_by,
            updated_by=updated_by,
            revision=revision,
            stored=body,
        )

    def _row(self, record: records.Record) -> list[Kept]:
        row: list[Kept] = [None] * self._width
        row[0] = record.id
        for name, value in _values(record).items():
            if name not in self._slots:
                continue
            field, place, folded_place = self._slots[name]
            row[place] = record_columns.column(field, value)
            if folded_place is not None and value:
                row[folded_place] = record_columns.folded(str(value))
        return row

    def _write_rows(self, connection: sqlite3.Connection, made: Sequence[records.Record]) -> None:
        connection.executemany(self._insert, [self._row(record) for record in made])

    @staticmethod
    def _remove(connection: sqlite3.Connection, gone: Sequence[tuple[int, int]]) -> None:
        if not gone:
            return
        for table in ("records", "bodies"):
            connection.executemany(f"DELETE FROM {table} WHERE id = ?", [(each,) for each, _ in gone])  # noqa: S608
        connection.executemany("REPLACE INTO gone VALUES (?, ?)", gone)

    def _fit(self) -> None:
        """Gives the table the columns of the class, if it has others."""
        there = dict(self._connection.execute("SELECT name, kind FROM columns"))
        wanted = {field.name: _kind(field) for field in self._model.fields if field.kept}
        if there == wanted:
            self._prepare()
            return
        added = [field for field in self._model.fields if field.kept and field.name not in there]
        with self._transaction() as connection:
            if all(wanted.get(name) == kind for name, kind in there.items()):
                self._add_columns(added)
                self._prepare()
                # A record that has such a value has its name in its body, as `record_values.pack` spells it.
                has_one = " OR ".join("instr(body, ?)" for _ in added)
                self._refill(connection, f"AND ({has_one})", [f'"{field.stored_name}":' for field in added])
            else:
                # A field is gone, or is another one of its name: what was made of its values goes with it.
                for table in ("records", "columns"):
                    connection.execute(f"DROP TABLE {table}")
                for table in _WITH_COLUMNS:
                    connection.execute(table)
                self._indexed.clear()
                self._add_columns(self._model.fields)
                self._prepare()
                self._refill(connection, "", [])

    def _add_columns(self, fields: Iterable[Field]) -> None:
        there = {row[1] for row in self._connection.execute("PRAGMA table_info(records)")}
        kept = [field for field in fields if field.kept]
        # Long texts stand last: what is behind them in a row takes longer to reach.
        of_texts = [column for field in kept if field.type == TEXT for column in _columns(field)]
        of_others = [column for field in kept if field.type != TEXT for column in _columns(field)]
        for column in (*of_others, *of_texts):
            if column not in there:
                self._connection.execute(f"ALTER TABLE records ADD COLUMN {quoted(column)}")
        rows = [(field.name, _kind(field)) for field in kept]
        self._connection.executemany("REPLACE INTO columns VALUES (?, ?)", rows)

    def _prepare(self) -> None:
        """Finds out where in a row the values go."""
        places = {row[1]: row[0] for row in self._connection.execute("PRAGMA table_info(records)")}
        self._width = len(places)
        self._insert = f"REPLACE INTO records VALUES ({', '.join('?' * self._width)})"  # noqa: S608
        self._slots = {}
        for field in self._model.fields:
            if field.kept and (columns := _columns(field)):
                self._slots[field.name] = field, places[columns[0]], places[columns[1]] if columns[1:] else None

    def _refill(self, connection: sqlite3.Connection, condition: str, parameters: Sequence[str]) -> None:
        """Writes the rows of all records anew whose bodies are so."""
        last = -1
        sql = f"SELECT * FROM bodies WHERE id > ? {condition} ORDER BY id LIMIT ?"  # noqa: S608
        while rows := connection.execute(sql, (last, *parameters, REFILLED_AT_ONCE)).fetchall():
            last = rows[-1][0]
            self._write_rows(connection, [self._record(row) for row in rows])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


class _Sum:
    """Adds integers, or decimals as columns keep them; answers the digits as text."""

    def __init__(self) -> None:
        self._sum = Decimal(0)
        self._count = 0

    def step(self, kept: Any) -> None:
        if kept is not None:
            number = Decimal(kept) if isinstance(kept, int) else record_columns.decimal_of_key(kept)
            self._sum = _EXACT.add(self._sum, number)
            self._count += 1

    def finalize(self) -> str | None:
        return str(self._sum) if self._count else None


class _Average(_Sum):
    def finalize(self) -> str | None:
        return str(self._sum / self._count) if self._count else None


def _kind(field: Field) -> str:
    """What tells a field from another that has, or had, its name."""
    return f"{field.stored_name} {field.type}"


def _columns(field: Field) -> tuple[str, ...]:
    """The columns that `record_sql` expects of a kept field; the id has none besides the row's own."""
    if field.name == "id":
        return ()
    return (f"f_{field.name}", f"t_{field.name}") if field.type in (STRING, TEXT) else (f"f_{field.name}",)


def _connect(path: Path | str) -> sqlite3.Connection:
    # Who uses a table sees to it that no two threads do so at once.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute(f"PRAGMA mmap_size = {MAP_BYTES}")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    # Of SQLite's own, sum overflows with integers, and nothing adds decimals.
    connection.create_aggregate("exact_sum", 1, _Sum)  # type: ignore[arg-type]
    connection.create_aggregate("exact_avg", 1, _Average)  # type: ignore[arg-type]
    return connection


def _values(record: records.Record) -> dict[str, Value]:
    """The values of all kept fields of the record that are set, the common ones included."""
    values = {**record.values, "created_at": record.created, "updated_at": record.updated}
    if record.by is not None:
        values["created_by_id"] = record.by
    if record.updated_by is not None:
        values["updated_by_id"] = record.updated_by
    return values


def _body(item: Item) -> tuple[Any, ...]:
    return (
        item["id"], item["revision"], item["created"], item["updated"], item.get("by"), item.get("updated_by"),
        item["values"],
    )  # fmt: skip
