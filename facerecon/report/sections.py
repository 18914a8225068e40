"""Puts a report together from a case's content. Owns the order, the head, the summary and the timeline."""

from __future__ import annotations

from dataclasses import dataclass

from facerecon.report import wording
from facerecon.report.blocks import (
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    Fact,
    Facts,
    Head,
    Section,
    Stats,
    Table,
    Text,
    Timelines,
    numbered,
    pictures_of,
)
from facerecon.report.calibrations import Use, strength_section, uses
from facerecon.report.content import CaseReport
from facerecon.report.custody import (
    integrity_section,
    pictures_appendix,
    probe_appendix,
    profile_appendix,
    source_section,
    steps_appendix,
)
from facerecon.report.figures import Album
from facerecon.report.history import STAGES, StageHistory, stage_history
from facerecon.report.method import method_section
from facerecon.report.notation import DASH, duration, integer, plural, short, shown, size, utc
from facerecon.report.omissions import omissions_section
from facerecon.report.overview import overview
from facerecon.report.processing import processing_section
from facerecon.report.quality import limits_of
from facerecon.report.rendered import rendered_section
from facerecon.report.reviews import reviews_section
from facerecon.report.strength import reason_words
from facerecon.report.timeline import Clock, timelines
from facerecon.report.tracks import TrackView, track_section, track_views
from facerecon.report.truth import truth_section

_TIMELINE_ROWS = 20
_REASONS = 3


@dataclass(frozen=True, eq=False)
class _Sources:
    report: CaseReport
    clock: Clock
    stages: dict[str, StageHistory]
    tracks: tuple[TrackView, ...]
    traced: tuple[Use, ...]


def document(report: CaseReport) -> Document:
    """Return the whole report of a case, numbered.

    Raises:
        IntegrityError: a picture is not the one its record names, or cannot be shown at its original's size, or the
            case lacks the calibration of a likelihood ratio.
    """
    clock = Clock(report.info.source.clock, report.frames)
    stages = {name: stage_history(report.ledger, name) for name in STAGES}
    traced = uses(report)
    sources = _Sources(report, clock, stages, track_views(report, Album(report.picture), clock, traced), traced)
    main = (
        _summary(sources),
        *_timeline(sources),
        *_tracks(sources),
        *strength_section(report, traced, [view.strength for view in sources.tracks if view.strength]),
        omissions_section(report, stages),
        *truth_section(report),
        *rendered_section(report),
        method_section(report, stages),
        processing_section(report, stages),
        source_section(report),
        Section("limits", "Limits of this report", (Bullets(wording.LIMITS),)),
        *reviews_section(report.reviews),
        integrity_section(report),
    )
    appendices = (profile_appendix(report), probe_appendix(report), *steps_appendix(report))
    pictures = pictures_of(main)
    sections = numbered((*main, *appendices, *pictures_appendix(pictures)))
    return Document(_head(sources), sections, _date(report), report.ledger_head, _footer(report), pictures)


# --- head -------------------------------------------------------------------------------------------------------------


def _head(sources: _Sources) -> Head:
    info = sources.report.info
    facts = (
        Fact("Operator", _given(info.operator)),
        Fact("Purpose", _given(info.purpose)),
        Fact("Source", shown(info.source.name)),
        Fact("Source SHA-256", info.source.sha256, mono=True),
        Fact("Profile", f"{shown(info.profile_name)} ({short(info.profile_sha256)})"),
        Fact("Tool", f"facerecon {shown(info.tool_version)}"),
        Fact("Case made", utc(info.created_utc)),
        Fact("Report date", f"{utc(_date(sources.report))} (last ledger entry)"),
        Fact("Ledger head", sources.report.ledger_head, mono=True),
    )
    return Head(
        wording.TITLE,
        shown(info.case_id),
        sources.report.review_state,
        wording.STATE_NOTES[sources.report.review_state],
        facts,
        wording.REVIEWERS,
        wording.REVIEW_FIELDS,
    )


def _date(report: CaseReport) -> str:
    return report.ledger[-1].utc if report.ledger else report.info.created_utc


def _footer(report: CaseReport) -> str:
    return f"Case {shown(report.info.case_id)}"


def _given(text: str) -> str:
    return shown(text) if text.strip() else "not stated"


# --- summary ----------------------------------------------------------------------------------------------------------


def _summary(sources: _Sources) -> Section:
    blocks: list[Block] = [Text(_finding(sources), "result"), Stats(_stats(sources))]
    if sources.tracks:
        blocks += [overview(sources.tracks, sources.clock), Text(f"{wording.TRACK} {wording.HOW_TO_READ}")]
    blocks += _prepared(sources)
    blocks += _strength(sources)
    blocks.append(_stage_table(sources))
    return Section("summary", "Summary", tuple(blocks))


def _finding(sources: _Sources) -> str:
    frames = plural(len(sources.report.frames), "analysed frame")
    if not sources.stages["extract"].ran and not sources.report.frames:
        return "Nothing has been examined yet: no run of the stage 'extract' has finished."
    if not sources.report.detections:
        return f"No face was found in {frames}. {wording.NOTHING_FOUND}"
    if not sources.tracks:
        return (
            f"Faces were found in {frames}, but none long enough for a track; they are listed under what was not "
            f"processed. {wording.NOTHING_FOUND}"
        )
    return f"{plural(len(sources.tracks), 'track')} found in {frames}. {_comparison_finding(sources)}"


def _comparison_finding(sources: _Sources) -> str:
    if not sources.stages["recognize"].ran and not sources.report.candidates:
        return "Comparison with a gallery was not run."
    above = sum(view.has_candidate for view in sources.tracks)
    unusable = sum(view.strongest is None for view in sources.tracks)
    if unusable == len(sources.tracks):
        which = "This track" if unusable == 1 else "None of the tracks"
        return f"{which} could {'not ' if unusable == 1 else ''}be compared: {wording.NOT_COMPARED}"
    rest = f" {integer(unusable)} of the tracks could not be compared: {wording.NOT_COMPARED}" if unusable else ""
    if not above:
        which = "this track" if len(sources.tracks) == 1 else "any of them"
        return f"No gallery picture reached the similarity threshold for {which}. {wording.NO_CANDIDATE}{rest}"
    which = "this track" if len(sources.tracks) == 1 else f"{above} of them"
    return f"For {which} the gallery holds at least one candidate above the similarity threshold.{rest}"


def _stats(sources: _Sources) -> tuple[tuple[str, str], ...]:
    report = sources.report
    frames = sources.stages["extract"].account("frames")
    analysed = f"frames analysed of {integer(frames.requested)} requested" if frames else "frames analysed"
    compared = sources.stages["recognize"].ran or bool(report.candidates)
    above = len(
        {
            (line.track, line.identity, line.person_id)
            for line in report.candidates
            if line.primary and line.above_threshold
        }
    )
    restored = integer(len(report.restored)) if sources.stages["enhance"].ran or report.restored else DASH
    return (
        (integer(len(sources.tracks)), "track" if len(sources.tracks) == 1 else "tracks"),
        (integer(len(report.frames)), analysed),
        (integer(len(report.detections)), "face detections"),
        (restored, "enhanced pictures" if restored != DASH else "enhancement not run"),
        (integer(above) if compared else DASH, "candidates above threshold" if compared else "comparison not run"),
    )


def _prepared(sources: _Sources) -> list[Block]:
    preparation = sources.stages["extract"].details.get("preparation") or ()
    if not isinstance(preparation, (list, tuple)) or not preparation:
        return []
    return [Text(f"{wording.PREPARED}{'; '.join(shown(each) for each in preparation)}.")]


def _strength(sources: _Sources) -> list[Block]:
    if not sources.report.candidates:
        return []
    lines = [line for line in sources.report.candidates if line.primary]
    words = [wording.CANDIDATE, wording.SIMILARITY]
    words += [wording.LIKELIHOOD_RATIO_SHORT] if sources.traced else [wording.NO_RATIO]
    reasons = list(dict.fromkeys(reason_words(line) for line in lines if line.strength is None))
    if reasons:
        without = sum(line.strength is None for line in lines)
        more = f"; {len(reasons) - _REASONS} more in the tracks' tables" if len(reasons) > _REASONS else ""
        told = "; ".join(reasons[:_REASONS])
        words.append(f"{integer(without)} of {plural(len(lines), 'comparison')} without a ratio: {told}{more}.")
    return [Text(" ".join(words))]


def _stage_table(sources: _Sources) -> Table:
    columns = (
        Column("Stage", weight=1.1),
        Column("State", weight=2.4),
        Column("Last run began", weight=1.9),
        Column("Runs finished", "right", weight=1),
    )
    rows = tuple(
        (
            Cell(name, strong=True),
            Cell(_stage_state(history)),
            Cell(utc(history.started_utc) or DASH),
            Cell(str(history.runs)),
        )
        for name, history in sources.stages.items()
        if name != "report"
    )
    return Table("State of the stages, from the ledger.", columns, rows)


def _stage_state(history: StageHistory) -> str:
    if history.state == "started":
        return "started, and the ledger holds no end: it was killed, or is still running"
    took = sum(seconds for seconds in history.durations.values())
    after = f" in {duration(took)}" if history.state == "finished" and took else ""
    return f"{history.state}{after}{f': {shown(history.reason)}' if history.reason else ''}"


# --- timeline and tracks ----------------------------------------------------------------------------------------------


def _timeline(sources: _Sources) -> tuple[Section, ...]:
    if not sources.tracks:
        return ()
    report = sources.report
    axis = (
        "Axis: number of the picture in the source."
        if sources.clock.ordered
        else ("Axis: time from the start of the stream, h:mm:ss, from the container's time stamps.")
    )
    marks = f"Bar: first to last detection. Ticks: detections. Dots: best shots. {axis}"
    figures = tuple(
        Timelines(part, f"{part.title}. {marks}") for part in timelines(report, sources.clock, _TIMELINE_ROWS)
    )
    source = f"{shown(report.info.source.name)}, {size(report.info.source.size_bytes)}"
    return (Section("timeline", "Timeline", (Facts((Fact("Source", source),)), *figures, _track_table(sources))),)


def _track_table(sources: _Sources) -> Table:
    columns = (
        Column("Track", weight=1),
        Column("First", weight=1.6),
        Column("Last", weight=1.6),
        Column("Length", "right", weight=1.2),
        Column("Detections", "right", weight=1),
        Column("Best shots", "right", weight=1),
    )
    rows = tuple(
        (
            Cell(shown(view.track.id), target=view.section_id),
            Cell(sources.clock.text(view.track.first)),
            Cell(sources.clock.text(view.track.last)),
            Cell(sources.clock.span(view.track.first, view.track.last)),
            Cell(str(view.track.detections)),
            Cell(str(len(view.track.best))),
        )
        for view in sources.tracks
    )
    return Table("Tracks in order of the case.", columns, rows)


def _tracks(sources: _Sources) -> tuple[Section, ...]:
    if not sources.tracks:
        return ()
    enhanced = sources.stages["enhance"].ran or bool(sources.report.restored)
    compared = sources.stages["recognize"].ran or bool(sources.report.candidates)
    limits = limits_of(sources.stages)
    children = tuple(track_section(view, sources.clock, enhanced, compared, limits) for view in sources.tracks)
    return (Section("tracks", "Tracks", (), children),)
