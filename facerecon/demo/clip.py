"""Own the demo clip: who walks where and when, what the camera makes of it, and the ground truth behind each frame.

The stage is ``corridor``, the person ``actor``. A frame depends on nothing but its index and the seed; nothing here
looks for faces.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from math import atan2, cos, pi, radians, sin
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import cv2
import numpy as np
import numpy.typing as npt

from facerecon.demo import actor, corridor
from facerecon.demo.actor import Limb, Pose
from facerecon.demo.corridor import HEIGHT, WIDTH, Linear, Point, Vector, Window, linear

RGB = npt.NDArray[np.uint8]
Joint = Callable[[float, float, float], Vector]

FRAME_COUNT = 84
TIME_BASE = Fraction(1, 90_000)
TICKS_PER_MS = 90
CLOCK_AT = (10, HEIGHT - 12)  # px: the left end of the text's base line
CLOCK_START = datetime(2026, 3, 14, 22, 41, 7, 240_000)

WALK_S = (1.5, 7.2)  # the corridor is empty before, and the person stands still after
PATH_M = ((1.75, 5.95), (0.35, 5.55), (0.0, 1.378))  # (x, z): a quadratic Bezier curve from the side room to the camera
BRAKE = 0.25  # the last part of the walk, in which it slows down evenly
STRIDE_M = 1.25
YAW_DEG = ((1.5, -18), (2.7, -18), (3.7, 0), (4.7, 18), (5.3, 18), (6.2, -18), (6.5, -18), (7.1, 0))

EXPOSURE_S, EXPOSURE_STEPS = 0.033, 3
FULL_WELL, READ_NOISE = 500.0, 4.0  # electrons at display white, electrons: a small sensor at high gain
BLACK, WHITE_DN = 0.25, 40_000  # the digits' pedestal, so that noise below black survives, and scale
X264 = {"crf": "29", "preset": "veryfast", "bf": "0", "g": "50", "threads": "1"}

FACE_OUTLINE: tuple[Point, ...] = (
    (223, 60),
    (185, 85),
    (180, 112),
    (184, 140),
    (200, 168),
    (222, 178),
    (246, 168),
    (263, 145),
    (270, 112),
    (265, 85),
)
SUSPECTS = [
    {"name": "astronaut", "id": "DEMO-001", "status": "demo: public-domain portrait, NASA"},
    {"name": "no-face", "id": "DEMO-002", "status": "demo: must be refused"},
]
HIDING_COLUMN = corridor.project((corridor.HALF_WIDTH_M, 0, corridor.JAMB_M))[
    0
]  # px: the doorway's edge; beyond it is wall

JACKET, LAPEL, SHIRT = (0.070, 0.078, 0.098), (0.095, 0.105, 0.13), (0.004, 0.004, 0.005)
TROUSERS, SHOE, SKIN, BADGE = (0.040, 0.040, 0.046), (0.012, 0.012, 0.012), (0.36, 0.22, 0.15), (0.60, 0.60, 0.56)
TORSO = (0.060, 0.10, 0.145, 0.170, 0.176, 0.174, 0.168, 0.163, 0.161, 0.164, 0.170, 0.178)


@dataclass(frozen=True)
class DemoClip:
    """A rendered clip; ``pts`` are the frames' timestamps in ticks of ``time_base``, just as a decoder returns them."""

    path: Path
    width: int
    height: int
    frame_count: int
    time_base: Fraction
    pts: tuple[int, ...]


@lru_cache(maxsize=8)
def _times_ms(seed: int) -> tuple[int, ...]:
    """Return each frame's time in ms: irregular steps of 1/15 to 1/8 s, and one stall of half a second."""
    rng = np.random.default_rng((seed, 0))
    steps = rng.integers(67, 126, FRAME_COUNT - 1)
    steps[rng.integers(38, 46)] = 500
    return (0, *(int(ms) for ms in np.cumsum(steps)))


def _seconds(index: int, seed: int) -> float:
    """Return a frame's time in seconds. Raises: IndexError."""
    if not 0 <= index < FRAME_COUNT:
        raise IndexError(f"frame {index} is not one of 0..{FRAME_COUNT - 1}")
    return _times_ms(seed)[index] / 1000


@lru_cache(maxsize=1)
def _path() -> tuple[Linear, Linear]:
    """Return 401 points (x, z) of the walk in metres and the length walked up to each."""
    t = np.linspace(0, 1, 401)[:, None]
    a, b, c = np.array(PATH_M)
    points = (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c
    steps = np.hypot(*np.diff(points, axis=0).T)
    return points.astype(np.float32), np.concatenate([[0], np.cumsum(steps)]).astype(np.float32)


def _walked(seconds: float) -> tuple[float, float]:
    """Return the metres walked by a time, and the pace then: 1 at full speed, 0 at rest."""
    part = min((seconds - WALK_S[0]) / (WALK_S[1] - WALK_S[0]), 1.0)
    braking = max(part - (1 - BRAKE), 0.0)
    share = (part - braking**2 / (2 * BRAKE)) / (1 - BRAKE / 2)
    return share * float(_path()[1][-1]), 1 - braking / BRAKE


def _yaw(seconds: float) -> float:
    """Return the head's yaw in radians, eased between the keys of ``YAW_DEG``."""
    times, degrees = np.array(YAW_DEG).T
    key = int(np.clip(np.searchsorted(times, seconds) - 1, 0, len(times) - 2))
    part = np.clip((seconds - times[key]) / (times[key + 1] - times[key]), 0, 1)
    return radians(float(degrees[key] + (degrees[key + 1] - degrees[key]) * part * part * (3 - 2 * part)))


def _spot(metres: float) -> tuple[float, float]:
    """Return the place (x, z) in metres after a length of the walk."""
    points, lengths = _path()
    return float(np.interp(metres, lengths, points[:, 0])), float(np.interp(metres, lengths, points[:, 1]))


def _pose(seconds: float) -> Pose | None:
    """Return the actor's pose at a time, None before the entrance."""
    if seconds < WALK_S[0]:
        return None
    metres, pace = _walked(seconds)
    (x, z), (x0, z0), (x1, z1) = _spot(metres), _spot(metres - 0.02), _spot(metres + 0.02)
    phase, stride = 2 * pi * metres / STRIDE_M, pace**0.5
    sway, lift = 0.012 * stride * sin(phase), 0.015 * stride * cos(2 * phase)
    return Pose(x + sway, z, lift, phase, stride, atan2(x1 - x0, z0 - z1), _yaw(seconds))


def _leg(pose: Pose, side: int, at: Joint) -> list[Limb]:
    """Return thigh, shin and shoe of the leg on one side (-1 image left, 1 image right)."""
    swing, raised = pose.stride * side * sin(pose.phase), pose.stride * max(0.0, side * cos(pose.phase))
    knee = at(0.095 * side, 0.50 + 0.05 * raised, 0.14 * swing + 0.12 * raised)
    foot = (0.09 * side, 0.09 + 0.10 * raised, 0.28 * swing)
    toe = at(0.11 * side, 0.05 + 0.07 * raised, 0.28 * swing + 0.13)
    return [
        Limb(at(0.09 * side, 0.93, 0), knee, (0.098, 0.095, 0.085, 0.075), TROUSERS),
        Limb(knee, at(*foot), (0.075, 0.072, 0.065, 0.062), TROUSERS),
        Limb(at(*foot), toe, (0.05, 0.045), SHOE),
    ]


def _arm(pose: Pose, side: int, at: Joint) -> list[Limb]:
    """Return sleeve and hand of the arm on one side; it swings against the leg."""
    swing = -pose.stride * side * sin(pose.phase)
    elbow, hand = at(0.205 * side, 1.10, 0.07 * swing - 0.03), at(0.205 * side, 0.87, 0.22 * swing + 0.05)
    return [
        Limb(at(0.150 * side, 1.325, 0), elbow, (0.060, 0.060, 0.055, 0.050), JACKET),
        Limb(elbow, hand, (0.050, 0.047, 0.043), JACKET),
        Limb(hand, at(0.195 * side, 0.80, 0.24 * swing + 0.07), (0.036, 0.040, 0.032), SKIN),
    ]


def _front(at: Joint) -> list[Limb]:
    """Return what is worn on the chest: black shirt, lapels, zip and a badge."""
    return [
        Limb(at(0, 1.40, 0.05), at(0, 1.22, 0.10), (0.056, 0.046, 0.032, 0.012), SHIRT),
        *(
            Limb(at(0.066 * side, 1.445, 0.04), at(0.012 * side, 1.20, 0.10), (0.014, 0.018, 0.018, 0.008), LAPEL)
            for side in (-1, 1)
        ),
        Limb(at(0, 1.20, 0.10), at(0, 0.90, 0.10), (0.004, 0.004), SHIRT),
        Limb(at(0.09, 1.18, 0.10), at(0.09, 1.145, 0.10), (0.017, 0.017), BADGE),
    ]


def _body(pose: Pose) -> list[Limb]:
    """Return the walking body's limbs, farthest first."""
    c, s = cos(pose.heading), sin(pose.heading)

    def at(side: float, up: float, ahead: float) -> Vector:
        return pose.x + side * c + ahead * s, up + pose.lift, pose.z + side * s - ahead * c

    legs = [limb for side in (-1, 1) for limb in _leg(pose, side, at)]
    broad = abs(c) + 0.6 * abs(s)
    chest = [Limb(at(0, 1.43, 0), at(0, 0.82, 0), tuple(broad * w for w in TORSO), JACKET, hem=True), *_front(at)]
    back, fore = sorted((_arm(pose, side, at) for side in (-1, 1)), key=lambda arm: -arm[-1].end[2])
    return sorted(legs, key=lambda limb: -limb.start[2] - limb.end[2]) + back + fore[:1] + chest + fore[1:]


def _shadow(pose: Pose, u: Linear, v: Linear) -> Linear:
    """Return how much light (h, w, 1) the actor's shadow leaves on the floor around the feet."""
    z = corridor.FOCAL_PX * corridor.CAMERA_HEIGHT_M / np.maximum(v - corridor.HORIZON[1], 1)
    x = (u - corridor.HORIZON[0]) / corridor.FOCAL_PX * z
    near = np.exp(-(((x - pose.x) / 0.24) ** 2) - ((z - pose.z + 0.04) / 0.26) ** 2)
    wide = np.exp(-(((x - pose.x) / 0.5) ** 2) - ((z - pose.z - 0.25) / 0.7) ** 2)
    shade = np.where(np.abs(x) < corridor.HALF_WIDTH_M, 1 - 0.60 * near - 0.25 * wide, 1)
    return linear(shade[..., None])


def _window(pose: Pose, side_m: float, top_m: float) -> Window:
    """Return the pixels within ``side_m`` left and right of the actor, from ``top_m`` above the floor downward."""
    left, top = corridor.project((pose.x - side_m, top_m, pose.z))
    right, bottom = corridor.project((pose.x + side_m, -0.1, pose.z - 0.4))
    columns, rows = np.clip((left, right), 0, WIDTH).astype(int), np.clip((top, bottom), 0, HEIGHT).astype(int)
    return Window(int(columns[0]), int(rows[0]), int(columns[1]), int(rows[1]))


def _person(pose: Pose, window: Window, scale: int) -> Linear:
    """Render the actor, less what the doorway hides, as premultiplied RGBA (h, w, 4)."""
    samples = int(np.clip(round(1 / (actor.anchor(pose)[2] * scale)), 1, 3))  # keeps the portrait from aliasing
    size = ((window.x1 - window.x0) * scale, (window.y1 - window.y0) * scale)
    person = cv2.resize(actor.actor(pose, _body(pose), window, scale * samples), size, interpolation=cv2.INTER_AREA)
    if pose.z <= corridor.JAMB_M:
        return linear(person)
    return linear(person * np.clip((HIDING_COLUMN - window.grid(scale)[0]) * scale + 0.5, 0, 1)[..., None])


def _stage(pose: Pose | None, scale: int) -> Linear:
    """Render the corridor with the actor in a pose, or empty, (360 * scale, 640 * scale, 3)."""
    picture = linear(corridor.corridor(scale).copy())
    if pose is None:
        return picture
    ground, window = _window(pose, 1.3, 0.3), _window(pose, 0.42, 1.80)
    person = _person(pose, window, scale)
    picture[ground.block(scale)] *= _shadow(pose, *ground.grid(scale))
    picture[window.block(scale)] *= 1 - person[..., 3:]
    picture[window.block(scale)] += person[..., :3]
    return picture


@lru_cache(maxsize=2)
def _vignette(scale: int) -> Linear:
    """Return the lens's falloff towards the corners, (360 * scale, 640 * scale, 1)."""
    u, v = Window(0, 0, WIDTH, HEIGHT).grid(scale)
    square = ((u - (WIDTH - 1) / 2) ** 2 + (v - (HEIGHT - 1) / 2) ** 2) / (WIDTH / 2) ** 2
    return linear(1 / (1 + 0.28 * square[..., None]) ** 2)


def _display(light: Linear) -> RGB:
    """Return linear light as 8-bit sRGB."""
    light = np.clip(light, 0, 1)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, np.float32(1 / 2.4)) - 0.055)
    return np.round(255 * curve).astype(np.uint8)


def clean_frame(index: int, *, scale: int = 1, seed: int = 7) -> RGB:
    """Render a frame's ground truth: no motion blur, noise, clock or compression.

    Returns (360 * scale, 640 * scale, 3). Pixel (x, y) at scale 1 is the block [x * scale, (x + 1) * scale) of each
    axis. Raises: IndexError for a frame that the clip lacks, ValueError for a scale below 1.
    """
    if scale < 1:
        raise ValueError(f"scale must be at least 1, not {scale}")
    return _display(_stage(_pose(_seconds(index, seed)), scale) * _vignette(scale))


def _exposed(index: int, seed: int) -> Linear:
    """Return the light that the sensor collects while the shutter is open, motion blur included."""
    offsets = EXPOSURE_S * ((np.arange(EXPOSURE_STEPS) + 0.5) / EXPOSURE_STEPS - 0.5)
    poses = [_pose(_seconds(index, seed) + float(offset)) for offset in offsets]
    kinds = list(dict.fromkeys(poses))  # standing still, or empty, is rendered once
    light = sum((_stage(pose, 1) * np.float32(poses.count(pose) / len(poses)) for pose in kinds), np.float32(0))
    return linear(cv2.GaussianBlur(light * _vignette(1), (0, 0), 0.55))


def _sensed(light: Linear, rng: np.random.Generator) -> Linear:
    """Return the light as a dim sensor reads it: one colour per pixel (Bayer), Poisson photons, Gaussian read noise."""
    mosaic = light[..., 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = light[::2, ::2, 0], light[1::2, 1::2, 2]
    electrons = rng.poisson(np.clip(mosaic, 0, 1) * FULL_WELL) + rng.normal(0, READ_NOISE, mosaic.shape)
    digits = np.clip((electrons / FULL_WELL + BLACK) * WHITE_DN, 0, 65_535).astype(np.uint16)
    colours = linear(cv2.cvtColor(digits, cv2.COLOR_BayerRGGB2RGB)) / WHITE_DN - BLACK
    return linear(cv2.GaussianBlur(colours, (0, 0), 0.5))


def clock_text(index: int, *, seed: int = 7) -> str:
    """Return the clock that is burnt into a frame, true to its timestamp to the millisecond."""
    moment = CLOCK_START + timedelta(milliseconds=round(_seconds(index, seed) * 1000))
    return f"CAM 03  {moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"


def _burn_clock(picture: RGB, text: str) -> None:
    """Write the clock into the lower left corner, white with a black outline, in place."""
    for shade, width in ((0, 3), (235, 1)):
        cv2.putText(picture, text, CLOCK_AT, cv2.FONT_HERSHEY_SIMPLEX, 0.48, (shade,) * 3, width, cv2.LINE_AA)


def _camera_frame(index: int, seed: int) -> RGB:
    """Render a frame as the camera hands it to its encoder, (360, 640, 3)."""
    picture = _display(_sensed(_exposed(index, seed), np.random.default_rng((seed, 1, index))))
    _burn_clock(picture, clock_text(index, seed=seed))
    return picture


def _encode(path: Path, pts: tuple[int, ...], seed: int) -> None:
    """Write the clip as H.264 in MP4, one thread, so that one machine always writes the same bytes."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10, options=X264)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = stream.codec_context.time_base = TIME_BASE
        stream.codec_context.thread_count = 1
        for index, ticks in enumerate(pts):
            frame = av.VideoFrame.from_ndarray(_camera_frame(index, seed), format="rgb24")
            frame.pts, frame.time_base = ticks, TIME_BASE
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def render_clip(path: Path, *, seed: int = 7) -> DemoClip:
    """Render the demo clip to a new MP4 file; it appears whole or not at all. Raises: FileExistsError."""
    if path.exists():
        raise FileExistsError(f"{path} exists; the demo clip never overwrites a file")
    pts = tuple(TICKS_PER_MS * ms for ms in _times_ms(seed))
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        _encode(Path(folder, "clip.mp4"), pts, seed)
        Path(folder, "clip.mp4").replace(path)
    return DemoClip(path, WIDTH, HEIGHT, FRAME_COUNT, TIME_BASE, pts)


def _visible(pose: Pose) -> bool:
    """Tell whether the whole face is in the picture, clear of the doorway's edge."""
    return pose.z <= corridor.JAMB_M or _outline(pose)[:, 0].max() < HIDING_COLUMN


def _outline(pose: Pose) -> npt.NDArray[np.float64]:
    """Return the outline of the face, forehead to chin, as pixels (n, 2)."""
    return np.array([actor.place(pose, point) for point in FACE_OUTLINE])


def face_box(index: int, *, seed: int = 7) -> tuple[float, float, float, float] | None:
    """Return a frame's true face box x0, y0, x1, y1 in scale-1 px, None while no whole face is in view.

    Coordinates are those of pixel centres: (0, 0) is the middle of the first pixel.
    """
    pose = _pose(_seconds(index, seed))
    if pose is None or not _visible(pose):
        return None
    (x0, y0), (x1, y1) = _outline(pose).min(axis=0), _outline(pose).max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def eye_positions(index: int, *, seed: int = 7) -> tuple[Point, Point] | None:
    """Return the true eye centres (x, y) in scale-1 px, the image-left (right) eye first; None as above."""
    pose = _pose(_seconds(index, seed))
    if pose is None or not _visible(pose):
        return None
    return actor.place(pose, actor.RIGHT_EYE), actor.place(pose, actor.LEFT_EYE)


def _write_png(path: Path, picture: RGB) -> None:
    """Write a new PNG, creating its folder. Raises: FileExistsError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".png", picture[..., ::-1])
    if not done:
        raise ValueError(f"{path} could not be encoded as PNG")
    with path.open("xb") as file:
        file.write(data.tobytes())


def write_gallery(folder: Path) -> None:
    """Write a two-person gallery: the pristine portrait, and a picture without a face. Raises: FileExistsError."""
    _write_png(folder / "astronaut" / "portrait.png", actor.portrait_pixels())
    _write_png(folder / "no-face" / "corridor.png", clean_frame(0))
    with (folder / "suspects.json").open("x", encoding="utf-8") as file:
        json.dump(SUSPECTS, file, indent=2)
        file.write("\n")
