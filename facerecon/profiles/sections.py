"""The sections of a profile: what each stage is told. Owns keys, defaults, units and ranges; runs nothing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Base of all profile sections: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BroughtModel(Section):
    """A model file that the user brings, with its SHA-256: made by `facerecon train`, or what spandrel reads."""

    file: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


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
    """Motion gating: a frame in which no block moved since the last analysed one is skipped, and counted.

    `regions`: within a frame a face is looked for only where a block moved, and where a face was; of no effect where
    the gate is off. Every `refresh_s` it is looked for in the whole picture; with `whole_every_s` only the first time
    after that, and the other times wherever a quarter of the threshold was exceeded.
    """

    enabled: bool = True
    block_px: Annotated[int, Field(ge=4, le=128)] = 16
    threshold_levels: Annotated[float, Field(gt=0, le=255)] = 6.0
    refresh_s: Annotated[float, Field(gt=0)] = 2.0
    regions: bool = False
    whole_every_s: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _whole_more_seldom(self) -> Motion:
        if 0 < self.whole_every_s <= self.refresh_s:
            raise ValueError(
                f"whole_every_s ({self.whole_every_s:g}) must be longer than refresh_s ({self.refresh_s:g}), "
                "or 0: every refresh_s"
            )
        return self


class Lens(Section):
    """Lens distortion about the picture's centre (Brown 1971; Kannala, Brandt 2006 for fisheye)."""

    model: Literal["brown-conrady", "fisheye"] = "brown-conrady"
    k1: Annotated[float, Field(ge=-2, le=2)]
    k2: Annotated[float, Field(ge=-2, le=2)] = 0.0
    focal_widths: Annotated[float, Field(gt=0.05, le=20)] = 1.0


class Stretch(Section):
    """Proportions of a recording whose header does not tell that its pixels are not square."""

    horizontal: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    vertical: Annotated[float, Field(ge=0.25, le=4)] = 1.0


class Extract(Section):
    """Decoding and sampling. Interlaced fields and pixels that are not square are put right before anything else.

    `isolation`: whether footage, and pictures of a gallery, are decoded in processes of their own, which cannot harm
    this one; pixels are the same. Such a decoder is ended when it tells nothing for `decoder_timeout_s`.
    """

    sample: Sample = Sample()
    deinterlace: Literal["never", "auto", "always"] = "auto"
    square_pixels: bool = True
    lens: Lens | None = None
    stretch: Stretch | None = None
    motion: Motion = Motion()
    max_failed_percent: Annotated[float, Field(ge=0, le=100)] = 10.0
    isolation: Literal["none", "process"] = "none"
    decoder_timeout_s: Annotated[float, Field(gt=0, le=86400)] = 60.0


class Detect(Section):
    """Face detection.

    `full_size_every_s`: of frames whose shorter side has 720 px or more, one in so many seconds (every eighth at least,
    and the first) is searched at full size; those in between reduced (to 180 px or more, 8 times at most), and less so
    round faces that are small. 0: all at full size; so are pictures without times, and all where `upscale` is above 1.
    """

    model: str = "retinaface-mobile0.25"
    min_score: Annotated[float, Field(gt=0, lt=1)] = 0.8
    nms_iou: Annotated[float, Field(gt=0, lt=1)] = 0.4
    batch: Annotated[int, Field(ge=1, le=256)] = 8
    upscale: Annotated[int, Field(ge=1, le=4)] = 1
    brighten_gamma: Annotated[float, Field(ge=1, le=4)] = 1.0
    full_size_every_s: Annotated[float, Field(ge=0, le=2)] = 0.0


class Track(Section):
    """Linking detections of one person over time. Weak detections (continue_score) may continue, not start a track."""

    continue_score: Annotated[float, Field(gt=0, lt=1)] = 0.5
    min_detections: Annotated[int, Field(ge=1)] = 3
    max_gap_s: Annotated[float, Field(gt=0)] = 1.0
    min_iou: Annotated[float, Field(gt=0, lt=1)] = 0.2


class Shots(Section):
    """Which pictures of a track are kept: the best ones, and for fusion the frames round the very best."""

    best: Annotated[int, Field(ge=1, le=64)] = 5
    burst: Annotated[int, Field(ge=0, le=32)] = 8
    min_spacing_s: Annotated[float, Field(ge=0)] = 0.3
    margin: Annotated[float, Field(ge=0, le=2)] = 0.35
    min_inter_eye_px: Annotated[float, Field(ge=2)] = 6.0


class Recognize(Section):
    """Comparison with a gallery. `threshold` is an operating point, not a strength of evidence; None: the model's own.

    `flip`, `jitter` and `upscale` say from which pictures of a face its vector is computed: they are the recognizer's
    treatment, and a gallery or calibration made with others does not fit.
    """

    model: str | BroughtModel = "dlib-lq"
    flip: bool = True
    jitter: Annotated[int, Field(ge=0, le=100)] = 0
    upscale: Literal["bicubic", "lanczos", "linear"] = "linear"
    threshold: Annotated[float, Field(ge=-1, le=1)] | None = None
    top: Annotated[int, Field(ge=1, le=1000)] = 5
    min_inter_eye_px: Annotated[float, Field(ge=2)] = 8.0
    min_quality: Annotated[float, Field(ge=0, le=1)] = 0.35
    compare_restored: bool = True
    gallery_min_inter_eye_px: Annotated[float, Field(ge=2)] = 20.0
    gallery_min_quality: Annotated[float, Field(ge=0, le=1)] = 0.25
    gallery_min_score: Annotated[float, Field(gt=0, lt=1)] = 0.9
