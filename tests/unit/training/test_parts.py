"""Configuration, corpus, examples, schedule and losses, each by what it promises."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from facerecon.degradation import Degradation, degrade
from facerecon.engines.catalogue import open_detector
from facerecon.engines.squares import Square
from facerecon.errors import ResourceError, UsageError
from facerecon.resources import data_folder
from facerecon.stages import Silent
from facerecon.training.adversary import PatchDiscriminator
from facerecon.training.configuration import Optimizer, Training, load_training
from facerecon.training.corpus import Corpus, part_of, read_corpus, read_picture
from facerecon.training.examples import Maker, inexact, within
from facerecon.training.learning import Descent, rate_factor, training_precision
from facerecon.training.losses import Identity, laplace_nll, sampling
from facerecon.weights import entry
from tests.unit.training.conftest import Configure


@pytest.fixture(scope="module")
def corpus(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    settings = {"folders": [str(portraits)], "validation_percent": 30}
    from facerecon.training.configuration import Data

    index = tmp_path_factory.mktemp("index") / "faces.jsonl"
    return read_corpus(Data.model_validate(settings), index, open_detector(device="cpu"), Silent())


def maker_of(training: Training, corpus: Corpus) -> Maker:
    return Maker(corpus, training.data, training.degradation, Square(64).cut, training.seed)


# --- configuration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("task: nothing", "task"),
        ("schema: 1\nname: a\ntask: embedder\ndata: {folders: []}\ndegradation: {}", r"data\.folders"),
        (
            "schema: 1\nname: a\ntask: embedder\ndata: {folders: [a]}\ndegradation: {wide: 3}",
            r"degradation\.wide: unknown key",
        ),
        (
            "schema: 1\nname: a\ntask: restorer\ndata: {folders: [a]}\ndegradation: {}\nmodel: {side_px: 100}",
            r"model\.side_px",
        ),
        ("- a", "mapping"),
        ("a: [", "YAML"),
    ],
)
def test_a_wrong_configuration_names_the_key(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=complaint):
        load_training(path)


def test_a_configuration_survives_yaml_and_overrides_change_its_digest(configured: Configure, tmp_path: Path) -> None:
    training = configured("restorer")
    path = tmp_path / "again.yaml"
    path.write_text(training.to_yaml())
    assert load_training(path) == training
    assert load_training(path, ["run.steps=7"]).run.steps == 7
    assert load_training(path, ["run.steps=7"]).digest != training.digest


def test_folders_are_the_configurations_own_unless_others_are_named(tmp_path: Path) -> None:
    path = tmp_path / "recipes" / "c.yaml"
    path.parent.mkdir()
    path.write_text(
        "schema: 1\nname: a\ntask: embedder\ndata: {folders: [../a, ../b], repeat: [2, 1]}\ndegradation: {}"
    )
    assert load_training(path).data.folders == (str(tmp_path / "a"), str(tmp_path / "b"))
    other = load_training(path, folders=[tmp_path / "c"])
    assert (other.data.folders, other.data.repeat) == ((str(tmp_path / "c"),), ())


def test_the_digest_does_not_depend_on_where_the_pictures_lie(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("schema: 1\nname: a\ntask: embedder\ndata: {folders: [people]}\ndegradation: {}")
    one, other = (load_training(path, folders=[tmp_path / place / "people"]) for place in ("x", "y"))
    assert one.digest == other.digest != load_training(path, folders=[tmp_path / "animals"]).digest


@pytest.mark.parametrize(
    "path", sorted((data_folder("weights") / "recipes").glob("*.yaml")), ids=lambda path: path.stem
)
def test_the_shipped_recipes_are_valid_and_named_as_their_files(path: Path) -> None:
    assert load_training(path).name == path.stem


# --- corpus -----------------------------------------------------------------------------------------------------------


def test_persons_are_split_and_never_both(corpus: Corpus) -> None:
    names = [{corpus.faces[row].identity for row in rows} for rows in (corpus.training, corpus.validation)]
    assert not names[0] & names[1]
    assert len(names[0] | names[1]) == len(corpus.faces) == 12


def test_the_split_does_not_depend_on_other_persons_and_follows_the_share() -> None:
    sides = [part_of(f"person {number}", 20) for number in range(2000)]
    assert 0.17 < sides.count("validation") / 2000 < 0.23
    grown = [part_of(f"person {number}", 30) for number in range(2000)]
    assert all(after == "validation" for before, after in zip(sides, grown, strict=True) if before == "validation")


def test_what_is_no_face_is_left_out_with_its_reason(configured: Configure, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "broken.png").write_bytes(b"no picture")
    training = configured("restorer")
    data = training.data.model_copy(update={"folders": (*training.data.folders, str(folder))})
    found = read_corpus(data, tmp_path / "faces.jsonl", open_detector(device="cpu"), Silent())
    assert len(found.faces) == 12
    assert [Path(face.path).name for face in found.left_out] == ["broken.png"]
    assert "not a readable picture" in found.left_out[0].reason
    assert "not a readable picture" in (tmp_path / "left_out.jsonl").read_text()


def test_a_picture_that_changed_since_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "changed.png"
    path.write_bytes(Path(corpus.faces[0].path).read_bytes())
    face = corpus.faces[0].model_copy(update={"path": str(path)})
    read_picture(face)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ResourceError, match="has changed"):
        read_picture(face)


# --- examples ---------------------------------------------------------------------------------------------------------


def test_every_pass_shows_every_face_once_in_another_order(configured: Configure, corpus: Corpus) -> None:
    maker, count = maker_of(configured("restorer"), corpus), len(corpus.drawn)
    passes = [[maker.row(number) for number in range(start, start + count)] for start in (0, count)]
    assert sorted(passes[0]) == sorted(passes[1]) == sorted(corpus.drawn)
    assert passes[0] != passes[1]


def test_an_example_depends_on_its_number_alone(configured: Configure, corpus: Corpus) -> None:
    maker = maker_of(configured("restorer"), corpus)
    first = maker.example(5)
    maker.example(6)
    again = maker_of(configured("restorer"), corpus).example(5)
    assert np.array_equal(first.given, again.given)
    assert np.array_equal(first.sharp, again.sharp)
    assert not np.array_equal(first.given, maker.example(6).given)


def test_a_tightly_cropped_picture_is_not_reduced_to_nothing(configured: Configure, corpus: Corpus) -> None:
    pixels = read_picture(corpus.faces[0])[60:180, 60:160]
    points = tuple((x - 60, y - 60) for x, y in corpus.faces[0].landmarks or ())
    for width in (4, 5, 8):
        wanted = within(Degradation(width=width), pixels, points)  # type: ignore[arg-type]
        made = degrade(pixels, wanted, points)  # type: ignore[arg-type]
        assert min(made.pixels.shape[:2]) >= 8


def test_the_same_file_is_never_on_both_sides(configured: Configure, portraits: Path, tmp_path: Path) -> None:
    people = tmp_path / "people"
    people.mkdir()
    for source in portraits.glob("*.png"):
        for copy in range(3):
            shutil.copy(source, people / f"{source.stem}-{copy}.png")
    data = configured("restorer", data={"folders": [str(people)]}).data
    found = read_corpus(data, tmp_path / "faces.jsonl", open_detector(device="cpu"), Silent())
    sides = [{found.faces[row].sha256 for row in rows} for rows in (found.training, found.validation)]
    assert sides[1]
    assert not sides[0] & sides[1]
    assert len(found.training) + len(found.validation) + len(found.left_out) == 36
    assert all("kept for validation" in face.reason for face in found.left_out)


def test_given_and_sharp_show_the_same_face_at_the_same_place(configured: Configure, corpus: Corpus) -> None:
    # Also where the points are badly inexact: both squares are cut by the same ones.
    maker = maker_of(configured("restorer", data={"landmark_sigma_px": 1.5}), corpus)
    for number in range(6):
        example = maker.example(number)
        given, sharp = (each.astype(np.float64).mean(axis=2) for each in (example.given, example.sharp))
        moved = [np.corrcoef(given.ravel(), np.roll(sharp, shift, axis=1).ravel())[0, 1] for shift in (-6, 0, 6)]
        assert moved[1] == max(moved) > 0.8


def test_several_frames_are_given_fused_and_nearer_to_the_sharp_face(configured: Configure, corpus: Corpus) -> None:
    noisy = {"width": {"low": 24, "high": 24}, "noise": {"low": 8, "high": 8}, "jpeg": None}
    tracks = {**noisy, "frames": {"low": 6, "high": 6}}
    one, six = (maker_of(configured("restorer", degradation=each), corpus) for each in (noisy, tracks))
    errors = []
    for number in range(4):
        pairs = [maker.example(number) for maker in (one, six)]
        errors.append([np.abs(each.given.astype(float) - each.sharp).mean() for each in pairs])
        given, sharp = (each.astype(np.float64).mean(axis=2) for each in (pairs[1].given, pairs[1].sharp))
        moved = [np.corrcoef(given.ravel(), np.roll(sharp, shift, axis=1).ravel())[0, 1] for shift in (-6, 0, 6)]
        assert moved[1] == max(moved) > 0.8
    single, fused = np.mean(errors, axis=0)
    assert fused < 0.9 * single


def test_the_light_is_not_to_be_restored(configured: Configure, corpus: Corpus) -> None:
    dark = configured("restorer", degradation={"gain": {"low": 0.2, "high": 0.2}, "warm": {"low": 3000, "high": 3000}})
    example, plain = (maker_of(each, corpus).example(3) for each in (dark, configured("restorer")))
    given, sharp, bright = (each.mean(axis=(0, 1)) for each in (example.given, example.sharp, plain.sharp))
    assert np.abs(given - sharp).max() < 2
    assert (sharp < bright - 20).all()


def test_inexact_landmarks_have_the_stated_spread(configured: Configure) -> None:
    data = configured("restorer", data={"landmark_sigma_px": 1.0, "landmark_sigma_eyes": 0.1}).data
    points = ((0.0, 0.0), (20.0, 0.0), (10.0, 10.0), (2.0, 20.0), (18.0, 20.0))
    rng = np.random.default_rng(0)
    moved = np.array([inexact(points, data, rng) for _ in range(4000)]) - np.array(points)
    sigma = math.hypot(1.0, 2.0)
    assert moved.std() == pytest.approx(sigma * math.sqrt(2), rel=0.05)
    assert np.cov(moved[:, 0, 0], moved[:, 4, 0])[0, 1] == pytest.approx(sigma**2, rel=0.1)


# --- learning ---------------------------------------------------------------------------------------------------------


def test_the_rate_rises_then_falls_to_one_percent() -> None:
    settings = Optimizer(warmup_steps=10)
    factors = [rate_factor(settings, step, 110) for step in range(111)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[10] == 1
    assert all(a >= b for a, b in zip(factors[10:], factors[11:], strict=False))
    assert factors[110] == pytest.approx(0.01)


def test_the_rate_falls_in_steps() -> None:
    settings = Optimizer(schedule="step", warmup_steps=0, decay=0.5, decay_steps=10)
    assert [rate_factor(settings, step, 100) for step in (0, 9, 10, 25)] == [1, 1, 0.5, 0.25]


def test_half_precision_is_not_trained_on_a_cpu() -> None:
    with pytest.raises(UsageError, match="fp16"):
        training_precision(torch.device("cpu"), "fp16")


def test_a_step_that_is_not_finite_changes_nothing() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 1)
    before = layer.weight.detach().clone()
    descent = Descent(layer, Optimizer(), 10, "fp32")
    descent.step(layer(torch.full((1, 3), float("inf"))).sum())
    assert torch.equal(layer.weight, before)
    descent.step(layer(torch.ones(1, 3)).sum())
    assert not torch.equal(layer.weight, before)


def test_the_average_lags_behind_the_weights() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(2, 1)
    start = layer.weight.detach().clone()
    descent = Descent(layer, Optimizer(learning_rate=0.1, warmup_steps=0, ema=0.9), 50, "fp32")
    for _ in range(20):
        descent.step(layer(torch.ones(1, 2)).sum())
    moved, lagging = (layer.weight.detach() - start).norm(), (descent.average["weight"] - start).norm()
    assert 0 < lagging < moved


# --- losses -----------------------------------------------------------------------------------------------------------


def test_the_told_scale_is_best_at_the_mean_absolute_error() -> None:
    torch.manual_seed(0)
    sharp = torch.rand(1, 3, 8, 8)
    picture = sharp + 0.05 * torch.sign(torch.randn(1, 3, 8, 8))
    costs = {b: float(laplace_nll(picture, sharp, torch.full((1, 1, 8, 8), math.log(b)))) for b in (0.02, 0.05, 0.1)}
    assert min(costs, key=lambda b: costs[b]) == 0.05


def test_sampling_meets_the_other_template() -> None:
    source = ((20.0, 30.0), (44.0, 30.0), (32.0, 40.0), (22.0, 52.0), (42.0, 52.0))
    target = tuple((2 * x - 10.0, 2 * y - 20.0) for x, y in source)
    rows, columns = sampling(source, target, 64, 80)  # type: ignore[arg-type]
    across = torch.arange(64, dtype=torch.float32)
    assert torch.allclose(columns @ across, ((torch.arange(80) + 10) / 2).clamp(0, 63), atol=1e-4)
    assert torch.allclose(rows @ across, ((torch.arange(80) + 20) / 2).clamp(0, 63), atol=1e-4)


def test_identity_is_differentiable_and_zero_for_equal_pictures(corpus: Corpus, configured: Configure) -> None:
    identity = Identity(entry("dlib-resnet"), Square(64), torch.device("cpu"))
    example = maker_of(configured("restorer"), corpus).example(0)
    given, sharp = (
        torch.from_numpy(each.astype(np.float32)).permute(2, 0, 1)[None] / 255
        for each in (example.given, example.sharp)
    )
    given.requires_grad_(True)
    distance = (identity.vectors(given) - identity.vectors(sharp)).square().sum()
    distance.backward()
    assert distance > 0.001
    assert given.grad is not None
    assert float(given.grad.abs().sum()) > 0


def test_the_discriminator_judges_patches() -> None:
    judged = PatchDiscriminator((8, 16, 32))(torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64))
    assert judged.shape[:2] == (2, 1)
    assert judged.shape[2] > 4
