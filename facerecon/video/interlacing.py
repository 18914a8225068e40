"""Interlaced video: is it, in which field order, by what evidence; and one progressive picture per woven one.

Looks at a bounded number of frames to decide. Never changes how many frames there are, nor their times.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from typing import Any, Literal

import av
import av.filter
import av.logging

from facerecon.records import Record
from facerecon.video.decoding import Picture

FieldOrder = Literal["tff", "bff", "unknown"]
# Not "on" and "off": YAML takes these for booleans, and profiles use the same words.
Deinterlace = Literal["never", "auto", "always"]

# FFmpeg's AVFieldOrder; what counts is which field is shown first.
_ORDERS_FROM_HEADER: dict[int, str] = {1: "progressive", 2: "tff", 3: "bff", 4: "bff", 5: "tff"}
_PLACES, _FRAMES_PER_PLACE, _PACKETS_PER_PLACE = 5, 14, 60
# Motion must show one field order at least this often, and this many times as often as the other one.
_FEWEST, _DOMINANCE = 4, 4


class FieldsFromHeader(Record):
    """What the coded stream states: the order of the fields, and how many of the frames looked at are flagged."""

    field_order: str
    interlaced_frames: int


class FieldsFromContent(Record):
    """What motion shows (FFmpeg's idet filter): how many frames look woven top field first, bottom first, or whole."""

    tff: int
    bff: int
    progressive: int
    undetermined: int


class Interlacing(Record):
    """Whether a video is interlaced, its field order, what decided that, and the evidence.

    Content decides where there is enough motion to see it, because recorders often flag wrongly; else the header does.
    """

    interlaced: bool
    field_order: FieldOrder
    decided_by: Literal["content", "header"]
    frames_looked_at: int
    from_header: FieldsFromHeader
    from_content: FieldsFromContent


def detect(container: Any, stream: Any) -> Interlacing:
    """Decide whether an open video is interlaced, from up to 70 frames at five places spread over it.

    At most 300 packets are decoded: where key frames are further apart than that allows, the places are earlier. The
    container is left at an arbitrary place. Frames that cannot be decoded are passed over.
    """
    verdicts: Counter[str] = Counter()
    looked = flagged = 0
    for run in _runs(container, stream):
        looked, flagged = looked + len(run), flagged + sum(bool(image.interlaced_frame) for image in run)
        verdicts.update(_verdicts(run))
    order = _ORDERS_FROM_HEADER.get(int(stream.codec_context.field_order), "unknown")
    header = FieldsFromHeader(field_order=order, interlaced_frames=flagged)
    content = FieldsFromContent(**{kind: verdicts[kind] for kind in FieldsFromContent.model_fields})
    return decide(header, content, looked)


def decide(header: FieldsFromHeader, content: FieldsFromContent, frames_looked_at: int) -> Interlacing:
    """Weigh what the header states against what motion shows."""
    order: FieldOrder = "tff" if content.tff >= content.bff else "bff"
    more, less = max(content.tff, content.bff), min(content.tff, content.bff)
    woven = more >= _FEWEST and more >= _DOMINANCE * less and more >= content.progressive
    whole = content.progressive >= _FEWEST and content.progressive >= _DOMINANCE * (more + less)
    stated = 2 * header.interlaced_frames >= frames_looked_at > 0
    if not woven:
        order = "tff" if header.field_order == "tff" else "bff" if header.field_order == "bff" else "unknown"
    interlaced = woven or (stated and not whole)
    return Interlacing(
        interlaced=interlaced,
        field_order=order if interlaced or header.interlaced_frames else "unknown",
        decided_by="content" if woven or whole else "header",
        frames_looked_at=frames_looked_at,
        from_header=header,
        from_content=content,
    )


def described(found: Interlacing) -> str:
    """Return the words for what `deinterlaced` does to every frame of such a video."""
    order = "that of each frame's header, else tff" if found.field_order == "unknown" else found.field_order
    return f"deinterlaced by bwdif, frames without neighbours by estdif (field order {order})"


def _runs(container: Any, stream: Any) -> Iterator[list[Any]]:
    """Yield runs of consecutive frames from places spread over the video; each place once."""
    seen: set[int | None] = set()
    for offset in _offsets(container):
        run = _run_at(container, stream, offset)
        if run and run[0].pts not in seen:
            seen.add(run[0].pts)
            yield run


def _offsets(container: Any) -> list[int | None]:
    if not container.duration or container.duration < 0:
        return [None]
    start = container.start_time or 0
    return [None, *(start + container.duration * place // _PLACES for place in range(1, _PLACES))]


def _run_at(container: Any, stream: Any, offset_us: int | None) -> list[Any]:
    with av.logging.Capture():
        try:
            container.seek(container.start_time or 0 if offset_us is None else offset_us, backward=True)
            stream.codec_context.flush_buffers()
        except av.error.FFmpegError:
            if offset_us is not None:
                return []
        return _run_from(_decoded(container, stream), offset_us)


def _run_from(images: Iterator[Any], offset_us: int | None) -> list[Any]:
    """Return the first frames from a time on, or the last of those that the bound allows to decode on the way there."""
    run: deque[Any] = deque(maxlen=_FRAMES_PER_PLACE)
    for image in images:
        if run and (image.width, image.height) != (run[0].width, run[0].height):
            break
        run.append(image)
        if len(run) == _FRAMES_PER_PLACE and _reached(run[0], offset_us):
            break
    return list(run)


def _reached(image: Any, offset_us: int | None) -> bool:
    return offset_us is None or image.time is None or image.time * av.time_base >= offset_us


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    try:
        for packet in islice(container.demux(stream), _PACKETS_PER_PLACE):
            try:
                yield from (image for image in stream.codec_context.decode(packet) if not image.is_corrupt)
            except av.error.FFmpegError:
                continue
    except av.error.FFmpegError:
        return


def _verdicts(run: list[Any]) -> list[str]:
    """Return idet's verdict on each frame that has both neighbours."""
    if len(run) < 3:
        return []
    graph, out = _Graph(run[0], "idet"), []
    for number, image in enumerate(run):
        out += graph.push(image, number)
    out += graph.finish()
    return [str(image.metadata.get("lavfi.idet.single.current_frame", "undetermined")) for image in out[1:-1]]


def deinterlaced(
    pictures: Iterable[Picture], order: FieldOrder, *, neighbours: bool = True
) -> Generator[Picture, None, None]:
    """Yield every picture with its first field kept and the other field interpolated; times and order unchanged.

    FFmpeg's bwdif does it, with the pictures before and after; it joins yadif (Niedermayer) with the filters of "The
    BBC Weston 3 field deinterlacer" (Weston, BBC R&D). A picture without a usable neighbour, and all where `neighbours`
    is false (key frames alone), goes through the purely spatial estdif. Pictures with an omission pass untouched and
    part their neighbours: damaged pixels must not reach sound pictures.
    """
    run = _Run(order, neighbours)
    for picture in pictures:
        if picture.image is None or picture.omission is not None:
            yield from run.finish()
            yield picture
            continue
        if not run.fits(picture.image):
            yield from run.finish()
        yield from run.take(picture)
    yield from run.finish()


class _Run:
    """Consecutive sound pictures of one format on their way through the filter, and what they go by."""

    def __init__(self, order: FieldOrder, neighbours: bool) -> None:
        self._options = {"mode": "frame", "parity": "auto" if order == "unknown" else order, "deint": "all"}
        self._neighbours = neighbours
        self._graph: _Graph | None = None
        self._waiting: deque[tuple[Picture, Any, Any]] = deque()
        self._number = 0
        self._format: tuple[Any, ...] = ()

    def fits(self, image: Any) -> bool:
        """Say whether a picture can follow those that wait."""
        return not self._waiting or (self._neighbours and self._format == _format_of(image))

    def take(self, picture: Picture) -> Iterator[Picture]:
        image = picture.image
        self._format = _format_of(image)
        self._waiting.append((picture, image.pts, image.time_base or Fraction(0)))
        if self._graph is None and len(self._waiting) == 2:
            self._graph = _Graph(image, "bwdif", **{**self._options, "mode": "send_frame"})
            # bwdif would take the first picture for its own predecessor and mix its fields; the second stands in.
            yield from self._out(self._graph.push(image, 0))
            yield from self._out(self._graph.push(self._waiting[0][0].image, 1))
            self._number = 2
        if self._graph is not None:
            yield from self._out(self._graph.push(image, self._number))
            self._number += 1

    def finish(self) -> Iterator[Picture]:
        """Yield what still waits; the run is over."""
        if self._graph is None and self._waiting:
            image = self._waiting[0][0].image
            self._graph = _Graph(image, "estdif", **self._options)
            yield from self._out(self._graph.push(image, 1))
        if self._graph is not None:
            yield from self._out(self._graph.finish())
        if self._waiting:
            raise RuntimeError(f"the deinterlacer kept {len(self._waiting)} pictures back")
        self._graph = None

    def _out(self, images: list[Any]) -> Iterator[Picture]:
        for image in images:
            # Number 0 is the copy that stands in for the predecessor of the first picture.
            if _number_of(image) > 0:
                picture, image.pts, image.time_base = self._waiting.popleft()
                image.colorspace, image.color_range = picture.image.colorspace, picture.image.color_range
                yield replace(picture, image=image)


class _Graph:
    """A filter on one thread between a buffer and a sink; numbers the pictures instead of timing them."""

    def __init__(self, image: Any, name: str, **options: str) -> None:
        self._graph = av.filter.Graph()
        self._graph.threads = 1
        source = self._graph.add(
            "buffer",
            video_size=f"{image.width}x{image.height}",
            pix_fmt=image.format.name,
            time_base="1/1",
            colorspace=str(int(image.colorspace)),
            range=str(int(image.color_range)),
        )
        self._graph.link_nodes(source, self._graph.add(name, **options), self._graph.add("buffersink"))
        self._graph.configure()

    def push(self, image: Any, number: int) -> list[Any]:
        pts, time_base = image.pts, image.time_base
        image.pts, image.time_base = number, Fraction(1)
        self._graph.push(image)
        image.pts, image.time_base = pts, time_base or Fraction(0)
        return self._pull()

    def finish(self) -> list[Any]:
        self._graph.push(None)
        return self._pull()

    def _pull(self) -> list[Any]:
        images = []
        while True:
            try:
                images.append(self._graph.pull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return images


def _number_of(image: Any) -> int:
    return int(image.pts * image.time_base)


def _format_of(image: Any) -> tuple[Any, ...]:
    return image.width, image.height, image.format.name, int(image.colorspace), int(image.color_range)
