"""A whole run from a configuration: find the faces, build the task, train, publish."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from facerecon.engines.by_torch import make_deterministic
from facerecon.engines.catalogue import open_detector
from facerecon.engines.runtime import choose_device
from facerecon.engines.squares import Square
from facerecon.errors import UsageError
from facerecon.stages import Listener
from facerecon.training.adversary import Opponent
from facerecon.training.beginning import earlier
from facerecon.training.checkpoints import RunFolder
from facerecon.training.configuration import EmbedderTraining, RestorerTraining, Training
from facerecon.training.corpus import INDEX, Corpus, read_corpus
from facerecon.training.embedding import STUDENTS, Embedding, cut_of
from facerecon.training.examples import Maker
from facerecon.training.learning import training_precision
from facerecon.training.loop import Loop, Watcher, end_of_run
from facerecon.training.restoring import ARCHITECTURES, Restoring
from facerecon.weights import entry

_LEAST_PERSONS = 2


@dataclass(frozen=True)
class Result:
    """Where the model is, its validation figures, and from how many pictures it learned."""

    model: Path
    figures: dict[str, float]
    corpus: Corpus


def train(training: Training, output: Path, *, device: str, listener: Listener, watcher: Watcher) -> Result:
    """Train, or go on where a run stopped.

    Args:
        training: what is to be done.
        output: the run's folder.
        device: auto, cpu, cuda or cuda:N.
        listener: hears of the search for faces.
        watcher: hears of the steps.

    Raises:
        UsageError: the configuration does not fit the folder or the data.
        ResourceError: data, weights or device are not here, or the loss is not finite.
        KeyboardInterrupt: interrupted; a checkpoint was written, and the same call goes on from it.
    """
    make_deterministic(training.seed)
    where = torch.device(str(choose_device(device)))
    _require_sensible(training, where)
    folder = RunFolder(output, training)
    corpus = read_corpus(training.data, output / INDEX, open_detector(device=device), listener)
    if isinstance(training, EmbedderTraining):
        loop = _embedder_loop(training, corpus, folder, where, watcher)
    else:
        loop = _restorer_loop(training, corpus, folder, where, watcher)
    figures = loop.run()
    return Result(end_of_run(loop, figures), figures, corpus)


def _require_sensible(training: Training, device: torch.device) -> None:
    """Refuse what cannot be run, before hours of looking for faces.

    Raises:
        UsageError: the precision, or a model that the configuration names.
        ResourceError: the file of the model to go on from is not here.
        IntegrityError: ... or is not the one that was named.
    """
    training_precision(device, training.run.precision)
    if isinstance(training, EmbedderTraining):
        item = entry(training.model.teacher)
        cut_of(item)
        architecture = STUDENTS[item.architecture]
    else:
        entry(training.model.recognizer)
        architecture = ARCHITECTURES[training.model.network]
    if training.model.begin:
        earlier(training.model.begin, architecture)


def _embedder_loop(
    training: EmbedderTraining, corpus: Corpus, folder: RunFolder, device: torch.device, watcher: Watcher
) -> Loop:
    item = entry(training.model.teacher)
    if corpus.people(corpus.validation) < _LEAST_PERSONS:
        raise UsageError(
            f"data: {_LEAST_PERSONS} persons are needed for validation; raise data.validation_percent, or add persons"
        )
    maker = Maker(corpus, training.data, training.degradation, cut_of(item), training.seed, with_sharp=False)
    return Loop(training, Embedding(training, item, corpus, device, folder), maker, folder, device, watcher)


def _restorer_loop(
    training: RestorerTraining, corpus: Corpus, folder: RunFolder, device: torch.device, watcher: Watcher
) -> Loop:
    square = Square(training.model.side_px)
    maker = Maker(corpus, training.data, training.degradation, square.cut, training.seed)
    opponent = _opponent(training, device) if training.loss.adversarial else None
    return Loop(training, Restoring(training, device, opponent), maker, folder, device, watcher, opponent)


def _opponent(training: RestorerTraining, device: torch.device) -> Opponent:
    precision = training_precision(device, training.run.precision)
    return Opponent(training.loss, training.optimizer, training.run.steps, precision, device)
