"""What the evidence is: time, frames, the source, the case, and the account of what was left out."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


LARGEST_INTEGER = (1 << 63) - 1
"""No integer of a record is larger, nor smaller than its negative: containers count in 64 bits, and so does numpy."""


class Record(BaseModel):
    """Base of the JSON records: immutable, no unknown keys, no NaN, no integer beyond 64 bits."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="after")
    def _integers_are_of_64_bits(self) -> Self:
        for name, value in self.__dict__.items():
            for each in value if type(value) is tuple else (value,):
                if type(each) is int and abs(each) > LARGEST_INTEGER:
                    raise ValueError(f"{name} is a number beyond 64 bits")
        return self


class Timestamp(Record):
    """A presentation time: `pts` ticks of `time_base` seconds (numerator, denominator). The only time type."""

    pts: int
    time_base: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]

    @property
    def seconds(self) -> Fraction:
        """The exact time in seconds."""
        return _seconds(self.pts, self.time_base)

    @property
    def iso_offset(self) -> str:
        """The time as an ISO 8601 duration from the start of the stream, rounded to microseconds: PT1M2.5S."""
        micros = round(self.seconds * 1_000_000)
        sign, micros = ("-" if micros < 0 else ""), abs(micros)
        minutes, rest = divmod(micros, 60_000_000)
        hours, minutes = divmod(minutes, 60)
        text = f"{rest // 1_000_000}.{rest % 1_000_000:06d}".rstrip("0").rstrip(".")
        return f"{sign}PT{f'{hours}H' if hours else ''}{f'{minutes}M' if minutes else ''}{text}S"


@lru_cache(maxsize=4096)
def _seconds(pts: int, time_base: tuple[int, int]) -> Fraction:
    # Asked for some twenty times for each face; a fraction is made in Python.
    return pts * Fraction(*time_base)


class FrameRecord(Record):
    """One frame that was analysed. `index` counts the source's frames in presentation order from 0.

    `windows`: where in it faces were looked for, (x0, y0, x1, y1) in px, the right and lower ends outside; None:
    everywhere. `reduction`: how many times smaller the detector saw them; it saw `closer`, windows round small faces,
    each `closer_reduction` times smaller (1, and of older records empty: not at all). They may overlap; of a face that
    several show, the closest counts.
    """

    id: str
    index: Annotated[int, Field(ge=0)]
    timestamp: Timestamp
    iso_offset: str
    width_px: Annotated[int, Field(gt=0)]
    height_px: Annotated[int, Field(gt=0)]
    keyframe: bool
    pixels_sha256: Sha256
    windows: tuple[tuple[int, int, int, int], ...] | None = None
    reduction: Annotated[int, Field(ge=1)] = 1
    closer: tuple[tuple[int, int, int, int], ...] = ()
    closer_reduction: tuple[Annotated[int, Field(ge=1)], ...] = ()

    @model_validator(mode="after")
    def _one_reduction_each(self) -> FrameRecord:
        if self.closer_reduction and len(self.closer_reduction) != len(self.closer):
            raise ValueError(f"{len(self.closer)} windows, but {len(self.closer_reduction)} reductions")
        return self


class Skipped(Record):
    """Something that was not processed, and why. `count` items of one kind, one reason, from `subject` on."""

    stage: str
    kind: Literal["frame", "face", "tile", "track", "image", "candidate"]
    subject: str
    reason: str
    outcome: Literal["skipped", "failed"] = "skipped"
    detail: str = ""
    count: Annotated[int, Field(ge=1)] = 1


class Counts(Record):
    """An account of items: requested = written + failed + skipped, always."""

    requested: Annotated[int, Field(ge=0)]
    written: Annotated[int, Field(ge=0)]
    failed: Annotated[int, Field(ge=0)]
    skipped: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _nothing_vanishes(self) -> Counts:
        if self.requested != self.written + self.failed + self.skipped:
            raise ValueError(
                f"items vanished: {self.requested} requested, {self.written} written, "
                f"{self.failed} failed, {self.skipped} skipped"
            )
        return self


class SourceRecord(Record):
    """The evidence file (or folder of pictures) as it was found. `clock` is "order" when pictures carry no time."""

    path: str
    name: str
    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=0)]
    kind: Literal["video", "image", "folder"]
    clock: Literal["stream", "order"]


class CaseInfo(Record):
    """Who, why, what (R30): written once when the case is made."""

    schema_version: Literal[1] = 1
    case_id: str
    operator: str
    purpose: str
    created_utc: str
    tool_version: str
    source: SourceRecord
    profile_name: str
    profile_sha256: Sha256
