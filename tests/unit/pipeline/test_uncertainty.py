"""What a model says of its own error: summed up, kept as a map beside the invention map, and shown in the report."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facerecon.case import Case
from facerecon.manifest import verify
from facerecon.pictures import decode_picture
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.enhancement import enhance
from facerecon.pipeline.invention import FULL_SCALE_LEVELS, summarize_doubt
from facerecon.pipeline.reporting import collect
from facerecon.records import FaceView, RestoredRecord
from facerecon.report import wording
from facerecon.report.blocks import Cards, Document, Section
from facerecon.report.figures import Picture
from facerecon.report.sections import document
from facerecon.stages import Restoration, RestorationOutcome, Silent
from tests.fakes import FakeRestorer
from tests.unit.pipeline.stage_cases import extracted, profile, walk
from tests.unit.report.report_reading import strings

MODEL = "restorer-unet"


class Doubter(FakeRestorer):
    """Expects an error of 12 grey levels in the left half, and none elsewhere."""

    def restore(self, faces: Sequence[FaceView]) -> list[RestorationOutcome]:
        return [self._doubted(each.pixels) for each in super().restore(faces) if isinstance(each, Restoration)]

    @staticmethod
    def _doubted(pixels: np.ndarray) -> Restoration:
        levels = np.zeros(pixels.shape[:2], np.float32)
        levels[:, : pixels.shape[1] // 2] = 12
        return Restoration(pixels, "fp32", "1 tile", "elliptic feather", levels)


def enhanced(root: Path, restorer: FakeRestorer, *overrides: str) -> tuple[Case, RestoredRecord]:
    case = extracted(root, walk())
    settings = profile("enhance.shots=1", *overrides)
    enhance(case, {MODEL: restorer}, None, Context(settings, Silent()))
    (record,) = case.read(RestoredRecord, "restored")
    return case, record


def words(case: Case) -> str:
    made = document(collect(case))
    return "\n".join(strings((made.head, made.sections)))


def test_the_expected_error_is_the_mean_over_the_models_own_pixels() -> None:
    levels = np.zeros((4, 6), np.float32)
    levels[1, 1:4] = (3, 6, 12)
    doubt = summarize_doubt(levels)
    assert doubt.expected_error_levels == 7
    assert (doubt.map.shape, doubt.map.dtype) == ((4, 6, 3), np.uint8)
    assert summarize_doubt(np.zeros((2, 2), np.float32)).expected_error_levels == 0


def test_the_map_is_brighter_where_more_error_is_expected() -> None:
    levels = np.linspace(0, 2 * FULL_SCALE_LEVELS, 64, dtype=np.float32)[None].repeat(2, 0)
    light = summarize_doubt(levels).map[0].astype(int).sum(axis=1)
    assert light[0] < 20
    assert (np.diff(light[:32]) >= 0).all()
    assert (light[33:] == light[-1]).all()


def test_the_case_keeps_the_models_uncertainty_as_a_map_of_its_own(tmp_path: Path) -> None:
    case, record = enhanced(tmp_path / "c", Doubter())
    assert record.expected_error_levels == 12
    assert record.uncertainty_path is not None
    assert record.uncertainty_path not in (record.path, record.invention_path)
    data = case.bytes_of(record.uncertainty_path)
    colours = decode_picture(data, "map")
    width, height = record.content
    assert colours.shape[1] == width
    assert colours.shape[0] > height, "a label stands under it (R15)"
    left, right = colours[:height, : width // 2], colours[:height, width // 2 :]
    assert (left == left[0, 0]).all()
    assert (right == right[0, 0]).all()
    assert left.sum() > 4 * right.sum()
    assert "MAP" in str(Image.open(io.BytesIO(data)).info["Title"])
    case.close()
    verify(case.root)


def test_the_report_shows_it_and_says_what_it_means(tmp_path: Path) -> None:
    case, record = enhanced(tmp_path / "c", Doubter())
    found = words(case)
    assert wording.UNCERTAINTY_CAPTION in found
    assert "Error that the model expects, f0" in found
    assert "expects to be off by 12.0 grey levels on average" in found
    assert record.uncertainty_path in {picture.path for picture in pictures(document(collect(case)))}
    case.close()


def pictures(part: Document | Section) -> list[Picture]:
    """Every picture on the cards of a document."""
    if isinstance(part, Document):
        return [picture for child in part.sections for picture in pictures(child)]
    cards = [card for block in part.blocks if isinstance(block, Cards) for card in block.cards]
    own = [picture for card in cards for picture in card.pictures]
    return own + [picture for child in part.children for picture in pictures(child)]


def test_a_model_without_uncertainty_changes_nothing(tmp_path: Path) -> None:
    case, record = enhanced(tmp_path / "c", FakeRestorer())
    assert (record.expected_error_levels, record.uncertainty_path) == (None, None)
    assert not list(case.root.rglob("*uncertainty*"))
    found = words(case)
    assert wording.MAPS_CAPTION in found
    assert "expects" not in found
    case.close()


def test_records_of_earlier_versions_are_still_read(tmp_path: Path) -> None:
    case, record = enhanced(tmp_path / "c", FakeRestorer())
    old = record.model_dump(mode="json", exclude={"expected_error_levels", "uncertainty_path"})
    assert RestoredRecord.model_validate(old) == record
    case.close()


@pytest.mark.parametrize("override", ["enhance.steps=[{kind: restore, model: restorer-unet}, {kind: clahe}]"])
def test_a_filter_after_the_model_leaves_its_map_as_it_is(tmp_path: Path, override: str) -> None:
    case, record = enhanced(tmp_path / "c", Doubter(), override)
    assert [step.learned for step in record.steps] == [True, False]
    assert record.expected_error_levels == 12
    case.close()
