"""Random degradations: reproducible, within their ranges, as often as asked, and stable when keys are added."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from facerecon.degradation import Degradation, Ranges, draw, drawing

EVERYTHING = yaml.safe_load("""
width: {low: 11, high: 64, scale: log}
blur: {low: 0.2, high: 1.5, share: 0.8}
linear: 0.25
defocus: {low: 0, high: 2, share: 0.3}
motion: {low: 0, high: 6, share: 0.4}
gain: {low: 0.02, high: 1, scale: log, share: 0.5}
warm: {low: 2500, high: 6000, share: 0.4}
cold: {low: 7000, high: 12000, share: 0.5}
poisson: {low: 300, high: 20000, scale: log, share: 0.5}
noise: {low: 0, high: 12}
jpeg: {low: 30, high: 32, share: 0.6}
crf: {low: 0, high: 1, share: 0.5}
interlace: {low: 0.5, high: 4, share: 0.2}
rolling: {low: 0.1, high: 0.6, share: 0.3}
bands: {low: 0.5, high: 6}
sharpen: {low: 0.2, high: 2, share: 0.4}
rescale: {low: 1, high: 3, share: 0.4}
mjpeg: {low: 2, high: 31, scale: log, share: 0.3}
""")


def drawn(ranges: dict[str, Any], count: int, seed: int = 1) -> list[Degradation]:
    rng = np.random.default_rng(seed)
    return [draw(Ranges.model_validate(ranges), rng) for _ in range(count)]


def test_the_same_state_draws_the_same_and_its_text_reads_back_to_it() -> None:
    one = drawn(EVERYTHING, 300)
    assert [each.text for each in one] == [each.text for each in drawn(EVERYTHING, 300)]
    assert len({each.text for each in one}) == 300
    for each in one:
        again = Degradation.parse(each.text)
        assert again.model_dump(exclude={"blur"}) == each.model_dump(exclude={"blur"})
        assert again.lens_sigma_px == each.lens_sigma_px


def test_every_key_is_drawn_within_its_range_and_as_often_as_asked() -> None:
    many = [each.model_dump() for each in drawn(EVERYTHING, 4000)]
    neutral = Degradation().model_dump()
    for key, how in EVERYTHING.items():
        values = [each[key] for each in many if each[key] != neutral[key]]
        if key == "linear":
            assert len(values) / 4000 == pytest.approx(0.25, abs=0.03)
            continue
        assert min(values) >= how["low"]
        assert max(values) <= how["high"]
        share = {"cold": 0.6 * 0.5, "bands": 0.3}.get(key, how.get("share", 1))
        assert len(values) / 4000 == pytest.approx(share, abs=0.03), key


def test_whole_numbers_reach_both_ends_equally_often() -> None:
    for share in (1, 0.5):
        values = [each.jpeg for each in drawn({"jpeg": {"low": 30, "high": 32, "share": share}}, 3000)]
        counts = np.bincount([value for value in values if value is not None])
        assert counts[30:] == pytest.approx([1000 * share] * 3, abs=110)


def test_scales_are_uniform_in_the_value_or_in_its_logarithm() -> None:
    for scale, middle in (("linear", 34.25), ("log", 16.97)):
        many = drawn({"width": {"low": 4.5, "high": 64, "scale": scale, "share": 0.6}}, 6000)
        widths = [each.width for each in many if each.width is not None]
        assert np.mean(np.array(widths) < middle) == pytest.approx(0.5, abs=0.03)
    quantisers = [each.mjpeg for each in drawn({"mjpeg": {"low": 2, "high": 31, "scale": "log"}}, 4000)]
    assert np.mean(np.array(quantisers, int) < 8) == pytest.approx(0.5, abs=0.03)


def test_what_is_drawn_depends_neither_on_the_other_keys_nor_on_what_came_before() -> None:
    """Another share or a key more leaves the others alone, in this draw and the next ones."""
    alone = drawn({"width": EVERYTHING["width"], "noise": EVERYTHING["noise"]}, 50)
    among = drawn(EVERYTHING, 50)
    assert [(each.seed, each.width, each.noise) for each in alone] == [(e.seed, e.width, e.noise) for e in among]
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    draw(Ranges(), one)
    other.random(drawing.SLOTS)
    assert one.random() == other.random()


def test_every_numeric_key_has_a_range_and_a_slot_and_the_slots_stay() -> None:
    keys = set(Degradation.model_fields) - {"seed", "angle"}
    assert set(Ranges.model_fields) == keys
    assert set(drawing.ORDER) == keys | {"seed", "angle"}
    assert len(drawing.ORDER) == len(set(drawing.ORDER)) <= drawing.SLOTS
    # What a trained model's record refers to: a change here changes every run's degradations.
    assert drawing.ORDER[:21] == (
        *("seed", "width", "blur", "linear", "defocus", "motion", "angle", "gain", "warm", "cold", "poisson", "noise"),
        *("jpeg", "crf", "interlace", "rolling", "bands", "sharpen", "rescale", "mjpeg", "frames"),
    )


def test_motion_has_all_directions_and_nothing_contradicts_itself() -> None:
    angles = np.array([each.angle for each in drawn({"motion": {"low": 1, "high": 2}}, 2000)])
    assert np.histogram(angles, 4, (-90, 90))[0] == pytest.approx([500] * 4, abs=80)
    still = {"motion": {"low": 0, "high": 0}, "rolling": {"low": 0, "high": 0}, "bands": {"low": 1, "high": 4}}
    assert {each.text.partition("seed")[0] for each in drawn(still, 20)} == {""}
    both = drawn({"warm": {"low": 3000, "high": 4000}, "cold": {"low": 7000, "high": 8000}}, 20)
    assert all(each.cold is None for each in both)


@pytest.mark.parametrize(
    ("ranges", "named"),
    [
        ({"width": {"low": 2, "high": 9}}, "width: low=2"),
        ({"noise": {"low": 2, "high": 900}}, "noise: high=900"),
        ({"jpeg": {"low": 1.5, "high": 9}}, "jpeg: low=1.5"),
        ({"bands": {"low": 1, "high": 21}}, "bands: high=21"),
        ({"rescale": {"low": 0.5, "high": 2}}, "rescale: low=0.5"),
        ({"noise": {"low": 3, "high": 1}}, "noise"),
        ({"noise": {"low": 0, "high": 1, "scale": "log"}}, "noise"),
        ({"noise": {"low": 0, "high": float("nan")}}, "noise"),
        ({"noise": {"low": 0, "high": 1, "share": 1.5}}, "noise"),
        ({"noise": 3}, "noise"),
        ({"linear": 2}, "linear"),
        ({"frames": {"low": 0, "high": 2}}, "frames: low=0"),
        ({"angle": {"low": 1, "high": 2}}, "angle"),
        ({"nose": {"low": 1, "high": 2}}, "nose"),
    ],
)
def test_a_wrong_range_is_refused_at_construction_and_its_key_is_named(ranges: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Ranges.model_validate(ranges)
