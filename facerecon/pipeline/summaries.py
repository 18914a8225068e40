"""What the stages of a case found, as the JSON documents that scripts rely on (schema 1). Only reads the case."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facerecon.case import Case
from facerecon.manifest import Manifest
from facerecon.pipeline.corrected import fused_restored_of
from facerecon.records import (
    Candidate,
    ChipRecord,
    FusedRecord,
    FusedRestoredRecord,
    RenderedRecord,
    RestoredRecord,
    TrackRecord,
)
from facerecon.review import review_state

if TYPE_CHECKING:
    from facerecon.pipeline.signatures import CaseSignature
    from facerecon.pipeline.unpacking import Sealed

SCHEMA = 1
_ATTESTING = ("case.signed", "case.timestamped")


def extract_summary(case: Case) -> dict[str, Any]:
    """Return {case, source, frames, faces, tracks, skipped} of the extraction."""
    details = case.runs("extract")[-1].details
    chips = {chip.id: chip for chip in case.read(ChipRecord, "chips")}
    return {
        "case": str(case.root),
        "source": {"path": case.info.source.path, "sha256": case.info.source.sha256},
        "frames": details["counts"]["frames"],
        "faces": details["counts"]["faces"],
        "tracks": [_track(case, track, chips) for track in case.read(TrackRecord, "tracks")],
        "skipped": details["skipped"],
    }


def _track(case: Case, track: TrackRecord, chips: dict[str, ChipRecord]) -> dict[str, Any]:
    return {
        "id": track.id,
        "first_s": float(track.first.seconds),
        "last_s": float(track.last.seconds),
        "detections": track.detections,
        "best": [str(case.root / chips[name].path) for name in track.best],
    }


def enhance_summary(case: Case) -> dict[str, Any]:
    """Return {case, restored, fused, fused_restored, rendered, skipped}: the latest stills, and all renderings."""
    runs = case.runs("enhance")
    restored = case.read(RestoredRecord, "restored", len(runs)) if runs else []
    fused = case.read(FusedRecord, "fused", len(runs)) if runs else []
    return {
        "case": str(case.root),
        "restored": [
            {
                "track": record.track,
                "original": str(case.root / record.original),
                "restored": str(case.root / record.path),
                "model": record.model,
                "precision": record.precision,
                "learned": record.learned,
                "downscale_psnr_db": record.downscale_psnr_db,
                "beyond_rms_levels": record.beyond_rms_levels,
                "identity_drift": record.identity_drift,
                "warnings": list(record.warnings),
            }
            for record in restored
        ],
        "fused": [_fused(case, record) for record in fused],
        "fused_restored": [_corrected(case, record) for record in fused_restored_of(case)],
        "rendered": [_rendered(case, number) for number, _ in enumerate(case.runs("render"), start=1)],
        "skipped": runs[-1].details["skipped"] if runs else {"stage: no stills were asked for": 1},
    }


def _rendered(case: Case, number: int) -> dict[str, Any]:
    (record,) = case.read(RenderedRecord, "rendered", number)
    entry = case.runs("render")[number - 1]
    return {
        "kind": record.kind,
        "files": [str(case.root / path) for path in record.files],
        "frames": record.frames.model_dump(),
        "faces": record.faces.model_dump(),
        "upscaler": record.upscaler,
        "face_model": record.face_model,
        "skipped": entry.details["skipped"],
    }


def _fused(case: Case, record: FusedRecord) -> dict[str, Any]:
    return {
        "track": record.track,
        "reference": record.reference,
        "original": str(case.root / record.reference_path),
        "fused": str(case.root / record.path),
        "frames": [frame.chip.rpartition("/")[2] for frame in record.frames if frame.weight > 0],
        "weights": [frame.weight for frame in record.frames if frame.weight > 0],
        "rejected": {frame.chip.rpartition("/")[2]: frame.rejected for frame in record.frames if frame.rejected},
        "mean_count": record.mean_count,
    }


def _corrected(case: Case, record: FusedRestoredRecord) -> dict[str, Any]:
    return {
        "track": record.track,
        "original": str(case.root / record.reference_path),
        "fused": str(case.root / record.fused_path),
        "restored": str(case.root / record.path),
        "model": record.model,
        "precision": record.precision,
        "downscale_psnr_db": record.downscale_psnr_db,
        "change_rms_levels": record.change_rms_levels,
        "identity_drift": record.identity_drift,
        "warnings": list(record.warnings),
    }


def recognize_summary(case: Case) -> dict[str, Any]:
    """Return {case, candidates, gallery, skipped} of the latest comparison; no candidates when none was made."""
    runs = case.runs("recognize")
    if not runs:
        return {"case": str(case.root), "candidates": [], "skipped": {"stage: no gallery was given": 1}}
    candidates = case.read(Candidate, "candidates", len(runs))
    keys = (
        "track",
        "variant",
        "primary",
        "rank",
        "identity",
        "person_id",
        "similarity",
        "threshold",
        "above_threshold",
    )
    return {
        "case": str(case.root),
        "candidates": [
            {key: getattr(candidate, key) for key in keys} | _strength(candidate) for candidate in candidates
        ],
        "skipped": runs[-1].details["skipped"],
    }


def _strength(candidate: Candidate) -> dict[str, Any]:
    """Return the likelihood ratio with its calibration; without one, null and as `calibration` the reason."""
    found = candidate.strength
    if found is None:
        nothing = dict.fromkeys(("likelihood_ratio", "log10_lr", "support", "calibration_sha256", "limited", "bin"))
        return nothing | {"calibration": candidate.no_strength or "not calibrated"}
    return {
        "likelihood_ratio": found.likelihood_ratio,
        "log10_lr": found.log10,
        "support": found.support,
        "calibration": found.calibration,
        "calibration_sha256": found.calibration_sha256,
        "limited": found.limited,
        "bin": found.bin,
    }


def report_summary(case: Case) -> dict[str, Any]:
    """Return {case, html, pdf, ledger_head} of the latest report; the head is the case's, after the report's entry."""
    outputs = case.runs("report")[-1].outputs
    paths = {name.rpartition(".")[2]: str(case.root / name) for name in outputs}
    return {
        "case": str(case.root),
        "html": paths["html"],
        "pdf": paths.get("pdf"),
        "ledger_head": case.ledger.head,
    }


def verify_summary(
    root: str, manifest: Manifest | None, problems: tuple[str, ...], attested: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return {case, ok, problems, files, ledger_entries, ledger_head, signatures, reviews, review_state}.

    `attested` has the last three, which are null in a case that does not verify.
    """
    return {
        "case": root,
        "ok": not problems,
        "problems": list(problems),
        "files": len(manifest.files) if manifest else None,
        "ledger_entries": manifest.ledger_entries if manifest else None,
        "ledger_head": manifest.ledger_head if manifest else None,
        **(attested or dict.fromkeys(("signatures", "reviews", "review_state"))),
    }


def package_summary(sealed: Sealed, keys: Mapping[str, Path]) -> dict[str, Any]:
    """Return what was checked of a package: {path, sha256, size_bytes, digest_file, signature_file, key_...}.

    Args:
        sealed: what was found.
        keys: fingerprint -> public key file of the keys that somebody vouches for.
    """
    key = sealed.key_sha256
    return {
        "path": str(sealed.path),
        "sha256": sealed.sha256,
        "size_bytes": sealed.size_bytes,
        "digest_file": None if sealed.line is None else str(sealed.line),
        "signature_file": None if sealed.signature is None else str(sealed.signature),
        "key_sha256": key,
        "key_checked": key is not None,
        "key_file": None if key is None else str(keys[key]),
    }


def signature_summary(
    case: Case, found: CaseSignature, keys: Mapping[str, Path] | None = None, *, authority_checked: bool = False
) -> dict[str, Any]:
    """Return who signed what; `not_covered` are the actions after it, signatures and timestamps left out.

    Args:
        case: where it lies.
        found: the signature.
        keys: fingerprint -> public key file of the keys that somebody vouches for.
        authority_checked: the timestamps were verified against root certificates.
    """
    said, entries = found.statement, case.ledger.entries
    known = (keys or {}).get(said.key_sha256)
    return {
        "file": found.path,
        "role": said.role,
        "signer": said.signer,
        "utc": said.utc,
        "key_sha256": said.key_sha256,
        "key_checked": known is not None,
        "key_file": None if known is None else str(known),
        "covers": said.ledger_entries,
        "ledger_entries": len(entries),
        "not_covered": [each.action for each in entries[said.ledger_entries :] if each.action not in _ATTESTING],
        "timestamps": [
            {"file": each.path, "utc": each.stamp.utc, "authority_checked": authority_checked} for each in found.stamps
        ],
    }


def reviews_summary(case: Case) -> dict[str, Any]:
    """Return {reviews, review_state}; `signed` tells whether a key signed the review, not whose it is."""
    # What signatures need is not loaded for a summary of anything else.
    from facerecon.pipeline.reviews import reviews_of

    reviews = reviews_of(case)
    return {
        "reviews": [
            {
                **each.record.model_dump(
                    mode="json", include={"number", "reviewer", "conclusion", "note", "report", "key_sha256"}
                ),
                "utc": each.utc,
                "superseded": each.superseded,
                "signed": each.signature is not None,
            }
            for each in reviews
        ],
        "review_state": review_state([each.record for each in reviews], case.ledger.entries),
    }
