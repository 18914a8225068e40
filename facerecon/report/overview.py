"""The overview: one card per track, so that a reader sees at once what was found and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from facerecon.report import wording
from facerecon.report.blocks import Beside, Card, Cards, TrackKeys
from facerecon.report.candidates import similarity_lines
from facerecon.report.comparisons import aid
from facerecon.report.language import tr
from facerecon.report.notation import shown, similarity, threshold
from facerecon.report.timeline import Clock
from facerecon.report.tracks import TrackView


def overview(tracks: Sequence[TrackView], clock: Clock) -> Cards:
    """Return the cards of all tracks, in order of the case."""
    return Cards(tr(wording.OVERVIEW_CAPTION), tuple(_card(view, clock) for view in tracks), wide=True)


def _card(view: TrackView, clock: Clock) -> Card:
    best = view.strongest
    return Card(
        title=shown(view.track.id),
        pictures=(view.shots[0].picture,) if view.shots else (),
        lines=(*_seen(view, clock), *_compared(view)),
        strong=tr("Candidate: {name}", name=shown(best.identity)) if best is not None and best.above_threshold else "",
        target=view.section_id,
        beside=tuple(_beside(view)),
        keys=_keys(view, clock),
    )


def _seen(view: TrackView, clock: Clock) -> Iterator[str]:
    track = view.track
    yield clock.between(track.first, track.last)
    if not view.shots:
        yield tr("no picture kept")
        return
    chip = view.shots[0].chip
    yield tr(
        "best picture at {time}: quality {quality}, {distance} px between the eyes",
        time=clock.text(chip.timestamp),
        quality=f"{chip.quality.score:.2f}",
        distance=f"{chip.quality.inter_eye_px:.1f}",
    )


def _compared(view: TrackView) -> tuple[str, ...]:
    best = view.strongest
    if best is None:
        return (tr("not compared"),)
    if best.above_threshold:
        return similarity_lines(best)
    return (
        tr("No candidate above the threshold {threshold}", threshold=threshold(best.threshold)),
        tr("strongest similarity {similarity}", similarity=similarity(best.similarity)),
    )


def _beside(view: TrackView) -> Iterator[Beside]:
    made = aid(view.shots, view.picture)
    if made is not None:
        yield made
    best = view.strongest
    if best is not None and best.above_threshold and best.gallery_file in view.gallery:
        yield Beside(tr(wording.GALLERY), view.gallery[best.gallery_file])


def _keys(view: TrackView, clock: Clock) -> TrackKeys:
    best, strength = view.strongest, view.strength
    return TrackKeys(
        first=round(clock.position(view.track.first), 6),
        length=round(clock.position(view.track.last) - clock.position(view.track.first), 6),
        quality=view.shots[0].chip.quality.score if view.shots else 0.0,
        similarity=None if best is None else best.similarity,
        log10_lr=None if strength is None else strength.strength.log10,
        above_threshold=view.has_candidate,
    )
