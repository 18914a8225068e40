"""`facerecon train`: from a configuration to a model, in a process that is killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from skimage import data

from facerecon.commands.main import run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that is done in seconds, on crops of one public-domain portrait."""
    folder = tmp_path / "people"
    for number in range(8):
        person = folder / f"person{number}"
        person.mkdir(parents=True)
        crop = data.astronaut()[number : number + 230, 110 + number : 340 + number]
        Image.fromarray(np.ascontiguousarray(crop)).save(person / "a.png")
    document = {
        "schema": 1,
        "name": "tiny",
        "task": "restorer",
        "data": {"folders": ["people"], "validation_percent": 40, "workers": 1},
        "degradation": {"width": {"low": 16, "high": 40}, "noise": {"low": 2, "high": 6}},
        "model": {"widths": [8, 16], "side_px": 64},
        "run": {"steps": 12, "batch": 2, "log_every": 5, "validate_every": 12, "checkpoint_every": 3},
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 130)])
def test_a_run_whose_processes_all_got_a_signal_goes_on_and_gives_the_weights_of_an_undisturbed_one(
    config: Path, tmp_path: Path, number: int, code: int
) -> None:
    assert run(["train", str(config), "--output", str(tmp_path / "whole"), "--quiet", "--device", "cpu"]) == 0
    arguments = ["train", str(config), "--output", str(tmp_path / "cut"), "--quiet", "--device", "cpu"]
    program = [sys.executable, "-m", "facerecon.commands.main", *arguments]
    process = subprocess.Popen(program, stderr=subprocess.DEVNULL, start_new_session=True)
    checkpoint = tmp_path / "cut" / "checkpoint.pt"
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.01)
    os.killpg(process.pid, number)
    assert process.wait() == code
    assert checkpoint.exists()
    assert not (tmp_path / "cut" / "tiny.safetensors").exists()
    assert run(arguments) == 0
    whole, cut = (tmp_path / folder / "tiny.safetensors" for folder in ("whole", "cut"))
    assert cut.read_bytes() == whole.read_bytes()


def test_the_result_is_one_json_document(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", str(config), "--output", str(tmp_path / "run"), "--json", "--set", "run.steps=5"]
    assert run([*arguments, "--set", "data.workers=0"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    assert Path(document["model"]).is_file()
    assert document["pictures"] + document["left_out"] <= 8
    assert set(document["validation"]) >= {"psnr_db", "psnr_gain_db", "ssim", "identity", "told"}


def test_the_log_says_how_it_goes(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(config), "--output", str(tmp_path / "run"), "--set", "run.steps=5"]) == 0
    shown = capsys.readouterr()
    assert "step 5 of 5" in shown.err
    assert "PSNR gain dB" in shown.err
    assert "learned from" in shown.out
    assert "on persons it has not seen" in shown.out


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("run.steps=0", "run.steps"),
        ("data.folders=[nowhere]", "is not a folder"),
        ("model.side_px=65", "model.side_px"),
        ("loss.pixel_kind=l3", "loss.pixel_kind"),
        ("run.precision=fp16", "fp16 cannot be trained with on a CPU"),
    ],
)
def test_wrong_settings_are_one_line(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], override: str, complaint: str
) -> None:
    arguments = ["train", str(config), "--output", str(tmp_path / "run"), "--set", override, "--device", "cpu"]
    assert run(arguments) == 2
    assert complaint in capsys.readouterr().err.splitlines()[-1]
