"""A whole profile, and the rule that an evidential one holds no learned image model (R19)."""

from __future__ import annotations

from functools import reduce
from operator import getitem
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, model_validator

from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.profiles.sections import Detect, Extract, Recognize, Section, Shots, Track
from facerecon.profiles.steps import LEARNED_KINDS, FusedRestore, RestoreStep, Step

_ADDED = (
    (("extract", "decoder_timeout_s"), 60.0),
    (("extract", "motion", "whole_every_s"), 0.0),
    (("detect", "full_size_every_s"), 0.0),
    (("enhance", "fuse", "restore"), None),
)
"""Keys that profiles of older cases lack, with what these did: their digests stay what they were."""
_DECIDE_NOTHING = (("extract", "isolation"),)
"""Keys that decide where something is computed, never what: the digest is of what decides results."""
INTERPOLATIONS = frozenset({"nearest", "bicubic", "lanczos"})


class Fuse(Section):
    """Multi-frame fusion of a track's shots: registered to the best one, robustly averaged on a finer grid.

    `restore`: a learned correction of the fused picture, kept as a picture of its own beside it; None: there is none.
    """

    enabled: bool = True
    scale: Annotated[int, Field(ge=1, le=4)] = 4
    min_frames: Annotated[int, Field(ge=2, le=64)] = 3
    min_correlation: Annotated[float, Field(gt=0, lt=1)] = 0.8
    sharpen_iterations: Annotated[int, Field(ge=0, le=50)] = 4
    restore: FusedRestore | None = None

    @property
    def correction(self) -> FusedRestore | None:
        """What is done to the fused pictures that are made; None where none are."""
        return self.restore if self.enabled else None


class Enhance(Section):
    """What is done to the best shots, in order, and which faces are refused."""

    shots: Annotated[int, Field(ge=1, le=64)] = 2
    min_inter_eye_px: Annotated[float, Field(ge=0)] = 8.0
    max_crop_px: Annotated[int, Field(ge=32)] = 256
    min_downscale_psnr_db: Annotated[float, Field(ge=0)] = 24.0
    max_identity_drift: Annotated[float, Field(gt=0, le=2)] = 0.45
    keep_steps: bool = True
    fuse: Fuse = Fuse()
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_setting_per_model(self) -> Enhance:
        restoring = {step.key: step for step in self.steps if isinstance(step, RestoreStep)}
        for step in self.steps:
            if isinstance(step, RestoreStep) and restoring[step.key] != step:
                raise ValueError(f"model {step.key} stands in two steps with different settings; give both the same")
        return self

    @model_validator(mode="after")
    def _neighbours_come_first(self) -> Enhance:
        if any(step.kind == "nlmeans-multi" for step in self.steps[1:]):
            raise ValueError("nlmeans-multi must be the first step: the neighbouring frames have had none")
        return self


class Output(Section):
    """Whole frames and video: the upscaler (an interpolation or a model id), faces pasted back, layout and codec.

    `scale` holds for interpolations; a model brings its own.
    """

    frame_upscaler: str = "realesrgan-x4plus"
    video_upscaler: str = "lanczos"
    scale: Annotated[int, Field(ge=1, le=4)] = 2
    faces: bool = True
    layout: Literal["side-by-side", "enhanced"] = "side-by-side"
    codec: Literal["h264", "ffv1"] = "h264"


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
    output: Output = Output()
    recognize: Recognize = Recognize()

    @model_validator(mode="after")
    def _evidential_is_classical(self) -> Profile:
        learned = [step.kind for step in self.enhance.steps if step.kind in LEARNED_KINDS]
        if learned and (self.evidential or self.name.startswith("evidential")):
            raise ValueError("an evidential profile may hold no learned image model (enhance.steps has 'restore')")
        if self.enhance.fuse.restore is not None and (self.evidential or self.name.startswith("evidential")):
            raise ValueError("an evidential profile may hold no learned image model (enhance.fuse has 'restore')")
        upscalers = {self.output.frame_upscaler, self.output.video_upscaler} - INTERPOLATIONS
        if self.evidential and upscalers:
            raise ValueError(f"an evidential profile may hold no learned image model (output has {min(upscalers)})")
        if self.name.startswith("evidential") and not self.evidential:
            raise ValueError("a profile named evidential* must say 'evidential: true'")
        if self.evidential and self.recognize.compare_restored:
            raise ValueError("an evidential profile needs recognize.compare_restored: false")
        return self

    def models(self, *, enhance: bool = True, recognize: bool = True) -> list[str]:
        """Return the registry ids of the models that detection and these stages need; "auto" and brought files aside.

        Learned pictures need the recognizer, too: it measures their identity drift.
        """
        learned = [step.model for step in self.enhance.steps if isinstance(step, RestoreStep)] if enhance else []
        if enhance and (correction := self.enhance.fuse.correction):
            learned.append(correction.model)
        models = [self.detect.model, *learned, *([self.recognize.model] if recognize or learned else [])]
        return list(dict.fromkeys(model for model in models if isinstance(model, str) and model != "auto"))

    def resolved(self) -> dict[str, Any]:
        """Return every key with its value in effect, as plain data."""
        return self.model_dump(mode="json", by_alias=True)

    @property
    def digest(self) -> str:
        """SHA-256 of the resolved profile's canonical JSON: of all that decides results.

        Keys of `_DECIDE_NOTHING` are left out, and those of `_ADDED` where they say what profiles without them meant.
        """
        resolved = self.resolved()
        for section, key in _DECIDE_NOTHING:
            del resolved[section][key]
        for (*sections, key), meant in _ADDED:
            holder = reduce(getitem, sections, resolved)
            if holder[key] == meant:
                del holder[key]
        return sha256_bytes(canonical_json(resolved))

    def to_yaml(self) -> str:
        """Return the resolved profile as YAML that loads to an equal profile."""
        return yaml.safe_dump(self.resolved(), sort_keys=False, allow_unicode=True)
