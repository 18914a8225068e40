"""The index of an archive: one page over many cases. Owns its words and form; reads no case and no file itself.

A derived document: the cases are the evidence, and every statement here links to the report that it is from.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from urllib.parse import quote

from markupsafe import Markup

from facerecon.records import Candidate
from facerecon.report.html import environment, source
from facerecon.report.language import ENGLISH, Language, message, speaking, tr
from facerecon.report.notation import clock_time, duration, integer, plural, shown, similarity, threshold
from facerecon.report.recorded import recorded
from facerecon.report.strength import likelihood_words
from facerecon.report.timeline import section_id

TITLE = message("Index of an archive")
DERIVED = message("Derived document")
DERIVED_NOTE = message(
    "This page was put together from the cases that it links to. The cases are the evidence: rely on their reports, "
    "and check each with facerecon verify. A candidate is a lead, not a statement of who a person is, and a "
    "person who is not listed is not excluded."
)
CHECKED = message(
    "Manifest and ledger of every case below were checked when this page was made, and so was every record and picture "
    "that it shows. The other files of the cases were not read again."
)
SIMILARITIES = message(
    "Similarities and likelihood ratios are those that the cases state, each for one track and one person of the "
    "gallery. Several tracks of one person are not several pieces of evidence, and their ratios must not be multiplied."
)
CLOCK = message(
    "Times in UTC are readings of the clock of the machine that captured, when the pictures arrived there. That clock "
    "may have been wrong, and pictures arrive later than they were taken."
)
_REASONS = {
    "connecting": message("no keyframe had come yet"),
    "connection-lost": message("the connection was lost"),
    "stream-ended": message("the sender ended the stream"),
    "stall": message("no packet came"),
    "discontinuity": message("the stream's own times jumped"),
    "killed": message("the capture was killed"),
    "not-running": message("the capture was not running"),
}
_WIDEST = 100.0
_NARROWEST = 0.6
_LANES, _LANE_PX = 8, 9


@dataclass(frozen=True)
class Thumbnail:
    """A reduced picture of a track's best original shot; JPEG."""

    data: bytes
    width_px: int
    height_px: int

    @property
    def uri(self) -> str:
        """The picture itself, as an address."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class Sighting:
    """One track of a case, in seconds of its footage's own time.

    `clock`: the time of its first picture by the clock of the machine that captured it (UTC); "": not captured here.
    """

    track: str
    first_s: float
    last_s: float
    picture: Thumbnail | None = None
    clock: str = ""


@dataclass(frozen=True)
class MissingTime:
    """A part of a capture's time from which nothing was kept; times are of that machine's clock (UTC)."""

    begin_utc: str
    end_utc: str
    seconds: float
    reason: str


@dataclass(frozen=True)
class CaptureEntry:
    """A capture whose segments are sources. `state`: running, unknown, or how it ended; `problem`: why none is told."""

    path: str
    state: str = "unknown"
    gaps: tuple[MissingTime, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class CaseEntry:
    """A case as the index tells it. `report`: the newest report, below the case; `problem`: why nothing is shown."""

    name: str
    source: str
    footage_s: float | None = None
    origin_s: float = field(default=0.0, kw_only=True)
    frames: int | None = None
    sightings: tuple[Sighting, ...] = ()
    report: str | None = None
    ledger_head: str = ""
    source_sha256: str = ""
    profile: str = ""
    problem: str = ""

    @property
    def link(self) -> str | None:
        """The report, relative to the index."""
        return None if self.report is None else quote(f"../{self.name}/{self.report}")

    def track_link(self, track: str) -> str | None:
        """A track's place in the report."""
        return None if self.link is None else f"{self.link}#{quote(section_id(track))}"


@dataclass(frozen=True)
class Lead:
    """A candidate above the threshold, with the track that it is for."""

    case: CaseEntry
    sighting: Sighting
    candidate: Candidate


@dataclass(frozen=True)
class PersonEntry:
    """A person of the gallery, with the leads of all cases, most similar first, and in how many cases compared."""

    identity: str
    person_id: str | None
    leads: tuple[Lead, ...]
    cases_compared: int


@dataclass(frozen=True)
class ArchiveReport:
    """Everything that the index shows. `totals`: requested = done + failed + left_out + pending."""

    name: str
    totals: Mapping[str, int]
    footage_s: float
    cases: tuple[CaseEntry, ...]
    people: tuple[PersonEntry, ...]
    failures: tuple[tuple[str, str], ...]
    left_out: Mapping[str, tuple[str, ...]]
    pending: tuple[str, ...]
    tool_version: str
    captures: tuple[CaptureEntry, ...] = ()


def render_archive(report: ArchiveReport, language: Language = ENGLISH) -> str:
    """Return the index as one HTML document, in a language."""
    with speaking(language):
        made = environment()
        return made.get_template("archive.html.j2").render(
            page=_Page(report),
            language=language.code,
            css=Markup(source(made, "report.css") + source(made, "archive.css")),
        )


class _Page:
    """The words of the page, in the current language."""

    def __init__(self, report: ArchiveReport) -> None:
        self.report = report
        self.title, self.state, self.state_note = tr(TITLE), tr(DERIVED), tr(DERIVED_NOTE)
        self.checked, self.similarities, self.clock_note = tr(CHECKED), tr(SIMILARITIES), tr(CLOCK)
        self.name, self.tool = shown(report.name), report.tool_version
        self.leading = [each for each in report.people if each.leads]
        self.without = [each for each in report.people if not each.leads]

    @property
    def stats(self) -> list[tuple[str, str]]:
        totals = self.report.totals
        every = [
            (integer(totals["done"]), tr("sources done")),
            (duration(self.report.footage_s), tr("footage in them")),
            (integer(sum(len(case.sightings) for case in self.report.cases)), tr("tracks of people")),
            (integer(len(self.leading)), tr("people of the gallery with candidates")),
            (integer(totals["failed"]), tr("sources failed")),
            (integer(totals["pending"]), tr("sources pending")),
        ]
        return every if totals["pending"] else every[:-1]

    @property
    def account(self) -> str:
        totals = {name: integer(count) for name, count in self.report.totals.items()}
        return tr(
            "{requested} files were reached: {done} done, {failed} failed, {left_out} left out, {pending} pending.",
            **totals,
        )

    @property
    def sections(self) -> list[tuple[str, str]]:
        """(id, title) of the sections that there are, in order."""
        every = [
            ("summary", tr("Summary"), True),
            ("candidates", tr("Candidates across cases"), bool(self.report.people)),
            ("cases", tr("Who appears where and when"), bool(self.report.cases)),
            ("captures", tr("What was not recorded"), bool(self.report.captures)),
            ("failures", tr("What failed"), bool(self.report.failures)),
            ("pending", tr("What is pending"), bool(self.report.pending)),
            ("left-out", tr("What was left out"), bool(self.report.left_out)),
        ]
        return [(name, title) for name, title, there in every if there]

    # --- people ---

    @staticmethod
    def person(entry: PersonEntry) -> str:
        name = shown(entry.identity)
        return f"{name} ({shown(entry.person_id)})" if entry.person_id else name

    @staticmethod
    def leads(entry: PersonEntry) -> str:
        cases = len({lead.case.name for lead in entry.leads})
        return tr(
            "Tracks: {tracks}. Cases with one of them: {cases}, of {compared} that were compared.",
            tracks=integer(len(entry.leads)),
            cases=integer(cases),
            compared=integer(entry.cases_compared),
        )

    @staticmethod
    def similarity(lead: Lead) -> str:
        return similarity(lead.candidate.similarity)

    @staticmethod
    def threshold(lead: Lead) -> str:
        return threshold(lead.candidate.threshold)

    @staticmethod
    def likelihood(lead: Lead) -> str:
        return likelihood_words(lead.candidate)

    # --- cases ---

    @staticmethod
    def between(sighting: Sighting) -> str:
        return f"{_clock(sighting.first_s)} – {_clock(sighting.last_s)}"

    @staticmethod
    def moment(sighting: Sighting) -> str:
        return tr("captured about {utc}, by the capturing machine's clock", utc=sighting.clock)

    # --- captures ---

    @staticmethod
    def state_of(capture: CaptureEntry) -> str:
        if capture.problem:
            return tr("The capture cannot be read: {reason}", reason=recorded(capture.problem))
        if capture.state == "running":
            return tr("The capture was running when this page was made.")
        if capture.state == "unknown":
            return tr("The end of the capture is not recorded: it was killed, or is about to go on.")
        return tr("The capture has ended.")

    @staticmethod
    def missing(gap: MissingTime) -> str:
        return tr("{begin} to {end}, {seconds}", begin=gap.begin_utc, end=gap.end_utc, seconds=duration(gap.seconds))

    @staticmethod
    def why_missing(gap: MissingTime) -> str:
        return tr(_REASONS[gap.reason]) if gap.reason in _REASONS else shown(gap.reason)

    @staticmethod
    def facts(case: CaseEntry) -> str:
        parts = [_footage(case.footage_s)]
        if case.frames is not None:
            parts.append(plural("{count} frame", "{count} frames", case.frames))
        parts.append(plural("{count} track", "{count} tracks", len(case.sightings)))
        if case.profile:
            parts.append(tr("profile {name}", name=shown(case.profile)))
        return ", ".join(parts)

    @staticmethod
    def bars(case: CaseEntry) -> list[tuple[float, float, int]]:
        """(left, width, top) of every track: in percent of the footage, and in pixels, in `_LANES` lanes."""
        length = max([case.footage_s or 0.0, *(each.last_s - case.origin_s for each in case.sightings)])
        return [
            (*_bar(each, case.origin_s, length), n % _LANES * _LANE_PX)
            for n, each in enumerate(case.sightings)
            if length > 0
        ]

    @staticmethod
    def lanes_px(case: CaseEntry) -> int:
        """The height of all lanes, in pixels."""
        return min(len(case.sightings), _LANES) * _LANE_PX

    @staticmethod
    def more(case: CaseEntry) -> str:
        hidden = sum(1 for each in case.sightings if each.picture is None)
        return plural("{count} more track without a picture here", "{count} more tracks without a picture here", hidden)

    @staticmethod
    def reason(text: str) -> str:
        return recorded(text)

    @staticmethod
    def counted(reason: str, paths: tuple[str, ...]) -> str:
        return f"{recorded(reason)}: {integer(len(paths))}"

    shown = staticmethod(shown)


def _clock(seconds: float) -> str:
    return clock_time(Fraction(seconds).limit_denominator(1000), 1)


def _footage(seconds: float | None) -> str:
    if seconds is None:
        return tr("length not stated in the header")
    return tr("picture") if seconds == 0 else tr("{time} of footage", time=_clock(seconds))


def _bar(sighting: Sighting, origin_s: float, length_s: float) -> tuple[float, float]:
    width = max(_NARROWEST, _WIDEST * (sighting.last_s - sighting.first_s) / length_s)
    left = min(_WIDEST - width, max(0.0, _WIDEST * (sighting.first_s - origin_s) / length_s))
    return round(left, 2), round(width, 2)
