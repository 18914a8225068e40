"""Profiles: shipped ones are valid, complete and explained; wrong keys are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from facerecon.errors import ProfileError
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.profiles import BroughtModel, FusedRestore, Profile, load_profile, shipped_profiles, validate

NAMES = sorted(shipped_profiles())


def test_the_promised_profiles_are_shipped() -> None:
    assert {
        *("standard", "fast", "lowlight", "lowlight-warm", "lowlight-cold", "motionblur", "compressed", "interlaced"),
        *("lowres", "investigative-gfpgan", "evidential", "evidential-lowlight"),
    } == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_profile_is_valid_named_after_its_file_and_commented(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert sum("#" in line for line in shipped_profiles()[name].read_text().splitlines()) >= 3


@pytest.mark.parametrize("name", NAMES)
def test_resolved_profile_loads_to_an_equal_one(name: str, tmp_path: Path) -> None:
    profile = load_profile(name)
    path = tmp_path / "resolved.yaml"
    path.write_text(profile.to_yaml())
    assert load_profile(str(path)) == profile
    assert load_profile(str(path)).digest == profile.digest


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("detect.min_scor=0.7", "detect.min_scor: unknown key"),
        ("detect.min_score=7", "detect.min_score"),
        ("extract.sample=sometimes", "extract.sample"),
        ("extract.sample={every: 1.5}", "extract.sample: 'every' needs a whole number"),
        ("extract.sample=every", "extract.sample: 'every' needs a number"),
        ("enhance.steps=[]", "enhance.steps"),
        ("enhance.steps.0.model=[1]", "enhance.steps"),
        ("nothing.at.all=1", "nothing: unknown key"),
        ("recognize.jitter=101", "recognize.jitter"),
        ("recognize.upscale=nearest", "recognize.upscale"),
        ("recognize.threshold=1.5", "recognize.threshold"),
        ("detect", "write it as key=value"),
        ("name=../../x", "name"),
    ],
)
def test_wrong_override_names_the_key(override: str, key: str) -> None:
    with pytest.raises(ProfileError) as caught:
        load_profile("standard", (override,))
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


def test_override_takes_effect_and_changes_the_digest() -> None:
    changed = load_profile("standard", ("extract.sample={fps: 2}", "enhance.steps.0.tile_px=128"))
    assert (changed.extract.sample.mode, changed.extract.sample.value) == ("fps", 2)
    assert changed.enhance.steps[0].tile_px == 128  # type: ignore[union-attr]
    assert changed.digest != load_profile("standard").digest


@pytest.mark.parametrize("name", NAMES)
def test_shipped_threshold_is_the_model_s_own_until_one_is_set(name: str) -> None:
    assert load_profile(name).recognize.threshold is None
    assert load_profile(name, ("recognize.threshold=0.5",)).recognize.threshold == 0.5
    assert load_profile(name, ("recognize.threshold=0.5", "recognize.threshold=null")).recognize.threshold is None


def test_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(ProfileError, match=r"no profile 'nigth'.*lowlight"):
        load_profile("nigth")


@pytest.mark.parametrize("text", ["- 1\n", "{", "name: [", "\x00"])
def test_file_that_is_no_mapping_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ProfileError) as caught:
        load_profile(str(path))
    assert "\n" not in str(caught.value)


def test_evidential_profile_can_hold_no_learned_model() -> None:
    with pytest.raises(ProfileError, match="no learned image model"):
        load_profile("evidential", ("enhance.steps=[{kind: restore}]",))
    with pytest.raises(ProfileError, match="evidential: true"):
        load_profile("evidential", ("evidential=false", "recognize.compare_restored=true"))
    with pytest.raises(ProfileError, match="compare_restored"):
        load_profile("evidential", ("recognize.compare_restored=true",))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    )
)
def test_arbitrary_data_is_a_profile_or_an_error(data: object) -> None:
    try:
        assert isinstance(validate(data, "x"), Profile)
    except ProfileError as error:
        assert "profile x" in str(error)


def test_yaml_tags_run_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(ProfileError):
        load_profile(str(path))
    assert yaml.safe_load("1") == 1


def test_one_model_has_one_setting_in_a_profile() -> None:
    twice = "{kind: restore, blend: 0.3}, {kind: restore, blend: 0.9}"
    with pytest.raises(ProfileError, match="realesrgan-x4plus stands in two steps with different settings"):
        load_profile("standard", (f"enhance.steps=[{twice}]",))
    same = "{kind: restore, blend: 0.3}, {kind: restore, blend: 0.3}"
    assert len(load_profile("standard", (f"enhance.steps=[{same}]",)).enhance.steps) == 2


def test_a_fused_picture_is_corrected_by_a_model_s_name_or_its_settings_or_not_at_all() -> None:
    by_name = load_profile("evidential", ("evidential=false", "name=x", "enhance.fuse.restore=restorer-fused"))
    found = by_name.enhance.fuse.correction
    assert found is not None
    assert (found.model, found.precision, found.blend) == ("restorer-fused", "auto", 0.75)
    brought = f"{{model: {{file: a, sha256: {'1a' * 32}}}, blend: 0.5}}"
    with_file = load_profile("standard", (f"enhance.fuse.restore={brought}",))
    assert isinstance(with_file.enhance.fuse.correction.model, BroughtModel)  # type: ignore[union-attr]
    assert load_profile("standard", ("enhance.fuse.restore=null",)).enhance.fuse.correction is None
    assert load_profile("standard", ("enhance.fuse.enabled=false",)).enhance.fuse.correction is None
    for wrong, key in (("{blend: 2}", "restore.blend"), ("{tile_px: 64}", "restore.tile_px"), ("[]", "restore")):
        with pytest.raises(ProfileError, match=re.escape(f"enhance.fuse.{key}: ")):
            load_profile("standard", (f"enhance.fuse.restore={wrong}",))


def test_profiles_with_learned_steps_of_our_own_correct_fused_pictures_too() -> None:
    on = {name for name in shipped_profiles() if load_profile(name).enhance.fuse.correction}
    assert on == {"standard", "fast", "lowlight", "lowres", "compressed", "motionblur"}
    assert all(load_profile(name).enhance.fuse.correction == FusedRestore() for name in on)


def test_an_evidential_profile_corrects_no_fused_picture() -> None:
    with pytest.raises(ProfileError, match=r"no learned image model \(enhance.fuse has 'restore'\)"):
        load_profile("evidential", ("enhance.fuse.restore=restorer-unet",))


def test_models_are_those_of_the_stages_that_run() -> None:
    profile = load_profile("standard")
    assert profile.models(enhance=False, recognize=False) == ["retinaface-mobile0.25"]
    assert profile.models(recognize=False) == ["retinaface-mobile0.25", "restorer-unet", "restorer-fused", "dlib-lq"]
    assert load_profile("evidential").models(recognize=False) == ["retinaface-mobile0.25"]
    blurred = ["retinaface-mobile0.25", "restorer-fused", "dlib-lq"]
    assert load_profile("motionblur").models(recognize=False) == blurred
    assert load_profile("motionblur", ("enhance.fuse.enabled=false",)).models(recognize=False) == blurred[:1]


def test_where_footage_is_decoded_is_stated_and_is_no_part_of_the_digest() -> None:
    """The frames are the same: see `test_isolation_changes_nothing`. So a batch and a run have one digest."""
    isolated = load_profile("standard", ("extract.isolation=process",))
    assert isolated.resolved()["extract"]["isolation"] == "process"
    assert isolated.digest == load_profile("standard").digest


def test_keys_that_older_profiles_lack_leave_their_digests_alone() -> None:
    standard = load_profile("standard", ("enhance.fuse.restore=null",))
    assert (standard.extract.isolation, standard.extract.decoder_timeout_s) == ("none", 60.0)
    same = ("extract.isolation=none", "extract.decoder_timeout_s=60", "enhance.fuse.restore=null")
    assert load_profile("standard", same).digest == standard.digest
    assert load_profile("standard").digest != standard.digest
    assert load_profile("standard", ("extract.decoder_timeout_s=5",)).digest != standard.digest
    older = standard.resolved()
    del older["extract"]["isolation"], older["extract"]["decoder_timeout_s"], older["enhance"]["fuse"]["restore"]
    assert sha256_bytes(canonical_json(older)) == standard.digest


def test_settings_of_searching_that_older_profiles_lack_leave_their_digests_alone() -> None:
    older = load_profile("standard", ("extract.motion.whole_every_s=0", "detect.full_size_every_s=0"))
    assert older.digest not in {
        load_profile("standard", (f"{key}=0",)).digest
        for key in ("extract.motion.whole_every_s", "detect.full_size_every_s")
    }
    kept = older.resolved()
    del kept["extract"]["isolation"], kept["extract"]["decoder_timeout_s"]
    del kept["extract"]["motion"]["whole_every_s"], kept["detect"]["full_size_every_s"]
    assert sha256_bytes(canonical_json(kept)) == older.digest


@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_the_whole_picture_is_searched_more_seldom_than_its_parts_or_not_at_all(seconds: float) -> None:
    with pytest.raises(ProfileError, match=r"whole_every_s .* must be longer than refresh_s \(2\), or 0"):
        load_profile("standard", (f"extract.motion.whole_every_s={seconds}",))
