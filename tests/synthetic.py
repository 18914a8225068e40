"""Small synthetic videos and pictures whose pixels say which frame they are. Used by all tests; no real footage needed.

Each frame carries its number as ten dark or bright cells along its top edge, so a test can check that the pixels, the
index and the time of a frame belong together, also after lossy coding. Below is a smooth texture and a moving square.
"""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from facerecon.profiles import Sample
from facerecon.records import Frame, Skipped
from facerecon.video import open_source

Pixels = npt.NDArray[np.uint8]
BITS = 10
DARK, BRIGHT = 40, 215


def numbered(number: int, width: int = 160, height: int = 96) -> Pixels:
    """Return an RGB picture, uint8, shape (height, width, 3), that shows `number` (0..1023)."""
    pixels = _texture(width, height)
    band, cell = height // 4, width // BITS
    for bit in range(BITS):
        pixels[:band, bit * cell : (bit + 1) * cell] = BRIGHT if number >> bit & 1 else DARK
    side = height // 4
    left = (number * 4) % max(1, width - side)
    pixels[height // 2 : height // 2 + side, left : left + side] = (220, 60, 60)
    return pixels


def _texture(width: int, height: int) -> Pixels:
    coarse = np.random.default_rng(7).integers(70, 180, (6, 10, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def number_in(pixels: Pixels) -> int:
    """Return the number that a frame shows.

    Raises:
        ValueError: a cell is neither dark nor bright, so the picture is not one of ours or is damaged.
    """
    height, width = pixels.shape[:2]
    band, cell = height // 4, width // BITS
    number = 0
    for bit in range(BITS):
        level = float(pixels[2 : band - 2, bit * cell + 2 : (bit + 1) * cell - 2].mean())
        if 90 < level < 165:
            raise ValueError(f"cell {bit} has level {level:.0f}")
        number |= int(level > 128) << bit
    return number


@dataclass(frozen=True)
class Video:
    """How a synthetic video is written. `pts` are in ticks of `time_base`; None: 0, 1, 2, ... at `rate`."""

    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    frames: int = 30
    size: tuple[int, int] = (160, 96)
    rate: int = 25
    pts: Sequence[int] | None = None
    time_base: Fraction | None = None
    container: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    gop: int = 10
    b_frames: int = 0
    rotation: int = 0
    colorspace: int | None = None
    color_range: int | None = None
    sample_aspect_ratio: Fraction | None = None
    picture: Callable[[int, int, int], Pixels] = numbered


def write_video(path: Path, video: Video | None = None, **changes: Any) -> Path:
    """Write a video and return its path; `changes` are fields of `Video`."""
    spec = video or Video(**changes)
    base = spec.time_base or Fraction(1, spec.rate)
    with av.open(str(path), "w", format=spec.container, options=spec.container_options) as container:
        stream = _add_stream(container, spec, base)
        for number in range(spec.frames):
            frame = _frame(spec, number)
            frame.pts, frame.time_base = spec.pts[number] if spec.pts else number, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _add_stream(container: Any, spec: Video, base: Fraction) -> Any:
    stream = container.add_stream(spec.codec, rate=spec.rate, options=dict(spec.options))
    stream.width, stream.height = spec.size
    stream.pix_fmt = spec.pixel_format
    stream.codec_context.time_base = base
    stream.codec_context.thread_count = 1
    if spec.codec.startswith(("libx264", "mpeg", "libvpx")):
        stream.codec_context.gop_size = spec.gop
        stream.codec_context.max_b_frames = spec.b_frames
    if spec.colorspace is not None:
        stream.codec_context.colorspace = spec.colorspace
    if spec.color_range is not None:
        stream.codec_context.color_range = spec.color_range
    if spec.sample_aspect_ratio is not None:
        stream.codec_context.sample_aspect_ratio = spec.sample_aspect_ratio
    if spec.rotation:
        stream.set_display_rotation(spec.rotation)
    return stream


def _frame(spec: Video, number: int) -> Any:
    rgb = av.VideoFrame.from_ndarray(spec.picture(number, *spec.size), format="rgb24")
    if spec.pixel_format == "rgb24":
        return rgb
    frame = rgb.reformat(
        format=spec.pixel_format, dst_colorspace=spec.colorspace, dst_color_range=spec.color_range, threads=1
    )
    frame.pict_type = 0
    return frame


def passing(time: int, width: int, height: int) -> Pixels:
    """Return a smooth scene in which a block of upright bars moves 3 px to the right per unit of time."""
    pixels, side = _texture(width, height), height // 2
    left = 8 + 3 * time % (width - side - 8)
    bars = np.where(np.arange(side) // 6 % 2, DARK, BRIGHT).astype(np.uint8)
    pixels[height // 4 : height // 4 + side, left : left + side] = bars[None, :, None]
    return pixels


def woven(number: int, width: int, height: int, top_first: bool = True) -> Pixels:
    """Return an interlaced frame of `passing`: its first field is from time 2 * number, its second from one later."""
    pixels, second = passing(2 * number, width, height), int(top_first)
    pixels[second::2] = passing(2 * number + 1, width, height)[second::2]
    return pixels


def write_with_sound(path: Path, video: Path, codec: str = "aac", packets: int = 30, rate: int = 44100) -> Path:
    """Copy a video beside a new audio stream of `packets` times 1,024 samples."""
    with av.open(str(video)) as source, av.open(str(path), "w") as container:
        pictures = container.add_stream_from_template(source.streams.video[0])
        sound = container.add_stream(codec, rate=rate)
        sound.layout = "mono"
        container.start_encoding()
        coded = [packet for packet in source.demux(video=0) if packet.size]
        for packet in coded:
            packet.stream = pictures
        coded += _coded_sound(sound, packets, rate)
        for packet in sorted(coded, key=lambda each: each.dts * each.time_base):
            container.mux_one(packet)
    return path


def _coded_sound(stream: Any, packets: int, rate: int) -> list[Any]:
    coded = []
    for number in range(packets):
        wave = np.sin(np.arange(1024) * (0.02 + 0.001 * number)) * 8000
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, number * 1024, Fraction(1, rate)
        coded += stream.encode(frame)
    return [*coded, *stream.encode(None)]


def audio_packets(path: Path) -> list[tuple[Fraction, bytes]]:
    """Return time in seconds and content of each packet of the first audio stream."""
    with av.open(str(path)) as container:
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in container.demux(audio=0) if packet.size]


def vfr_pts(frames: int, seed: int = 3) -> list[int]:
    """Return irregular, strictly increasing times in ticks."""
    steps = np.random.default_rng(seed).integers(200, 9000, frames)
    return [int(value) for value in np.cumsum(steps) - steps[0]]


def write_gif(path: Path, durations_ms: Sequence[int], size: tuple[int, int] = (160, 96)) -> Path:
    """Write an animated GIF, PNG or WebP (by suffix) with a frame per duration."""
    pictures = [Image.fromarray(numbered(number, *size)) for number in range(len(durations_ms))]
    options: dict[str, Any] = {"lossless": True} if path.suffix == ".webp" else {}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=list(durations_ms), **options)
    return path


def write_pictures(folder: Path, names: Iterable[str], size: tuple[int, int] = (160, 96)) -> Path:
    """Write numbered pictures, in the order of `names`, into a new folder."""
    folder.mkdir()
    for number, name in enumerate(names):
        Image.fromarray(numbered(number, *size)).save(folder / name)
    return folder


def packet_places(path: Path) -> list[tuple[int, int]]:
    """Return (byte position, size) of each video packet, in file order."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


def corrupted(source: Path, target: Path, start: int, count: int, seed: int = 5) -> Path:
    """Copy a file with `count` bytes from `start` on replaced by noise."""
    data = bytearray(source.read_bytes())
    data[start : start + count] = np.random.default_rng(seed).bytes(count)
    target.write_bytes(data)
    return target


def zeroed(source: Path, target: Path, start: int, count: int) -> Path:
    """Copy a file with `count` bytes from `start` on set to zero."""
    data = bytearray(source.read_bytes())
    data[start : start + count] = bytes(count)
    target.write_bytes(data)
    return target


def truncated(source: Path, target: Path, size: int) -> Path:
    """Copy the first `size` bytes of a file."""
    shutil.copyfile(source, target)
    with target.open("r+b") as file:
        file.truncate(size)
    return target


def read(path: Path, sample: Sample | None = None, **options: Any) -> tuple[list[Frame], list[Skipped]]:
    """Open a source, with `options` for `open_source`, and return its frames and its omissions."""
    items = list(open_source(path, **options).frames(sample or Sample()))
    return [each for each in items if isinstance(each, Frame)], [each for each in items if isinstance(each, Skipped)]


def told(skipped: list[Skipped]) -> list[tuple[str, str, int]]:
    """Return subject, reason and count of each omission."""
    return [(each.subject, each.reason, each.count) for each in skipped]


def write_bomb(folder: Path) -> Path:
    """Write a PNG of a few bytes that claims 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    chunks = (b"IHDR" + header, b"IDAT" + zlib.compress(bytes(100)), b"IEND")
    coded = [struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks]
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(coded))
    return folder / "bomb.png"
