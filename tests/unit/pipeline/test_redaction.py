"""A redacted copy: what is hidden is nowhere in it, what is shown is as it was, and everything is accounted for."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facerecon.case import Case
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import sha256_file
from facerecon.ledger import Ledger
from facerecon.manifest import verify
from facerecon.pipeline import redaction
from facerecon.pipeline.masking import FILL, MARK
from facerecon.pipeline.reporting import collect
from facerecon.profiles import Sample
from facerecon.records import RGB, ChipRecord, Counts, DetectionRecord, EmbeddingRecord, Frame, TrackRecord
from facerecon.report.html import render_html
from facerecon.video import open_source
from tests.unit.pipeline.redacted_cases import (
    APART,
    BESIDE,
    FACE_PX,
    HIDDEN,
    WHY,
    crowd,
    face,
    files_of,
    left_of,
    pictures_of,
    redacted,
    told,
)
from tests.unit.report.report_reading import Page


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crowd(tmp_path_factory.mktemp("redaction"), "output.codec=ffv1", "recognize.top=1")


@pytest.fixture(scope="module")
def made(original: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("copies") / "copy"
    return out, redacted(original, out)


def resemblance(picture: RGB, who: str) -> float:
    """Return how much any window of a picture looks like somebody's face: 1 for the face itself, at any whole scale."""
    best = 0.0
    for scale in (1, 2, 4):
        wanted = face(who).repeat(scale, axis=0).repeat(scale, axis=1)
        if min(picture.shape[:2]) >= FACE_PX * scale:
            best = max(best, float(cv2.matchTemplate(picture, wanted, cv2.TM_CCOEFF_NORMED).max()))
    return best


# --- what is gone -----------------------------------------------------------------------------------------------------


def test_no_picture_shows_the_face_any_more_at_any_scale(original: Path, made: tuple[Path, Any]) -> None:
    shown = [name for name, picture in pictures_of(original).items() if resemblance(picture, HIDDEN) > 0.9]
    assert any(name.startswith(f"faces/{HIDDEN}/") for name in shown)
    assert any(name.startswith("frames/") for name in shown)
    left = {name: resemblance(picture, HIDDEN) for name, picture in pictures_of(made[0]).items()}
    assert max(left.values()) < 0.5, max(left, key=lambda name: left[name])


def test_the_face_s_pixels_are_not_in_the_frames_and_nothing_else_of_them_changed(
    original: Path, made: tuple[Path, Any]
) -> None:
    before, after = pictures_of(original), pictures_of(made[0])
    frames = [name for name in after if name.startswith("frames/")]
    assert frames
    for name in frames:
        number, scale = int(name.partition("/f")[2][:6]), after[name].shape[1] // 320
        left = left_of(HIDDEN, number)
        rows, columns = (slice(start * scale, (start + FACE_PX) * scale) for start in (40, left))
        assert set(map(tuple, after[name][rows, columns].reshape(-1, 3).tolist())) == {FILL, MARK}
        assert not {FILL, MARK} & set(map(tuple, before[name][rows, columns].reshape(-1, 3).tolist()))
        changed = np.flatnonzero((before[name] != after[name]).any(axis=(0, 2))) // scale
        assert left - FACE_PX < changed.min() <= left
        assert left + FACE_PX <= changed.max() + 1 < left + 2 * FACE_PX


def test_the_face_is_cut_out_of_the_pictures_of_whoever_stands_beside(original: Path, made: tuple[Path, Any]) -> None:
    before, after = pictures_of(original), pictures_of(made[0])
    with Case.view(made[0]) as copy:
        chips = [chip for chip in copy.read(ChipRecord, "chips") if chip.track == BESIDE]
    assert chips
    for chip in chips:
        edge = left_of(HIDDEN, int(chip.frame[1:])) + FACE_PX - chip.origin[0]
        assert edge > 0, "the neighbour's crop shows a part of the face"
        old, new = before[chip.path], after[chip.path]
        rows = slice(40 - chip.origin[1], 40 + FACE_PX - chip.origin[1])
        assert (old[rows, :edge] != new[rows, :edge]).any(axis=2).mean() > 0.95
        assert (before[chip.aligned_path] != after[chip.aligned_path]).any()
        beyond = edge + FACE_PX // 2 + 2
        assert (old[:, beyond:] == new[:, beyond:]).all(), "what the margin does not reach stays"
    restored = [name for name in after if name.startswith(f"faces/{BESIDE}/") and "restored" in name]
    assert restored
    assert all((before[name] != after[name]).any() for name in restored)


def test_its_vectors_and_the_bytes_of_its_pictures_are_in_no_file(original: Path, made: tuple[Path, Any]) -> None:
    files = files_of(made[0])
    with Case.view(original) as case:
        vectors = case.read(EmbeddingRecord, "embeddings")
        gone = [case.bytes_of(name) for name in case.digests(f"faces/{HIDDEN}/")]
    kept, hidden = ({each.vector for each in vectors if each.track == track} for track in (APART, HIDDEN))
    assert kept
    assert hidden
    assert all(_holds(files, vector) for vector in kept)
    assert not any(_holds(files, vector) for vector in hidden)
    whole = b"".join(files.values())
    for data in gone:
        assert data not in whole
        assert base64.b64encode(data)[:-4] not in whole
    assert base64.b64encode(files["faces/" + _first(files, f"faces/{APART}/")])[:-4] in files["report/report.html"]


def _holds(files: dict[str, bytes], vector: tuple[float, ...]) -> bool:
    written = (json.dumps(list(vector))[1:-1].replace(" ", "").encode(), np.array(vector, np.float32).tobytes())
    return any(each in data for data in files.values() for each in written)


def _first(files: dict[str, bytes], start: str) -> str:
    return min(name for name in files if name.startswith(start) and name.endswith("original.png"))[len("faces/") :]


def test_digests_of_its_pictures_stand_only_where_they_were_left_out(original: Path, made: tuple[Path, Any]) -> None:
    digests = [sha256_file(path) for path in (original / f"faces/{HIDDEN}").iterdir()]
    assert digests
    for name, data in files_of(made[0]).items():
        assert name == "ledger.jsonl" or not any(digest.encode() in data for digest in digests), name
    listed = {each["sha256"] for each in made[1]["withheld"]}
    assert listed >= set(digests)


def test_nothing_tells_whom_it_resembles(original: Path, made: tuple[Path, Any]) -> None:
    """Ada is a candidate of the hidden track only: her name, her picture and its digest must not be in the copy."""
    crops = {path.name: sha256_file(path) for path in (original / "gallery").iterdir()}
    with Case.view(original) as case:
        people = {record.identity for record in collect(case).candidates if record.track == HIDDEN}
        others = {record.identity for record in collect(case).candidates if record.track != HIDDEN}
    assert people == {"Ada"}
    assert "Bob" in others - people
    ada = {name: digest for name, digest in crops.items() if not (made[0] / "gallery" / name).exists()}
    assert len(ada) == 1
    for name, data in files_of(made[0]).items():
        # In coded pictures three letters stand by chance.
        text = b"" if name.endswith((".png", ".mkv")) else re.sub(rb"base64,[A-Za-z0-9+/=]+", b"", data)
        assert b"Ada" not in text, name
        assert not any(part.encode() in data for pair in ada.items() for part in pair), name
    assert [each["files"] for each in made[1]["withheld_unnamed"]] == [1]


def test_digests_of_cut_records_are_not_given_since_they_would_confirm_a_guess(
    original: Path, made: tuple[Path, Any]
) -> None:
    digest = sha256_file(original / "records/candidates.jsonl")
    assert digest != sha256_file(made[0] / "records/candidates.jsonl")
    assert not any(digest.encode() in data for data in files_of(made[0]).values())


def test_every_frame_of_the_video_is_covered_and_the_rest_is_bit_identical(
    original: Path, made: tuple[Path, Any]
) -> None:
    (before,), (after,) = (list(_pictures(root)) for root in (original, made[0]))
    assert len(before) == len(after) == 12
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        assert resemblance(old, HIDDEN) > 0.9
        assert resemblance(new, HIDDEN) < 0.5
        columns = np.flatnonzero((old != new).any(axis=(0, 2))) // 2 % 320
        assert left_of(HIDDEN, number) - FACE_PX < columns.min()
        assert columns.max() < left_of(HIDDEN, number) + 2 * FACE_PX


def _pictures(root: Path) -> list[list[RGB]]:
    found = [open_source(path).frames(Sample()) for path in (root / "video").iterdir()]
    return [[item.pixels for item in frames if isinstance(item, Frame)] for frames in found]


def test_maps_of_fused_pictures_go_with_them(original: Path, made: tuple[Path, Any]) -> None:
    kinds = ("fused", "fused-count", "fused-deviation")
    for track in (HIDDEN, BESIDE, APART):
        assert all((original / f"faces/{track}/{kind}.png").exists() for kind in kinds)
    for track in (HIDDEN, BESIDE):
        assert not any((made[0] / f"faces/{track}/{kind}.png").exists() for kind in kinds)
    assert all((made[0] / f"faces/{APART}/{kind}.png").exists() for kind in kinds)
    with Case.view(made[0]) as copy:
        (record,) = collect(copy).fused
        assert copy.digests()[str(record.deviation_path)] == record.deviation_sha256


def test_what_a_model_made_of_a_fused_picture_goes_with_it(original: Path, made: tuple[Path, Any]) -> None:
    kinds = ("restored-restorer-unet", "restored-change", "restored-uncertainty")
    for track in (HIDDEN, BESIDE, APART):
        assert all((original / f"faces/{track}/fused-{kind}.png").exists() for kind in kinds)
        kept = [kind for kind in kinds if (made[0] / f"faces/{track}/fused-{kind}.png").exists()]
        assert kept == ([*kinds] if track == APART else [])
    with Case.view(made[0]) as copy:
        (record,) = collect(copy).fused_restored
        assert (record.track, copy.digests()[record.path]) == (APART, record.file_sha256)
        counts = copy.runs("enhance")[-1].details["counts"]["fused-restored"]
        assert counts == {"requested": 3, "written": 1, "failed": 0, "skipped": 2}


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_pictures_that_do_not_show_the_face_are_the_same_files(original: Path, made: tuple[Path, Any]) -> None:
    before, after = files_of(original), files_of(made[0])
    apart = [name for name in before if name.startswith(f"faces/{APART}/")]
    assert len(apart) > 5
    assert all(before[name] == after[name] for name in apart)
    assert any(name.startswith(f"explanations/{APART}-") for name in after)
    changed = {name for name in after if name.endswith(".png") and before[name] != after[name]}
    assert changed <= set(made[1]["covered_in_part"])


def test_the_copy_verifies_and_is_private_and_the_original_is_untouched(original: Path, tmp_path: Path) -> None:
    before = files_of(original)
    redacted(original, tmp_path / "copy")
    verify(tmp_path / "copy")
    assert files_of(original) == before
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "copy").rglob("*") if path.is_file()} == {0o600}


def test_everything_is_accounted_for(original: Path, made: tuple[Path, Any]) -> None:
    counts, details = made[1]["counts"], made[1]
    assert counts["requested"] == counts["copied"] + counts["redacted"] + counts["withheld"]
    assert counts["withheld"] == len(details["withheld"]) + sum(each["files"] for each in details["withheld_unnamed"])
    with Case.view(original) as case:
        known = case.digests()
    assert counts["requested"] == len(known)
    assert all(known[each["path"]] == each["sha256"] and each["reason"] for each in details["withheld"])
    names = {each["path"] for each in details["withheld"]}
    assert "report/report.html" in names
    with Case.view(made[0]) as copy:
        same = [name for name, digest in copy.digests().items() if known.get(name) == digest]
        assert len(same) == counts["copied"]
        for stage in ("extract", "enhance", "recognize", "render"):
            for item, account in copy.runs(stage)[-1].details["counts"].items():
                assert Counts.model_validate(account)
                with Case.view(original) as case:
                    assert case.runs(stage)[-1].details["counts"][item]["requested"] == account["requested"]
            assert copy.runs(stage)[-1].details["carried_over_from"]["hash"]
        shots = copy.runs("extract")[-1].details["counts"]["shots"]
        assert shots["written"] == len(copy.read(ChipRecord, "chips"))
        faces = copy.runs("extract")[-1].details["counts"]["faces"]
        assert faces["written"] == len(copy.read(DetectionRecord, "detections"))


def test_the_ledger_says_what_was_done_to_which_case(original: Path, made: tuple[Path, Any]) -> None:
    entries = Ledger.read(made[0] / "ledger.jsonl").entries
    assert entries[0].action == "case.created"
    (entry,) = (each for each in entries if each.action == "case.redacted")
    with Case.view(original) as case:
        head, info = case.ledger.head, case.info
    assert entry.details["original"]["ledger_head"] == entry.inputs["case"] == head
    assert entry.details["original"]["case_id"] == info.case_id
    assert entry.details["original"]["manifest_digest"] == verify(original).digest
    assert (entry.details["tracks"], entry.details["reason"], entry.details["operator"]) == ([HIDDEN], WHY, "L")
    assert entry.details["method"]["margin_box_sizes"] == 0.5
    with Case.view(made[0]) as copy:
        assert copy.info.source.sha256 == info.source.sha256
        assert info.source.path not in copy.info.source.path
        assert "redacted copy" in copy.info.case_id


def test_the_report_says_so_at_its_top_and_shows_that_the_track_exists(original: Path, made: tuple[Path, Any]) -> None:
    with Case.view(made[0]) as copy:
        content = collect(copy)
    words = Page(render_html(content)).words
    top = words[: words.index("found in")]
    assert "REDACTED COPY" in top
    assert WHY in top
    with Case.view(original) as case:
        assert case.ledger.head in top
        before = collect(case)
        assert "REDACTED" not in Page(render_html(before)).words
    hidden = next(track for track in content.tracks if track.id == HIDDEN)
    assert (hidden.first, hidden.last) == (before.tracks[0].first, before.tracks[0].last)
    assert (hidden.best, hidden.burst) == ((), ())
    assert "redacted for disclosure" in words[words.index("found in") :]
    assert "redacted-for-disclosure" in words[words.index("not processed") :]


# --- other wishes -----------------------------------------------------------------------------------------------------


def test_keep_hides_everybody_else(original: Path, tmp_path: Path) -> None:
    details = redacted(original, tmp_path / "copy", hide=(), keep=(APART,))
    assert details["tracks"] == [HIDDEN, BESIDE]
    assert details["faces_of_no_track"]
    pictures = pictures_of(tmp_path / "copy")
    assert max(resemblance(each, who) for each in pictures.values() for who in (HIDDEN, BESIDE)) < 0.5
    assert max(resemblance(each, APART) for each in pictures.values()) > 0.9


def test_a_copy_can_be_redacted_further_and_tells_of_both(made: tuple[Path, Any], tmp_path: Path) -> None:
    details = redacted(made[0], tmp_path / "copy", hide=(BESIDE,), reason="also a bystander")
    assert [each["tracks"] for each in details["earlier"]] == [[HIDDEN]]
    verify(tmp_path / "copy")
    with Case.view(tmp_path / "copy") as copy:
        words = Page(render_html(collect(copy))).words
        assert copy.info.case_id.count("redacted copy") == 1
    assert WHY in words
    assert "also a bystander" in words
    with pytest.raises(UsageError, match="redacted already"):
        redacted(made[0], tmp_path / "again")


def test_metadata_that_somebody_put_into_a_picture_is_not_handed_on(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facerecon.pipeline import redacting

    seen = []
    monkeypatch.setattr(redacting, "is_plain", lambda data: seen.append(data))
    redacted(original, tmp_path / "copy")
    monkeypatch.undo()
    before, after = pictures_of(original), pictures_of(tmp_path / "copy")
    apart = [name for name in after if name.startswith(f"faces/{APART}/")]
    assert len(seen) >= len(apart)
    assert all((before[name] == after[name]).all() for name in apart), "pixels stay, only the file is written anew"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"hide": ()}, "--track"),
        ({"keep": (APART,)}, "not both"),
        ({"hide": ("t0009",)}, "t0009; its tracks are: t0001, t0002, t0003"),
        ({"hide": (), "keep": (HIDDEN, BESIDE, APART)}, "nothing to redact"),
        ({"reason": "  "}, "--reason is empty"),
        ({"reason": "a\x1b[2Jb"}, r"U\+001B"),
        ({"margin": -0.1}, "negative"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_and_leaves_nothing(
    original: Path, tmp_path: Path, wish: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        redacted(original, tmp_path / "copy", **wish)
    assert not list(tmp_path.iterdir())


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", [KeyboardInterrupt, IntegrityError("x"), OSError(28, "No space left")])
def test_whatever_stops_it_nothing_is_left(original: Path, tmp_path: Path, problem: BaseException) -> None:
    def fail(copy: Case) -> None:
        told(copy)
        raise problem

    with pytest.raises((KeyboardInterrupt, IntegrityError, ResourceError)):
        redaction.redact(original, tmp_path / "copy", redaction.Wish((HIDDEN,), (), WHY), fail)
    assert not list(tmp_path.iterdir())


def test_a_case_that_does_not_verify_is_not_copied(original: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(original, tmp_path / "changed"))
    (changed / "records/tracks.jsonl").write_bytes(b"{}\n")
    with pytest.raises(IntegrityError, match="does not verify"):
        redacted(changed, tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["changed"]


def test_nothing_is_overwritten_and_nothing_goes_into_the_case(original: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        redacted(original, tmp_path / "there")
    with pytest.raises(UsageError, match="lies in the case folder"):
        redacted(original, original / "copy")
    with pytest.raises(ResourceError, match="choose another place"):
        redacted(original, tmp_path / "no/copy")
    verify(original)


def test_a_folder_that_appears_meanwhile_is_not_replaced(original: Path, tmp_path: Path) -> None:
    report: Callable[[Case], None] = lambda _: (tmp_path / "copy").mkdir()  # noqa: E731
    with pytest.raises(UsageError, match="meanwhile"):
        redaction.redact(original, tmp_path / "copy", redaction.Wish((HIDDEN,), (), WHY), report)
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]
    assert not list((tmp_path / "copy").iterdir())


def test_the_hidden_track_is_the_one_that_was_meant(original: Path) -> None:
    """The tests above rest on it: tracks are numbered as the faces stand, from left to right."""
    with Case.view(original) as case:
        boxes = {chip.id: chip.detection.box for chip in case.read(ChipRecord, "chips")}
        tracks = sorted(case.read(TrackRecord, "tracks"), key=lambda track: boxes[track.best[0]])
    assert [track.id for track in tracks] == [HIDDEN, BESIDE, APART]
