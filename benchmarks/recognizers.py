"""One recognizer against another on the same degraded faces: docs/restorer.md's tables of the low-quality embedder.

    python benchmarks/recognizers.py PEOPLE [--clips CLIPS] [--limit N] [--sizes none 48 32 24 16 12]
                                     [--recognizers dlib-resnet dlib-lq] [--found] [--output FILE.md]

PEOPLE and CLIPS as in benchmarks/recognition.py. The first recognizer is the baseline. Landmarks are those of the sharp
picture, carried into the degraded one, so that the recognizer is measured and not the detector; with `--found` the face
is looked for in the degraded picture, as in footage. All same-source pairs against all cross different-source pairs;
intervals resample persons, and gains are paired over the same resamples. "Above": the shares of same-source and of
different-source pairs above the recognizer's own threshold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from recognition import HEAD, SENSOR, Sources, acquired, figures, gain, report, row, section, studied, table_head

from facerecon.commands.workbench import Workbench
from facerecon.console import Console
from facerecon.degradation import Degradation
from facerecon.evaluation.comparison import Comparison, resampled
from facerecon.evaluation.subjects import read_clips, spread_over_people
from facerecon.evaluation.templates import Making

SIZES = {"none": "none", **{width: f"width={width},{SENSOR}" for width in ("48", "32", "24", "16", "12")}}
GAINS = ("tar_at_far_1pct", "eer", "cllr_min")


def table(
    benches: Mapping[str, Workbench], sources: Sources, variant: str, sizes: Sequence[str], *, carried: bool, seed: int
) -> list[str]:
    """Return the figures of every recognizer at every size, with gains over the first."""
    lines = table_head("faces", "recognizer", *HEAD, "TAR 1 % gain", "EER gain", "Cllr min gain", "above")
    for size in sizes:
        making = Making(Degradation.parse(SIZES[size]), sources.frames, (variant,), carried)
        sets, found = dict[str, Comparison](), ""
        for name, bench in benches.items():
            made, comparisons = studied(bench, sources.clips, sources.references, making)
            sets[name], found = comparisons[variant], acquired(made)
            report(f"{size} {name}")
        lines += rows(size, sets, found, seed, {name: bench.recognizer.threshold for name, bench in benches.items()})
    return lines


def rows(
    size: str, sets: Mapping[str, Comparison], found: str, seed: int, thresholds: Mapping[str, float | None]
) -> list[str]:
    """Return one size's rows."""
    first, *_ = sets
    spread = resampled(sets, seed=seed)
    pairs = sets[first]
    lines = [row(f"`{SIZES[size]}`", f"{len(pairs.genuine)} + {len(pairs.impostor)} pairs, {found} found")]
    for name in sets:
        gains = ["", "", ""] if name == first else [gain(spread, name, first, key) for key in GAINS]
        lines.append(row("", f"`{name}`", *figures(spread, name), *gains, above(sets[name], thresholds[name])))
    return lines


def above(pairs: Comparison, threshold: float | None) -> str:
    """Return the shares of same-source and of different-source pairs above a threshold."""
    if threshold is None:
        return "no threshold"
    same, different = (float((each.similarity >= threshold).mean()) for each in (pairs.genuine, pairs.impostor))
    return f"{same:.3f}, {different:.5f}"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--recognizers", nargs="+", default=["dlib-resnet", "dlib-lq"])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--found", action="store_true")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    benches = {
        name: Workbench(Console(quiet=True), options.profile, (f"recognize.model={name}",), options.device)
        for name in options.recognizers
    }
    people = spread_over_people(read_clips(options.people), options.limit)
    how = {"carried": not options.found, "seed": options.seed}
    text = [f"`{name}`: {bench.recognizer.treatment}.\n" for name, bench in benches.items()]
    if options.clips:
        videos = read_clips(options.clips)
        sources = Sources(videos, people, max(len(clip.files) for clip in videos))
        text += section("Video clips, fused vectors", table(benches, sources, "fused", options.sizes, **how))
    else:
        text += section("One frame", table(benches, Sources(people, None, 1), "original", options.sizes, **how))
    out = "\n".join(text)
    if options.output:
        options.output.write_text(out)
    else:
        sys.stdout.write(out)


if __name__ == "__main__":
    main()
