"""A redacted copy of a case, for disclosure: a new case in which chosen tracks are covered everywhere, on record.

Owns the choice of tracks, the new folder, the account of every file of the original, and the ledger's entry
`case.redacted`. The original is verified, only read, and never changed. What the covering itself is, and why it is no
blur: `masking`. What of each stage may be in the copy: `redacted_stages`.

Digests of the files that are left out are on record, but not of those that were cut: what is missing from a list of
candidates is a name out of a gallery and four digits, and a digest of the whole would confirm a guess of them. For the
same reason gallery pictures that are left out are only counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from facerecon.case import Case
from facerecon.errors import IntegrityError, UsageError
from facerecon.manifest import Manifest, verify
from facerecon.pipeline.masking import FILL, GROWTH_PER_S, LEAST_MARGIN_PX, Mask, Sighting
from facerecon.pipeline.redacted_folder import unfinished
from facerecon.pipeline.redacted_stages import GALLERY, STAGES
from facerecon.pipeline.redacting import Choice, Copying
from facerecon.profiles import read_profile
from facerecon.records import CaseInfo, DetectionRecord, FrameRecord, Record, Remark, TrackRecord
from facerecon.report.redaction import REDACTED, redacted_tracks, redactions

MARGIN = 0.5
"""What is covered round a face by default, in sizes of its box: hair, ears and chin lie outside of the box."""
SUFFIX = " (redacted copy)"
METHOD = "the box of the face and a margin are filled with one flat colour, the same for every face"
REFERENCE = (
    "no blur or mosaic: Hill, Zhou, Saul and Shacham, On the (In)effectiveness of Mosaicing and Blurring as Tools for "
    "Document Redaction, PoPETs 2016(4); McPherson, Shokri and Shmatikov, Defeating Image Obfuscation with Deep "
    "Learning, arXiv:1609.00408"
)
_NO_SOURCE = "not handed on: "
_DEFAULT_HOLD_S = 1.0
_LEFT_OUT = {
    "report/": "a report of the original shows what is redacted; the copy's is made anew",
    "signatures/": "a signature or timestamp is of the original as it was",
    "records/review-": "a review is of a report that shows what is redacted",
}
_UNKNOWN = "no finished run names it, so nobody can vouch for what it shows"


@dataclass(frozen=True)
class Wish:
    """What is asked for: tracks to hide, or else those to keep; why, by whom, and the margin in box sizes."""

    hide: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    reason: str = ""
    operator: str = "not stated"
    margin: float = MARGIN


class Tally(Record):
    """What became of the original's files; ledger and manifest, which every case has of its own, do not count."""

    requested: int
    copied: int
    redacted: int
    withheld: int


def redact(root: Path, out: Path, wish: Wish, report: Callable[[Case], None]) -> dict[str, Any]:
    """Make a redacted copy of a case, whole or not at all.

    Args:
        root: the case.
        out: the new case folder; its parent must exist, itself not.
        wish: which tracks are hidden, and why.
        report: writes the copy's report into it.

    Returns:
        What the ledger's entry says, and `ledger_head` of the copy.

    Raises:
        UsageError: `out` exists or lies in the case, or the wish names no track, an unknown one, or no reason.
        IntegrityError: the case does not verify.
        ResourceError: the copy cannot be written; nothing is left of it.
    """
    _require_new(root, out)
    manifest = verify(root)
    with Case.view(root) as original, unfinished(out) as folder:
        choice = chosen(original, wish)
        with _created(original, folder, choice) as copy:
            details = _carried(original, copy, choice, wish, manifest)
            copy.note(REDACTED, details, {"case": original.ledger.head})
            report(copy)
            details["ledger_head"] = copy.ledger.head
        verify(folder)
    return details


# --- what is asked for ------------------------------------------------------------------------------------------------


def chosen(case: Case, wish: Wish) -> Choice:
    """Return which tracks of a case are to be hidden. To keep some means to hide all others, also faces of no track.

    Raises:
        UsageError: the wish names no track or an unknown one, leaves nothing to hide, or gives no reason.
    """
    if len(case.runs("extract")) != 1:
        raise UsageError(f"case {case.root} has no finished extraction, or several; there are no tracks to choose from")
    known = {track.id for track in case.read(TrackRecord, "tracks")}
    hidden = redacted_tracks(case.ledger.entries)
    _require_known(case, wish, known, hidden)
    tracks = frozenset(wish.hide) if wish.hide else frozenset(known - set(wish.keep) - hidden.keys())
    if not tracks:
        raise UsageError(f"nothing to redact: no track of case {case.root} would be hidden")
    return Choice(tracks, _reason(wish.reason), trackless=bool(wish.keep))


def _require_known(case: Case, wish: Wish, known: set[str], hidden: Mapping[str, str]) -> None:
    if bool(wish.hide) == bool(wish.keep):
        raise UsageError("say which tracks are to be hidden with --track, or which are not with --keep; not both")
    for track in (*wish.hide, *wish.keep):
        if track not in known:
            names = ", ".join(sorted(known)[:20]) or "none"
            raise UsageError(f"case {case.root} has no track {track}; its tracks are: {names}")
        if track in hidden:
            raise UsageError(f"track {track} of case {case.root} is redacted already")
    if wish.margin < 0:
        raise UsageError(f"--margin {wish.margin:g} is negative; it is what is covered round a face, in box sizes")


def _reason(text: str) -> str:
    try:
        if text.strip():
            return TypeAdapter(Remark).validate_python(text.strip())
    except ValidationError as error:
        raise UsageError(f"--reason: {error.errors()[0]['msg']}") from None
    raise UsageError("--reason is empty; the copy says why it was redacted")


# --- the new folder ---------------------------------------------------------------------------------------------------


def _require_new(root: Path, out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} exists already, and nothing was changed; give another name")
    if out.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"{out} lies in the case folder, which would then not verify; give another place")


def _created(original: Case, folder: Path, choice: Choice) -> Case:
    profile = read_profile(original.bytes_of("profile.yaml"), str(original.root / "profile.yaml"))
    probe = json.loads(original.bytes_of("records/probe.json"))
    return Case.create(folder, _info(original, choice), profile, probe)


def _info(original: Case, choice: Choice) -> CaseInfo:
    """Return what the copy is about. Its source has no path: with one, whole frames could be rendered into it again."""
    info = original.info
    purpose = f"{info.purpose} (redacted copy for disclosure: {choice.reason})"
    return info.model_copy(
        update={
            "case_id": f"{info.case_id.removesuffix(SUFFIX)}{SUFFIX}",
            "purpose": purpose,
            "source": info.source.model_copy(update={"path": f"{_NO_SOURCE}{info.source.name}"}),
        }
    )


# --- what goes into it ------------------------------------------------------------------------------------------------


def _carried(original: Case, copy: Case, choice: Choice, wish: Wish, manifest: Manifest) -> dict[str, Any]:
    """Carry all finished runs over, oldest first, and return what the ledger says of the redaction."""
    hold_s = _hold_s(original)
    copying = Copying(original, copy, choice, mask_of(original, choice, wish.margin, hold_s))
    done: Counter[str] = Counter()
    for entry in original.ledger.entries:
        stage, _, ending = entry.action.rpartition(".")
        if ending == "finished" and stage in STAGES:
            done[stage] += 1
            copying.carry(stage, done[stage], entry, STAGES[stage])
    method = {
        "name": METHOD,
        "reference": REFERENCE,
        "fill_rgb": list(FILL),
        "margin_box_sizes": wish.margin,
        "least_margin_px": LEAST_MARGIN_PX,
        "held_s": hold_s,
        "growth_box_sizes_per_s": GROWTH_PER_S,
    }
    return {
        "original": {
            "case_id": original.info.case_id,
            "ledger_head": original.ledger.head,
            "ledger_entries": len(original.ledger.entries),
            "manifest_digest": manifest.digest,
        },
        "tracks": sorted(choice.tracks),
        "faces_of_no_track": choice.trackless,
        "reason": choice.reason,
        "operator": wish.operator,
        "method": method,
        **_account(copying, manifest),
        "covered_in_part": sorted(copying.in_part),
        "earlier": list(redactions(original.ledger.entries)),
    }


def mask_of(case: Case, choice: Choice, margin: float, hold_s: float) -> Mask:
    """Return what is to be covered when, from the detections of a case."""
    times = {frame.id: frame.timestamp.seconds for frame in case.read(FrameRecord, "frames")}
    found: dict[str | None, list[Sighting]] = {}
    for record in case.read(DetectionRecord, "detections"):
        if record.frame not in times:
            raise IntegrityError(f"case {case.root}: a detection is in frame {record.frame}, which no record has")
        found.setdefault(record.track, []).append(Sighting(times[record.frame], record.detection.box))
    alone = found.pop(None, [])
    ways = {track: sorted(seen, key=lambda each: each.seconds) for track, seen in found.items()}
    hidden: list[Sequence[Sighting]] = [seen for track, seen in ways.items() if choice.hides(track)]
    hidden += [[each] for each in alone] if choice.trackless else []
    shown = [seen for track, seen in ways.items() if not choice.hides(track)]
    in_order = case.info.source.clock == "order"
    return Mask(hidden, shown, margin=margin, hold_s=hold_s, in_order=in_order)


def _hold_s(case: Case) -> float:
    """Return how long the tracker of the case let a face be away before it gave it up."""
    settings = dict(case.runs("extract")[-1].details.get("parameters", {})).get("track", {})
    gap = settings.get("max_gap_s") if isinstance(settings, Mapping) else None
    return float(gap) if isinstance(gap, (int, float)) and gap > 0 else _DEFAULT_HOLD_S


# --- the account ------------------------------------------------------------------------------------------------------


def _account(copying: Copying, manifest: Manifest) -> dict[str, Any]:
    """Return what became of every file of the original: requested = copied + redacted + withheld."""
    before, now = copying.original.digests(), copying.copy.digests()
    left_in = sorted(path for path in copying.why if path in now)
    if left_in:
        raise AssertionError(f"{left_in[0]} is in the copy, and was to be left out")
    names = {path: copying.renamed.get(path, path) for path in before}
    copied = [path for path, name in names.items() if now.get(name) == before[path]]
    missing = [path for path, name in names.items() if name not in now]
    unnamed = sum(copying.why.get(path) == GALLERY for path in missing)
    tally = Tally(
        requested=len(before),
        copied=len(copied),
        redacted=len(before) - len(copied) - len(missing),
        withheld=len(missing),
    )
    return {
        "counts": tally.model_dump(),
        "withheld": [
            {
                "path": path,
                "sha256": before[path],
                "size_bytes": manifest.files[path].size_bytes,
                "reason": copying.why.get(path) or _why(path),
            }
            for path in missing
            if copying.why.get(path) != GALLERY
        ],
        "withheld_unnamed": [{"files": unnamed, "reason": GALLERY}] if unnamed else [],
    }


def _why(path: str) -> str:
    return next((reason for start, reason in _LEFT_OUT.items() if path.startswith(start)), _UNKNOWN)
