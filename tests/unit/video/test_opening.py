"""What cannot be opened: one line, exit 3, and never a socket or another file."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from facerecon.errors import EvidenceError
from facerecon.profiles import Sample
from facerecon.records import Frame
from facerecon.video import open_source
from tests.synthetic import (
    read,
    truncated,
    write_bomb,
    write_video,
    write_with_sound,
)

ALL = Sample()


def _missing(folder: Path) -> Path:
    return folder / "none.mp4"


def _empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def _text(folder: Path) -> Path:
    (folder / "text.mp4").write_text("no video at all\n" * 100)
    return folder / "text.mp4"


def _audio(folder: Path) -> Path:
    path = folder / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


def _device(folder: Path) -> Path:
    return Path("/dev/null")


def _folder_of_nothing(folder: Path) -> Path:
    (folder / "notes.txt").write_text("nothing to see")
    return folder


def _folder_of_videos(folder: Path) -> Path:
    write_video(folder / "a.mp4", frames=2)
    (folder / "b.AVI").write_bytes(b"x")
    return folder


def _playlist(folder: Path) -> Path:
    write_video(folder / "a.ts", frames=2)
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\na.ts\n#EXT-X-ENDLIST\n")
    return folder / "list.m3u8"


def _concat(folder: Path) -> Path:
    write_video(folder / "a.mp4", frames=2)
    (folder / "list.mp4").write_text("ffconcat version 1.0\nfile a.mp4\n")
    return folder / "list.mp4"


def _cut_before_index(folder: Path) -> Path:
    whole = write_video(folder / "whole.mp4", frames=5)
    return truncated(whole, folder / "cut.mp4", whole.stat().st_size // 2)


def _broken_png(folder: Path) -> Path:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    return folder / "broken.png"


BAD = [
    (_missing, "does not exist"),
    (_empty, "is empty"),
    (_text, "not media"),
    (_audio, "no video stream"),
    (_fifo, "pipe"),
    (_device, "device"),
    (_folder_of_nothing, "without pictures"),
    (_folder_of_videos, "2 videos and no pictures; give the video files one by one"),
    (_playlist, "not media"),
    (_concat, "not media"),
    (_cut_before_index, "not media"),
    (write_bomb, "limit"),
    (_broken_png, "not media"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=lambda value: getattr(value, "__name__", ""))
def test_what_cannot_be_opened_is_one_line_and_exit_3(
    tmp_path: Path, make: Callable[[Path], Path], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path)
    with pytest.raises(EvidenceError, match=message) as caught:
        open_source(path)
    text = str(caught.value)
    assert caught.value.exit_code == 3
    assert "\n" not in text
    assert str(path) in text
    assert ";" in text, "the way out follows the semicolon"
    assert capfd.readouterr() == ("", "")


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.mp4")
        with pytest.raises(EvidenceError, match="socket"):
            open_source(Path("s.mp4"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission_denied(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=2)
    path.chmod(0)
    with pytest.raises(EvidenceError, match="cannot be read: Permission denied"):
        open_source(path)


def test_permission_denied_as_root_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", frames=2)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(EvidenceError, match="cannot be read: Permission denied; check the path and its permissions"):
        open_source(path)


def test_a_source_that_vanishes_is_an_evidence_error(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "a.mp4", frames=2))
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(EvidenceError, match="does not exist"):
        list(source.frames(ALL))
    with pytest.raises(EvidenceError, match="does not exist"):
        source.verify_unchanged()


def test_a_name_is_never_an_instruction(tmp_path: Path) -> None:
    for name in ("http:a%03d.mp4", "concat:a|b.mp4", "-i.mp4", "pipe:0"):
        assert len(read(write_video(tmp_path / "plain.mp4", frames=2).rename(tmp_path / name))[0]) == 2


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_metadata_that_are_no_text_are_kept_as_escapes(tmp_path: Path, isolation: str) -> None:
    """Found by mutating containers: such a file could not be opened at all."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Eingang West"
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"Eingang West", b"Eing\xe4nge W "))
    source = open_source(path, isolation=isolation)  # type: ignore[arg-type]
    assert source.probe["metadata"]["title"] == "Eing\\xe4nge W "
    assert len(list(source.frames(ALL))) == 1


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_a_codec_without_letters_has_no_tag(tmp_path: Path, isolation: str) -> None:
    """AAC in NUT, as captured streams have it: such a file could not be opened at all."""
    plain = write_video(tmp_path / "plain.mp4", frames=8)
    with_sound = write_with_sound(tmp_path / "a.nut", plain)
    source = open_source(with_sound, isolation=isolation)  # type: ignore[arg-type]
    sound = next(each for each in source.probe["streams"] if each["type"] == "audio")
    assert (sound["codec"], sound["codec_tag"]) == ("aac", None)
    assert len(list(source.frames(ALL))) == 8


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_a_file_that_was_cut_off_gives_the_frames_that_are_there(tmp_path: Path, isolation: str) -> None:
    """FFmpeg looks for NUT's index where no file is: what a capture leaves that was killed could not be opened."""
    whole = write_video(tmp_path / "whole.nut", frames=40)
    data = whole.read_bytes()
    for size in (len(data) // 2, len(data) - 20):
        cut = tmp_path / f"{size}.nut"
        cut.write_bytes(data[:size])
        source = open_source(cut, isolation=isolation)  # type: ignore[arg-type]
        assert [each for each in source.frames(ALL) if isinstance(each, Frame)]
