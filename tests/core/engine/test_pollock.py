"""Polluted files score at least what they did: a change of the detection that reads one kind worse shows here."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[2] / "bench" / "pollock.py"
_SPEC = importlib.util.spec_from_file_location("bench_pollock", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
pollock = importlib.util.module_from_spec(_SPEC)
sys.modules["bench_pollock"] = pollock
_SPEC.loader.exec_module(pollock)

LEAST = 9.7
# Of the fast subset; the whole runs with `python tests/bench/pollock.py`.
EVERY = 2


@pytest.mark.parametrize("seed", [3, 11])
def test_polluted_files_are_read_with_a_high_score(seed):
    files = pollock.cases(seed)[seed % EVERY :: EVERY]
    found = pollock.scores(files, pollock.ours)
    simple, weighted = pollock.means(files, found)
    worst = sorted(found.items(), key=lambda pair: pair[1])[:5]
    assert simple > LEAST, worst
    assert weighted > LEAST, worst


def test_there_are_as_many_kinds_of_pollution_as_it_takes():
    names = [case.name for case in pollock.cases()]
    assert len(set(names)) == len(names) >= 60


def test_a_perfect_reading_has_all_points_and_a_refusal_none():
    case = pollock.cases()[0]
    assert pollock.score(case, (case.names, case.rows)) == pytest.approx(pollock.POINTS)
    assert pollock.score(case, None) == 0
    assert pollock.score(case, (case.names, case.rows[1:])) < pollock.POINTS
