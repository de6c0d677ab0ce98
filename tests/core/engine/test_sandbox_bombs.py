"""SELECTs that would take all memory, time or disk. Each is ended for what it exceeds, and the next run is fine."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fluvial.engine.limits import MIB
from fluvial.engine.sandbox import (
    Bounds,
    CpuExceededError,
    MemoryExceededError,
    OutputExceededError,
    RowsExceededError,
    SandboxError,
    SqlFailedError,
    Step,
    TimeExceededError,
    run,
)

# Seconds of CPU decide, which a busy machine does not change. A process takes a third of the one to start.
BOUNDS = Bounds(
    seconds=300,
    cpu_seconds=1,
    memory_bytes=400 * MIB,
    spill_bytes=32 * MIB,
    output_rows=1_000_000,
    output_bytes=MIB,
    columns=500,
)
FREE = "SELECT 1 AS x"


def many(text: str, count: int, between: str = ", ") -> str:
    return between.join(text.replace("#", str(number)) for number in range(count))


MEMORY = (MemoryExceededError,)
BOTH = (MemoryExceededError, CpuExceededError)
BOMBS: dict[str, tuple[str, tuple[type[SandboxError], ...]]] = {
    "a list of a range": ("SELECT len(range(1000000000))", MEMORY),
    "a sum of a range": ("SELECT list_sum(generate_series(1, 1000000000))", MEMORY),
    "a series that is counted": ("SELECT count(*) FROM generate_series(1, 100000000000) WHERE random() < 2", BOTH),
    "rows without end": ("SELECT range FROM range(100000000000)", (RowsExceededError,)),
    "a cross join that is kept": ("SELECT * FROM range(100000) a, range(100000) b", (RowsExceededError,)),
    "a cross join that is counted": (
        "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3",
        BOTH,
    ),
    "sixty joins": ("SELECT count(*) FROM " + many("range(10) t#", 60), BOTH),
    "a recursion without end": (
        "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r",
        BOTH,
    ),
    "a recursion that doubles rows": (
        "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT unnest([x, x]) FROM r) SELECT count(*) FROM r",
        BOTH,
    ),
    "a recursion that doubles a text": (
        "WITH RECURSIVE r(x) AS (SELECT 'a' UNION ALL SELECT x || x FROM r) SELECT max(length(x)) FROM r",
        MEMORY,
    ),
    "forty doublings in WITH": (
        "WITH a0 AS (SELECT unnest([1, 2]) x), "
        + ", ".join(f"a{at} AS (SELECT a.x FROM a{at - 1} a, a{at - 1} b)" for at in range(1, 8))
        + " SELECT count(*) FROM a7 WHERE random() < 2",
        BOTH,
    ),
    "a text of gigabytes": ("SELECT length(repeat(repeat('a', 1000000), 3000))", MEMORY),
    "a text that is too long for DuckDB": ("SELECT length(repeat('a', 10000000000))", (SqlFailedError,)),
    "padding": ("SELECT length(lpad('x', 2000000000, 'y'))", BOTH),
    "the width of printf": ("SELECT length(printf('%2000000000d', 1))", MEMORY),
    "the width of format": ("SELECT length(format('{:>2000000000}', 'x'))", MEMORY),
    "texts in one text": ("SELECT length(string_agg(repeat('x', 1000), '')) FROM range(10000000)", MEMORY),
    "replacing that multiplies": ("SELECT replace(repeat('a', 100000), 'a', repeat('b', 100000))", BOTH),
    "rows in one list": ("SELECT len(list(repeat('x', 1000) || range)) FROM range(100000000)", MEMORY),
    "a list that is resized": ("SELECT list_resize([1], 10000000000, 2)", MEMORY),
    "lists of lists": ("SELECT list_transform(range(3000000), lambda x: range(x))", BOTH),
    "a lambda in a lambda": (
        "SELECT list_sum(list_transform(range(100000), lambda a: list_sum(list_transform(range(100000), "
        "lambda b: a * b))))",
        BOTH,
    ),
    "a list for each row": ("SELECT count(*) FROM (SELECT unnest(range(100000)) FROM range(1000000))", BOTH),
    "a regular expression": (
        "SELECT count(*) FROM (SELECT repeat('a', 20000) || range s FROM range(1000000)) "
        "WHERE regexp_matches(s, '(a?){500}a{500}b')",
        BOTH,
    ),
    "a regular expression that multiplies": (
        "SELECT regexp_replace(repeat('ab', 100000), '(a|b)', repeat('\\1', 20000), 'g')",
        BOTH,
    ),
    "deep JSON": ("SELECT (repeat('[', 50000000) || repeat(']', 50000000))::JSON", BOTH),
    "JSON of all rows": (
        "SELECT json_array_length(json_group_array({'a': repeat('x', 1000), 'b': range})) FROM range(10000000)",
        BOTH,
    ),
    "IN a list of a list": ("SELECT count(*) FROM range(9999999) WHERE list_contains(range(9999999), range)", BOTH),
    "a giant IN": (f"SELECT count(*) FROM range(100000000) WHERE hash(range) IN ({many('#', 20000)})", BOTH),
    "a sort of what does not fit": (
        "SELECT max(x) FROM (SELECT md5(range::VARCHAR) x FROM range(9999999999) ORDER BY x)",
        BOTH,
    ),
    "groups": ("SELECT count(*) FROM (SELECT range FROM range(1000000000) GROUP BY ALL)", BOTH),
    "distinct texts": ("SELECT count(DISTINCT md5(range::VARCHAR)) FROM range(1000000000)", BOTH),
    "a cube": (
        f"SELECT count(*) FROM (SELECT {many('c#', 14)} FROM (SELECT {many('range % (# + 2) c#', 14)} "
        f"FROM range(1000000)) GROUP BY CUBE ({many('c#', 14)}))",
        BOTH,
    ),
    "a pivot of many columns": (
        f"SELECT * FROM (PIVOT (SELECT range % 100000 a, range b FROM range(200000)) ON a IN ({many('#', 20000)}) "
        "USING sum(b))",
        (*BOTH, OutputExceededError),
    ),
    "many columns": (
        f"WITH x AS (SELECT {many('# c#', 100)}) SELECT * FROM {many('x y#', 10)}",
        (*BOTH, OutputExceededError),
    ),
    "a window for each row": (
        "SELECT max(len(l)) FROM (SELECT list(range) OVER (ORDER BY range) l FROM range(1000000))",
        BOTH,
    ),
    "a moving median": (
        "SELECT max(m) FROM (SELECT quantile_cont(range, 0.5) OVER (ROWS BETWEEN 100000 PRECEDING AND 100000 "
        "FOLLOWING) m FROM range(10000000))",
        BOTH,
    ),
    "a distance of texts": ("SELECT levenshtein(repeat('ab', 1000000), repeat('ba', 1000000))", BOTH),
    "an array type": ("SELECT [1]::INTEGER[100000]", (*MEMORY, SqlFailedError)),
    "aliases that double": (
        "SELECT [1, 2] a0, " + ", ".join(f"[a{at - 1}, a{at - 1}] a{at}" for at in range(1, 24)),
        (*BOTH, OutputExceededError),
    ),
    "a cell that is too large": ("SELECT repeat('x', 5000000) AS x", (OutputExceededError,)),
    "a result that is too large": (
        "SELECT md5(range::VARCHAR) AS x FROM range(100000)",
        (OutputExceededError,),
    ),
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SandboxError | None]:
    """How each bomb ended; None if it had a result. Some at a time, as a worker's neighbours would."""
    temp = tmp_path_factory.mktemp("bombs")

    def end(bomb: str) -> SandboxError | None:
        out = temp / f"out-{list(BOMBS).index(bomb)}"
        out.mkdir()
        (out / "temp").mkdir()
        try:
            run({}, [Step("free", FREE), Step("bomb", BOMBS[bomb][0])], temp=out / "temp", out=out, bounds=BOUNDS)
        except SandboxError as error:
            assert list((out / "temp").iterdir()) == []
            return error
        return None

    with ThreadPoolExecutor(3) as threads:
        return dict(zip(BOMBS, threads.map(end, BOMBS), strict=True))


def test_there_are_at_least_twenty_bombs() -> None:
    assert len({sql for sql, _ in BOMBS.values()}) == len(BOMBS) >= 20


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_ended_for_what_it_exceeds(bomb: str, ended: dict[str, SandboxError | None]) -> None:
    error = ended[bomb]
    assert isinstance(error, BOMBS[bomb][1]), repr(error)
    assert error.step == "bomb"
    assert error.usage is not None
    assert 0 < error.usage.peak_memory_bytes <= BOUNDS.memory_bytes
    assert 0 < error.usage.cpu_seconds <= BOUNDS.cpu_seconds + 1


def test_the_next_run_is_fine(ended: dict[str, SandboxError | None], tmp_path: Path) -> None:
    made = run({}, [Step("next", FREE)], temp=tmp_path, out=None, bounds=BOUNDS)
    assert made.steps[0].sample == [{"x": 1}]


@pytest.mark.parametrize("bomb", ["a cross join that is counted", "a regular expression"])
def test_a_run_ends_in_time(bomb: str, tmp_path: Path) -> None:
    bounds = Bounds(seconds=1, cpu_seconds=600, memory_bytes=BOUNDS.memory_bytes)
    began = time.monotonic()
    with pytest.raises(TimeExceededError) as late:
        run({}, [Step("bomb", BOMBS[bomb][0])], temp=tmp_path, out=None, bounds=bounds)
    # A second on a quiet machine.
    assert time.monotonic() - began < bounds.seconds + 60
    assert str(late.value) == "The SQL took longer than 1 s and was stopped."
    assert list(tmp_path.iterdir()) == []
