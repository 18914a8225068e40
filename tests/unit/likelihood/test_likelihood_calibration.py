"""The calibration document: what it answers, what it refuses, and that a changed file is noticed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from likelihood_samples import calibration, normal_scores, people, small_bin
from pydantic import ValidationError

from facerecon.errors import FacereconError, IntegrityError, ResourceError, UsageError
from facerecon.likelihood import (
    Assessed,
    Bin,
    Calibration,
    Range,
    Refused,
    cllr,
    det_points,
    fit_bin,
    read_calibration,
    write_calibration,
)

BIN = small_bin()
CALIBRATION = calibration(BIN)


def _moved(bin_id: str, **ranges: Range) -> Bin:
    return BIN.model_copy(update={"id": bin_id, "ranges": ranges})


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_lrs_rise_with_similarity_within_the_bounds(one: float, other: float) -> None:
    low, high = (BIN.log10_lr(similarity)[0] for similarity in sorted((one, other)))
    assert BIN.log10_lower <= low <= high <= BIN.log10_upper


def test_the_bound_is_said() -> None:
    highest = CALIBRATION.assess(1e6, {"inter_eye_px": 20.0})
    middle = CALIBRATION.assess(-BIN.intercept / BIN.slope, {"inter_eye_px": 20.0})
    assert highest == Assessed(log10_lr=BIN.log10_upper, bounded=True, bin_id="24 px")
    assert isinstance(middle, Assessed)
    assert middle.log10_lr == pytest.approx(0.0, abs=1e-12)
    assert not middle.bounded


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_an_lr_is_given_exactly_within_the_range(eyes_px: float) -> None:
    answer = CALIBRATION.assess(1.0, {"inter_eye_px": eyes_px, "unused": 3.0})
    assert isinstance(answer, Assessed) == (6.0 <= eyes_px < 60.0)


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (
            {"inter_eye_px": 5.1},
            "5.1 px between the eyes (worse side) lies outside what calibration street-1 holds for: 6 to 60 px",
        ),
        ({}, "the distance between the eyes (worse side) was not measured"),
        ({"inter_eye_px": math.nan}, "was not measured"),
        ({"inter_eye_px": 60.0}, "60 px between the eyes"),
    ],
)
def test_a_refusal_names_quantity_value_and_range(measured: dict[str, float], words: str) -> None:
    answer = CALIBRATION.assess(1.0, measured)
    assert isinstance(answer, Refused)
    assert words in answer.reason


def test_a_refusal_between_and_across_bins() -> None:
    small, large = Range(low=6, high=12), Range(low=24, high=None)
    gap = calibration(_moved("a", inter_eye_px=small), _moved("b", inter_eye_px=large))
    answer = gap.assess(1.0, {"inter_eye_px": 15.0})
    assert isinstance(answer, Refused)
    assert answer.reason.endswith("6 to 12 px or 24 px and more")
    corner = calibration(
        _moved("a", inter_eye_px=small, frames=Range(low=1, high=2)),
        _moved("b", inter_eye_px=large, frames=Range(low=2, high=None)),
    )
    answer = corner.assess(1.0, {"inter_eye_px": 8.0, "frames": 4.0})
    assert isinstance(answer, Refused)
    expected = "a number of frames of 4 lies outside what calibration street-1 holds for with 8 px between the eyes"
    assert answer.reason == f"{expected} (worse side): 1 to 2"
    half = calibration(_moved("a", inter_eye_px=small), _moved("b", inter_eye_px=large, frames=large))
    answer = half.assess(1.0, {"inter_eye_px": 30.0})
    assert isinstance(answer, Refused)
    assert "the number of frames was not measured" in answer.reason


def test_no_similarity_no_lr() -> None:
    assert isinstance(CALIBRATION.assess(math.nan, {"inter_eye_px": 20.0}), Refused)


def test_overlapping_bins_are_refused() -> None:
    low, high = Range(low=6, high=24), Range(low=24, high=60)
    assert calibration(_moved("a", inter_eye_px=low), _moved("b", inter_eye_px=high)).bins
    for other in (_moved("b", inter_eye_px=Range(low=23.9, high=60)), _moved("b", frames=high), _moved("b")):
        with pytest.raises(ValidationError, match="overlap"):
            calibration(_moved("a", inter_eye_px=low), other)
    with pytest.raises(ValidationError, match="one name"):
        calibration(_moved("a", inter_eye_px=low), _moved("a", inter_eye_px=high))


def test_it_applies_only_to_what_it_was_made_with() -> None:
    ours = (CALIBRATION.model, CALIBRATION.weights_sha256, CALIBRATION.treatment, CALIBRATION.variant)
    assert CALIBRATION.applies_to(*ours) == ""
    for place in range(4):
        theirs = [*ours[:place], "other", *ours[place + 1 :]]
        assert "'other'" in CALIBRATION.applies_to(*theirs)
        assert ours[place] in CALIBRATION.applies_to(*theirs)


def test_a_written_calibration_reads_back_equal_and_twice_the_same(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    write_calibration(CALIBRATION, one)
    write_calibration(calibration(small_bin()), two)
    assert one.read_bytes() == two.read_bytes()
    assert read_calibration(one) == CALIBRATION
    assert json.loads(one.read_bytes())["sha256"] == CALIBRATION.sha256
    write_calibration(CALIBRATION, one)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.json", "two.json"]


def test_another_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        write_calibration(CALIBRATION, path)
    assert path.read_text() == "mine"
    with pytest.raises(ResourceError, match="cannot be written"):
        write_calibration(CALIBRATION, path / "one.json")


@settings(max_examples=150)
@given(st.data())
def test_a_flipped_bit_is_never_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("flip") / "one.json"
    write_calibration(CALIBRATION, path)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 2))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(FacereconError) as caught:
        read_calibration(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_spelling_of_a_number_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    write_calibration(CALIBRATION, path)
    content = path.read_bytes()
    assert b'"high":60.0' in content
    path.write_bytes(content.replace(b'"high":60.0', b'"high":60.00'))
    with pytest.raises(IntegrityError, match="form"):
        read_calibration(path)


def _changed(tmp_path: Path, **fields: object) -> Path:
    path = tmp_path / "one.json"
    write_calibration(CALIBRATION, path)
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps(document | fields))
    return path


def test_an_edited_document_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="digest") as caught:
        read_calibration(_changed(tmp_path, name="other"))
    assert caught.value.exit_code == 4


def test_another_version_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="another version"):
        read_calibration(_changed(tmp_path, schema_version=2))


def test_a_document_with_a_right_digest_and_wrong_content_is_refused(tmp_path: Path) -> None:
    from facerecon.hashing import canonical_json, sha256_bytes

    content = CALIBRATION.content()
    for wrong in ({**content, "bins": []}, {**content, "extra": 1}, {**content, "seed": "0"}):
        path = tmp_path / "wrong.json"
        path.write_bytes(canonical_json({**wrong, "sha256": sha256_bytes(canonical_json(wrong))}))
        with pytest.raises(UsageError, match="is no calibration") as caught:
            read_calibration(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"schema_version": NaN}',
        b'{"schema_version": 1, "name": "\\ud800"}',
    ],
    ids=["empty", "list", "object", "no-text", "deep", "nan", "surrogate"],
)
def test_what_is_no_calibration_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_calibration(path)
    assert str(path) in str(caught.value)
    with pytest.raises(UsageError, match="cannot be read"):
        read_calibration(tmp_path / "missing.json")


@given(st.floats(-4.0, 8.0))
def test_impostors_above_encloses_the_count(similarity: float) -> None:
    _, impostor, _ = people(40)
    above = BIN.impostors.above(similarity)
    assert above.low <= int(np.sum(impostor >= similarity)) <= above.high
    assert above.of == impostor.size


def test_impostors_above_is_exact_in_the_tail_and_at_its_points() -> None:
    impostor = np.sort(people(40)[1])[::-1]
    for rank in (0, 10, 48):
        above = BIN.impostors.above(float(impostor[rank]))
        assert above.low == above.high == rank + 1
    for point, count in zip(BIN.impostors.similarities, BIN.impostors.at_least, strict=True):
        assert int(np.sum(impostor >= point)) == count
        assert BIN.impostors.above(point).high == count
    assert BIN.impostors.above(99.0).high == 0
    assert BIN.impostors.nearest == tuple(impostor[:50])


def test_a_bin_states_what_it_rests_on() -> None:
    assert (BIN.genuine, BIN.impostor, BIN.subjects) == (120, 780, 40)
    assert BIN.failures_to_acquire.failed == 2
    assert max(-BIN.log10_lower, BIN.log10_upper) <= math.log10(40)
    assert len(BIN.curves.tippett_same) == len(BIN.curves.tippett_different) == 101
    assert BIN.curves.det_false_match[0] == 0.0
    assert BIN.curves.det_false_match[-1] == 1.0
    assert all(estimate.interval for name, estimate in BIN.metrics if name != "cllr_validation")


def test_the_stored_curves_lie_on_the_measured_ones() -> None:
    genuine, impostor, _ = people(40)
    measured = det_points(genuine, impostor)
    points = set(zip(measured.false_match.round(9), measured.false_non_match.round(9), strict=True))
    stored = set(zip(BIN.curves.det_false_match, BIN.curves.det_false_non_match, strict=True))
    assert stored <= points
    # The low end matters most, so it is followed as closely as the rest, in ratios.
    kept = np.array(BIN.curves.det_false_match)
    for rate in np.unique(measured.false_match[measured.false_match > 0]):
        assert np.any(np.abs(np.log(np.maximum(kept, 1e-12) / rate)) < 0.08)
    assert min(BIN.curves.tippett_different) >= BIN.log10_lower - 1e-6
    assert max(BIN.curves.tippett_same) <= BIN.log10_upper + 1e-6
    even = BIN.curves.ece_log10_prior_odds.index(0.0)
    assert BIN.curves.ece_system[even] == pytest.approx(BIN.metrics.cllr.value, abs=1e-6)
    assert BIN.curves.ece_pav[even] <= BIN.metrics.cllr_min.value + 0.05


def test_without_labels_there_are_no_intervals() -> None:
    bare = fit_bin("bare", {}, *normal_scores(2.0, 100, 900), 50)
    assert bare.metrics.cllr_validation is None
    assert bare.metrics.eer.interval is None


def test_calibration_holds_on_persons_who_were_not_used() -> None:
    part = fit_bin("many", {}, *people(150, spread=0.2), resamples=2)
    assert part.metrics.cllr_validation == pytest.approx(part.metrics.cllr.value, abs=0.05)
    assert part.metrics.cllr_validation <= part.metrics.cllr_min.value + 0.05
    fresh, strangers, _ = people(150, spread=0.2, seed=77)
    given_lrs = [[part.log10_lr(score)[0] for score in side] for side in (fresh, strangers)]
    assert cllr(*given_lrs) == pytest.approx(part.metrics.cllr_validation, abs=0.05)


def test_too_few_comparisons_and_wrong_labels_are_refused() -> None:
    genuine, impostor, subjects = people(20)
    with pytest.raises(UsageError, match="too few"):
        fit_bin("x", {}, genuine[:5], impostor, 20)
    with pytest.raises(UsageError, match="label"):
        fit_bin("x", {}, genuine[:30], impostor, subjects)


def test_impossible_records_are_refused() -> None:
    with pytest.raises(ValidationError, match="empty"):
        Range(low=3, high=3)
    with pytest.raises(ValidationError, match="cannot have failed"):
        fit_bin("x", {}, *people(20), resamples=2, failures_to_acquire=(5, 4))
    with pytest.raises(ValidationError):
        Calibration(**{**CALIBRATION.content(), "variant": "restored"})
