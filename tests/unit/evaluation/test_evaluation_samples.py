"""Which pictures are measured against which; landmarks go along; what cannot be measured is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facerecon.degradation import Degradation
from facerecon.errors import UsageError
from facerecon.evaluation.samples import (
    Pair,
    Sample,
    marked_pairs,
    matching_pairs,
    pictures_in,
    references,
    samples,
    spread,
)
from facerecon.pictures import encode_png
from facerecon.records import RGB, Skipped
from tests.fakes import FakeDetector, picture

FACE = ((60, 30, 60),)


def write(path: Path, pixels: RGB | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(picture(faces=FACE) if pixels is None else pixels, {}))
    return path


def only(pairs: list[Pair], model: str = "none") -> Sample | Skipped:
    (found,) = samples(pairs, FakeDetector(), Degradation.parse(model))
    return found


def test_references_are_found_in_sub_folders_in_order(tmp_path: Path) -> None:
    for name in ("b/2.png", "a/1.png", "a/notes.txt"):
        write(tmp_path / name)
    assert [pair.name for pair in references(tmp_path)] == ["a/1.png", "b/2.png"]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.touch()])
def test_a_folder_without_pictures_is_a_usage_error(make, tmp_path: Path) -> None:
    make(tmp_path / "x")
    with pytest.raises(UsageError, match=r"x (is not a folder|holds no picture)"):
        pictures_in(tmp_path / "x")


def test_marked_pairs_lie_side_by_side_and_lone_pictures_are_listed(tmp_path: Path) -> None:
    for name in ("a.png", "a.ref.png", "b.png", "c.ref.png"):
        write(tmp_path / name)
    pairs, lone = marked_pairs(tmp_path)
    assert [(pair.name, pair.reference.name) for pair in pairs] == [("a.png", "a.ref.png")]
    assert sorted((item.subject, item.reason) for item in lone) == [
        ("b.png", "no-reference"),
        ("c.ref.png", "no-degraded-picture"),
    ]


def test_matching_pairs_have_equal_names_suffix_apart(tmp_path: Path) -> None:
    for name in ("low/p/a.png", "low/p/b.png", "high/p/a.jpg", "high/q/b.png"):
        write(tmp_path / name)
    pairs, lone = matching_pairs(tmp_path / "low", tmp_path / "high")
    assert [(pair.name, pair.reference) for pair in pairs] == [("p/a.png", tmp_path / "high/p/a.jpg")]
    assert {item.reason for item in lone} == {"no-reference", "no-degraded-picture"}
    with pytest.raises(UsageError, match="no pair found"):
        matching_pairs(tmp_path / "low/p", tmp_path / "high")


def test_a_limit_takes_pictures_from_the_whole_list() -> None:
    pairs = [Pair(str(index), Path(str(index))) for index in range(10)]
    assert [pair.name for pair in spread(pairs, 4)] == ["0", "2", "5", "7"]
    assert spread(pairs, None) == spread(pairs, 99) == pairs


def test_landmarks_are_found_in_the_pristine_picture_and_carried(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png")
    found = only([Pair("a", path)], "width=12,noise=30")
    assert isinstance(found, Sample)
    ratio = found.given.pixels.shape[1] / found.reference.pixels.shape[1]
    assert ratio < 0.5
    for (x, y), (u, v) in zip(found.reference.landmarks, found.given.landmarks, strict=True):
        assert (u + 0.5, v + 0.5) == pytest.approx(((x + 0.5) * ratio, (y + 0.5) * ratio), abs=0.3)


def test_a_given_pair_may_differ_in_size_but_not_in_framing(tmp_path: Path) -> None:
    reference = write(tmp_path / "a.png")
    small = write(tmp_path / "small.png", picture(80, 60))
    found = only([Pair("a", reference, small)])
    assert isinstance(found, Sample)
    assert found.given.landmarks[0][0] == pytest.approx((found.reference.landmarks[0][0] + 0.5) / 2 - 0.5)
    other = write(tmp_path / "other.png", picture(80, 80))
    refused = only([Pair("a", reference, other)])
    assert isinstance(refused, Skipped)
    assert (refused.reason, refused.outcome) == ("not-measurable", "skipped")
    assert "framing" in refused.detail


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    nobody = write(tmp_path / "nobody.png", picture())
    small = write(tmp_path / "small.png")
    reasons = [
        (item.reason, item.outcome)
        for item in (
            only([Pair("broken", broken)]),
            only([Pair("gone", tmp_path / "gone.png")]),
            only([Pair("half", small, broken)]),
            only([Pair("nobody", nobody)]),
            only([Pair("small", small)], "width=300"),
        )
        if isinstance(item, Skipped)
    ]
    assert reasons == [("unreadable", "failed")] * 3 + [
        ("no-face-in-reference", "skipped"),
        ("not-measurable", "skipped"),
    ]


def test_of_several_faces_the_central_one_is_measured(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", picture(240, 120, faces=((5, 30, 50), (95, 30, 50), (185, 30, 50))))
    found = only([Pair("a", path)])
    assert isinstance(found, Sample)
    assert np.mean([x for x, _ in found.reference.landmarks]) == pytest.approx(120, abs=3)
