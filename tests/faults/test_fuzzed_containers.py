"""Broken containers, a few of each kind: `fuzz_containers.py` tries thousands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from facerecon.errors import EvidenceError
from facerecon.hashing import sha256_array
from facerecon.profiles import Motion, Sample
from facerecon.records import Frame, Skipped
from facerecon.video import Unmoving, Watched, open_source
from tests.faults.fuzz_containers import fuzz
from tests.faults.mutations import MUTATIONS, mutant, write_clips

MUTANTS = 120
COMPARED = 48


@pytest.mark.skipif(sys.platform != "linux", reason="decoding is isolated on Linux only")
def test_each_mutant_ends_in_time_and_every_frame_is_accounted_for(tmp_path: Path) -> None:
    tally = fuzz(range(100_000, 100_000 + MUTANTS), tmp_path)
    assert not tally.broken
    assert sum(tally.outcomes.values()) == MUTANTS
    # Mutants that are all refused, or all whole, would test nothing.
    kinds = {name.partition(":")[0] for name in tally.outcomes}
    assert kinds >= {"refused", "partly", "whole"}
    # An error of our own code inside a decoder is a defect.
    assert not [name for name in tally.outcomes if "error of its own" in name]
    assert not list(tmp_path.glob("1*"))


def test_a_seed_always_makes_the_same_mutant_and_each_mutation_changes_something(tmp_path: Path) -> None:
    clips = write_clips(tmp_path)
    for seed in range(60):
        assert mutant(seed, clips) == mutant(seed, clips)
    changed = sum(mutant(seed, clips)[1] != clips[mutant(seed, clips)[0]] for seed in range(300))
    assert changed > 280
    assert len(MUTATIONS) == 14


@pytest.mark.skipif(sys.platform != "linux", reason="decoding is isolated on Linux only")
@pytest.mark.parametrize("first", range(200_000, 200_000 + COMPARED, 12))
def test_what_is_read_of_a_mutant_is_the_same_with_and_without_isolation(tmp_path: Path, first: int) -> None:
    clips = write_clips(tmp_path)
    for seed in range(first, first + 12):
        name, data = mutant(seed, clips)
        path = tmp_path / f"{seed}-{name}"
        path.write_bytes(data)
        assert _read(path, "process") == _read(path, "none"), name


def _read(path: Path, isolation: str) -> list[str]:
    lines: list[str] = []
    try:
        source = open_source(path, deinterlace="auto", square_pixels=True, isolation=isolation)  # type: ignore[arg-type]
        lines += [source.record.model_dump_json(), str(source.probe), str(source.preparation)]
        for item in source.frames(Sample()):
            lines.append(item.model_dump_json() if isinstance(item, Skipped) else _pixels(item))
        for each in source.watched(Sample(), Motion()):
            lines.append(each.model_dump_json() if isinstance(each, Skipped) else _seen(each))
    except EvidenceError as error:
        lines.append(str(error))
    return lines


def _pixels(frame: Frame) -> str:
    return f"{frame.id} {frame.timestamp} {sha256_array(frame.pixels)}"


def _seen(item: Watched | Unmoving) -> str:
    return f"{item!r}" if isinstance(item, Unmoving) else f"{_pixels(item.frame)} {sha256_array(item.look.cells)}"
