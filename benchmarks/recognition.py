"""How well comparison works on small faces, and what each kind of template adds: docs/recognition.md's tables.

    python benchmarks/recognition.py PEOPLE [--clips CLIPS] [--limit N] [--restored-limit N] [--profile P]
                                     [--parts A,B] [--output FILE.md]

PEOPLE is NAME/*.jpg, sharp pictures, at least two of most persons; CLIPS is NAME/CLIP/*.jpg, frames of videos of (some
of) the same persons. Probes are degraded by facerecon.degradation to 48, 32, 24 and 16 px face width (noise 4, JPEG
60), the face is looked for in the degraded picture, and all same-source pairs are compared with all cross
different-source pairs. Intervals resample persons; gains are paired. `search` times 1:N on random vectors.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from facerecon.commands.evaluate import enhance_view
from facerecon.commands.evaluate_recognition import detect_of, gate_of, measure_of
from facerecon.commands.workbench import Workbench
from facerecon.console import Console
from facerecon.degradation import Degradation
from facerecon.evaluation.comparison import FIGURES, Comparison, Resampled, resampled
from facerecon.evaluation.recognition import Study, comparisons, cross_validated_cllr, study
from facerecon.evaluation.subjects import Clip, read_clips, spread_over_people
from facerecon.evaluation.templates import Engines, Making
from facerecon.records import Embedding, FaceView
from facerecon.records.similarity import similarities

SENSOR = "noise=4,jpeg=60"
SIZES = ("none", *(f"width={width},{SENSOR}" for width in (48, 32, 24, 16)))
SYNTHETIC_FRAMES = 8
HEAD = ("TAR at 1 % FAR", "TAR at 0.1 % FAR", "EER", "AUC", "Cllr min")


def single_frames(bench: Workbench, clips: Sequence[Clip], seed: int) -> list[str]:
    """One frame per probe, at every size; faces found in the degraded picture, and with known landmarks."""
    lines = table_head("faces", "probes found", *HEAD, "Cllr on other persons")
    for text in SIZES:
        for carried in (False, True):
            found, sets = studied(bench, clips, None, Making(Degradation.parse(text), 1, ("original",), carried))
            spread = resampled(sets, seed=seed)
            name = f"`{text}`" + (", landmarks known" if carried else "")
            cost = cross_validated_cllr(sets["original"], seed)
            lines.append(row(name, acquired(found), *figures(spread, "original"), f"{cost:.3f}"))
            report(name)
    return lines


def templates(
    bench: Workbench,
    clips: Sequence[Clip],
    references: Sequence[Clip] | None,
    frames: int,
    variants: Sequence[str],
    sizes: Sequence[str],
    seed: int,
) -> list[str]:
    """Several templates of the same probes, against the first one."""
    lines = table_head("faces", "template", *HEAD, "TAR 1 % gain", "EER gain", "Cllr min gain", "Cllr on other persons")
    for text in sizes:
        found, sets = studied(bench, clips, references, Making(Degradation.parse(text), frames, tuple(variants)))
        spread = resampled(sets, seed=seed)
        pairs = sets[variants[0]]
        lines.append(row(f"`{text}`", f"{len(pairs.genuine)} + {len(pairs.impostor)} pairs, {acquired(found)} found"))
        for variant in variants:
            gains = ["", "", ""]
            if variant != variants[0]:
                gains = [gain(spread, variant, variants[0], key) for key in ("tar_at_far_1pct", "eer", "cllr_min")]
            cost = cross_validated_cllr(sets[variant], seed)
            lines.append(row("", variant, *figures(spread, variant), *gains, f"{cost:.3f}"))
        report(f"{text} {frames} frames")
    return lines


def studied(
    bench: Workbench, clips: Sequence[Clip], references: Sequence[Clip] | None, making: Making
) -> tuple[Study, dict[str, Comparison]]:
    enhance: Callable[[FaceView], Any] | None = None
    if "restored" in making.parts:
        settings, restorers = bench.profile.enhance.model_copy(update={"min_inter_eye_px": 2.0}), bench.restorers
        enhance = lambda face: enhance_view(face, settings, restorers)  # noqa: E731
    engines = Engines(detect_of(bench), bench.recognizer, enhance)
    found = study(clips, references, engines, [making], gate_of(bench))
    return found, comparisons(found, measure_of(bench), 0)


def search_time(dimensions: int = 128, rows: int = 1_000_000) -> list[str]:
    """The time of one probe against a million vectors, beside a plain matrix product of the same size."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(0, 0.1, (rows, dimensions)).astype(np.float32)
    probe = Embedding("random", rng.normal(0, 0.1, dimensions).astype(np.float32))
    ours = best_of(lambda: similarities(probe, matrix, "euclidean"))
    floor = best_of(lambda: matrix @ probe.vector)
    return [
        f"{rows:,} vectors of {dimensions} numbers, one probe, exact: {ours:.3f} s "
        f"({ours / floor:.1f} times one matrix product)."
    ]


def best_of(call: Callable[[], object], rounds: int = 5) -> float:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return min(times)


# --- tables -----------------------------------------------------------------------------------------------------------


def table_head(*columns: str) -> list[str]:
    return [row(*columns), "|---|---" + "|--:" * (len(columns) - 2) + "|"]


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def figures(spread: Resampled, method: str) -> list[str]:
    return [figure(spread.figures[method][key], spread.interval(method, key)) for key in FIGURES]


def figure(value: float, ends: tuple[float, float]) -> str:
    return f"{value:.3f} ({ends[0]:.3f} to {ends[1]:.3f})"


def gain(spread: Resampled, method: str, over: str, key: str) -> str:
    value, ends = spread.gain(method, over, key)
    return f"{value:+.3f} ({ends[0]:+.3f} to {ends[1]:+.3f})"


def acquired(found: Study) -> str:
    return f"{found.acquisitions - len(found.not_acquired)} of {found.acquisitions}"


def report(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--restored-limit", type=int, default=200)
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--parts", default="single,synthetic,restored,clips,search")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    bench = Workbench(Console(quiet=True), options.profile, (), options.device)
    people = read_clips(options.people)
    clips = spread_over_people(people, options.limit)
    parts, text = (
        options.parts.split(","),
        [f"Recognizer: {bench.recognizer.stamp.id}; {bench.recognizer.treatment}.", ""],
    )
    small = SIZES[3:]
    if "single" in parts:
        text += ["## One frame", "", *single_frames(bench, clips, options.seed), ""]
    if "synthetic" in parts:
        variants = ("original", "mean", "fused", "fused-image", "fused+fused-image")
        rows = templates(bench, clips, None, SYNTHETIC_FRAMES, variants, small, options.seed)
        text += [f"## Synthetic tracks of {SYNTHETIC_FRAMES} frames", "", *rows, ""]
    if "restored" in parts:
        some = spread_over_people(people, options.restored_limit)
        rows = templates(bench, some, None, 1, ("original", "restored", "original+restored"), SIZES[1:], options.seed)
        text += [f"## Restored by profile `{options.profile}`", "", *rows, ""]
    if "clips" in parts and options.clips:
        videos = read_clips(options.clips)
        shared = {clip.identity for clip in videos} & {clip.identity for clip in people}
        references = [clip for clip in people if clip.identity in shared] + [
            clip for clip in spread_over_people(people, options.limit) if clip.identity not in shared
        ]
        frames = max(len(clip.files) for clip in videos)
        variants = ("original", "mean", "fused", "fused-image", "fused+fused-image")
        rows = templates(bench, videos, references, frames, variants, ("none", *small), options.seed)
        text += [f"## Video clips of up to {frames} frames", "", *rows, ""]
    if "search" in parts:
        text += ["## Search", "", *search_time(), ""]
    out = "\n".join(text)
    if options.output:
        options.output.write_text(out)
    else:
        sys.stdout.write(out)


if __name__ == "__main__":
    main()
