"""What was found, in a few sentences at the head of the summary. Draws nothing, and says nothing of who somebody is.

Tracks that a redacted copy hides are counted as hidden, never as tracks that could not be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from facerecon.report import wording
from facerecon.report.content import CaseReport
from facerecon.report.history import StageHistory
from facerecon.report.language import tr
from facerecon.report.notation import plural, shown
from facerecon.report.redaction import redacted_tracks
from facerecon.report.tracks import TrackView


def finding(report: CaseReport, tracks: Sequence[TrackView], stages: Mapping[str, StageHistory]) -> str:
    """Return what was found in the frames, and what comparison with a gallery came to."""
    frames = plural("{count} analysed frame", "{count} analysed frames", len(report.frames))
    if not stages["extract"].ran and not report.frames:
        return tr("Nothing has been examined yet: no run of the stage 'extract' has finished.")
    if not report.detections and not tracks:
        return f"{tr('No face was found in {frames}.', frames=frames)} {tr(wording.NOTHING_FOUND)}"
    if not tracks:
        none = tr(
            "Faces were found in {frames}, but none long enough for a track; they are listed under what was not "
            "processed.",
            frames=frames,
        )
        return f"{none} {tr(wording.NOTHING_FOUND)}"
    found = plural("{count} track found in {frames}.", "{count} tracks found in {frames}.", len(tracks), frames=frames)
    hidden = hidden_tracks(report, tracks)
    seen = [view for view in tracks if view.track.id not in hidden]
    said = [found, *([_hidden(len(hidden), seen)] if hidden else [])]
    if seen:
        said.append(_compared(seen, ran=stages["recognize"].ran or bool(report.candidates)))
    return " ".join(said)


def hidden_tracks(report: CaseReport, tracks: Sequence[TrackView]) -> frozenset[str]:
    """Return which of the tracks are hidden, because the case is a redacted copy."""
    return frozenset(redacted_tracks(report.ledger)) & {view.track.id for view in tracks}


def _hidden(count: int, seen: Sequence[TrackView]) -> str:
    told = plural(
        "{count} of them is covered in this copy, redacted for disclosure.",
        "{count} of them are covered in this copy, redacted for disclosure.",
        count,
    )
    if len(seen) == 1:
        only = tr("What follows is about the other one, {track}.", track=shown(seen[0].track.id))
        return f"{told} {only}"
    return f"{told} {tr('What follows is about the others.')}" if seen else told


def _compared(tracks: Sequence[TrackView], *, ran: bool) -> str:
    if not ran:
        return tr("Comparison with a gallery was not run.")
    above = sum(view.has_candidate for view in tracks)
    unusable = sum(view.strongest is None for view in tracks)
    if unusable == len(tracks):
        return plural(
            "This track could not be compared: the reasons are listed under what was not processed.",
            "None of the tracks could be compared: the reasons are listed under what was not processed.",
            unusable,
        )
    rest = f" {_not_all(unusable)}" if unusable else ""
    if not above:
        none = plural(
            "No gallery picture reached the similarity threshold for this track.",
            "No gallery picture reached the similarity threshold for any of them.",
            len(tracks),
        )
        return f"{none} {tr(wording.NO_CANDIDATE)}{rest}"
    if len(tracks) == 1:
        one = tr("For this track the gallery holds at least one candidate above the similarity threshold.")
        return f"{one}{rest}"
    some = plural(
        "For {above} of them the gallery holds at least one candidate above the similarity threshold.",
        "For {above} of them the gallery holds at least one candidate above the similarity threshold.",
        above,
        above=above,
    )
    return f"{some}{rest}"


def _not_all(unusable: int) -> str:
    return plural(
        "{count} of the tracks could not be compared: the reasons are listed under what was not processed.",
        "{count} of the tracks could not be compared: the reasons are listed under what was not processed.",
        unusable,
    )
