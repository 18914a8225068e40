"""A small case with something of everything, made without running a stage, and a reader of exported graphs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from facerecon.case import Case
from facerecon.errors import ResourceError
from facerecon.exchange.export import Exported, export_case_uco
from facerecon.pictures import encode_png
from facerecon.pipeline.signatures import sign
from facerecon.profiles import load_profile
from facerecon.records import (
    Candidate,
    ChipRecord,
    Counts,
    Detection,
    DetectionRecord,
    FaceQuality,
    FrameRecord,
    FusedFrame,
    FusedRecord,
    FusedRestoredRecord,
    GalleryRecord,
    RenderedRecord,
    RestoredRecord,
    ReviewRecord,
    SourceRecord,
    StepRecord,
    Strength,
    Timestamp,
    TrackRecord,
)
from tests.fakes import case_info

SOURCE, GALLERY, CALIBRATION, WEIGHTS = "5f" * 32, "6a" * 32, "7b" * 32, "44" * 32
BOX = (10.0, 12.5, 40.0, 52.0)
PROBE = {
    "analysed_stream": 1,
    "duration_us_from_header": 1_000_000,
    "format": "mov,mp4",
    "streams": [
        {"index": 0, "type": "audio", "codec": "aac"},
        {"index": 1, "type": "video", "codec": "h264", "width": 640, "height": 360, "time_base": "1/90000"},
    ],
}
MODEL = {
    "id": "dlib-resnet",
    "role": "recognition",
    "weights_sha256": WEIGHTS,
    "source_sha256": "45" * 32,
    "licence": "CC0-1.0",
}
KEYS = {"O": bytes(range(32)), "Rita": bytes(range(32, 64))}
"""Whose private keys are these, for tests alone."""
RUNTIME = {"facerecon": "0.1.0", "python": "3.11.7", "cuda_driver": None}


def stamp(index: int) -> Timestamp:
    return Timestamp(pts=index * 3600 + 7, time_base=(1, 90_000))


def face(score: float) -> Detection:
    return Detection(box=BOX, score=score, landmarks=((20, 25), (32, 25), (26, 32), (21, 40), (31, 40)))


def quality(score: float) -> FaceQuality:
    return FaceQuality(
        inter_eye_px=12.0,
        sharpness=0.2,
        fine_detail=0.03,
        brightness=118.4,
        clipped=0.0,
        yaw_deg=0.0,
        pitch_deg=0.0,
        roll_deg=0.0,
        detector_score=0.9,
        score=score,
    )


def picture(width: int, height: int, level: int) -> bytes:
    return encode_png(np.full((height, width, 3), level, np.uint8), {})


def create(root: Path, profile: Any = None, probe: Any = None, kind: Any = "video") -> Case:
    profile = profile or load_profile("standard")
    source = SourceRecord(path="/e/clip.mp4", name="clip.mp4", sha256=SOURCE, size_bytes=3, kind=kind, clock="stream")
    info = case_info(profile, case_id='C1 "quoted" <b>\u202e', source=source, tool_version="0.1.0")
    return Case.create(root, info, profile, PROBE if probe is None else probe)


def details(case: Case) -> dict[str, Any]:
    return {"profile_sha256": case.info.profile_sha256, "models": [MODEL], "runtime": RUNTIME, "seed": 0}


def extracted(case: Case, detections: int = 3) -> None:
    """One track of two kept shots, and one detection of no track."""
    with case.stage("extract", details(case), {"source": SOURCE}) as run:
        for index in range(detections):
            run.record(
                "frames",
                FrameRecord(
                    id=f"f{index:06d}",
                    index=index,
                    timestamp=stamp(index),
                    iso_offset=stamp(index).iso_offset,
                    width_px=640,
                    height_px=360,
                    keyframe=not index,
                    pixels_sha256="1" * 64,
                ),
            )
            known = {"detection": face(0.5 + index / 10_000), "quality": quality(0.6)}
            run.record("detections", DetectionRecord(frame=f"f{index:06d}", track="t0001", **known))
        run.record(
            "detections", DetectionRecord(frame="f000000", track=None, detection=face(0.4), quality=quality(0.1))
        )
        best = [_chip(run, index) for index in range(2)]
        run.record(
            "tracks",
            TrackRecord(
                id="t0001", first=stamp(0), last=stamp(2), detections=detections, best=(best[0],), burst=tuple(best)
            ),
        )
        run.details["counts"] = {"faces": {"requested": 5, "written": 4, "failed": 0, "skipped": 1}}
        run.details["skipped"] = {"face: too-small": 1}


def _chip(run: Any, index: int) -> str:
    path = f"faces/t0001/f{index:06d}.original.png"
    aligned = path.replace("original", "aligned")
    run.record(
        "chips",
        ChipRecord(
            id=f"t0001/f{index:06d}",
            track="t0001",
            frame=f"f{index:06d}",
            timestamp=stamp(index),
            origin=(5, 6),
            size=(40 + index, 50),
            detection=face(0.9),
            quality=quality(0.7),
            path=path,
            file_sha256=run.write(path, picture(40 + index, 50, 9)),
            pixels_sha256="2" * 64,
            to_aligned=((1, 0, 0), (0, 1, 0)),
            aligned_path=aligned,
            aligned_sha256=run.write(aligned, picture(32, 32, 9)),
        ),
    )
    return f"t0001/f{index:06d}"


def enhanced(case: Case) -> None:
    """A failed run, then one with a restored and a fused picture."""
    with contextlib.suppress(ResourceError), case.stage("enhance", details(case), case.digests("faces/")):
        raise ResourceError("out of memory on a tile")
    step = StepRecord(
        name="restore (m)",
        description="Enlarges.",
        reference="Somebody (2020)",
        parameters={"tile_px": 64},
        learned=True,
        input_sha256="3" * 64,
        output_sha256="4" * 64,
        path="faces/t0001/f000000.step1.png",
    )
    folder = "faces/t0001"
    with case.stage("enhance", details(case), case.digests("faces/")) as run:
        names = ("f000000.step1", "f000000.restored-m", "f000000.invented", "fused", "fused-count", "fused-deviation")
        names += ("fused-restored-m", "fused-restored-change", "fused-restored-uncertainty")
        digests = {name: run.write(f"{folder}/{name}.png", picture(160, 200, n)) for n, name in enumerate(names)}
        shared = {"track": "t0001", "content": (160, 200), "scale": 4}
        run.record(
            "restored",
            RestoredRecord(
                id="t0001/f000000/restored-m",
                chip="t0001/f000000",
                original=f"{folder}/f000000.original.png",
                path=f"{folder}/f000000.restored-m.png",
                file_sha256=digests["f000000.restored-m"],
                steps=(step,),
                model="m",
                precision="fp32",
                learned=True,
                tile_plan="whole picture",
                downscale_psnr_db=40.0,
                invention_path=f"{folder}/f000000.invented.png",
                warnings=("moved far",),
                **shared,
            ),
        )
        run.record(
            "fused",
            FusedRecord(
                id="t0001/fused",
                reference="t0001/f000000",
                reference_path=f"{folder}/f000000.original.png",
                path=f"{folder}/fused.png",
                file_sha256=digests["fused"],
                frames=(
                    FusedFrame(chip="t0001/f000000", weight=1.0, correlation=1.0),
                    FusedFrame(chip="t0001/f000001", weight=0.0, correlation=0.1, rejected="unlike the reference"),
                ),
                steps=(),
                count_path=f"{folder}/fused-count.png",
                count_sha256=digests["fused-count"],
                mean_count=1.0,
                median_deviation_levels=1.0,
                deviation_path=f"{folder}/fused-deviation.png",
                deviation_sha256=digests["fused-deviation"],
                deviation_scale_levels=32.0,
                **shared,
            ),
        )
        run.record(
            "fused-restored",
            FusedRestoredRecord(
                id="t0001/fused-restored-m",
                fused="t0001/fused",
                fused_path=f"{folder}/fused.png",
                reference="t0001/f000000",
                reference_path=f"{folder}/f000000.original.png",
                path=f"{folder}/fused-restored-m.png",
                file_sha256=digests["fused-restored-m"],
                steps=(step.model_copy(update={"path": None}),),
                model="m",
                weights_sha256=WEIGHTS,
                precision="fp32",
                tile_plan="whole picture",
                downscale_psnr_db=41.0,
                change_rms_levels=2.5,
                change_path=f"{folder}/fused-restored-change.png",
                expected_error_levels=3.5,
                uncertainty_path=f"{folder}/fused-restored-uncertainty.png",
                identity_drift=0.11,
                **shared,
            ),
        )


def rendered(case: Case) -> None:
    """A whole frame beside its original."""
    with case.stage("render", details(case), {"source": SOURCE}) as run:
        run.write("frames/f000002.original.png", picture(64, 36, 3))
        path = "frames/f000002.enhanced.png"
        one = Counts(requested=1, written=1, failed=0, skipped=0)
        run.record(
            "rendered",
            RenderedRecord(
                kind="frame",
                place="frames",
                files={path: run.write(path, picture(128, 80, 4))},
                frames=one,
                faces=one,
                upscaler="bicubic",
                scale=2,
                face_model=None,
                learned=False,
                steps=("wavelet",),
                video=None,
            ),
        )


def compared(case: Case) -> None:
    """One person of the gallery, one refused picture, a candidate with a ratio and one without."""
    inputs = {**case.digests("faces/"), "gallery: a/portrait.png": GALLERY}
    with case.stage("recognize", details(case), inputs) as run:
        run.write("gallery/6a6a.png", picture(64, 64, 1))
        bins = [{"id": "8 to 12 px", "genuine": 9, "impostor": 99, "subjects": 5, "metrics": {"cllr": {"value": 0.25}}}]
        about = {"name": "cal", "sha256": CALIBRATION, "variant": "fused", "model": "dlib-resnet"}
        document = {**about, "dataset": "made up", "created": "2026-01-01", "bins": bins}
        run.write(f"calibrations/{CALIBRATION[:16]}.json", json.dumps(document).encode())
        base = {"person_id": None, "status": None, "detection": None}
        run.record(
            "gallery",
            GalleryRecord(
                identity="Ann",
                file="a/portrait.png",
                sha256=GALLERY,
                enrolled=True,
                reason="",
                quality=quality(0.9),
                crop_path="gallery/6a6a.png",
                **base,
            ),
            GalleryRecord(
                identity="Bob",
                file="b.png",
                sha256="8c" * 32,
                enrolled=False,
                reason="no face",
                quality=None,
                crop_path=None,
                **base,
            ),
        )
        run.record("candidates", candidate("fused", strength()), candidate("restored", None))
        run.declare("embeddings")


def strength() -> Strength:
    return Strength(
        likelihood_ratio=1234567.0,
        log10=6.09,
        limited=True,
        support="The comparison gives very strong support for the proposition that both show one person.",
        calibration="cal",
        calibration_sha256=CALIBRATION,
        bin="8 to 12 px",
        pictures=1,
    )


def candidate(variant: Any, worth: Strength | None) -> Candidate:
    return Candidate(
        track="t0001",
        variant=variant,
        primary=worth is not None,
        rank=1,
        identity="Ann",
        person_id=None,
        gallery_file="a/portrait.png",
        model="dlib-resnet",
        similarity=1.0,
        threshold=0.4,
        above_threshold=True,
        strength=worth,
        no_strength="" if worth else "not calibrated",
        probe_quality=0.7,
        gallery_quality=0.9,
    )


def reviewed(case: Case) -> None:
    """A report and a review of it, both signed, then a run that was cut off."""
    with case.stage("report", {"runtime": RUNTIME}, case.digests()) as run:
        digest = run.write("report/report.html", b"<html>")
    sign(case, Ed25519PrivateKey.from_private_bytes(KEYS["O"]), "operator", "O")
    record = ReviewRecord(
        number=1,
        reviewer="Rita",
        conclusion="agree",
        note="looked at all",
        report="report/report.html",
        report_sha256=digest,
        ledger_entries=len(case.ledger.entries),
        ledger_head=case.ledger.head,
    )
    path = "records/review-1.json"
    said = {"number": 1, "reviewer": "Rita", "conclusion": "agree"}
    outputs = {path: case.write(path, record.model_dump_json().encode())}
    case.note("case.reviewed", said, {"report/report.html": digest}, outputs)
    sign(case, Ed25519PrivateKey.from_private_bytes(KEYS["Rita"]), "reviewer", "Rita")
    case.note("measure.started", {"run": 1}, {})


def whole(root: Path, detections: int = 3) -> Path:
    """Make the case and return its folder."""
    with create(root) as case:
        extracted(case, detections)
        enhanced(case)
        rendered(case)
        compared(case)
        reviewed(case)
    return root


# --- reading an export ------------------------------------------------------------------------------------------------


def exported(root: Path, out: Path, all_detections: bool = False) -> Exported:
    with Case.view(root) as case:
        return export_case_uco(case, out, all_detections=all_detections)


class Graph:
    """The nodes of an exported file, facets among them, by identifier."""

    def __init__(self, out: Path) -> None:
        self.document = json.loads(out.read_bytes())
        self.top: list[dict[str, Any]] = self.document["@graph"]
        self.nodes = {each["@id"]: each for each in walk(self.top) if "@type" in each and "@id" in each}

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.nodes.values() if kind in kinds(each)]

    def named(self, name: str) -> dict[str, Any]:
        (found,) = [each for each in self.top if each.get("uco-core:name") == name]
        return found


def kinds(node: dict[str, Any]) -> list[str]:
    return [node["@type"]] if isinstance(node["@type"], str) else node["@type"]


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object within."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(each)


def held(node: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a node's facet of a kind."""
    (found,) = [each for each in node["uco-core:hasFacet"] if kind in kinds(each)]
    return found


def targets(value: Any) -> list[str]:
    """Return the identifiers of one reference or several."""
    return [each["@id"] for each in (value if isinstance(value, list) else [value])]
