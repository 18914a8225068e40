"""Broken containers with sound: the pictures are always written, and sound is the same whoever reads it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from facerecon.errors import EvidenceError
from facerecon.hashing import sha256_file
from facerecon.video.isolation import IsolatedReader
from facerecon.video.readers import LOCAL, Reader
from tests.faults.mutations import mutant
from tests.synthetic import write_video, write_with_sound
from tests.unit.video.test_writing import frames_at, written

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="decoding is isolated on Linux only")
MUTANTS = 12
SOUNDS = (("a.mp4", "aac"), ("b.mkv", "pcm_s16le"), ("c.ts", "mp2"), ("d.mkv", "ac3"), ("e.avi", "libmp3lame"))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("clips")
    video = write_video(folder / "v.mp4", frames=6, codec="mpeg4")
    made = [write_with_sound(folder / name, video, codec, packets=20) for name, codec in SOUNDS]
    return {path.name: path.read_bytes() for path in made}


def outcome(folder: Path, source: Path, reader: Reader, target: str) -> object:
    """Write pictures beside a mutant's sound; tell the file's digest and the account, and of its header."""
    path = folder / target
    account = written(path, frames_at([0, 1, 2, 3], (1, 5)), source=source, reader=reader, codec="h264").audio
    digest = sha256_file(path)
    path.unlink()
    try:
        return digest, account, reader.header(source)
    except EvidenceError as error:
        return digest, account, str(error)


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
@pytest.mark.parametrize("first", [300_000, 300_100])
def test_pictures_are_written_beside_a_mutant_s_sound_whoever_reads_it(
    tmp_path: Path, clips: dict[str, bytes], first: int, target: str
) -> None:
    found = []
    for seed in range(first, first + MUTANTS):
        name, data = mutant(seed, clips)
        source = tmp_path / f"{seed}-{name}"
        source.write_bytes(data)
        here, isolated = (outcome(tmp_path, source, reader, target) for reader in (LOCAL, IsolatedReader(60.0)))
        assert here == isolated, source.name
        found.append(here)
    # Mutants that are all alike would test nothing.
    assert len(set(map(str, found))) > MUTANTS // 2
