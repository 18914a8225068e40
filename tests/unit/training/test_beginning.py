"""Going on from weights that are here already, instead of beginning anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from facerecon.engines.architectures import UNET
from facerecon.engines.restoring_networks import restoring_network
from facerecon.errors import FacereconError, IntegrityError, ResourceError, UsageError
from facerecon.hashing import sha256_file
from facerecon.training.beginning import begin
from facerecon.training.configuration import Training, load_training
from tests.unit.training.conftest import Configure
from tests.unit.training.test_running import SMALL, Crash, Watcher, crash, run

RATE = {"learning_rate": 1e-6, "ema": 0.0, "warmup_steps": 0}


def named(path: Path) -> dict[str, str]:
    return {"file": str(path), "sha256": sha256_file(path)}


@pytest.mark.parametrize("task", ["restorer", "embedder"])
def test_a_run_goes_on_from_the_model_of_another(configured: Configure, tmp_path: Path, task: str) -> None:
    own = SMALL if task == "restorer" else {}
    first = run(configured(task, model=own, optimizer={"learning_rate": 3e-3}), tmp_path / "first").model
    slow = {"optimizer": RATE, "run": {"steps": 1, "validate_every": 1}}
    onward = run(configured(task, model={**own, "begin": named(first)}, **slow), tmp_path / "onward").model
    anew = run(configured(task, model=own, **slow), tmp_path / "anew").model
    weights = [safetensors.torch.load_file(path) for path in (first, onward, anew)]
    near, far = (
        max(float((weights[0][name].float() - other[name].float()).abs().max()) for name in weights[0])
        for other in weights[1:]
    )
    assert near < 2e-3 < far
    facts = json.loads(onward.with_suffix(".json").read_text())
    assert facts["begun_from"]["sha256"] == sha256_file(first)


def test_a_shipped_model_can_be_gone_on_from() -> None:
    network = restoring_network(UNET)
    item = begin(network, "restorer-unet", UNET)
    assert item.id == "restorer-unet"
    assert all(parameter.requires_grad and parameter.dtype == torch.float32 for parameter in network.parameters())


def test_what_cannot_be_gone_on_from_is_refused_before_faces_are_looked_for(
    configured: Configure, tmp_path: Path
) -> None:
    first = run(configured("restorer", model=SMALL), tmp_path / "first").model
    strange = tmp_path / "strange.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(1)}, strange)
    cases: list[tuple[str, dict[str, object], type[FacereconError], str]] = [
        ("embedder", {"begin": "dlib-lq-2"}, UsageError, "unknown weights 'dlib-lq-2'"),
        ("embedder", {"begin": "restorer-unet"}, UsageError, "model.begin: restorer-unet is of architecture"),
        ("embedder", {"begin": named(first)}, UsageError, "dlib-resnet-student is needed"),
        ("restorer", {**SMALL, "begin": named(strange)}, UsageError, "no file that `facerecon train` made"),
        ("restorer", {**SMALL, "begin": {**named(first), "sha256": "0" * 64}}, IntegrityError, "first"),
        ("restorer", {"begin": {**named(first), "file": str(tmp_path / "none")}}, ResourceError, "none"),
    ]
    for task, model, error, words in cases:
        with pytest.raises(error, match=words):
            run(configured(task, model=model), tmp_path / "refused")
        assert not (tmp_path / "refused").exists()
    with pytest.raises(UsageError, match=r"model\.begin: the layers of small-restorer-.* have other sizes"):
        run(configured("restorer", model={**SMALL, "widths": [8, 24], "begin": named(first)}), tmp_path / "sizes")


def test_a_resumed_run_does_not_begin_again(configured: Configure, tmp_path: Path) -> None:
    first = run(configured("restorer", model=SMALL), tmp_path / "first").model
    training = configured("restorer", model={**SMALL, "begin": named(first)})
    whole = run(training, tmp_path / "whole").model
    with pytest.raises(Crash):
        run(training, tmp_path / "cut", Watcher(4, crash))
    assert run(training, tmp_path / "cut").model.read_bytes() == whole.read_bytes()


def test_the_file_lies_beside_the_configuration_and_only_its_digest_counts(
    configured: Configure, tmp_path: Path
) -> None:
    def placed(file: str, digest: str) -> Training:
        training = configured("restorer", model={**SMALL, "begin": {"file": file, "sha256": digest}})
        path = tmp_path / "config.yaml"
        path.write_text(training.to_yaml())
        return load_training(path)

    one = placed("model.safetensors", "a" * 64)
    begun = one.model.begin
    assert begun is not None
    assert not isinstance(begun, str)
    assert begun.file == str(tmp_path / "model.safetensors")
    assert one.digest == placed("elsewhere/model.safetensors", "a" * 64).digest
    assert one.digest != placed("model.safetensors", "b" * 64).digest
