"""How two cases differ, and how far: values, pictures, records, whole cases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from facerecon.case import Case
from facerecon.errors import IntegrityError
from facerecon.hashing import canonical_json, sha256_file
from facerecon.pictures import encode_png
from facerecon.pipeline import outputs
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.changes import ABSENT, Change, changed, flat, gathered
from facerecon.pipeline.differences import Differences, analyses, differences
from facerecon.pipeline.enhancement import enhance
from facerecon.pipeline.outputs import (
    LISTED_FIELDS,
    PictureDifference,
    RecordsDifference,
    Stated,
    measured,
    pictures,
    record_files,
)
from facerecon.stages import Silent
from tests.fakes import OTHER, FakeRestorer, FakeSource
from tests.synthetic import write_video
from tests.unit.pipeline.rendered_cases import FFV1, INTERPOLATED, case_of, rendered
from tests.unit.pipeline.stage_cases import extracted, profile, walk

# --- values -----------------------------------------------------------------------------------------------------------


def test_nested_data_becomes_dotted_keys() -> None:
    assert flat({"a": {"b": [1, {"c": None}]}, "d": [], "e": {}}) == {"a.b.0": 1, "a.b.1.c": None, "d": [], "e": {}}


def test_a_missing_key_differs_from_a_null_and_true_from_one() -> None:
    assert changed({"a": None, "b": 1, "c": 1}, {"b": True, "c": 1}) == (
        Change("a", None, ABSENT),
        Change("b", 1, True),
    )


def test_data_too_deep_to_be_ours_is_refused() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep, 1]
    with pytest.raises(IntegrityError, match="nested too deeply"):
        flat(deep)


def test_equal_changes_of_several_runs_become_one() -> None:
    found = gathered([("extract", Change("torch", 1, 2)), ("enhance", Change("torch", 1, 2)), ("x", Change("t", 1, 3))])
    assert found == (Change("torch", 1, 2, ("extract", "enhance")), Change("t", 1, 3, ("x",)))


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_a_picture_that_differs_is_measured_over_all_its_pixels() -> None:
    a = np.full((10, 20, 3), 100, np.uint8)
    b = a.copy()
    b[0, :10, 1] = 105
    found = pictures([a], [b])
    error = 10 * 25 / (10 * 20 * 3)
    assert found.psnr_db == pytest.approx(10 * np.log10(255**2 / error), abs=0.01)
    assert (found.share, found.largest_levels) == (10 / 200, 5)


def test_of_several_frames_the_worst_counts_and_another_number_of_them_is_a_problem() -> None:
    a = np.zeros((4, 4, 3), np.uint8)
    near, far = a + np.uint8(1), a + np.uint8(9)
    assert pictures([a, a, a], [a, far, near]).psnr_db == pictures([a], [far]).psnr_db
    assert pictures([a, a], [a]).problem == "another number of frames"
    assert pictures([a], [a[:2]]).problem == "4x4 and 4x2 pixels"


def test_equal_pixels_in_other_bytes_have_no_psnr() -> None:
    a = np.zeros((4, 4, 3), np.uint8)
    found = measured("faces/x.png", encode_png(a, {"Title": "a"}), encode_png(a, {"Title": "b"}))
    assert found == PictureDifference(frames=1, psnr_db=None, share=0.0, largest_levels=0)


# --- records ----------------------------------------------------------------------------------------------------------


def lines(*records: object) -> bytes:
    return b"".join(canonical_json(record) + b"\n" for record in records)


def test_records_are_compared_by_name_not_by_place() -> None:
    a = [{"id": "x", "size": 1}, {"id": "y", "size": 2.0}, {"id": "gone", "size": 3}]
    b = [{"id": "new", "size": 9}, {"id": "y", "size": 2.5}, {"id": "x", "size": 1}]
    found = record_files("records/x.jsonl", lines(*a), lines(*b))
    assert (found.only_a, found.only_b, found.changed) == (("gone",), ("new",), 1)
    (field,) = found.fields
    assert (field.field, field.name, field.a, field.b, field.largest) == ("size", "y", 2.0, 2.5, 0.5)


def test_places_of_a_list_are_one_field_and_a_record_counts_once() -> None:
    a = [{"subject": f"s{n}", "variant": "original", "vector": [0.0, 0.0, 0.0]} for n in range(3)]
    b = [{**each, "vector": [0.1, -0.3, 0.0]} for each in a[:2]] + a[2:]
    (field,) = record_files("records/embeddings.jsonl", lines(*a), lines(*b)).fields
    assert (field.field, field.records, field.largest) == ("vector.[]", 2, 0.3)


def test_candidates_that_change_places_are_compared_with_themselves() -> None:
    a = [
        {"track": "t", "variant": "fused", "identity": name, "rank": n, "similarity": 0.5}
        for n, name in enumerate("ab")
    ]
    b = [{**a[1], "rank": 0, "similarity": 0.504}, {**a[0], "rank": 1}]
    found = record_files("records/candidates.jsonl", lines(*a), lines(*b))
    assert not found.only_a
    assert found.largest_similarity == pytest.approx(0.004)
    assert [each.field for each in found.fields] == ["rank", "similarity"]


def test_most_fields_are_counted_not_listed() -> None:
    a = {"id": "x"} | {f"k{n:02d}": n for n in range(40)}
    b = {"id": "x"} | {f"k{n:02d}": n + 1 for n in range(40)}
    found = record_files("r.jsonl", lines(a), lines(b))
    assert (len(found.fields), found.more_fields) == (LISTED_FIELDS, 40 - LISTED_FIELDS)


@pytest.mark.parametrize("content", [b"no json\n", b"[1]\n", b"[" * 100_000 + b"\n"])
def test_what_is_no_record_is_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"r\.jsonl"):
        record_files("r.jsonl", content, b"")


# --- cases ------------------------------------------------------------------------------------------------------------


def enhanced(root: Path, *overrides: str, restorer: FakeRestorer | None = None, **source: object) -> Case:
    case = extracted(root, walk(8, **source), *overrides)  # type: ignore[arg-type]
    model = restorer or FakeRestorer()
    enhance(case, {"restorer-unet": model}, None, Context(profile(*overrides), Silent(), {"torch": "2"}))
    return case


def kinds(found: Differences) -> set[str]:
    return {name for name, changes in found.groups() if changes} | ({"outputs"} if found.outputs_differ else set())


def test_two_runs_of_one_input_differ_in_nothing(tmp_path: Path) -> None:
    a, b = enhanced(tmp_path / "a"), enhanced(tmp_path / "b")
    found = differences(a, b)
    assert found.nothing
    assert found.equal == sum(len(entry.outputs) for entry in analyses(a).values()) > 10
    assert a.ledger.head != b.ledger.head


def test_a_setting_shows_once_as_the_profiles_and_in_what_it_changed(tmp_path: Path) -> None:
    a, b = enhanced(tmp_path / "a"), enhanced(tmp_path / "b", "shots.margin=0.7")
    found = differences(a, b)
    assert [each.subject for each in found.profile] == ["shots.margin"]
    assert kinds(found) == {"profile", "outputs"}
    assert {each.path for each in found.files} >= {"records/chips.jsonl", "faces/t0001/f000007.original.png"}


def test_a_run_with_other_settings_than_the_cases_profile_is_told(tmp_path: Path) -> None:
    a, b = enhanced(tmp_path / "a"), extracted(tmp_path / "b", walk(8))
    enhance(b, {"restorer-unet": FakeRestorer()}, None, Context(profile("enhance.shots=1"), Silent(), {"torch": "2"}))
    found = differences(a, b)
    assert {each.subject for each in found.settings} == {"enhance.shots", "profile_sha256"}
    assert found.settings[0].runs == ("enhance",)
    assert found.only_a
    assert not found.only_b


def test_another_source_and_other_pixels_are_told_and_measured(tmp_path: Path) -> None:
    found = differences(enhanced(tmp_path / "a"), enhanced(tmp_path / "b", colour=OTHER))
    assert [each.subject for each in found.source] == ["sha256"]
    original = next(each for each in found.files if each.path.endswith(".original.png"))
    assert isinstance(original.measured, PictureDifference)
    assert original.measured.psnr_db is not None
    assert original.measured.psnr_db < 30
    frames = next(each for each in found.files if each.path == "records/frames.jsonl")
    assert isinstance(frames.measured, RecordsDifference)
    assert [each.field for each in frames.measured.fields] == ["pixels_sha256"]


def test_another_model_and_other_software_are_told(tmp_path: Path) -> None:
    a, b = enhanced(tmp_path / "a"), extracted(tmp_path / "b", walk(8))
    model = FakeRestorer()
    model.stamp = model.stamp.model_copy(update={"weights_sha256": "9" * 64, "device": "cuda:0"})
    enhance(b, {"restorer-unet": model}, None, Context(profile(), Silent(), {"torch": "3"}))
    found = differences(a, b)
    assert [(each.subject, each.a, each.b) for each in found.versions] == [("torch", "2", "3")]
    assert {each.subject.rpartition(".")[2] for each in found.models} == {"weights_sha256", "device"}


def test_a_stage_that_one_case_lacks_is_told(tmp_path: Path) -> None:
    found = differences(enhanced(tmp_path / "a"), extracted(tmp_path / "b", walk(8)))
    assert [(each.subject, each.b, each.runs) for each in found.settings] == [("run", ABSENT, ("enhance",))]
    assert all("restored" in path or "/f" in path or path.startswith("records/") for path in found.only_a)


def test_only_the_runs_that_are_asked_for_count(tmp_path: Path) -> None:
    a, b = enhanced(tmp_path / "a"), extracted(tmp_path / "b", walk(8))
    assert differences(a, b, [("extract", 1)]).nothing


def test_videos_are_measured_frame_by_frame(tmp_path: Path) -> None:
    cases = []
    for name, colour in (("a", (200, 150, 120)), ("b", (200, 152, 120))):
        source = FakeSource(walk(4, colour=colour))
        cases.append(case_of(tmp_path / name, source, profile(FFV1)))
        rendered(cases[-1], source, "video", INTERPOLATED, FFV1, "output.layout=enhanced")
    video = next(each for each in differences(*cases).files if each.path == "video/enhanced.mkv")
    assert isinstance(video.measured, PictureDifference)
    assert (video.measured.frames, video.measured.problem) == (4, "")
    assert 0 < video.measured.share < 0.5
    assert video.measured.largest_levels <= 4


@pytest.mark.parametrize("when", ["before", "while it was read"])
def test_a_video_that_is_not_the_stated_one_is_an_error(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_video(tmp_path / "clip.mp4")
    stated = Stated(tmp_path, "clip.mp4", sha256_file(clip))
    assert outputs.videos(stated, stated) == PictureDifference(frames=30)

    def changed() -> None:
        with clip.open("r+b") as stream:
            stream.seek(-1, 2)
            stream.write(b"\xff")

    if when == "before":
        changed()
    else:
        monkeypatch.setattr(outputs, "pictures", lambda *_: changed())
    with pytest.raises(IntegrityError, match=rf"clip\.mp4 was changed{'' if when == 'before' else ' ' + when}:"):
        outputs.videos(stated, stated)


def test_another_video_that_is_put_in_its_place_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, other = write_video(tmp_path / "clip.mp4"), write_video(tmp_path / "other.mp4", frames=3)
    stated, real = Stated(tmp_path, "clip.mp4", sha256_file(clip)), outputs._frames

    def swapped(path: Path) -> object:
        if other.exists():
            other.replace(clip)
        return real(path)

    monkeypatch.setattr(outputs, "_frames", swapped)
    assert outputs.videos(stated, stated) == PictureDifference(frames=30)


def test_a_changed_file_is_no_difference_but_an_error(tmp_path: Path) -> None:
    a, b = enhanced(tmp_path / "a"), enhanced(tmp_path / "b", colour=OTHER)
    (b.root / "records/frames.jsonl").write_bytes(b"{}\n")
    with pytest.raises(IntegrityError, match="was changed"):
        differences(a, b)


def test_the_document_is_json(tmp_path: Path) -> None:
    found = differences(enhanced(tmp_path / "a"), enhanced(tmp_path / "b", colour=OTHER)).document()
    assert json.loads(json.dumps(found, allow_nan=False))["outputs"]["equal"] == found["outputs"]["equal"]
    assert {each["kind"] for each in found["outputs"]["different"]} == {"picture", "records"}
