"""Face restorers on the same degraded faces, as pictures and as probes: docs/restorer.md's tables.

    python benchmarks/restorers.py PEOPLE [--pictures N] [--limit N] [--conditions A,B] [--methods A,B] [--found]
                                   [--method NAME=STEPS] [--recognizer ID | --judge FACERES.json]
                                   [--output FILE.md] [--sheets DIR]

PEOPLE is NAME/*.jpg, sharp pictures, at least two of most persons, none of whom a restorer was trained on. A method is
a profile's list of steps; `--method` adds one, such as 'mine=[{kind: restore, model: {file: a, sha256: 12..}}]'.

Pictures: PSNR and SSIM on the face and cosine to the sharp face's vector, over bicubic, paired. The truth is the sharp
picture in the degraded one's light: no method here changes the light. Probes: the restored picture's vector, and the
mean of it and of the original's, against sharp gallery pictures, all same-source pairs and all cross different-source
pairs; gains over the original's vector are paired over resamples of persons. Landmarks are the sharp picture's, carried
into the degraded one; with `--found` the face is looked for there. The default recognizer is in no restorer's loss;
`--judge` asks one that nothing here was made with (benchmarks/judge.py says where it is).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from enhancement import Sheet, kept, profile_method, publish, save, wanted, with_outputs
from enhancement_tables import BICUBIC, figure_text, gain_text
from judge import FaceRes
from recognition import HEAD, SENSOR, acquired, figures, gain, report, row, section, studied, table_head

from facerecon.commands.workbench import Workbench
from facerecon.console import Console
from facerecon.degradation import Degradation, degrade
from facerecon.evaluation.comparison import resampled
from facerecon.evaluation.enhancement import Evaluation, Judge, evaluate
from facerecon.evaluation.samples import Pair, Sample, degraded, pristine, references, spread
from facerecon.evaluation.subjects import Clip, read_clips, spread_over_people
from facerecon.evaluation.templates import Making
from facerecon.records import FaceView, Skipped

METHODS = {
    BICUBIC: "[{kind: resize, method: bicubic, scale: 4}]",
    "realesrgan-x4plus": "[{kind: restore, model: realesrgan-x4plus}]",
    "realesrgan-x4plus at 0.3": "[{kind: restore, model: realesrgan-x4plus, blend: 0.3}]",
    "restorer-unet": "[{kind: restore, model: restorer-unet}]",
}
CONDITIONS = {
    **{f"{width} px": f"width={width},{SENSOR}" for width in (80, 48, 32, 24, 16, 12)},
    "dark": f"width=32,gain=0.15,poisson=4000,{SENSOR}",
    "motion blur": f"width=32,motion=5,angle=20,{SENSOR}",
    "H.264, CRF 40": "width=32,noise=4,crf=40",
}
METRICS, KEYS = ("psnr", "ssim", "identity"), ("tar_at_far_1pct", "eer", "cllr_min")
ORIGINAL, RESTORED, BOTH = "original", "restored", "original+restored"


def opened(methods: Mapping[str, str], options: argparse.Namespace) -> dict[str, Workbench]:
    """Return a workbench per method, whose profile has that method's steps and nothing else."""
    common = ("enhance.min_inter_eye_px=2", f"recognize.model={options.recognizer}")
    console = Console(quiet=True)
    benches = {
        name: Workbench(console, options.profile, (f"enhance.steps={steps}", *common), options.device)
        for name, steps in methods.items()
    }
    if options.judge:
        judge = FaceRes(options.judge)
        for bench in benches.values():
            bench.recognizer = judge
    return benches


# --- as pictures ------------------------------------------------------------------------------------------------------


def samples_of(faces: Mapping[str, FaceView | Skipped], model: Degradation) -> Iterator[Sample | Skipped]:
    """Degrade the faces; the truth is the sharp picture in the degraded one's light."""
    for name, view in faces.items():
        made = view if isinstance(view, Skipped) else degraded(name, view, model)
        if isinstance(made, Skipped) or model.light == Degradation():
            yield made
        else:
            lit = degrade(made.reference.pixels, model.light).pixels
            yield replace(made, reference=FaceView(lit, made.reference.landmarks))


def picture_rows(
    benches: Mapping[str, Workbench], faces: Mapping[str, FaceView | Skipped], name: str, sheet: Sheet
) -> list[str]:
    """Return a condition's rows of the pictures' table."""
    first, *_ = benches.values()
    methods = kept({method: profile_method(bench) for method, bench in benches.items()}, sheet)
    items = list(samples_of(faces, Degradation.parse(CONDITIONS[name])))
    found = evaluate(items, methods, Judge(first.recognizer, lambda _: None))
    return [row(name, f"{found.images} pictures"), *(picture_row(found, method) for method in benches)]


def picture_row(found: Evaluation, method: str) -> str:
    means = [figure_text(found.mean(method, metric), metric) for metric in METRICS]
    gains = [""] * len(METRICS)
    if method != BICUBIC and BICUBIC in found.scores:
        over = found.gains(method, BICUBIC, 0)
        gains = [gain_text(over[metric], metric) for metric in METRICS]
    return row("", f"`{method}`", *means, *gains)


# --- as probes --------------------------------------------------------------------------------------------------------


def probe_rows(benches: Mapping[str, Workbench], people: Sequence[Clip], name: str, *, carried: bool) -> list[str]:
    """Return a condition's rows of the probes' table: the original, and per method alone and with the original."""
    making = Making(Degradation.parse(CONDITIONS[name]), 1, (ORIGINAL, RESTORED, BOTH), carried)
    lines, first = list[str](), True
    for method, bench in benches.items():
        made, sets = studied(bench, people, None, making)
        spread_over = resampled(sets, seed=0)
        if first:
            pairs = sets[ORIGINAL]
            lines.append(row(name, f"{len(pairs.genuine)} + {len(pairs.impostor)} pairs, {acquired(made)} found"))
            lines.append(row("", ORIGINAL, *figures(spread_over, ORIGINAL), *[""] * len(KEYS)))
            first = False
        for variant in (RESTORED, BOTH):
            gains = [gain(spread_over, variant, ORIGINAL, key) for key in KEYS]
            title = f"`{method}`" if variant == RESTORED else f"original + `{method}`"
            lines.append(row("", title, *figures(spread_over, variant), *gains))
        report(f"probes, {name}, {method}")
    return lines


# --- command ----------------------------------------------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path)
    parser.add_argument("--pictures", type=int, default=200, help="pictures per condition of the first table; 0: none")
    parser.add_argument("--limit", type=int, default=900, help="pictures of the second table; 0: none")
    parser.add_argument("--conditions", help="names, or beginnings of names; default all")
    parser.add_argument("--methods", default=",".join(METHODS), help="empty: only those of --method")
    parser.add_argument("--method", action="append", default=[], metavar="NAME=STEPS")
    parser.add_argument("--recognizer", default="dlib-resnet")
    parser.add_argument("--judge", type=Path, metavar="FACERES.json", help="in place of --recognizer")
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--found", action="store_true")
    return with_outputs(parser, rows=6)


def methods_of(options: argparse.Namespace) -> dict[str, str]:
    """Return the chosen methods' steps by name."""
    found = {name.strip(): METHODS[name.strip()] for name in options.methods.split(",") if name.strip()}
    for text in options.method:
        name, _, steps = text.partition("=")
        yaml.safe_load(steps)
        found[name] = steps
    return found


def pictures_table(benches: Mapping[str, Workbench], options: argparse.Namespace, names: Sequence[str]) -> list[str]:
    first, *_ = benches.values()
    chosen: list[Pair] = spread(references(options.people), options.pictures)
    faces = {pair.name: pristine(pair, first.detector) for pair in chosen}
    lines = table_head("faces", "picture", "PSNR dB", "SSIM", "identity", "PSNR gain", "SSIM gain", "identity gain")
    for name in names:
        sheet = Sheet(options.rows)
        lines += picture_rows(benches, faces, name, sheet)
        save(sheet, options.sheets, name)
        report(f"pictures, {name}")
    return lines


def probes_table(benches: Mapping[str, Workbench], options: argparse.Namespace, names: Sequence[str]) -> list[str]:
    people = spread_over_people(read_clips(options.people), options.limit)
    lines = table_head("faces", "probe", *HEAD, "TAR 1 % gain", "EER gain", "Cllr min gain")
    for name in names:
        lines += probe_rows(benches, people, name, carried=not options.found)
    return lines


def main() -> None:
    options = arguments()
    benches = opened(methods_of(options), options)
    names = [name for name in CONDITIONS if wanted(options.conditions, name)]
    text: list[str] = []
    if options.pictures:
        text += section("As pictures", pictures_table(benches, options, names))
    if options.limit:
        text += section("As probes", probes_table(benches, options, names))
    publish("\n".join(text), options.output)


if __name__ == "__main__":
    main()
