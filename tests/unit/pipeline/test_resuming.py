"""Stages that go on where an interrupted run was: nothing is worked out twice, and the results are the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from facerecon.case import Case, StageRun
from facerecon.commands import timing
from facerecon.errors import IntegrityError
from facerecon.journal import Journal
from facerecon.manifest import CaseProblemsError, verify
from facerecon.pipeline import enhancement
from facerecon.pipeline.accounts import Context, Stopwatch
from facerecon.pipeline.enhancement import enhance
from facerecon.pipeline.extraction import extract
from facerecon.pipeline.resuming import RememberedDetector, Resuming
from facerecon.pipeline.search_area import Seen
from facerecon.profiles import Profile
from facerecon.records import RGB, Detection, Frame, Timestamp
from facerecon.stages import RestorationOutcome, Silent
from tests.fakes import FakeDetector, FakeRestorer, FakeSource, picture
from tests.unit.pipeline.stage_cases import extracted, new_case, profile, walk

FRAMES = [*walk(10), *[picture()] * 10, *walk(10), *[picture()] * 10, *walk(10)]
GAP, BATCH = "track.max_gap_s=0.2", 2


class Stopping(FakeDetector):
    """Stops the run before its nth answer, and knows how many pictures it saw."""

    def __init__(self, at: int | None = None, wrong_from: int = 10**9) -> None:
        super().__init__()
        self.at, self.seen, self.wrong_from = at, 0, wrong_from

    def detect(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        if self.calls == self.at:
            raise KeyboardInterrupt
        self.seen += len(images)
        found = super().detect(images)
        return [()] * len(images) if self.calls > self.wrong_from else found


def settings(*more: str) -> Profile:
    return profile(GAP, f"detect.batch={BATCH}", *more)


def attempt(case: Case, detector: FakeDetector, runtime: dict[str, Any] | None = None) -> None:
    extract(case, FakeSource(FRAMES), detector, Context(settings(), Silent(), runtime or {}))


def begun(root: Path, at: int, runtime: dict[str, Any] | None = None) -> Case:
    case = new_case(root, FakeSource(FRAMES), settings())
    with pytest.raises(KeyboardInterrupt):
        attempt(case, Stopping(at), runtime)
    return case


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    case = extracted(tmp_path_factory.mktemp("whole") / "c", FRAMES, GAP, f"detect.batch={BATCH}")
    assert "resumed" not in case.runs("extract")[0].details
    assert not (case.root / ".work").exists()
    return case.digests("records/") | case.digests("faces/")


@pytest.mark.parametrize("at", [1, 9, 24])
def test_no_frame_is_searched_twice_but_for_the_check(tmp_path: Path, whole: dict[str, str], at: int) -> None:
    case, detector = begun(tmp_path / "c", at), Stopping()
    assert verify(case.root).state == "extract.interrupted"
    attempt(case, detector)
    assert case.digests("records/") | case.digests("faces/") == whole
    assert detector.seen == len(FRAMES) - BATCH * at + BATCH
    details = case.runs("extract")[0].details
    assert details["resumed"] == {
        "frames_from_journal": BATCH * at,
        "went_on_at": f"f{BATCH * at:06d}",
        "answers_from_journal": at,
        "answers_checked": 1,
    }
    assert not (case.root / ".work").exists()
    verify(case.root)
    (step,) = [each for each in timing.steps_of(case) if "interrupted run" in each["step"]]
    assert step["step"] == f"{BATCH * at} frames of an interrupted run, not done again"


def test_frames_in_which_nothing_is_searched_do_not_count_as_searched_before(tmp_path: Path) -> None:
    seen = [Seen(Frame(n, Timestamp(pts=n, time_base=(1, 10)), picture(), n == 0), None, f"{n}") for n in range(4)]
    for last in (1, 4):
        detector = RememberedDetector(FakeDetector(), Journal(tmp_path, "extract", {"made": "by a test"}), Stopwatch())
        resuming = Resuming(detector, Silent())
        for each in seen[:last]:
            with resuming.chunk([each]):
                # In the second and third nothing had changed.
                if each.frame.index in (0, 3):
                    detector.detect([each.frame.pixels])
    assert resuming.account["frames_from_journal"] == 1
    assert resuming.account["went_on_at"] == "f000003"


def test_a_run_can_be_interrupted_again_and_again(tmp_path: Path, whole: dict[str, str]) -> None:
    case = begun(tmp_path / "c", 3)
    for at in (6, 1, 8):
        with pytest.raises(KeyboardInterrupt):
            attempt(case, Stopping(at))
    last = Stopping()
    attempt(case, last)
    assert case.digests("records/") | case.digests("faces/") == whole
    # 3, then 5, 0 and 7 more: each run but the first checks one answer.
    assert last.seen == len(FRAMES) - BATCH * (3 + 5 + 0 + 7) + BATCH


def test_a_detector_that_answers_otherwise_is_not_mixed_with_what_is_known(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    case = new_case(tmp_path / "c", FakeSource(FRAMES), settings())
    with pytest.raises(KeyboardInterrupt):
        attempt(case, Stopping(9, wrong_from=0))
    attempt(case, Stopping())
    assert case.runs("extract")[0].details["resumed"] == {
        "journal_not_used": "the detector does not find what it found then"
    }
    assert case.digests("records/") | case.digests("faces/") == whole


def test_a_difference_that_shows_later_stops_the_run_and_the_next_starts_anew(
    tmp_path: Path, whole: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facerecon.pipeline.resuming.CHECKED_EVERY", 4)
    case = new_case(tmp_path / "c", FakeSource(FRAMES), settings())
    with pytest.raises(KeyboardInterrupt):
        # Answers 0 to 3 are right; the fourth, which is checked, is not.
        attempt(case, Stopping(9, wrong_from=4))
    with pytest.raises(IntegrityError, match="does not find what it found before the interruption"):
        attempt(case, Stopping())
    assert verify(case.root).state == "extract.failed"
    last = Stopping()
    attempt(case, last)
    assert last.seen == len(FRAMES)
    assert case.digests("records/") | case.digests("faces/") == whole


def test_other_software_starts_anew(tmp_path: Path, whole: dict[str, str]) -> None:
    case, last = begun(tmp_path / "c", 9, {"torch": "1"}), Stopping()
    attempt(case, last, {"torch": "2"})
    assert last.seen == len(FRAMES)
    assert case.digests("records/") | case.digests("faces/") == whole


def test_the_journal_is_known_while_its_stage_is_unfinished_only(tmp_path: Path) -> None:
    case = begun(tmp_path / "c", 9)
    left = (case.root / ".work/extract.journal").read_bytes()
    verify(case.root)
    (case.root / ".work/note").write_text("x")
    with pytest.raises(CaseProblemsError, match=r"extra file .work/note"):
        verify(case.root)
    (case.root / ".work/note").unlink()
    attempt(case, Stopping())
    case.close()
    (case.root / ".work").mkdir()
    (case.root / ".work/extract.journal").write_bytes(left)
    with pytest.raises(CaseProblemsError, match=r"extra file .work/extract.journal"):
        verify(case.root)
    Case.open(case.root).close()
    verify(case.root)


# --- enhancing --------------------------------------------------------------------------------------------------------


class Restoring(FakeRestorer):
    """Stops before its nth call."""

    def __init__(self, at: int | None = None) -> None:
        super().__init__()
        self.at, self.calls = at, 0

    def enlarge(self, pictures: Sequence[RGB]) -> list[RestorationOutcome]:
        if self.calls == self.at:
            raise KeyboardInterrupt
        self.calls += 1
        return super().enlarge(pictures)


def enhanced(case: Case, restorer: FakeRestorer, *more: str) -> None:
    steps = "enhance.steps=[{kind: gamma, gamma: 2}, {kind: restore, model: restorer-unet}]"
    context = Context(settings(steps, "enhance.fuse.scale=2", *more), Silent())
    enhance(case, {"restorer-unet": restorer}, None, context)


def made(case: Case) -> dict[str, str]:
    return case.digests("records/") | case.digests("faces/")


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enhancement, "_CHUNK", 1)


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("killed", [False, True])
def test_no_part_of_an_enhancement_is_made_twice(tmp_path: Path, killed: bool) -> None:
    first = extracted(tmp_path / "a", FRAMES, GAP)
    restorer = Restoring()
    enhanced(first, restorer)
    assert restorer.calls > 2
    case = extracted(tmp_path / "b", FRAMES, GAP)
    if killed:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            # As kill -9 does it: not one more line.
            patch.setattr(StageRun, "abandon", lambda run: (run._let_go(), patch.setattr(Case, "note", _nothing)))
            enhanced(case, Restoring(2))
    else:
        with pytest.raises(KeyboardInterrupt):
            enhanced(case, Restoring(2))
    case.close()
    with Case.open(tmp_path / "b") as again:
        assert again.ledger.entries[-1].action == ("case.recovered" if killed else "enhance.interrupted")
        last = Restoring()
        enhanced(again, last)
        assert last.calls == restorer.calls - 2
        assert made(again) == made(first)
        assert again.runs("enhance")[0].details["resumed"]["parts_from_journal"] == 2
        assert again.runs("enhance")[0].outputs == first.runs("enhance")[0].outputs
        assert again.runs("enhance")[0].details["counts"] == first.runs("enhance")[0].details["counts"]
    verify(tmp_path / "b")


def _nothing(*_: object, **__: object) -> None:
    return None


@pytest.mark.usefixtures("parts")
def test_a_run_with_another_profile_leaves_the_unfinished_ones_pictures_alone(tmp_path: Path) -> None:
    case = extracted(tmp_path / "c", FRAMES, GAP)
    with pytest.raises(KeyboardInterrupt):
        enhanced(case, Restoring(2))
    left = made(case)
    enhanced(case, Restoring(), "enhance.shots=1", "enhance.fuse.enabled=false", "enhance.max_crop_px=300")
    verify(case.root)
    assert left.items() <= made(case).items()
    (entry,) = case.runs("enhance")
    assert entry.details["attempt"] == 2
    assert "parts_from_journal" not in entry.details.get("resumed", {})
    pictures = [name for name in entry.outputs if name.endswith(".png")]
    assert pictures
    assert all(name.endswith("-2.png") for name in pictures)
    enhanced(case, Restoring())
    assert all(name.endswith("-3.png") for name in case.runs("enhance")[1].outputs if name.endswith(".png"))
