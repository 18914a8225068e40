"""Looking for faces in the frames of a clip: everywhere, or where a face can have come or moved. Owns the account.

Large frames may be glanced at, too: the detector sees them reduced, and what is too small for that closer. The last
frame of every chunk is searched at full size, so that each of the others lies between two that were: a small face is
looked at in it wherever one of the two, or the glance, shows it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from facerecon.faces.tracking import box_iou
from facerecon.pipeline.detection import Part, detect_in_parts
from facerecon.profiles import Profile
from facerecon.records import Box, Detection, Frame
from facerecon.stages import Detector
from facerecon.video import Look, Regions, Window, close_windows

TOGETHER = 8
"""With regions, where faces are expected is told anew after so many frames, whatever the detector's batch: the same
frames are searched in the same windows on every machine."""
# Frames are reduced to no less than so many px on the shorter side, and at most so many times.
_GLANCED_PX, _MOST_REDUCED = 360, 4
# A face that is smaller than this in the reduced frame is looked at closer.
_WELL_SEEN_PX = 80
# Round it: a share of its size, and pixels. The network's answer depends on what is round a face.
_MARGIN, _MARGIN_PX = 1.0, 96


@dataclass(frozen=True, eq=False)
class Seen:
    """A frame, what the motion gate saw of it (None: there is no gate), and its pixels' digest if it is to be searched.

    `pixels_sha256` is "" for a frame that will not be searched.
    """

    frame: Frame
    look: Look | None
    pixels_sha256: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        height, width = self.frame.pixels.shape[:2]
        return width, height


@dataclass(frozen=True)
class Searched:
    """How a frame is searched: in which windows (None: the whole picture), how many times reduced, and where closer."""

    windows: tuple[Window, ...] | None = None
    reduction: int = 1
    closer: tuple[Window, ...] = ()


@dataclass(frozen=True)
class Found:
    """A frame's faces, best score first, and how it was searched."""

    faces: tuple[Detection, ...]
    searched: Searched


@dataclass(eq=False)
class _Account:
    pixels: int = 0
    seen_pixels: int = 0
    again: int = 0
    glanced: int = 0


class SearchArea:
    """Finds faces in one chunk of frames after another."""

    def __init__(self, detector: Detector, profile: Profile, *, of_video: bool = True) -> None:
        """Take the detector, and the profile's sections `detect` and `extract.motion`.

        `of_video`: frames follow each other in time, so that what one shows says something of the next.
        """
        motion = profile.extract.motion
        self._detector, self._settings = detector, profile.detect
        self._regions = Regions(motion) if motion.enabled and motion.regions else None
        glances = of_video and profile.detect.upscale == 1
        self._every_s = Fraction(str(profile.detect.full_size_every_s if glances else 0))
        self._size, self._full_size_s = (0, 0), Fraction(0)
        self._before: tuple[Box, ...] = ()
        self._account = _Account()

    @property
    def account(self) -> dict[str, float]:
        """Share of all analysed pixels that the detector saw, and frames searched again in whole since a face was cut.

        `glanced`: frames that it saw reduced, where there are any.
        """
        share = 100 * self._account.seen_pixels / max(self._account.pixels, 1)
        glanced = {"glanced": self._account.glanced} if self._account.glanced else {}
        return {"searched_percent": round(share, 1), "searched_again": self._account.again, **glanced}

    def complete(self, seen: Sequence[Seen], now: Fraction) -> bool:
        """Say whether a chunk of same-sized frames is to be searched now (seconds of the source)."""
        if not seen:
            return False
        if self._reduction(seen[0].size) > 1:
            return len(seen) >= TOGETHER or seen[0].size != self._size or now - self._full_size_s >= self._every_s
        return len(seen) >= (TOGETHER if self._regions else self._settings.batch)

    def find(self, seen: Sequence[Seen], expected: Iterable[Box]) -> list[Found]:
        """Find the faces of same-sized frames; `expected`: where faces were last seen."""
        if not seen:
            return []
        reduction = self._reduction(seen[0].size)
        before = (*expected, *self._before)
        glanced = range(len(seen) - 1) if reduction > 1 else range(0)
        found, plans = self._planned(seen, before, glanced, reduction)
        found |= self._searched(seen, plans)
        if glanced:
            around = [*before, *(face.box for face in found[len(seen) - 1].faces)]
            found |= self._closer(seen, {number: found[number] for number in glanced}, around)
        if reduction > 1:
            self._size, self._full_size_s = seen[-1].size, seen[-1].frame.timestamp.seconds
            self._before = tuple(face.box for number in sorted(found)[-2:] for face in found[number].faces)
        self._account.pixels += sum(math.prod(each.size) for each in seen)
        self._account.glanced += len(glanced)
        return [found[number] for number in range(len(seen))]

    def _reduction(self, size: tuple[int, int]) -> int:
        """Return how many times frames of a size are reduced between two that are searched at full size."""
        times = 1
        while self._every_s and times < _MOST_REDUCED and min(size) >= 2 * times * _GLANCED_PX:
            times *= 2
        return times

    def _planned(
        self, seen: Sequence[Seen], expected: Iterable[Box], glanced: range, reduction: int
    ) -> tuple[dict[int, Found], dict[int, Searched]]:
        """Plan how each frame is searched; one that is to be searched in whole at full size is searched at once."""
        found: dict[int, Found] = {}
        plans: dict[int, Searched] = {}
        if self._regions is not None:
            self._regions.expect(expected)
        for number, each in enumerate(seen):
            if number in glanced:
                windows = self._regions.glance(each.size, each.look) if self._regions and each.look else None
                plans[number] = Searched(windows, reduction)
            elif self._regions is None or each.look is None:
                plans[number] = Searched()
            else:
                due = self._regions.due(each.size, each.frame.timestamp.seconds)
                windows = self._regions.windows(each.size, each.frame.timestamp.seconds, each.look)
                if due:
                    # The frames after it are searched where it shows faces, so it cannot wait for them.
                    found |= self._searched(seen, {number: Searched()})
                    self._regions.found(face.box for face in found[number].faces)
                else:
                    plans[number] = Searched(windows)
        return found, plans

    def _searched(self, seen: Sequence[Seen], plans: Mapping[int, Searched]) -> dict[int, Found]:
        """Search frames as planned; a frame in which a window cuts a face again, in whole."""
        found, cut = self._looked(seen, plans)
        self._account.again += len(cut)
        whole, _ = self._looked(seen, {number: replace(plans[number], windows=None) for number in cut})
        return {number: Found(faces, plans[number]) for number, faces in found.items() if number not in cut} | {
            number: Found(faces, replace(plans[number], windows=None)) for number, faces in whole.items()
        }

    def _closer(self, seen: Sequence[Seen], found: Mapping[int, Found], around: Sequence[Box]) -> dict[int, Found]:
        """Look at full size where frames were glanced at and a face is small, in the glance or round it in time."""
        plans = {}
        for number, each in found.items():
            least = _WELL_SEEN_PX * each.searched.reduction
            boxes = [_round(box) for box in (*around, *(face.box for face in each.faces)) if _side(box) < least]
            plans[number] = Searched(close_windows(boxes, seen[number].size))
        closer, _ = self._looked(seen, plans, drop_cut=True)
        return {
            number: Found(
                _joined(each.faces, closer[number], _WELL_SEEN_PX * each.searched.reduction, self._settings.nms_iou),
                replace(each.searched, closer=_windows(plans[number], seen[number])),
            )
            for number, each in found.items()
        }

    def _looked(
        self, seen: Sequence[Seen], plans: Mapping[int, Searched], *, drop_cut: bool = False
    ) -> tuple[dict[int, tuple[Detection, ...]], list[int]]:
        """Return the faces of frames, and which frames have one that a window cuts; with `drop_cut` it is left out."""
        parts = [
            (number, Part(seen[number].frame.pixels, window, plan.reduction))
            for number, plan in plans.items()
            for window in ((None,) if plan.windows is None else plan.windows)
        ]
        found: dict[int, list[Detection]] = {number: [] for number in plans}
        cut: list[int] = []
        self._account.seen_pixels += sum(part.seen_px for _, part in parts)
        every = detect_in_parts(self._detector, [part for _, part in parts], self._settings)
        for (number, part), faces in zip(parts, every, strict=True):
            ends = [part.cuts(face.box) for face in faces]
            found[number] += [face for face, end in zip(faces, ends, strict=True) if not (end and drop_cut)]
            if any(ends) and number not in cut:
                cut.append(number)
        return {number: tuple(sorted(faces, key=_score, reverse=True)) for number, faces in found.items()}, cut


def _joined(
    glanced: Sequence[Detection], closer: Sequence[Detection], least_px: float, nms_iou: float
) -> tuple[Detection, ...]:
    """Return the large faces of the glance, and those of the closer look, which counts where both show one."""
    large = [face for face in glanced if _side(face.box) >= least_px]
    if large and closer:
        overlap = box_iou(np.array([face.box for face in large]), np.array([face.box for face in closer]))
        large = [face for face, most in zip(large, overlap.max(axis=1).tolist(), strict=True) if most < nms_iou]
    return tuple(sorted((*large, *closer), key=_score, reverse=True))


def _round(box: Box) -> Window:
    by = max(_MARGIN * _side(box), _MARGIN_PX)
    return math.floor(box[0] - by), math.floor(box[1] - by), math.ceil(box[2] + by) + 1, math.ceil(box[3] + by) + 1


def _side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _score(face: Detection) -> float:
    return face.score


def _windows(searched: Searched, seen: Seen) -> tuple[Window, ...]:
    return ((0, 0, *seen.size),) if searched.windows is None else searched.windows
