"""The chain itself: which operation comes after which, and where the landmarks go. The order is that of a camera.

    1. defocus, motion blur            in linear light (IEC 61966-2-1): an exposure adds up light, not code values
    2. lens blur                       a Gaussian, before the sensor samples; see below for its light
    3. movement of a track's frame     sub-pixel shift and rotation, ground truth known
    4. reduction by area               a sensor pixel collects what falls on its area
    5. two fields woven                the odd lines show the scene later; by area too, so after the lens
    6. colour of the light, exposure   factors on linear light, each pixel for itself; rows under a flickering lamp
    7. shot noise, saturation          photons are counted; a full well takes no more
    8. noise in levels                 read noise and electronics, as seen in the coded picture
    9. sharpening, rounding            the camera's own, so it sharpens the noise too; 8 bits
   10. scaling there and back          the recorder's
   11. JPEG, Motion JPEG, then H.264   what is stored

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
import numpy.typing as npt

from facerecon.degradation import coding, light, optics, processing
from facerecon.degradation.light import Floats
from facerecon.degradation.optics import Affine
from facerecon.degradation.specification import Degradation
from facerecon.hashing import sha256_array
from facerecon.records import RGB, Landmarks5, frontal_inter_eye_px

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
_TRACK_STREAM, _LEAD_STREAM, _FLICKER_STREAM = 1000, 1001, 1100


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
    eyes = frontal_inter_eye_px(landmarks)
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
    dice, exposure = _Dice.of(pixels, degradation.seed), _Exposure.through(pixels, degradation, size)
    moves, phases = _moves(pixels, degradation, scale, dice), _phases(degradation, dice)
    still = exposure.sampled(None)
    shots = [
        _shot(still if move is None else exposure.sampled(move), degradation, phase, dice.stream(number))
        for number, (move, phase) in enumerate(zip(moves, phases, strict=True))
    ]
    lead = _lead(still, shots[0], degradation, phases[0], dice)
    stored = _coded([*lead, *shots], degradation, len(lead))
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


@dataclass(frozen=True)
class _Dice:
    """The random numbers of one picture and seed: a stream for each frame's number, and those above them."""

    seed: int
    picture: int

    @classmethod
    def of(cls, pixels: RGB, seed: int) -> _Dice:
        return cls(seed, int(sha256_array(pixels)[:16], 16))

    def stream(self, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, number, self.picture])


@dataclass(frozen=True, eq=False)
class _Exposure:
    """The scene as the lens shows it, at the pristine picture's scale, and how it is sampled."""

    scene: Floats
    size: tuple[int, int]
    field_shift: Affine | None

    @classmethod
    def through(cls, pixels: RGB, degradation: Degradation, size: tuple[int, int]) -> _Exposure:
        scale = size[0] / pixels.shape[1]
        shift = optics.rigid(0, degradation.interlace / scale, 0, (0, 0)) if degradation.interlace else None
        return cls(_through_optics(pixels, degradation, scale), size, shift)

    def sampled(self, move: Affine | None) -> Floats:
        """Return what falls on the sensor when the scene is moved, one field later on the odd lines if asked."""
        first = self._field(move)
        if self.field_shift is None:
            return first
        later = self.field_shift if move is None else optics.then(move, self.field_shift)
        return optics.interlaced(first, self._field(later))

    def _field(self, move: Affine | None) -> Floats:
        return optics.reduced(self.scene if move is None else optics.moved(self.scene, move), *self.size)


def _through_optics(pixels: RGB, degradation: Degradation, scale: float) -> Floats:
    """Apply the point-spread functions at the pristine picture's scale; linear light or code values, as asked."""
    exposure = bool(degradation.defocus or degradation.motion)
    scene = light.scene_of(pixels, exposure or bool(degradation.linear))
    if degradation.defocus:
        scene = optics.convolve(scene, optics.disc_kernel(degradation.defocus / scale))
    if degradation.motion:
        scene = optics.convolve(scene, optics.motion_kernel(degradation.motion / scale, degradation.angle))
    if exposure and not degradation.linear:
        scene = light.coded_of(scene)
    return optics.gaussian_blur(scene, degradation.lens_sigma_px / scale)


def _moves(pixels: RGB, degradation: Degradation, scale: float, dice: _Dice) -> list[Affine | None]:
    if degradation.frames == 1:
        return [None]
    height, width = pixels.shape[:2]
    reach, draws = TRACK_SHIFT_PX / scale, dice.stream(_TRACK_STREAM).uniform(-1, 1, (degradation.frames - 1, 3))
    centre = ((width - 1) / 2, (height - 1) / 2)
    return [None, *(optics.rigid(TRACK_ROTATION_DEG * a, reach * x, reach * y, centre) for a, x, y in draws)]


def _phases(degradation: Degradation, dice: _Dice) -> list[float]:
    """Return where each frame's bands are: mains and frame rate do not know each other."""
    if not degradation.rolling:
        return [0.0] * degradation.frames
    phases: list[float] = dice.stream(_FLICKER_STREAM).random(degradation.frames).tolist()
    return phases


def _lead(still: Floats, shot: RGB, degradation: Degradation, phase: float, dice: _Dice) -> list[RGB]:
    """Return what a clip shows before a single picture that H.264 is to code, so that prediction acts.

    It must not drift: the codec leaves blocks where they were, and after 0.25 px a frame the face lay 0.7 px (CRF 35)
    to 1.3 px (CRF 45) off.
    """
    if degradation.crf is None or degradation.frames > 1:
        return []
    if not degradation.noise and degradation.poisson is None:
        return [shot] * _LEAD_FRAMES
    return [_shot(still, degradation, phase, dice.stream(_LEAD_STREAM + number)) for number in range(_LEAD_FRAMES)]


def _shot(values: Floats, degradation: Degradation, phase: float, rng: np.random.Generator) -> RGB:
    """Return one exposure of what falls on the sensor: light, sensor, noise, the camera's processing, 8 bits."""
    levels = _lit(values, degradation, phase, rng).astype(np.float64) * 255
    if degradation.noise:
        levels = levels + rng.normal(0.0, degradation.noise, levels.shape)
    if degradation.sharpen:
        levels = processing.sharpened(levels, degradation.sharpen)
    return light.quantised(levels)


def _lit(values: Floats, degradation: Degradation, phase: float, rng: np.random.Generator) -> Floats:
    """Return the code values of what the sensor counts: colour of the light, exposure, shot noise, saturation."""
    factors = _factors(degradation, len(values), phase)
    if degradation.poisson is None and np.all(factors == 1):
        return light.coded_of(values) if degradation.linear else values
    linear = values if degradation.linear else light.linear_of(values)
    linear = (linear * factors).astype(np.float32)
    if degradation.poisson is not None:
        linear = light.with_shot_noise(linear, degradation.poisson, rng)
    return light.coded_of(linear)


def _factors(degradation: Degradation, rows: int, phase: float) -> npt.NDArray[np.float64]:
    """Return the factors of linear light, of each channel, or of each row and channel."""
    factors = np.full(3, degradation.gain)
    if degradation.kelvin is not None:
        factors = factors * light.light_gains(degradation.kelvin)
    if degradation.rolling:
        factors = factors * light.flicker(rows, degradation.rolling, degradation.bands, phase)
    return factors


def _coded(shots: Sequence[RGB], degradation: Degradation, first: int) -> tuple[RGB, ...]:
    """Return what is stored and shown again of the shots from `first` on."""
    if degradation.rescale > 1:
        shots = [processing.rescaled(shot, degradation.rescale) for shot in shots]
    if degradation.jpeg is not None:
        shots = [coding.jpeg_coded(shot, degradation.jpeg) for shot in shots]
    if degradation.mjpeg is not None:
        shots = [coding.mjpeg_coded(shot, degradation.mjpeg) for shot in shots]
    return tuple(shots[first:]) if degradation.crf is None else coding.h264_coded(shots, degradation.crf, first)
