"""What carries a similarity: maps beside the pair they explain, and shares per part of the face. Owns their words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from facerecon.errors import IntegrityError
from facerecon.records import ChipRecord, ExplanationRecord
from facerecon.report import wording
from facerecon.report.blocks import Block, Card, Cards, Cell, Column, Table, Text
from facerecon.report.calibrations import impostor_words
from facerecon.report.figures import Album, Picture
from facerecon.report.language import tr
from facerecon.report.notation import plural, shown, similarity
from facerecon.report.recorded import recorded


@dataclass(frozen=True, eq=False)
class ExplanationView:
    """An explained pair: the pictures that were compared, and their maps."""

    record: ExplanationRecord
    probe: Picture
    gallery: Picture | None
    probe_map: Picture
    gallery_map: Picture


def explanation_views(
    records: Sequence[ExplanationRecord],
    chips: Mapping[str, ChipRecord],
    gallery: Mapping[str, Picture],
    album: Album,
) -> tuple[ExplanationView, ...]:
    """Gather a track's explanations, leading variant and rank first as they are recorded.

    Raises:
        IntegrityError: the case lacks the explained picture, or a map is not the one that was recorded.
    """
    return tuple(_view(record, chips, gallery, album) for record in records)


def _view(
    record: ExplanationRecord, chips: Mapping[str, ChipRecord], gallery: Mapping[str, Picture], album: Album
) -> ExplanationView:
    if record.chip not in chips:
        raise IntegrityError(f"{record.probe_map_path} cannot be shown: the case lacks its original {record.chip}")
    chip = chips[record.chip]
    who = tr("track {track} and candidate {candidate}", track=shown(record.track), candidate=shown(record.identity))
    original = tr(
        "Original pixels: the face of {track} in frame {frame}", track=shown(chip.track), frame=shown(chip.frame)
    )
    over_track, over_gallery = (
        tr("Map over the track's face, {pair}", pair=who),
        tr("Map over the gallery's face, {pair}", pair=who),
    )
    return ExplanationView(
        record,
        album.original(chip, original),
        gallery.get(record.gallery_file),
        album.map(record.probe_map_path, over_track, record.probe_map_sha256),
        album.map(record.gallery_map_path, over_gallery, record.gallery_map_sha256),
    )


def explanation_blocks(views: Sequence[ExplanationView]) -> Iterator[Block]:
    """Yield each explained pair: pictures and maps, shares per part, and how similar others are by chance."""
    if not views:
        return
    yield Text(tr("What carries the similarity"), "lead")
    for view in views:
        yield _figure(view)
        yield _regions(view.record)
        yield Text(impostor_words(view.record.similarity, view.record.impostors, view.record.nearest))


def _figure(view: ExplanationView) -> Cards:
    record = view.record
    pictures = (view.probe,) if view.gallery is None else (view.probe, view.gallery)
    pair = Card(
        tr("Rank {rank}: original and gallery picture", rank=record.rank),
        pictures,
        (tr("similarity of these two pictures alone: {similarity}", similarity=similarity(record.similarity)),),
        strong=tr("Candidate: {name}", name=shown(record.identity)),
    )
    falls = tr(
        "largest fall {track} (track), {gallery} (gallery)",
        track=f"{record.largest_fall_probe:.3f}",
        gallery=f"{record.largest_fall_gallery:.3f}",
    )
    maps = Card(tr("MAPS, not pictures: track, gallery"), (view.probe_map, view.gallery_map), (falls,))
    by = plural(
        "Method: {method}, {count} position ({reference}).",
        "Method: {method}, {count} positions ({reference}).",
        record.positions,
        method=recorded(record.method),
        reference=shown(record.reference),
    )
    return Cards(f"{tr(wording.EXPLANATION)} {by}", (pair, maps), wide=True)


def _regions(record: ExplanationRecord) -> Table:
    columns = (Column(tr("Part of the face"), weight=1), Column(tr("Share of the fall"), weight=2.6))
    ordered = sorted(record.regions.items(), key=lambda region: (-region[1], region[0]))
    rows = tuple((Cell(recorded(name)), Cell(f"{100 * share:.0f} %", share)) for name, share in ordered)
    whose = tr("Candidate {name}, rank {rank}.", name=shown(record.identity), rank=record.rank)
    caption = f"{tr(wording.REGIONS_CAPTION)} {whose}"
    return Table(caption, columns, rows)
