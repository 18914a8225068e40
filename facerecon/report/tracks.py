"""One section per track: facts, comparison figures, quality and candidates. Owns what is said of a track."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from facerecon.errors import IntegrityError
from facerecon.records import Candidate, ChipRecord, EmbeddingRecord, FusedRecord, RestoredRecord, TrackRecord
from facerecon.report import wording
from facerecon.report.blocks import Block, Card, Cards, Cell, Column, Comparison, Fact, Facts, Section, Table, Text
from facerecon.report.calibrations import Use, tippett_plots
from facerecon.report.candidates import VARIANTS, candidate_blocks
from facerecon.report.content import CaseReport
from facerecon.report.explanations import ExplanationView, explanation_blocks, explanation_views
from facerecon.report.figures import Album, ComparisonFigure, Picture
from facerecon.report.notation import pixels, plural, short, shown
from facerecon.report.timeline import Clock

_FULL_INTER_EYE_PX = 40.0
_FULL_SHARPNESS = 0.30
_FULL_FINE_DETAIL = 0.10


@dataclass(frozen=True, eq=False)
class Shot:
    """A best shot with its original pixels and what was made of them."""

    chip: ChipRecord
    picture: Picture
    restored: tuple[tuple[RestoredRecord, ComparisonFigure], ...]
    maps: tuple[Picture, ...] = ()
    doubts: tuple[Picture, ...] = ()


@dataclass(frozen=True, eq=False)
class FusedView:
    """A track's fused picture beside its reference, and the map of what stands behind it."""

    record: FusedRecord
    figure: ComparisonFigure
    map: Picture


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
        return "track-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in self.track.id)

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
    shots = tuple(_shot(chips[shot], report, album, clock) for shot in track.best)
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
    chip = chips[record.reference]
    where = f"the face of {shown(chip.track)} in frame {shown(chip.frame)}, {clock.text(chip.timestamp)}"
    figure = album.comparison(chip, record, (f"Original pixels: {where}", f"Fused from several frames round {where}"))
    return FusedView(record, figure, album.map(record.count_path, f"Frames behind each pixel of {record.path}"))


def _shot(chip: ChipRecord, report: CaseReport, album: Album, clock: Clock) -> Shot:
    where = f"the face of {shown(chip.track)} in frame {shown(chip.frame)}, {clock.text(chip.timestamp)}"
    original = f"Original pixels: {where}"
    figures = tuple(
        (record, album.comparison(chip, record, (original, f"{_made(record).capitalize()} from {where}")))
        for record in report.restored
        if record.chip == chip.id
    )
    maps = tuple(
        album.map(record.invention_path, f"Detail of {record.path} that the original cannot hold")
        for record, _ in figures
        if record.invention_path
    )
    doubts = tuple(
        album.map(record.uncertainty_path, f"Error that the model of {record.path} expects")
        for record, _ in figures
        if record.uncertainty_path
    )
    return Shot(chip, album.original(chip, original), figures, maps, doubts)


def _gallery_pictures(report: CaseReport, album: Album) -> dict[str, Picture]:
    wanted = {line.gallery_file for line in report.candidates if line.primary}
    found = {}
    for record in report.gallery:
        if record.file not in wanted:
            continue
        picture = album.gallery(record, f"Gallery picture of {shown(record.identity)}")
        if picture is not None:
            found[record.file] = picture
    return found


def _made(record: RestoredRecord) -> str:
    return "restored" if record.learned else "enhanced"


# --- the section ------------------------------------------------------------------------------------------------------


def track_section(view: TrackView, clock: Clock, enhanced: bool, compared: bool) -> Section:
    """Return a track's section; `enhanced` and `compared` say whether those stages have run."""
    blocks: list[Block] = [Facts(_facts(view, clock), inline=True), *_vectors(view)]
    blocks += _fused_blocks(view, clock)
    blocks += _comparisons(view, clock, enhanced)
    blocks += _maps(view)
    blocks += _other_shots(view, clock)
    if view.shots:
        blocks.append(_quality(view, clock))
    probe = view.shots[0].picture if view.shots else None
    blocks += candidate_blocks(view.candidates, probe, view.gallery, compared, _leading(view))
    return Section(view.section_id, f"Track {shown(view.track.id)}", tuple(blocks))


def _leading(view: TrackView) -> Iterator[Block]:
    if view.strength is not None:
        yield from tippett_plots(view.strength)
    yield from explanation_blocks(view.explanations)


def _facts(view: TrackView, clock: Clock) -> tuple[Fact, ...]:
    track = view.track
    return (
        Fact("First seen", clock.text(track.first)),
        Fact("Last seen", clock.text(track.last)),
        Fact("Length", clock.span(track.first, track.last)),
        Fact("Detections", str(track.detections)),
        Fact("Best shots kept", str(len(track.best))),
        *([Fact("Kept round the best", str(len(track.burst)))] if track.burst else []),
    )


def _vectors(view: TrackView) -> Iterator[Block]:
    if view.fused is not None:
        yield Facts((Fact("Face vectors averaged", _fusion(view.fused)),))


def _fusion(fused: EmbeddingRecord) -> str:
    parts = [
        f"{shown(frame.rpartition('/')[2])} (weight {weight:.3f})"
        for frame, weight in zip(fused.frames, fused.weights, strict=False)
    ]
    return f"{plural(len(fused.frames), 'original frame')}: {', '.join(parts)}"


def _comparisons(view: TrackView, clock: Clock, enhanced: bool) -> Iterator[Block]:
    if not any(shot.restored for shot in view.shots):
        yield Text(
            "No picture of this track was enhanced; the reason is listed under what was not processed."
            if enhanced
            else "Enhancement was not run.",
            "note",
        )
    for shot in view.shots:
        for record, figure in shot.restored:
            yield _comparison(shot, record, figure, clock)


def _fused_blocks(view: TrackView, clock: Clock) -> Iterator[Block]:
    if view.picture is None or not view.shots:
        return
    record, figure = view.picture.record, view.picture.figure
    reference = next((shot for shot in view.shots if shot.chip.id == record.reference), view.shots[0])
    yield Comparison(
        figure=figure,
        caption=wording.COMPARISON_CAPTION,
        original_caption=_original_caption(reference, figure, clock),
        restored_label=wording.FUSED,
        restored_caption=_fused_caption(record, figure),
    )
    used = [frame for frame in record.frames if frame.weight > 0]
    shares = ", ".join(f"{shown(frame.chip.rpartition('/')[2])} ({frame.weight:.3f})" for frame in used)
    yield Text(f"Frames of the fused picture, with their weights: {shares}.", "note")
    rejected = [frame for frame in record.frames if frame.rejected]
    if rejected:
        reasons = "; ".join(f"{shown(frame.chip.rpartition('/')[2])}: {shown(frame.rejected)}" for frame in rejected)
        yield Text(f"Frames that were left out of the fused picture: {reasons}.", "note")


def _fused_caption(record: FusedRecord, figure: ComparisonFigure) -> str:
    used = [frame for frame in record.frames if frame.weight > 0]
    steps = ", then ".join(shown(step.name) for step in record.steps)
    return (
        f"{wording.FUSED_NOTE} {pixels(*record.content)} by {steps} of {plural(len(used), 'frame')}. "
        f"On average {record.mean_count:.1f} frames stand behind a pixel; half of the pixels differ between frames by "
        f"less than {record.median_deviation_levels:.1f} grey levels. SHA-256 {short(figure.restored.sha256)}"
    )


def _maps(view: TrackView) -> Iterator[Block]:
    cards = [Card("Frames behind the fused picture", (view.picture.map,), ())] if view.picture else []
    for shot in view.shots:
        cards += [Card(f"Detail beyond the original, {shown(shot.chip.frame)}", (each,), ()) for each in shot.maps]
        cards += [Card(f"Error that the model expects, {shown(shot.chip.frame)}", (each,), ()) for each in shot.doubts]
    if cards:
        doubted = any(shot.doubts for shot in view.shots)
        caption = f"{wording.MAPS_CAPTION} {wording.UNCERTAINTY_CAPTION}" if doubted else wording.MAPS_CAPTION
        yield Cards(caption, tuple(cards))


def _comparison(shot: Shot, record: RestoredRecord, figure: ComparisonFigure, clock: Clock) -> Comparison:
    return Comparison(
        figure=figure,
        caption=wording.COMPARISON_CAPTION,
        original_caption=_original_caption(shot, figure, clock),
        restored_label=wording.RESTORED if record.learned else wording.ENHANCED,
        restored_caption=_restored_caption(record, figure),
        warnings=tuple(shown(warning) for warning in record.warnings),
    )


def _original_caption(shot: Shot, figure: ComparisonFigure, clock: Clock) -> str:
    where = f"Frame {shown(shot.chip.frame)} at {clock.text(shot.chip.timestamp)}, {pixels(*shot.chip.size)}"
    drawn = f"enlarged ×{figure.scale} (nearest neighbour, no interpolation)" if figure.scale > 1 else "not resampled"
    return f"{where}, {drawn}. SHA-256 {short(figure.original.sha256)}"


def _restored_caption(record: RestoredRecord, figure: ComparisonFigure) -> str:
    note = wording.RESTORED_NOTE if record.learned else wording.ENHANCED_NOTE
    steps = ", then ".join(shown(step.name) for step in record.steps)
    by = f"{note} {pixels(*record.content)} by {steps or shown(record.model or 'unknown steps')}"
    precision = f", {shown(record.precision)}" if record.precision else ""
    consistent = (
        ""
        if record.downscale_psnr_db is None
        else f". Reduced again it agrees with what the model was given to {record.downscale_psnr_db:.1f} dB PSNR"
    )
    doubt = (
        ""
        if record.expected_error_levels is None
        else f". The model expects to be off by {record.expected_error_levels:.1f} grey levels on average"
    )
    drift = "" if record.identity_drift is None else f". The face vector moved by {record.identity_drift:.2f}"
    return f"{by}{precision}{consistent}{doubt}{drift}. SHA-256 {short(figure.restored.sha256)}"


def _other_shots(view: TrackView, clock: Clock) -> Iterator[Block]:
    others = [shot for shot in view.shots if not shot.restored]
    if others:
        rest = " that were not enhanced" if len(others) < len(view.shots) else ""
        yield Cards(f"ORIGINAL pixels of the track's best shots{rest}.", tuple(_card(shot, clock) for shot in others))


def _card(shot: Shot, clock: Clock) -> Card:
    lines = (clock.text(shot.chip.timestamp), pixels(*shot.chip.size))
    return Card(shown(shot.chip.frame), (shot.picture,), lines)


# --- quality ----------------------------------------------------------------------------------------------------------


def _quality(view: TrackView, clock: Clock) -> Table:
    columns = (
        Column("Shot", weight=1.1),
        Column("Time", weight=1.3),
        Column("Overall", "right", weight=0.9),
        Column("Inter-eye px", "right", weight=0.9),
        Column("Sharpness", "right", weight=1),
        Column("Fine detail", "right", weight=0.9),
        Column("Brightness", "right", weight=1),
        Column("Clipped", "right", weight=0.8),
        Column("Yaw, pitch, roll", "right", weight=1.5),
        Column("Detector", "right", weight=0.9),
    )
    return Table(wording.QUALITY_CAPTION, columns, tuple(_quality_row(shot.chip, clock) for shot in view.shots))


def _quality_row(chip: ChipRecord, clock: Clock) -> tuple[Cell, ...]:
    quality = chip.quality
    pose = ", ".join(f"{round(angle)}°" for angle in (quality.yaw_deg, quality.pitch_deg, quality.roll_deg))
    return (
        Cell(shown(chip.frame)),
        Cell(clock.text(chip.timestamp)),
        Cell(f"{quality.score:.2f}", quality.score, strong=True),
        Cell(f"{quality.inter_eye_px:.1f}", min(1.0, quality.inter_eye_px / _FULL_INTER_EYE_PX)),
        Cell(f"{quality.sharpness:.3f}", min(1.0, quality.sharpness / _FULL_SHARPNESS)),
        Cell(f"{quality.fine_detail:.3f}", min(1.0, quality.fine_detail / _FULL_FINE_DETAIL)),
        Cell(f"{quality.brightness:.0f}", quality.brightness / 255),
        Cell(f"{quality.clipped:.1%}".replace("%", " %"), quality.clipped),
        Cell(pose.replace("-", "−")),
        Cell(f"{quality.detector_score:.2f}", quality.detector_score),
    )
