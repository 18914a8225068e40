"""One section per track: facts, pictures, quality and candidates. Owns what is said of a track as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from facerecon.errors import IntegrityError
from facerecon.records import Candidate, ChipRecord, EmbeddingRecord, TrackRecord
from facerecon.report.blocks import Block, Fact, Facts, Section
from facerecon.report.calibrations import Use, tippett_plots
from facerecon.report.candidates import VARIANTS, candidate_blocks
from facerecon.report.comparisons import FusedView, Shot, comparison_blocks, fused_view, shot_view
from facerecon.report.content import CaseReport
from facerecon.report.explanations import ExplanationView, explanation_blocks, explanation_views
from facerecon.report.figures import Album, Picture
from facerecon.report.language import tr
from facerecon.report.notation import plural, shown
from facerecon.report.quality import Limits, quality_table
from facerecon.report.timeline import Clock, section_id


@dataclass(frozen=True, eq=False)
class TrackView:
    """Everything the report shows of one track, best shot first."""

    track: TrackRecord
    shots: tuple[Shot, ...]
    candidates: tuple[Candidate, ...]
    gallery: Mapping[str, Picture]
    fused: EmbeddingRecord | None
    picture: FusedView | None
    explanations: tuple[ExplanationView, ...]
    uses: tuple[Use, ...]

    @property
    def section_id(self) -> str:
        """The id of the track's section."""
        return section_id(self.track.id)

    @property
    def strongest(self) -> Candidate | None:
        """The first-ranked candidate from original pixels: of the fused track where there is one, else of one frame."""
        for variant in VARIANTS:
            ranked = [line for line in self.candidates if line.primary and line.variant == variant]
            if ranked:
                return min(ranked, key=lambda line: line.rank)
        return None

    @property
    def strength(self) -> Use | None:
        """The likelihood ratio of the first-ranked candidate, or None when it has none."""
        return next((use for use in self.uses if use.line is self.strongest), None)

    @property
    def has_candidate(self) -> bool:
        """Whether a comparison of original pixels gave a candidate above the threshold."""
        return any(line.primary and line.above_threshold for line in self.candidates)


def track_views(report: CaseReport, album: Album, clock: Clock, traced: Sequence[Use] = ()) -> tuple[TrackView, ...]:
    """Gather the tracks of a case in order; `traced` are its likelihood ratios with their calibrations.

    Raises:
        IntegrityError: a record names a best shot that the case does not have, or a picture does not fit its record.
    """
    chips = {chip.id: chip for chip in report.chips}
    for restored in report.restored:
        if restored.chip not in chips:
            raise IntegrityError(f"{restored.path} cannot be shown: the case lacks its original {restored.chip}")
    gallery = _gallery_pictures(report, album)
    return tuple(_view(track, report, chips, album, clock, gallery, traced) for track in report.tracks)


def _view(
    track: TrackRecord,
    report: CaseReport,
    chips: Mapping[str, ChipRecord],
    album: Album,
    clock: Clock,
    gallery: Mapping[str, Picture],
    traced: Sequence[Use],
) -> TrackView:
    missing = [shot for shot in track.best if shot not in chips]
    if missing:
        raise IntegrityError(f"track {track.id} names the best shot {missing[0]}, which the case lacks")
    shots = tuple(shot_view(chips[shot], report, album, clock) for shot in track.best)
    candidates = tuple(line for line in report.candidates if line.track == track.id)
    fused = next(
        (vector for vector in report.embeddings if (vector.track, vector.variant) == (track.id, "fused")), None
    )
    explained = [record for record in report.explanations if record.track == track.id]
    return TrackView(
        track=track,
        shots=shots,
        candidates=candidates,
        gallery=gallery,
        fused=fused,
        picture=_fused_view(track, report, chips, album, clock),
        explanations=explanation_views(explained, chips, gallery, album),
        uses=tuple(use for use in traced if use.line.track == track.id),
    )


def _fused_view(
    track: TrackRecord, report: CaseReport, chips: Mapping[str, ChipRecord], album: Album, clock: Clock
) -> FusedView | None:
    record = next((each for each in report.fused if each.track == track.id), None)
    if record is None:
        return None
    if record.reference not in chips:
        raise IntegrityError(f"{record.path} cannot be shown: the case lacks its original {record.reference}")
    corrected = next((each for each in report.fused_restored if each.fused == record.id), None)
    return fused_view(record, corrected, chips[record.reference], album, clock)


def _gallery_pictures(report: CaseReport, album: Album) -> dict[str, Picture]:
    wanted = {line.gallery_file for line in report.candidates if line.primary}
    found = {}
    for record in report.gallery:
        if record.file not in wanted:
            continue
        picture = album.gallery(record, tr("Gallery picture of {name}", name=shown(record.identity)))
        if picture is not None:
            found[record.file] = picture
    return found


# --- the section ------------------------------------------------------------------------------------------------------


def track_section(view: TrackView, clock: Clock, enhanced: bool, compared: bool, limits: Limits) -> Section:
    """Return a track's section; `enhanced` and `compared` say whether those stages have run."""
    blocks: list[Block] = [Facts(_facts(view, clock), inline=True), *_vectors(view)]
    blocks += comparison_blocks(view.shots, view.picture, clock, enhanced)
    if view.shots:
        blocks.append(quality_table([shot.chip for shot in view.shots], clock, limits))
    probe = view.shots[0].picture if view.shots else None
    blocks += candidate_blocks(view.candidates, probe, view.gallery, compared, _leading(view))
    return Section(view.section_id, tr("Track {id}", id=shown(view.track.id)), tuple(blocks))


def _leading(view: TrackView) -> Iterator[Block]:
    if view.strength is not None:
        yield from tippett_plots(view.strength)
    yield from explanation_blocks(view.explanations)


def _facts(view: TrackView, clock: Clock) -> tuple[Fact, ...]:
    track = view.track
    return (
        Fact(tr("First seen"), clock.text(track.first)),
        Fact(tr("Last seen"), clock.text(track.last)),
        Fact(tr("Length"), clock.span(track.first, track.last)),
        Fact(tr("Detections"), str(track.detections)),
        Fact(tr("Best shots kept"), str(len(track.best))),
        *([Fact(tr("Kept round the best"), str(len(track.burst)))] if track.burst else []),
    )


def _vectors(view: TrackView) -> Iterator[Block]:
    if view.fused is not None:
        yield Facts((Fact(tr("Face vectors averaged"), _fusion(view.fused)),))


def _fusion(fused: EmbeddingRecord) -> str:
    parts = [
        tr("{frame} (weight {weight})", frame=shown(frame.rpartition("/")[2]), weight=f"{weight:.3f}")
        for frame, weight in zip(fused.frames, fused.weights, strict=False)
    ]
    return plural(
        "{count} original frame: {frames}",
        "{count} original frames: {frames}",
        len(fused.frames),
        frames=", ".join(parts),
    )
