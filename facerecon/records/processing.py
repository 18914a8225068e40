"""What was done: models, steps, enhanced pictures, figures against a truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from facerecon.records.evidence import Record, Sha256


class ModelStamp(Record):
    """Which model ran and how: everything a second examiner needs to get the same one (R09)."""

    id: str
    role: str
    architecture: str
    provider: Literal["packaged", "trained", "official"]
    source: str
    source_sha256: Sha256
    weights_sha256: Sha256
    licence: str
    training_data: str
    reference: str
    device: str
    precision: str


class StepRecord(Record):
    """One processing step on one picture (R10): what it did, after which paper, with which parameters."""

    name: str
    description: str
    reference: str
    parameters: Mapping[str, Any]
    learned: bool
    input_sha256: Sha256
    output_sha256: Sha256


class RestoredRecord(Record):
    """An enhanced picture of a best shot. `content` is its size without the label strip under it."""

    id: str
    track: str
    chip: str
    original: str
    path: str
    file_sha256: Sha256
    content: tuple[int, int]
    scale: Annotated[int, Field(ge=1)]
    steps: tuple[StepRecord, ...]
    model: str | None
    precision: str | None
    learned: bool
    tile_plan: str
    downscale_psnr_db: float | None
    warnings: tuple[str, ...] = ()


class Measurement(Record):
    """A figure taken against a known truth (the demo, evaluation runs)."""

    subject: str
    variant: str
    metric: str
    value: float
    unit: str
    reference: str
