"""The text of a degradation: canonical, complete, and wrong keys are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from facerecon.degradation import Degradation
from facerecon.errors import UsageError

VALUES = st.fixed_dictionaries(
    {},
    optional={
        "width": st.floats(4, 1024),
        "blur": st.floats(0, 10),
        "gain": st.floats(0.001, 16),
        "cold": st.integers(6500, 25000),
        "noise": st.floats(0, 100),
        "jpeg": st.integers(1, 100),
        "crf": st.integers(0, 51),
        "frames": st.integers(1, 64),
        "seed": st.integers(0, 2**32 - 1),
    },
)


@given(VALUES)
def test_the_canonical_text_reads_back_to_the_same_degradation(values: dict[str, float]) -> None:
    one = Degradation.parse(",".join(f"{key}={value:.6g}" for key, value in values.items() if key != "seed") or "none")
    again = Degradation.parse(one.text)
    assert again.text == one.text
    assert again.digest == one.digest
    assert again.lens_sigma_px == one.lens_sigma_px
    assert again.model_dump(exclude={"blur"}) == one.model_dump(exclude={"blur"})


def test_the_canonical_text_says_everything_in_effect_once() -> None:
    assert Degradation.parse(" jpeg=60, noise=4 ,width=24").text == "width=24,blur=0.4,noise=4,jpeg=60"
    assert Degradation.parse("width=24,blur=0").text == "width=24,blur=0"
    assert Degradation.parse("noise=0,gain=1,frames=1").text == "none"
    assert Degradation.parse("none") == Degradation()
    assert Degradation.parse("seed=4294967295").text == "seed=4294967295"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("wdth=24", "wdth: unknown key"),
        ("width=2", "width=2"),
        ("noise=loud", "noise=loud"),
        ("noise=nan", "noise=nan"),
        ("jpeg=60.5", "jpeg=60.5"),
        ("crf=52", "crf=52"),
        ("linear=2", "linear=2"),
        ("width=24,width=32", "width is given twice"),
        ("noise", "'noise' is not key=value"),
        ("", "'' is not key=value"),
        ("angle=30", "angle needs motion"),
        ("warm=3000,cold=9000", "exclude each other"),
    ],
)
def test_a_wrong_key_is_named_and_the_keys_are_listed(text: str, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        Degradation.parse(text)
    assert named in str(caught.value)
    assert all(key in str(caught.value) for key in Degradation.model_fields)
    assert "\n" not in str(caught.value)


def test_it_is_frozen() -> None:
    with pytest.raises(ValidationError):
        Degradation().noise = 3.0  # type: ignore[misc]
