"""Going on where an interrupted run was: a detector whose answers are kept, and asked for again from what was kept.

Owns what decides an answer (`made_by`), and the check that the machine still answers as it did. Everything but the
network's own work is done again, so that a resumed run differs from an undisturbed one in nothing but its time.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from facerecon import __version__
from facerecon.case import StageRun
from facerecon.errors import IntegrityError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.journal import Journal
from facerecon.pipeline.accounts import Context, Stopwatch
from facerecon.pipeline.search_area import Seen
from facerecon.records import RGB, Detection, ModelStamp
from facerecon.stages import Detector, Listener

CHECKED_EVERY = 64
"""The first answer that is known, and every 64th after it, is worked out again and compared (1.6 % of the work)."""
_SAMPLE_PX = 16
Faces = list[tuple[Detection, ...]]


def made_by(inputs: Mapping[str, str], context: Context, stamps: Sequence[ModelStamp], **more: Any) -> dict[str, Any]:
    """Return everything that decides what a stage's models answer, as JSON data, by what it is called in messages."""
    runtime = dict(context.runtime)
    return {
        "facerecon version": __version__,
        "source": dict(inputs),
        "profile": context.profile.digest,
        "models": [stamp.model_dump(mode="json") for stamp in stamps],
        "software or machine": runtime,
        **more,
    }


class RememberedDetector:
    """A detector that takes from a journal what it answered before, and keeps there what it answers."""

    def __init__(self, detector: Detector, journal: Journal, watch: Stopwatch) -> None:
        """Wrap a detector; the journal is this stage's alone."""
        self._detector, self._journal, self._watch = detector, journal, watch
        self._subject, self._number = "", 0
        self.refusal = journal.refusal
        """Why what was found in the journal is not used; "" for none."""
        self.remembered = self.checked = 0
        """Answers that came from the journal, and those of them that were worked out again."""
        self.worked = False
        """Whether the subject needed the detector."""

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        return self._detector.stamp

    @property
    def asked(self) -> bool:
        """Whether there was a question about the subject; there is none where nothing is to be searched."""
        return self._number > 0

    def about(self, subject: str) -> None:
        """Say what the next questions are about: the digests of the frames, in order."""
        self._subject, self._number, self.worked = subject, 0, False

    def detect(self, images: Sequence[RGB]) -> Faces:
        """Return each picture's faces; see `facerecon.stages.Detector`.

        Raises:
            IntegrityError: the detector answers otherwise than it did for a later part of the journal; what was taken
                from it so far cannot be trusted, and it is removed.
            ResourceError: the journal cannot be written.
        """
        with self._watch.measure("journal"):
            question = self._question(images)
            answer = self._journal.known(question)
        faces = None if answer is None else self._taken(images, answer)
        if faces is not None:
            self.remembered += 1
            return faces
        self.worked = True
        found = self._detector.detect(images)
        with self._watch.measure("journal"):
            self._journal.add(question, _kept(found))
        return found

    def _question(self, images: Sequence[RGB]) -> str:
        """Name a question: the frames, the how manyth it is about them, and how many pictures, and a sample of each.

        The frames' digests and the order pin the pictures; the sample would show a change in how they are prepared.
        """
        self._number += 1
        sample = 0
        for image in images:
            sample = zlib.crc32(str(image.shape).encode(), sample)
            sample = zlib.crc32(image[::_SAMPLE_PX, ::_SAMPLE_PX].tobytes(), sample)
        return f"{self._subject} {self._number} {len(images)} {sample:08x}"

    def _taken(self, images: Sequence[RGB], answer: Any) -> Faces | None:
        """Return what the journal knows, checked now and then; None where it is of no use from here on."""
        faces = _read(answer)
        if faces is None or len(faces) != len(images):
            self._journal.reject()
            return None
        return faces if self.remembered % CHECKED_EVERY or self._still(images, faces) else None

    def _still(self, images: Sequence[RGB], faces: Faces) -> bool:
        """Say whether the detector answers as it did; a journal whose first answer is another is not used."""
        self.checked += 1
        if self._detector.detect(images) == faces:
            return True
        if self.remembered:
            self._journal.remove()
            raise IntegrityError(
                "the detector does not find what it found before the interruption; the journal of that run was "
                "removed, and the same command starts the stage anew"
            )
        self.refusal = "the detector does not find what it found then"
        self._journal.reject()
        return False


class Resuming:
    """The account of a resumed extraction: which frames the detector did not see again, and where it went on."""

    def __init__(self, detector: RememberedDetector, listener: Listener) -> None:
        """Watch a detector."""
        self._detector, self._listener = detector, listener
        self._remembered = 0
        self._went_on = ""

    @contextlib.contextmanager
    def chunk(self, seen: Sequence[Seen]) -> Iterator[None]:
        """Search some frames inside the block."""
        self._detector.about(_digest(seen))
        yield
        if not seen or self._went_on or not self._detector.asked:
            return
        if not self._detector.worked:
            self._remembered += len(seen)
            return
        self._went_on = seen[0].frame.id
        if self._remembered:
            self._listener.noted(
                f"resumed: {self._remembered} frames were searched before the interruption and are not searched again; "
                f"goes on at {self._went_on}"
            )
        elif self._detector.refusal:
            self._listener.noted(f"starts anew: the unfinished run cannot be continued, {self._detector.refusal}")

    @property
    def account(self) -> dict[str, Any]:
        """What the ledger says of it; nothing for a run that has no interrupted one before it."""
        refused = {"journal_not_used": self._detector.refusal} if self._detector.refusal else {}
        if not self._detector.remembered:
            return refused
        return {
            "frames_from_journal": self._remembered,
            "went_on_at": self._went_on or None,
            "answers_from_journal": self._detector.remembered,
            "answers_checked": self._detector.checked,
            **refused,
        }


class Parts:
    """The parts of a stage that each make records and files: done once, and taken from the journal after that."""

    def __init__(self, run: StageRun, journal: Journal) -> None:
        """Start with what an interrupted run left."""
        self._run, self._journal = run, journal
        self._known = self._files = 0

    @property
    def all_new(self) -> bool:
        """Whether nothing more is known of an interrupted run, so that all further parts are to be done."""
        return self._journal.exhausted

    def again(self, question: str) -> list[tuple[str, bytes]] | None:
        """Return a part's records (name of their file, JSON) where an interrupted run made it and its files are here.

        None, from then on, where that is not so.
        """
        answer = self._journal.known(question)
        if answer is None:
            return None
        try:
            files = {str(name): str(digest) for name, digest in answer["files"].items()}
            records = [(str(name), canonical_json(document)) for name, document in answer["records"]]
        except (AttributeError, KeyError, TypeError, ValueError):
            files, records = {"": ""}, []
        if not self._run.has(files):
            self._journal.reject()
            return None
        self._known, self._files = self._known + 1, self._files + len(files)
        return records

    @contextlib.contextmanager
    def kept(self, question: str) -> Iterator[None]:
        """Keep in the journal what the block makes."""
        with self._run.captured() as made:
            yield
        self._journal.add(question, {"records": made.records, "files": made.files})

    @property
    def account(self) -> dict[str, Any]:
        """What the ledger says of it; nothing for a run that has no interrupted one before it."""
        refused = {"journal_not_used": self._journal.refusal} if self._journal.refusal else {}
        return {"parts_from_journal": self._known, "files_from_journal": self._files} if self._known else refused


def _digest(seen: Sequence[Seen]) -> str:
    return sha256_bytes("".join(f"{each.frame.timestamp.pts} {each.pixels_sha256}\n" for each in seen).encode())[:32]


def _kept(found: Faces) -> list[list[list[Any]]]:
    return [
        [[face.score, list(face.box), [list(point) for point in face.landmarks]] for face in each] for each in found
    ]


def _read(answer: Any) -> Faces | None:
    try:
        return [tuple(_face(*each) for each in faces) for faces in answer]
    except (TypeError, ValueError):
        return None


def _face(score: Any, box: Any, landmarks: Any) -> Detection:
    return Detection.model_validate({"score": score, "box": tuple(box), "landmarks": tuple(map(tuple, landmarks))})
