"""Registered pictures into one: robust weighted mean on a finer grid, with the evidence behind every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.faces.alignment import Affine
from facerecon.fusion.registration import Registration, register
from facerecon.records import RGB, FaceView

Plane = npt.NDArray[np.float32]
_TUKEY = 4.685
"""Tukey's biweight constant: 95 % efficiency on Gaussian noise."""
_ROUNDS = 2
_PSF_PX = 0.3
"""Blur that back-projection undoes, standard deviation in source pixels; the resampling itself adds about as much."""
_STEP = 1.0
_MEAN_OF_CHANNELS = np.full((1, 3), 1 / 3)


@dataclass(frozen=True, eq=False)
class Fused:
    """A fused picture of `scale` times the reference's size, and where it comes from.

    `weights` has one share per given view (0 for a rejected one; they sum to 1); `registrations` says how each fits.
    `count` is the effective number of frames behind each pixel, float32 (height, width); `deviation` their standard
    deviation round the fused value, in grey levels.
    """

    pixels: RGB
    scale: int
    weights: tuple[float, ...]
    registrations: tuple[Registration, ...]
    count: Plane
    deviation: Plane


def fuse(
    views: Sequence[FaceView],
    qualities: Sequence[float],
    *,
    scale: int = 4,
    min_correlation: float = 0.8,
    sharpen_iterations: int = 4,
) -> Fused:
    """Fuse several pictures of one face; the first is the reference whose grid, refined by `scale`, the result has.

    Frames are registered to the reference, brought to its brightness and contrast, and averaged on the finer grid with
    weights that fall for pixels that disagree (Tukey's biweight; occlusion, another expression). Then the blur of the
    camera is undone by back-projection (Irani, Peleg, CVGIP 53(3), 1991; robust as in Farsiu, Robinson, Elad,
    Milanfar, IEEE TIP 13(10), 2004): the result, seen again through the camera, must reproduce the recorded frames.

    Args:
        views: pictures with landmarks, the reference first.
        qualities: a weight of each, above 0.
        scale: result size over reference size, at least 1.
        min_correlation: a frame that correlates less with the reference over the face is rejected.
        sharpen_iterations: rounds of back-projection; 0 leaves the mean.

    Raises:
        ValueError: no view, or not one quality per view.
    """
    if not views or len(views) != len(qualities):
        raise ValueError(f"{len(views)} views and {len(qualities)} qualities: one quality per view, at least one view")
    identity = Registration(np.array([[1.0, 0, 0], [0, 1, 0]]), 1.0)
    fits = (identity, *(register(views[0], view, min_correlation) for view in views[1:]))
    used = [index for index, fit in enumerate(fits) if not fit.problem]
    frames = [_Registered(views[0], views[index], fits[index].to_picture, scale) for index in used]
    shares = np.array([qualities[index] * max(fits[index].correlation, 0.0) ** 2 for index in used], np.float32)
    shares /= shares.sum()
    mean, weights = _robust_mean(frames, shares)
    sharp = _back_projected(mean, frames, weights, sharpen_iterations)
    deviation = _deviation(frames, weights, mean)
    total = weights.sum(axis=0)
    count = total**2 / np.maximum((weights**2).sum(axis=0), 1e-9)
    of_view = dict(zip(used, (float(share) for share in shares), strict=True))
    return Fused(
        np.clip(np.rint(sharp), 0, 255).astype(np.uint8),
        scale,
        tuple(of_view.get(index, 0.0) for index in range(len(views))),
        fits,
        np.asarray(count, np.float32),
        deviation,
    )


class _Registered:
    """One frame in the reference's brightness, its map to the fine grid, and what the camera would make of a result."""

    def __init__(self, reference: FaceView, view: FaceView, to_picture: Affine, scale: int) -> None:
        height, width = reference.pixels.shape[:2]
        self.fine_size = (width * scale, height * scale)
        self._scale = scale
        self._from_fine = _refined(to_picture, scale)
        self.recorded = view.pixels.astype(np.float32)
        on_reference = self._warp(self.recorded, to_picture, (width, height), cv2.INTER_LINEAR)
        inside = self._inside(to_picture, (width, height))
        self.recorded = _matched(self.recorded, on_reference, reference.pixels.astype(np.float32), inside)
        self.fine = self._warp(self.recorded, self._from_fine, self.fine_size, cv2.INTER_CUBIC)
        self.inside = self._inside(self._from_fine, self.fine_size)

    @staticmethod
    def _warp(pixels: Plane, matrix: Affine, size: tuple[int, int], method: int) -> Plane:
        flags = method | cv2.WARP_INVERSE_MAP
        warped = cv2.warpAffine(pixels, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped, np.float32)

    def _inside(self, matrix: Affine, size: tuple[int, int]) -> Plane:
        ones = np.ones(self.recorded.shape[:2], np.float32)
        # Nearest: a position is inside up to the outer edge of the border pixels.
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(ones, matrix, size, flags=flags, borderValue=0), np.float32)

    def residual(self, fine: Plane) -> Plane:
        """Return, on the fine grid, recorded minus what the camera would record of the fine picture."""
        blurred = cv2.GaussianBlur(fine, (0, 0), _PSF_PX * self._scale)
        height, width = self.recorded.shape[:2]
        seen = cv2.warpAffine(
            blurred, self._from_fine, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return self._warp(self.recorded - seen, self._from_fine, self.fine_size, cv2.INTER_LINEAR)


def _refined(to_picture: Affine, scale: int) -> Affine:
    """Return the map from the fine grid to the picture (pixel centres at integers in both)."""
    refined = to_picture.copy()
    refined[:, :2] /= scale
    refined[:, 2] += to_picture[:, :2] @ np.full(2, 0.5 / scale - 0.5)
    return refined


def _matched(pixels: Plane, on_reference: Plane, reference: Plane, inside: Plane) -> Plane:
    """Bring a frame to the reference's brightness and contrast, channel by channel, by robust statistics."""
    where = inside > 0
    if where.sum() < 16:
        return pixels
    matched = pixels.copy()
    for channel in range(3):
        theirs, ours = on_reference[..., channel][where], reference[..., channel][where]
        gain = float(np.clip(_spread(ours) / max(_spread(theirs), 1e-3), 0.67, 1.5))
        matched[..., channel] = (pixels[..., channel] - np.median(theirs)) * gain + np.median(ours)
    return matched


def _spread(values: Plane) -> float:
    return float(np.subtract(*np.percentile(values, (90, 10))))


def _robust_mean(frames: Sequence[_Registered], shares: Plane) -> tuple[Plane, Plane]:
    """Return the mean on the fine grid, (height, width, 3), and each frame's weight there, (n, height, width)."""
    stack = np.stack([frame.fine for frame in frames])
    inside = np.stack([frame.inside for frame in frames]) * shares[:, None, None]
    weights = inside
    mean = _median(stack) if len(frames) > 2 else _mean(stack, weights)
    for _ in range(_ROUNDS if len(frames) > 2 else 0):
        distance = np.stack([_smooth(_grey(np.abs(frame - mean))) for frame in stack])
        noise = 1.4826 * _median(distance) + 1.0
        agreement = np.square(np.clip(1 - np.square(distance / (_TUKEY * noise)), 0, None))
        weights = inside * agreement
        mean = _mean(stack, weights)
    return mean, np.asarray(weights, np.float32)


def _median(stack: Plane) -> Plane:
    """Return the median over the first axis: numpy's, in a fifth of its time for the few planes that there are."""
    planes = list(stack)
    for one, other in _sorting_network(len(planes)):
        planes[one], planes[other] = np.minimum(planes[one], planes[other]), np.maximum(planes[one], planes[other])
    upper, lower = planes[len(planes) // 2], planes[(len(planes) - 1) // 2]
    return upper if upper is lower else np.asarray((lower + upper) / 2, np.float32)


@lru_cache(maxsize=64)
def _sorting_network(count: int) -> tuple[tuple[int, int], ...]:
    """Return which two of `count` values to put in order, one pair after the other (Batcher, AFIPS 1968)."""
    pairs = []
    size = 1
    while size < count:
        step = size
        while step:
            for start in range(step % size, count - step, 2 * step):
                for one in range(start, min(start + step, count - step)):
                    if one // (2 * size) == (one + step) // (2 * size):
                        pairs.append((one, one + step))
            step //= 2
        size *= 2
    return tuple(pairs)


def _mean(stack: Plane, weights: Plane) -> Plane:
    total = weights.sum(axis=0)[..., None]
    mean = (stack * weights[..., None]).sum(axis=0) / np.maximum(total, 1e-9)
    # Where no frame but the reference reaches, the reference stands alone.
    return np.asarray(np.where(total > 1e-9, mean, stack[0]), np.float32)


def _grey(colours: Plane) -> Plane:
    return np.asarray(cv2.transform(colours, _MEAN_OF_CHANNELS), np.float32)


def _smooth(plane: Plane) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), 2.0), np.float32)


def _back_projected(mean: Plane, frames: Sequence[_Registered], weights: Plane, iterations: int) -> Plane:
    fine = mean
    total = np.maximum(weights.sum(axis=0), 1e-9)[..., None]
    for _ in range(iterations):
        correction = sum(
            (weight[..., None] * frame.residual(fine) for frame, weight in zip(frames, weights, strict=True)),
            start=np.zeros_like(fine),
        )
        fine = np.clip(fine + _STEP * correction / total, 0, 255)
    return fine


def _deviation(frames: Sequence[_Registered], weights: Plane, mean: Plane) -> Plane:
    centre = cv2.cvtColor(np.clip(mean, 0, 255), cv2.COLOR_RGB2GRAY)
    total = np.maximum(weights.sum(axis=0), 1e-9)
    squares = sum(
        (weight * np.square(cv2.cvtColor(frame.fine, cv2.COLOR_RGB2GRAY) - centre))
        for frame, weight in zip(frames, weights, strict=True)
    )
    return np.asarray(np.sqrt(squares / total), np.float32)
