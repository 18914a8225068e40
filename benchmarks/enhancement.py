"""What every profile does to pictures whose truth is known: PSNR, SSIM, identity, NIQE against bicubic and nothing.

    python benchmarks/enhancement.py FOLDER [--profiles A,B] [--conditions A,B] [--limit N] [--width PX]
                                     [--output FILE.md] [--sheets DIR]

FOLDER holds sharp pictures of faces (sub-folders included); nothing of it is copied except into the contact sheets,
which go to a folder of your choice outside the repository. Faces are degraded by facerecon.degradation, to `--width`
pixels where the condition is not about size. Sizes below the profile's minimum are measured too, so that the minimum
can be judged. `doing nothing` repeats pixels; `bicubic` interpolates; all are compared at the reference's size.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from enhancement_tables import BICUBIC, NOTHING, Condition, Row, overview, paired, table

from facerecon.commands.evaluate import enhance_view
from facerecon.commands.workbench import Workbench
from facerecon.console import Console
from facerecon.degradation import Degradation, degrade_track
from facerecon.engines.catalogue import open_detector, open_recognizer
from facerecon.engines.niqe import niqe
from facerecon.errors import FacereconError, RestorationError
from facerecon.evaluation.enhancement import Evaluation, Judge, Method, at_size_of, evaluate, unprocessed
from facerecon.evaluation.samples import Pair, Sample, degraded, pristine, references, spread
from facerecon.faces.quality import pose_degrees
from facerecon.fidelity import psnr_db
from facerecon.fusion import fuse
from facerecon.pictures import encode_png, with_label
from facerecon.profiles import shipped_profiles
from facerecon.records import RGB, FaceView, Landmarks5, Skipped

ROOT = Path(__file__).resolve().parent.parent
SENSOR = "noise=2,jpeg=80"
FUSED, BEST = "8 frames fused", "best of 8 frames (chosen by its PSNR)"
HALF_PROFILE_DEG, PROFILE_DEG = 20.0, 35.0
LANDMARK_SIGMA_PX = 0.4
"""Landmarks of a track's frames are moved by this much, as a detector's are; frame 0's too."""


def conditions(width: float) -> list[Condition]:
    """Return the conditions; those that are not about size have faces of this width."""
    base = f"width={width:g}"
    light = {
        "dark": f"gain=0.08,{SENSOR}",
        "dark and noisy": "gain=0.08,poisson=2000,noise=4,jpeg=70",
        "warm light": f"warm=3200,{SENSOR}",
        "cold light": f"cold=15000,{SENSOR}",
        "dark, warm light": f"gain=0.08,warm=3200,{SENSOR}",
        "dark, cold light": f"gain=0.08,cold=15000,{SENSOR}",
        "over-exposed": f"gain=2.5,{SENSOR}",
    }
    motion = {
        f"motion {length} px, {angle} degrees": f"motion={length},{f'angle={angle},' if angle else ''}{SENSOR}"
        for length in (5, 9, 15)
        for angle in (0, 45, 120)
    }
    other = {"defocus 3 px": f"defocus=3,{SENSOR}", "H.264 CRF 35": "noise=2,crf=35", "H.264 CRF 45": "noise=2,crf=45"}
    found = [Condition(name, f"{base},{text}") for name, text in {**light, **motion, **other}.items()]
    found += [Condition(f"{px} px", f"width={px},noise=4,jpeg=60") for px in (16, 24, 32, 48)]
    found.append(Condition("half profile", f"{base},{SENSOR}", (HALF_PROFILE_DEG, PROFILE_DEG)))
    return [*found, Condition("profile", f"{base},{SENSOR}", (PROFILE_DEG, 90.0))]


@dataclass(eq=False)
class Faces:
    """The pristine faces, read and found as they are needed, once."""

    pairs: list[Pair]
    detector: Any
    _found: dict[str, FaceView | Skipped] = field(default_factory=dict)

    def chosen(self, yaw: tuple[float, float], limit: int) -> Iterator[tuple[str, FaceView | Skipped]]:
        """Yield up to `limit` faces of this pose, spread over the folder; all poses: also what had no face."""
        everything = yaw == (0.0, 90.0)
        count = 0
        for pair in spread(self.pairs, limit) if everything else _shuffled(self.pairs):
            view = self._view(pair)
            if everything or (not isinstance(view, Skipped) and yaw[0] <= _yaw_deg(view) < yaw[1]):
                count += 1
                yield pair.name, view
            if count >= limit:
                return

    def _view(self, pair: Pair) -> FaceView | Skipped:
        if pair.name not in self._found:
            self._found[pair.name] = pristine(pair, self.detector)
        return self._found[pair.name]


def _yaw_deg(view: FaceView) -> float:
    return abs(pose_degrees(view.landmarks)[0])


def _shuffled(pairs: Sequence[Pair]) -> list[Pair]:
    order = np.random.default_rng(0).permutation(len(pairs))
    return [pairs[index] for index in order]


@dataclass(eq=False)
class Sheet:
    """A contact sheet in the making: per sample the pictures of each method, at the reference's size."""

    rows: int
    cells: dict[str, dict[str, RGB]] = field(default_factory=dict)

    def add(self, sample: Sample, column: str, picture: RGB) -> None:
        """Keep a picture, if its row is among the first ones."""
        if sample.name in self.cells or len(self.cells) < self.rows:
            row = self.cells.setdefault(sample.name, {"pristine": sample.reference.pixels})
            row[column] = at_size_of(sample.reference.pixels, picture)

    def picture(self, side_px: int = 200) -> RGB:
        """Return the sheet: a row per sample, a labelled column per method."""
        columns = sorted({name for row in self.cells.values() for name in row}, key=_column_order)
        empty = np.zeros((side_px, side_px, 3), np.uint8)
        rows = [
            np.hstack([_cell(row.get(name, empty), name, side_px) for name in columns]) for row in self.cells.values()
        ]
        return np.vstack(rows)


def _column_order(name: str) -> tuple[int, str]:
    first = ["pristine", NOTHING, BICUBIC, BEST, FUSED]
    return (first.index(name) if name in first else len(first), name)


def _cell(picture: RGB, name: str, side_px: int) -> RGB:
    sized = np.asarray(cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)
    return with_label(sized, name.split(" (")[0])


def measure(
    condition: Condition, faces: Faces, judge: Judge, benches: dict[str, Workbench | str], options: argparse.Namespace
) -> tuple[list[Row], Sheet]:
    """Measure one condition with every profile."""
    sheet, model = Sheet(options.rows), Degradation.parse(condition.text)
    items = [
        view if isinstance(view, Skipped) else degraded(name, view, model)
        for name, view in faces.chosen(condition.yaw, options.limit)
    ]
    plain: dict[str, Method] = {
        NOTHING: lambda sample: unprocessed(sample.reference.pixels, sample.given.pixels),
        BICUBIC: lambda sample: sample.given.pixels,
    }
    base = evaluate(items, kept(plain, sheet), judge)
    rows = [Row(NOTHING, base, NOTHING), Row(BICUBIC, base, BICUBIC, _omissions(base))]
    for name, bench in benches.items():
        if isinstance(bench, str):
            rows.append(Row(name, None, note=f"not run: {bench}"))
            continue
        methods = {BICUBIC: plain[BICUBIC], **kept({name: profile_method(bench)}, sheet)}
        found = evaluate(items, methods, judge)
        rows.append(Row(name, found, name, _omissions(found)))
    return rows, sheet


def profile_method(bench: Workbench) -> Method:
    """Return a profile's steps as a method."""
    settings, restorers = bench.profile.enhance, bench.restorers
    return lambda sample: enhance_view(sample.given, settings, restorers)


def kept(methods: dict[str, Method], sheet: Sheet) -> dict[str, Method]:
    """Return methods whose pictures also go into the contact sheet."""

    def keeping(name: str, method: Method) -> Method:
        def run(sample: Sample) -> RGB | Skipped:
            made = method(sample)
            if not isinstance(made, Skipped):
                sheet.add(sample, name, made)
            return made

        return run

    return {name: keeping(name, method) for name, method in methods.items()}


def measure_fusion(
    width: int, faces: Faces, judge: Judge, options: argparse.Namespace
) -> tuple[Condition, list[Row], Sheet]:
    """Measure the fusion of 8 frames against the first frame and against the best one."""
    condition = Condition(f"fusion at {width} px", f"width={width},noise=4,jpeg=60,frames=8")
    model, sheet = Degradation.parse(condition.text), Sheet(options.rows)
    items = [
        view if isinstance(view, Skipped) else degraded(name, view, model)
        for name, view in faces.chosen(condition.yaw, options.limit)
    ]
    methods: dict[str, Method] = {
        BICUBIC: lambda sample: sample.given.pixels,
        BEST: lambda sample: _best_frame(sample, model),
        FUSED: lambda sample: _fused(sample, model),
    }
    found = evaluate(items, kept(methods, sheet), judge)
    rows = [
        Row("one frame, bicubic", found, BICUBIC, _omissions(found)),
        Row(BEST, found, BEST),
        Row(FUSED, found, FUSED, f"over the best frame: {paired(found, FUSED, BEST)}"),
    ]
    return condition, rows, sheet


def _fused(sample: Sample, model: Degradation) -> RGB:
    frames = degrade_track(sample.reference.pixels, model, sample.reference.landmarks)
    rng = np.random.default_rng(0)
    views = [FaceView(frame.pixels, jittered(frame.carried(sample.reference.landmarks), rng)) for frame in frames]
    return fuse(views, [1.0] * len(views)).pixels


def jittered(landmarks: Landmarks5, rng: np.random.Generator) -> Landmarks5:
    """Return points as a detector might find them."""
    a, b, c, d, e = (np.asarray(landmarks) + rng.normal(0, LANDMARK_SIGMA_PX, (5, 2))).tolist()
    return (tuple(a), tuple(b), tuple(c), tuple(d), tuple(e))


def _best_frame(sample: Sample, model: Degradation) -> RGB:
    """Return the frame that is nearest to the truth, brought to the reference's grid by its true transform."""
    reference = sample.reference.pixels
    height, width = reference.shape[:2]
    x0, y0, x1, y1 = sample.region
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    back: list[RGB] = [
        np.asarray(
            cv2.warpAffine(
                frame.pixels, frame.to_degraded, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
            ),
            np.uint8,
        )
        for frame in degrade_track(reference, model, sample.reference.landmarks)
    ]
    return max(back, key=lambda picture: psnr_db(picture[y0:y1, x0:x1], reference[y0:y1, x0:x1]))


def _omissions(evaluation: Evaluation) -> str:
    reasons: dict[str, int] = {}
    for item in evaluation.omitted:
        reasons[f"{item.outcome} {item.reason}"] = reasons.get(f"{item.outcome} {item.reason}", 0) + 1
    return ", ".join(f"{reason}: {count}" for reason, count in sorted(reasons.items()))


# --- command ----------------------------------------------------------------------------------------------------------


def opened(names: Sequence[str], device: str) -> dict[str, Workbench | str]:
    """Open every profile's engines; a profile that cannot run here has the reason instead."""
    benches: dict[str, Workbench | str] = {}
    for name in names:
        bench = Workbench(Console(quiet=True), name, ("enhance.min_inter_eye_px=0",), device)
        try:
            _ = bench.restorers
            benches[name] = bench
        except (FacereconError, RestorationError) as error:
            benches[name] = " ".join(str(error).split())
    return benches


def save(sheet: Sheet, folder: Path | None, name: str) -> None:
    """Write a contact sheet."""
    if folder is not None and sheet.cells:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name.replace(' ', '-').replace(',', '').replace('.', '')}.png"
        path.write_bytes(encode_png(sheet.picture(), {"Title": f"contact sheet: {name}"}))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--profiles", default=",".join(shipped_profiles()))
    parser.add_argument("--conditions", help="names, or beginnings of names; default all")
    parser.add_argument("--limit", type=int, default=16, help="pictures per condition")
    parser.add_argument("--width", type=float, default=48, help="face width of conditions that are not about size")
    return with_outputs(parser, rows=4)


def with_outputs(parser: argparse.ArgumentParser, rows: int) -> argparse.Namespace:
    """Read the command line, and with it where tables and contact sheets go; `rows` is a sheet's default."""
    parser.add_argument("--rows", type=int, default=rows, help="rows of a contact sheet")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, help="Markdown file; default stdout")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets, outside the repository")
    options = parser.parse_args()
    if options.sheets is not None and options.sheets.resolve().is_relative_to(ROOT):
        parser.error("--sheets must lie outside the repository: the pictures are not ours to publish")
    return options


def publish(text: str, output: Path | None) -> None:
    """Write tables to the file that was named, or print them."""
    if output:
        output.write_text(text)
    else:
        sys.stdout.write(text)


def wanted(names: str | None, name: str) -> bool:
    """Tell whether a condition was asked for."""
    return names is None or any(name.startswith(part.strip()) for part in names.split(","))


def main() -> None:
    options = arguments()
    faces = Faces(references(options.folder), open_detector(device=options.device))
    judge = Judge(open_recognizer(device=options.device), niqe)
    names = [name.strip() for name in options.profiles.split(",") if name.strip()]
    benches = opened(names, options.device)
    results: list[tuple[Condition, list[Row]]] = []
    fusion: list[tuple[Condition, list[Row]]] = []
    for condition in conditions(options.width):
        if wanted(options.conditions, condition.name):
            report(f"{condition.name} ...")
            rows, sheet = measure(condition, faces, judge, benches, options)
            results.append((condition, rows))
            save(sheet, options.sheets, condition.name)
    for width in (16, 24):
        if wanted(options.conditions, f"fusion at {width} px"):
            report(f"fusion at {width} px ...")
            condition, rows, sheet = measure_fusion(width, faces, judge, options)
            fusion.append((condition, rows))
            save(sheet, options.sheets, condition.name)
    publish("\n".join([overview(results, names), *(table(*result) for result in [*results, *fusion])]), options.output)


def report(line: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
