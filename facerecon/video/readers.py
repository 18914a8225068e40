"""Who decodes: an interface to everything that looks into a file of evidence, and the one that decodes here.

Whatever a decoder is asked goes through a `Reader`; the sources themselves only number, time and account.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from facerecon.pictures import decode_picture
from facerecon.profiles import Motion, Sample
from facerecon.records import RGB
from facerecon.video.container import Examined, examine, video_steps
from facerecon.video.footage import Footage
from facerecon.video.headers import Header, read_header
from facerecon.video.interlacing import Deinterlace
from facerecon.video.pages import PictureKind, animation_steps, load_page, picture_facts, picture_kind
from facerecon.video.soundtracks import SoundPacket, Soundtrack, read_sound, read_soundtracks
from facerecon.video.sources import Omission, Steps


class Reader(ABC):
    """Looks into files of evidence. Every error is an `EvidenceError` of one line."""

    @abstractmethod
    def header(self, path: Path) -> Header:
        """Look at a file's header only; see `headers.read_header`."""

    @abstractmethod
    def kind(self, path: Path) -> PictureKind | None:
        """Say by its content whether a file is a picture; None: it is not one, or a moving one that FFmpeg reads."""

    @abstractmethod
    def facts(self, path: Path) -> dict[str, Any]:
        """Return what a picture's header says, as plain data with "pages"; on failure "error"."""

    @abstractmethod
    def page(self, path: Path, page: int) -> RGB | Omission:
        """Decode one page of a picture to RGB, or say why that is impossible."""

    @abstractmethod
    def picture(self, data: bytes, name: str) -> RGB:
        """Decode the bytes of a still picture to RGB; see `pictures.decode_picture`."""

    @abstractmethod
    def animation(self, path: Path, sample: Sample) -> Steps:
        """Decode an animated WebP; see `pages.animation_steps`."""

    @abstractmethod
    def soundtracks(self, path: Path) -> tuple[Soundtrack, ...]:
        """Return a file's audio streams; see `soundtracks.read_soundtracks`."""

    @abstractmethod
    def sound(self, path: Path, tracks: Sequence[int]) -> Generator[SoundPacket, None, None]:
        """Read the packets of these audio streams; see `soundtracks.read_sound`."""

    @abstractmethod
    def examine(self, path: Path, deinterlace: Deinterlace, square_pixels: bool) -> Examined:
        """Probe a video; see `container.examine`."""

    @abstractmethod
    def video(self, path: Path, found: Examined, sample: Sample, motion: Motion | None = None) -> Steps:
        """Decode a video that was examined; see `container.video_steps`."""


class LocalReader(Reader):
    """Decodes in this process."""

    def header(self, path: Path) -> Header:
        """Look at a file's header only."""
        return read_header(Footage(path))

    def kind(self, path: Path) -> PictureKind | None:
        """Say by its content whether a file is a picture."""
        return picture_kind(Footage(path))

    def facts(self, path: Path) -> dict[str, Any]:
        """Return what a picture's header says."""
        return picture_facts(Footage(path))

    def page(self, path: Path, page: int) -> RGB | Omission:
        """Decode one page of a picture."""
        return load_page(Footage(path), page)

    def picture(self, data: bytes, name: str) -> RGB:
        """Decode the bytes of a still picture."""
        return decode_picture(data, name)

    def animation(self, path: Path, sample: Sample) -> Steps:
        """Decode an animated WebP."""
        return animation_steps(Footage(path), sample)

    def soundtracks(self, path: Path) -> tuple[Soundtrack, ...]:
        """Return a file's audio streams."""
        return read_soundtracks(Footage(path))

    def sound(self, path: Path, tracks: Sequence[int]) -> Generator[SoundPacket, None, None]:
        """Read the packets of these audio streams."""
        return read_sound(Footage(path), tracks)

    def examine(self, path: Path, deinterlace: Deinterlace, square_pixels: bool) -> Examined:
        """Probe a video."""
        return examine(Footage(path), deinterlace, square_pixels)

    def video(self, path: Path, found: Examined, sample: Sample, motion: Motion | None = None) -> Steps:
        """Decode a video that was examined."""
        return video_steps(Footage(path), found.how, sample, motion)


LOCAL = LocalReader()
