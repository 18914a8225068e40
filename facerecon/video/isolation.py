"""Decoding in a process of its own: what a hostile file does to a decoder, it does to that process and no other.

Pixels, times and reasons are the same as without. A decoder that ends early leaves failed frames and a reason.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from facerecon.errors import EvidenceError
from facerecon.profiles import Motion, Sample
from facerecon.records import RGB, Record
from facerecon.video import messages
from facerecon.video.confinement import Limits
from facerecon.video.container import Examined
from facerecon.video.headers import Header
from facerecon.video.interlacing import Deinterlace
from facerecon.video.messages import MalformedError, Message
from facerecon.video.pages import PictureKind
from facerecon.video.readers import Reader
from facerecon.video.soundtracks import SoundPacket, Soundtrack
from facerecon.video.sources import NOT_SAMPLED, Left, Omission, Step, Steps, Taken, Unmoved, unreadable
from facerecon.video.spawning import Decoder, Ending, GoneError, SilentError
from facerecon.video.warden import OUT_OF_MEMORY

_SOUNDTRACKS = TypeAdapter(tuple[Soundtrack, ...])
R = TypeVar("R", bound=Record)
MEMORY_BYTES = 4 << 30
"""A decoder's memory: many times what a frame of 8K and the sixteen that it refers to take."""
_PROCESSOR_S = 3600
_PROCESSOR_S_PER_KIB = 1
_KINDS: dict[str | None, PictureKind | None] = {None: None, "image": "image", "animated-webp": "animated-webp"}
_MOST_PAGES = 1 << 20
_MALFORMED = "told what no decoder tells and was ended"
_WAY_OUT = "export it again, or convert it with the recorder's own player"


class EndedError(Exception):
    """A decoder did not do what it was started for; the text says why, after "the decoder"."""


class IsolatedReader(Reader):
    """Has everything decoded in processes of their own, one for each task, under limits."""

    def __init__(self, timeout_s: float, memory_bytes: int = MEMORY_BYTES) -> None:
        """Take how long a decoder may tell nothing, and its memory."""
        self._timeout_s, self._memory_bytes = timeout_s, memory_bytes

    def header(self, path: Path) -> Header:
        """Look at a file's header only.

        Raises:
            EvidenceError: it cannot be read, or its decoder ended.
        """
        return self._record("header", path, {}, Header)

    def kind(self, path: Path) -> PictureKind | None:
        """Say by its content whether a file is a picture.

        Raises:
            EvidenceError: its decoder ended.
        """
        value = self._result("kind", path, {})
        if isinstance(value, str | None) and value in _KINDS:
            return _KINDS[value]
        raise _ended(path, _MALFORMED)

    def facts(self, path: Path) -> dict[str, Any]:
        """Return what a picture's header says; on failure "error"."""
        try:
            facts = self._result("facts", path, {})
            return facts if _is_facts(facts) else {"pages": 1, "error": f"the decoder {_MALFORMED}"}
        except EvidenceError as error:
            return {"pages": 1, "error": str(error)}

    def page(self, path: Path, page: int) -> RGB | Omission:
        """Decode one page of a picture to RGB, or say why that is impossible."""
        try:
            with closing(self._told("page", path, {"page": page})) as told:
                step = next(told, None)
        except EndedError as error:
            return Omission("undecodable", "failed", f"{path.name}: the decoder {error}")
        except EvidenceError as error:
            return Omission("undecodable", "failed", str(error))
        # `Unmoved` is for mypy: without a motion gate it is refused before.
        if step is None or isinstance(step, Unmoved):
            return Omission("undecodable", "failed", f"{path.name}: the decoder {_MALFORMED}")
        return step.pixels if isinstance(step, Taken) else step.omission

    def picture(self, data: bytes, name: str) -> RGB:
        """Decode the bytes of a still picture.

        Raises:
            EvidenceError: as `pictures.decode_picture`, or its decoder ended.
        """
        try:
            with _file_of(data) as path, closing(self._told("picture", path, {"name": name})) as told:
                step = next(told, None)
        except EndedError as error:
            raise EvidenceError(f"{name} is not a readable picture: the decoder {error}") from None
        if isinstance(step, Taken):
            return step.pixels
        raise EvidenceError(f"{name} is not a readable picture: the decoder {_MALFORMED}")

    def animation(self, path: Path, sample: Sample) -> Steps:
        """Decode an animated WebP."""
        return self._steps("animation", path, {"sample": sample.model_dump(mode="json")}, None)

    def soundtracks(self, path: Path) -> tuple[Soundtrack, ...]:
        """Return a file's audio streams.

        Raises:
            EvidenceError: it cannot be read, or its decoder ended.
        """
        found = self._result("soundtracks", path, {})
        try:
            return _SOUNDTRACKS.validate_python(found)
        except ValidationError:
            raise _ended(path, _MALFORMED) from None

    def sound(self, path: Path, tracks: Sequence[int]) -> Generator[SoundPacket, None, None]:
        """Read the packets of these audio streams.

        Raises:
            EvidenceError: reading stopped with an error, or its decoder ended.
        """
        try:
            with self._decoder("sound", path, {"tracks": list(tracks)}) as decoder:
                for message in _messages(decoder):
                    if message.kind != messages.SOUND:
                        raise MalformedError("no sound")
                    yield messages.sound(message.body, tracks)
        except EndedError as error:
            raise EvidenceError(f"reading stopped: the decoder {error}") from None

    def examine(self, path: Path, deinterlace: Deinterlace, square_pixels: bool) -> Examined:
        """Probe a video.

        Raises:
            EvidenceError: as `container.examine`, or its decoder ended.
        """
        arguments = {"deinterlace": deinterlace, "square_pixels": square_pixels}
        return self._record("examine", path, arguments, Examined)

    def video(self, path: Path, found: Examined, sample: Sample, motion: Motion | None = None) -> Steps:
        """Decode a video that was examined."""
        arguments = {
            "how": found.how.model_dump(mode="json"),
            "sample": sample.model_dump(mode="json"),
            "motion": motion and motion.model_dump(mode="json"),
        }
        return self._steps("video", path, arguments, found.frames_expected, motion)

    # --- one task -----------------------------------------------------------------------------------------------------

    def _record(self, name: str, path: Path, arguments: dict[str, Any], kind: type[R]) -> R:
        try:
            return kind.model_validate(self._result(name, path, arguments))
        except ValidationError:
            raise _ended(path, _MALFORMED) from None

    def _result(self, name: str, path: Path, arguments: dict[str, Any]) -> Any:
        try:
            with self._decoder(name, path, arguments) as decoder:
                message = next(_messages(decoder), None)
                if message is None or message.kind != messages.RESULT:
                    raise MalformedError("no result")
                return messages.plain(message.body)
        except EndedError as error:
            raise _ended(path, str(error)) from None

    def _steps(
        self, name: str, path: Path, arguments: dict[str, Any], expected: int | None, motion: Motion | None = None
    ) -> Steps:
        index, good = 0, False
        try:
            with closing(self._told(name, path, arguments, motion)) as told:
                for step in told:
                    index += step.count if isinstance(step, Left) else 1
                    good = good or not isinstance(step, Left) or step.omission == NOT_SAMPLED
                    yield step
            return
        except EndedError as error:
            why = str(error)
        place = f"after frame {index - 1}" if index else "before its first frame"
        rest = (expected or 0) - index
        known = "the count is by the header" if rest > 0 else "how many were left is not known"
        yield Left(Omission("decoder-ended", "failed", f"the decoder {why} {place}; {known}"), max(1, rest))
        if not good:
            raise _ended(path, f"{why} {place}")

    def _told(
        self, name: str, path: Path, arguments: dict[str, Any], motion: Motion | None = None
    ) -> Generator[Step, None, None]:
        with self._decoder(name, path, arguments) as decoder:
            before = shown = None
            for message in _messages(decoder):
                step: Step
                if message.kind == messages.LEFT:
                    step = messages.left(message.body)
                elif message.kind == messages.UNMOVED and motion is not None:
                    step = messages.unmoved(message.body, before, shown, motion)
                    before = step.timestamp
                elif message.kind == messages.TAKEN:
                    head = messages.head(message.body, before, gated=motion is not None)
                    before = shown = head.timestamp
                    step = head.taken(decoder.read_into, motion)
                else:
                    raise MalformedError("no frame")
                yield step

    @contextmanager
    def _decoder(self, name: str, path: Path, arguments: dict[str, Any]) -> Iterator[Decoder]:
        """Start a decoder; say of whatever keeps it from its task what that was.

        Raises:
            EvidenceError: the file cannot be read.
            EndedError: the decoder ended, was ended, or told what none of ours does.
        """
        try:
            limits = Limits(self._memory_bytes, _PROCESSOR_S + _PROCESSOR_S_PER_KIB * (path.stat().st_size >> 10))
            decoder = Decoder(name, path, arguments, limits, self._timeout_s)
        except OSError as error:
            raise unreadable(path, error) from None
        with decoder:
            try:
                yield decoder
            except SilentError:
                raise EndedError(f"told nothing for {self._timeout_s:g} s and was ended") from None
            except MalformedError:
                raise EndedError(_MALFORMED) from None
            except GoneError:
                raise EndedError(_fate(decoder.end(leave=True), limits)) from None


@contextmanager
def _file_of(data: bytes) -> Iterator[Path]:
    """Yield a path to a file that holds these bytes, in memory: no name in any folder leads to them."""
    descriptor = os.memfd_create("picture", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        yield Path(f"/proc/self/fd/{descriptor}")


def _messages(decoder: Decoder) -> Iterator[Message]:
    """Yield what a decoder tells, to its end.

    Raises:
        EvidenceError: it found that the evidence cannot be read.
    """
    while (message := messages.receive(decoder.read)).kind != messages.END:
        if message.kind == messages.FAILED:
            raise EvidenceError(messages.line(message.body))
        if message.kind == messages.BROKEN:
            raise EndedError(f"ended by an error of its own ({messages.line(message.body)})")
        if message.kind != messages.ALIVE:
            yield message


def _fate(ending: Ending, limits: Limits) -> str:
    """Say how a decoder ended."""
    if ending.status is None:
        return "was ended together with what had started it"
    code = os.waitstatus_to_exitcode(ending.status)
    if code == OUT_OF_MEMORY:
        return f"needed more than {limits.memory_bytes >> 20} MiB of memory"
    if -code in (signal.SIGXCPU, signal.SIGKILL) and ending.processor_s >= limits.processor_s:
        return f"used up its {limits.processor_s} s of processor time"
    return f"ended by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"ended with code {code}"


def _ended(path: Path, why: str) -> EvidenceError:
    return EvidenceError(f"source {path} cannot be decoded: the decoder {why}; {_WAY_OUT}")


def _is_facts(value: Any) -> bool:
    if not isinstance(value, dict) or type(value.get("pages")) is not int or not 1 <= value["pages"] <= _MOST_PAGES:
        return False
    return all(isinstance(each, (str, int)) or each is None for each in value.values())
