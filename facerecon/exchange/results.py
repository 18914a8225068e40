"""What was found: tracks, detections and candidates as analytic results. A candidate is never a statement of identity.

Owns the wording of these results. UCO's classification and confidence terms are not used: they would say that a face
is somebody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from facerecon.exchange.actions import action_id
from facerecon.exchange.contents import Contents, Run
from facerecon.exchange.files import gallery_name
from facerecon.exchange.graph import Node, digest, duration, facet, node, real, ref, refs, result_facet
from facerecon.records import Candidate, DetectionRecord, FrameRecord, GalleryRecord, TrackRecord

NO_IDENTITY = "This is a candidate, a lead to be examined, and no statement of identity."
_CALIBRATION_FACTS = ("name", "sha256", "variant", "model", "dataset", "created")
_BIN_FACTS = ("genuine", "impostor", "subjects")
_METRICS = ("cllr", "cllr_min", "eer")


@dataclass
class _Summary:
    """What the detections of one track come to."""

    number: int = 0
    lowest_score: float = 1.0
    highest_score: float = 0.0
    smallest_eyes_px: float = float("inf")
    largest_eyes_px: float = 0.0
    best_quality: float = 0.0

    def add(self, record: DetectionRecord) -> None:
        score, eyes_px = record.detection.score, record.quality.inter_eye_px
        self.number += 1
        self.lowest_score, self.highest_score = min(self.lowest_score, score), max(self.highest_score, score)
        self.smallest_eyes_px = min(self.smallest_eyes_px, eyes_px)
        self.largest_eyes_px = max(self.largest_eyes_px, eyes_px)
        self.best_quality = max(self.best_quality, record.quality.score)

    def properties(self) -> dict[str, Any]:
        """Return the properties of a track's facet."""
        if not self.number:
            return {"facerecon__detections": 0}
        return {
            "facerecon__detections": self.number,
            "facerecon__lowestScore": real(self.lowest_score),
            "facerecon__highestScore": real(self.highest_score),
            "facerecon__smallestInterEyePx": real(self.smallest_eyes_px),
            "facerecon__largestInterEyePx": real(self.largest_eyes_px),
            "facerecon__bestQuality": real(self.best_quality),
        }


def result_nodes(contents: Contents, all_detections: bool) -> Iterator[Node]:
    """Yield what the finished runs found.

    Args:
        contents: the case.
        all_detections: every detection with its box, not only what they come to.
    """
    for run in contents.finished("extract"):
        yield from _tracks(contents, run, all_detections)
    for run in contents.finished("recognize"):
        yield from _gallery(contents, run)
        yield from _calibrations(contents, run)
        yield from _candidates(contents, run)


def _result(contents: Contents, run: Run, identifier: str, name: str, statement: str, **properties: Any) -> Node:
    return node(
        identifier,
        "uco-analysis:AnalyticResult",
        uco_core__name=name,
        uco_core__statement=[statement],
        uco_analysis__originatingAnalysis=ref(action_id(contents, run)),
        **properties,
    )


# --- tracks -----------------------------------------------------------------------------------------------------------


def _tracks(contents: Contents, run: Run, all_detections: bool) -> Iterator[Node]:
    summaries: dict[str | None, _Summary] = {}
    details: dict[str | None, list[Node]] = {}
    times = contents.times(run.number) if all_detections else {}
    for number, record in enumerate(contents.records(DetectionRecord, "detections", run)):
        summaries.setdefault(record.track, _Summary()).add(record)
        if all_detections:
            owner = _track_id(contents, run.number, record.track)
            details.setdefault(record.track, []).append(_detection(owner, number, record, times))
    for track in contents.records(TrackRecord, "tracks", run):
        yield _track(contents, run, track, summaries.get(track.id, _Summary()), details.get(track.id, []))
    if None in summaries:
        yield _trackless(contents, run, summaries[None], details.get(None, []))


def _track_id(contents: Contents, extraction: int, track: str | None) -> str:
    return contents.names.of("track", extraction, track or "")


def _track(contents: Contents, run: Run, track: TrackRecord, summary: _Summary, details: list[Node]) -> Node:
    identifier = _track_id(contents, run.number, track.id)
    chips = contents.chips(run.number)
    shots = [chips[shot].path for shot in (*track.best, *track.burst) if shot in chips]
    held = result_facet(
        identifier,
        "facerecon:TrackFacet",
        facerecon__track=track.id,
        facerecon__firstOffset=duration(track.first.iso_offset),
        facerecon__lastOffset=duration(track.last.iso_offset),
        facerecon__firstPts=track.first.pts,
        facerecon__lastPts=track.last.pts,
        facerecon__timeBase=f"{track.first.time_base[0]}/{track.first.time_base[1]}",
        **(summary.properties() | {"facerecon__detections": track.detections}),
    )
    return _result(
        contents,
        run,
        identifier,
        f"track {track.id}",
        f"A face was followed from {track.first.iso_offset} to {track.last.iso_offset} of the source, "
        f"with {track.detections} detections.",
        uco_analysis__resultContent=refs([contents.file_id(path) for path in shots]),
        uco_core__hasFacet=[held, *details],
    )


def _trackless(contents: Contents, run: Run, summary: _Summary, details: list[Node]) -> Node:
    identifier = _track_id(contents, run.number, None)
    held = result_facet(identifier, "facerecon:TrackFacet", **summary.properties())
    statement = f"{summary.number} detections belong to no track."
    return _result(contents, run, identifier, "detections of no track", statement, uco_core__hasFacet=[held, *details])


def _detection(owner: str, number: int, record: DetectionRecord, times: Mapping[str, FrameRecord]) -> Node:
    frame, box = times.get(record.frame), record.detection.box
    known = {
        "facerecon__pts": frame.timestamp.pts,
        "facerecon__timeOffset": duration(frame.iso_offset),
    } if frame else {}  # fmt: skip
    return result_facet(
        owner,
        "facerecon:DetectionFacet",
        str(number),
        facerecon__frame=record.frame,
        **known,
        facerecon__boxX0Px=real(box[0]),
        facerecon__boxY0Px=real(box[1]),
        facerecon__boxX1Px=real(box[2]),
        facerecon__boxY1Px=real(box[3]),
        facerecon__detectorScore=real(record.detection.score),
        facerecon__interEyePx=real(record.quality.inter_eye_px),
        facerecon__quality=real(record.quality.score),
    )


# --- comparison -------------------------------------------------------------------------------------------------------


def _gallery(contents: Contents, run: Run) -> Iterator[Node]:
    for number, picture in enumerate(contents.records(GalleryRecord, "gallery", run)):
        identifier = contents.names.of("gallery picture", run.number, number)
        held = result_facet(
            identifier,
            "facerecon:GalleryPictureFacet",
            facerecon__galleryName=picture.identity,
            facerecon__galleryPersonId=picture.person_id,
            facerecon__galleryStatus=picture.status,
            facerecon__enrolled=picture.enrolled,
            facerecon__refusal=picture.reason,
            facerecon__galleryQuality=real(picture.quality.score) if picture.quality else None,
            facerecon__pictureSource=picture.source,
            facerecon__legalBasis=picture.legal_basis,
        )
        yield _result(
            contents,
            run,
            identifier,
            f"gallery picture {picture.file}",
            "The gallery picture was enrolled." if picture.enrolled else f"It was refused: {picture.reason}.",
            uco_analysis__resultContent=[ref(contents.outside_id(gallery_name(picture.file), picture.sha256))],
            uco_core__hasFacet=[held],
        )


def _candidates(contents: Contents, run: Run) -> Iterator[Node]:
    files = {
        picture.file: contents.outside_id(gallery_name(picture.file), picture.sha256)
        for picture in contents.records(GalleryRecord, "gallery", run)
    }
    for number, candidate in enumerate(contents.records(Candidate, "candidates", run)):
        identifier = contents.names.of("candidate", run.number, number)
        about = [_track_id(contents, run.extraction, candidate.track)]
        about += [files[candidate.gallery_file]] if candidate.gallery_file in files else []
        yield _result(
            contents,
            run,
            identifier,
            f"candidate {candidate.rank} of track {candidate.track}, {candidate.variant}",
            _statement(candidate),
            uco_analysis__resultContent=refs(about),
            uco_core__hasFacet=[_candidate_facet(identifier, candidate)],
        )


def _statement(candidate: Candidate) -> str:
    side = "above" if candidate.above_threshold else "below"
    similarity = f"similarity {candidate.similarity} ({side} the threshold {candidate.threshold})"
    strength = candidate.strength
    worth = (
        f"likelihood ratio {strength.likelihood_ratio} by calibration {strength.calibration}. {strength.support}"
        if strength
        else f"no likelihood ratio: {candidate.no_strength}."
    )
    return (
        f"Candidate {candidate.rank} of track {candidate.track} ({candidate.variant}): gallery person "
        f"'{candidate.identity}', {similarity}; {worth} {NO_IDENTITY}"
    )


def _candidate_facet(owner: str, candidate: Candidate) -> Node:
    strength = candidate.strength
    worth = {
        "facerecon__likelihoodRatio": real(strength.likelihood_ratio),
        "facerecon__log10LikelihoodRatio": real(strength.log10),
        "facerecon__limited": strength.limited,
        "facerecon__support": strength.support,
        "facerecon__calibration": strength.calibration,
        "facerecon__calibrationDigest": digest(strength.calibration_sha256),
        "facerecon__calibrationBin": strength.bin,
    } if strength else {"facerecon__noLikelihoodRatio": candidate.no_strength}  # fmt: skip
    return result_facet(
        owner,
        "facerecon:CandidateFacet",
        facerecon__track=candidate.track,
        facerecon__variant=candidate.variant,
        facerecon__primary=candidate.primary,
        facerecon__rank=candidate.rank,
        facerecon__galleryName=candidate.identity,
        facerecon__galleryPersonId=candidate.person_id,
        facerecon__model=candidate.model,
        facerecon__similarity=real(candidate.similarity),
        facerecon__threshold=real(candidate.threshold),
        facerecon__aboveThreshold=candidate.above_threshold,
        facerecon__quality=real(candidate.probe_quality),
        facerecon__galleryQuality=real(candidate.gallery_quality),
        **worth,
    )


def _calibrations(contents: Contents, run: Run) -> Iterator[Node]:
    """Yield what the calibrations of a comparison were measured on, and how well they did, bin by bin (R23)."""
    for path in sorted(path for path in run.outputs if path.startswith("calibrations/")):
        document = contents.document(path)
        facts = {key: str(document.get(key, "not stated")) for key in _CALIBRATION_FACTS}
        bins = document["bins"] if isinstance(document.get("bins"), list) else []
        identifier = contents.names.of("calibration", run.number, path)
        held = facet(
            identifier,
            "facerecon:CalibrationFacet",
            facerecon__calibration=facts["name"],
            facerecon__calibrationDigest=digest(facts["sha256"]) if "sha256" in document else None,
            facerecon__variant=facts["variant"],
            facerecon__model=facts["model"],
            facerecon__dataset=facts["dataset"],
            facerecon__calibratedOn=facts["created"],
        )
        yield node(
            identifier,
            "uco-core:Annotation",
            uco_core__name=f"calibration {facts['name']}",
            uco_core__statement=[_bin(each) for each in bins if isinstance(each, Mapping)]
            if isinstance(bins, list)
            else None,
            uco_core__object=[ref(contents.file_id(path))],
            uco_core__hasFacet=[held],
        )


def _bin(document: Mapping[str, Any]) -> str:
    genuine, impostor, subjects = (document.get(key, "?") for key in _BIN_FACTS)
    pairs = f"{genuine} same-source pairs, {impostor} different-source pairs, {subjects} subjects"
    return ", ".join([f"{document.get('id', '?')}: {pairs}", *_figures(document.get("metrics"))])


def _figures(metrics: Any) -> Iterator[str]:
    for key in _METRICS if isinstance(metrics, Mapping) else ():
        measure = metrics.get(key)
        value = measure.get("value") if isinstance(measure, Mapping) else None
        if isinstance(value, (int, float)):
            yield f"{key} {value:.4g}"
