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
from facerecon.report.notation import plural, shown, similarity


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
    who = f"track {shown(record.track)} and candidate {shown(record.identity)}"
    return ExplanationView(
        record,
        album.original(chip, f"Original pixels: the face of {shown(chip.track)} in frame {shown(chip.frame)}"),
        gallery.get(record.gallery_file),
        album.map(record.probe_map_path, f"Map over the track's face, {who}", record.probe_map_sha256),
        album.map(record.gallery_map_path, f"Map over the gallery's face, {who}", record.gallery_map_sha256),
    )


def explanation_blocks(views: Sequence[ExplanationView]) -> Iterator[Block]:
    """Yield each explained pair: pictures and maps, shares per part, and how similar others are by chance."""
    if not views:
        return
    yield Text("What carries the similarity", "lead")
    for view in views:
        yield _figure(view)
        yield _regions(view.record)
        yield Text(impostor_words(view.record.similarity, view.record.impostors, view.record.nearest))


def _figure(view: ExplanationView) -> Cards:
    record = view.record
    pictures = (view.probe,) if view.gallery is None else (view.probe, view.gallery)
    pair = Card(
        f"Rank {record.rank}: original and gallery picture",
        pictures,
        (f"similarity of these two pictures alone: {similarity(record.similarity)}",),
        strong=f"Candidate: {shown(record.identity)}",
    )
    falls = f"largest fall {record.largest_fall_probe:.3f} (track), {record.largest_fall_gallery:.3f} (gallery)"
    maps = Card("MAPS, not pictures: track, gallery", (view.probe_map, view.gallery_map), (falls,))
    by = f"{shown(record.method)}, {plural(record.positions, 'position')} ({shown(record.reference)})"
    return Cards(f"{wording.EXPLANATION} Method: {by}.", (pair, maps), wide=True)


def _regions(record: ExplanationRecord) -> Table:
    columns = (Column("Part of the face", weight=1), Column("Share of the fall", weight=2.6))
    ordered = sorted(record.regions.items(), key=lambda region: (-region[1], region[0]))
    rows = tuple((Cell(shown(name)), Cell(f"{100 * share:.0f} %", share)) for name, share in ordered)
    caption = f"{wording.REGIONS_CAPTION} Candidate {shown(record.identity)}, rank {record.rank}."
    return Table(caption, columns, rows)
