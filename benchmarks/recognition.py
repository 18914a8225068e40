"""How well comparison works on small faces, and what each kind of template adds: docs/recognition.md's tables.

    python benchmarks/recognition.py PEOPLE [--clips CLIPS] [--limit N] [--restored-limit N] [--profile P]
                                     [--recognizer ID] [--parts A,B] [--sizes none 48 32 24 16] [--output FILE.md]

PEOPLE is NAME/*.jpg, sharp pictures, at least two of most persons; CLIPS is NAME/CLIP/*.jpg, frames of videos of (some
of) the same persons. Probes are degraded by facerecon.degradation to 48, 32, 24 and 16 px face width (noise 4, JPEG
60), the face is looked for in the degraded picture, and all same-source pairs are compared with all cross
different-source pairs. Intervals resample persons; gains are paired. `search` times 1:N on random vectors. `--sizes`
limits synthetic tracks, restored pictures and clips to these face widths. At the end: which goals this run reached.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from recognition_goals import Measured, figure, goals

from facerecon.commands.evaluate import enhance_view
from facerecon.commands.evaluate_recognition import detect_of, gate_of, measure_of
from facerecon.commands.workbench import Workbench
from facerecon.console import Console
from facerecon.degradation import Degradation
from facerecon.evaluation.comparison import FIGURES, Comparison, Resampled, resampled
from facerecon.evaluation.recognition import Study, comparisons, study, unseen_cllr
from facerecon.evaluation.subjects import Clip, read_clips, spread_over_people
from facerecon.evaluation.templates import Engines, Making
from facerecon.records import Embedding, FaceView
from facerecon.records.similarity import similarities

SENSOR = "noise=4,jpeg=60"
SIZES = {"none": "none", **{width: f"width={width},{SENSOR}" for width in ("48", "32", "24", "16")}}
SYNTHETIC_FRAMES = 8
TRACKS = ("original", "mean", "fused", "fused-image", "fused+fused-image")
RESTORED = ("original", "restored", "original+restored")
HEAD = ("TAR at 1 % FAR", "TAR at 0.1 % FAR", "EER", "AUC", "Cllr min")
DEFAULT_SIZES = {"synthetic": tuple(SIZES)[1:], "restored": tuple(SIZES), "clips": ("none", "24", "16")}


@dataclass(frozen=True, eq=False)
class Sources:
    """Whose pictures are probes, of how many frames, and whose are galleries (None: the same, sharp)."""

    clips: Sequence[Clip]
    references: Sequence[Clip] | None
    frames: int


def single_frames(bench: Workbench, clips: Sequence[Clip], seed: int) -> tuple[list[str], list[Measured]]:
    """One frame per probe, at every size; faces found in the degraded picture, and with known landmarks."""
    lines, kept = table_head("faces", "probes found", *HEAD, "Cllr on other persons"), []
    for size, text in SIZES.items():
        for carried in (False, True):
            found, sets = studied(bench, clips, None, Making(Degradation.parse(text), 1, ("original",), carried))
            each = measured("single", size, sets, seed)
            name = f"`{text}`" + (", landmarks known" if carried else "")
            lines.append(row(name, acquired(found), *figures(each.spread, "original"), cost(each, "original")))
            kept.append(each)
            report(name)
    return lines, kept


def templates(
    bench: Workbench, part: str, sources: Sources, variants: Sequence[str], sizes: Sequence[str], seed: int
) -> tuple[list[str], list[Measured]]:
    """Several templates of the same probes, against the first one."""
    lines = table_head("faces", "template", *HEAD, "TAR 1 % gain", "EER gain", "Cllr min gain", "Cllr on other persons")
    kept = []
    for size in sizes:
        making = Making(Degradation.parse(SIZES[size]), sources.frames, tuple(variants))
        found, sets = studied(bench, sources.clips, sources.references, making)
        each, pairs = measured(part, size, sets, seed), sets[variants[0]]
        count = f"{len(pairs.genuine)} + {len(pairs.impostor)} pairs, {acquired(found)} found"
        lines.append(row(f"`{SIZES[size]}`", count))
        lines += [template_row(each, variant, variants[0]) for variant in variants]
        kept.append(each)
        report(f"{part} {SIZES[size]}")
    return lines, kept


def template_row(each: Measured, variant: str, first: str) -> str:
    gains = ["", "", ""]
    if variant != first:
        gains = [gain(each.spread, variant, first, key) for key in ("tar_at_far_1pct", "eer", "cllr_min")]
    return row("", variant, *figures(each.spread, variant), *gains, cost(each, variant))


def measured(part: str, size: str, sets: Mapping[str, Comparison], seed: int) -> Measured:
    """Measure the templates of one size."""
    unseen = {name: unseen_cllr(comparison, seed) for name, comparison in sets.items()}
    return Measured(part, size, resampled(sets, seed=seed), unseen)


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


def search_seconds(dimensions: int = 128, rows: int = 1_000_000) -> tuple[float, float]:
    """The time of one probe against a million vectors, and of a plain matrix product of the same size."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(0, 0.1, (rows, dimensions)).astype(np.float32)
    probe = Embedding("random", rng.normal(0, 0.1, dimensions).astype(np.float32))
    ours = best_of(lambda: similarities(probe, matrix, "euclidean"))
    return ours, best_of(lambda: matrix @ probe.vector)


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


def gain(spread: Resampled, method: str, over: str, key: str) -> str:
    value, ends = spread.gain(method, over, key)
    return f"{value:+.3f} ({ends[0]:+.3f} to {ends[1]:+.3f})"


def cost(each: Measured, variant: str) -> str:
    found = each.unseen[variant]
    return "too few pairs" if found is None else f"{found:.3f}"


def acquired(found: Study) -> str:
    return f"{found.acquisitions - len(found.not_acquired)} of {found.acquisitions}"


def report(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")


def section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""]


# --- command ----------------------------------------------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--restored-limit", type=int, default=200)
    parser.add_argument("--profile", default="standard")
    parser.add_argument(
        "--recognizer", default="dlib-resnet", help="in place of the profile's; the tables are of this one"
    )
    parser.add_argument("--parts", default="single,synthetic,restored,clips,search")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, help="of synthetic, restored and clips")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


def sources_of(part: str, people: list[Clip], options: argparse.Namespace) -> Sources:
    """Return the probes and galleries of a part."""
    if part == "restored":
        return Sources(spread_over_people(people, options.restored_limit), None, 1)
    limited = spread_over_people(people, options.limit)
    if part == "synthetic":
        return Sources(limited, None, SYNTHETIC_FRAMES)
    videos = read_clips(options.clips)
    shared = {clip.identity for clip in videos} & {clip.identity for clip in people}
    references = [clip for clip in people if clip.identity in shared]
    references += [clip for clip in limited if clip.identity not in shared]
    return Sources(videos, references, max(len(clip.files) for clip in videos))


def several(
    bench: Workbench, people: list[Clip], options: argparse.Namespace
) -> Iterator[tuple[list[str], list[Measured]]]:
    """Yield the section and the figures of each part that is about several templates of a probe."""
    titles = {
        "synthetic": f"Synthetic tracks of {SYNTHETIC_FRAMES} frames",
        "restored": f"Restored by profile `{options.profile}`",
        "clips": "Video clips",
    }
    for part, title in titles.items():
        if part not in options.parts.split(",") or (part == "clips" and not options.clips):
            continue
        sizes = [size for size in SIZES if size in (options.sizes or DEFAULT_SIZES[part])]
        variants = RESTORED if part == "restored" else TRACKS
        lines, found = templates(bench, part, sources_of(part, people, options), variants, sizes, options.seed)
        yield section(title, lines), found


def main() -> None:
    options = arguments()
    bench = Workbench(Console(quiet=True), options.profile, (f"recognize.model={options.recognizer}",), options.device)
    people, parts = read_clips(options.people), options.parts.split(",")
    text = [f"Recognizer: {bench.recognizer.stamp.id}; {bench.recognizer.treatment}.", ""]
    kept: list[Measured] = []
    if "single" in parts:
        lines, found = single_frames(bench, spread_over_people(people, options.limit), options.seed)
        text, kept = text + section("One frame", lines), kept + found
    for lines, found in several(bench, people, options):
        text, kept = text + lines, kept + found
    seconds = None
    if "search" in parts:
        seconds, floor = search_seconds()
        found_in = f"{seconds:.3f} s ({seconds / floor:.1f} times one matrix product)"
        text += section("Search", [f"1,000,000 vectors of 128 numbers, one probe, exact: {found_in}."])
    out = "\n".join([*text, *section("Goals", goals(kept, seconds))])
    if options.output:
        options.output.write_text(out)
    else:
        sys.stdout.write(out)


if __name__ == "__main__":
    main()
