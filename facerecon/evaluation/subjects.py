"""A recognition dataset as files: whose pictures they are, and which are frames of one clip. Reads no pixel.

    DATASET/NAME/*.jpg          every picture stands for itself
    DATASET/NAME/CLIP/*.jpg     the pictures of a CLIP are frames of one appearance, in order of their names
    DATASET/*.jpg               every picture is another person (UTKFace is such a set)

A file name AGE_GENDER_RACE_... after UTKFace (Zhang, Song, Qi, CVPR 2017) tells the group that its person is in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from facerecon.errors import UsageError
from facerecon.evaluation.samples import pictures_in

_LABELS = re.compile(r"^(\d{1,3})_([01])_([0-4])_")
_GENDERS = ("male", "female")
_RACES = ("White", "Black", "Asian", "Indian", "other")
_AGES = ((0, "under 18"), (18, "18 to 39"), (40, "40 to 59"), (60, "60 and over"))
_DEEPEST = 3


@dataclass(frozen=True)
class Clip:
    """Pictures of one appearance of one person. `name` is its path below the dataset; `groups` e.g. ("female",)."""

    identity: str
    name: str
    files: tuple[Path, ...]
    groups: tuple[str, ...] = ()


def read_clips(folder: Path) -> list[Clip]:
    """Return a dataset's clips, sorted by name.

    Raises:
        UsageError: no folder, no picture, or pictures deeper than NAME/CLIP.
    """
    members: dict[str, list[Path]] = {}
    for path in pictures_in(folder):
        parts = path.relative_to(folder).parts
        if len(parts) > _DEEPEST:
            raise UsageError(f"{path}: a dataset is NAME/*.jpg or NAME/CLIP/*.jpg, not deeper")
        name = "/".join(parts[:2]) if len(parts) == _DEEPEST else "/".join(parts)
        members.setdefault(name, []).append(path)
    return [_clip(name, tuple(files)) for name, files in sorted(members.items())]


def _clip(name: str, files: tuple[Path, ...]) -> Clip:
    identity = name.partition("/")[0] if "/" in name else Path(name).stem
    return Clip(identity, name, files, groups_of(files[0].stem))


def groups_of(stem: str) -> tuple[str, ...]:
    """Return the groups that a UTKFace-style name tells: gender, race, age band; none for another name."""
    found = _LABELS.match(stem)
    if not found:
        return ()
    age, gender, race = (int(part) for part in found.groups())
    band = next(text for start, text in reversed(_AGES) if age >= start)
    return (_GENDERS[gender], _RACES[race], band)


def spread_over_people(clips: list[Clip], limit: int | None) -> list[Clip]:
    """Return at most `limit` clips, whole persons at a time, evenly spread over the sorted persons."""
    if limit is None or limit >= len(clips):
        return clips
    people = sorted({clip.identity for clip in clips})
    wanted = max(1, round(len(people) * limit / len(clips)))
    kept = {people[index * len(people) // wanted] for index in range(wanted)}
    return [clip for clip in clips if clip.identity in kept][:limit]
