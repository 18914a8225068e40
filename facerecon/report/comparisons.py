"""What was made of a track's best shots, always beside the original. Owns the words under and over these pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from facerecon.records import ChipRecord, FusedRecord, FusedRestoredRecord, RestoredRecord, StepRecord
from facerecon.report import wording
from facerecon.report.blocks import Beside, Block, Card, Cards, Comparison, Scale, StepView, Text
from facerecon.report.content import CaseReport
from facerecon.report.corrected import CorrectedView, corrected_caption, corrected_view, judged
from facerecon.report.figures import Album, ComparisonFigure, Picture
from facerecon.report.language import message, tr
from facerecon.report.notation import pixels, plural, short, shown
from facerecon.report.recorded import recorded
from facerecon.report.scales import deviation_scale, frames_scale, levels_scale
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
        return tr(wording.RESTORED if self.record.learned else wording.ENHANCED)


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
    """A track's fused picture beside its reference, and the maps of what stands behind it.

    `deviation` is None in cases of earlier versions, which did not make this map. `corrected` is what a learned model
    made of the fused picture, where the profile asked for it.
    """

    record: FusedRecord
    reference: ChipRecord
    figure: ComparisonFigure
    map: Picture
    deviation: Picture | None = None
    corrected: CorrectedView | None = None


# --- gathering --------------------------------------------------------------------------------------------------------


def shot_view(chip: ChipRecord, report: CaseReport, album: Album, clock: Clock) -> Shot:
    """Gather a best shot and what was made of it.

    Raises:
        IntegrityError: a picture is not the one its record names, or cannot be shown at its original's size.
    """
    where = _where(chip, clock)
    original = tr(_ORIGINAL_PIXELS, face=where)
    records = [record for record in report.restored if record.chip == chip.id]
    made = tuple(_made(chip, record, album, where) for record in records)
    maps = tuple(
        album.map(record.invention_path, tr("Detail of {picture} that the original cannot hold", picture=record.path))
        for record in records
        if record.invention_path
    )
    doubts = tuple(
        album.map(record.uncertainty_path, tr("Error that the model of {picture} expects", picture=record.path))
        for record in records
        if record.uncertainty_path
    )
    return Shot(chip, album.original(chip, original), made, maps, doubts)


_ORIGINAL_PIXELS = message("Original pixels: {face}")


def _where(chip: ChipRecord, clock: Clock) -> str:
    return tr(
        "the face of {track} in frame {frame}, {time}",
        track=shown(chip.track),
        frame=shown(chip.frame),
        time=clock.text(chip.timestamp),
    )


def _made(chip: ChipRecord, record: RestoredRecord, album: Album, where: str) -> Made:
    how = tr("Restored from {face}", face=where) if record.learned else tr("Enhanced from {face}", face=where)
    figure = album.comparison(chip, record, (tr(_ORIGINAL_PIXELS, face=where), how))
    steps = tuple(
        _step_view(number, step, step.path, album, chip, where)
        for number, step in enumerate(record.steps, start=1)
        if step.path is not None
    )
    return Made(record, figure, steps)


def _step_view(number: int, step: StepRecord, path: str, album: Album, chip: ChipRecord, where: str) -> StepView:
    after = message("After step {number}, {step}: {what}")
    alts = (
        tr(_ORIGINAL_PIXELS, face=where),
        tr(after, number=number, step=shown(step.name), what=where),
    )
    caption = tr(after, number=number, step=shown(step.name), what=recorded(step.description)) + _left(step)
    return StepView(album.step(chip, path, alts), tr(wording.STEP, number=number), caption)


def _left(step: StepRecord) -> str:
    if step.applied:
        return ""
    if step.note:
        return f" {tr('It left the picture as it was: {note}.', note=recorded(step.note))}"
    return f" {tr('It left the picture as it was.')}"


def fused_view(
    record: FusedRecord, corrected: FusedRestoredRecord | None, chip: ChipRecord, album: Album, clock: Clock
) -> FusedView:
    """Gather a fused picture, its reference and its maps, and what a model made of it.

    Raises:
        IntegrityError: a picture is not the one its record names, or cannot be shown at its original's size.
    """
    where = _where(chip, clock)
    alts = (tr(_ORIGINAL_PIXELS, face=where), tr("Fused from several frames round {face}", face=where))
    behind = tr("Frames behind each pixel of {picture}", picture=record.path)
    figure = album.comparison(chip, record, alts)
    by_model = None
    if corrected is not None:
        by_model = corrected_view(corrected, chip, album, (alts[0], tr("Fused and restored: {face}", face=where)))
    return FusedView(record, chip, figure, album.map(record.count_path, behind), _deviation(record, album), by_model)


def _deviation(record: FusedRecord, album: Album) -> Picture | None:
    if record.deviation_path is None:
        return None
    differ = tr("How far the frames behind each pixel of {picture} differ", picture=record.path)
    return album.map(record.deviation_path, differ, record.deviation_sha256)


# --- blocks -----------------------------------------------------------------------------------------------------------


def comparison_blocks(shots: Sequence[Shot], fused: FusedView | None, clock: Clock, enhanced: bool) -> Iterator[Block]:
    """Yield what was made of each shot, the fused picture after what was made of its reference, and the maps."""
    references = [shot for shot in shots if fused is not None and shot.chip.id == fused.reference.id]
    if not any(shot.restored for shot in shots):
        yield Text(tr(wording.NOT_ENHANCED) if enhanced else tr("Enhancement was not run."), "note")
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
        return Beside(tr(wording.FUSED), fused.figure.restored, fused.figure)
    if shots and shots[0].restored:
        made = shots[0].restored[0]
        return Beside(made.label, made.figure.restored, made.figure)
    return None


def _comparison(shot: Shot, made: Made, clock: Clock) -> Comparison:
    return Comparison(
        figure=made.figure,
        caption=tr(wording.COMPARISON_CAPTION),
        original_caption=_original_caption(shot.chip, made.figure, clock),
        restored_label=made.label,
        restored_caption=_restored_caption(made.record, made.figure),
        warnings=tuple(recorded(warning) for warning in made.record.warnings),
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
        caption=tr(wording.COMPARISON_CAPTION),
        original_caption=_original_caption(fused.reference, figure, clock),
        restored_label=tr(wording.FUSED),
        restored_caption=_fused_caption(record, figure),
        landmarks=_landmarks(fused.reference),
    )
    if fused.corrected is not None:
        yield _corrected(fused, fused.corrected, clock)
    used = [frame for frame in record.frames if frame.weight > 0]
    shares = ", ".join(f"{shown(frame.chip.rpartition('/')[2])} ({frame.weight:.3f})" for frame in used)
    yield Text(tr("Frames of the fused picture, with their weights: {frames}.", frames=shares), "note")
    rejected = [frame for frame in record.frames if frame.rejected]
    if rejected:
        reasons = "; ".join(f"{shown(frame.chip.rpartition('/')[2])}: {recorded(frame.rejected)}" for frame in rejected)
        yield Text(tr("Frames that were left out of the fused picture: {frames}.", frames=reasons), "note")


def _corrected(fused: FusedView, corrected: CorrectedView, clock: Clock) -> Comparison:
    return Comparison(
        figure=corrected.figure,
        caption=tr(wording.COMPARISON_CAPTION),
        original_caption=_original_caption(fused.reference, corrected.figure, clock),
        restored_label=tr(wording.CORRECTED),
        restored_caption=corrected_caption(corrected),
        warnings=tuple(recorded(warning) for warning in corrected.record.warnings),
        landmarks=_landmarks(fused.reference),
    )


def _fused_caption(record: FusedRecord, figure: ComparisonFigure) -> str:
    used = [frame for frame in record.frames if frame.weight > 0]
    made = plural(
        "{size} by {steps} of {count} frame.",
        "{size} by {steps} of {count} frames.",
        len(used),
        size=pixels(*record.content),
        steps=_steps(record),
    )
    behind = tr(
        "On average {frames} frames stand behind a pixel; half of the pixels differ between frames by less than "
        "{levels} grey levels.",
        frames=f"{record.mean_count:.1f}",
        levels=f"{record.median_deviation_levels:.1f}",
    )
    return f"{tr(wording.FUSED_NOTE)} {made} {behind} SHA-256 {short(figure.restored.sha256)}"


def _steps(record: RestoredRecord | FusedRecord) -> str:
    return tr(", then ").join(shown(step.name) for step in record.steps)


def _maps(shots: Sequence[Shot], fused: FusedView | None) -> Iterator[Block]:
    cards = [] if fused is None else _fused_maps(fused)
    for shot in shots:
        frame = shown(shot.chip.frame)
        detail, doubt = (
            tr("Detail beyond the original, {frame}", frame=frame),
            tr("Error that the model expects, {frame}", frame=frame),
        )
        cards += _map_cards(detail, tr(wording.DETAIL_MAP), shot.maps, shot.picture, levels_scale())
        cards += _map_cards(doubt, tr(wording.DOUBT_MAP), shot.doubts, shot.picture, levels_scale())
    if cards:
        yield Cards(_maps_caption(shots, fused), tuple(cards))


def _maps_caption(shots: Sequence[Shot], fused: FusedView | None) -> str:
    parts = [tr(wording.MAPS_CAPTION)]
    levels = None if fused is None else fused.record.deviation_scale_levels
    if levels is not None:
        parts.append(tr(wording.DEVIATION_CAPTION, levels=f"{levels:g}"))
    corrected = None if fused is None else fused.corrected
    if corrected is not None:
        parts.append(tr(wording.CHANGE_CAPTION))
    if any(shot.doubts for shot in shots) or (corrected is not None and corrected.doubt is not None):
        parts.append(tr(wording.UNCERTAINTY_CAPTION))
    return " ".join(parts)


def _fused_maps(fused: FusedView) -> list[Card]:
    """Return the cards of the maps of a fused picture: how many frames stand behind it, and how far they differ."""
    original, levels = fused.figure.original, fused.record.deviation_scale_levels
    title, scale = tr("Frames behind the fused picture"), frames_scale(len(fused.record.frames))
    cards = _map_cards(title, tr(wording.FRAMES_MAP), (fused.map,), original, scale)
    if fused.deviation is not None and levels is not None:
        title, scale = tr("How far the fused frames differ"), deviation_scale(levels)
        cards += _map_cards(title, tr(wording.DEVIATION_MAP), (fused.deviation,), original, scale)
    if fused.corrected is not None:
        cards += _corrected_maps(fused.corrected)
    return cards


def _corrected_maps(corrected: CorrectedView) -> list[Card]:
    original, title = corrected.figure.original, tr("What the model changed in the fused picture")
    cards = _map_cards(title, tr(wording.CHANGE_MAP), (corrected.change,), original, levels_scale())
    if corrected.doubt is not None:
        title = tr("Error that the model expects in the fused picture")
        cards += _map_cards(title, tr(wording.FUSED_DOUBT_MAP), (corrected.doubt,), original, levels_scale())
    return cards


def _map_cards(title: str, name: str, maps: Sequence[Picture], original: Picture, scale: Scale) -> list[Card]:
    """Return the cards of maps over one original; where there are several of a kind, a map's name says its file."""
    return [
        Card(title, (each,), (), map_of=original.path, map_name=_map_name(name, each, len(maps)), scale=scale)
        if _covers(each, original)
        else Card(title, (each,), (), scale=scale)
        for each in maps
    ]


def _map_name(name: str, picture: Picture, of: int) -> str:
    return name if of == 1 else f"{name} ({shown(picture.path.rpartition('/')[2])})"


def _covers(picture: Picture, original: Picture) -> bool:
    """Return whether a map has the content of its original, enlarged by a whole number; a strip may stand below it."""
    scale = picture.width_px // original.width_px
    return picture.width_px == original.width_px * scale and picture.height_px >= original.height_px * scale


def _original_caption(chip: ChipRecord, figure: ComparisonFigure, clock: Clock) -> str:
    where = tr(
        "Frame {frame} at {time}, {size}",
        frame=shown(chip.frame),
        time=clock.text(chip.timestamp),
        size=pixels(*chip.size),
    )
    drawn = (
        tr("enlarged ×{scale} (nearest neighbour, no interpolation)", scale=figure.scale)
        if figure.scale > 1
        else tr("not resampled")
    )
    return f"{where}, {drawn}. SHA-256 {short(figure.original.sha256)}"


def _restored_caption(record: RestoredRecord, figure: ComparisonFigure) -> str:
    note = tr(wording.RESTORED_NOTE if record.learned else wording.ENHANCED_NOTE)
    steps = _steps(record) or shown(record.model or tr("unknown steps"))
    by = tr("{size} by {steps}", size=pixels(*record.content), steps=steps)
    precision = f", {shown(record.precision)}" if record.precision else ""
    measured = "".join(f". {each}" for each in _measured(record))
    return f"{note} {by}{precision}{measured}. SHA-256 {short(figure.restored.sha256)}"


def _measured(record: RestoredRecord) -> Iterator[str]:
    if record.downscale_psnr_db is not None:
        agrees = message("Reduced again it agrees with what the model was given to {psnr} dB PSNR")
        yield tr(agrees, psnr=f"{record.downscale_psnr_db:.1f}")
    yield from judged(record)


def _other_shots(shots: Sequence[Shot], clock: Clock) -> Iterator[Block]:
    others = [shot for shot in shots if not shot.restored]
    if others:
        caption = (
            tr("ORIGINAL pixels of the track's best shots that were not enhanced.")
            if len(others) < len(shots)
            else tr("ORIGINAL pixels of the track's best shots.")
        )
        yield Cards(caption, tuple(_card(shot, clock) for shot in others))


def _card(shot: Shot, clock: Clock) -> Card:
    lines = (clock.text(shot.chip.timestamp), pixels(*shot.chip.size))
    return Card(shown(shot.chip.frame), (shot.picture,), lines)
