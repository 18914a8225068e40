"""The chain itself: which operation comes after which, and where the landmarks go. The order is that of a camera.

    1. defocus, motion blur            in linear light (IEC 61966-2-1): an exposure adds up light, not code values
    2. lens blur                       a Gaussian, before the sensor samples; see below for its light
    3. movement of a track's frame     sub-pixel shift and rotation, ground truth known
    4. reduction by area               a sensor pixel collects what falls on its area
    5. colour of the light, exposure   factors on linear light, each pixel for itself
    6. shot noise, saturation          photons are counted; a full well takes no more
    7. noise in levels, rounding       read noise and electronics, as seen in the coded picture; 8 bits
    8. JPEG, then H.264                what is stored

Lens blur and reduction act on code values unless `linear=1`. Light would ask for the latter; the former is what the
super-resolution literature and this project's figures of recognition on small faces were measured with, and what a
camera does that scales its pictures down. Measured on LFW at 24 px, the two differ by 32.6 dB (median of 60 pictures).

Deterministic: noise depends on the picture's pixels, the seed and the frame's number, on nothing else. After Elad and
Feuer, IEEE TIP 6(12), 1997 (blur, move, sample, add noise), with the sensor after Janesick, "Photon Transfer", 2007.
Moving comes after motion blur here, which is the same but for the blur's direction (2 degrees at most).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facerecon.degradation import coding, light, optics
from facerecon.degradation.light import Floats
from facerecon.degradation.optics import Affine
from facerecon.degradation.specification import Degradation
from facerecon.hashing import sha256_array
from facerecon.records import RGB, Detection, Landmarks5

FACE_WIDTHS_PER_SIDE = 100 / 250
"""Face width over the shorter side of a picture framed as LFW's are: about 100 px of 250."""
FACE_WIDTHS_PER_EYE = 2.23
"""Face width over the distance between the eyes as seen from the front. Measured on LFW: 44.8 px (median of 149) for
the 100 px of the rule above, so the two rules agree on LFW pictures."""
TRACK_SHIFT_PX = 1.5
"""A track's frames are shifted by up to this many px of the reduced picture in x and y ..."""
TRACK_ROTATION_DEG = 2.0
"""... and turned by up to this."""
_LEAD_FRAMES = 7
_MIN_SIDE_PX = 8
_TRACK_STREAM, _LEAD_STREAM = 1000, 1001


@dataclass(frozen=True, eq=False)
class Degraded:
    """A degraded picture, and the 2x3 transform from the pristine picture's pixels to its own."""

    pixels: RGB
    to_degraded: Affine

    def carried(self, landmarks: Landmarks5) -> Landmarks5:
        """Return where landmarks of the pristine picture are in this one."""
        points = np.asarray(landmarks) @ self.to_degraded[:, :2].T + self.to_degraded[:, 2]
        a, b, c, d, e = ((float(x), float(y)) for x, y in points)
        return (a, b, c, d, e)


def face_width_px(pixels: RGB, landmarks: Landmarks5 | None = None) -> float:
    """Return how wide the face is taken to be, in the picture's pixels.

    With landmarks: 2.23 times the distance between the eyes (as seen from the front, so that a turned head is no
    smaller). Without: 100/250 of the shorter side, as in LFW.

    Raises:
        ValueError: the landmarks coincide.
    """
    if landmarks is None:
        return float(min(pixels.shape[:2]) * FACE_WIDTHS_PER_SIDE)
    eyes = Detection(box=(0, 0, 1, 1), score=1, landmarks=landmarks).frontal_inter_eye_px
    if eyes <= 0:
        raise ValueError("the landmarks coincide")
    return eyes * FACE_WIDTHS_PER_EYE


def degrade(pixels: RGB, degradation: Degradation, landmarks: Landmarks5 | None = None) -> Degraded:
    """Degrade one picture; with `frames` above 1 this is the first, unmoved frame of the track.

    Args:
        pixels: a pristine RGB picture; the face in it is as wide as `face_width_px` says.
        degradation: what to do.
        landmarks: the face's five points, when they are known.

    Raises:
        ValueError: the face is smaller than the asked width, or the result would be under 8 px.
    """
    return degrade_track(pixels, degradation, landmarks)[0]


def degrade_track(pixels: RGB, degradation: Degradation, landmarks: Landmarks5 | None = None) -> tuple[Degraded, ...]:
    """Degrade one picture into `frames` frames of a synthetic track.

    Frame 0 is not moved; each other one is shifted by up to 1.5 px (of the reduced picture) and turned by up to 2
    degrees about the picture's centre, uniformly. Each has its own noise.

    Raises:
        ValueError: as for `degrade`.
    """
    size = _size(pixels, degradation, landmarks)
    scale = size[0] / pixels.shape[1]
    scene = _through_optics(pixels, degradation, scale)
    moves = _moves(pixels, degradation, scale)
    # One coded picture is the last of a clip that stands still, so that prediction acts. It must not drift: the codec
    # leaves blocks where they were, and after 0.25 px a frame the face lay 0.7 px (CRF 35) to 1.3 px (CRF 45) off.
    lead: list[Affine | None] = [None] * (_LEAD_FRAMES if degradation.crf is not None and len(moves) == 1 else 0)
    numbers = [_LEAD_STREAM + number for number in range(len(lead))] + list(range(len(moves)))
    shots = [
        _shot(scene, move, size, degradation, _generator(pixels, degradation, number))
        for number, move in zip(numbers, [*lead, *moves], strict=True)
    ]
    stored = _coded(shots, degradation)[len(lead) :]
    to_size = optics.reduction((pixels.shape[1], pixels.shape[0]), size)
    transforms = (to_size if move is None else optics.then(move, to_size) for move in moves)
    return tuple(Degraded(shot, transform) for shot, transform in zip(stored, transforms, strict=True))


def _size(pixels: RGB, degradation: Degradation, landmarks: Landmarks5 | None) -> tuple[int, int]:
    height, width = pixels.shape[:2]
    if degradation.width is None:
        return width, height
    face = face_width_px(pixels, landmarks)
    if face < degradation.width:
        raise ValueError(f"the face is {face:.0f} px wide, less than the {degradation.width:g} px asked for")
    size = round(width * degradation.width / face), round(height * degradation.width / face)
    if min(size) < _MIN_SIDE_PX:
        raise ValueError(f"the reduced picture would be {size[0]}x{size[1]} px; {_MIN_SIDE_PX} px are needed")
    return size


def _through_optics(pixels: RGB, degradation: Degradation, scale: float) -> Floats:
    """Apply the point-spread functions at the pristine picture's scale; linear light or code values, as asked."""
    scene = (pixels / np.float32(255)).astype(np.float32)
    exposure = degradation.defocus or degradation.motion
    if exposure or degradation.linear:
        scene = light.linear_of(scene)
    if degradation.defocus:
        scene = optics.convolve(scene, optics.disc_kernel(degradation.defocus / scale))
    if degradation.motion:
        scene = optics.convolve(scene, optics.motion_kernel(degradation.motion / scale, degradation.angle))
    if exposure and not degradation.linear:
        scene = light.coded_of(scene)
    return optics.gaussian_blur(scene, degradation.lens_sigma_px / scale)


def _moves(pixels: RGB, degradation: Degradation, scale: float) -> list[Affine | None]:
    height, width = pixels.shape[:2]
    rng, reach = _generator(pixels, degradation, _TRACK_STREAM), TRACK_SHIFT_PX / scale
    draws = rng.uniform(-1, 1, (degradation.frames - 1, 3))
    centre = ((width - 1) / 2, (height - 1) / 2)
    return [None, *(optics.rigid(TRACK_ROTATION_DEG * a, reach * x, reach * y, centre) for a, x, y in draws)]


def _shot(
    scene: Floats, move: Affine | None, size: tuple[int, int], degradation: Degradation, rng: np.random.Generator
) -> RGB:
    """Return one exposure: movement, sampling, light, sensor, noise, 8 bits."""
    values = optics.reduced(scene if move is None else optics.moved(scene, move), *size)
    coded = _lit(values, degradation, rng)
    levels = coded.astype(np.float64) * 255
    if degradation.noise:
        levels = levels + rng.normal(0.0, degradation.noise, levels.shape)
    return light.quantised(levels)


def _lit(values: Floats, degradation: Degradation, rng: np.random.Generator) -> Floats:
    """Return the code values of what the sensor counts: colour of the light, exposure, shot noise, saturation."""
    factors = np.full(3, degradation.gain)
    if degradation.kelvin is not None:
        factors = factors * light.light_gains(degradation.kelvin)
    if degradation.poisson is None and np.all(factors == 1):
        return light.coded_of(values) if degradation.linear else values
    linear = values if degradation.linear else light.linear_of(values)
    linear = (linear * factors).astype(np.float32)
    if degradation.poisson is not None:
        linear = light.with_shot_noise(linear, degradation.poisson, rng)
    return light.coded_of(linear)


def _coded(shots: Sequence[RGB], degradation: Degradation) -> tuple[RGB, ...]:
    quality, crf = degradation.jpeg, degradation.crf
    if quality is not None:
        shots = [coding.jpeg_coded(shot, quality) for shot in shots]
    return tuple(shots) if crf is None else coding.h264_coded(shots, crf)


def _generator(pixels: RGB, degradation: Degradation, stream: int) -> np.random.Generator:
    """Return the random numbers of one stream: a frame's number, or one of the two above it."""
    return np.random.default_rng([degradation.seed, stream, int(sha256_array(pixels)[:16], 16)])
