"""What was made of a track's best shots, always beside the original. Owns the words under and over these pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from facerecon.records import ChipRecord, FusedRecord, RestoredRecord, StepRecord
from facerecon.report import wording
from facerecon.report.blocks import Beside, Block, Card, Cards, Comparison, StepView, Text
from facerecon.report.content import CaseReport
from facerecon.report.figures import Album, ComparisonFigure, Picture
from facerecon.report.notation import pixels, plural, short, shown
from facerecon.report.timeline import Clock


@dataclass(frozen=True, eq=False)
class Made:
    """An enhanced picture of a best shot, and the kept pictures after the steps before it."""

    record: RestoredRecord
    figure: ComparisonFigure
    steps: tuple[StepView, ...] = ()

    @property
    def label(self) -> str:
        """The word over the picture."""
        return wording.RESTORED if self.record.learned else wording.ENHANCED


@dataclass(frozen=True, eq=False)
class Shot:
    """A best shot with its original pixels and what was made of them."""

    chip: ChipRecord
    picture: Picture
    restored: tuple[Made, ...]
    maps: tuple[Picture, ...] = ()
    doubts: tuple[Picture, ...] = ()


@dataclass(frozen=True, eq=False)
class FusedView:
    """A track's fused picture beside its reference, and the map of what stands behind it."""

    record: FusedRecord
    reference: ChipRecord
    figure: ComparisonFigure
    map: Picture


# --- gathering --------------------------------------------------------------------------------------------------------


def shot_view(chip: ChipRecord, report: CaseReport, album: Album, clock: Clock) -> Shot:
    """Gather a best shot and what was made of it.

    Raises:
        IntegrityError: a picture is not the one its record names, or cannot be shown at its original's size.
    """
    where = f"the face of {shown(chip.track)} in frame {shown(chip.frame)}, {clock.text(chip.timestamp)}"
    original = f"Original pixels: {where}"
    records = [record for record in report.restored if record.chip == chip.id]
    made = tuple(_made(chip, record, album, where) for record in records)
    maps = tuple(
        album.map(record.invention_path, f"Detail of {record.path} that the original cannot hold")
        for record in records
        if record.invention_path
    )
    doubts = tuple(
        album.map(record.uncertainty_path, f"Error that the model of {record.path} expects")
        for record in records
        if record.uncertainty_path
    )
    return Shot(chip, album.original(chip, original), made, maps, doubts)


def _made(chip: ChipRecord, record: RestoredRecord, album: Album, where: str) -> Made:
    how = "Restored" if record.learned else "Enhanced"
    figure = album.comparison(chip, record, (f"Original pixels: {where}", f"{how} from {where}"))
    steps = tuple(
        _step_view(number, step, step.path, album, chip, where)
        for number, step in enumerate(record.steps, start=1)
        if step.path is not None
    )
    return Made(record, figure, steps)


def _step_view(number: int, step: StepRecord, path: str, album: Album, chip: ChipRecord, where: str) -> StepView:
    alts = (f"Original pixels: {where}", f"After step {number}, {shown(step.name)}: {where}")
    left = "" if step.applied else f" It left the picture as it was{f': {shown(step.note)}' if step.note else ''}."
    caption = f"After step {number}, {shown(step.name)}: {shown(step.description)}{left}"
    return StepView(album.step(chip, path, alts), wording.STEP.format(number=number), caption)


def fused_view(record: FusedRecord, chip: ChipRecord, album: Album, clock: Clock) -> FusedView:
    """Gather a fused picture, its reference and its map.

    Raises:
        IntegrityError: a picture is not the one its record names, or cannot be shown at its original's size.
    """
    where = f"the face of {shown(chip.track)} in frame {shown(chip.frame)}, {clock.text(chip.timestamp)}"
    figure = album.comparison(chip, record, (f"Original pixels: {where}", f"Fused from several frames round {where}"))
    return FusedView(record, chip, figure, album.map(record.count_path, f"Frames behind each pixel of {record.path}"))


# --- blocks -----------------------------------------------------------------------------------------------------------


def comparison_blocks(shots: Sequence[Shot], fused: FusedView | None, clock: Clock, enhanced: bool) -> Iterator[Block]:
    """Yield what was made of each shot, the fused picture after what was made of its reference, and the maps."""
    references = [shot for shot in shots if fused is not None and shot.chip.id == fused.reference.id]
    if not any(shot.restored for shot in shots):
        yield Text(wording.NOT_ENHANCED if enhanced else "Enhancement was not run.", "note")
    if fused is not None and shots and not references:
        yield from _fused_blocks(fused, clock)
    for shot in shots:
        for made in shot.restored:
            yield _comparison(shot, made, clock)
        if fused is not None and shot in references:
            yield from _fused_blocks(fused, clock)
    yield from _maps(shots, fused)
    yield from _other_shots(shots, clock)


def aid(shots: Sequence[Shot], fused: FusedView | None) -> Beside | None:
    """Return the computed picture that was made of a track's very best shot: the fused one where there is one."""
    if shots and fused is not None and fused.figure.original.sha256 == shots[0].picture.sha256:
        return Beside(wording.FUSED, fused.figure.restored, fused.figure)
    if shots and shots[0].restored:
        made = shots[0].restored[0]
        return Beside(made.label, made.figure.restored, made.figure)
    return None


def _comparison(shot: Shot, made: Made, clock: Clock) -> Comparison:
    return Comparison(
        figure=made.figure,
        caption=wording.COMPARISON_CAPTION,
        original_caption=_original_caption(shot.chip, made.figure, clock),
        restored_label=made.label,
        restored_caption=_restored_caption(made.record, made.figure),
        warnings=tuple(shown(warning) for warning in made.record.warnings),
        steps=made.steps,
        landmarks=_landmarks(shot.chip),
    )


def _landmarks(chip: ChipRecord) -> tuple[tuple[float, float], ...]:
    """Return the five points as shares of the crop; the centre of the first pixel is half a pixel in."""
    (left, top), (width, height) = chip.origin, chip.size
    points = chip.detection.landmarks
    return tuple((round((x - left + 0.5) / width, 4), round((y - top + 0.5) / height, 4)) for x, y in points)


def _fused_blocks(fused: FusedView, clock: Clock) -> Iterator[Block]:
    record, figure = fused.record, fused.figure
    yield Comparison(
        figure=figure,
        caption=wording.COMPARISON_CAPTION,
        original_caption=_original_caption(fused.reference, figure, clock),
        restored_label=wording.FUSED,
        restored_caption=_fused_caption(record, figure),
        landmarks=_landmarks(fused.reference),
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


def _maps(shots: Sequence[Shot], fused: FusedView | None) -> Iterator[Block]:
    cards = [Card("Frames behind the fused picture", (fused.map,), ())] if fused else []
    for shot in shots:
        cards += [Card(f"Detail beyond the original, {shown(shot.chip.frame)}", (each,), ()) for each in shot.maps]
        cards += [Card(f"Error that the model expects, {shown(shot.chip.frame)}", (each,), ()) for each in shot.doubts]
    if cards:
        doubted = any(shot.doubts for shot in shots)
        caption = f"{wording.MAPS_CAPTION} {wording.UNCERTAINTY_CAPTION}" if doubted else wording.MAPS_CAPTION
        yield Cards(caption, tuple(cards))


def _original_caption(chip: ChipRecord, figure: ComparisonFigure, clock: Clock) -> str:
    where = f"Frame {shown(chip.frame)} at {clock.text(chip.timestamp)}, {pixels(*chip.size)}"
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


def _other_shots(shots: Sequence[Shot], clock: Clock) -> Iterator[Block]:
    others = [shot for shot in shots if not shot.restored]
    if others:
        rest = " that were not enhanced" if len(others) < len(shots) else ""
        yield Cards(f"ORIGINAL pixels of the track's best shots{rest}.", tuple(_card(shot, clock) for shot in others))


def _card(shot: Shot, clock: Clock) -> Card:
    lines = (clock.text(shot.chip.timestamp), pixels(*shot.chip.size))
    return Card(shown(shot.chip.frame), (shot.picture,), lines)
