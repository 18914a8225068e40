"""What model files exist: `weights/registry.yaml`, its schema, and looking entries up. Reads no model file."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from facerecon.errors import ResourceError, UsageError
from facerecon.records import Metric, Sha256
from facerecon.resources import data_folder

Role = Literal["detection", "super-resolution", "face-restoration", "recognition", "face-parsing"]
Provider = Literal["packaged", "official", "trained", "brought"]
"""How a file comes here; "brought" is one that the user names, and never stands in a registry."""
Precision = Literal["fp32", "bf16", "fp16"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Precisions(_Part):
    """The precisions a model's results were shown to hold in, per kind of device, the preferred one first."""

    cpu: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("fp32",)
    cuda: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("fp32",)


class Teacher(_Part):
    """The recognizer that a student learned from, and when it is asked instead: by distance between the eyes, in px.

    Up to `mixed_from_px` the student alone makes the vector, from `alone_from_px` the teacher alone; between them both
    do, in proportion.
    """

    id: str
    mixed_from_px: Annotated[float, Field(ge=0)]
    alone_from_px: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _rises(self) -> Teacher:
        if self.alone_from_px <= self.mixed_from_px:
            raise ValueError("alone_from_px must be above mixed_from_px")
        return self


class Capabilities(_Part):
    """What a model can do. `input_px` is the side of a fixed square input; None when any size goes.

    `size_multiple`: the network takes sides that are multiples of it (others are padded and cut again). `metric`: how a
    recognizer's vectors compare. `similarity_threshold`: the operating point that its author published, as similarity.
    `teacher`: of a recognizer that was taught by another one.
    """

    precisions: Precisions = Precisions()
    scale: Annotated[int, Field(ge=1)] | None = None
    input_px: Annotated[int, Field(ge=1)] | None = None
    size_multiple: Annotated[int, Field(ge=1)] = 1
    metric: Metric | None = None
    similarity_threshold: Annotated[float, Field(ge=-1, le=1)] | None = None
    teacher: Teacher | None = None


class Entry(_Part):
    """One model file. `sha256` is the digest of `file`, or of `member` inside `package` for packaged weights.

    `converted_sha256` is the digest of the safetensors file that a packaged file is converted to.
    """

    id: str
    role: Role
    architecture: str
    provider: Provider
    file: str
    sha256: Sha256
    size_bytes: Annotated[int, Field(gt=0)] | None = None
    package: str | None = None
    version: str | None = None
    module: str | None = None
    member: str | None = None
    converted_sha256: Sha256 | None = None
    urls: tuple[str, ...] = ()
    licence: str
    training_data: str
    reference: str
    capabilities: Capabilities = Capabilities()

    @model_validator(mode="after")
    def _provider_fits(self) -> Entry:
        inside = (self.package, self.version, self.module, self.member, self.converted_sha256)
        if self.provider == "packaged" and None in inside:
            raise ValueError("packaged weights need package, version, module, member and converted_sha256")
        if self.provider != "packaged" and any(inside):
            raise ValueError(f"{self.provider} weights have no package, version, module, member or converted_sha256")
        if self.provider == "official" and not self.urls:
            raise ValueError("official weights need a URL")
        if not all(url.startswith("https://") for url in self.urls):
            raise ValueError("URLs must be https")
        if Path(self.file).name != self.file:
            raise ValueError(f"'{self.file}' must be a plain file name")
        return self

    @model_validator(mode="after")
    def _metric_fits(self) -> Entry:
        if (self.role == "recognition") != (self.capabilities.metric is not None):
            raise ValueError("a recognizer needs a metric, and nothing else has one")
        return self


class Registry(_Part):
    """All known model files."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    weights: tuple[Entry, ...]

    @model_validator(mode="after")
    def _names_no_brought_file(self) -> Registry:
        if any(item.provider == "brought" for item in self.weights):
            raise ValueError("a brought file is named in a profile, not here")
        return self

    @model_validator(mode="after")
    def _names_are_unique(self) -> Registry:
        for name in ("id", "file"):
            values = [getattr(item, name) for item in self.weights]
            if len(set(values)) != len(values):
                raise ValueError(f"two entries have one {name}")
        return self

    def entry(self, weights_id: str) -> Entry:
        """Return the entry `weights_id`.

        Raises:
            UsageError: there is no such entry; the message lists the known ones.
        """
        for item in self.weights:
            if item.id == weights_id:
                return item
        known = ", ".join(sorted(item.id for item in self.weights))
        raise UsageError(f"unknown weights '{weights_id}'; known: {known}")


# --- the registry -----------------------------------------------------------------------------------------------------


def load_registry(path: Path | None = None) -> Registry:
    """Read a registry; the one that ships with the tool by default.

    Raises:
        ResourceError: the file cannot be read, or is no valid registry.
    """
    source = path or data_folder("weights") / "registry.yaml"
    try:
        return _parsed(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResourceError(f"the weights registry {source} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ResourceError(f"the weights registry {source} is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ResourceError(f"the weights registry {source} is invalid at '{where}': {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        # No text, a date that is none, brackets without end.
        reason = " ".join(str(error).split())[:200]
        raise ResourceError(f"the weights registry {source} cannot be read: {reason}") from error


@lru_cache(maxsize=2)
def _parsed(text: str) -> Registry:
    return Registry.model_validate(yaml.safe_load(text))


def entry(weights_id: str, registry: Registry | None = None) -> Entry:
    """Return one entry of `registry` (default: the shipped one).

    Raises:
        UsageError: there is no such entry.
    """
    return (registry or load_registry()).entry(weights_id)
