"""One contract over all filters: uint8 RGB out, input untouched, same bytes twice, no picture too odd, plain words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from filter_pictures import portrait

from facerecon.filters import DESCRIPTIONS, Filtered, blocks, denoise, lens, scaling, tone
from facerecon.filters.balance import white_balance
from facerecon.filters.deconvolution import deconvolve_defocus, deconvolve_motion
from facerecon.filters.illumination import lime

Pixels = np.ndarray
FILTERS: dict[str, Callable[[Pixels], Pixels | Filtered]] = {
    "gamma": lambda p: tone.gamma(p, 1.8),
    "lime": lambda p: lime(p, denoise_levels=5),
    "clahe": tone.clahe,
    "exposure": lambda p: tone.exposure(p, stops=1.5),
    "exposure down": lambda p: tone.exposure(p, stops=-1.5),
    "exposure auto": tone.auto_exposure,
    "white-balance": white_balance,
    "white-balance von Kries": lambda p: white_balance(p, method="von-kries", light_k=3000),
    "nlmeans": lambda p: denoise.non_local_means(p, 5, 5),
    "nlmeans-multi": lambda p: denoise.non_local_means_multi([p, p, p], 1, strength_levels=5, color_strength_levels=5),
    "wavelet": lambda p: denoise.wavelet(p, sigma_levels=8),
    "wavelet estimated": denoise.wavelet,
    "deblock": blocks.deblock,
    "deblur-motion": lambda p: deconvolve_motion(p, angle_deg=30, length_px=7),
    "deblur-motion wiener": lambda p: deconvolve_motion(p, angle_deg=30, length_px=7, method="wiener"),
    "deblur-motion estimated": deconvolve_motion,
    "deblur-defocus": lambda p: deconvolve_defocus(p, radius_px=2, linear_light=False),
    "deblur-defocus estimated": deconvolve_defocus,
    "undistort": lambda p: lens.undistort(p, k1=-0.2),
    "undistort fisheye": lambda p: lens.undistort(p, k1=0.05, model="fisheye"),
    "stretch": lambda p: lens.stretch(p, horizontal=1.1),
    "resize": lambda p: scaling.enlarge(p, 2, "lanczos"),
}


def grey(level: int, *size: int) -> Pixels:
    return np.full((*size, 3), level, np.uint8)


PICTURES = {
    "portrait": portrait(),
    "odd": portrait()[:101, :67],
    "tiny": portrait()[60:68, 60:68],
    "one pixel high": portrait()[60:61, :70],
    "strip": portrait()[:9, :],
    "black": grey(0, 70, 60),
    "white": grey(255, 70, 60),
    "tiny black": grey(0, 8, 8),
    "grey": portrait().mean(axis=2, keepdims=True).repeat(3, 2).astype(np.uint8),
    "noise": np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8),
}
SHAPES = {"stretch", "resize"}


def pixels_of(result: Pixels | Filtered) -> Pixels:
    return result.pixels if isinstance(result, Filtered) else result


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("name", FILTERS)
def test_contract(name: str, picture: str) -> None:
    given = PICTURES[picture].copy()
    given.setflags(write=False)
    one, two = FILTERS[name](given), FILTERS[name](given)
    result = pixels_of(one)
    assert result.dtype == np.uint8
    assert result.ndim == 3
    assert name in SHAPES or result.shape == given.shape
    assert np.array_equal(given, PICTURES[picture])
    assert np.array_equal(result, pixels_of(two))
    if isinstance(one, Filtered):
        assert one.applied or one.pixels is given
        assert all(np.isfinite(list(one.facts.values())))


@pytest.mark.parametrize("name", sorted(set(FILTERS) - {"undistort", "undistort fisheye"}))
@pytest.mark.parametrize("picture", ["black", "white"])
def test_black_stays_black_and_white_white(name: str, picture: str) -> None:
    if name in ("exposure down", "white-balance von Kries") and picture == "white":
        pytest.skip("these darken or colour white by design")
    result = pixels_of(FILTERS[name](PICTURES[picture]))
    # Equalising lifts a flat picture's only level by its clipped share; that is how the method works.
    tolerance = 12 if name == "clahe" else 1
    assert np.abs(result.astype(int) - int(PICTURES[picture][0, 0, 0])).max() <= tolerance


@pytest.mark.parametrize("name", sorted(set(FILTERS) - {"white-balance von Kries"}))
def test_grey_stays_grey(name: str) -> None:
    result = pixels_of(FILTERS[name](PICTURES["grey"]))
    assert np.ptp(result.astype(int), axis=2).max() <= 2


def test_every_kind_has_plain_words_and_a_reference() -> None:
    assert {name.split()[0] for name in FILTERS} == set(DESCRIPTIONS)
    jargon = ("PSF", "kernel", "deconvol", "spectrum", "luminance", "histogram", "coefficient", "convol", "gradient")
    for text in DESCRIPTIONS.values():
        assert text.description.endswith(".")
        assert any(letter.isdigit() for letter in text.reference)
        assert not any(word in text.description for word in jargon)


def test_filtered_refuses_a_note_that_is_no_line() -> None:
    for note in ("", "two\nlines"):
        with pytest.raises(ValueError, match="one line"):
            Filtered(portrait(), True, note)


BAD: list[Callable[[Pixels], object]] = [
    lambda p: lime(p, gamma=1.5),
    lambda p: tone.clahe(p, clip_limit=0),
    lambda p: tone.auto_exposure(p, target_levels=0),
    lambda p: white_balance(p, strength=2),
    lambda p: white_balance(p, light_k=100),
    lambda p: denoise.wavelet(p, strength=0),
    lambda p: blocks.deblock(p, strength=0),
    lambda p: lens.undistort(p, k1=0, focal_widths=0),
]


@pytest.mark.parametrize("call", BAD)
def test_parameters_out_of_range_are_refused(call: Callable[[Pixels], object]) -> None:
    with pytest.raises(ValueError, match=r"needs|above"):
        call(portrait())
