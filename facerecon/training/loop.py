"""The loop: batches in, steps down, checkpoints and figures out. Owns interruption; knows no network.

A run that was killed continues from its last checkpoint and ends with the weights of an undisturbed one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from facerecon.engines.by_torch import DTYPES
from facerecon.engines.runtime import memory_guard
from facerecon.errors import ResourceError, UsageError
from facerecon.evaluation.samples import spread
from facerecon.interruption import held
from facerecon.pictures import encode_png
from facerecon.records import NOT_STATED, RGB
from facerecon.training.checkpoints import HISTOGRAMS, LOG, VALIDATION, RunFolder
from facerecon.training.configuration import Training
from facerecon.training.examples import Example, Maker
from facerecon.training.feeding import Batch, batches, together
from facerecon.training.learning import Descent, training_precision
from facerecon.weights import Entry

_MOST_BAD_STEPS = 20
_VALIDATED_TOGETHER = 32


class Task(Protocol):
    """What is learned. `network` is what is trained and shipped."""

    network: nn.Module
    begun_from: Entry | None
    """Whose weights the network began with; None: random ones."""

    @property
    def constants(self) -> Mapping[str, torch.Tensor]:
        """Tensors that ship beside the weights."""
        ...

    @property
    def description(self) -> Mapping[str, Any]:
        """What the model file says of itself: role, architecture, capabilities."""
        ...

    def losses(self, network: nn.Module, batch: Batch, step: int) -> Mapping[str, torch.Tensor]:
        """Return the weighted parts of a batch's loss."""
        ...

    def measured(self, network: nn.Module, batches: Sequence[Batch]) -> dict[str, float]:
        """Return the figures of validation batches."""
        ...

    def sheet(self, network: nn.Module, examples: Sequence[Example]) -> RGB | None:
        """Return a picture that shows some validation examples, if there is something to see."""
        ...


class Adversary(Protocol):
    """A task's second network, which learns against the first."""

    def learns_alone(self, step: int) -> bool:
        """Say whether the first network rests at this step."""
        ...

    def step(self, step: int) -> dict[str, float]:
        """Learn from the batch whose loss was computed last; return its figures."""
        ...

    def state(self) -> dict[str, Any]:
        """Return everything that a continuation needs."""
        ...

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned."""
        ...


class Watcher(Protocol):
    """Hears how a run goes."""

    def began(self, step: int, steps: int) -> None:
        """The first step to come, and how many there will have been."""
        ...

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """A logged step."""
        ...

    def validated(self, step: int, figures: Mapping[str, float]) -> None:
        """A validation."""
        ...


@dataclass
class Loop:
    """One run."""

    training: Training
    task: Task
    maker: Maker
    folder: RunFolder
    device: torch.device
    watcher: Watcher
    adversary: Adversary | None = None

    def __post_init__(self) -> None:
        """Prepare the optimizer, and continue from a checkpoint if there is one."""
        settings = self.training.run
        self._precision = training_precision(self.device, settings.precision)
        self._descent = Descent(self.task.network, self.training.optimizer, settings.steps, self._precision)
        self._bad = 0
        saved = self.folder.saved()
        if saved is not None:
            self._continue(saved)
        self.folder.forget_from(self._descent.done + 1)
        self._validation = self._validation_examples()

    def _continue(self, saved: Mapping[str, Any]) -> None:
        for name, value in self._nature.items():
            if saved[name] != value:
                raise UsageError(
                    f"{self.folder.root}: the run was begun with {name} {saved[name]}, now it is {value}; choose "
                    "another --output"
                )
        self._descent.load(saved["descent"])
        if self.adversary:
            self.adversary.load(saved["adversary"])

    @property
    def _nature(self) -> dict[str, str]:
        """What a continuation must share with the run besides its configuration."""
        return {"pictures": self.maker.corpus.digest[:16], "precision": self._precision}

    def run(self) -> dict[str, float]:
        """Train to the end; return the last validation's figures.

        Raises:
            KeyboardInterrupt: Ctrl-C or SIGTERM; the step was finished and a checkpoint written.
            ResourceError: the loss was not finite for 20 steps in a row, or memory ran out.
        """
        with memory_guard("training (run.batch)"):
            return self._run()

    def _run(self) -> dict[str, float]:
        settings = self.training.run
        self.watcher.began(self._descent.done, settings.steps)
        feed = batches(
            self.maker,
            first=self._descent.done,
            last=settings.steps,
            size=settings.batch,
            workers=self.training.data.workers,
            pinned=self.device.type == "cuda",
        )
        figures = dict[str, float]()
        with held() as arrived:
            begun, logged = time.perf_counter(), self._descent.done
            for batch in feed:
                parts = self._step(batch.to(self.device))
                done = self._descent.done
                if done % settings.log_every == 0 or done == settings.steps:
                    speed = (done - logged) * settings.batch / (time.perf_counter() - begun)
                    self._log({**parts, "examples_per_s": round(speed, 1)})
                    begun, logged = time.perf_counter(), done
                if settings.histograms_every and done % settings.histograms_every == 0:
                    self._histograms()
                if done % settings.validate_every == 0 or done == settings.steps:
                    figures = self._validate()
                if done % settings.checkpoint_every == 0 or done == settings.steps or arrived:
                    self._save()
                if arrived:
                    raise KeyboardInterrupt
        return figures or self._validate()

    @property
    def averaged(self) -> Mapping[str, torch.Tensor]:
        """The average of the weights: what ships."""
        return self._descent.average

    @property
    def precision(self) -> str:
        """What the passes are computed in."""
        return self._precision

    # --- steps --------------------------------------------------------------------------------------------------------

    def _step(self, batch: Batch) -> dict[str, float]:
        step = self._descent.done
        figures = {"learning_rate": self._descent.learning_rate, "gradient": 0.0}
        with self._autocast():
            losses = self.task.losses(self.task.network, batch, step)
        if self.adversary and self.adversary.learns_alone(step):
            self._descent.done += 1
        else:
            figures["gradient"] = self._descent.step(torch.stack(list(losses.values())).sum())
        figures |= {name: float(value.detach()) for name, value in losses.items()}
        if self.adversary:
            figures |= self.adversary.step(step)
        self._bad = 0 if all(torch.isfinite(torch.tensor(list(figures.values())))) else self._bad + 1
        if self._bad >= _MOST_BAD_STEPS:
            raise ResourceError(
                f"the loss was not finite for {_MOST_BAD_STEPS} steps; begin again in another --output with a lower "
                "optimizer.learning_rate, or run.precision fp32"
            )
        return figures

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, DTYPES[self._precision], enabled=self._precision != "fp32")

    def _save(self) -> None:
        state: dict[str, Any] = {"descent": self._descent.state(), **self._nature}
        if self.adversary:
            state["adversary"] = self.adversary.state()
        self.folder.save(state)

    # --- figures ------------------------------------------------------------------------------------------------------

    def _log(self, parts: Mapping[str, float]) -> None:
        row = {"step": self._descent.done, **{name: float(f"{value:.6g}") for name, value in parts.items()}}
        self.folder.append(LOG, row)
        self.watcher.stepped(self._descent.done, parts)

    def _histograms(self) -> None:
        """Write, per parameter, what its values and their last gradients look like."""
        for name, parameter in self.task.network.named_parameters():
            for kind, values in (("weight", parameter), ("gradient", parameter.grad)):
                if values is not None:
                    self.folder.append(HISTOGRAMS, _histogram(self._descent.done, name, kind, values.detach()))

    @property
    def validated(self) -> list[int]:
        """The corpus's rows that figures are measured on."""
        return spread(self.maker.corpus.validation, self.training.run.validation_examples)

    def _validation_examples(self) -> list[Example]:
        return [self.maker.validation_example(number, row) for number, row in enumerate(self.validated)]

    def _validate(self) -> dict[str, float]:
        self.folder.forget_from(self._descent.done, (VALIDATION,))
        examples = [
            together(self._validation[start : start + _VALIDATED_TOGETHER]).to(self.device)
            for start in range(0, len(self._validation), _VALIDATED_TOGETHER)
        ]
        # In full precision: that is how the model will run.
        with _averaged(self.task.network, self._descent.average), torch.inference_mode():
            figures = self.task.measured(self.task.network, examples)
            some = [self._validation[place] for place in spread(range(len(self._validation)), self._sheet_size)]
            sheet = self.task.sheet(self.task.network, some)
        self.folder.append(VALIDATION, {"step": self._descent.done, **{k: round(v, 6) for k, v in figures.items()}})
        if sheet is not None:
            text = {"Description": f"{self.training.name}, step {self._descent.done}"}
            self.folder.write(f"sheets/step-{self._descent.done:06d}.png", encode_png(sheet, text))
        self.watcher.validated(self._descent.done, figures)
        return figures

    @property
    def _sheet_size(self) -> int:
        return self.training.run.sheet_examples


def _histogram(step: int, name: str, kind: str, values: torch.Tensor) -> dict[str, float | int | str]:
    numbers = values.float().flatten()
    low, high = float(numbers.min()), float(numbers.max())
    counts = torch.histc(numbers.cpu(), 16, low, high) if high > low else torch.zeros(16)
    cells = {f"bin_{place:02d}": int(count) for place, count in enumerate(counts)}
    spread = {"mean": float(numbers.mean()), "deviation": float(numbers.std(correction=0)), "low": low, "high": high}
    return {"step": step, "parameter": name, "kind": kind, **{k: float(f"{v:.6g}") for k, v in spread.items()}, **cells}


@contextmanager
def _averaged(network: nn.Module, average: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Put the averaged weights into the network for a while."""
    own = {name: value.detach().clone() for name, value in network.state_dict().items()}
    network.load_state_dict(dict(average))
    network.eval()
    try:
        yield
    finally:
        network.load_state_dict(own)
        network.train()


def end_of_run(loop: Loop, figures: Mapping[str, float]) -> Path:
    """Publish the model with what its card needs: recipe, data, figures; return the model's path."""
    corpus, training, begun = loop.maker.corpus, loop.training, loop.task.begun_from
    facts = {
        "task": training.task,
        "configuration_sha256": training.digest,
        "seed": training.seed,
        "steps": training.run.steps,
        "batch": training.run.batch,
        "precision": loop.precision,
        "begun_from": None if begun is None else {"id": begun.id, "sha256": begun.sha256},
        "pictures": len(corpus.training),
        "persons": corpus.people(corpus.training),
        "pictures_sha256": corpus.digest,
        "left_out": len(corpus.left_out),
        "validation_pictures": len(loop.validated),
        "validation_persons": corpus.people(loop.validated),
        "validation": {name: round(value, 6) for name, value in figures.items()},
        "torch": str(torch.__version__),
    }
    learned_from = f"{facts['pictures']} pictures of {facts['persons']} persons (SHA-256 {corpus.digest[:16]}...)"
    before = f"; begun from {begun.id} ({begun.training_data})" if begun else ""
    description = {
        "licence": NOT_STATED,
        "training_data": f"{learned_from}, degraded by facerecon.degradation{before}",
        "reference": f"facerecon train, configuration {training.digest[:16]}..., {training.run.steps} steps",
    }
    state = {**loop.averaged, **loop.task.constants}
    return loop.folder.publish(state, {**description, **loop.task.description}, facts)
