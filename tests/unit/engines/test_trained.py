"""Our own networks as restorers, with seeded random weights: loading, alignment, masks, uncertainty."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors.torch
import torch

from facerecon.engines import catalogue, pasting
from facerecon.engines.architectures import AUTOENCODER, OWN_RESTORERS, UNET
from facerecon.engines.enlarging import lanczos
from facerecon.engines.restorer_shapes import GREATEST_SCALE, LEAST_SCALE
from facerecon.engines.restoring_networks import restoring_network
from facerecon.engines.squares import Square, to_full
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import sha256_file
from facerecon.records import RGB, FaceView, shift_landmarks
from facerecon.stages import Restoration
from facerecon.weights import Checkpoint
from tests.unit.engines.conftest import levels_apart, psnr, registry_of
from tests.unit.engines.trained_files import SIDE, WIDTHS, mask_of, one, opened, trained

# --- loading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", OWN_RESTORERS)
def test_a_trained_file_runs_as_it_was_trained(architecture: str, shelf: Path, crop: FaceView) -> None:
    """Widths and depth come from the file; the stamp says that it is ours."""
    item = trained(shelf, architecture)
    restorer = opened(item, mask="ellipse", precision="fp32")
    assert (restorer.stamp.id, restorer.stamp.provider, restorer.stamp.source) == (item.id, "trained", item.file)
    assert restorer.stamp.weights_sha256 == item.sha256
    first, second = one(restorer, crop), one(restorer, crop)
    assert first.pixels.shape == (160, 148, 3)
    assert (first.mask, first.precision, restorer.scale) == ("elliptic feather", "fp32", 4)
    assert np.array_equal(first.pixels, second.pixels)
    assert first.uncertainty is not None
    assert second.uncertainty is not None
    assert np.array_equal(first.uncertainty, second.uncertainty)


@pytest.mark.parametrize("architecture", OWN_RESTORERS)
def test_the_pasted_face_is_what_the_network_makes_of_the_square(
    architecture: str, shelf: Path, crop: FaceView
) -> None:
    item = trained(shelf, architecture)
    network = restoring_network(architecture, WIDTHS[architecture], 2)
    network.load_state_dict(safetensors.torch.load_file(shelf / item.file))
    square = Square(SIDE[architecture])
    seen = square.cut(crop)
    with torch.no_grad():
        picture, log_scale = network(torch.from_numpy(seen).permute(2, 0, 1)[None].float() / 255)
    drawn = picture[0].clamp(0, 1).mul(255).round().permute(1, 2, 0).numpy().astype(np.uint8)
    matrix, mask = square.onto(pasting.inverted(to_full(crop), 4)), mask_of(crop, 4)
    found = one(opened(item, mask="ellipse", precision="fp32"), crop)
    expected = pasting.paste(lanczos(crop.pixels, 4), drawn, matrix, mask, seen)
    assert levels_apart(found.pixels, expected) <= 1
    doubt = pasting.paste_levels(log_scale[0, 0].exp().mul(255).numpy(), matrix, mask)
    assert found.uncertainty is not None
    assert np.abs(found.uncertainty - doubt).max() < 0.05


def test_wrong_tensors_are_an_integrity_error(shelf: Path) -> None:
    item = trained(shelf, UNET)
    with pytest.raises(IntegrityError, match="does not fit"):
        opened(item.model_copy(update={"architecture": AUTOENCODER}))
    safetensors.torch.save_file({"weight": torch.zeros(1)}, shelf / item.file)
    with pytest.raises(IntegrityError, match="not the pinned"):
        opened(item)
    with pytest.raises(IntegrityError, match="no encoder"):
        opened(item.model_copy(update={"sha256": sha256_file(shelf / item.file)}))


@pytest.mark.parametrize("side_px", [None, 100])
def test_a_side_that_does_not_fit_the_network_is_refused(shelf: Path, side_px: int | None) -> None:
    with pytest.raises(ResourceError, match="input_px"):
        opened(trained(shelf, UNET, input_px=side_px, scale=2))


def test_missing_weights_and_wrong_arguments(shelf: Path) -> None:
    item = trained(shelf, UNET)
    for arguments, complaint in (
        ({"blend": 1.1}, "blend"),
        ({"precision": "fp16"}, "fp16"),
        ({"denoise": 0.5}, "no d"),
    ):
        with pytest.raises(UsageError, match=complaint):
            opened(item, **arguments)
    (shelf / item.file).unlink()
    with pytest.raises(ResourceError, match="not here"):
        opened(item)


def test_it_enlarges_no_whole_frames(shelf: Path) -> None:
    item = trained(shelf, UNET)
    with pytest.raises(UsageError, match="aligned faces"):
        catalogue.open_upscaler(item.id, device="cpu", registry=registry_of(item))


def test_numbers_that_no_array_has_are_an_integrity_error(shelf: Path) -> None:
    item = trained(shelf, UNET)
    path = shelf / item.file
    halves = {name: tensor.bfloat16() for name, tensor in safetensors.torch.load_file(path).items()}
    safetensors.torch.save_file(halves, path)
    with pytest.raises(IntegrityError, match=r"numbers of a kind that no array has \(BF16\)"):
        opened(item.model_copy(update={"sha256": sha256_file(path)}))


# --- pasting ----------------------------------------------------------------------------------------------------------


def test_outside_the_mask_nothing_changes_and_nothing_is_uncertain(shelf: Path, crop: FaceView) -> None:
    """R16."""
    restorer = opened(trained(shelf, UNET), mask="ellipse")
    found, mask = one(restorer, crop), mask_of(crop, 4)
    enlarged = lanczos(crop.pixels, 4)
    assert 0.2 < (mask == 0).mean() < 0.8
    assert np.array_equal(found.pixels[mask == 0], enlarged[mask == 0])
    assert not np.array_equal(found.pixels[mask == 1], enlarged[mask == 1])
    assert found.uncertainty is not None
    assert (found.uncertainty.dtype, found.uncertainty.shape) == (np.float32, mask.shape)
    assert (found.uncertainty[mask == 0] == 0).all()
    inside = found.uncertainty[mask == 1]
    assert LEAST_SCALE * 254 < inside.min() <= inside.max() < GREATEST_SCALE * 256


@pytest.mark.parametrize(("mask", "words"), [("auto", "feathered square"), ("ellipse", "elliptic feather")])
def test_the_whole_square_is_corrected_unless_an_ellipse_is_asked_for(
    mask: str, words: str, shelf: Path, face: FaceView, monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer = opened(trained(shelf, UNET), mask=mask, precision="fp32")
    monkeypatch.setattr(restorer, "_network", lambda tiles, precision: tiles * 0.5)
    found, enlarged = one(restorer, face), lanczos(face.pixels, 4)
    assert found.mask == words
    changed = (found.pixels != enlarged).any(axis=2)
    from_full = pasting.inverted(to_full(face), 4)
    side = math.hypot(*from_full[:, 0]) * 512
    outside, share = mask_outside(from_full, *changed.shape), changed.sum() / side**2
    assert not changed[outside].any()
    assert (share > 0.9) == (mask == "auto")


def mask_outside(from_full: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return which pixels lie beyond the full square."""
    y, x = np.mgrid[:height, :width]
    points = np.stack((x - from_full[0, 2], y - from_full[1, 2]), -1) @ np.linalg.inv(from_full[:, :2]).T
    return np.asarray(((points < 0) | (points > 511)).any(axis=-1))


def test_a_new_network_leaves_the_face_where_it_is(shelf: Path, crop: FaceView) -> None:
    """It changes little, so that what comes back must lie on the enlarged crop: half a pixel off would show."""
    for architecture in OWN_RESTORERS:
        found = one(opened(trained(shelf, architecture), mask="ellipse"), crop)
        assert psnr(found.pixels, lanczos(crop.pixels, 4)) > 28, architecture


@pytest.mark.parametrize("side_px", [64, 128])
def test_a_face_larger_than_the_square_keeps_its_detail(
    side_px: int, shelf: Path, face: FaceView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """42 px between the eyes, in squares where they are 16 and 31 px apart."""
    restorer = opened(trained(shelf, UNET, input_px=side_px, scale=2), mask="ellipse", precision="fp32")
    enlarged, mask = lanczos(face.pixels, 2), mask_of(face, 2)
    monkeypatch.setattr(restorer, "_network", lambda tiles, precision: tiles)
    assert np.array_equal(one(restorer, face).pixels, enlarged)
    monkeypatch.setattr(restorer, "_network", lambda tiles, precision: tiles * 0.5)
    darker = one(restorer, face).pixels[mask == 1].astype(float)
    detail = enlarged - cv2.GaussianBlur(enlarged, (0, 0), 8).astype(float)
    assert np.corrcoef(darker[:, 1], detail[mask == 1][:, 1])[0, 1] > 0.2
    assert np.abs(darker.mean() - enlarged[mask == 1].mean() / 2) < 2


def test_blend_mixes_the_face_and_its_uncertainty(shelf: Path, crop: FaceView) -> None:
    item = trained(shelf, UNET)
    whole, half, none = (one(opened(item, mask="ellipse", blend=blend), crop) for blend in (1.0, 0.5, 0.0))
    enlarged = lanczos(crop.pixels, 4)
    assert np.array_equal(none.pixels, enlarged)
    assert np.abs(half.pixels - (whole.pixels.astype(float) + enlarged) / 2).max() <= 1
    assert whole.uncertainty is not None
    assert half.uncertainty is not None
    assert none.uncertainty is not None
    assert np.allclose(half.uncertainty, whole.uncertainty / 2)
    assert (none.uncertainty == 0).all()


def test_a_frame_gets_the_same_face_and_keeps_the_rest(shelf: Path, crop: FaceView) -> None:
    restorer = opened(trained(shelf, UNET), mask="ellipse")
    canvas = lanczos(crop.pixels, 4)
    result, (outcome,) = restorer.restore_onto(canvas, [crop], 4)
    assert np.array_equal(result, one(restorer, crop).pixels)
    assert isinstance(outcome, Restoration)
    assert outcome.uncertainty is None


def test_a_parser_sees_the_face_at_its_own_size(shelf: Path, crop: FaceView, monkeypatch: pytest.MonkeyPatch) -> None:
    class Parser:
        stamp = None

        def ramps(self, squares: list[RGB]) -> list[np.ndarray | None]:
            assert [square.shape for square in squares] == [(512, 512, 3)]
            ramp = np.zeros((512, 512), np.float32)
            ramp[200:300, 200:300] = 1
            return [ramp]

    restorer = opened(trained(shelf, UNET), mask="ellipse")
    parser = Parser()
    parser.stamp = restorer.stamp.model_copy(update={"id": "parsenet"})  # type: ignore[assignment]
    monkeypatch.setattr(restorer, "_parser", parser)
    found = one(restorer, crop)
    changed = (found.pixels != lanczos(crop.pixels, 4)).any(axis=2)
    assert found.mask == "parsenet"
    x, y = changed.nonzero()[1].mean(), changed.nonzero()[0].mean()
    expected = pasting.inverted(to_full(crop), 4) @ (249.5, 249.5, 1)
    assert math.dist((x, y), expected) < 2


# --- in a picture's own size ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", OWN_RESTORERS)
def test_a_corrector_keeps_the_size_and_adds_what_the_restorer_would(
    architecture: str, shelf: Path, crop: FaceView
) -> None:
    """On a picture that was enlarged before, the correction is the one of the restorer that enlarges; nothing more."""
    item = trained(shelf, architecture)
    enlarged = FaceView(lanczos(crop.pixels, 4), shift_landmarks(crop.landmarks, 0, 0, 4), 4)
    corrector = catalogue.open_corrector(item.id, device="cpu", precision="fp32", registry=registry_of(item))
    found = one(corrector, enlarged)
    assert corrector.scale == 1
    assert found.pixels.shape == enlarged.pixels.shape
    assert found.uncertainty is not None
    assert found.uncertainty.shape == enlarged.pixels.shape[:2]
    assert (found.uncertainty > 0).any()
    network = restoring_network(architecture, WIDTHS[architecture], 2)
    network.load_state_dict(safetensors.torch.load_file(shelf / item.file))
    square = Square(SIDE[architecture])
    seen = square.cut(enlarged)
    with torch.no_grad():
        picture, _ = network(torch.from_numpy(seen).permute(2, 0, 1)[None].float() / 255)
    drawn = picture[0].clamp(0, 1).mul(255).round().permute(1, 2, 0).numpy().astype(np.uint8)
    from_full = pasting.inverted(to_full(enlarged), 1)
    height, width = enlarged.pixels.shape[:2]
    mask = pasting.square_mask(from_full, width, height)
    expected = pasting.paste(enlarged.pixels, drawn, square.onto(from_full), mask, seen)
    assert levels_apart(found.pixels, expected) <= 1
    assert not np.array_equal(found.pixels, enlarged.pixels)


def test_a_corrector_s_strength_is_a_share_of_the_correction(shelf: Path, crop: FaceView) -> None:
    item = trained(shelf, UNET)
    enlarged = FaceView(lanczos(crop.pixels, 4), shift_landmarks(crop.landmarks, 0, 0, 4), 4)
    none, half, whole = (
        one(catalogue.open_corrector(item.id, device="cpu", blend=blend, registry=registry_of(item)), enlarged).pixels
        for blend in (0.0, 0.5, 1.0)
    )
    assert np.array_equal(none, enlarged.pixels)
    between = (whole.astype(float) + enlarged.pixels) / 2
    inside = (whole > 0) & (whole < 255)
    assert np.abs(half - between)[inside].max() <= 1


def test_only_our_own_restorers_correct_in_a_picture_s_own_size(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"realesrgan-x4plus cannot correct a fused picture.*enhance\.fuse\.restore"):
        catalogue.open_corrector("realesrgan-x4plus", device="cpu")
    foreign = tmp_path / "theirs.pth"
    foreign.write_bytes(b"theirs")
    brought = Checkpoint(foreign, sha256_file(foreign))
    with pytest.raises(UsageError, match=r"theirs\.pth cannot correct a fused picture"):
        catalogue.open_corrector(brought, device="cpu")
