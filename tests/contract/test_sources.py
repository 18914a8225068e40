"""One contract that every kind of source keeps: read-only, exact times, a complete account, the same twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facerecon.errors import IntegrityError
from facerecon.hashing import canonical_json, sha256_array, sha256_bytes, sha256_file
from facerecon.profiles import Sample
from facerecon.records import Counts, Frame, Skipped
from facerecon.video import Source, VideoSource, open_source, source_digest
from tests.synthetic import number_in, numbered, vfr_pts, write_gif, write_pictures, write_video

COUNT = 24
DURATIONS = [40, 90, 200, 30, 50, 120] * 4
STARTS_CS = [sum(DURATIONS[:k]) // 10 for k in range(COUNT)]
MODES = [Sample(), Sample(mode="every", value=5), Sample(mode="fps", value=4.0), Sample(mode="keyframes")]


@dataclass(frozen=True)
class Kind:
    """How a source is made, and the times (ticks, time base) that its frames must have; None: the container rounds."""

    name: str
    make: Callable[[Path], Path]
    times: list[int] | None
    time_base: tuple[int, int]
    clock: str = "stream"
    kind: str = "video"


def _video(name: str, **spec: Any) -> Callable[[Path], Path]:
    return lambda folder: write_video(folder / name, frames=COUNT, **spec)


def _multipage(folder: Path) -> Path:
    pages = [Image.fromarray(numbered(number)) for number in range(COUNT)]
    pages[0].save(folder / "pages.tif", save_all=True, append_images=pages[1:])
    return folder / "pages.tif"


ORDER = list(range(COUNT))
VFR = vfr_pts(COUNT)
RAW = {"codec": "mjpeg", "pixel_format": "yuvj420p"}
KINDS = [
    Kind("mp4-vfr", _video("a.mp4", pts=VFR, time_base=Fraction(1, 90000)), VFR, (1, 90000)),
    Kind("mp4-b-frames", _video("a.mp4", b_frames=2), [512 * k for k in ORDER], (1, 12800)),
    Kind("mkv", _video("a.mkv", b_frames=2), [40 * k for k in ORDER], (1, 1000)),
    Kind("mkv-10-bit", _video("a.mkv", codec="ffv1", pixel_format="yuv420p10le"), [40 * k for k in ORDER], (1, 1000)),
    Kind("mkv-grey-odd", _video("a.mkv", codec="ffv1", pixel_format="gray", size=(161, 97)), None, (1, 1000)),
    Kind("avi-mjpeg", _video("a.avi", **RAW), ORDER, (1, 25)),
    Kind("avi-h264-b-frames", _video("a.avi", b_frames=2), ORDER, (1, 25)),
    Kind("avi-mpeg4-b-frames", _video("a.avi", codec="mpeg4", b_frames=2), None, (1, 25)),
    Kind("ts", _video("a.ts", b_frames=2), None, (1, 90000)),
    Kind(
        "webm-vp8",
        _video("a.webm", codec="libvpx", options={"auto-alt-ref": "1", "lag-in-frames": "12"}),
        [40 * k for k in ORDER],
        (1, 1000),
    ),
    Kind("raw-h264", _video("a.h264", b_frames=2), ORDER, (1, 1), "order"),
    Kind("raw-mjpeg", _video("a.mjpeg", **RAW), ORDER, (1, 1), "order"),
    Kind("gif", lambda folder: write_gif(folder / "a.gif", DURATIONS), STARTS_CS, (1, 100)),
    Kind("apng", lambda folder: write_gif(folder / "a.png", DURATIONS), None, (1, 100000)),
    Kind(
        "animated-webp", lambda folder: write_gif(folder / "a.webp", DURATIONS), [10 * t for t in STARTS_CS], (1, 1000)
    ),
    Kind(
        "folder",
        lambda folder: write_pictures(folder / "pics", [f"img{k}.png" for k in ORDER]),
        ORDER,
        (1, 1),
        "order",
        "folder",
    ),
    Kind("tiff-pages", _multipage, ORDER, (1, 1), "order", "image"),
]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Kind, Path]:
    """Make each source once."""
    kind: Kind = request.param
    return kind, kind.make(tmp_path_factory.mktemp(kind.name))


def split(items: list[Frame | Skipped]) -> tuple[list[Frame], list[Skipped]]:
    return [each for each in items if isinstance(each, Frame)], [each for each in items if isinstance(each, Skipped)]


def read(source: Source, sample: Sample) -> tuple[list[Frame], list[Skipped]]:
    return split(list(source.frames(sample)))


def test_record_says_what_it_is(made: tuple[Kind, Path]) -> None:
    kind, path = made
    record = open_source(path).record
    assert (record.path, record.name, record.kind, record.clock) == (str(path), path.name, kind.kind, kind.clock)
    assert record.sha256 == source_digest(path)
    if path.is_file():
        assert (record.sha256, record.size_bytes) == (sha256_file(path), path.stat().st_size)


def test_probe_is_json(made: tuple[Kind, Path]) -> None:
    source = open_source(made[1])
    assert canonical_json(source.probe)
    assert source.frame_count_from_header in (COUNT, None)


def test_pixels_index_and_time_belong_together(made: tuple[Kind, Path]) -> None:
    kind, path = made
    frames, skipped = read(open_source(path), Sample())
    assert not skipped
    assert [frame.index for frame in frames] == ORDER
    assert [number_in(frame.pixels) for frame in frames] == ORDER
    assert {frame.timestamp.time_base for frame in frames} == {kind.time_base}
    if kind.times is not None:
        assert [frame.timestamp.pts for frame in frames] == kind.times


@pytest.mark.parametrize("sample", MODES, ids=lambda sample: sample.mode)
def test_preparation_changes_neither_numbers_nor_times(made: tuple[Kind, Path], sample: Sample) -> None:
    plain, prepared = open_source(made[1]), open_source(made[1], deinterlace="always", square_pixels=True)
    assert plain.preparation == ()
    assert bool(prepared.preparation) == isinstance(prepared, VideoSource)
    before, after = read(plain, sample), read(prepared, sample)
    assert after[1] == before[1]
    facts = [[(each.index, each.timestamp, each.keyframe) for each in frames] for frames in (before[0], after[0])]
    assert facts[0] == facts[1]


@pytest.mark.parametrize("sample", MODES, ids=lambda sample: sample.mode)
def test_nothing_vanishes(made: tuple[Kind, Path], sample: Sample) -> None:
    frames, skipped = read(open_source(made[1]), sample)
    failed = sum(each.count for each in skipped if each.outcome == "failed")
    omitted = sum(each.count for each in skipped if each.outcome == "skipped")
    Counts(requested=COUNT, written=len(frames), failed=failed, skipped=omitted)
    covered = [frame.index for frame in frames] + [index for each in skipped for index in indices(each)]
    assert sorted(covered) == ORDER
    assert failed == 0
    assert frames[0].index == 0


def indices(skipped: Skipped) -> range:
    first, _, last = skipped.subject.partition("-")
    return range(int(first[1:]), int((last or first)[1:]) + 1)


@pytest.mark.parametrize("sample", MODES, ids=lambda sample: sample.mode)
def test_times_strictly_increase(made: tuple[Kind, Path], sample: Sample) -> None:
    frames, _ = read(open_source(made[1]), sample)
    times = [frame.timestamp.seconds for frame in frames]
    assert all(earlier < later for earlier, later in pairwise(times))


@pytest.mark.parametrize("sample", MODES, ids=lambda sample: sample.mode)
def test_sampled_frames_are_those_of_the_full_pass(made: tuple[Kind, Path], sample: Sample) -> None:
    source = open_source(made[1])
    full, (frames, _) = read(source, Sample())[0], read(source, sample)
    for frame in frames:
        assert frame.timestamp == full[frame.index].timestamp
        assert number_in(frame.pixels) == frame.index


def test_every_takes_multiples(made: tuple[Kind, Path]) -> None:
    frames, _ = read(open_source(made[1]), Sample(mode="every", value=5))
    assert [frame.index for frame in frames] == [0, 5, 10, 15, 20]


@pytest.mark.parametrize("rate", [0.7, 4.0, 12.5, 200.0])
def test_fps_takes_the_first_frame_at_or_after_each_due_time(made: tuple[Kind, Path], rate: float) -> None:
    kind, path = made
    source = open_source(path)
    full, (frames, _) = read(source, Sample())[0], read(source, Sample(mode="fps", value=rate))
    if kind.clock == "order":
        assert len(frames) == len(full)
        return
    start, step = full[0].timestamp.seconds, 1 / Fraction(str(rate))
    due = [start + k * step for k in range(int((full[-1].timestamp.seconds - start) / step) + 1)]
    expected = {next(frame.index for frame in full if frame.timestamp.seconds >= time) for time in due}
    assert [frame.index for frame in frames] == sorted(expected)


@pytest.mark.parametrize("sample", MODES, ids=lambda sample: sample.mode)
def test_the_same_twice(made: tuple[Kind, Path], sample: Sample) -> None:
    assert _digest(made[1], sample) == _digest(made[1], sample)


@pytest.mark.parametrize("sample", MODES, ids=lambda sample: sample.mode)
@pytest.mark.parametrize("prepared", [False, True], ids=["plain", "prepared"])
def test_isolation_changes_nothing(made: tuple[Kind, Path], sample: Sample, prepared: bool) -> None:
    how: dict[str, Any] = {"deinterlace": "always", "square_pixels": True} if prepared else {}
    assert _digest(made[1], sample, **how, isolation="process") == _digest(made[1], sample, **how)


def _digest(path: Path, sample: Sample, **how: Any) -> str:
    source = open_source(path, **how)
    parts = [source.record.model_dump_json(), *(_line(each) for each in source.frames(sample))]
    return sha256_bytes(canonical_json([parts, source.probe, source.preparation, source.frame_count_from_header]))


def _line(item: Frame | Skipped) -> str:
    if isinstance(item, Skipped):
        return item.model_dump_json()
    return f"{item.id} {item.timestamp} {item.keyframe} {sha256_array(item.pixels)}"


def test_source_is_only_read(made: tuple[Kind, Path]) -> None:
    path = made[1]
    folder = path if path.is_dir() else path.parent
    before = _snapshot(folder)
    source = open_source(path)
    read(source, Sample())
    source.verify_unchanged()
    assert _snapshot(folder) == before


def _snapshot(folder: Path) -> list[tuple[str, int, int, int]]:
    return [
        (entry.name, (facts := entry.stat()).st_size, facts.st_mtime_ns, facts.st_mode)
        for entry in sorted(folder.iterdir())
    ]


def test_two_readers_do_not_disturb_each_other(made: tuple[Kind, Path]) -> None:
    one, two = open_source(made[1]), open_source(made[1])
    pairs = zip(one.frames(Sample()), two.frames(Sample()), strict=True)
    assert all(isinstance(a, Frame) and isinstance(b, Frame) and np.array_equal(a.pixels, b.pixels) for a, b in pairs)


def test_a_reader_can_stop_early(made: tuple[Kind, Path]) -> None:
    frames = open_source(made[1]).frames(Sample())
    assert isinstance(next(frames), Frame)
    close = getattr(frames, "close")  # noqa: B009
    close()


def test_a_changed_source_is_noticed(made: tuple[Kind, Path], tmp_path: Path) -> None:
    path = made[0].make(tmp_path)
    source = open_source(path)
    victim = path if path.is_file() else sorted(path.iterdir())[3]
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    with pytest.raises(IntegrityError, match="changed while it was read: sha256 before") as caught:
        source.verify_unchanged()
    assert "\n" not in str(caught.value)
