"""Puts the index of an archive together: reads the cases of a plan, verified, and writes DIR/archive whole.

Only reads the cases. A case that does not verify is told with the reason, and nothing of it is shown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from facerecon import __version__
from facerecon.batch import captured
from facerecon.batch.captured import Arrival, arrivals
from facerecon.batch.naming import INDEX
from facerecon.batch.planning import Item, Plan
from facerecon.case import Case
from facerecon.durable import write_whole
from facerecon.errors import FacereconError, ResourceError
from facerecon.records import (
    PRIMARY_VARIANTS,
    RGB,
    Candidate,
    ChipRecord,
    GalleryRecord,
    TrackRecord,
)
from facerecon.report.archive import (
    ArchiveReport,
    CaseEntry,
    Lead,
    PersonEntry,
    Sighting,
    Thumbnail,
    render_archive,
)
from facerecon.report.language import language as spoken

SCHEMA = 1
MOST_PICTURES = 24
"""Tracks of one case that are shown with a picture; the others are counted. A page of a thousand cases stays usable."""
THUMBNAIL_PX = 96
_QUALITY = 90
Person = tuple[str, str | None]
GalleryKey = tuple[str, str]
"""A gallery's digest and that of the profile by which its pictures were enrolled or refused."""


@dataclass
class _People:
    """Who belongs to which galleries, how many cases were compared with each of these, and the leads to everybody.

    A case lists all people of a small gallery, and of a large one only its candidates. Whoever is listed anywhere was
    compared in every case that was compared with the same gallery.
    """

    cases: Counter[GalleryKey] = field(default_factory=Counter)
    galleries: dict[Person, set[GalleryKey]] = field(default_factory=dict)
    leads: dict[Person, list[Lead]] = field(default_factory=dict)

    def entries(self) -> tuple[PersonEntry, ...]:
        """Return everybody in order of the names, leads by similarity, strongest first."""
        return tuple(
            PersonEntry(
                *person,
                tuple(sorted(self.leads.get(person, []), key=_by_similarity)),
                sum(self.cases[key] for key in self.galleries[person]),
            )
            for person in sorted(self.galleries, key=lambda each: (each[0], each[1] or ""))
        )


def _by_similarity(lead: Lead) -> tuple[float, str, str]:
    return -lead.candidate.similarity, lead.case.name, lead.sighting.track


def write_index(cases: Path, plan: Plan, language: str) -> Path:
    """Write DIR/archive/index.html and index.json over all sources of a plan, and return the page's path.

    Raises:
        ResourceError: they cannot be written.
    """
    report = collect(cases.resolve().name, plan)
    page = cases / INDEX / "index.html"
    try:
        write_whole(page, render_archive(report, spoken(language)).encode("utf-8", "backslashreplace"))
        write_whole(page.with_name("index.json"), _json(plain(report)))
    except OSError as error:
        raise ResourceError(f"cannot write {page.parent}: {error.strerror}; free some space and run again") from error
    return page


def collect(name: str, plan: Plan) -> ArchiveReport:
    """Return what the index of a plan shows."""
    people, came = _People(), arrivals(plan.captures)
    done = plan.of("done")
    left_out: dict[str, list[str]] = {}
    for each in plan.left_out:
        left_out.setdefault(each.reason, []).append(each.source)
    failures = [(item.name, item.reason) for item in plan.of("failed")]
    return ArchiveReport(
        name=name,
        totals=plan.totals,
        footage_s=sum(item.footage_s or 0.0 for item in done),
        cases=tuple(_entry(item, people, came.get(item.found.path)) for item in done),
        people=people.entries(),
        failures=tuple(failures + [(each.source, each.reason) for each in plan.unread]),
        left_out={reason: tuple(left_out[reason]) for reason in sorted(left_out)},
        pending=tuple(item.name for item in plan.of("pending")),
        tool_version=__version__,
        captures=tuple(captured.entry(each) for each in plan.captures),
    )


# --- one case ---------------------------------------------------------------------------------------------------------


def _entry(item: Item, people: _People, came: Arrival | None) -> CaseEntry:
    try:
        with Case.view(item.case) as case:
            return _read(case, item, people, came)
    except FacereconError as error:
        return CaseEntry(item.name, item.source, item.footage_s, problem=str(error))


def _read(case: Case, item: Item, people: _People, came: Arrival | None) -> CaseEntry:
    chips = {chip.id: chip for chip in case.read(ChipRecord, "chips")}
    tracks = sorted(case.read(TrackRecord, "tracks"), key=lambda each: (each.first.seconds, each.id))
    gallery, compared, leads = _comparison(case)
    entry = CaseEntry(
        name=item.name,
        source=item.source,
        footage_s=item.footage_s,
        origin_s=0.0 if came is None else came.origin_s,
        frames=case.runs("extract")[-1].details["counts"]["frames"]["requested"],
        sightings=tuple(_sighting(case, track, chips, came, shown=n < MOST_PICTURES) for n, track in enumerate(tracks)),
        report=_report(case),
        ledger_head=case.ledger.head,
        source_sha256=case.info.source.sha256,
        profile=case.info.profile_name,
    )
    # All of the case could be read: only now does it count.
    seen = {sighting.track: sighting for sighting in entry.sightings}
    if gallery is not None:
        people.cases[gallery] += 1
        for person in (*compared, *((lead.identity, lead.person_id) for lead in leads)):
            people.galleries.setdefault(person, set()).add(gallery)
    for lead in leads:
        person = (lead.identity, lead.person_id)
        people.leads.setdefault(person, []).append(Lead(entry, seen[lead.track], lead))
    return entry


def _comparison(case: Case) -> tuple[GalleryKey | None, set[Person], list[Candidate]]:
    """Return the gallery of the latest comparison, the people that it recorded, and its leads: one for each track and
    person; None: there was none.
    """
    runs = case.runs("recognize")
    run = len(runs)
    if not run:
        return None, set(), []
    listed = {(each.identity, each.person_id) for each in case.read(GalleryRecord, "gallery", run) if each.enrolled}
    best: dict[tuple[str, Person], Candidate] = {}
    for each in case.read(Candidate, "candidates", run):
        key = (each.track, (each.identity, each.person_id))
        if each.primary and each.above_threshold and (key not in best or _place(each) < _place(best[key])):
            best[key] = each
    return (str(runs[-1].details.get("gallery_sha256")), case.info.profile_sha256), listed, list(best.values())


def _place(candidate: Candidate) -> int:
    return PRIMARY_VARIANTS.index(candidate.variant)


def _report(case: Case) -> str | None:
    runs = case.runs("report")
    return next((name for name in runs[-1].outputs if name.endswith(".html")), None) if runs else None


def _sighting(
    case: Case, track: TrackRecord, chips: Mapping[str, ChipRecord], came: Arrival | None, *, shown: bool
) -> Sighting:
    picture = thumbnail(case.bytes_of(chips[track.best[0]].path)) if shown and track.best else None
    first_s, last_s = float(track.first.seconds), float(track.last.seconds)
    return Sighting(track.id, first_s, last_s, picture, "" if came is None else came.at(first_s))


def thumbnail(png: bytes) -> Thumbnail:
    """Return a picture reduced by area means to at most `THUMBNAIL_PX`; a smaller one keeps its size."""
    # The parent of a batch draws nothing before the end.
    import cv2
    import numpy as np

    from facerecon.pictures import decode_png

    pixels = decode_png(png, "a best shot")
    factor = THUMBNAIL_PX / max(pixels.shape[:2])
    small: RGB = pixels
    if factor < 1:
        small = np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
    settings = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), settings)[1]
    return Thumbnail(encoded.tobytes(), small.shape[1], small.shape[0])


# --- for scripts ------------------------------------------------------------------------------------------------------


def plain(report: ArchiveReport) -> dict[str, Any]:
    """Return the index as JSON data, without its pictures; paths of cases are relative to the folder of the cases."""
    return {
        "schema": SCHEMA,
        "derived": True,
        "tool_version": report.tool_version,
        "totals": dict(report.totals),
        "footage_s": report.footage_s,
        "cases": [_plain_case(case) for case in report.cases],
        "people": [
            {
                "identity": each.identity,
                "person_id": each.person_id,
                "cases_compared": each.cases_compared,
                "leads": [_plain_lead(lead) for lead in each.leads],
            }
            for each in report.people
        ],
        "captures": [
            {
                "capture": each.path,
                "state": each.state,
                "problem": each.problem or None,
                "gaps": [asdict(gap) for gap in each.gaps],
            }
            for each in report.captures
        ],
        "failures": [{"source": name, "reason": reason} for name, reason in report.failures],
        "left_out": {reason: list(paths) for reason, paths in report.left_out.items()},
        "pending": list(report.pending),
    }


def _plain_case(case: CaseEntry) -> dict[str, Any]:
    return {
        "case": case.name,
        "source": case.source,
        "source_sha256": case.source_sha256,
        "footage_s": case.footage_s,
        "frames": case.frames,
        "profile": case.profile,
        "report": None if case.report is None else f"{case.name}/{case.report}",
        "ledger_head": case.ledger_head,
        "problem": case.problem or None,
        "tracks": [
            {"track": each.track, "first_s": each.first_s, "last_s": each.last_s, "capture_clock": each.clock or None}
            for each in case.sightings
        ],
    }


def _plain_lead(lead: Lead) -> dict[str, Any]:
    found, strength = lead.candidate, lead.candidate.strength
    return {
        "case": lead.case.name,
        "track": found.track,
        "variant": found.variant,
        "similarity": found.similarity,
        "threshold": found.threshold,
        "likelihood_ratio": strength.likelihood_ratio if strength else None,
        "limited": strength.limited if strength else None,
        "support": strength.support if strength else None,
        "calibration": strength.calibration if strength else found.no_strength,
    }


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
