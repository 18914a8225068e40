"""Whole runs: they learn, they can be interrupted anywhere, and end with the same weights."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from facerecon.engines.catalogue import open_recognizer, open_restorer
from facerecon.errors import IntegrityError, UsageError
from facerecon.hashing import sha256_file
from facerecon.stages import Silent
from facerecon.training.configuration import Training
from facerecon.training.running import Result, train
from facerecon.weights import Checkpoint
from tests.unit.training.conftest import Configure

SMALL = {"network": "unet", "widths": [8, 16], "side_px": 64}


class Watcher:
    """Keeps what it hears, and may do something at a step."""

    def __init__(self, at: int | None = None, do: Callable[[], None] = lambda: None) -> None:
        self.at, self.do = at, do
        self.first: int | None = None
        self.steps: list[tuple[int, Mapping[str, float]]] = []
        self.validations: list[tuple[int, Mapping[str, float]]] = []

    def began(self, step: int, steps: int) -> None:
        self.first = step

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        self.steps.append((step, figures))
        if step == self.at:
            self.do()

    def validated(self, step: int, figures: Mapping[str, float]) -> None:
        self.validations.append((step, figures))


def run(training: Training, output: Path, watcher: Watcher | None = None) -> Result:
    return train(training, output, device="cpu", listener=Silent(), watcher=watcher or Watcher())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


class Crash(Exception):
    """What kills a run."""


def crash() -> None:
    raise Crash


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("network", ["unet", "autoencoder"])
def test_a_restorer_improves_its_loss_and_beats_its_input(configured: Configure, tmp_path: Path, network: str) -> None:
    model = {"network": network, "widths": [16, 32], "side_px": 64}
    settings = {"steps": 70, "batch": 8, "validate_every": 35, "checkpoint_every": 70, "log_every": 70}
    noisy = {"width": {"low": 40, "high": 40}, "noise": {"low": 40, "high": 40}, "jpeg": None}
    watcher = Watcher()
    rate = {"learning_rate": 3e-3, "ema": 0.9}
    training = configured("restorer", model=model, run=settings, optimizer=rate, degradation=noisy)
    result = run(training, tmp_path / "run", watcher)
    gains = [figures["psnr_gain_db"] for _, figures in watcher.validations]
    assert 0 < gains[0] < gains[1]
    assert gains[1] > 0.15
    assert result.figures["psnr_gain_db"] == gains[1]


def test_an_embedder_comes_nearer_to_its_teacher(configured: Configure, tmp_path: Path) -> None:
    settings = {"steps": 16, "validate_every": 1, "checkpoint_every": 16, "batch": 6}
    watcher = Watcher()
    training = configured("embedder", run=settings, optimizer={"learning_rate": 3e-4}, loss={"contrast": 0.05})
    run(training, tmp_path / "run", watcher)
    distances = [figures["distance"] for _, figures in watcher.validations]
    assert distances[-1] < 0.9 * distances[0]
    assert len({figures["teacher_eer"] for _, figures in watcher.validations}) == 1


@pytest.mark.parametrize("ending", [crash, interrupt])
def test_a_run_that_was_cut_off_ends_with_the_weights_of_an_undisturbed_one(
    configured: Configure, tmp_path: Path, ending: Callable[[], None]
) -> None:
    training = configured("restorer", model=SMALL, run={"steps": 8}, loss={"adversarial": 0.01, "adversarial_from": 3})
    undisturbed = run(training, tmp_path / "whole").model
    with pytest.raises((Crash, KeyboardInterrupt)):
        run(training, tmp_path / "cut", Watcher(4, ending))
    watcher = Watcher()
    resumed = run(training, tmp_path / "cut", watcher).model
    assert watcher.first in (2, 4)
    assert resumed.read_bytes() == undisturbed.read_bytes()
    for name in ("log.csv", "validation.csv"):
        steps = [[int(row["step"]) for row in rows(tmp_path / run_ / name)] for run_ in ("whole", "cut")]
        assert steps[0] == steps[1]


def test_tables_are_mended_and_foreign_ones_left_alone(configured: Configure, tmp_path: Path) -> None:
    training, folder = configured("restorer", model=SMALL, run={"log_every": 1}), tmp_path / "run"
    with pytest.raises(Crash):
        run(training, folder, Watcher(5, crash))
    with (folder / "log.csv").open("a") as stream:
        stream.write("4")
    (folder / "mine.csv").write_text("id,name\n900,a\nb,c\n")
    run(training, folder)
    assert [int(row["step"]) for row in rows(folder / "log.csv")] == [1, 2, 3, 4, 5, 6]
    assert (folder / "mine.csv").read_text() == "id,name\n900,a\nb,c\n"


def test_a_finished_run_changes_nothing_when_it_is_run_again(configured: Configure, tmp_path: Path) -> None:
    training, folder = configured("restorer", model=SMALL), tmp_path / "run"
    run(training, folder)
    before = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    model = (folder / "small-restorer.safetensors").read_bytes()
    run(training, folder)
    assert {path.name: path.read_bytes() for path in folder.glob("*.csv")} == before
    assert (folder / "small-restorer.safetensors").read_bytes() == model


def test_other_pictures_are_not_trained_on_with_a_runs_checkpoint(
    configured: Configure, portraits: Path, tmp_path: Path
) -> None:
    people = tmp_path / "people"
    shutil.copytree(portraits, people)
    training = configured("restorer", model=SMALL, data={"folders": [str(people)]})
    run(training, tmp_path / "run")
    shutil.copy(people / "person00.png", people / "person99.png")
    with pytest.raises(UsageError, match=r"begun with pictures \w+, now it is \w+; choose another --output"):
        run(training, tmp_path / "run")


def test_a_run_that_never_reached_a_checkpoint_can_be_set_right(configured: Configure, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fp16"):
        run(configured("restorer", model=SMALL, run={"precision": "fp16"}), tmp_path / "run")
    run(configured("restorer", model=SMALL), tmp_path / "run")


def test_losses_of_features_and_identity_can_be_trained_with(configured: Configure, tmp_path: Path) -> None:
    loss, watcher = {"perceptual": 0.1, "identity": 0.1}, Watcher()
    run(configured("restorer", model=SMALL, loss=loss, run={"steps": 2}), tmp_path / "run", watcher)
    assert all(watcher.steps[0][1][name] > 0 for name in ("perceptual", "identity"))


def test_an_interrupt_loses_no_finished_step(configured: Configure, tmp_path: Path) -> None:
    training = configured("restorer", model=SMALL, run={"steps": 8, "checkpoint_every": 8, "log_every": 1})
    with pytest.raises(KeyboardInterrupt):
        run(training, tmp_path / "run", Watcher(5, interrupt))
    watcher = Watcher()
    run(training, tmp_path / "run", watcher)
    assert watcher.first == 5


def test_workers_change_nothing(configured: Configure, tmp_path: Path) -> None:
    models = []
    for workers in (0, 2):
        training = configured("restorer", model=SMALL, data={"workers": workers})
        models.append(run(training, tmp_path / str(workers)).model.read_bytes())
    # The file's header names the configuration, too: how many workers there were does not belong to it.
    assert models[0] == models[1]


def test_what_ships_is_the_average_in_half_precision_with_its_facts(configured: Configure, tmp_path: Path) -> None:
    training = configured("restorer", model=SMALL)
    result = run(training, tmp_path / "run")
    facts = json.loads(result.model.with_suffix(".json").read_text())
    assert facts["sha256"] == sha256_file(result.model)
    assert facts["configuration_sha256"] == training.digest
    assert facts["persons"] == facts["pictures"] == len(result.corpus.training)
    assert facts["validation_persons"] == len(result.corpus.validation) >= 1
    tensors = safetensors.numpy.load_file(result.model)
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float16)}


@pytest.mark.parametrize("task", ["restorer", "embedder"])
def test_what_ships_can_be_used_from_its_file_alone(configured: Configure, tmp_path: Path, task: str) -> None:
    training = configured(
        task, run={"steps": 1, "validate_every": 1}, **({"model": SMALL} if task == "restorer" else {})
    )
    model = run(training, tmp_path / "run").model
    checkpoint = Checkpoint(model, sha256_file(model))
    opened = (open_restorer if task == "restorer" else open_recognizer)(checkpoint, device="cpu")
    assert opened.stamp.provider == "brought"
    assert "degraded by facerecon.degradation" in opened.stamp.training_data
    assert training.digest[:16] in opened.stamp.reference


def test_the_sheet_shows_given_restored_sharp_and_doubt(configured: Configure, tmp_path: Path) -> None:
    run(configured("restorer", model=SMALL), tmp_path / "run")
    sheets = sorted((tmp_path / "run" / "sheets").glob("*.png"))
    assert [sheet.name for sheet in sheets] == ["step-000003.png", "step-000006.png"]
    sheet = np.asarray(Image.open(sheets[-1]))
    assert sheet.shape == (2 * 64, 4 * 64, 3)
    given, sharp = sheet[:64, :64].astype(float), sheet[:64, 128:192].astype(float)
    assert np.abs(np.diff(sharp, axis=1)).mean() > np.abs(np.diff(given, axis=1)).mean()


def test_histograms_come_on_request(configured: Configure, tmp_path: Path) -> None:
    run(configured("restorer", model=SMALL, run={"histograms_every": 3}), tmp_path / "run")
    found = rows(tmp_path / "run" / "histograms.csv")
    assert {row["kind"] for row in found} == {"weight", "gradient"}
    assert {row["step"] for row in found} == {"3", "6"}
    assert all(
        sum(int(row[f"bin_{place:02d}"]) for place in range(16)) > 0 for row in found if row["low"] != row["high"]
    )


def test_the_discriminator_learns_alone_while_the_restorer_rests(configured: Configure, tmp_path: Path) -> None:
    loss = {"adversarial": 0.01, "adversarial_from": 2, "freeze_steps": 2}
    watcher = Watcher()
    run(configured("restorer", model=SMALL, loss=loss, run={"log_every": 1}), tmp_path / "run", watcher)
    resting = [figures["gradient"] == 0 for _, figures in watcher.steps]
    learning = [figures["discriminator"] > 0 for _, figures in watcher.steps]
    assert resting == [False, False, True, True, False, False]
    assert learning == [False, False, True, True, True, True]


def test_another_configuration_is_refused(configured: Configure, tmp_path: Path) -> None:
    run(configured("restorer", model=SMALL), tmp_path / "run")
    with pytest.raises(UsageError, match="another configuration; choose another --output"):
        run(configured("restorer", model=SMALL, run={"steps": 9}), tmp_path / "run")


def test_a_damaged_checkpoint_is_an_integrity_error(configured: Configure, tmp_path: Path) -> None:
    training = configured("restorer", model=SMALL)
    run(training, tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(IntegrityError, match="is damaged"):
        run(training, tmp_path / "run")
