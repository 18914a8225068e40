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
        "interlace": st.floats(0, 20),
        "rolling": st.floats(0, 1),
        "sharpen": st.floats(0, 3),
        "rescale": st.floats(1, 4),
        "jpeg": st.integers(1, 100),
        "mjpeg": st.integers(2, 31),
        "crf": st.integers(0, 51),
        "frames": st.integers(1, 64),
        "seed": st.integers(0, 2**32 - 1),
    },
)


def test_the_text_and_digest_of_a_specification_never_change() -> None:
    """Calibrations and committed figures refer to them; new keys are added beside."""
    full = Degradation.parse(
        "seed=7,frames=3,crf=35,jpeg=60,noise=4,poisson=1000,warm=3000,gain=0.1,angle=30,motion=4,defocus=1,linear=1,width=24"
    )
    assert full.text == (
        "width=24,blur=0.4,linear=1,defocus=1,motion=4,angle=30,gain=0.1,warm=3000,poisson=1000,noise=4,jpeg=60,crf=35,"
        "frames=3,seed=7"
    )
    assert full.digest == "39530f461d911b6780d5f6ac3730ffa02c0848cc28b60061be7f30288572ed2a"
    new = Degradation.parse("mjpeg=9,rescale=2,sharpen=1,bands=3,rolling=0.5,interlace=2")
    assert new.text == "interlace=2,rolling=0.5,bands=3,sharpen=1,rescale=2,mjpeg=9"


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
        ("bands=3", "bands needs rolling"),
        ("rolling=1.5", "rolling=1.5"),
        ("interlace=-1", "interlace=-1"),
        ("rescale=0.5", "rescale=0.5"),
        ("sharpen=4", "sharpen=4"),
        ("mjpeg=1", "mjpeg=1"),
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
