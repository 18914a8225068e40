"""Pictures and videos of a case for a redacted copy: copied as they are, or covered. Knows no records.

A picture that is copied has no metadata but the words this program writes: no thumbnail (EXIF), no vector. Covered
pictures get new metadata. A covered video is coded without loss, so that no pixel changes but the covered ones.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from PIL import Image

from facerecon.errors import EvidenceError
from facerecon.pictures import decode_png, encode_png
from facerecon.pipeline.masking import Mask, Region, covered, placed
from facerecon.pipeline.outputs import Stated, held
from facerecon.profiles import Sample
from facerecon.records import RGB, Frame
from facerecon.video.opening import open_source, strictest
from facerecon.video.writing import VideoWriter, WrittenVideo

TITLE = "REDACTED COPY, covered in part for disclosure. "
_MAGIC = b"\x89PNG\r\n\x1a\n"
_CHUNKS = frozenset({b"IHDR", b"IDAT", b"IEND", b"iTXt"})
_KEPT = ("Software", "Source SHA-256", "Frame", "Crop", "Steps")
_KEYS = frozenset(
    {*_KEPT, "Title", "Original", "Frames", "Compared", "Method", "Reference", "Full scale", "File", "File SHA-256"}
)
_LONGEST_WORDS_BYTES = 1 << 16


def is_plain(data: bytes) -> bool:
    """Tell whether a PNG holds pixels and this program's words only: no other chunk or key, nothing behind it."""
    return data.startswith(_MAGIC) and all(_known(kind, body) for kind, body in _chunks(data))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of each chunk (ISO/IEC 15948); what is no chunk comes with an empty type."""
    place = len(_MAGIC)
    while place < len(data):
        if place + 12 > len(data):
            yield b"", data[place:]
            return
        (length,) = struct.unpack_from(">I", data, place)
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += 12 + length
        yield kind, body
        if kind == b"IEND" and place != len(data):
            yield b"", data[place:]
            return


def _known(kind: bytes, body: bytes) -> bool:
    if kind != b"iTXt":
        return kind in _CHUNKS
    key = body.partition(b"\0")[0].decode("latin-1")
    return key in _KEYS and len(body) <= _LONGEST_WORDS_BYTES


def covered_png(data: bytes, path: str, regions: Sequence[Region], size: tuple[int, int] | None = None) -> bytes:
    """Return a picture again, with regions covered and fresh metadata.

    Raises:
        EvidenceError: it is no picture.
    """
    return encode_png(covered(decode_png(data, path), regions, size), _words(data, bool(regions)))


def _words(data: bytes, changed: bool) -> dict[str, str]:
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        image.load()
        found = {key: str(value) for key, value in image.info.items() if key in _KEYS}
    title = found.get("Title", "")[:_LONGEST_WORDS_BYTES]
    kept = {key: found[key] for key in _KEPT if len(found.get(key, "")) in range(1, _LONGEST_WORDS_BYTES)}
    return {"Title": f"{TITLE if changed else ''}{title}", **kept}


@dataclass(frozen=True)
class Layout:
    """How a rendered picture shows the source's frame.

    `frame` is the frame's width and height; the picture shows it enlarged `scale` times, and `panels` times side by
    side, above a label.
    """

    frame: tuple[int, int]
    scale: int
    panels: int = 1

    def size(self, pixels: RGB) -> tuple[int, int]:
        """Return width and height of what may be painted.

        Raises:
            ValueError: the picture is not of this layout.
        """
        width, height = self.frame[0] * self.scale * self.panels, self.frame[1] * self.scale
        # H.264 has even sizes only.
        if pixels.shape[1] not in (width, width + width % 2) or pixels.shape[0] < height:
            raise ValueError(f"{pixels.shape[1]}x{pixels.shape[0]} px do not show a frame of {width}x{height} px")
        return width, height

    def placed(self, regions: Sequence[Region]) -> list[Region]:
        """Return regions of the frame where the picture shows them, in every panel; each cut to its panel."""
        wide, high = (side * self.scale for side in self.frame)
        inside = placed(regions, (0, 0), self.frame, self.scale)
        cut = [(max(0, x0), max(0, y0), min(wide, x1), min(high, y1)) for x0, y0, x1, y1 in inside]
        return [(x0 + n * wide, y0, x1 + n * wide, y1) for n in range(self.panels) for x0, y0, x1, y1 in cut]


def covered_frame(data: bytes, path: str, regions: Sequence[Region], layout: Layout) -> bytes:
    """Return a whole frame, or what was rendered of it, with regions of the frame covered.

    Raises:
        ValueError: it does not show the frame as `layout` says, so nobody knows where the regions are in it.
        EvidenceError: it is no picture.
    """
    size = layout.size(decode_png(data, path))
    return covered_png(data, path, layout.placed(regions), size)


def covered_video(video: Stated, scratch: Path, mask: Mask, layout: Layout, delay_s: Fraction) -> WrittenVideo:
    """Write a rendered video again, covered, as FFV1 without loss; without sound, since nobody knows whose voice it is.

    Args:
        video: the rendered video, which is decoded from the very file that was checked.
        scratch: the new file, with the suffix .mkv.
        mask: what to cover when.
        layout: how the video shows the source's frames.
        delay_s: how much later than in the source its pictures are.

    Raises:
        ValueError: a frame cannot be decoded or is not of the layout, so the video would not be covered faithfully.
        IntegrityError: it is not what was recorded.
        ResourceError: the disk is full.
    """
    with held(video) as path:
        try:
            frames = open_source(path, isolation=strictest()).frames(Sample())
            return _written(frames, video.sha256, scratch, mask, layout, delay_s)
        except EvidenceError as error:
            raise ValueError(str(error).replace(str(path), video.name)) from None


def _written(
    frames: Iterator[object], sha256: str, scratch: Path, mask: Mask, layout: Layout, delay: Fraction
) -> WrittenVideo:
    writer: VideoWriter | None = None
    with ExitStack() as stack:
        for item in frames:
            if not isinstance(item, Frame):
                raise ValueError("a frame of it cannot be decoded")
            regions = layout.placed(mask.at(item.timestamp.seconds - delay))
            pixels = covered(item.pixels, regions, layout.size(item.pixels))
            writer = writer or stack.enter_context(_writer(scratch, sha256, pixels))
            writer.write(pixels, item.timestamp)
    if writer is None or writer.result is None:
        raise ValueError("it has no frame")
    return writer.result


def _writer(scratch: Path, sha256: str, first: RGB) -> VideoWriter:
    return VideoWriter(
        scratch,
        source=None,
        source_sha256=sha256,
        size_px=(first.shape[1], first.shape[0]),
        codec="ffv1",
        comment=f"{TITLE}The digest is that of the video before. Without sound.",
    )
