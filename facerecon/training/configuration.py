"""What a training run is told: `facerecon train CONFIG.yaml`. Owns keys, defaults, units and ranges; runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from facerecon.degradation import Ranges
from facerecon.errors import UsageError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.profiles import BroughtModel, Section, first_problem, overridden

Weight = Annotated[float, Field(ge=0, le=1000)]
Positive = Annotated[int, Field(ge=1)]


class Data(Section):
    """Pictures: folders of NAME/*.jpg (one person each) or *.jpg (every picture another person).

    `validation_percent` of the persons are never trained on. `repeat` counts a folder's pictures several times.
    `landmark_sigma_px` (of the degraded picture) and `landmark_sigma_eyes` (share of the distance between the eyes) say
    how inexactly a detector finds the five points: the face as a whole, and each point besides. Measured with
    RetinaFace mobile0.25 on 200 LFW faces: 1.05 px rms at 24 px face width, 0.97 at 32, 1.41 at 48, most of it common
    to all five points.
    """

    folders: Annotated[tuple[str, ...], Field(min_length=1)]
    repeat: Annotated[tuple[Positive, ...], Field()] = ()
    validation_percent: Annotated[float, Field(gt=0, lt=100)] = 5.0
    min_inter_eye_px: Annotated[float, Field(ge=2)] = 20.0
    landmark_sigma_px: Annotated[float, Field(ge=0, le=10)] = 0.6
    landmark_sigma_eyes: Annotated[float, Field(ge=0, le=0.5)] = 0.03
    workers: Annotated[int, Field(ge=0, le=256)] = 1

    @model_validator(mode="after")
    def _one_number_per_folder(self) -> Data:
        if self.repeat and len(self.repeat) != len(self.folders):
            raise ValueError(f"repeat needs one number per folder: {len(self.folders)}")
        return self


class Optimizer(Section):
    """Steps of gradient descent. `schedule` step: times `decay` every `decay_steps`; cosine: down to 1 % at the end."""

    kind: Literal["adamw", "adam"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 3e-4
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    decay: Annotated[float, Field(gt=0, le=1)] = 0.5
    decay_steps: Positive = 1000
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999


class Run(Section):
    """How long, in what precision, and how often something is written. `histograms_every` 0: none."""

    steps: Positive = 10_000
    batch: Positive = 64
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    log_every: Positive = 20
    validate_every: Positive = 500
    checkpoint_every: Positive = 250
    histograms_every: Annotated[int, Field(ge=0)] = 0
    validation_examples: Annotated[int, Field(ge=2)] = 256
    sheet_examples: Annotated[int, Field(ge=1, le=64)] = 8


class EmbedderLoss(Section):
    """What the student is drawn to.

    `distance`: squared distance to the teacher's vector of the sharp picture (Hinton, Vinyals, Dean, arXiv 1503.02531,
    2015). `contrast`: cross entropy of finding that vector among those of all training pictures, by
    -squared distance / `temperature` (van den Oord, Li, Vinyals, arXiv 1807.03748, 2018).
    """

    distance: Weight = 1.0
    contrast: Weight = 0.0
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.05


class EmbedderModel(Section):
    """The student: a network of the teacher's architecture, which begins with the teacher's weights.

    `begin`: weights of an earlier student to go on from instead: an id of the registry, or a file that train made.
    """

    teacher: str = "dlib-resnet"
    begin: str | BroughtModel | None = None


class RestorerLoss(Section):
    """What the restored picture is drawn to; weights of the parts.

    `pixel`: Charbonnier (Lai et al., CVPR 2017) or L1. `uncertainty`: negative log-likelihood of a Laplace distribution
    whose scale the network tells (Kendall, Gal, NeurIPS 2017). `perceptual`: distance of the features of a network that
    was trained for something else (Johnson, Alahi, Fei-Fei, ECCV 2016). `identity`: squared distance of the face
    vectors. `adversarial`: a conditional PatchGAN (Isola et al., CVPR 2017), from step `adversarial_from`, before
    which the discriminator does not exist; from then on for `freeze_steps` only the discriminator learns.
    """

    pixel: Weight = 1.0
    pixel_kind: Literal["charbonnier", "l1"] = "charbonnier"
    uncertainty: Weight = 0.1
    perceptual: Weight = 0.0
    identity: Weight = 0.0
    adversarial: Weight = 0.0
    adversarial_from: Annotated[int, Field(ge=0)] = 0
    freeze_steps: Annotated[int, Field(ge=0)] = 0
    discriminator_learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-4


class RestorerModel(Section):
    """The network, and the side of the aligned square it works on.

    `begin`: weights to go on from, of a network of the same widths: an id of the registry, or a file that train made.
    """

    network: Literal["unet", "autoencoder"] = "unet"
    widths: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=6)] | None = None
    side_px: Annotated[int, Field(ge=64, le=512, multiple_of=16)] = 128
    recognizer: str = "dlib-resnet"
    begin: str | BroughtModel | None = None

    @model_validator(mode="after")
    def _side_can_be_halved(self) -> RestorerModel:
        if self.widths and self.side_px % 2 ** len(self.widths):
            raise ValueError(f"with {len(self.widths)} widths side_px must be a multiple of {2 ** len(self.widths)}")
        return self


class _Training(Section):
    schema_version: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: Data
    degradation: Ranges
    optimizer: Optimizer = Optimizer()
    run: Run = Run()

    def resolved(self) -> dict[str, Any]:
        """Return every key with its value in effect, as plain data."""
        return self.model_dump(mode="json", by_alias=True)

    @property
    def digest(self) -> str:
        """SHA-256 of what decides the result, as canonical JSON: names of folders, digests of files, no workers."""
        document = self.resolved()
        del document["data"]["workers"]
        document["data"]["folders"] = [Path(folder).name for folder in self.data.folders]
        if isinstance(document["model"]["begin"], dict):
            document["model"]["begin"] = document["model"]["begin"]["sha256"]
        return sha256_bytes(canonical_json(document))

    def to_yaml(self) -> str:
        """Return the resolved configuration as YAML that loads to an equal one."""
        return yaml.safe_dump(self.resolved(), sort_keys=False, allow_unicode=True)


class EmbedderTraining(_Training):
    """A recognizer that reads degraded faces, in the vector space of its teacher."""

    task: Literal["embedder"]
    model: EmbedderModel = EmbedderModel()
    loss: EmbedderLoss = EmbedderLoss()


class RestorerTraining(_Training):
    """A network that restores aligned faces."""

    task: Literal["restorer"]
    model: RestorerModel = RestorerModel()
    loss: RestorerLoss = RestorerLoss()


Training = EmbedderTraining | RestorerTraining
_TASKS = ("embedder", "restorer")
_ADAPTER: TypeAdapter[Training] = TypeAdapter(Annotated[Training, Field(discriminator="task")])


def load_training(path: Path, overrides: Sequence[str] = (), folders: Sequence[Path] = ()) -> Training:
    """Load a configuration, apply `key=value` overrides, validate.

    `folders` replaces the configuration's, which are relative to where it lies; with others nothing is repeated.

    Raises:
        UsageError: it cannot be read, is no YAML, or a key is unknown, missing or out of range (the key is named).
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path} must be a mapping of sections")
    if folders and isinstance(data.get("data"), dict):
        data["data"] |= {"folders": [str(folder.resolve()) for folder in folders], "repeat": []}
    try:
        training = _ADAPTER.validate_python(overridden(data, overrides))
    except ValidationError as error:
        raise UsageError(f"{path}: {first_problem(error, _TASKS, 'task')}") from None
    return _placed(training, path.parent)


def _placed(training: Training, base: Path) -> Training:
    """Return a configuration whose paths no longer depend on where it lies."""
    found = tuple(str((base / folder).resolve()) for folder in training.data.folders)
    model = training.model
    if isinstance(model.begin, BroughtModel):
        file = str((base / model.begin.file).resolve())
        model = model.model_copy(update={"begin": BroughtModel(file=file, sha256=model.begin.sha256)})
    return training.model_copy(update={"data": training.data.model_copy(update={"folders": found}), "model": model})
