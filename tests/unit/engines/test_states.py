"""Loading: conversion once, verified always; official files in all their wrappings."""

from __future__ import annotations

import io
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

from facerecon.engines import arrays, states
from facerecon.errors import IntegrityError, ResourceError
from facerecon.hashing import sha256_bytes
from facerecon.weights import Entry, entry


def official(folder: Path, content: object) -> Entry:
    """Save `content` as an official file in the cache and return its registry entry."""
    stream = io.BytesIO()
    torch.save(content, stream)
    (folder / "net.pth").write_bytes(stream.getvalue())
    return Entry.model_validate(
        {
            "id": "net",
            "role": "detection",
            "architecture": "linear",
            "provider": "official",
            "file": "net.pth",
            "sha256": sha256_bytes(stream.getvalue()),
            "urls": ("https://example.invalid/net.pth",),
            "licence": "MIT",
            "training_data": "none",
            "reference": "none",
        }
    )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACERECON_WEIGHTS", str(tmp_path))
    return tmp_path


def test_packaged_weights_are_converted_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = entry("retinaface-mobile0.25")
    first = states.load_state(item)
    assert sha256_bytes((cache / item.file).read_bytes()) == item.converted_sha256
    monkeypatch.setattr(arrays, "_CONVERTERS", {})
    second = states.load_state(item)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_altered_conversion_is_refused_and_named(cache: Path) -> None:
    item = entry("retinaface-mobile0.25")
    states.load_state(item)
    path = cache / item.file
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="delete it, it is rebuilt") as caught:
        states.load_state(item)
    assert str(path) in str(caught.value)
    path.unlink()
    states.load_state(item)


def test_a_conversion_with_another_result_is_refused(cache: Path) -> None:
    item = entry("retinaface-mobile0.25").model_copy(update={"converted_sha256": "0" * 64})
    with pytest.raises(IntegrityError, match="pinned result"):
        states.load_state(item)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("FACERECON_WEIGHTS", str(tmp_path / "file" / "below"))
    assert len(states.load_state(entry("retinaface-mobile0.25"))) == 300


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"params_ema": state, "params": {"weight": torch.zeros(1)}},
        lambda state: {"params": state},
        lambda state: {"state_dict": {f"module.{name}": value for name, value in state.items()}},
    ],
)
def test_official_files_in_all_wrappings(cache: Path, wrap: object) -> None:
    network = nn.Linear(2, 3)
    item = official(cache, wrap(network.state_dict()))  # type: ignore[operator]
    loaded = nn.Linear(2, 3)
    states.load_into(loaded, item)
    assert torch.equal(loaded.weight, network.weight)
    assert not loaded.training
    assert not loaded.weight.requires_grad


def test_a_pickle_that_runs_code_is_refused(cache: Path) -> None:
    item = official(cache, {"params": nn.Linear(2, 3)})
    with pytest.raises(IntegrityError, match="more than tensors"):
        states.load_state(item)


def test_keys_that_do_not_fit_are_an_integrity_error(cache: Path) -> None:
    item = official(cache, OrderedDict(weight=torch.zeros(3, 2)))
    with pytest.raises(IntegrityError, match=r"net does not fit the network linear.*bias"):
        states.load_into(nn.Linear(2, 3), item)


def test_missing_weights_are_a_resource_error(cache: Path) -> None:
    with pytest.raises(ResourceError, match=r"weights fetch gfpgan-v1\.4"):
        states.load_state(entry("gfpgan-v1.4"))
