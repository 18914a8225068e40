"""Who may correct fused pictures is known before footage is read."""

from __future__ import annotations

import pytest

from facerecon.commands.workbench import Workbench
from facerecon.console import Console
from facerecon.errors import UsageError


def bench(restore: str, *overrides: str) -> Workbench:
    return Workbench(Console(quiet=True), "standard", (f"enhance.fuse.restore={restore}", *overrides), "cpu")


@pytest.mark.parametrize("model", ["realesrgan-x4plus", "gfpgan-v1.4", "dlib-lq", "{model: restoreformer, blend: 0.5}"])
def test_a_model_that_cannot_correct_is_refused_before_weights_are_looked_for(model: str) -> None:
    with pytest.raises(UsageError, match=r"cannot correct a fused picture in its own size; enhance\.fuse\.restore"):
        bench(model).require_weights(enhance=True, recognize=False)


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(UsageError, match="restorer-nobody"):
        bench("restorer-nobody").require_weights(enhance=True, recognize=False)


@pytest.mark.parametrize(
    ("restore", "more", "enhance"),
    [
        ("restorer-unet", (), True),
        ("restorer-fused", (), True),
        ("null", (), True),
        ("realesrgan-x4plus", ("enhance.fuse.enabled=false",), True),
        ("realesrgan-x4plus", (), False),
    ],
)
def test_what_is_not_asked_for_is_not_refused(restore: str, more: tuple[str, ...], enhance: bool) -> None:
    opened = bench(restore, *more)
    opened.require_weights(enhance=enhance, recognize=False)


def test_it_is_opened_as_the_profile_says_and_only_where_pictures_are_fused() -> None:
    found = bench("{model: restorer-unet, precision: fp32}").corrector
    assert found is not None
    assert (found.stamp.id, found.stamp.precision, found.scale) == ("restorer-unet", "fp32", 1)
    assert bench("null").corrector is None
    assert bench("restorer-unet", "enhance.fuse.enabled=false").corrector is None
