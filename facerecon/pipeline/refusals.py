"""What is not enhanced, and why: the profile's limits of size and number. Decides; computes and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from facerecon.profiles import ENLARGING_KINDS, Enhance, Step
from facerecon.records import ChipRecord, Detection, TrackRecord


@dataclass(frozen=True)
class Refusal:
    """Why something is not enhanced."""

    reason: str
    detail: str


def steps_for(face: Detection, size: tuple[int, int], settings: Enhance) -> tuple[Step, ...] | Refusal:
    """Return the profile's steps for one best shot: none below the minimum size, no enlargement above the maximum."""
    width, height = size
    if refusal := too_small(face, settings):
        return refusal
    if max(width, height) <= settings.max_crop_px:
        return settings.steps
    kept = tuple(step for step in settings.steps if step.kind not in ENLARGING_KINDS)
    return kept or Refusal("large-enough", f"{width}x{height} px; the profile enlarges up to {settings.max_crop_px} px")


def too_small(face: Detection, settings: Enhance) -> Refusal | None:
    """Return why a face is not restored for its size; None where it is large enough."""
    eyes = face.frontal_inter_eye_px
    if eyes >= settings.min_inter_eye_px:
        return None
    return Refusal(
        "below-minimum-size",
        f"{eyes:.1f} px between the eyes, the profile needs "
        f"{settings.min_inter_eye_px:g}: a restoration would be invention",
    )


def not_fused(track: TrackRecord, chips: Mapping[str, ChipRecord], settings: Enhance) -> Refusal | None:
    """Return why a track's shots are not fused; None where they are to be."""
    if not settings.fuse.enabled:
        return Refusal("not-fused", "the profile does not fuse")
    if not track.best:
        return Refusal("no-usable-shot", "no shot of it is large enough")
    shots = len({*track.best, *track.burst})
    if shots < settings.fuse.min_frames:
        return Refusal("too-few-frames", f"{shots} shots, {settings.fuse.min_frames} needed")
    width, height = chips[track.best[0]].size
    if max(width, height) > settings.max_crop_px:
        return Refusal("large-enough", f"{width}x{height} px; the profile fuses up to {settings.max_crop_px} px")
    return None
