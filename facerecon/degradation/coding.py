"""Coding: JPEG, Motion JPEG and H.264 and back, in memory. One thread each, so equal input gives equal output.

For x264 one thread is not enough: with AVX-512 about one short clip in 250 (33 of 8,835) came out with other blocks
than in other runs; with its assembly limited to AVX2 none did.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter
from PIL import Image

from facerecon.records import RGB

_CHROMA_HALVED = 2
_TICK = Fraction(1, 25)
_STEADY = "asm=MMX2,SSE2,SSSE3,SSE4.2,AVX,AVX2"


def jpeg_coded(pixels: RGB, quality: int) -> RGB:
    """Code and decode as baseline JPEG (ITU-T T.81) with chroma at half size, as network cameras do.

    Args:
        pixels: RGB picture.
        quality: libjpeg's scale, 1..100.
    """
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling=_CHROMA_HALVED)
    with Image.open(stream, formats=("JPEG",)) as image:
        return np.array(image)


def mjpeg_coded(pixels: RGB, quantiser: int) -> RGB:
    """Code and decode as a picture of Motion JPEG: libavcodec's tables (those of MPEG-1) and rounding, BT.601, 4:2:0.

    Every picture stands for itself (ITU-T T.81 in a stream, RFC 2435), so one picture is a clip.

    Args:
        pixels: RGB picture.
        quantiser: libavcodec's scale (`-q:v`), 2 (best) to 31: a factor on the tables.
    """
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.height, encoder.width = pixels.shape[:2]
    encoder.pix_fmt, encoder.thread_count = "yuvj420p", 1
    encoder.time_base, encoder.qmin, encoder.qmax = _TICK, quantiser, quantiser
    (decoded,) = _decoded(_packets(encoder, [pixels]), "mjpeg")
    return _rgb(decoded, VideoReformatter())


def h264_coded(frames: Sequence[RGB], crf: int, first: int = 0) -> tuple[RGB, ...]:
    """Code frames of one size as one H.264 clip (ITU-T H.264, x264) and decode it: those from `first` on, in order.

    The first picture is intra coded and the others are predicted from those before (no B pictures, as in cameras);
    4:2:0, BT.601. Odd sides are padded by repeating the border, and cut off again.

    Args:
        frames: RGB pictures.
        crf: x264's constant rate factor, 0 (best) to 51.
        first: the number of the first frame that is wanted back; those before it only lead there.

    Raises:
        RuntimeError: the codec gave back another number of frames.
    """
    height, width = frames[0].shape[:2]
    pictures = _decoded(_packets(_x264(height + height % 2, width + width % 2, crf), [*map(_even, frames)]), "h264")
    if len(pictures) != len(frames):
        raise RuntimeError(f"H.264 gave {len(pictures)} of {len(frames)} frames back")
    reformatter = VideoReformatter()
    arrays = (_rgb(picture, reformatter) for picture in pictures[first:])
    return tuple(np.ascontiguousarray(array[:height, :width]) for array in arrays)


def _x264(height: int, width: int, crf: int) -> Any:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = height, width
    encoder.pix_fmt, encoder.thread_count = "yuv420p", 1
    encoder.time_base, encoder.framerate = _TICK, 1 / _TICK
    speed = {"preset": "veryfast", "bf": "0", "threads": "1", "x264-params": _STEADY}
    encoder.options = {"crf": str(crf), **speed}
    return encoder


def _even(frame: RGB) -> RGB:
    """Return the frame with its border repeated where a side is odd."""
    bottom, right = (side % 2 for side in frame.shape[:2])
    if not bottom and not right:
        return frame
    return np.asarray(cv2.copyMakeBorder(frame, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)


def _packets(encoder: Any, frames: Sequence[RGB]) -> list[Any]:
    packets: list[Any] = []
    reformatter = VideoReformatter()
    for index, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        # Threads are started anew for each picture, and cost more than a face's conversion.
        picture = reformatter.reformat(picture, format=encoder.pix_fmt, dst_colorspace=Colorspace.ITU601, threads=1)
        picture.pts, picture.time_base = index, _TICK
        packets.extend(encoder.encode(picture))
    return [*packets, *encoder.encode(None)]


def _decoded(packets: Sequence[Any], codec: str) -> list[Any]:
    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    return [picture for packet in [*packets, None] for picture in decoder.decode(packet)]


def _rgb(picture: Any, reformatter: VideoReformatter) -> RGB:
    converted = reformatter.reformat(picture, format="rgb24", src_colorspace=Colorspace.ITU601, threads=1)
    return np.asarray(converted.to_ndarray(), np.uint8)
