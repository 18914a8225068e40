"""Looking for faces in the frames of a clip: everywhere, or where a face can have come or moved. Owns the account.

Large frames may be glanced at, too: the detector sees them much reduced, and closer what is too small for that, each
face as close as its size needs. The last frame of every chunk, and the first of each size, is searched at full size, so
that each of the others lies between two that were: a small face is looked at in it wherever one of the two, or the
glance, shows it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from facerecon.pipeline.detection import Part, detect_in_parts
from facerecon.pipeline.looks import (
    Closer,
    Looks,
    best_first,
    joined,
    round_small,
    seen_px,
    to_be_seen_closer,
    well_seen,
)
from facerecon.profiles import Profile
from facerecon.records import Box, Detection, Frame
from facerecon.stages import Detector
from facerecon.video import Look, Regions, Window, area_px

TOGETHER = 8
"""With regions or glances a chunk has at most so many frames, whatever the detector's batch: every machine searches the
same frames in the same way."""
# Frames of so many px on the shorter side are glanced at: reduced to no less than the second, at most so many times.
_LARGE_PX, _GLANCED_PX, _MOST_REDUCED = 720, 180, 8


@dataclass(frozen=True, eq=False)
class Seen:
    """A frame that is to be searched, what the motion gate saw of it (None: there is no gate), its pixels' digest."""

    frame: Frame
    look: Look | None
    pixels_sha256: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        height, width = self.frame.pixels.shape[:2]
        return width, height


@dataclass(frozen=True)
class Search:
    """How a frame is searched: in which windows (None: the whole picture), how many times reduced, and where closer."""

    windows: tuple[Window, ...] | None = None
    reduction: int = 1
    closer: tuple[Closer, ...] = ()


@dataclass(frozen=True)
class Found:
    """A frame's faces, best score first, and how it was searched."""

    faces: tuple[Detection, ...]
    search: Search


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

    def complete(self, seen: Sequence[Seen], following: Seen) -> bool:
        """Say whether a chunk of same-sized frames, of at least one, ends before another frame."""
        if following.size != seen[-1].size:
            return True
        if self._reduction(seen[0].size) == 1:
            return len(seen) >= (TOGETHER if self._regions else self._settings.batch)
        late = following.frame.timestamp.seconds - self._full_size_s > self._every_s
        return late or len(seen) >= TOGETHER or seen[0].size != self._size

    def find(self, seen: Sequence[Seen], expected: Iterable[Box]) -> list[Found]:
        """Find the faces of same-sized frames; `expected`: where faces were last seen."""
        if not seen:
            return []
        size, reduction = seen[0].size, self._reduction(seen[0].size)
        before = (*expected, *(self._before if size == self._size else ()))
        if self._regions is not None:
            self._regions.expect(before)
        plans = self._glances(seen, before, reduction) if reduction > 1 else {}
        found, full = self._full_searches(seen, range(len(plans), len(seen)))
        found |= self._carried_out(seen, plans | full)
        glanced = [number for number in range(len(seen)) if found[number].search.reduction > 1]
        if glanced:
            around = (*before, *(face.box for face in found[len(seen) - 1].faces))
            found |= self._closer(seen, {number: found[number] for number in glanced}, around)
        self._size, self._full_size_s = size, seen[-1].frame.timestamp.seconds
        latest = range(len(seen))[-2:] if reduction > 1 else ()
        self._before = tuple(face.box for number in latest for face in found[number].faces)
        self._account.pixels += sum(math.prod(each.size) for each in seen)
        self._account.glanced += len(glanced)
        return [found[number] for number in range(len(seen))]

    def _reduction(self, size: tuple[int, int]) -> int:
        """Return how many times frames of a size are reduced between two that are searched at full size."""
        times = 1
        if self._every_s and min(size) >= _LARGE_PX:
            while times < _MOST_REDUCED and min(size) >= 2 * times * _GLANCED_PX:
                times *= 2
        return times

    def _full_searches(self, seen: Sequence[Seen], numbers: range) -> tuple[dict[int, Found], dict[int, Search]]:
        """Plan how frames are searched at full size; one whose search is due is searched at once."""
        found: dict[int, Found] = {}
        plans: dict[int, Search] = {}
        for number in numbers:
            each = seen[number]
            if self._regions is None or each.look is None:
                plans[number] = Search()
                continue
            now = each.frame.timestamp.seconds
            due = self._regions.due(each.size, now)
            windows = self._regions.windows(each.size, now, each.look)
            if due:
                # The frames after it are searched where it shows faces, so it cannot wait for them.
                found |= self._carried_out(seen, {number: Search(windows)})
                self._regions.found(face.box for face in found[number].faces)
            else:
                plans[number] = Search(windows)
        return found, plans

    def _glances(self, seen: Sequence[Seen], expected: Sequence[Box], reduction: int) -> dict[int, Search]:
        """Plan glances at all frames but the last, reduced so many times at most.

        Less where the detector sees less so, with what it will have to see closer: at full size where little has moved
        and faces are small.
        """
        size, plans = seen[0].size, dict[int, Search]()
        choices = [2**power for power in range(reduction.bit_length())]
        closer_px = {times: seen_px(round_small(expected, times, size)) for times in choices}
        for number, each in enumerate(seen[:-1]):
            windows = None if self._regions is None or each.look is None else self._regions.glance(size, each.look)
            moved_px = math.prod(size) if windows is None else area_px(windows)
            plans[number] = Search(windows, min(choices, key=lambda times: moved_px / times**2 + closer_px[times]))
        return plans

    def _carried_out(self, seen: Sequence[Seen], plans: Mapping[int, Search]) -> dict[int, Found]:
        """Search frames as planned; a frame in which a window cuts a face again, in whole."""
        looks = self._looked(seen, plans)
        again = {
            number: replace(plans[number], windows=None)
            for number, each in looks.items()
            if any(part.cuts(face.box) for part, faces in each for face in faces)
        }
        self._account.again += len(again)
        looks |= self._looked(seen, again)
        done = {**plans, **again}
        return {
            number: Found(best_first(face for _, faces in each for face in faces), done[number])
            for number, each in looks.items()
        }

    def _closer(self, seen: Sequence[Seen], glances: Mapping[int, Found], around: Sequence[Box]) -> dict[int, Found]:
        """Look closer where a face is small: in the glance, at the same place before or after, or in a closer look."""
        looks: dict[int, Looks] = {number: [] for number in glances}
        closer: dict[int, tuple[Closer, ...]] = dict.fromkeys(glances, ())
        wanted = {number: (*around, *(face.box for face in each.faces)) for number, each in glances.items()}
        while any(wanted.values()):
            windows = {
                number: round_small(boxes, glances[number].search.reduction, seen[number].size)
                for number, boxes in wanted.items()
            }
            parts = [
                (number, Part(seen[number].frame.pixels, window, reduction))
                for number, every in windows.items()
                for window, reduction in every
            ]
            for number, last in self._shown(windows, parts).items():
                looks[number] += last
                closer[number] += windows[number]
                wanted[number] = tuple(to_be_seen_closer(last, looks[number]))
        found: dict[int, Found] = {}
        for number, each in glances.items():
            reduction = each.search.reduction
            large = tuple(face for face in each.faces if well_seen(face.box, reduction) == reduction)
            glance = Part(seen[number].frame.pixels, None, reduction), large
            faces = joined([glance, *looks[number]], self._settings.nms_iou)
            found[number] = Found(faces, replace(each.search, closer=closer[number]))
        return found

    def _looked(self, seen: Sequence[Seen], plans: Mapping[int, Search]) -> dict[int, Looks]:
        """Let the detector see what is planned of frames, but for what is closer."""
        parts = [
            (number, Part(seen[number].frame.pixels, window, plan.reduction))
            for number, plan in plans.items()
            for window in ((None,) if plan.windows is None else plan.windows)
        ]
        return self._shown(plans, parts)

    def _shown(self, numbers: Iterable[int], parts: Sequence[tuple[int, Part]]) -> dict[int, Looks]:
        """Let the detector see parts of the frames of these numbers, all of them in one call."""
        self._account.seen_pixels += sum(part.seen_px for _, part in parts)
        every = detect_in_parts(self._detector, [part for _, part in parts], self._settings)
        looks: dict[int, Looks] = {number: [] for number in numbers}
        for (number, part), faces in zip(parts, every, strict=True):
            looks[number].append((part, faces))
        return looks
