"""Bad input: one line that names the thing and the way out, the right exit code, and nothing is lost."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from facerecon.manifest import verify
from tests.cli.conftest import Program
from tests.cli.test_contracts import CHEAP
from tests.synthetic import packet_places, truncated, write_video, zeroed


def refused(outcome: object, code: int, *words: str) -> None:
    assert outcome.code == code, outcome.err  # type: ignore[attr-defined]
    for word in words:
        assert word in outcome.error  # type: ignore[attr-defined]


def test_missing_file(facerecon: Program, tmp_path: Path) -> None:
    refused(facerecon("run", tmp_path / "none.mp4", "--case", tmp_path / "c"), 3, "none.mp4")
    assert not (tmp_path / "c").exists()


def test_directory_without_media(facerecon: Program, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text("x")
    refused(facerecon("extract", tmp_path / "notes", "--case", tmp_path / "c"), 3, "notes")


@pytest.mark.parametrize("content", [b"", b"this is a text file, not a video\n" * 50])
def test_zero_bytes_and_text(content: bytes, facerecon: Program, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(content)
    refused(facerecon("run", clip, "--case", tmp_path / "c"), 3, "clip.mp4")


def test_truncated_video_keeps_what_could_be_decoded(facerecon: Program, tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", container_options={"movflags": "faststart"})
    cut = truncated(whole, tmp_path / "cut.mp4", whole.stat().st_size * 7 // 10)
    refused(facerecon("run", cut, "--case", tmp_path / "c", "--quiet"), 3, "cut.mp4", "of 30 frames", "is kept in")
    assert verify(tmp_path / "c").state == "extract.finished"
    assert facerecon("enhance", tmp_path / "c", "--quiet").code == 0
    allowed = facerecon("run", cut, "--case", tmp_path / "d", "--set", "extract.max_failed_percent=100", "--json", "-q")
    frames = allowed.document["extract"]["frames"]
    assert frames["failed"] > 3
    assert frames["requested"] == 30


def test_video_without_a_decodable_frame(facerecon: Program, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4")
    for place, size in packet_places(clip):
        zeroed(clip, clip, place, size)
    refused(facerecon("run", clip, "--case", tmp_path / "c", "--quiet"), 3, "clip.mp4")


def test_unknown_profile_and_key(facerecon: Program, short_clip: Path, tmp_path: Path) -> None:
    refused(facerecon("run", short_clip, "--profile", "nope", "--case", tmp_path / "c"), 2, "'nope'", "lowlight")
    refused(facerecon("run", short_clip, "--set", "detect.min_scor=1", "--case", tmp_path / "c"), 2, "detect.min_scor")
    assert not (tmp_path / "c").exists()


def test_a_gallery_that_is_not_there_is_refused_before_a_case_is_made(
    facerecon: Program, short_clip: Path, tmp_path: Path
) -> None:
    refused(facerecon("run", short_clip, "--gallery", tmp_path / "g", "--case", tmp_path / "c"), 2, "is not a folder")
    assert not (tmp_path / "c").exists()


def test_empty_and_faceless_gallery(facerecon: Program, short_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    refused(facerecon("run", short_clip, "--gallery", tmp_path / "g", "--case", tmp_path / "c"), 2, "holds no picture")
    Image.new("RGB", (200, 200), (90, 90, 90)).save(tmp_path / "g/grey.png")
    refused(
        facerecon("run", short_clip, "--gallery", tmp_path / "g", "--case", tmp_path / "c"), 2, "no face", "grey.png"
    )


def test_absent_weights_say_how_to_get_them(
    facerecon: Program, short_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACERECON_WEIGHTS", str(tmp_path / "w"))
    refused(
        facerecon("extract", short_clip, "--set", "detect.model=retinaface-resnet50", "--case", tmp_path / "c"),
        5,
        "retinaface-resnet50",
        "weights fetch",
    )


def test_weights_with_a_flipped_byte(
    facerecon: Program, gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACERECON_WEIGHTS", str(tmp_path / "w"))
    enroll = ("gallery", "enroll", gallery, "--source", "archive", "-q", "--gallery")
    assert facerecon(*enroll, tmp_path / "a").code == 0
    converted = [p for p in (tmp_path / "w").rglob("*") if p.is_file() and "dlib-resnet" in p.name]
    assert len(converted) == 1
    content = bytearray(converted[0].read_bytes())
    content[-5] ^= 4
    converted[0].write_bytes(content)
    refused(facerecon(*enroll, tmp_path / "b"), 4, converted[0].name, "delete")


def test_missing_weights_are_told_before_footage_is_read_and_nothing_is_made(
    facerecon: Program, short_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACERECON_WEIGHTS", str(tmp_path / "w"))
    for command in ("run", "enhance"):
        outcome = facerecon(command, short_clip, "--profile", "investigative-gfpgan", "--case", tmp_path / "c")
        refused(outcome, 5, "gfpgan-v1.4", "weights fetch gfpgan-v1.4")
        assert not (tmp_path / "c").exists()


def test_output_that_cannot_be_written(facerecon: Program, short_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    refused(facerecon("extract", short_clip, "--case", tmp_path / "file/c"), 5, "cannot write", "--case")
    refused(facerecon("extract", short_clip, "--case", tmp_path / "file"), 2, "--case")


def test_source_that_changes_during_the_run(
    facerecon: Program, short_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facerecon.video import Source

    clip = tmp_path / "clip.mp4"
    clip.write_bytes(short_clip.read_bytes())
    real = Source.verify_unchanged

    def appended(self: Source) -> None:
        with clip.open("ab") as stream:
            stream.write(b"\0")
        real(self)

    monkeypatch.setattr(Source, "verify_unchanged", appended)
    refused(facerecon("extract", clip, "--case", tmp_path / "c", *CHEAP), 4, "changed")
    assert verify(tmp_path / "c").state == "extract.failed"


def test_full_disk_loses_nothing_and_the_run_resumes(
    facerecon: Program, short_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, budget = os.fsync, [16]

    def filling(handle: int) -> None:
        budget[0] -= 1
        if budget[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", filling)
        refused(
            facerecon("extract", short_clip, "--case", tmp_path / "c", *CHEAP), 5, "No space left", "free some space"
        )
    assert not list((tmp_path / "c").rglob(".tmp-*"))
    assert facerecon("extract", short_clip, "--case", tmp_path / "c", *CHEAP).code == 0
    verify(tmp_path / "c")


def test_ctrl_c_keeps_what_was_finished_and_the_same_command_resumes(
    facerecon: Program, short_clip: Path, tmp_path: Path
) -> None:
    case = tmp_path / "c"
    arguments = ["extract", str(short_clip), "--case", str(case), "--set", "detect.batch=1", *CHEAP]
    process = subprocess.Popen(
        [sys.executable, "-m", "facerecon.commands.main", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background jobs with Ctrl-C ignored, and this test may run in one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not _started(case) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the same command resumes" in err
    assert verify(case).state == "extract.interrupted"
    assert facerecon(*arguments).code == 0
    assert verify(case).state == "extract.finished"


def _started(case: Path) -> bool:
    ledger = case / "ledger.jsonl"
    return ledger.exists() and "extract.started" in ledger.read_text()


def test_resume_under_another_profile_is_refused(
    facerecon: Program, short_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facerecon.video import Source

    def stop(self: Source) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Source, "verify_unchanged", stop)
        assert facerecon("extract", short_clip, "--case", tmp_path / "c", *CHEAP).code == 130
    refused(facerecon("extract", short_clip, "--case", tmp_path / "c", "--profile", "fast"), 2, "begun with profile")


def test_commands_on_what_is_no_case(facerecon: Program, tmp_path: Path) -> None:
    for command in ("verify", "report"):
        refused(facerecon(command, tmp_path), 2, "not a case folder")


def test_stage_before_its_time(facerecon: Program, short_clip: Path, tmp_path: Path) -> None:
    refused(facerecon("weights", "fetch"), 2, "name what to fetch")
    refused(facerecon("weights", "fetch", "nope"), 2, "nope")
    refused(facerecon("weights", "import", tmp_path), 2, "no file that the registry knows")


@pytest.mark.parametrize("arguments", [("extract",), ("nonsense",), ("run", "x", "--nonsense"), ("recognize", "x")])
def test_usage_errors_are_exit_2(arguments: tuple[str, ...], facerecon: Program) -> None:
    outcome = facerecon(*arguments)
    assert outcome.code == 2
    assert outcome.err


def test_unknown_device(facerecon: Program, short_clip: Path, tmp_path: Path) -> None:
    refused(facerecon("extract", short_clip, "--device", "tpu", "--case", tmp_path / "c"), 2, "tpu")


def test_a_bug_is_exit_1_and_says_so(facerecon: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(_path: Path) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("facerecon.commands.verify.verify", broken)
    outcome = facerecon("verify", tmp_path)
    assert outcome.code == 1
    assert "this is a bug" in outcome.err
