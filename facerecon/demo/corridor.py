"""Own the demo's stage: a drawn corridor, seen through a pinhole camera.

Everything in this package is linear light (float32, 1.0 = display white) and depends only on its arguments; noise,
clocks and codecs belong to ``clip``. Metres: X right, Y up from the floor, Z away from the camera. Pixels: scale-1
pixels whose centres have whole coordinates, so the scale-4 block of pixel (x, y) is centred on (x, y) too.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

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
