"""What a capture writes down: the capture, its segments, its gaps, the account. Owns the data, never any packet.

Two clocks stand side by side and are never mixed. `..._utc` are readings of this machine's clock, as good as it is set.
`first` and `last` are the stream's own presentation times. Places on the capture's timeline are whole milliseconds
since its first start, so that captured time and gaps add up to the whole exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from facerecon.records import Record, Sha256, Timestamp

CONTAINER = "nut"
Utc = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")]
Count = Annotated[int, Field(ge=0)]
Reason = Literal[
    "connecting",
    "connection-lost",
    "stream-ended",
    "stall",
    "discontinuity",
    "killed",
    "not-running",
]
Ending = Literal["duration", "stopped", "interrupted", "stream-ended", "unreachable", "low-disk", "failed"]
FINAL: tuple[Ending, ...] = ("duration",)
"""After one of these nothing more is ever captured into the folder."""


class CaptureInfo(Record):
    """Who captures what, why, and with what: capture.json, written once when the folder is made.

    `source` is the stream's address without its secrets.
    """

    schema_version: Literal[1] = 1
    type: Literal["facerecon-capture"] = "facerecon-capture"
    source: str
    case_id: str
    operator: str
    purpose: str
    created_utc: Utc
    clock: Literal["utc times are of this machine's clock"] = "utc times are of this machine's clock"
    container: Literal["nut"] = "nut"
    tool_version: str
    libraries: Mapping[str, str]


class StreamFacts(Record):
    """What the sender says of one stream of a connection."""

    index: Count
    kind: Literal["video", "audio"]
    codec: str
    time_base: tuple[int, int]
    width_px: Count = 0
    height_px: Count = 0
    pixel_format: str = ""
    sample_rate_hz: Count = 0
    channels: Count = 0
    extradata_sha256: Sha256 | None = None


class Track(Record):
    """The packets of one stream in one segment. `corrupt`: those that were found damaged on reading, kept as they are.

    `first` and `last` are the earliest and the latest presentation time, in ticks of the stream as it was received.
    `refused`: packets with a time that no container takes (none, or not after the one before), which are left out.
    `estimated`: a connection's first picture whose time was not received: see `facerecon.capture.beginning`.
    """

    index: Count
    kind: Literal["video", "audio"]
    codec: str
    packets: Count
    bytes: Count
    keyframes: Count
    corrupt: Count
    refused: Count
    estimated: Count = 0
    first: Timestamp | None
    last: Timestamp | None


class Segment(Record):
    """A finished file of the capture. It takes the timeline from `begin_ms` to `end_ms`.

    `times`: "stream" for the sender's own, "arrival" where it sends none and the times of arrival stand in the file.
    `recovered`: a killed capture left it; `last_packet_utc` is then when the file was last written to.
    `clock_change_ms`: by how much this machine's clock was set while the segment was written.
    """

    number: Annotated[int, Field(ge=1)]
    path: str
    sha256: Sha256
    size_bytes: Count
    begin_ms: Count
    end_ms: Count
    first_packet_utc: Utc
    last_packet_utc: Utc
    clock_change_ms: int = 0
    times: Literal["stream", "arrival", "unknown"]
    tracks: tuple[Track, ...]
    recovered: bool = False

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.end_ms < self.begin_ms:
            raise ValueError("a segment ends before it begins")
        if not any(track.kind == "video" and track.packets for track in self.tracks):
            raise ValueError("a segment without a picture")
        return self


class Gap(Record):
    """A part of the timeline from which nothing was kept, and why.

    `discarded`: packets that were received in it and belong to no segment, as no keyframe stood before them.
    `detail` says how it began, `last_failure` what the latest of `attempts` to connect in it met.
    """

    begin_ms: Count
    end_ms: Count
    begin_utc: Utc
    end_utc: Utc
    reason: Reason
    detail: str = ""
    attempts: Count = 0
    last_failure: str = ""
    discarded: Count = 0

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.end_ms < self.begin_ms:
            raise ValueError("a gap ends before it begins")
        return self


class Account(Record):
    """The whole timeline so far: total = captured + gaps, always."""

    requested_ms: Count | None
    total_ms: Count
    captured_ms: Count
    gaps_ms: Count
    segments: Count
    gaps: Count
    packets: Count
    bytes: Count
    discarded: Count

    @model_validator(mode="after")
    def _nothing_vanishes(self) -> Self:
        if self.total_ms != self.captured_ms + self.gaps_ms:
            raise ValueError(
                f"time vanished: {self.total_ms} ms in all, {self.captured_ms} captured, {self.gaps_ms} in gaps"
            )
        return self

    @classmethod
    def of(cls, segments: tuple[Segment, ...], gaps: tuple[Gap, ...], requested_ms: int | None) -> Account:
        """Add up what the ledger states; the end of the timeline is where the last of them ends."""
        tracks = [track for segment in segments for track in segment.tracks]
        return cls(
            requested_ms=requested_ms,
            total_ms=max([*(each.end_ms for each in segments), *(each.end_ms for each in gaps)], default=0),
            captured_ms=sum(each.end_ms - each.begin_ms for each in segments),
            gaps_ms=sum(each.end_ms - each.begin_ms for each in gaps),
            segments=len(segments),
            gaps=len(gaps),
            packets=sum(track.packets for track in tracks),
            bytes=sum(track.bytes for track in tracks),
            discarded=sum(gap.discarded for gap in gaps) + sum(track.refused for track in tracks),
        )


def utc_text(nanoseconds: int) -> str:
    """Return a reading of the clock (ns since 1970, UTC) as ISO 8601 with milliseconds, cut, not rounded."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03d}Z"


def utc_ns(text: str) -> int:
    """Return the nanoseconds of a time that `utc_text` wrote."""
    seconds = datetime.fromisoformat(f"{text[:19]}+00:00").timestamp()
    return int(seconds) * 1_000_000_000 + int(text[20:23]) * 1_000_000
