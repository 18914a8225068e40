"""The steps a profile may put on a picture, in any order: their names, parameters, units and ranges. Runs nothing."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from facerecon.profiles.sections import BroughtModel, Section

Strength = Annotated[float, Field(ge=0, le=1)]
Odd = Annotated[int, Field(ge=3, le=51, multiple_of=1)]


class GammaStep(Section):
    """Brighten by one power curve."""

    kind: Literal["gamma"]
    gamma: Annotated[float, Field(gt=0, le=10)]


class LimeStep(Section):
    """Brighten by an estimated illumination map (Guo, Li, Ling, IEEE TIP 26(2), 2017)."""

    kind: Literal["lime"]
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.8
    smoothness: Annotated[float, Field(gt=0, le=5)] = 0.15
    max_gain: Annotated[float, Field(ge=1, le=64)] = 12.0
    denoise_levels: Annotated[float, Field(ge=0, le=50)] = 0.0


class ClaheStep(Section):
    """Raise local contrast of the lightness (Zuiderveld, Graphics Gems IV, 1994)."""

    kind: Literal["clahe"]
    clip_limit: Annotated[float, Field(gt=0, le=40)] = 2.0
    tiles: Annotated[int, Field(ge=1, le=32)] = 8


class ExposureStep(Section):
    """Change exposure in stops of linear light; "auto" brings the median to `target_levels`, by `max_stops` at most."""

    kind: Literal["exposure"]
    stops: Annotated[float, Field(ge=-6, le=6)] | Literal["auto"] = "auto"
    target_levels: Annotated[float, Field(gt=0, lt=255)] = 118.0
    max_stops: Annotated[float, Field(gt=0, le=6)] = 4.0


class WhiteBalanceStep(Section):
    """Take out a colour cast."""

    kind: Literal["white-balance"]
    method: Literal["grey-world", "von-kries"] = "von-kries"
    strength: Strength = 1.0
    light_k: Annotated[float, Field(ge=1500, le=20000)] | None = None


class NlmeansStep(Section):
    """Non-local means denoising (Buades, Coll, Morel, CVPR 2005)."""

    kind: Literal["nlmeans"]
    strength_levels: Annotated[float, Field(gt=0, le=50)] = 5.0
    color_strength_levels: Annotated[float, Field(ge=0, le=50)] = 5.0
    patch_px: Odd = 7
    search_px: Odd = 21


class NlmeansMultiStep(Section):
    """Non-local means over a shot and its neighbours in time, registered (Buades, Coll, Morel, AVSS 2005).

    Only the very best shot of a track has neighbours (`shots.burst`); any other is denoised by itself, and that is
    noted. Must be the first step: the neighbours have had none.
    """

    kind: Literal["nlmeans-multi"]
    strength_levels: Annotated[float, Field(gt=0, le=50)] = 5.0
    color_strength_levels: Annotated[float, Field(ge=0, le=50)] = 5.0
    window: Annotated[int, Field(ge=3, le=15)] = 5
    patch_px: Odd = 7
    search_px: Odd = 21


class WaveletStep(Section):
    """Wavelet denoising (Chang, Yu, Vetterli, IEEE TIP 9(9), 2000); without `sigma_levels` the noise is estimated."""

    kind: Literal["wavelet"]
    sigma_levels: Annotated[float, Field(gt=0, le=100)] | None = None
    strength: Annotated[float, Field(gt=0, le=4)] = 1.0


class DeblockStep(Section):
    """Smooth the block edges of strong compression."""

    kind: Literal["deblock"]
    strength: Annotated[float, Field(gt=0, le=4)] = 1.0


class MotionDeblurStep(Section):
    """Take out linear motion blur; without length and angle they are estimated, and a weak estimate changes nothing."""

    kind: Literal["deblur-motion"]
    method: Literal["richardson-lucy", "wiener"] = "richardson-lucy"
    length_px: Annotated[float, Field(ge=2, le=100)] | None = None
    angle_deg: Annotated[float, Field(ge=-180, le=180)] | None = None
    iterations: Annotated[int, Field(ge=1, le=100)] = 15
    min_confidence: Strength = 0.5

    @model_validator(mode="after")
    def _both_or_none(self) -> MotionDeblurStep:
        if (self.length_px is None) != (self.angle_deg is None):
            raise ValueError("give both length_px and angle_deg, or neither")
        return self


class DefocusDeblurStep(Section):
    """Take out defocus (a disc); without a radius it is estimated, and a weak estimate changes nothing."""

    kind: Literal["deblur-defocus"]
    method: Literal["richardson-lucy", "wiener"] = "richardson-lucy"
    radius_px: Annotated[float, Field(ge=0.5, le=50)] | None = None
    iterations: Annotated[int, Field(ge=1, le=100)] = 15
    min_confidence: Strength = 0.5


class ResizeStep(Section):
    """Classical enlargement."""

    kind: Literal["resize"]
    method: Literal["nearest", "bicubic", "lanczos"] = "lanczos"
    scale: Annotated[int, Field(ge=1, le=8)] = 4


class RestoreStep(Section):
    """A learned restorer: weights of the registry by id, or a checkpoint that the user brings.

    `blend` mixes its picture with the enlarged original; `denoise` is realesr-general-x4v3's strength; `mask` bounds a
    pasted face.
    """

    kind: Literal["restore"]
    model: str | BroughtModel = "realesrgan-x4plus"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    tile_px: Annotated[int, Field(ge=64, le=4096)] = 256
    batch: Annotated[int, Field(ge=1, le=64)] = 4
    blend: Strength = 1.0
    denoise: Strength = 1.0
    mask: Literal["auto", "parsenet", "ellipse", "square"] = "auto"

    @property
    def key(self) -> str:
        """What names the model in this profile: its id, or a brought file's digest."""
        return self.model if isinstance(self.model, str) else self.model.sha256


class FusedRestore(Section):
    """One of our own restorers on the fused picture, which keeps its size: what the network corrects is added to it.

    `blend` is how much of the correction is added. A model's name alone stands for these defaults.
    """

    model: str | BroughtModel = "restorer-fused"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    blend: Strength = 0.75

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"model": data} if isinstance(data, str) else data


def not_a_corrector(model: object) -> str:
    """Return what is wrong with a model that `FusedRestore` names and that is none of our own restorers."""
    return (
        f"{model} cannot correct a fused picture in its own size; enhance.fuse.restore takes restorer-fused, "
        "restorer-unet, a restorer that `facerecon train` made, or null"
    )


ClassicalStep = (
    GammaStep
    | LimeStep
    | ClaheStep
    | ExposureStep
    | WhiteBalanceStep
    | NlmeansStep
    | NlmeansMultiStep
    | WaveletStep
    | DeblockStep
    | MotionDeblurStep
    | DefocusDeblurStep
    | ResizeStep
)
Step = Annotated[ClassicalStep | RestoreStep, Field(discriminator="kind")]
TONE_KINDS = frozenset({"gamma", "lime", "clahe", "exposure", "white-balance"})
LEARNED_KINDS = frozenset({"restore"})
ENLARGING_KINDS = frozenset({"restore", "resize"})
KINDS = frozenset(get_args(step.model_fields["kind"].annotation)[0] for step in get_args(get_args(Step)[0]))
