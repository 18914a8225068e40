"""Linking detections into tracks: one person's unbroken appearance. Owns association only; keeps no pixels.

Tracking by detection as SORT does it (Bewley et al., ICIP 2016: motion prediction, then the Hungarian assignment), with
ByteTrack's second chance (Zhang et al., ECCV 2022): weak detections cannot start a track, but they may continue one.
The prediction works in seconds of presentation time, so variable frame rates and sampled frames need no special care.
Time in which motion gating skipped frames does not count as absence: nothing moved, so nobody left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from facerecon.profiles import Track as TrackSettings
from facerecon.records import Box, Detection

_VELOCITY_MEMORY = 0.6
_MAX_CENTRE_SHIFT = 0.7
_MAX_SIZE_RATIO = 1.6
# More than any number of possible links cost together.
_NO_LINK = 1e3
_MIN_MISSED = 2


@dataclass(eq=False)
class LiveTrack:
    """A track while it is being built. `key` counts all tracks ever started; most never become a person's track."""

    key: int
    last: Detection
    last_s: Fraction
    velocity: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    hits: int = 1
    missed: int = 0

    def predicted(self, now: Fraction) -> npt.NDArray[np.float64]:
        """Return the box expected at `now`, moved at constant velocity."""
        shift = self.velocity * float(now - self.last_s)
        return np.asarray(self.last.box) + np.tile(shift, 2)

    def accept(self, detection: Detection, now: Fraction) -> None:
        """Continue with a detection."""
        elapsed = float(now - self.last_s)
        if elapsed > 0:
            measured = (_centre(detection.box) - _centre(self.last.box)) / elapsed
            keep = _VELOCITY_MEMORY if self.hits > 1 else 0.0
            self.velocity = keep * self.velocity + (1 - keep) * measured
        self.last, self.last_s = detection, now
        self.hits, self.missed = self.hits + 1, 0


class Tracker:
    """Feeds on frames in time order. Deterministic: equal input gives equal tracks."""

    def __init__(self, settings: TrackSettings, start_score: float) -> None:
        """Start without tracks; only detections of at least `start_score` begin one."""
        self._settings, self._start_score = settings, start_score
        self._live: list[LiveTrack] = []
        self._started = 0
        self._idle = Fraction(0)

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Where the live tracks' faces were last seen."""
        return tuple(track.last.box for track in self._live)

    def idle(self, duration: Fraction) -> None:
        """Tell that nothing moved for `duration` seconds: absence in it does not count."""
        self._idle += duration

    def update(self, now: Fraction, detections: tuple[Detection, ...]) -> list[LiveTrack | None]:
        """Link one frame's detections.

        Args:
            now: the frame's presentation time, seconds.
            detections: the frame's faces.

        Returns:
            For each detection its track, or None for a weak one that continues none.
        """
        for track in self._live:
            track.last_s += self._idle
        self._idle = Fraction(0)
        strong = [i for i, d in enumerate(detections) if d.score >= self._start_score]
        weak = [i for i, d in enumerate(detections) if d.score < self._start_score]
        owners: list[LiveTrack | None] = [None] * len(detections)
        free = list(self._live)
        for group in (strong, weak):
            free = self._assign(now, detections, group, free, owners)
        for track in free:
            track.missed += 1
        for index in strong:
            if owners[index] is None:
                owners[index] = self._start(detections[index], now)
        return owners

    def ended(self, now: Fraction) -> list[LiveTrack]:
        """Take out and return the tracks that have been absent too long, in order of their start."""
        limit = Fraction(self._settings.max_gap_s)
        gone = [t for t in self._live if t.missed >= _MIN_MISSED and now - t.last_s > limit]
        self._live = [t for t in self._live if t not in gone]
        return gone

    def finish(self) -> list[LiveTrack]:
        """Take out and return all tracks, in order of their start."""
        gone, self._live = self._live, []
        return gone

    def _start(self, detection: Detection, now: Fraction) -> LiveTrack:
        self._started += 1
        track = LiveTrack(self._started, detection, now)
        self._live.append(track)
        return track

    def _assign(
        self,
        now: Fraction,
        detections: tuple[Detection, ...],
        group: list[int],
        free: list[LiveTrack],
        owners: list[LiveTrack | None],
    ) -> list[LiveTrack]:
        if not group or not free:
            return free
        boxes = np.array([detections[i].box for i in group])
        predicted = np.array([track.predicted(now) for track in free])
        cost = association_cost(predicted, boxes, self._settings.min_iou)
        taken = set()
        for row, column in cheapest_links(cost):
            free[row].accept(detections[group[column]], now)
            owners[group[column]] = free[row]
            taken.add(row)
        return [track for row, track in enumerate(free) if row not in taken]


def cheapest_links(cost: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return (row, column) of the links that cost least together, none twice in a row or column; infinite: no link.

    As many links as possible; two that are each other's only choice are linked in every such solution, and only what
    is left is a problem to solve (linear assignment, Crouse 2016), for which scipy takes half a second to be imported.
    """
    possible = np.isfinite(cost)
    sole = possible & (possible.sum(axis=0) == 1) & (possible.sum(axis=1, keepdims=True) == 1)
    links = [(int(row), int(column)) for row, column in np.argwhere(sole)]
    contested = possible & ~sole
    rows, columns = np.flatnonzero(contested.any(axis=1)), np.flatnonzero(contested.any(axis=0))
    if len(rows):
        from scipy.optimize import linear_sum_assignment

        part = cost[np.ix_(rows, columns)]
        found = zip(*linear_sum_assignment(np.minimum(part, _NO_LINK)), strict=True)
        links += [(int(rows[i]), int(columns[j])) for i, j in found if np.isfinite(part[i, j])]
    return links


def association_cost(
    predicted: npt.NDArray[np.float64], boxes: npt.NDArray[np.float64], min_iou: float
) -> npt.NDArray[np.float64]:
    """Return the cost (tracks, detections) of linking: 1 - IoU, or 1 + centre distance where boxes hardly overlap.

    Infinite where a link is not plausible: little overlap and centres more than 0.7 face sizes apart, or sizes that
    differ by more than 1.6 times.
    """
    iou = box_iou(predicted, boxes)
    size_p, size_b = _sizes(predicted)[:, None], _sizes(boxes)[None, :]
    centres_p, centres_b = (predicted[:, :2] + predicted[:, 2:]) / 2, (boxes[:, :2] + boxes[:, 2:]) / 2
    shift = np.linalg.norm(centres_p[:, None] - centres_b[None], axis=2) / np.sqrt(size_p * size_b)
    ratio = np.maximum(size_p / size_b, size_b / size_p)
    cost = np.where(iou >= min_iou, 1 - iou, 1 + shift)
    plausible = (ratio <= _MAX_SIZE_RATIO) & ((iou >= min_iou) | (shift <= _MAX_CENTRE_SHIFT))
    return np.where(plausible, cost, np.inf)


def box_iou(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return intersection over union of boxes (x0, y0, x1, y1): shape (len(a), len(b))."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    overlap = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a, area_b = np.prod(a[:, 2:] - a[:, :2], axis=1), np.prod(b[:, 2:] - b[:, :2], axis=1)
    union = area_a[:, None] + area_b[None] - overlap
    return np.asarray(overlap / np.maximum(union, 1e-9))


def _sizes(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.sqrt(np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1e-6)))


def _centre(box: Box) -> npt.NDArray[np.float64]:
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
