"""A CCTV clip of several people, made of one public-domain portrait, with the truth of who is where.

Every person is the same portrait (NASA's of Eileen Collins, which scikit-image brings) with another face: the portrait
is warped smoothly, so that eyes, nose, mouth, jaw and brow differ, and coloured differently. They walk towards a static
camera one behind the other, each for 12 of every 30 seconds, from 16 to 46 px face width, in front of the demo's empty
corridor; the sensor is noisy, the recording H.264 at CRF 27 and 25 frames per second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from scipy.interpolate import RBFInterpolator

from facerecon.demo import clean_frame
from facerecon.demo.actor import AXIS, EYE_ROW, HAIR_TO_COLLAR, portrait_pixels
from facerecon.records import RGB, Box

SIZE, RATE = (640, 360), 25
ROUND_S, WALK_S = 30.0, 12.0
FACE_PX = (16.0, 46.0)
_PORTRAIT_FACE_PX = 118.0
# Brow, eyes, nose, mouth, cheeks and chin of the portrait, and its border, which stays.
_EYES_AND_BROWS = [(195, 84), (256, 86), (203, 101), (246, 103)]
_POINTS = np.array([*_EYES_AND_BROWS, (223, 124), (208, 150), (241, 151), (178, 128), (272, 130), (226, 172)])
_BORDER = np.array([(x, y) for x in (0, 170, 340, 511) for y in (0, 255, 511) if (x, y) != (170, 255)] + [(226, 20)])
_WARP_PX = 4.5
_NOISE_LEVELS = 3.0


@dataclass(frozen=True)
class Scene:
    """A clip, who is in it, and where everybody's face is in every frame, in px."""

    clip: Path
    seconds: float
    portraits: tuple[RGB, ...]
    faces: tuple[dict[int, Box], ...]


@lru_cache(maxsize=16)
def portrait(person: int) -> RGB:
    """Return a person's sharp portrait, (512, 512, 3); person 0 is the portrait itself."""
    picture = portrait_pixels()
    if person == 0:
        return picture
    rng = np.random.default_rng((person, 1))
    shifts = np.concatenate([_face_shifts(rng), np.zeros((len(_BORDER), 2))])
    grid = np.mgrid[0:512:8, 0:512:8].reshape(2, -1).T[:, ::-1].astype(np.float64)
    moved = RBFInterpolator(np.concatenate([_POINTS, _BORDER]), shifts, kernel="thin_plate_spline")(grid)
    field = cv2.resize(moved.reshape(64, 64, 2).astype(np.float32), (512, 512), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[:512, :512].astype(np.float32)
    warped = cv2.remap(picture, x + field[..., 0], y + field[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    tint = rng.uniform(0.72, 1.05) * rng.uniform(0.94, 1.06, 3)
    return np.asarray(np.clip(warped * tint, 0, 255), np.uint8)


def _face_shifts(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return shifts of the face's points that keep it symmetric: pairs move as mirror images."""
    shifts = rng.uniform(-_WARP_PX, _WARP_PX, (len(_POINTS), 2))
    for left, right in ((0, 1), (2, 3), (5, 6), (7, 8)):
        shifts[right] = -shifts[left, 0], shifts[left, 1]
    shifts[4, 0] = shifts[9, 0] = 0
    return np.asarray(shifts)


@lru_cache(maxsize=16)
def _figure(person: int) -> npt.NDArray[np.float32]:
    """Return head and shoulders as premultiplied RGBA, (512, 512, 4), levels 0..255 and opacity 0..1."""
    matte = np.zeros((512, 512), np.uint8)
    cv2.fillPoly(matte, [np.round(HAIR_TO_COLLAR).astype(np.int32)], (255,), cv2.LINE_AA)
    coat = np.zeros((512, 512), np.uint8)
    cv2.ellipse(coat, (228, 400), (150, 215), 0, 180, 360, (255,), -1, cv2.LINE_AA)
    cv2.rectangle(coat, (78, 400), (378, 511), (255,), -1)
    colour = np.random.default_rng((person, 2)).uniform(30, 120, 3)
    head, body = (cv2.GaussianBlur(each, (0, 0), 1.5).astype(np.float32)[..., None] / 255 for each in (matte, coat))
    pixels = portrait(person) * head * 0.8 + colour * body * (1 - head)
    return np.concatenate([pixels, head + body * (1 - head)], axis=2).astype(np.float32)


def _place(person: int, people: int, seconds: float) -> tuple[float, float, float] | None:
    """Return where a face is: px of its axis at the eyes' height, and px per portrait px; None where it is not seen."""
    since = (seconds - person * (ROUND_S - WALK_S) / max(people - 1, 1)) % ROUND_S
    if since >= WALK_S:
        return None
    share = since / WALK_S
    zoom = FACE_PX[0] * (FACE_PX[1] / FACE_PX[0]) ** share / _PORTRAIT_FACE_PX
    lane = (person + 0.5) / people - 0.5
    x = SIZE[0] * (0.5 + lane * (0.35 + 0.5 * share)) + 2.5 * np.sin(6.0 * seconds + person)
    return float(x), float(SIZE[1] * (0.34 + 0.06 * share) + 1.5 * np.sin(12.0 * seconds + person)), float(zoom)


def _seen(picture: npt.NDArray[np.float32], person: int, place: tuple[float, float, float]) -> Box:
    """Lay a person over a picture, in place; return the face's box."""
    x, y, zoom = place
    matrix = np.array([[zoom, 0, x - zoom * AXIS], [0, zoom, y - zoom * EYE_ROW]])
    blurred = cv2.GaussianBlur(_figure(person), (0, 0), 0.35 / zoom)
    figure = cv2.warpAffine(blurred, matrix, SIZE, flags=cv2.INTER_LINEAR)
    picture *= 1 - figure[..., 3:]
    picture += figure[..., :3]
    half = zoom * _PORTRAIT_FACE_PX / 2
    return x - half, y - half, x + half, y + 1.4 * half


def frames(people: int, seconds: float) -> Iterator[tuple[RGB, dict[int, Box]]]:
    """Yield a clip's pictures, each with its people's face boxes."""
    scene = clean_frame(0).astype(np.float32)
    rng = np.random.default_rng((people, 3))
    noise = rng.normal(0, _NOISE_LEVELS, (SIZE[1] + 64, SIZE[0] + 64, 3)).astype(np.float32)
    for number in range(round(seconds * RATE)):
        picture, boxes = scene.copy(), {}
        places = {each: _place(each, people, number / RATE) for each in range(people)}
        for person, place in sorted(places.items(), key=lambda each: each[1][2] if each[1] else 0.0):
            if place is not None:
                boxes[person] = _seen(picture, person, place)
        dx, dy = rng.integers(0, 64, 2)
        picture += noise[dy : dy + SIZE[1], dx : dx + SIZE[0]]
        yield np.asarray(np.clip(picture, 0, 255), np.uint8), boxes


def render(path: Path, people: int, seconds: float) -> Scene:
    """Write the clip of so many people, so long; return it with its truth."""
    truth: list[dict[int, Box]] = []

    def pictures() -> Iterator[RGB]:
        for pixels, boxes in frames(people, seconds):
            truth.append(boxes)
            yield pixels

    _record(path, pictures(), SIZE)
    return Scene(path, seconds, tuple(portrait(each) for each in range(people)), tuple(truth))


def render_wall(path: Path, columns: int, seconds: float) -> None:
    """Write a wall of as many rows as columns of one camera's clip, each picture in its own size and at its own time.

    At most two people are in each; three columns make 1920x1080 px, six 3840x2160.
    """
    clip = path.with_suffix(".one.mp4")
    render(clip, 2, ROUND_S)
    starts = [ROUND_S * number / columns**2 for number in range(columns**2)]
    tiles = [_from(clip, start) for start in starts]

    def pictures() -> Iterator[RGB]:
        for _ in range(round(seconds * RATE)):
            shown = [next(tile) for tile in tiles]
            yield np.concatenate(
                [np.concatenate(shown[row * columns : (row + 1) * columns], axis=1) for row in range(columns)]
            )

    _record(path, pictures(), (SIZE[0] * columns, SIZE[1] * columns))
    clip.unlink()


def _from(clip: Path, start_s: float) -> Iterator[RGB]:
    """Yield a clip's pictures from a time on, over and over."""
    while True:
        with av.open(str(clip)) as container:
            for number, picture in enumerate(container.decode(video=0)):
                if number >= start_s * RATE:
                    yield picture.to_ndarray(format="rgb24")
        start_s = 0.0


def _record(path: Path, pictures: Iterator[RGB], size: tuple[int, int]) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        options = {"crf": "27", "preset": "fast", "g": "50"}
        stream: Any = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height = size
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, RATE)
        for pixels in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
