"""What is to be done to a picture, as one line of text: `width=24,noise=4,jpeg=60`. Owns keys, units and ranges.

    key      unit, range                                                          neutral
    width    px of the face after the reduction, 4..1024                          the picture's own size
    blur     Gaussian sigma of lens and pixel, in px of the REDUCED picture,      0.4 with a width, else 0
             0..10; applied before the reduction
    linear   1: lens blur and reduction in linear light, 0: of code values        0
    defocus  radius of the disc of confusion, in px of the reduced picture, 0..50 0
    motion   length of a linear motion blur, in px of the reduced picture, 0..100 0
    angle    its direction, degrees, counter-clockwise from the image's right     0
    interlace  movement to the right between two fields, in px of the reduced     0
             picture, 0..20: the odd lines show the scene that much later, and
             nobody has deinterlaced them
    gain     exposure factor in linear light, 0.001..16 (dark: below 1)           1
    warm     Kelvin of the light, 2000..6500, seen by a camera set to 6500 K      none
    cold     Kelvin of the light, 6500..25000, likewise                           none
    rolling  amplitude of a flickering light over the rows of a rolling shutter,  0
             as a share of the mean light, 0..1
    bands    its periods over the picture's height, 0.1..20                       2
    poisson  full-well capacity in electrons, 10..100000: shot noise              none
    noise    Gaussian sigma in levels (0..255) of the coded picture, 0..100       0
    sharpen  amount of the camera's unsharp mask (sigma 1 px of the reduced       0
             picture), 0..3
    rescale  factor by which the recorder reduces the picture (by area) and       1
             enlarges it back (bilinear) before it codes it, 1..4
    jpeg     JPEG quality, 1..100, chroma halved                                  none
    mjpeg    Motion JPEG quantiser, 2 (best)..31, libavcodec's scale, chroma      none
             halved
    crf      H.264 constant rate factor, 0..51, of the last of 8 still frames     none
    frames   frames of a synthetic track, 1..64                                   1
    seed     of noise and track, 0..2^32-1                                        0

Lengths are in pixels of the reduced picture because that is where an examiner measures them. Never touches pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from facerecon.errors import UsageError
from facerecon.hashing import sha256_bytes
from facerecon.records import Record

LENS_SIGMA_PX = 0.4
BANDS = 2.0
NONE = "none"


class Degradation(Record):
    """A degradation: frozen and validated; see the module for keys, units and ranges."""

    width: Annotated[float, Field(ge=4, le=1024)] | None = None
    blur: Annotated[float, Field(ge=0, le=10)] | None = None
    linear: Annotated[int, Field(ge=0, le=1)] = 0
    defocus: Annotated[float, Field(ge=0, le=50)] = 0.0
    motion: Annotated[float, Field(ge=0, le=100)] = 0.0
    angle: Annotated[float, Field(ge=-360, le=360)] = 0.0
    interlace: Annotated[float, Field(ge=0, le=20)] = 0.0
    gain: Annotated[float, Field(ge=0.001, le=16)] = 1.0
    warm: Annotated[float, Field(ge=2000, le=6500)] | None = None
    cold: Annotated[float, Field(ge=6500, le=25000)] | None = None
    rolling: Annotated[float, Field(ge=0, le=1)] = 0.0
    bands: Annotated[float, Field(ge=0.1, le=20)] = BANDS
    poisson: Annotated[float, Field(ge=10, le=100_000)] | None = None
    noise: Annotated[float, Field(ge=0, le=100)] = 0.0
    sharpen: Annotated[float, Field(ge=0, le=3)] = 0.0
    rescale: Annotated[float, Field(ge=1, le=4)] = 1.0
    jpeg: Annotated[int, Field(ge=1, le=100)] | None = None
    mjpeg: Annotated[int, Field(ge=2, le=31)] | None = None
    crf: Annotated[int, Field(ge=0, le=51)] | None = None
    frames: Annotated[int, Field(ge=1, le=64)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Degradation:
        if self.warm is not None and self.cold is not None:
            raise ValueError("warm and cold exclude each other: a light has one colour temperature")
        if self.angle and not self.motion:
            raise ValueError("angle needs motion: it is the direction of the motion blur")
        if self.bands != BANDS and not self.rolling:
            raise ValueError("bands needs rolling: it is the number of bands that the flicker makes")
        return self

    @classmethod
    def parse(cls, text: str) -> Degradation:
        """Read the text form; "none" is the neutral degradation.

        Raises:
            UsageError: a key is unknown, given twice or out of range; the message names it and lists the keys.
        """
        if text.strip() == NONE:
            return cls()
        data: dict[str, str] = {}
        for part in text.split(","):
            key, _, value = (piece.strip() for piece in part.partition("="))
            if not key or not value:
                raise _wrong(f"'{part.strip()}' is not key=value")
            if key in data:
                raise _wrong(f"{key} is given twice")
            data[key] = value
        return cls.validated(data)

    @classmethod
    def validated(cls, data: Mapping[str, Any]) -> Degradation:
        """Make one of plain values.

        Raises:
            UsageError: as for `parse`.
        """
        try:
            return cls.model_validate(dict(data))
        except ValidationError as error:
            raise _wrong(_first_problem(error, data)) from None

    @property
    def lens_sigma_px(self) -> float:
        """The Gaussian sigma in effect, in px of the reduced picture."""
        if self.blur is not None:
            return self.blur
        return LENS_SIGMA_PX if self.width is not None else 0.0

    @property
    def light(self) -> Degradation:
        """Its light alone: exposure and colour, which a restoration leaves as they are."""
        return Degradation(gain=self.gain, warm=self.warm, cold=self.cold)

    @property
    def text(self) -> str:
        """The canonical text: keys in the order of the chain, nothing neutral; `parse` reads it back."""
        values = {**self.model_dump(), "blur": self.lens_sigma_px}
        if self.width is None and not self.lens_sigma_px:
            del values["blur"]
        neutral = {name: field.default for name, field in type(self).model_fields.items()}
        return ",".join(f"{key}={value:.10g}" for key, value in values.items() if value != neutral[key]) or NONE

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical text."""
        return sha256_bytes(self.text.encode())

    @property
    def kelvin(self) -> float | None:
        """The colour temperature of the light, or None for a camera that is set to it."""
        return self.warm if self.warm is not None else self.cold


def _first_problem(error: ValidationError, data: Mapping[str, Any]) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ")
    key = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    return f"{key}={data[key]}: {first['msg']}"


def _wrong(problem: str) -> UsageError:
    return UsageError(f"degradation: {problem}; the keys are {', '.join(Degradation.model_fields)}")
