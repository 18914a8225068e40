"""The paste mask from ParseNet, with a seeded random network in the official layout and with drawn classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from facerecon.engines import catalogue, chips, gfpgan, parsing, pasting
from facerecon.engines.enlarging import lanczos
from facerecon.engines.parsing import FaceParser
from facerecon.engines.restoring import FaceRestorer
from facerecon.errors import IntegrityError, ResourceError
from facerecon.faces.alignment import FFHQ_512
from facerecon.records import RGB, FaceView, shift_landmarks
from facerecon.stages import Restoration
from facerecon.weights import Entry, entry
from tests.unit.engines.conftest import ASTRONAUT, registry_of, seeded

SKIN, HAIR, NECK = 1, 13, 17


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACERECON_WEIGHTS", str(tmp_path))
    return tmp_path


@pytest.fixture
def item(folder: Path) -> Entry:
    """The official file has no wrapper."""
    return seeded(folder, "parsenet", parsing.empty_network, lambda state: state)


@pytest.fixture
def crop(portrait: RGB) -> FaceView:
    return FaceView(np.ascontiguousarray(portrait[40:200, 150:300]), shift_landmarks(ASTRONAUT, -150, -40))


class Drawn(nn.Module):
    """Answers with given classes, whatever the picture."""

    def __init__(self, classes: np.ndarray) -> None:
        super().__init__()
        self.scores = nn.functional.one_hot(torch.from_numpy(classes.astype(np.int64)), 19).permute(2, 0, 1).float()

    def forward(self, squares: torch.Tensor) -> tuple[torch.Tensor, None]:
        return self.scores.expand(len(squares), -1, -1, -1), None


def drawn() -> np.ndarray:
    """A face with an eye, hair over it, a neck under it, and a speck of skin elsewhere."""
    y, x = np.mgrid[:512, :512]
    classes = np.zeros((512, 512), np.int64)
    classes[:150] = HAIR
    classes[400:, 180:330] = NECK
    classes[np.hypot((x - 256) / 120, (y - 280) / 160) < 1] = SKIN
    classes[230:250, 180:220] = 4
    classes[10:20, 10:20] = SKIN
    return classes


def parser_with(item: Entry, classes: np.ndarray) -> FaceParser:
    parser = FaceParser(item, torch.device("cpu"))
    parser._network = Drawn(classes)
    return parser


def test_official_layout_runs_and_repeats(item: Entry) -> None:
    parser = FaceParser(item, torch.device("cpu"))
    square = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    (first,), (second,) = parser.ramps([square]), parser.ramps([square])
    assert (first is None) == (second is None)
    assert first is None or np.array_equal(first, second)  # type: ignore[arg-type]
    with torch.inference_mode():
        assert parser._network(torch.zeros(1, 3, 512, 512))[0].shape == (1, 19, 512, 512)


def test_ramp_is_the_face_without_hair_neck_and_specks(item: Entry) -> None:
    (ramp,) = parser_with(item, drawn()).ramps([np.zeros((512, 512, 3), np.uint8)])
    assert ramp is not None
    assert ramp[280, 256] == ramp[240, 200] == 1
    assert ramp[60, 256] == ramp[480, 256] == ramp[15, 15] == 0
    # It begins at 0 at the face's edge and rises by a pixel's share per pixel.
    assert np.abs(np.diff(ramp, axis=1)).max() < 1.5 / 24


def test_no_face_in_the_parser_s_answer_is_told(item: Entry, crop: FaceView, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parser_with(item, np.zeros((512, 512))).ramps([np.zeros((512, 512, 3), np.uint8)]) == [None]
    (found,) = white(parser_with(item, np.zeros((512, 512)))).restore([crop])
    assert isinstance(found, Restoration)
    assert found.mask == "elliptic feather (parsenet found no face)"


def white(parser: FaceParser | None) -> FaceRestorer:
    """A restorer that draws white."""
    stamp = catalogue.open_restorer("realesrgan-x4plus", device="cpu").stamp if parser is None else parser.stamp
    return FaceRestorer(stamp, lambda tiles, precision: np.ones_like(tiles), precision="fp32", parser=parser)


def test_parsed_mask_bounds_what_changes_and_is_recorded(item: Entry, crop: FaceView) -> None:
    """R16, R09."""
    restorer = white(parser_with(item, drawn()))
    (found,) = restorer.restore([crop])
    assert isinstance(found, Restoration)
    assert found.mask == "parsenet"
    assert found.tile_plan.endswith("mask: parsenet")
    assert [stamp.id for stamp in restorer.companions] == ["parsenet"]
    assert restorer.companions[0].source_sha256 == item.sha256
    enlarged = lanczos(crop.pixels, 4)
    face = np.isin(drawn(), range(1, 13)).astype(np.float32)
    matrix = pasting.inverted(chips.transform_to(FFHQ_512, crop), 4)
    outside = pasting.parsed_mask(face, matrix, 600, 640) == 0
    assert 0.3 < outside.mean() < 0.95
    assert np.array_equal(found.pixels[outside], enlarged[outside])
    assert (found.pixels == 255).all(-1).mean() > 0.05


def test_catalogue_takes_the_parser_where_it_is_here(folder: Path, item: Entry) -> None:
    face = seeded(folder, "gfpgan-v1.4", gfpgan.empty_network, lambda state: {"params_ema": state})
    registry = registry_of(face, item)

    def companions(mask: str) -> list[str]:
        opened = catalogue.open_restorer("gfpgan-v1.4", device="cpu", mask=mask, registry=registry)  # type: ignore[arg-type]
        return [stamp.id for stamp in opened.companions]

    assert companions("auto") == companions("parsenet") == ["parsenet"]
    assert companions("ellipse") == []
    (folder / item.file).unlink()
    assert companions("auto") == []
    with pytest.raises(ResourceError, match="weights fetch parsenet"):
        companions("parsenet")


def test_wrong_keys_are_an_integrity_error(folder: Path) -> None:
    broken = seeded(folder, "parsenet", lambda: nn.Conv2d(3, 3, 1), lambda state: state)
    with pytest.raises(IntegrityError, match="parsenet does not fit"):
        FaceParser(broken, torch.device("cpu"))
    assert entry("parsenet").architecture == "parsenet"
