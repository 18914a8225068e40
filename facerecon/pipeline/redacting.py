"""A finished run of a case, carried over into a redacted copy: its ledger entry, its account, its records and pictures.

Owns how things are carried over and that accounts still add up; `redacted_stages` says what of each stage may be in the
copy. Never changes the original.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from facerecon.case import Case, StageRun
from facerecon.errors import EvidenceError, IntegrityError
from facerecon.hashing import canonical_json
from facerecon.ledger import LedgerEntry
from facerecon.pipeline.accounts import Kind
from facerecon.pipeline.masking import Mask, Region, placed
from facerecon.pipeline.redacted_pictures import covered_png, is_plain
from facerecon.records import Candidate, ChipRecord, Counts, FrameRecord, GalleryRecord, Record, Skipped

REASON = "redacted-for-disclosure"
_DETAILS = (
    "profile",
    "profile_sha256",
    "seed",
    "parameters",
    "runtime",
    "models",
    "preparation",
    "tracks",
    "source_sha256_after",
    "durations_s",
    "steps",
    "treatment",
    "gallery",
    "gallery_sha256",
    "calibrations",
    "kind",
    "limit",
    "reference",
)
"""What the ledger is known to keep of a run; anything else is not carried over."""
_GALLERY_INPUT, _PERSISTENT_GALLERY = "gallery: ", "gallery: gallery.json"
R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Choice:
    """Which tracks are hidden, and why. `trackless`: faces that belong to no track are hidden as well."""

    tracks: frozenset[str]
    reason: str
    trackless: bool

    def hides(self, track: str | None) -> bool:
        """Tell whether what is of this track must not be in the copy."""
        return self.trackless if track is None else track in self.tracks


@dataclass(eq=False)
class Copying:
    """A redacted copy while it is made.

    `why` tells of files that are left out on purpose, `renamed` the new name of a file whose kind changed, `in_part`
    which pictures of tracks that are shown were covered in part.
    """

    original: Case
    copy: Case
    choice: Choice
    mask: Mask
    why: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    in_part: set[str] = field(default_factory=set)

    def carry(self, stage: str, number: int, entry: LedgerEntry, what: Callable[[Carried], None]) -> None:
        """Carry a finished run over.

        Args:
            stage: its stage.
            number: which finished run of it.
            entry: what the original's ledger says of it.
            what: carries its records and pictures over.

        Raises:
            IntegrityError: a file is not what the original's manifest or its record says.
            ResourceError: the copy cannot be written.
        """
        told = {key: entry.details[key] for key in _DETAILS if key in entry.details}
        told["carried_over_from"] = {"seq": entry.seq, "utc": entry.utc, "hash": entry.hash}
        with self.copy.stage(stage, told, self._inputs(entry)) as run:
            counts = {str(key): dict(value) for key, value in dict(entry.details.get("counts", {})).items()}
            reasons = Counter(dict(entry.details.get("skipped", {})))
            carried = Carried(self, run, entry, number, counts, reasons)
            what(carried)
            carried.finish()

    def _inputs(self, entry: LedgerEntry) -> dict[str, str]:
        """Return what a run was given, as far as the copy may say it: not whose pictures the gallery holds beside."""
        now = self.copy.digests()
        shown = {_PERSISTENT_GALLERY, *(f"{_GALLERY_INPUT}{file}" for file in self.gallery_files)}
        return {
            name: now.get(name, digest)
            for name, digest in entry.inputs.items()
            if name in now or name in shown or not (name.startswith(_GALLERY_INPUT) or "/" in name)
        }

    # --- what the original says ---------------------------------------------------------------------------------------

    @cached_property
    def times(self) -> Mapping[str, FrameRecord]:
        """The analysed frames by their names."""
        return {record.id: record for record in self.original.read(FrameRecord, "frames")}

    @cached_property
    def chips(self) -> Mapping[str, ChipRecord]:
        """The original's best shots by their names."""
        return {record.id: record for record in self.original.read(ChipRecord, "chips")}

    @cached_property
    def gallery_files(self) -> frozenset[str]:
        """The gallery pictures of persons who are candidates of a track that is shown, in any comparison.

        All pictures of a person, since a likelihood ratio is the mean over them.
        """
        runs = range(1, len(self.original.runs("recognize")) + 1)
        lines = [line for run in runs for line in self.original.read(Candidate, "candidates", run)]
        people = {(line.identity, line.person_id) for line in lines if not self.choice.hides(line.track)}
        pictures = (each for run in runs for each in self.original.read(GalleryRecord, "gallery", run))
        return frozenset(each.file for each in pictures if (each.identity, each.person_id) in people)

    def regions(self, chip: str) -> list[Region]:
        """Return what has to be covered in a best shot, in its pixels."""
        record = self.chips[chip]
        return placed(self.mask.at(record.timestamp.seconds), record.origin, record.size)

    def withhold(self, reason: str, *paths: str | None) -> None:
        """Note why files are left out."""
        self.why |= {path: reason for path in paths if path is not None}


@dataclass(eq=False)
class Carried:
    """One run while it is carried over: its records, its pictures, its account."""

    whole: Copying
    run: StageRun
    entry: LedgerEntry
    number: int
    counts: dict[str, dict[str, int]]
    reasons: Counter[str]
    omitted: list[Skipped] = field(default_factory=list)

    def finish(self) -> None:
        """Write the omissions beside those of the original, and the account."""
        self._lines(Skipped, f"{self.run.name}-skipped", lambda each: each, self.omitted)
        if self.counts:
            self.run.details["counts"] = {
                item: Counts.model_validate(each).model_dump() for item, each in self.counts.items()
            }
            self.run.details["skipped"] = dict(sorted(self.reasons.items()))

    def omit(self, item: str, kind: Kind, subject: str, count: int, detail: str = "") -> None:
        """Turn written items of an account into skipped ones, so that it still adds up."""
        if not count or item not in self.counts:
            return
        self.counts[item]["written"] -= count
        self.counts[item]["skipped"] += count
        self.reasons[f"{kind}: {REASON}"] += count
        why = detail or self.whole.choice.reason
        self.omitted.append(
            Skipped(stage=self.run.name, kind=kind, subject=subject, reason=REASON, detail=why, count=count)
        )

    # --- records ------------------------------------------------------------------------------------------------------

    def records(self, kind: type[R], name: str, change: Callable[[R], R | None]) -> list[R]:
        """Carry a file of records over, each as it is, changed, or left out (None), and return the original's."""
        return self._lines(kind, name, change, ())

    def _lines(self, kind: type[R], name: str, change: Callable[[R], R | None], more: Iterable[R]) -> list[R]:
        path = f"records/{name}{self.run.suffix}.jsonl"
        if path not in self.entry.outputs and not more:
            return []
        before = self.whole.original.read(kind, name, self.number) if path in self.entry.outputs else []
        lines = self.whole.original.bytes_of(path).splitlines(keepends=True) if before else []
        kept = [_line(line, record, change(record)) for line, record in zip(lines, before, strict=True)]
        self.run.write(path, b"".join([*kept, *(_written(record) for record in more)]))
        return before

    # --- pictures -----------------------------------------------------------------------------------------------------

    def picture(self, path: str, regions: list[Region] | None = None, size: tuple[int, int] | None = None) -> str:
        """Carry a picture over, covered where it must be, and return its digest; it is the same file otherwise."""
        data = self.whole.original.bytes_of(path)
        if regions or not is_plain(data):
            data = repainted(path, lambda: covered_png(data, path, regions or [], size))
        if regions:
            self.whole.in_part.add(path)
        return self.run.write(path, data)


def _line(line: bytes, before: R, after: R | None) -> bytes:
    if after is None:
        return b""
    return line if after == before else _written(after)


def _written(record: Record) -> bytes:
    return canonical_json(record.model_dump(mode="json")) + b"\n"


def repainted(path: str, paint: Callable[[], bytes]) -> bytes:
    """Return what `paint` makes of a picture of the case.

    Raises:
        IntegrityError: the file is no picture, so it cannot be covered.
    """
    try:
        return paint()
    except EvidenceError as error:
        raise IntegrityError(f"{path} cannot be covered: {error}") from None
