"""A profile's steps on pictures: which function each kind is, what it did, and the record of it (R10).

Pictures go through in batches, so that a learned step sees several faces at once; a face whose step fails is left with
its error and never goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facerecon.filters.balance import white_balance
from facerecon.filters.blocks import deblock
from facerecon.filters.catalogue import DESCRIPTIONS
from facerecon.filters.deconvolution import deconvolve_defocus, deconvolve_motion
from facerecon.filters.denoise import non_local_means, non_local_means_multi, wavelet
from facerecon.filters.illumination import lime
from facerecon.filters.outcome import Filtered
from facerecon.filters.scaling import enlarge
from facerecon.filters.tone import auto_exposure, clahe, exposure, gamma
from facerecon.hashing import canonical_json, sha256_array, sha256_bytes
from facerecon.pipeline.accounts import Stopwatch
from facerecon.profiles import ClassicalStep, NlmeansMultiStep, ResizeStep, RestoreStep, Step, WhiteBalanceStep
from facerecon.records import RGB, FaceView, Landmarks5, ModelStamp, StepRecord, shift_landmarks
from facerecon.stages import Levels, RestorationFailure, Restorer

Filter = Callable[..., RGB | Filtered]


def _exposure(pixels: RGB, stops: float | str, target_levels: float, max_stops: float) -> RGB | Filtered:
    if isinstance(stops, str):
        return auto_exposure(pixels, target_levels=target_levels, max_stops=max_stops)
    return exposure(pixels, stops=stops)


def _averaged(series: Sequence[RGB], **arguments: Any) -> Filtered:
    pixels = non_local_means_multi(series, 0, **arguments)
    used = min(arguments["window"] - 1, (len(series) - 1) // 2 * 2)
    return Filtered(
        pixels, True, f"with {used} neighbouring frames" if used else "no neighbouring frames: this one alone"
    )


FILTERS: Mapping[str, Filter] = {
    "gamma": gamma,
    "lime": lime,
    "clahe": clahe,
    "exposure": _exposure,
    "white-balance": white_balance,
    "nlmeans": non_local_means,
    "nlmeans-multi": lambda pixels, **arguments: _averaged((pixels,), **arguments),
    "wavelet": wavelet,
    "deblock": deblock,
    "deblur-motion": deconvolve_motion,
    "deblur-defocus": deconvolve_defocus,
    "resize": enlarge,
}
# How a model is run; what it does stays within R13's tolerance.
_NO_RESULT = frozenset({"precision", "tile_px", "batch"})
_LEARNED = "Enlarges with a trained neural network. It may add detail that was not recorded."


@dataclass(eq=False)
class Progress:
    """One face on its way through the steps. `failure` is set when a step failed; its pixels are then of no use.

    `light` is the colour of the whole frame's light: a face alone is no grey world. `neighbours` are frames near it in
    time, registered to it, nearest first.
    """

    pixels: RGB
    landmarks: Landmarks5
    steps: tuple[Step, ...]
    light: tuple[float, float, float] | None = None
    neighbours: tuple[RGB, ...] = ()
    scale: int = 1
    records: list[StepRecord] = field(default_factory=list)
    pictures: list[RGB] = field(default_factory=list)
    given: RGB | None = None
    factor: int = 1
    stamp: ModelStamp | None = None
    tile_plan: str = ""
    uncertainty: Levels | None = None
    failure: str = ""

    @property
    def view(self) -> FaceView:
        """The picture as it is now, with the landmarks in it."""
        return FaceView(self.pixels, shift_landmarks(self.landmarks, 0, 0, self.scale), self.scale)

    def advance(self, record: StepRecord, pixels: RGB, factor: int) -> None:
        """Take a step's picture."""
        self.records.append(record)
        self.pictures.append(pixels)
        self.pixels, self.scale = pixels, self.scale * factor


def run_steps(
    faces: Sequence[Progress], steps: Sequence[Step], restorers: Mapping[str, Restorer], watch: Stopwatch
) -> None:
    """Put several faces through a profile's steps, in order; each takes those that are among its own."""
    for step in steps:
        active = [face for face in faces if step in face.steps and not face.failure]
        if not active:
            continue
        with watch.measure(step.kind):
            if isinstance(step, RestoreStep):
                _restore(active, step, restorers[step.key])
            else:
                for face in active:
                    _filter(face, step)


def _filter(face: Progress, step: ClassicalStep) -> None:
    outcome = _for_face(face, step)
    scale = step.scale if isinstance(step, ResizeStep) else 1
    record = _record(step_text(step, None), face.pixels, outcome.pixels, outcome.applied, outcome.note)
    face.advance(record, outcome.pixels, scale)


def _for_face(face: Progress, step: ClassicalStep) -> Filtered:
    if isinstance(step, NlmeansMultiStep):
        return _averaged((face.pixels, *face.neighbours), **_arguments(step))
    if not isinstance(step, WhiteBalanceStep) or step.light_k is not None:
        return classical(face.pixels, step)
    if face.light is None:
        return Filtered(face.pixels, False, "the colour of the frame's light could not be estimated")
    return white_balance(face.pixels, method=step.method, strength=step.strength, light_rgb=face.light)


def classical(pixels: RGB, step: ClassicalStep) -> Filtered:
    """Apply one classical step."""
    found = FILTERS[step.kind](pixels, **_arguments(step))
    return found if isinstance(found, Filtered) else Filtered(found, True, "applied")


def _arguments(step: ClassicalStep) -> dict[str, Any]:
    arguments = step.model_dump(exclude={"kind"})
    return {"exponent": arguments["gamma"]} if step.kind == "gamma" else arguments


def _restore(faces: Sequence[Progress], step: RestoreStep, restorer: Restorer) -> None:
    results = restorer.restore([face.view for face in faces])
    for face, result in zip(faces, results, strict=True):
        if isinstance(result, RestorationFailure):
            face.failure = result.reason
            continue
        face.stamp = restorer.stamp.model_copy(update={"precision": result.precision})
        face.given, face.factor, face.tile_plan = face.pixels, restorer.scale, result.tile_plan
        face.uncertainty = result.uncertainty
        face.advance(_record(step_text(step, restorer), face.pixels, result.pixels), result.pixels, restorer.scale)


def step_text(step: Step, restorer: Restorer | None) -> dict[str, Any]:
    """Return what the record and the report say of a step: name, plain description, reference, parameters, learned."""
    if restorer is not None:
        strength = f", strength {step.blend:g}" if isinstance(step, RestoreStep) and step.blend < 1 else ""
        name, description = f"{step.kind} ({restorer.stamp.id}{strength})", _LEARNED
        reference = restorer.stamp.reference
    else:
        text = DESCRIPTIONS[step.kind]
        name, description, reference = step.kind, text.description, text.reference
    return {
        "name": name,
        "description": description,
        "reference": reference,
        "parameters": step.model_dump(mode="json", exclude={"kind"}),
        "learned": restorer is not None,
    }


def recipe(steps: Sequence[Mapping[str, Any]], weights_sha256: str) -> str:
    """Return in a line how a restored picture was made: equal lines, equal making.

    Args:
        steps: per step at least `name` and `parameters`, as `step_text` and records have them.
        weights_sha256: of the learned step's model.
    """
    facts = [{"name": step["name"], "parameters": _deciding(step["parameters"])} for step in steps]
    digest = sha256_bytes(canonical_json({"steps": facts, "weights_sha256": weights_sha256}))
    return f"restored by {' > '.join(step['name'] for step in steps)} [{digest[:16]}]"


def with_recipe(treatment: str, made: str) -> str:
    """Return the treatment of a vector that a restored picture has a share in."""
    return f"{treatment}; {made}"


def base_treatment(treatment: str) -> str:
    """Return the recognizer's own part of a treatment."""
    return treatment.partition("; restored by ")[0]


def _deciding(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name not in _NO_RESULT}


def _record(text: dict[str, Any], before: RGB, after: RGB, applied: bool = True, note: str = "") -> StepRecord:
    digests = {"input_sha256": sha256_array(before), "output_sha256": sha256_array(after)}
    return StepRecord.model_validate({**text, **digests, "applied": applied, "note": note})
