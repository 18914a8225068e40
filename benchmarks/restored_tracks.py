"""A face seen in several frames: one of them, restored, all fused, and the fused picture restored. docs/restorer.md.

    python benchmarks/restored_tracks.py PEOPLE [--pictures N] [--frames N] [--conditions A,B] [--method NAME=RESTORE]
                                         [--methods A,B] [--recognizer ID] [--output FILE.md] [--sheets DIR]

PEOPLE holds sharp pictures of persons whom no restorer was trained on. Each face becomes a synthetic track: degraded
frames with sub-pixel shifts and turns, found points moved as a detector moves them. A method is a profile's
`enhance.fuse.restore`; `--method` adds one, such as 'mine={model: {file: a, sha256: 12..}, blend: 0.5}'.

PSNR and SSIM are on the face, *identity* is the cosine to the sharp face's vector; gains are over the fused picture,
paired, with 95 % bootstrap intervals that resample pictures. The truth is the sharp picture in the degraded one's
light: nothing here changes the light. The one frame is the track's first, as its reference is; the mean of the
restored frames is what fusion makes of them on their own grid, without sharpening.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from enhancement import Sheet, jittered, kept, publish, report, save, wanted, with_outputs
from enhancement_tables import figure_text, gain_text
from recognition import SENSOR, row, section, table_head
from restorers import METRICS, samples_of

from facerecon.commands.evaluate import enhance_view
from facerecon.commands.workbench import Workbench
from facerecon.console import Console
from facerecon.degradation import Degradation, degrade_track
from facerecon.errors import RestorationError
from facerecon.evaluation.enhancement import Evaluation, Judge, Method, evaluate
from facerecon.evaluation.samples import Sample, pristine, references, spread
from facerecon.fusion import fuse
from facerecon.records import RGB, FaceView, Skipped, shift_landmarks
from facerecon.stages import RestorationFailure, Restorer

CONDITIONS = {
    "24 px": f"width=24,{SENSOR}",
    "16 px": f"width=16,{SENSOR}",
    "dark": f"width=32,gain=0.15,poisson=4000,{SENSOR}",
    "motion blur": f"width=32,motion=5,angle=20,{SENSOR}",
    "H.264, CRF 40": "width=32,noise=4,crf=40",
}
METHODS = {
    f"fused, then {model} at {blend:g}": f"{{model: {model}, blend: {blend:g}}}"
    for model in ("restorer-unet", "restorer-fused")
    for blend in (0.5, 0.75, 1)
}
ONE, RESTORED, MEAN, FUSED = "one frame, bicubic", "one frame, restored", "mean of the restored frames", "fused"
T = TypeVar("T")
STEPS = "[{kind: restore, model: restorer-unet, blend: 0.75}]"


@dataclass(eq=False)
class Tracks:
    """The tracks of a condition, each degraded, restored and fused once; the last one is kept."""

    model: Degradation
    sharp: Mapping[str, FaceView | Skipped]
    bench: Workbench
    _name: str = ""
    _made: dict[str, Any] = field(default_factory=dict)

    def views(self, sample: Sample) -> list[FaceView]:
        """Return the degraded frames, the reference first, with their points as a detector might find them."""
        return self._once(sample, "views", lambda: self._degraded(self.sharp[sample.name]))

    def fused(self, sample: Sample) -> FaceView:
        """Return the fused picture."""
        return self._once(sample, FUSED, lambda: _fused(self.views(sample), scale=4, sharpen_iterations=4))

    def restored(self, sample: Sample) -> list[FaceView]:
        """Return the frames, each restored."""
        return self._once(sample, RESTORED, lambda: [self._restored(view) for view in self.views(sample)])

    def corrected(self, sample: Sample, corrector: Restorer) -> RGB:
        """Return the fused picture, restored in its own size."""
        (found,) = corrector.restore([self.fused(sample)])
        if isinstance(found, RestorationFailure):
            raise RestorationError(found.reason)
        return found.pixels

    def _once(self, sample: Sample, what: str, make: Callable[[], T]) -> T:
        if self._name != sample.name:
            self._name, self._made = sample.name, {}
        if what not in self._made:
            self._made[what] = make()
        found: T = self._made[what]
        return found

    def _degraded(self, sharp: FaceView | Skipped) -> list[FaceView]:
        assert isinstance(sharp, FaceView)
        rng = np.random.default_rng(0)
        frames = degrade_track(sharp.pixels, self.model, sharp.landmarks)
        return [FaceView(each.pixels, jittered(each.carried(sharp.landmarks), rng)) for each in frames]

    def _restored(self, view: FaceView) -> FaceView:
        made = enhance_view(view, self.bench.profile.enhance, self.bench.restorers)
        if isinstance(made, Skipped):
            raise RestorationError(made.reason)
        scale = made.shape[1] // view.pixels.shape[1]
        return FaceView(made, shift_landmarks(view.landmarks, 0, 0, scale), scale)


def _fused(views: Sequence[FaceView], **how: int) -> FaceView:
    made = fuse(views, [1.0] * len(views), **how)
    enlarged = made.scale * views[0].enlarged
    return FaceView(made.pixels, shift_landmarks(views[0].landmarks, 0, 0, made.scale), enlarged)


def methods_for(tracks: Tracks, correctors: Mapping[str, Restorer]) -> dict[str, Method]:
    """Return what is compared, each with the same frames."""
    plain: dict[str, Method] = {
        ONE: lambda sample: tracks.views(sample)[0].pixels,
        RESTORED: lambda sample: tracks.restored(sample)[0].pixels,
        MEAN: lambda sample: _fused(tracks.restored(sample), scale=1, sharpen_iterations=0).pixels,
        FUSED: lambda sample: tracks.fused(sample).pixels,
    }
    return plain | {name: partial(tracks.corrected, corrector=each) for name, each in correctors.items()}


def rows_of(found: Evaluation, name: str) -> list[str]:
    """Return a condition's rows."""
    return [row(name, f"{found.images} pictures"), *(_row(found, method) for method in found.scores)]


def _row(found: Evaluation, method: str) -> str:
    means = [figure_text(found.mean(method, metric), metric) for metric in METRICS]
    over = found.gains(method, FUSED, 0)
    gains = [""] * len(METRICS) if method == FUSED else [gain_text(over[metric], metric) for metric in METRICS]
    return row("", method, *means, *gains)


# --- command ----------------------------------------------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path)
    parser.add_argument("--pictures", type=int, default=100, help="pictures per condition")
    parser.add_argument("--frames", type=int, default=8, help="frames of a track")
    parser.add_argument("--conditions", help="names, or beginnings of names; default all")
    parser.add_argument("--methods", default="; ".join(METHODS), help="names, by semicolons; empty: --method's only")
    parser.add_argument("--method", action="append", default=[], metavar="NAME=RESTORE")
    parser.add_argument("--recognizer", default="dlib-resnet")
    return with_outputs(parser, rows=6)


def correctors_of(options: argparse.Namespace) -> dict[str, Restorer]:
    """Open the chosen methods' models."""
    chosen = {name.strip(): METHODS[name.strip()] for name in options.methods.split(";") if name.strip()}
    for text in options.method:
        name, _, restore = text.partition("=")
        chosen[name] = restore
    return {name: opened(options, f"enhance.fuse.restore={restore}").corrector for name, restore in chosen.items()}


def opened(options: argparse.Namespace, *overrides: str) -> Workbench:
    common = (f"enhance.steps={STEPS}", "enhance.min_inter_eye_px=2", f"recognize.model={options.recognizer}")
    return Workbench(Console(quiet=True), "standard", (*common, *overrides), options.device)


def main() -> None:
    options = arguments()
    correctors, bench = correctors_of(options), opened(options)
    judge = Judge(bench.recognizer, lambda _: None)
    chosen = spread(references(options.people), options.pictures)
    faces = {pair.name: pristine(pair, bench.detector) for pair in chosen}
    lines = table_head("faces", "picture", "PSNR dB", "SSIM", "identity", "PSNR gain", "SSIM gain", "identity gain")
    for name in (name for name in CONDITIONS if wanted(options.conditions, name)):
        model, sheet = Degradation.parse(f"{CONDITIONS[name]},frames={options.frames}"), Sheet(options.rows)
        methods = kept(methods_for(Tracks(model, faces, bench), correctors), sheet)
        lines += rows_of(evaluate(samples_of(faces, model), methods, judge), name)
        save(sheet, options.sheets, name)
        report(name)
    publish("\n".join(section(f"Tracks of {options.frames} frames", lines)), options.output)


if __name__ == "__main__":
    main()
