"""Puts a report together from a case's content. Owns the order, the head, the summary and the timeline."""

from __future__ import annotations

from dataclasses import dataclass

from facerecon.records import NOT_STATED
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
from facerecon.report.finding import finding, hidden_tracks
from facerecon.report.history import STAGES, STATES, StageHistory, stage_history
from facerecon.report.language import spoken, tr, trc
from facerecon.report.method import method_section
from facerecon.report.notation import DASH, duration, integer, plural, short, shown, size, utc
from facerecon.report.omissions import omissions_section
from facerecon.report.overview import overview
from facerecon.report.processing import processing_section
from facerecon.report.quality import limits_of
from facerecon.report.recorded import recorded
from facerecon.report.redaction import marked_cards, marked_section, notice
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
        _limits(),
        *reviews_section(report.reviews),
        integrity_section(report),
    )
    appendices = (profile_appendix(report), probe_appendix(report), *steps_appendix(report))
    pictures = pictures_of(main)
    sections = numbered((*main, *appendices, *pictures_appendix(pictures)))
    return Document(_head(sources), sections, _date(report), report.ledger_head, _footer(report), pictures)


def _limits() -> Section:
    items = tuple((tr(head), tr(words)) for head, words in wording.LIMITS)
    return Section("limits", tr("Limits of this report"), (Bullets(items),))


# --- head -------------------------------------------------------------------------------------------------------------


def _head(sources: _Sources) -> Head:
    info = sources.report.info
    facts = (
        Fact(tr("Operator"), _given(info.operator)),
        Fact(tr("Purpose"), _given(info.purpose)),
        Fact(tr("Source"), shown(info.source.name)),
        Fact(tr("Source SHA-256"), info.source.sha256, mono=True),
        Fact(tr("Profile"), f"{shown(info.profile_name)} ({short(info.profile_sha256)})"),
        Fact(tr("Tool"), f"facerecon {shown(info.tool_version)}"),
        Fact(tr("Case made"), utc(info.created_utc)),
        Fact(tr("Report date"), tr("{utc} (last ledger entry)", utc=utc(_date(sources.report)))),
        *_language(),
        Fact(tr("Ledger head"), sources.report.ledger_head, mono=True),
    )
    return Head(
        tr(wording.TITLE),
        shown(info.case_id),
        tr(wording.STATES[sources.report.review_state]),
        tr(wording.STATE_NOTES[sources.report.review_state]),
        facts,
        tuple(map(tr, wording.REVIEWERS)),
        tuple(map(tr, wording.REVIEW_FIELDS)),
    )


def _language() -> tuple[Fact, ...]:
    """Name the report's language where it is not the one in which the case was recorded."""
    if spoken().english:
        return ()
    own = trc("the name of this catalogue's language in itself", "English")
    return (Fact(tr("Language"), f"{own} ({spoken().code})"),)


def _date(report: CaseReport) -> str:
    return report.ledger[-1].utc if report.ledger else report.info.created_utc


def _footer(report: CaseReport) -> str:
    return tr("Case {id}", id=shown(report.info.case_id))


def _given(text: str) -> str:
    return shown(text) if text.strip() and text != NOT_STATED else tr("not stated")


# --- summary ----------------------------------------------------------------------------------------------------------


def _summary(sources: _Sources) -> Section:
    report, ledger = sources.report, sources.report.ledger
    blocks: list[Block] = [
        *notice(ledger),
        Text(finding(report, sources.tracks, sources.stages), "result"),
        Stats(_stats(sources)),
    ]
    if sources.tracks:
        cards = marked_cards(overview(sources.tracks, sources.clock), ledger)
        blocks += [cards, Text(f"{tr(wording.TRACK)} {tr(wording.HOW_TO_READ)}")]
    blocks += _prepared(sources)
    blocks += _strength(sources)
    blocks.append(_stage_table(sources))
    if not spoken().english:
        blocks.append(Text(tr(wording.AS_RECORDED), "note"))
    return Section("summary", tr("Summary"), tuple(blocks))


def _stats(sources: _Sources) -> tuple[tuple[str, str], ...]:
    report = sources.report
    frames = sources.stages["extract"].account("frames")
    analysed = (
        tr("frames analysed of {count} requested", count=integer(frames.requested)) if frames else tr("frames analysed")
    )
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
        (integer(len(sources.tracks)), _track_label(sources)),
        (integer(len(report.frames)), analysed),
        (integer(len(report.detections)), tr("face detections")),
        (restored, tr("enhanced pictures") if restored != DASH else tr("enhancement not run")),
        (
            integer(above) if compared else DASH,
            tr("candidates above threshold") if compared else tr("comparison not run"),
        ),
    )


def _track_label(sources: _Sources) -> str:
    hidden = len(hidden_tracks(sources.report, sources.tracks))
    if not hidden:
        return plural("track", "tracks", len(sources.tracks))
    return plural("track, {hidden} redacted", "tracks, {hidden} redacted", len(sources.tracks), hidden=integer(hidden))


def _prepared(sources: _Sources) -> list[Block]:
    preparation = sources.stages["extract"].details.get("preparation") or ()
    if not isinstance(preparation, (list, tuple)) or not preparation:
        return []
    return [Text(f"{tr(wording.PREPARED)}{'; '.join(recorded(each) for each in preparation)}.")]


def _strength(sources: _Sources) -> list[Block]:
    if not sources.report.candidates:
        return []
    lines = [line for line in sources.report.candidates if line.primary]
    ratios = wording.LIKELIHOOD_RATIO_SHORT if sources.traced else wording.NO_RATIO
    words = [tr(each) for each in (wording.CANDIDATE, wording.SIMILARITY, ratios)]
    reasons = list(dict.fromkeys(reason_words(line) for line in lines if line.strength is None))
    if reasons:
        without = sum(line.strength is None for line in lines)
        told = [*reasons[:_REASONS], *_more(len(reasons) - _REASONS)]
        words.append(
            plural(
                "{without} of {count} comparison without a ratio: {reasons}.",
                "{without} of {count} comparisons without a ratio: {reasons}.",
                len(lines),
                without=integer(without),
                reasons="; ".join(told),
            )
        )
    return [Text(" ".join(words))]


def _more(rest: int) -> tuple[str, ...]:
    if rest <= 0:
        return ()
    return (plural("{count} more in the tracks' tables", "{count} more in the tracks' tables", rest),)


def _stage_table(sources: _Sources) -> Table:
    columns = (
        Column(tr("Stage"), weight=1.1),
        Column(tr("State"), weight=2.4),
        Column(tr("Last run began"), weight=1.9),
        Column(tr("Runs finished"), "right", weight=1),
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
    return Table(tr("State of the stages, from the ledger."), columns, rows)


def _stage_state(history: StageHistory) -> str:
    if history.state == "started":
        return tr("started, and the ledger holds no end: it was killed, or is still running")
    took = sum(seconds for seconds in history.durations.values())
    state = tr(STATES[history.state])
    if history.state == "finished" and took:
        state = tr("finished in {duration}", duration=duration(took))
    return f"{state}{f': {recorded(history.reason)}' if history.reason else ''}"


# --- timeline and tracks ----------------------------------------------------------------------------------------------


def _timeline(sources: _Sources) -> tuple[Section, ...]:
    if not sources.tracks:
        return ()
    report = sources.report
    axis = (
        tr("Axis: number of the picture in the source.")
        if sources.clock.ordered
        else tr("Axis: time from the start of the stream, h:mm:ss, from the container's time stamps.")
    )
    marks = f"{tr('Bar: first to last detection. Ticks: detections. Dots: best shots.')} {axis}"
    figures = tuple(
        Timelines(part, f"{part.title}. {marks}") for part in timelines(report, sources.clock, _TIMELINE_ROWS)
    )
    source = f"{shown(report.info.source.name)}, {size(report.info.source.size_bytes)}"
    return (
        Section("timeline", tr("Timeline"), (Facts((Fact(tr("Source"), source),)), *figures, _track_table(sources))),
    )


def _track_table(sources: _Sources) -> Table:
    columns = (
        Column(tr("Track"), weight=1),
        Column(tr("First"), weight=1.6),
        Column(tr("Last"), weight=1.6),
        Column(tr("Length"), "right", weight=1.2),
        Column(tr("Detections"), "right", weight=1),
        Column(tr("Best shots"), "right", weight=1),
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
    return Table(tr("Tracks in order of the case."), columns, rows)


def _tracks(sources: _Sources) -> tuple[Section, ...]:
    if not sources.tracks:
        return ()
    enhanced = sources.stages["enhance"].ran or bool(sources.report.restored)
    compared = sources.stages["recognize"].ran or bool(sources.report.candidates)
    limits = limits_of(sources.stages)
    children = tuple(
        marked_section(
            track_section(view, sources.clock, enhanced, compared, limits), view.track.id, sources.report.ledger
        )
        for view in sources.tracks
    )
    return (Section("tracks", tr("Tracks"), (), children),)
