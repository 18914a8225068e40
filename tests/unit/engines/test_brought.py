"""Model files that the user brings: verified first, tensors only, and whatever spandrel makes of them."""

from __future__ import annotations

import builtins
import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from facerecon.engines import brought, catalogue, esrgan, gfpgan
from facerecon.engines.enlarging import Enlarger, lanczos
from facerecon.engines.esrgan import open_esrgan
from facerecon.engines.restoring import FaceRestorer
from facerecon.engines.variants import Variants
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import sha256_file
from facerecon.records import FaceView
from facerecon.stages import Restoration
from facerecon.weights import Checkpoint, entry
from tests.unit.engines.conftest import levels_apart, seeded

COMPACT = "realesr-general-x4v3"


@pytest.fixture(scope="module")
def spandrel() -> Any:
    return pytest.importorskip("spandrel", reason="the extra 'spandrel' is not installed")


def checkpoint(path: Path) -> Checkpoint:
    return Checkpoint(path, sha256_file(path))


def compact_file(folder: Path, name: str = "compact.pth") -> Checkpoint:
    torch.manual_seed(0)
    state = esrgan.empty_network(entry(COMPACT)).state_dict()
    if name.endswith(".safetensors"):
        safetensors.torch.save_file(state, folder / name)
    else:
        torch.save({"params": state}, folder / name)
    return checkpoint(folder / name)


def pixels(face: FaceView, restorer: Enlarger | FaceRestorer) -> np.ndarray:
    (found,) = restorer.restore([face])
    assert isinstance(found, Restoration), found
    return found.pixels


@pytest.fixture
def small() -> FaceView:
    picture = np.random.default_rng(0).integers(0, 256, (21, 17, 3), np.uint8)
    return FaceView(picture, ((5, 8), (12, 8), (8, 12), (6, 16), (11, 16)))


@pytest.mark.parametrize("name", ["compact.pth", "Compact v1.safetensors"])
def test_brought_file_runs_like_the_registry_s(
    spandrel: Any, name: str, tmp_path: Path, small: FaceView, weights_folder: Path
) -> None:
    """The same weights, once through spandrel and once through our own loader."""
    mine = catalogue.open_restorer(compact_file(tmp_path, name), device="cpu")
    item = seeded(weights_folder, COMPACT, lambda: esrgan.empty_network(entry(COMPACT)), lambda state: state)
    ours = open_esrgan(item, torch.device("cpu"), precision="fp32")
    (weights_folder / item.file).unlink()
    assert isinstance(mine, Enlarger)
    assert mine.scale == 4
    assert levels_apart(pixels(small, mine), pixels(small, ours)) <= 1
    assert np.array_equal(pixels(small, mine), pixels(small, mine))
    half = catalogue.open_restorer(checkpoint(tmp_path / name), device="cpu", blend=0.5)
    middle = (pixels(small, mine).astype(float) + lanczos(small.pixels, 4)) / 2
    assert np.abs(pixels(small, half) - middle).max() <= 0.5


def test_stamp_states_what_is_known_and_what_is_not(spandrel: Any, tmp_path: Path) -> None:
    brought_file = compact_file(tmp_path, "my net.pth")
    stamp = catalogue.open_restorer(brought_file, device="cpu").stamp
    assert stamp.id == f"my-net-{brought_file.sha256[:8]}"
    assert (stamp.provider, stamp.licence, stamp.training_data) == ("brought", "not stated", "not stated")
    assert (stamp.source, stamp.source_sha256, stamp.precision) == ("my net.pth", brought_file.sha256, "fp32")


def test_face_network_restores_aligned_faces(spandrel: Any, tmp_path: Path) -> None:
    """spandrel's own call of GFP-GAN draws fresh noise, and takes 0..1 for -1..1; ours does neither (R12)."""
    torch.manual_seed(0)
    torch.save({"params_ema": gfpgan.empty_network().state_dict()}, tmp_path / "faces.pth")
    restorer = catalogue.open_restorer(checkpoint(tmp_path / "faces.pth"), device="cpu", precision="fp32")
    assert isinstance(restorer, FaceRestorer)
    assert (restorer.stamp.role, restorer.scale) == ("face-restoration", 4)
    variants = restorer._network
    assert isinstance(variants, Variants)
    # test_gfpgan.py holds that this call asks for the stored noise; spandrel's class must know the name.
    assert variants._call is gfpgan.call_gfpgan
    assert "randomize_noise" in inspect.signature(variants._networks["fp32"].forward).parameters


@pytest.mark.parametrize(
    ("weights_id", "architecture", "scale"),
    [
        ("realesrgan-x2plus", "ESRGAN", 2),
        ("realesrnet-x4plus", "ESRGAN", 4),
        ("realesr-general-x4v3", "Compact", 4),
        ("gfpgan-v1.4", "GFPGAN", 1),
        ("restoreformer", "RestoreFormer", 1),
    ],
)
def test_our_networks_have_the_official_names(
    spandrel: Any, weights_id: str, architecture: str, scale: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """An independent reader of the official files recognises and loads what our networks call their weights."""
    item = entry(weights_id)
    owner = gfpgan.empty_network(item.architecture) if item.role == "face-restoration" else esrgan.empty_network(item)
    model = spandrel.ModelLoader().load_from_state_dict(dict(owner.state_dict()))
    assert (model.architecture.id, model.scale) == (architecture, scale)


def test_without_the_extra_the_way_to_get_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def gone(name: str, package: str | None = None) -> Any:
        if name == "spandrel":
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(brought.importlib, "import_module", gone)
    with pytest.raises(ResourceError, match=r"pip install 'facerecon\[spandrel\]'"):
        catalogue.open_restorer(compact_file(tmp_path), device="cpu")


def test_digest_is_compared_before_anything_is_read(
    spandrel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = compact_file(tmp_path).file

    def never(*arguments: object, **names: object) -> None:
        raise AssertionError("unverified bytes were read")

    monkeypatch.setattr(torch, "load", never)
    with pytest.raises(IntegrityError, match="expected SHA-256 0000"):
        catalogue.open_restorer(Checkpoint(path, "0" * 64), device="cpu")


def test_a_pickle_that_runs_code_is_refused(spandrel: Any, tmp_path: Path) -> None:
    torch.save({"params": builtins.print}, tmp_path / "evil.pth")
    with pytest.raises(IntegrityError, match="more than tensors"):
        catalogue.open_restorer(checkpoint(tmp_path / "evil.pth"), device="cpu")


def test_damaged_safetensors_are_an_integrity_error(spandrel: Any, tmp_path: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(compact_file(tmp_path, "a.safetensors").file.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="damaged"):
        catalogue.open_restorer(checkpoint(tmp_path / "cut.safetensors"), device="cpu")


def test_unknown_architecture_and_unfitting_weights_are_told_apart(spandrel: Any, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "unknown.pth")
    with pytest.raises(UsageError, match="no architecture that spandrel knows"):
        catalogue.open_restorer(checkpoint(tmp_path / "unknown.pth"), device="cpu")
    state = dict(esrgan.empty_network(entry(COMPACT)).state_dict())
    del state["body.10.weight"]
    torch.save({"params": state}, tmp_path / "gap.pth")
    with pytest.raises(IntegrityError, match="does not fit"):
        catalogue.open_restorer(checkpoint(tmp_path / "gap.pth"), device="cpu")


def test_missing_file_and_wrong_options_are_errors(spandrel: Any, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="cannot be read"):
        catalogue.open_restorer(Checkpoint(tmp_path / "none.pth", "0" * 64), device="cpu")
    file = compact_file(tmp_path)
    with pytest.raises(UsageError, match="no denoise strength"):
        catalogue.open_restorer(file, device="cpu", denoise=0.5)
    with pytest.raises(UsageError, match="fp16"):
        catalogue.open_restorer(file, device="cpu", precision="fp16")
