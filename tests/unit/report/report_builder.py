"""Builds the content of a report without running a stage; pictures are kept in memory."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image
from report_calibrations import strength
from report_facts import (
    NOT_CALIBRATED,
    detection,
    face,
    frame,
    info,
    quality,
    stamp,
    steps,
)
from report_ledger import (
    LEDGER,
    MEASURED,
    PROBE,
    PROFILE,
    SKIPPED,
)

from facerecon.hashing import sha256_array, sha256_bytes
from facerecon.likelihood import Calibration
from facerecon.pictures import encode_png, with_label
from facerecon.records import (
    RGB,
    Candidate,
    ChipRecord,
    DetectionRecord,
    EmbeddingRecord,
    ExplanationRecord,
    FusedFrame,
    FusedRecord,
    FusedRestoredRecord,
    GalleryRecord,
    RestoredRecord,
    StepRecord,
    TrackRecord,
    Variant,
)
from facerecon.report.content import CaseReport

CORRECTS = (
    "Corrects the fused picture with a trained neural network, in its own size. It may add detail that was not "
    "recorded."
)


class Builder:
    """Collects pictures and records of a made-up case."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.chips: list[ChipRecord] = []
        self.restored: list[RestoredRecord] = []
        self.fused: list[FusedRecord] = []
        self.fused_restored: list[FusedRestoredRecord] = []
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
                steps=self._kept_steps(chip, learned),
                model=model,
                precision="fp32" if learned else None,
                learned=learned,
                tile_plan="1 tile",
                downscale_psnr_db=22.4 if learned else None,
                beyond_rms_levels=3.1 if learned else None,
                invention_path=self._map(path.replace(".png", ".invented.png"), large, "MAP of detail")
                if learned
                else None,
                identity_drift=0.2 if learned else None,
                warnings=("reduced to its input's size it differs from the input: PSNR 22.4 dB, limit 24 dB",)
                if learned
                else (),
            )
        )

    def _kept_steps(self, chip: ChipRecord, learned: bool) -> tuple[StepRecord, ...]:
        """The steps, of which all but the last are kept as pictures of the original's size."""
        *before, last = steps(learned)
        kept = []
        for number, step in enumerate(before, start=1):
            path = chip.path.replace("original", f"step{number}-{step.name}")
            small = np.asarray(Image.open(io.BytesIO(self.files[chip.path])))
            pixels = (255 * (small / 255) ** (1 / 1.6)).astype(np.uint8)
            self.files[path] = encode_png(with_label(pixels, f"STEP {number}, {step.name}"), {"Title": "STEP"})
            kept.append(step.model_copy(update={"path": path}))
        return (*kept, last)

    def _map(self, path: str, like: RGB, strip: str = "", down: bool = False) -> str:
        """Add a ramp to the right, or down; `strip` stands below it."""
        along = np.linspace(0, 255, like.shape[0 if down else 1], dtype=np.uint8)
        ramp = np.broadcast_to(along[:, None, None] if down else along[None, :, None], like.shape)
        pixels = with_label(np.ascontiguousarray(ramp), strip) if strip else np.ascontiguousarray(ramp)
        self.files[path] = encode_png(pixels, {"Title": "MAP"})
        return path

    def fuse(self, track: str) -> None:
        """Add a fused picture of a track: its best shot enlarged, from its best shots; the last one was rejected."""
        chips = [chip for chip in self.chips if chip.track == track]
        small = Image.open(io.BytesIO(self.files[chips[0].path]))
        large = np.asarray(small.resize((small.width * 4, small.height * 4), Image.Resampling.LANCZOS))
        path = f"faces/{track}/fused.png"
        self.files[path] = encode_png(with_label(large, "FUSED: not one recorded picture"), {"Title": "FUSED"})
        count_path = self._map(f"faces/{track}/fused-count.png", large)
        deviation_path = self._map(f"faces/{track}/fused-deviation.png", large, down=True)
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
                deviation_path=deviation_path,
                deviation_sha256=sha256_bytes(self.files[deviation_path]),
                deviation_scale_levels=32,
            )
        )

    def correct(self, track: str) -> None:
        """Add what a model made of a track's fused picture: a little lighter, with the map of that and of its doubt."""
        fused = next(each for each in self.fused if each.track == track)
        width, height = fused.content
        before = np.asarray(Image.open(io.BytesIO(self.files[fused.path])))[:height, :width]
        after = np.clip(before.astype(int) + 6, 0, 255).astype(np.uint8)
        path = f"faces/{track}/fused-restored-restorer-unet.png"
        self.files[path] = encode_png(with_label(after, "FUSED and RESTORED by restorer-unet"), {"Title": "FUSED"})
        step = steps(True)[-1].model_copy(update={"name": "restore (restorer-unet, strength 0.75)"})
        self.fused_restored.append(
            FusedRestoredRecord(
                id=f"{track}/fused-restored-restorer-unet",
                track=track,
                fused=fused.id,
                fused_path=fused.path,
                reference=fused.reference,
                reference_path=fused.reference_path,
                path=path,
                file_sha256=sha256_bytes(self.files[path]),
                content=fused.content,
                scale=fused.scale,
                steps=(step.model_copy(update={"description": CORRECTS, "parameters": {"blend": 0.75}}),),
                model="restorer-unet",
                weights_sha256="a" * 64,
                precision="bf16",
                tile_plan="whole picture; mask: feathered square",
                downscale_psnr_db=23.1,
                change_rms_levels=6.0,
                change_path=self._map(f"faces/{track}/fused-restored-change.png", before, "MAP of what changed"),
                expected_error_levels=3.4,
                uncertainty_path=self._map(f"faces/{track}/fused-restored-uncertainty.png", before, "MAP of doubt"),
                identity_drift=0.12,
                warnings=("reduced to the recorded size it differs from the fused picture: PSNR 23.1 dB, limit 24 dB",),
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
            fused_restored=tuple(self.fused_restored),
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
