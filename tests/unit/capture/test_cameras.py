"""RTSP: what a camera sends is what is in the segments."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from facerecon.capture import gaps, segments, verified
from facerecon.capture.reconnection import Patience
from facerecon.capture.stream import Opening
from tests.synthetic import write_video
from tests.unit.capture.conftest import Capture
from tests.unit.capture.live_cameras import camera, pictures, units
from tests.unit.capture.live_streams import Stall


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 pictures without B frames, a keyframe every 10, with pictures that need several RTP packets."""
    return write_video(tmp_path_factory.mktemp("camera") / "c.mp4", frames=80, gop=10, rate=25, options={"crf": "5"})


def kept_pictures(root: Path) -> list[tuple[int, list[bytes]]]:
    """Return time (ticks since the first) and NAL units of each picture in the segments; parameter sets left out."""
    found = []
    for each in segments(root):
        with av.open(str(root / each.path)) as container:
            for packet in container.demux(video=0):
                if packet.size:
                    found.append((int(packet.pts * packet.time_base * 90000 + 0.5), slices(bytes(packet))))
    return found


def slices(data: bytes) -> list[bytes]:
    return [each for each in units(data) if each[0] & 31 in (1, 5)]


def test_every_picture_of_a_camera_is_kept_in_segments_that_begin_with_a_keyframe(
    footage: Path, capture: Capture, tmp_path: Path
) -> None:
    sent = pictures(footage, 0, 80)
    assert max(len(each) for _, data in sent for each in units(data)) > 1200
    with camera(footage) as server:
        server.scripts = [[sent]]
        capture(url=server.url())
    kept = kept_pictures(tmp_path / "c")
    assert [each for _, each in kept] == [slices(data) for _, data in sent]
    # A camera's times have no fixed beginning; the distances are its own.
    assert [ticks - kept[0][0] for ticks, _ in kept] == [ticks - sent[0][0] for ticks, _ in sent]
    assert all(track.keyframes for each in segments(tmp_path / "c") for track in each.tracks)
    assert len(segments(tmp_path / "c")) == 4
    # FFmpeg does not hand on the time of a camera's first picture; the one that it gets is counted, and right here.
    assert [each.tracks[0].estimated for each in segments(tmp_path / "c")] == [1, 0, 0, 0]
    verified(tmp_path / "c")


def test_a_camera_that_hangs_up_or_falls_silent_is_called_again(
    footage: Path, capture: Capture, tmp_path: Path
) -> None:
    first, second = pictures(footage, 0, 40), pictures(footage, 40, 80)
    with camera(footage) as server:
        server.scripts = [[first, Stall()], [second]]
        capture(url=server.url(), opening=Opening(timeout_s=1.5), patience=Patience(2.5))
    assert [each for _, each in kept_pictures(tmp_path / "c")] == [slices(data) for _, data in [*first, *second]]
    assert [gap.reason for gap in gaps(tmp_path / "c")][:2] == ["connecting", "stall"]


def test_credentials_open_a_camera_and_are_nowhere(footage: Path, capture: Capture, tmp_path: Path) -> None:
    with camera(footage, login="viewer:geheim7wort") as server:
        server.scripts = [[pictures(footage, 0, 40)]]
        outcome, _ = capture(url=server.url("viewer:falsch9wort@"))
        assert (outcome.ending, outcome.account.packets) == ("unreachable", 0)
        assert "401" in outcome.detail or "nauthorized" in outcome.detail
        outcome, _ = capture(url=server.url("viewer:geheim7wort@"))
        assert outcome.account.packets
    for path in (tmp_path / "c").rglob("*"):
        if path.is_file():
            for secret in (b"geheim7wort", b"falsch9wort", b"viewer"):
                assert secret not in path.read_bytes()
