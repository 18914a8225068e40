"""Own the demo's actor: a drawn body that wears the public-domain astronaut portrait, lit by the corridor's lamps."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import cos, sin

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

from facerecon.demo.corridor import (
    AMBIENT,
    CEILING_M,
    FOCAL_PX,
    LAMPS,
    Linear,
    Point,
    Vector,
    Window,
    _worn,
    linear,
    project,
)


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
    normal = linear(right), linear(-down), linear(np.sqrt(np.maximum(1 - right**2 - down**2, 0)))
    crease = 1 + 0.16 * _worn(linear(along * 60 + 900 * limb.widths[0]), linear(right * 24))
    light = _wrap(normal, limb.start) * crease
    _over(canvas, light * np.array(limb.albedo, np.float32)[:, None, None], linear(opacity))


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
