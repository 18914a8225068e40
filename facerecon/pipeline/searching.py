"""Search and grouping over many cases: who in the archive looks like this, and which tracks look alike.

Cases are only read. Vectors that an earlier comparison recorded with the same recognizer are used; the others are made
anew in memory. Owns no threshold of its own and never states who somebody is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from facerecon.case import Case
from facerecon.errors import FacereconError, UsageError
from facerecon.pipeline.enhancement import load_chip
from facerecon.pipeline.strength import Calibrations, joint_conditions
from facerecon.pipeline.templates import Refused, Template, TrackReader
from facerecon.profiles import Recognize
from facerecon.records import RGB, ChipRecord, Embedding, Strength
from facerecon.records.similarity import similarities
from facerecon.stages import Listener, Recognizer

MOST_TRACKS_TO_GROUP = 10_000
"""Grouping compares every two tracks: 10,000 need 400 MB."""
_NEVER = 1e9
"""The distance of two tracks that cannot show one person: so far that no mean over 10,000 tracks brings them near."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A track of the archive with the vector that represents it: the fused one."""

    case: Path
    case_id: str
    source: str
    template: Template

    @property
    def id(self) -> str:
        """CASE:TRACK, as the commands take it."""
        return f"{self.case}:{self.template.track.id}"

    @property
    def picture_path(self) -> str:
        """The best shot's path in the case."""
        return self.template.chips[0].path


@dataclass(frozen=True, eq=False)
class Archive:
    """The tracks of many cases, what could not be compared, and the cases that could not be read."""

    entries: tuple[Entry, ...]
    refused: tuple[tuple[Path, Refused], ...]
    failed: tuple[tuple[Path, str], ...]

    @property
    def matrix(self) -> npt.NDArray[np.float32]:
        """The vectors, float32 (entries, dimensions)."""
        return np.stack([entry.template.embedding.vector for entry in self.entries])


@dataclass(frozen=True, eq=False)
class Hit:
    """A track that resembles what was searched for, and how strong that is or why that cannot be said."""

    entry: Entry
    similarity: float
    strength: Strength | None
    no_strength: str


def read_archive(
    cases: Sequence[Path], recognizer: Recognizer, settings: Recognize, listener: Listener, *, variant: str = "fused"
) -> Archive:
    """Read the tracks of many cases, in the order given.

    A case that cannot be read is listed with its reason; the others are read all the same.

    Raises:
        UsageError: a case is given twice.
    """
    if len({case.resolve() for case in cases}) != len(cases):
        raise UsageError("a case is given twice")
    entries: list[Entry] = []
    refused: list[tuple[Path, Refused]] = []
    failed: list[tuple[Path, str]] = []
    listener.started("search", len(cases))
    for root in cases:
        try:
            found, omitted = _tracks(root, recognizer, settings, variant)
            entries += found
            refused += [(root, each) for each in omitted]
        except FacereconError as error:
            failed.append((root, str(error)))
        listener.advanced("search")
    listener.finished("search")
    return Archive(tuple(entries), tuple(refused), tuple(failed))


def _tracks(root: Path, recognizer: Recognizer, settings: Recognize, variant: str) -> tuple[list[Entry], list[Refused]]:
    case = Case.view(root)
    reader = TrackReader(case, settings.model_copy(update={"compare_restored": False}))
    recorded = reader.recorded(recognizer)
    entries: list[Entry] = []
    refused: list[Refused] = []
    for faces in reader:
        refused += faces.refused
        known = recorded.get(faces.track.id, [])
        # Those of another profile's limits may rest on shots that these limits refuse.
        templates = known if _fused_of(known) == faces.usable else reader.templates(faces, recognizer)
        for template in templates:
            if template.variant == variant:
                source = case.info.source
                entries.append(Entry(root, case.info.case_id, source.name, template))
    return entries, refused


def _fused_of(templates: Sequence[Template]) -> tuple[ChipRecord, ...] | None:
    return next((each.chips for each in templates if each.variant == "fused"), None)


def find_track(archive: Archive, case: Path, track: str) -> Entry:
    """Return one track of an archive.

    Raises:
        UsageError: there is no such track, or it could not be compared; the message lists those there are.
    """
    here = [entry for entry in archive.entries if entry.case.resolve() == case.resolve()]
    for entry in here:
        if entry.template.track.id == track:
            return entry
    for root, reason in archive.failed:
        if root.resolve() == case.resolve():
            raise UsageError(f"case {case} cannot be read: {reason}")
    refused = (each for root, each in archive.refused if root.resolve() == case.resolve())
    why = [each.detail for each in refused if each.subject.partition("/")[0] == track]
    known = ", ".join(entry.template.track.id for entry in here) or "none"
    detail = f" ({why[0]})" if why else ""
    raise UsageError(f"case {case} has no track {track} that can be compared{detail}; there are: {known}")


def without(archive: Archive, own: Entry, *, keep_case: bool) -> Archive:
    """Return the archive without a track; unless `keep_case`, without its whole case."""
    kept = [entry for entry in archive.entries if entry is not own and (keep_case or entry.case != own.case)]
    return Archive(tuple(kept), archive.refused, archive.failed)


def search(
    probe: Embedding,
    archive: Archive,
    count: int,
    calibrations: Calibrations | None,
    given: Mapping[str, float],
) -> list[Hit]:
    """Return the tracks that are most similar to a picture, best first.

    Args:
        probe: the picture's vector.
        archive: what is searched.
        count: how many.
        calibrations: what the similarities are worth; None when the probe is footage itself, for which there is no
            calibration.
        given: the picture's conditions: see `facerecon.faces.quality.conditions`.
    """
    if not archive.entries:
        return []
    found = similarities(probe, archive.matrix, probe.metric)
    hits = []
    for row in np.argsort(-found, kind="stable")[:count]:
        entry = archive.entries[int(row)]
        similarity = probe.similarity(entry.template.embedding)
        joint = joint_conditions(entry.template.conditions, given)
        strength, why_none = (
            (None, "not calibrated: both sides are footage, and calibrations compare footage with good pictures")
            if calibrations is None
            else calibrations.strength(entry.template.variant, [(similarity, joint)], entry.template.treatment)
        )
        hits.append(Hit(entry, round(similarity, 4), strength, why_none))
    return sorted(hits, key=lambda hit: -hit.similarity)


# --- grouping ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Group:
    """Tracks that resemble one another; `cohesion` is the smallest similarity of two of them, None for a lone one."""

    entries: tuple[Entry, ...]
    cohesion: float | None


def group(archive: Archive, min_similarity: float) -> list[Group]:
    """Group an archive's tracks by average linkage (Sokal, Michener 1958), largest groups first.

    Two groups are joined while the mean similarity between them is at least `min_similarity`. Tracks of one case that
    overlap in time are never in one group: nobody is in two places of one picture.

    Raises:
        UsageError: there are more than 10,000 tracks.
    """
    entries = archive.entries
    if len(entries) > MOST_TRACKS_TO_GROUP:
        raise UsageError(
            f"{len(entries)} tracks are too many to group ({MOST_TRACKS_TO_GROUP} at most); give fewer cases"
        )
    if not entries:
        return []
    similarity = _all_similarities(archive)
    labels = _labels(entries, 1.0 - similarity, 1.0 - min_similarity)
    groups = [_group(entries, similarity, np.flatnonzero(labels == label)) for label in np.unique(labels)]
    return sorted(groups, key=lambda each: (-len(each.entries), each.entries[0].id))


def _all_similarities(archive: Archive) -> npt.NDArray[np.float32]:
    matrix = archive.matrix
    rows = [
        similarities(entry.template.embedding, matrix, entry.template.embedding.metric) for entry in archive.entries
    ]
    square = np.stack(rows)
    return np.asarray((square + square.T) / 2, np.float32)


def _labels(entries: Sequence[Entry], distance: npt.NDArray[np.float32], limit: float) -> npt.NDArray[np.int32]:
    if len(entries) == 1:
        return np.ones(1, np.int32)
    distance = np.maximum(distance, 0)
    for a, b in _together(entries):
        distance[a, b] = distance[b, a] = _NEVER
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), method="average")
    return np.asarray(fcluster(tree, limit, criterion="distance"), np.int32)


def _together(entries: Sequence[Entry]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of tracks of one case that overlap in time."""
    of_case: dict[Path, list[int]] = {}
    for index, entry in enumerate(entries):
        of_case.setdefault(entry.case, []).append(index)
    for members in of_case.values():
        for place, a in enumerate(members):
            for b in members[place + 1 :]:
                one, other = entries[a].template.track, entries[b].template.track
                if one.first.seconds <= other.last.seconds and other.first.seconds <= one.last.seconds:
                    yield a, b


def _group(entries: Sequence[Entry], similarity: npt.NDArray[np.float32], rows: npt.NDArray[np.intp]) -> Group:
    if len(rows) == 1:
        return Group((entries[int(rows[0])],), None)
    inside = similarity[np.ix_(rows, rows)]
    pairs = inside[np.triu_indices(len(rows), 1)]
    return Group(tuple(entries[int(row)] for row in rows), round(float(pairs.min()), 4))


def picture_of(entry: Entry) -> RGB:
    """Return the best original shot of a track, verified.

    Raises:
        IntegrityError: it is not what was recorded.
    """
    return load_chip(Case.view(entry.case), entry.template.chips[0]).pixels
