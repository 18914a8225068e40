"""The verbal scale: every likelihood ratio has one band, and the scale is its own mirror image."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.likelihood import verbal_support
from facerecon.likelihood.verbal import NO_SUPPORT, STRENGTHS

BANDS = [
    (1.0, 2.0, NO_SUPPORT),
    (2.0, 10.0, "weak"),
    (10.0, 100.0, "moderate"),
    (100.0, 1_000.0, "moderately strong"),
    (1_000.0, 10_000.0, "strong"),
    (10_000.0, 1_000_000.0, "very strong"),
    (1_000_000.0, math.inf, "extremely strong"),
]


@given(st.floats(1.0, 1e300))
def test_every_lr_lies_in_exactly_one_band(lr: float) -> None:
    named = [name for low, high, name in BANDS if math.log10(low) <= math.log10(lr) < math.log10(high)]
    assert named == [verbal_support(math.log10(lr)).strength]


@given(st.floats(-300.0, 300.0))
def test_the_scale_mirrors(log10_lr: float) -> None:
    here, there = verbal_support(log10_lr), verbal_support(-log10_lr)
    assert here.strength == there.strength
    mirrored = {"same source": "different sources", "different sources": "same source", "neither": "neither"}
    assert there.direction == mirrored[here.direction]


@given(st.floats(0.0, 12.0), st.floats(0.0, 12.0))
def test_more_is_never_weaker(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert STRENGTHS.index(verbal_support(low).strength) <= STRENGTHS.index(verbal_support(high).strength)


@pytest.mark.parametrize(("low", "high", "name"), BANDS)
def test_a_band_holds_its_lower_end(low: float, high: float, name: str) -> None:
    assert verbal_support(math.log10(low)).strength == name
    if high < math.inf:
        assert verbal_support(math.log10(high)).strength != name
        assert verbal_support(math.log10(math.nextafter(high, 0.0) * (1 - 1e-12))).strength == name


def test_sentences_name_the_proposition_and_never_an_identity() -> None:
    assert verbal_support(1.5).sentence == (
        "The comparison gives moderate support for the proposition that both pictures show the same person, "
        "rather than different persons."
    )
    assert "show different persons, rather than the same person" in verbal_support(-3.0).sentence
    assert "neither" in verbal_support(0.2).sentence
    for log10_lr in (-7.0, -1.0, 0.0, 1.0, 7.0):
        assert not {"match", "identified", "confirmed"} & set(verbal_support(log10_lr).sentence.split())


@pytest.mark.parametrize("log10_lr", [math.nan, math.inf, -math.inf])
def test_no_finite_number_no_words(log10_lr: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        verbal_support(log10_lr)
