"""Own the demo's stage: a drawn corridor, a pinhole camera and one actor wearing the public-domain astronaut portrait.

Everything is linear light (float32, 1.0 = display white) and depends only on its arguments; noise, clocks and codecs
belong to ``demo``. Metres: X right, Y up from the floor, Z away from the camera. Pixels: scale-1 pixels whose centres
have whole coordinates, so the scale-4 block of pixel (x, y) is centred on (x, y) too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import cos, sin

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

Linear = npt.NDArray[np.float32]
Surfaces = npt.NDArray[np.int8]
Vector = tuple[float, float, float]
Point = tuple[float, float]

WIDTH, HEIGHT = 640, 360
FOCAL_PX = 700.0
HORIZON = (319.5, 112.0)  # where the optical axis meets the image: a shift lens, so that walls stay upright
CAMERA_HEIGHT_M = 1.72

HALF_WIDTH_M, CEILING_M, LENGTH_M = 1.2, 2.55, 10.0
JAMB_M = 5.3  # near edge of the doorway in the right wall; the wall before it hides whoever is still inside
FLOOR, CEILING, LEFT, RIGHT, END = range(5)
BASE_ALBEDO = np.array(
    [(0.20, 0.20, 0.19), (0.46, 0.46, 0.44), *[(0.40, 0.38, 0.33)] * 2, (0.36, 0.35, 0.31)], np.float32
)
NORMALS = np.array([(0, 1, 0), (0, -1, 0), (1, 0, 0), (-1, 0, 0), (0, 0, -1)], np.float32)
WARM, COOL = (1.0, 0.84, 0.64), (0.80, 0.92, 1.0)
AMBIENT = 0.042
# (centre Z in metres, strength, colour); the first hangs above and just before the camera and lights the faces
LAMPS: tuple[tuple[float, float, Vector], ...] = ((0.35, 0.80, WARM), (3.7, 1.15, WARM), (7.2, 0.85, COOL))


@dataclass(frozen=True)
class Patch:
    """A painted rectangle: surface, extent along and up it in metres, albedo, and light of its own."""

    surface: int
    along: Point
    up: Point
    albedo: float | Vector
    glow: float | tuple[float, ...] = 0.0


PATCHES = (
    *(Patch(s, (0, LENGTH_M), (0, 1.05), (0.20, 0.23, 0.22)) for s in (LEFT, RIGHT)),
    *(Patch(s, (0, LENGTH_M), (1.05, 1.12), 0.12) for s in (LEFT, RIGHT)),
    *(Patch(s, (0, LENGTH_M), (0, 0.10), 0.05) for s in (LEFT, RIGHT)),
    Patch(END, (-2, 2), (0, 1.05), (0.20, 0.23, 0.22)),
    Patch(LEFT, (3.3, 4.42), (0, 2.12), 0.10),
    Patch(LEFT, (3.38, 4.34), (0, 2.05), (0.22, 0.13, 0.07)),
    Patch(LEFT, (3.46, 3.58), (1.00, 1.05), 0.5),
    Patch(LEFT, (5.3, 6.5), (1.25, 1.95), 0.07),
    Patch(LEFT, (5.36, 5.72), (1.42, 1.88), 0.55),
    Patch(LEFT, (5.80, 6.10), (1.32, 1.75), (0.50, 0.45, 0.20)),
    Patch(LEFT, (7.6, 8.6), (0, 2.1), 0.09),
    Patch(LEFT, (7.68, 8.52), (0, 2.04), (0.22, 0.13, 0.07)),
    Patch(RIGHT, (JAMB_M - 0.09, 6.39), (0, 2.14), 0.09),
    Patch(RIGHT, (JAMB_M, 6.3), (0, 2.05), 0.02),
    Patch(RIGHT, (2.6, 2.86), (0.75, 1.25), (0.42, 0.03, 0.03)),
    Patch(RIGHT, (3.3, 3.9), (1.35, 1.80), (0.10, 0.16, 0.30)),
    Patch(RIGHT, (3.36, 3.84), (1.40, 1.75), 0.60),
    Patch(END, (-0.62, 0.62), (0, 2.12), 0.08),
    Patch(END, (-0.55, 0.55), (0, 2.05), (0.24, 0.24, 0.25)),
    Patch(END, (-0.012, 0.012), (0, 2.05), 0.04),
    Patch(END, (-0.42, -0.16), (1.25, 1.75), 0.02, (0.03, 0.045, 0.06)),
    Patch(END, (0.16, 0.42), (1.25, 1.75), 0.02, (0.03, 0.045, 0.06)),
    Patch(END, (-0.24, 0.24), (2.20, 2.38), 0.1, (0.05, 0.42, 0.16)),
    *(Patch(CEILING, (-0.32, 0.32), (z - 0.65, z + 0.65), 0.1, 0.06) for z, _, _ in LAMPS),
    *(
        Patch(CEILING, (-0.26, 0.26), (z - 0.58, z + 0.58), 0, tuple(0.3 + 0.68 * c for c in hue))
        for z, _, hue in LAMPS
    ),
)


@dataclass(frozen=True)
class Window:
    """A block of whole scale-1 pixels, right and bottom edges excluded."""

    x0: int
    y0: int
    x1: int
    y1: int

    def grid(self, density: int) -> tuple[Linear, Linear]:
        """Return pixel-centre coordinates (1, w) and (h, 1) at ``density`` samples per pixel."""
        u = self.x0 - 0.5 + (np.arange((self.x1 - self.x0) * density) + 0.5) / density
        v = self.y0 - 0.5 + (np.arange((self.y1 - self.y0) * density) + 0.5) / density
        return linear(u)[None, :], linear(v)[:, None]

    def block(self, scale: int) -> tuple[slice, slice]:
        """Return the row and column slices of this window in a picture ``scale`` times as dense."""
        return slice(self.y0 * scale, self.y1 * scale), slice(self.x0 * scale, self.x1 * scale)


def linear(values: npt.ArrayLike) -> Linear:
    """Return values as float32."""
    return np.asarray(values, np.float32)


def project(point: Vector) -> Point:
    """Return the pixel (x, y) of a point in metres."""
    x, y, z = point
    return HORIZON[0] + FOCAL_PX * x / z, HORIZON[1] + FOCAL_PX * (CAMERA_HEIGHT_M - y) / z


@lru_cache(maxsize=1)
def _wear() -> Linear:
    """Return a tileable 512 x 512 field of 1/f noise, zero mean, unit deviation: smudges, cloth folds."""
    frequency = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512)[None, :]) + 1 / 512
    spectrum = np.fft.rfft2(np.random.default_rng(0).normal(size=(512, 512))) / frequency**1.3
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum)
    return linear(field / field.std())


def _worn(a: Linear, b: Linear) -> Linear:
    """Sample the wear field at texel coordinates (a, b), wrapping round."""
    columns, rows = (linear(c - 512 * np.floor(c / 512)) for c in (a, b))  # np.mod is far slower
    return linear(cv2.remap(_wear(), columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP))


def _hit(u: Linear, v: Linear) -> tuple[Linear, Surfaces]:
    """Return where each pixel's ray meets the corridor: points (3, h, w) in metres and surface numbers (h, w)."""
    across, down = np.meshgrid((u - HORIZON[0]) / FOCAL_PX, (v - HORIZON[1]) / FOCAL_PX)
    side = HALF_WIDTH_M / np.maximum(np.abs(across), 1e-6)
    level = np.where(down > 0, CAMERA_HEIGHT_M, CEILING_M - CAMERA_HEIGHT_M) / np.maximum(np.abs(down), 1e-6)
    depth = np.minimum(np.minimum(side, level), LENGTH_M)
    surface = np.where(depth == side, np.where(across < 0, LEFT, RIGHT), np.where(down > 0, FLOOR, CEILING))
    surface[depth == LENGTH_M] = END
    return linear(np.stack([across * depth, CAMERA_HEIGHT_M - down * depth, depth])), surface.astype(np.int8)


def _smudges(points: Linear, surface: Surfaces) -> Linear:
    """Return how much of the light (h, w) the wear of each surface's paint leaves, about 1."""
    x, y, z = points
    along, up = np.where((surface == LEFT) | (surface == RIGHT), z, x), np.where(surface >= LEFT, y, z)
    return linear(1 + 0.07 * _worn(along * 70, up * 70))


def _paint(number: int, points: Linear) -> tuple[Linear, Linear]:
    """Return albedo and own light (3, n) of points (3, n) on one surface."""
    x, y, z = points
    along, up = (z if number in (LEFT, RIGHT) else x), (z if number in (FLOOR, CEILING) else y)
    joint = 0.25 if number in (FLOOR, CEILING) else 0.0  # between tiles of 0.6 m
    albedo = BASE_ALBEDO[number][:, None] * (1 - joint * (np.minimum(np.mod(x, 0.6), np.mod(z, 0.6)) < 0.015))
    glow = np.zeros_like(points)
    for patch in (patch for patch in PATCHES if patch.surface == number):
        inside = (along >= patch.along[0]) & (along < patch.along[1]) & (up >= patch.up[0]) & (up < patch.up[1])
        albedo[:, inside] = np.broadcast_to(patch.albedo, 3)[:, None]
        glow[:, inside] = np.broadcast_to(patch.glow, 3)[:, None]
    return linear(albedo), glow


def _shine(number: int, points: Linear) -> Linear:
    """Return the light (3, n) that the ceiling panels and their bounce throw on points (3, n) of one surface."""
    light = np.full_like(points, AMBIENT)
    for z, strength, colour in LAMPS:
        to_lamp = (-points[0], CEILING_M - points[1], z - points[2])
        square = to_lamp[0] ** 2 + to_lamp[1] ** 2 + to_lamp[2] ** 2 + np.float32(0.15)
        cosine = sum(part * normal for part, normal in zip(to_lamp, NORMALS[number], strict=True) if normal)
        falloff = np.maximum(cosine, 0) * (np.maximum(to_lamp[1], 0) + 0.25) / square**2 + 0.10 / (1 + square)
        light += linear(colour)[:, None] * (strength * falloff)
    return light


def _strip(window: Window, scale: int, samples: int) -> Linear:
    """Render the empty corridor inside one window, ``samples`` squared rays per output pixel."""
    points, surface = _hit(*window.grid(scale * samples))
    picture = np.empty((*surface.shape, 3), np.float32)
    for number in np.unique(surface):
        here = surface == number
        albedo, glow = _paint(int(number), points[:, here])
        picture[here] = (albedo * _shine(int(number), points[:, here]) + glow).T
    picture *= _smudges(points, surface)[..., None]
    size = ((window.x1 - window.x0) * scale, (window.y1 - window.y0) * scale)
    return linear(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def _bloom(picture: Linear) -> Linear:
    """Return the light that the lens scatters round the lamps, computed at scale 1, where so soft a thing is cheap."""
    small = cv2.resize(np.maximum(picture - 0.5, 0), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return linear(cv2.resize(0.5 * cv2.GaussianBlur(small, (0, 0), 11), picture.shape[1::-1]))


@lru_cache(maxsize=2)
def corridor(scale: int) -> Linear:
    """Render the empty corridor, (360 * scale, 640 * scale, 3), read-only."""
    rows = 12  # strips bound the memory: at scale 4 one float plane of the whole picture is 59 MB
    strips = [_strip(Window(0, y, WIDTH, y + rows), scale, max(2, 4 // scale)) for y in range(0, HEIGHT, rows)]
    picture = np.concatenate(strips)
    picture += _bloom(picture)
    picture.flags.writeable = False
    return picture


@dataclass(frozen=True)
class Pose:
    """Where the actor is and what the body does: metres, radians; heading and yaw > 0 are towards image right."""

    x: float
    z: float
    lift: float = 0.0
    phase: float = 0.0
    stride: float = 0.0
    heading: float = 0.0
    yaw: float = 0.0


EYE_HEIGHT_M, EYE_DISTANCE_M = 1.58, 0.063
RIGHT_EYE, LEFT_EYE = (203.4, 100.6), (246.2, 102.9)  # portrait pixels; the right eye is on the image's left
EYE_SPAN, EYE_ROW, AXIS = 42.86, 101.75, 227.0
HAIR_TO_COLLAR = np.array(
    [
        (155.7, 100),
        (153.5, 73),
        (155.7, 60),
        (165.3, 49),
        (176.6, 41.4),
        (189, 36.4),
        (193, 30),
        (200.4, 24.6),
        (215.4, 20.6),
        (229, 16.3),
        (243, 17),
        (260.6, 22.6),
        (275.6, 31.4),
        (287, 40),
        (294.5, 54),
        (298.2, 67.7),
        (301.5, 88),
        (298.7, 100.4),
        (293.2, 115.4),
        (284.4, 125.4),
        (279.4, 129.2),
        (274.4, 135.5),
        (268.6, 136.7),
        (266.4, 143),
        (263.1, 153),
        (258, 160.6),
        (255.6, 170.6),
        (253.6, 185.6),
        (258, 214),
        (182, 214),
        (185, 180),
        (186.1, 175.6),
        (185.6, 163),
        (185.6, 150.5),
        (183.3, 135.5),
        (180.3, 131.2),
        (175.3, 129.2),
        (171.5, 123),
        (169.8, 118),
        (162.8, 111.6),
    ]
)
HEAD_LEFT, HEAD_SIZE = 130, (240, 192)  # the part of the portrait that is used: first column; rows, columns


def _soft_matte() -> Linear:
    """Return the hand-drawn outline as opacity (512, 512), shrunk a little and feathered."""
    hard = np.zeros((512, 512), np.uint8)
    cv2.fillPoly(hard, [np.round(HAIR_TO_COLLAR * 256).astype(np.int32)], (255,), cv2.LINE_AA, 8)
    soft = cv2.GaussianBlur(hard.astype(np.float32) / 255, (0, 0), 1.6)
    ramp = np.clip((soft - 0.45) / 0.5, 0, 1)
    return linear(ramp * ramp * (3 - 2 * ramp))


def portrait_pixels() -> npt.NDArray[np.uint8]:
    """Return the portrait (512, 512, 3): NASA's photograph of Eileen Collins, in the public domain."""
    return np.asarray(skimage.data.astronaut(), np.uint8)  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1)
def _head() -> Linear:
    """Return the cut-out head in linear light, premultiplied RGBA (240, 192, 4)."""
    portrait = (portrait_pixels().astype(np.float32) / 255) ** 2.2
    matte = _soft_matte()[..., None]
    # the studio backdrop bleeds into the hair's edge: there the colour is carried outward from the safe inside
    inside = (matte > 0.98).astype(np.float32)
    spread = cv2.GaussianBlur(portrait * inside, (0, 0), 2) / (cv2.GaussianBlur(inside, (0, 0), 2)[..., None] + 1e-4)
    colour = np.where(inside > 0, portrait, spread)
    whole = np.concatenate([colour * matte, matte], -1, dtype=np.float32)
    return np.ascontiguousarray(whole[: HEAD_SIZE[0], HEAD_LEFT : HEAD_LEFT + HEAD_SIZE[1]])


def _depth(x: Linear, y: Linear) -> Linear:
    """Return how far the head stands out towards the viewer at portrait pixel (x, y), in portrait pixels."""
    across, along = np.square((x - AXIS) / 76), np.square((y - 98) / 112)
    nose = np.exp(-np.square((x - 223) / 7) - np.square((y - 125) / 12))
    return linear(80 * np.maximum(1 - across - along * along, 0) + 9 * nose)


def anchor(pose: Pose) -> tuple[float, float, float]:
    """Return the pixel (x, y) of the head's axis at eye height, and pixels per portrait pixel."""
    x, y = project((pose.x, EYE_HEIGHT_M + pose.lift, pose.z))
    return x, y, FOCAL_PX * EYE_DISTANCE_M / (pose.z * EYE_SPAN)


def place(pose: Pose, point: Point) -> Point:
    """Return the pixel where a portrait point appears in a pose."""
    x, y, zoom = anchor(pose)
    depth = float(_depth(linear(point[0]), linear(point[1])))
    turned = (point[0] - AXIS) * cos(pose.yaw) + depth * sin(pose.yaw)
    return x + zoom * turned, y + zoom * (point[1] - EYE_ROW)


def _unplace(pose: Pose, u: Linear, v: Linear) -> tuple[Linear, Linear]:
    """Return the portrait points (h, w) seen at pixels (u, v): the inverse of ``place``, by fixed-point iteration."""
    x0, y0, zoom = anchor(pose)
    turned, y = np.meshgrid(linear((u - x0) / zoom), linear((v - y0) / zoom + EYE_ROW))
    x = turned + AXIS
    for _ in range(8):
        x = linear(AXIS + (turned - _depth(x, y) * sin(pose.yaw)) / cos(pose.yaw))
    return x, y


def _key(point: Vector) -> tuple[Linear, Linear]:
    """Return the direction (unit vector) of the lamps' combined light at a point, and its RGB strength."""
    offsets = np.array([(-point[0], CEILING_M - point[1], z - point[2]) for z, _, _ in LAMPS])
    square = np.sum(offsets**2, -1, keepdims=True)
    power = np.array([[strength] for _, strength, _ in LAMPS]) * (offsets[:, 1:2] + 0.25) / square**1.5
    total = np.sum(offsets / np.sqrt(square) * power, axis=0)
    colour = np.sum(power * np.array([colour for *_, colour in LAMPS]), axis=0)
    return linear(total / np.linalg.norm(total)), linear(colour)


def _wrap(normal: tuple[Linear, Linear, Linear], point: Vector) -> Linear:
    """Return the light (3, h, w) on a rounded thing at a point; normals right, up and towards the camera."""
    direction, colour = _key(point)
    cosine = normal[0] * direction[0] + normal[1] * direction[1] - normal[2] * direction[2]
    soft = np.maximum(0.5 + 0.5 * cosine, 0)
    return linear(colour[:, None, None] * (soft * np.sqrt(soft)) + np.float32(2.2 * AMBIENT))


@lru_cache(maxsize=1)
def _head_normals() -> tuple[Linear, Linear, Linear]:
    """Return the head's unit normals on the portrait grid: right, up, towards the viewer."""
    y, x = np.mgrid[: HEAD_SIZE[0], HEAD_LEFT : HEAD_LEFT + HEAD_SIZE[1]].astype(np.float32)
    down, right = np.gradient(cv2.GaussianBlur(_depth(x, y), (0, 0), 3))
    length = np.sqrt(right**2 + down**2 + 1)
    return -right / length, down / length, 1 / length


def _lit_head(pose: Pose) -> Linear:
    """Return the head's RGBA texture under the corridor's light."""
    right, up, front = _head_normals()
    c, s = np.float32(cos(pose.yaw)), np.float32(sin(pose.yaw))
    light = _wrap((right * c + front * s, up, front * c - right * s), (pose.x, EYE_HEIGHT_M, pose.z))
    return np.concatenate([_head()[..., :3] * np.moveaxis(light, 0, -1), _head()[..., 3:]], -1)


@dataclass(frozen=True)
class Limb:
    """A rounded piece of the body: axis, and half widths at even steps along it, in metres; a hem ends flat."""

    start: Vector
    end: Vector
    widths: tuple[float, ...]
    albedo: Vector
    hem: bool = False


def _over(canvas: Linear, colour: Linear, opacity: Linear) -> None:
    """Lay a colour (3, h, w) with opacity (h, w) over a premultiplied RGBA canvas (4, h, w), in place."""
    canvas *= 1 - opacity
    canvas[:3] += colour * opacity
    canvas[3] += opacity


def _near(ends: tuple[Point, Point], margin: float, window: Window, density: int) -> tuple[slice, slice]:
    """Return the rows and columns of a window's grid that lie within a margin in px of the box round two points."""

    def span(ends: Point, origin: int) -> slice:
        low, high = min(ends) - margin - origin, max(ends) + margin - origin
        return slice(max(0, int(low * density)), max(0, int(high * density)))

    (x0, y0), (x1, y1) = ends
    return span((y0, y1), window.y0), span((x0, x1), window.x0)


def _draw_limb(canvas: Linear, limb: Limb, u: Linear, v: Linear, density: int) -> None:
    """Draw one limb, shaded as a tube and creased, on a premultiplied RGBA canvas (4, h, w), in place."""
    (x0, y0), (x1, y1) = project(limb.start), project(limb.end)
    dx, dy = x1 - x0, y1 - y0
    along = np.clip((u - x0) * dx + (v - y0) * dy, 0, dx * dx + dy * dy) / np.float32(dx * dx + dy * dy + 1e-6)
    right, down = u - x0 - along * dx, v - y0 - along * dy
    zoom = FOCAL_PX / (limb.start[2] + along * (limb.end[2] - limb.start[2]))
    radius = zoom * np.interp(along, np.linspace(0, 1, len(limb.widths)), limb.widths).astype(np.float32)
    opacity = np.clip((radius - np.hypot(right, down)) * density + 0.5, 0, 1)
    if limb.hem:
        opacity = opacity * np.clip((y1 - v) * density + 0.5, 0, 1)
    right, down = 0.8 * right / (radius + 0.5 / density), 0.8 * down / (radius + 0.5 / density)
    front = np.sqrt(np.maximum(1 - right**2 - down**2, 0))
    crease = 1 + 0.16 * _worn(along * 60 + 900 * limb.widths[0], right * 24)
    light = _wrap((right, -down, front), limb.start) * crease
    _over(canvas, light * np.array(limb.albedo, np.float32)[:, None, None], opacity)


def _draw_head(canvas: Linear, pose: Pose, u: Linear, v: Linear) -> None:
    """Draw the turned and lit head on a premultiplied RGBA canvas (4, h, w), in place."""
    x, y = _unplace(pose, u, v)
    head = cv2.remap(_lit_head(pose), x - HEAD_LEFT, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
    canvas *= 1 - np.clip(head[..., 3], 0, 1)
    canvas += np.maximum(np.moveaxis(head, -1, 0), 0)


def actor(pose: Pose, body: Sequence[Limb], window: Window, density: int) -> Linear:
    """Return the actor, limbs in painting order and the head on top, ``density`` samples per pixel.

    The result is premultiplied RGBA (h, w, 4).
    """
    u, v = window.grid(density)
    canvas = np.zeros((4, v.size, u.size), np.float32)
    for limb in body:
        margin = FOCAL_PX * max(limb.widths) / min(limb.start[2], limb.end[2]) + 1
        rows, columns = _near((project(limb.start), project(limb.end)), margin, window, density)
        if canvas[0, rows, columns].size:
            _draw_limb(canvas[:, rows, columns], limb, u[:, columns], v[rows], density)
    x, y, zoom = anchor(pose)
    rows, columns = _near(((x, y - 25 * zoom), (x, y + 52 * zoom)), 85 * zoom, window, density)
    if canvas[0, rows, columns].size:
        _draw_head(canvas[:, rows, columns], pose, u[:, columns], v[rows])
    return np.ascontiguousarray(np.moveaxis(canvas, 0, -1))
