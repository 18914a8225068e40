"""Processing profiles: a readable YAML file that decides everything a run does. Owns the schema, loading and overrides.

Never runs anything: a profile is data. Unknown keys and values out of range are errors that name the key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from facerecon.errors import ProfileError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.resources import data_folder


class Section(BaseModel):
    """Base of all profile sections: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Sample(Section):
    """Which frames are looked at: all, keyframes, every N-th, or X per second of presentation time."""

    mode: Literal["all", "keyframes", "every", "fps"] = "all"
    value: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"mode": data}
        if isinstance(data, dict) and len(data) == 1 and set(data) <= {"every", "fps"}:
            return {"mode": next(iter(data)), "value": next(iter(data.values()))}
        return data

    @model_validator(mode="after")
    def _value_fits(self) -> Sample:
        if self.mode in ("every", "fps") and self.value is None:
            raise ValueError(f"'{self.mode}' needs a number, for example {self.mode}: 5")
        if self.mode == "every" and self.value is not None and self.value != int(self.value):
            raise ValueError("'every' needs a whole number of frames")
        if self.mode in ("all", "keyframes") and self.value is not None:
            raise ValueError(f"'{self.mode}' takes no number")
        return self


class Motion(Section):
    """Motion gating: a frame in which no block moved since the last analysed one is skipped, and counted."""

    enabled: bool = True
    block_px: Annotated[int, Field(ge=4, le=128)] = 16
    threshold_levels: Annotated[float, Field(gt=0, le=255)] = 6.0
    refresh_s: Annotated[float, Field(gt=0)] = 2.0


class Extract(Section):
    """Decoding and sampling."""

    sample: Sample = Sample()
    motion: Motion = Motion()
    max_failed_percent: Annotated[float, Field(ge=0, le=100)] = 10.0


class Detect(Section):
    """Face detection."""

    model: str = "retinaface-mobile0.25"
    min_score: Annotated[float, Field(gt=0, lt=1)] = 0.8
    nms_iou: Annotated[float, Field(gt=0, lt=1)] = 0.4
    batch: Annotated[int, Field(ge=1, le=256)] = 8
    upscale: Annotated[int, Field(ge=1, le=4)] = 1
    brighten_gamma: Annotated[float, Field(ge=1, le=4)] = 1.0


class Track(Section):
    """Linking detections of one person over time. Weak detections (continue_score) may continue, not start a track."""

    continue_score: Annotated[float, Field(gt=0, lt=1)] = 0.5
    min_detections: Annotated[int, Field(ge=1)] = 3
    max_gap_s: Annotated[float, Field(gt=0)] = 1.0
    min_iou: Annotated[float, Field(gt=0, lt=1)] = 0.2


class Shots(Section):
    """Which pictures of a track are kept."""

    best: Annotated[int, Field(ge=1, le=64)] = 5
    min_spacing_s: Annotated[float, Field(ge=0)] = 0.3
    margin: Annotated[float, Field(ge=0, le=2)] = 0.35
    min_inter_eye_px: Annotated[float, Field(ge=2)] = 6.0


class GammaStep(Section):
    """Power-law brightening."""

    kind: Literal["gamma"]
    gamma: Annotated[float, Field(gt=0, le=10)]


class NlmeansStep(Section):
    """Non-local means denoising (Buades, Coll, Morel 2005)."""

    kind: Literal["nlmeans"]
    strength_levels: Annotated[float, Field(gt=0, le=50)] = 5.0
    color_strength_levels: Annotated[float, Field(ge=0, le=50)] = 5.0
    patch_px: Annotated[int, Field(ge=3, le=21)] = 7
    search_px: Annotated[int, Field(ge=5, le=51)] = 21


class ResizeStep(Section):
    """Classical enlargement."""

    kind: Literal["resize"]
    method: Literal["nearest", "bicubic", "lanczos"] = "lanczos"
    scale: Annotated[int, Field(ge=1, le=8)] = 4


class RestoreStep(Section):
    """A learned restorer from the weights registry."""

    kind: Literal["restore"]
    model: str = "realesrgan-x4plus"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    tile_px: Annotated[int, Field(ge=64, le=4096)] = 256
    batch: Annotated[int, Field(ge=1, le=64)] = 4


Step = Annotated[GammaStep | NlmeansStep | ResizeStep | RestoreStep, Field(discriminator="kind")]
LEARNED_KINDS = frozenset({"restore"})


class Enhance(Section):
    """What is done to the best shots, in order, and which faces are refused."""

    shots: Annotated[int, Field(ge=1, le=64)] = 2
    min_inter_eye_px: Annotated[float, Field(ge=0)] = 8.0
    max_crop_px: Annotated[int, Field(ge=32)] = 256
    min_downscale_psnr_db: Annotated[float, Field(ge=0)] = 24.0
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]


class Recognize(Section):
    """Comparison with a gallery. `threshold` is an operating point, not a strength of evidence."""

    model: str = "dlib-resnet"
    threshold: Annotated[float, Field(ge=-1, le=1)] = 0.4
    top: Annotated[int, Field(ge=1, le=1000)] = 5
    min_inter_eye_px: Annotated[float, Field(ge=2)] = 8.0
    min_quality: Annotated[float, Field(ge=0, le=1)] = 0.35
    compare_restored: bool = True
    gallery_min_inter_eye_px: Annotated[float, Field(ge=2)] = 20.0
    gallery_min_quality: Annotated[float, Field(ge=0, le=1)] = 0.25
    gallery_min_score: Annotated[float, Field(gt=0, lt=1)] = 0.9


class Profile(Section):
    """A complete processing profile."""

    schema_version: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    description: Annotated[str, Field(min_length=1)]
    evidential: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    extract: Extract = Extract()
    detect: Detect = Detect()
    track: Track = Track()
    shots: Shots = Shots()
    enhance: Enhance
    recognize: Recognize = Recognize()

    @model_validator(mode="after")
    def _evidential_is_classical(self) -> Profile:
        learned = [step.kind for step in self.enhance.steps if step.kind in LEARNED_KINDS]
        if learned and (self.evidential or self.name.startswith("evidential")):
            raise ValueError("an evidential profile may hold no learned image model (enhance.steps has 'restore')")
        if self.name.startswith("evidential") and not self.evidential:
            raise ValueError("a profile named evidential* must say 'evidential: true'")
        if self.evidential and self.recognize.compare_restored:
            raise ValueError("an evidential profile needs recognize.compare_restored: false")
        return self

    def resolved(self) -> dict[str, Any]:
        """Return every key with its value in effect, as plain data."""
        return self.model_dump(mode="json", by_alias=True)

    @property
    def digest(self) -> str:
        """SHA-256 of the resolved profile's canonical JSON."""
        return sha256_bytes(canonical_json(self.resolved()))

    def to_yaml(self) -> str:
        """Return the resolved profile as YAML that loads to an equal profile."""
        return yaml.safe_dump(self.resolved(), sort_keys=False, allow_unicode=True)


def shipped_profiles() -> dict[str, Path]:
    """Return the profiles that come with the tool, by name."""
    return {path.stem: path for path in sorted(data_folder("profiles").glob("*.yaml"))}


def load_profile(name_or_path: str, overrides: tuple[str, ...] = ()) -> Profile:
    """Load a shipped profile by name or any profile by path, apply `key=value` overrides, validate.

    Raises:
        ProfileError: no such profile, not YAML, or a key is unknown or out of range (named).
    """
    path = _find(name_or_path)
    data = _parse(path)
    for override in overrides:
        _apply(data, override)
    return validate(data, path.name)


def validate(data: Any, where: str) -> Profile:
    """Turn plain data into a profile.

    Raises:
        ProfileError: a key is unknown, missing or out of range; the first is named, with how many more there are.
    """
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        raise ProfileError(f"profile {where}: {_first_problem(error)}") from None


def _first_problem(error: ValidationError) -> str:
    problems = error.errors()
    first = problems[0]
    kinds = {"gamma", "nlmeans", "resize", "restore"}
    key = ".".join(str(part) for part in first["loc"] if part not in kinds) or "(whole profile)"
    message = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{key}: {message}{more}"


def _find(name_or_path: str) -> Path:
    shipped = shipped_profiles()
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    if path.is_file():
        return path
    raise ProfileError(f"no profile '{name_or_path}'; there are {', '.join(shipped)}, or give a YAML file's path")


def _parse(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ProfileError(f"profile {path}: cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise ProfileError(f"profile {path}: must be a mapping of sections")
    return data


def _apply(data: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ProfileError(f"--set {override}: write it as key=value, for example detect.min_score=0.7")
    target: Any = data
    *parents, last = key.split(".")
    for part in parents:
        target = _descend(target, part, override)
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ProfileError(f"--set {override}: '{text}' is not a YAML value") from None
    _assign(target, last, value, override)


def _descend(target: Any, part: str, override: str) -> Any:
    if isinstance(target, list) and part.isdigit() and int(part) < len(target):
        return target[int(part)]
    if isinstance(target, dict):
        return target.setdefault(part, {})
    raise ProfileError(f"--set {override}: '{part}' is not a section")


def _assign(target: Any, last: str, value: Any, override: str) -> None:
    if isinstance(target, list) and last.isdigit() and int(last) < len(target):
        target[int(last)] = value
    elif isinstance(target, dict):
        target[last] = value
    else:
        raise ProfileError(f"--set {override}: '{last}' is not a key here")
