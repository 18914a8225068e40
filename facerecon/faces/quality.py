"""Quality of one face in one frame. Owns the one score by which best shots are chosen and templates are weighted.

The components are those of ISO/IEC 29794-5 (face image quality) that pixels and five landmarks can tell. Each maps to
0..1, and the score is their weighted geometric mean, so one bad component cannot hide behind the others:

    component   weight  0 at            1 at
    size        0.35    0 px            40 px between the eyes, as seen from the front
    sharpness   0.20    0.10            0.35 (see `sharpness`)
    pose        0.20    60 degrees      frontal (yaw and pitch)
    exposure    0.10    mean luma 8, 252 mean luma 55 to 200; times the share of unclipped pixels
    detector    0.15    score 0.3       score 1.0
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pywt

from facerecon.faces.alignment import scaled_template, similarity_transform
from facerecon.records import RGB, Box, Detection, FaceQuality, Landmarks5

_PATCH_PX = 64
_SHARPNESS_PX = 128
_WEIGHTS = {"size": 0.35, "sharpness": 0.20, "pose": 0.20, "exposure": 0.10, "detector": 0.15}
_FLOOR = 0.01
_MEDIAN_OF_NORMAL = 0.6744897501960817
"""The median absolute value of a standard normal variable."""
# Eyes, nose tip and mouth corners of a generic head in eye distances: x right, y down, z towards the camera.
_HEAD = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.62, 0.42], [-0.42, 1.12, 0.05], [0.42, 1.12, 0.05]])
_FIT_OF_HEAD = np.linalg.pinv(np.hstack([_HEAD, np.ones((5, 1))]))
_REBLUR_PX = 9


def assess(pixels: RGB, detection: Detection) -> FaceQuality:
    """Measure one face in its frame.

    Args:
        pixels: the frame, (height, width, 3).
        detection: box and landmarks in this frame's pixels.

    Returns:
        The components and the score, rounded so that records do not depend on the last bit.
    """
    patch = _luma_patch(pixels, detection.landmarks)
    brightness = float(patch.mean())
    clipped = float(((patch <= 2) | (patch >= 253)).mean())
    yaw, pitch, roll = pose_degrees(detection.landmarks)
    luma = _face_luma(pixels, detection.box)
    sharp = _sharpness(luma)
    parts = {
        "size": detection.frontal_inter_eye_px / 40,
        "sharpness": (sharp - 0.10) / 0.25,
        "pose": (1 - abs(yaw) / 60) * (1 - abs(pitch) / 60),
        "exposure": min((brightness - 8) / 47, (252 - brightness) / 52) * (1 - clipped),
        "detector": (detection.score - 0.3) / 0.7,
    }
    return FaceQuality(
        inter_eye_px=round(detection.inter_eye_px, 2),
        sharpness=round(sharp, 4),
        fine_detail=round(_fine_detail(luma), 4),
        brightness=round(brightness, 1),
        clipped=round(clipped, 4),
        yaw_deg=round(yaw, 1),
        pitch_deg=round(pitch, 1),
        roll_deg=round(roll, 1),
        detector_score=round(detection.score, 4),
        score=round(_combined(parts), 4),
    )


def template_weight(quality: FaceQuality) -> float:
    """Return what a face counts in a mean of several, above 0: its score. Templates and calibrations share it."""
    return max(quality.score, 0.01)


def conditions(faces: Sequence[tuple[Detection, FaceQuality]], weights: Sequence[float]) -> dict[str, float]:
    """Return the conditions of a comparison that one side brings, weighted means over the faces of its template.

    Args:
        faces: detections and qualities of the frames behind the template.
        weights: one per face, above 0.

    Returns:
        inter_eye_px (as seen from the front), sharpness, fine_detail, brightness (0..255), yaw_deg and pitch_deg
        (absolute), frames (how many).
    """
    columns = {
        "inter_eye_px": [detection.frontal_inter_eye_px for detection, _ in faces],
        "sharpness": [quality.sharpness for _, quality in faces],
        "fine_detail": [quality.fine_detail for _, quality in faces],
        "brightness": [quality.brightness for _, quality in faces],
        "yaw_deg": [abs(quality.yaw_deg) for _, quality in faces],
        "pitch_deg": [abs(quality.pitch_deg) for _, quality in faces],
    }
    means = {name: float(np.average(values, weights=weights)) for name, values in columns.items()}
    return {**means, "frames": float(len(faces))}


def _combined(parts: dict[str, float]) -> float:
    return math.exp(sum(weight * math.log(min(max(parts[name], _FLOOR), 1.0)) for name, weight in _WEIGHTS.items()))


def _luma_patch(pixels: RGB, landmarks: Landmarks5) -> npt.NDArray[np.float32]:
    # The FFHQ template leaves a wide margin; this one is its middle 56 percent, the face itself.
    wide = scaled_template(round(_PATCH_PX / 0.56))
    shift = (round(_PATCH_PX / 0.56) - _PATCH_PX) / 2
    a, b, c, d, e = ((x - shift, y - shift * 1.15) for x, y in wide)
    matrix = similarity_transform(landmarks, (a, b, c, d, e))
    patch = cv2.warpAffine(
        pixels, matrix, (_PATCH_PX, _PATCH_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY), dtype=np.float32)


def sharpness(pixels: RGB, box: Box) -> float:
    """Return how much detail a strong blur would destroy: 0 nothing (blurred already), towards 1 for a sharp face.

    One minus the perceptual blur metric of Crete et al., "The blur effect: perception and estimation with a new
    no-reference perceptual blur metric", SPIE 6492, 2007, on the luma of the face's own pixels. They are smoothed a
    little first, because noise is no detail. Faces above 128 px are reduced to that.
    """
    return _sharpness(_face_luma(pixels, box))


def fine_detail(pixels: RGB, box: Box) -> float:
    """Return how much of the face's contrast lies in its finest structure: 0 none, above about 0.05 much.

    The spread of the finest diagonal wavelet coefficients (their median absolute value over 0.6745: Donoho, Johnstone,
    "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81, 1994) over the standard deviation of the luma.
    Compression and blur take it away first, so it tells how much a face of this size has lost; it cannot tell detail
    from noise. Medians on 684 LFW pictures at 24 px, with true accepts at 1 % false accepts: 0.068 (JPEG 90) 0.86,
    0.054 (JPEG 60) 0.64, 0.033 (more blur and noise, JPEG 35) 0.35, 0.030 (motion blur of 4 px) 0.39.
    """
    return _fine_detail(_face_luma(pixels, box))


def _face_luma(pixels: RGB, box: Box) -> npt.NDArray[np.uint8]:
    """Return the luma inside the box, at most 128 px high or wide."""
    x0, y0, x1, y1 = (round(value) for value in box)
    luma = cv2.cvtColor(pixels[max(y0, 0) : max(y1, 0) + 1, max(x0, 0) : max(x1, 0) + 1], cv2.COLOR_RGB2GRAY)
    factor = _SHARPNESS_PX / max(luma.shape)
    if factor < 1:
        luma = cv2.resize(luma, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(luma, np.uint8)


def _sharpness(luma: npt.NDArray[np.uint8]) -> float:
    if _featureless(luma):
        return 0.0
    smooth = cv2.GaussianBlur(luma.astype(np.float32), (0, 0), 1.0)
    return min(_lost_detail(smooth, along) for along in ((1, 0), (0, 1)))


def _lost_detail(luma: npt.NDArray[Any], along: tuple[int, int]) -> float:
    """Return the share (0..1) of the edges along x (1, 0) or y (0, 1) that a box blur that way takes away.

    What scikit-image's `blur_effect` finds, in a third of its time: every face of every frame is looked at.
    """
    size = (_REBLUR_PX if along[0] else 1, _REBLUR_PX if along[1] else 1)
    blurred = cv2.blur(luma, size, borderType=cv2.BORDER_REFLECT)
    edges, left = (
        np.abs(cv2.Sobel(each, cv2.CV_64F, *along, borderType=cv2.BORDER_REFLECT))[2:-1, 2:-1]
        for each in (luma, blurred)
    )
    total = float(edges.sum())
    return float(np.maximum(edges - left, 0).sum()) / total if total > 0 else 0.0


def _fine_detail(luma: npt.NDArray[np.uint8]) -> float:
    if _featureless(luma):
        return 0.0
    values = luma.astype(np.float64)
    finest = np.abs(pywt.dwt(pywt.dwt(values, "db2", axis=0)[1], "db2", axis=1)[1])
    # Coefficients that are exactly zero say nothing of noise: what was not recorded, or was coded away.
    finest = finest[finest > 0]
    return float(np.median(finest) / _MEDIAN_OF_NORMAL / values.std()) if finest.size else 0.0


def _featureless(luma: npt.NDArray[np.uint8]) -> bool:
    return bool(min(luma.shape) < 4 or luma.max() == luma.min())


def pose_degrees(landmarks: Landmarks5) -> tuple[float, float, float]:
    """Estimate (yaw, pitch, roll) in degrees from five landmarks.

    Scaled orthographic fit of a generic head, after DeMenthon and Davis, "Model-based object pose in 25 lines of
    code", IJCV 15, 1995 (one step). Positive yaw: the face turns to the image's right; positive pitch: it looks down;
    positive roll: clockwise. Good to about 10 degrees.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    solution = _FIT_OF_HEAD @ points
    i, j = solution[:3, 0], solution[:3, 1]
    scale = (np.linalg.norm(i) + np.linalg.norm(j)) / 2
    if scale <= 0:
        return 0.0, 0.0, 0.0
    yaw = np.degrees(np.arcsin(np.clip(i[2] / scale, -1, 1)))
    pitch = np.degrees(np.arcsin(np.clip(j[2] / scale, -1, 1)))
    (ax, ay), (bx, by) = landmarks[0], landmarks[1]
    roll = np.degrees(np.arctan2(by - ay, bx - ax))
    return float(yaw), float(pitch), float(roll)
