"""`facerecon evaluate enhancement`: the document, the limits, the pairs, and what is wrong is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from facerecon.degradation import Degradation, degrade
from facerecon.pictures import encode_png
from tests.cli.conftest import Program

MODEL = "width=32,noise=4,jpeg=60"
FAST = ("--profile", "evidential", "--device", "cpu")


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return np.ascontiguousarray(data.astronaut()[:250, 100:350])


@pytest.fixture(scope="module")
def folder(portrait: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three portraits of one face, and a picture without one."""
    root = tmp_path_factory.mktemp("sharp")
    for name, pixels in {"a": portrait, "b": portrait[:, ::-1], "c": portrait[:230, 20:250]}.items():
        (root / f"{name}.png").write_bytes(encode_png(pixels, {}))
    (root / "wall.png").write_bytes(encode_png(np.full((250, 250, 3), 90, np.uint8), {}))
    return root


def test_the_document_says_what_was_measured_and_how(facerecon: Program, folder: Path) -> None:
    done = facerecon("evaluate", "enhancement", "--reference", folder, "--degrade", MODEL, "--json", "-q", *FAST)
    assert done.code == 0, done.err
    document = done.document
    assert (document["schema"], document["requested"], document["images"]) == (1, 4, 3)
    assert set(document["bicubic"]) >= {"psnr", "ssim", "identity"}
    assert set(document["result"]) >= {"psnr", "ssim", "identity", "niqe"}
    assert 15 < document["bicubic"]["psnr"] < 40
    assert 0.3 < document["bicubic"]["ssim"] < 1
    assert 0.8 < document["bicubic"]["identity"] < 1
    for method in ("bicubic", "result"):
        low, high = document["intervals"][method]["psnr"]
        assert low <= document[method]["psnr"] <= high
    assert document["skipped"] == [{"image": "wall.png", "reason": "no-face-in-reference", "detail": ""}]
    assert document["failures"] == []
    assert document["degradation"]["text"] == "width=32,blur=0.4,noise=4,jpeg=60"
    assert document["profile"]["name"] == "evidential"
    assert len(document["profile"]["sha256"]) == 64


def test_two_runs_are_equal_and_another_seed_is_not(facerecon: Program, folder: Path) -> None:
    command = (
        "evaluate",
        "enhancement",
        "--reference",
        folder,
        "--degrade",
        MODEL,
        "--limit",
        2,
        "--json",
        "-q",
        *FAST,
    )
    one, two, other = facerecon(*command), facerecon(*command), facerecon(*command, "--seed", 7)
    assert one.out == two.out
    assert one.document["bicubic"] != other.document["bicubic"]
    assert (other.document["seed"], other.document["degradation"]["text"][-7:]) == (7, ",seed=7")


def test_a_harder_degradation_measures_worse(facerecon: Program, folder: Path) -> None:
    easy, hard = (
        facerecon(
            "evaluate", "enhancement", "--reference", folder, "--limit", 1, "--degrade", text, "--json", "-q", *FAST
        ).document["bicubic"]
        for text in ("width=48,noise=1", "width=16,noise=6,jpeg=40,motion=3")
    )
    assert all(hard[metric] < easy[metric] for metric in ("psnr", "ssim", "identity"))


def test_below_a_limit_it_exits_6_and_names_it(facerecon: Program, folder: Path) -> None:
    limits = ("--min-psnr", 90, "--min-ssim", 0.01, "--min-identity", 0.999)
    done = facerecon("evaluate", "enhancement", "--reference", folder, "--limit", 1, *limits, "--json", "-q", *FAST)
    assert done.code == 6
    assert done.document["images"] == 1
    assert "psnr" in done.error
    assert "below 90" in done.error
    assert "identity" in done.error
    assert "ssim" not in done.error


def test_pairs_beside_each_other_and_in_two_folders_give_one_result(
    facerecon: Program, portrait: np.ndarray, tmp_path: Path
) -> None:
    small = degrade(portrait, Degradation.parse(MODEL)).pixels
    layout = {"both/a.png": small, "both/a.ref.png": portrait, "low/a.png": small, "high/a.png": portrait}
    for name, pixels in layout.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encode_png(pixels, {}))
    beside = facerecon("evaluate", "enhancement", "--pairs", tmp_path / "both", "--json", "-q", *FAST)
    apart = facerecon(
        "evaluate", "enhancement", "--pairs", tmp_path / "low", "--reference", tmp_path / "high", "--json", "-q", *FAST
    )
    assert beside.code == apart.code == 0, beside.err + apart.err
    assert beside.document["bicubic"] == apart.document["bicubic"]
    assert beside.document["degradation"] is None
    assert beside.document["images"] == 1


def test_a_picture_that_cannot_be_read_fails_the_batch(facerecon: Program, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "good.png").write_bytes((folder / "a.png").read_bytes())
    done = facerecon("evaluate", "enhancement", "--reference", tmp_path, "--json", "-q", *FAST)
    assert done.code == 6
    assert "1 picture(s) failed" in done.error
    assert [item["image"] for item in done.document["failures"]] == ["broken.png"]
    assert done.document["images"] == 1


def test_a_person_sees_a_table(facerecon: Program, folder: Path) -> None:
    done = facerecon("evaluate", "enhancement", "--reference", folder, "-q", *FAST)
    assert done.code == 0, done.err
    for word in ("PSNR", "SSIM", "identity", "NIQE", "bicubic", "result", "3 of 4", "left out: wall.png"):
        assert word in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--reference DIR"),
        (("--reference", "nowhere"), "nowhere is not a folder"),
        (("--reference", ".", "--degrade", "wdth=3"), "wdth: unknown key; the keys are width"),
        (("--reference", ".", "--degrade", "frames=8"), "frames"),
        (("--pairs", ".", "--degrade", "noise=3"), "leave --degrade out"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(facerecon: Program, arguments: tuple[str, ...], said: str) -> None:
    done = facerecon("evaluate", "enhancement", *arguments)
    assert done.code == 2
    assert said in done.error
