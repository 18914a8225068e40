"""Coding: JPEG and H.264 and back, in memory. One thread each, so equal input gives equal output."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from PIL import Image

from facerecon.records import RGB

_CHROMA_HALVED = 2
_FRAMES_PER_S = 25


def jpeg_coded(pixels: RGB, quality: int) -> RGB:
    """Code and decode as baseline JPEG (ITU-T T.81) with chroma at half size, as network cameras do.

    Args:
        pixels: RGB picture.
        quality: libjpeg's scale, 1..100.
    """
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling=_CHROMA_HALVED)
    with Image.open(stream) as image:
        return np.array(image.convert("RGB"))


def h264_coded(frames: Sequence[RGB], crf: int) -> tuple[RGB, ...]:
    """Code frames of one size as one H.264 clip (ITU-T H.264, x264) and decode it: same number, same order.

    The first picture is intra coded and the others are predicted from those before (no B pictures, as in cameras);
    4:2:0, BT.601. Odd sides are padded by repeating the border, and cut off again.

    Args:
        frames: RGB pictures.
        crf: x264's constant rate factor, 0 (best) to 51.

    Raises:
        RuntimeError: the codec gave back another number of frames.
    """
    height, width = frames[0].shape[:2]
    padding = ((0, height % 2), (0, width % 2), (0, 0))
    packets = _encoded([np.pad(frame, padding, mode="edge") for frame in frames], crf)
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    pictures = [picture for packet in [*packets, None] for picture in decoder.decode(packet)]
    if len(pictures) != len(frames):
        raise RuntimeError(f"H.264 gave {len(pictures)} of {len(frames)} frames back")
    arrays = (picture.to_ndarray(format="rgb24", src_colorspace="ITU601") for picture in pictures)
    return tuple(np.ascontiguousarray(array[:height, :width]) for array in arrays)


def _encoded(frames: Sequence[RGB], crf: int) -> list[Any]:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = frames[0].shape[:2]
    encoder.pix_fmt, encoder.thread_count = "yuv420p", 1
    encoder.time_base, encoder.framerate = Fraction(1, _FRAMES_PER_S), Fraction(_FRAMES_PER_S)
    encoder.options = {"crf": str(crf), "preset": "veryfast", "bf": "0", "threads": "1"}
    packets: list[Any] = []
    for index, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace="ITU601")
        picture.pts, picture.time_base = index, Fraction(1, _FRAMES_PER_S)
        packets.extend(encoder.encode(picture))
    return [*packets, *encoder.encode(None)]
