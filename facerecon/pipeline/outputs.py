"""Two versions of one output, measured: pictures in dB, records by field. Knows no case, judges nothing."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from facerecon.containment import open_inside
from facerecon.errors import FacereconError, IntegrityError
from facerecon.fidelity import psnr_db
from facerecon.pictures import decode_png
from facerecon.pipeline.changes import ABSENT, flat, same
from facerecon.profiles import Sample
from facerecon.records import RGB, Frame

LISTED_FIELDS = 12
_PICTURES = (".png",)
_VIDEOS = (".mp4", ".mkv")
_RECORDS = (".jsonl",)
_NAMES = (("id",), ("track", "variant", "identity"), ("subject", "variant"), ("file",), ("frame", "track"))
"""What names a record: the first of these that all records of a file have, each once; else its line."""


@dataclass(frozen=True)
class PictureDifference:
    """How far two pictures, or the frames of two videos, are apart.

    `psnr_db` is the lowest of all frames, None when every pixel is equal; `share` of pixels that differ in any channel,
    0..1; `largest_levels` the largest difference of one channel, in grey levels. `problem` says why nothing could be
    measured (another size, another number of frames).
    """

    frames: int = 1
    psnr_db: float | None = None
    share: float = 0.0
    largest_levels: int = 0
    problem: str = ""


@dataclass(frozen=True)
class FieldDifference:
    """One field that differs: in how many records, the largest difference of numbers, and the first case of it."""

    field: str
    records: int
    largest: float | None
    name: str
    a: Any
    b: Any


@dataclass(frozen=True)
class RecordsDifference:
    """How two record files differ: numbers of records, names that only one side has, and the fields.

    `fields` holds the `LISTED_FIELDS` that differ in most records, and `more_fields` counts the others.
    """

    count_a: int
    count_b: int
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    changed: int
    fields: tuple[FieldDifference, ...]
    more_fields: int
    largest_similarity: float | None = None


@dataclass(frozen=True)
class FileDifference:
    """An output whose digests differ, with what was measured; None for a kind of file that is not measured."""

    path: str
    sha256_a: str
    sha256_b: str
    measured: PictureDifference | RecordsDifference | None

    def document(self) -> dict[str, Any]:
        """Return it as JSON data; `kind` is "picture", "records" or "other"."""
        measured = self.measured
        kind = {PictureDifference: "picture", RecordsDifference: "records"}.get(type(measured), "other")
        return {
            "path": self.path,
            "kind": kind,
            "sha256": {"a": self.sha256_a, "b": self.sha256_b},
            "measured": None if measured is None else asdict(measured),
        }


def measured(path: str, a: bytes, b: bytes) -> PictureDifference | RecordsDifference | None:
    """Measure how two versions of one file differ; None for a kind of file without a measure.

    Raises:
        EvidenceError: a picture is none.
        IntegrityError: a line of records is no JSON object.
    """
    if path.endswith(_PICTURES):
        return pictures([decode_png(a, path)], [decode_png(b, path)])
    return record_files(path, a, b) if path.endswith(_RECORDS) else None


def is_video(path: str) -> bool:
    """Tell whether a file is a video, which `videos` measures without reading it whole."""
    return path.endswith(_VIDEOS)


@dataclass(frozen=True)
class Stated:
    """A file of a case as its manifest states it: the case's folder, the file's name in it, its SHA-256."""

    root: Path
    name: str
    sha256: str


def videos(a: Stated, b: Stated) -> PictureDifference:
    """Measure how far two videos' frames are apart; what cannot be decoded is told as the problem.

    Raises:
        IntegrityError: one is not the file that its case states, before its frames are read or after.
    """
    with held(a) as left, held(b) as right:
        try:
            return pictures(_frames(left), _frames(right))
        except FacereconError as error:
            told = str(error).replace(str(left), str(a.root / a.name)).replace(str(right), str(b.root / b.name))
            return PictureDifference(frames=0, problem=told)


@contextmanager
def held(stated: Stated) -> Iterator[Path]:
    """Open a file, check its bytes, and yield a path that leads to what was opened, whatever lies at its name by then.

    Raises:
        IntegrityError: its bytes are not those that are stated, now or when the block ends.
    """
    with open_inside(stated.root, stated.name) as stream:
        for ending in ("", " while it was read"):
            stream.seek(0)
            if hashlib.file_digest(stream, "sha256").hexdigest() != stated.sha256:
                raise IntegrityError(
                    f"{stated.root / stated.name} was changed{ending}: its digest is not the manifest's"
                )
            if not ending:
                yield Path(f"/dev/fd/{stream.fileno()}")


def pictures(a: Sequence[RGB] | Iterator[RGB], b: Sequence[RGB] | Iterator[RGB]) -> PictureDifference:
    """Measure how far pictures are apart, pair by pair."""
    frames, differing, pixels, largest = 0, 0, 0, 0
    lowest: float | None = None
    for left, right in zip_longest(a, b):
        if left is None or right is None:
            return PictureDifference(frames=frames, problem="another number of frames")
        if left.shape != right.shape:
            return PictureDifference(frames=frames, problem=f"{_size(left)} and {_size(right)} pixels")
        frames += 1
        pixels += left.shape[0] * left.shape[1]
        apart = np.abs(left.astype(np.int16) - right).max(axis=2)
        differing += int(np.count_nonzero(apart))
        largest = max(largest, int(apart.max()))
        if apart.any():
            found = round(psnr_db(left, right), 2)
            lowest = found if lowest is None else min(lowest, found)
    return PictureDifference(frames, lowest, differing / max(pixels, 1), largest)


def record_files(path: str, a: bytes, b: bytes) -> RecordsDifference:
    """Say which records of two versions of a file differ, and in which fields.

    Raises:
        IntegrityError: a line is no JSON object.
    """
    lines = [_lines(path, data) for data in (a, b)]
    name = _Naming(*lines)
    left, right = ({name(number, line): line for number, line in enumerate(each)} for each in lines)
    apart: dict[str, list[FieldDifference]] = {}
    names = sorted(left.keys() & right.keys())
    touched = 0
    for each in names:
        found = _fields(each, left[each], right[each])
        touched += bool(found)
        for field, difference in found.items():
            apart.setdefault(field, []).append(difference)
    fields = sorted((_summed(each) for each in apart.values()), key=lambda each: (-each.records, each.field))
    return RecordsDifference(
        count_a=len(lines[0]),
        count_b=len(lines[1]),
        only_a=tuple(sorted(left.keys() - right.keys())),
        only_b=tuple(sorted(right.keys() - left.keys())),
        changed=touched,
        fields=tuple(fields[:LISTED_FIELDS]),
        more_fields=max(0, len(fields) - LISTED_FIELDS),
        largest_similarity=next((each.largest for each in fields if each.field == "similarity"), None),
    )


def _lines(path: str, data: bytes) -> list[dict[str, Any]]:
    try:
        found = [json.loads(line) for line in io.BytesIO(data)]
    except (ValueError, RecursionError):
        raise IntegrityError(f"{path}: a line is not JSON") from None
    if not all(isinstance(line, dict) for line in found):
        raise IntegrityError(f"{path}: a line is not a record")
    return found


class _Naming:
    """Names the records of both versions of a file by the same fields."""

    def __init__(self, a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> None:
        self._keys = next((keys for keys in _NAMES if all(_unique(lines, keys) for lines in (a, b))), None)

    def __call__(self, number: int, line: Mapping[str, Any]) -> str:
        if self._keys is None:
            return f"line {number + 1:06d}"
        return " ".join(str(line[key]) for key in self._keys)


def _unique(lines: Sequence[Mapping[str, Any]], keys: tuple[str, ...]) -> bool:
    if not all(key in line for key in keys for line in lines):
        return False
    return len({tuple(str(line[key]) for key in keys) for line in lines}) == len(lines)


def _fields(name: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, FieldDifference]:
    """Return what differs in one record, by field; the places of a list are one field."""
    left, right = flat(a), flat(b)
    found: dict[str, list[FieldDifference]] = {}
    for key in sorted({*left, *right}):
        was, now = left.get(key, ABSENT), right.get(key, ABSENT)
        if not same(was, now):
            field = ".".join("[]" if part.isdigit() else part for part in key.split("."))
            apart = abs(was - now) if _number(was) and _number(now) else None
            found.setdefault(field, []).append(FieldDifference(field, 1, apart, name, was, now))
    return {field: replace(_summed(each), records=1) for field, each in found.items()}


def _summed(found: Sequence[FieldDifference]) -> FieldDifference:
    """Return differences of one field as one: the first, with their number and the largest of their figures."""
    known = [each.largest for each in found if each.largest is not None]
    return replace(found[0], records=len(found), largest=max(known, default=None))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _frames(path: Path) -> Iterator[RGB]:
    from facerecon.video.opening import open_source, strictest

    for item in open_source(path, isolation=strictest()).frames(Sample()):
        if isinstance(item, Frame):
            yield item.pixels


def _size(pixels: RGB) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
