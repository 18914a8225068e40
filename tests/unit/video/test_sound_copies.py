"""Sound beside new pictures: the same bytes whoever reads it, and what breaks its reading costs sound, no picture."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from facerecon.errors import EvidenceError
from facerecon.hashing import sha256_file
from facerecon.video import isolation, messages
from facerecon.video.isolation import IsolatedReader
from facerecon.video.messages import MalformedError
from facerecon.video.readers import LOCAL, Reader
from facerecon.video.sound import NOT_KNOWN, AudioCopy
from facerecon.video.soundtracks import SoundPacket
from facerecon.video.writing import VideoWriter
from tests.synthetic import audio_packets, read, write_video, write_with_sound
from tests.unit.video.test_decoder_messages import PIECES, Liar, document
from tests.unit.video.test_isolation import decoders
from tests.unit.video.test_writing import frames_at, written

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="decoding is isolated on Linux only")
READERS = [pytest.param(LOCAL, id="here"), pytest.param(IsolatedReader(60.0), id="isolated", marks=on_linux)]
FRAMES = 30
MUCH = 1500
"""Packets of sound that do not fit into the pipe, so that a decoder waits to be asked."""


def copies(target: Path, source: Path, reader: Reader = LOCAL, **options: Any) -> tuple[AudioCopy, ...]:
    """Write pictures beside the sound of a source."""
    return written(target, frames_at(list(range(FRAMES)), (1, 25)), source=source, reader=reader, **options).audio


def two_tracks(path: Path, one: Path, other: Path) -> Path:
    """Put the sound of two files into one."""
    with av.open(str(one)) as a, av.open(str(other)) as b, av.open(str(path), "w") as container:
        streams = [(each, container.add_stream_from_template(each.streams.audio[0])) for each in (a, b)]
        packets = [(packet, out) for each, out in streams for packet in each.demux(audio=0) if packet.size]
        for packet, out in sorted(packets, key=lambda each: (each[0].dts or 0) * each[0].time_base):
            packet.stream = out
            container.mux_one(packet)
    return path


def hostile(path: Path, codec: str) -> Path:
    """Write a file whose sound is noise that says it is of a codec."""
    noise = np.random.default_rng(7)
    with av.open(str(path), "w", format="nut") as container, av.open(io.BytesIO(), "w", format="nut") as scratch:
        stream = container.add_stream_from_template(scratch.add_stream(codec, rate=48000))
        for number in range(FRAMES):
            packet = av.Packet(noise.bytes(300))
            packet.pts = packet.dts = number * 1920
            packet.duration, packet.time_base, packet.stream = 1920, Fraction(1, 48000), stream
            container.mux_one(packet)
    return path


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sounds")
    video = write_video(folder / "v.mp4")
    found = {
        "aac": write_with_sound(folder / "aac.mp4", video),
        "pcm": write_with_sound(folder / "pcm.mkv", video, "pcm_s16le"),
        "mp2": write_with_sound(folder / "mp2.ts", video, "mp2", packets=20),
        "law": write_with_sound(folder / "law.mov", video, "pcm_mulaw"),
        "much": write_with_sound(folder / "much.mkv", video, "pcm_s16le", packets=MUCH),
    }
    return found | {"two": two_tracks(folder / "two.mkv", found["aac"], found["pcm"]), "silent": video}


@on_linux
@pytest.mark.parametrize("name", ["aac", "pcm", "mp2", "law", "two", "silent"])
@pytest.mark.parametrize("target", ["a.mp4", "a.mkv", "a.mov"])
def test_isolation_changes_neither_bytes_nor_account(
    tmp_path: Path, sounds: dict[str, Path], name: str, target: str
) -> None:
    found = []
    for number, reader in enumerate((LOCAL, IsolatedReader(60.0))):
        (tmp_path / str(number)).mkdir()
        account = copies(tmp_path / str(number) / target, sounds[name], reader)
        found.append((sha256_file(tmp_path / str(number) / target), account))
    assert found[0] == found[1]
    assert len(found[0][1]) == {"two": 2, "silent": 0}.get(name, 1)
    assert not decoders()


@pytest.mark.parametrize("target", ["a.mkv", "a.mov"])
def test_two_tracks_stay_two(tmp_path: Path, sounds: dict[str, Path], target: str) -> None:
    one, other = copies(tmp_path / target, sounds["two"])
    assert [one.codec, other.codec] == ["aac", "pcm_s16le"]
    assert [one.packets, other.packets] == [len(audio_packets(sounds["aac"])), len(audio_packets(sounds["pcm"]))]
    assert audio_packets(tmp_path / target)[0][1] == audio_packets(sounds["aac"])[0][1]


# --- what breaks its reading ------------------------------------------------------------------------------------------


def interrupted(target: Path, source: Path, reader: Reader, then: Callable[[], None]) -> tuple[AudioCopy, ...]:
    frames = frames_at(list(range(FRAMES)), (1, 25))
    writer = VideoWriter(target, source=source, source_sha256="ab" * 32, size_px=(160, 96), reader=reader)
    with writer:
        for frame in frames:
            writer.write(frame.pixels, frame.timestamp)
            if frame.index == 5:
                then()
    assert writer.result is not None
    return writer.result.audio


@on_linux
@pytest.mark.parametrize(
    ("number", "timeout_s", "why"),
    [
        (signal.SIGSEGV, 60.0, "the decoder ended by signal 11 (Segmentation fault)"),
        (signal.SIGSTOP, 2.0, "the decoder told nothing for 2 s and was ended"),
    ],
)
def test_a_decoder_that_dies_or_hangs_costs_the_sound_that_is_left(
    tmp_path: Path, sounds: dict[str, Path], number: int, timeout_s: float, why: str
) -> None:
    (sound,) = interrupted(
        tmp_path / "a.mkv", sounds["much"], IsolatedReader(timeout_s), lambda: os.kill(decoders()[0], number)
    )
    assert sound.note == f"reading stopped: {why}"
    assert 0 < sound.packets < MUCH
    before, after = audio_packets(sounds["much"]), audio_packets(tmp_path / "a.mkv")
    assert after == before[: sound.packets]
    assert len(read(tmp_path / "a.mkv")[0]) == FRAMES
    assert not decoders()


@on_linux
def test_a_decoder_that_dies_at_once_costs_the_sound(tmp_path: Path, sounds: dict[str, Path]) -> None:
    (sound,) = copies(tmp_path / "a.mp4", sounds["aac"], IsolatedReader(60.0, memory_bytes=1 << 10))
    assert (sound.stream, sound.codec, sound.copied, sound.packets) == (NOT_KNOWN, "unknown", False, 0)
    assert "the decoder " in sound.note
    assert len(read(tmp_path / "a.mp4")[0]) == FRAMES


@on_linux
def test_a_writer_that_stops_early_leaves_no_process(tmp_path: Path, sounds: dict[str, Path]) -> None:
    def stop() -> None:
        assert len(decoders()) == 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "a.mkv", sounds["much"], IsolatedReader(60.0), stop)
    assert not decoders()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("codec", ["aac", "ac3", "flac", "libopus", "libmp3lame", "wavpack"])
@pytest.mark.parametrize("target", ["a.mp4", "a.mkv", "a.mov"])
def test_sound_that_is_noise_costs_no_picture(tmp_path: Path, reader: Reader, codec: str, target: str) -> None:
    (sound,) = copies(tmp_path / target, hostile(tmp_path / "noise.nut", codec), reader)
    assert len(read(tmp_path / target)[0]) == FRAMES
    assert sound.packets == FRAMES or sound.note


def test_what_the_container_refuses_only_later_is_told(tmp_path: Path) -> None:
    (sound,) = copies(tmp_path / "a.mkv", hostile(tmp_path / "noise.nut", "wavpack"))
    assert sound.packets == 0
    assert sound.note.startswith("from there on the new file cannot hold it (")


def test_a_channel_layout_that_the_container_refuses_is_told(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "s.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48000)
        stream.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.int16), format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux_one(packet)
    (sound,) = copies(tmp_path / "a.mp4", tmp_path / "s.mkv")
    assert (sound.copied, sound.packets) == (False, 0)
    assert "mp4 cannot hold pcm_s16le" in sound.note


# --- what a decoder tells of sound ------------------------------------------------------------------------------------

GOOD = SoundPacket(1, 1024, None, 1024, (1, 48000), True, b"sound")


def test_a_packet_crosses_whole() -> None:
    kind, length = messages.HEADER.unpack_from(messages.packet(GOOD))
    body = messages.packet(GOOD)[messages.HEADER.size :]
    assert (kind, length) == (messages.SOUND, len(body))
    assert messages.sound(body, [0, 1]) == GOOD


@pytest.mark.parametrize(
    "changes",
    [
        {"index": 2},
        {"pts": 1 << 61},
        {"dts": -(1 << 61)},
        {"duration": -1},
        {"duration": 1 << 61},
        {"time_base": (0, 1)},
        {"time_base": (1, 0)},
        {"time_base": (1, 1 << 31)},
        {"keyframe": 2},
        {"data": b""},
    ],
    ids=str,
)
def test_a_packet_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    told = messages.packet(SoundPacket(**{**GOOD.__dict__, **changes}))
    with pytest.raises(MalformedError):
        messages.sound(told[messages.HEADER.size :], [0, 1])


TICKS = st.none() | st.integers(-(1 << 62), 1 << 62)
PACKETS = st.builds(
    SoundPacket,
    st.integers(0, 2),
    TICKS,
    TICKS,
    st.integers(-1, 1 << 61),
    st.tuples(st.integers(0, 1 << 31), st.integers(0, 1 << 31)),
    st.booleans(),
    st.binary(max_size=20),
).map(messages.packet)
TRACK = {"index": 0, "time_base": [1, 48000], "kind": "pcm_s16le", "sample_rate": 48000, "layout": "mono"}
TRACKS = st.lists(
    st.fixed_dictionaries(
        {"index": st.integers(-1, 2), "time_base": st.just([1, 48000]) | st.lists(st.integers(-1, 9), max_size=3)},
        optional={
            "kind": st.sampled_from(["aac", "pcm_s16le", "none-such", "h264", "A B"]),
            "sample_rate": st.integers(-1, 1 << 25),
            "sample_format": st.sampled_from(["s16", "fltp", "s99"]),
            "layout": st.sampled_from(["mono", "stereo", "900 channels", "\n"]),
            "bit_rate": st.integers(-1, 1 << 63),
            "extradata": st.text("AZ+/=", max_size=9),
        },
    ),
    max_size=3,
)
ENDS = st.sampled_from([b"", messages.bare(messages.END), messages.text(messages.FAILED, "broken")])


def answering(monkeypatch: pytest.MonkeyPatch, *answers: bytes) -> None:
    """Let the next decoders tell these bytes, one each."""
    left = list(answers)
    made = lambda *_: type("Told", (Liar,), {"told": left.pop(0)})()  # noqa: E731
    monkeypatch.setattr(isolation, "Decoder", made)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TRACKS, st.lists(PACKETS | PIECES, max_size=6), ENDS)
@example([TRACK | {"kind": "h264"}], [], b"")
def test_whatever_a_decoder_tells_of_sound_the_pictures_are_written(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    tracks: list[Any],
    told: Sequence[bytes],
    end: bytes,
) -> None:
    folder = tmp_path_factory.mktemp("told")
    (folder / "source").write_bytes(bytes(99))
    answering(monkeypatch, document(messages.RESULT, tracks), b"".join(told) + end)
    frames = frames_at([0, 1, 2], (1, 25))
    account = written(folder / "a.mkv", frames, source=folder / "source", reader=IsolatedReader(1.0)).audio
    assert len(read(folder / "a.mkv")[0]) == 3
    assert all(sound.packets == 0 or sound.copied for sound in account)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PACKETS | PIECES, max_size=6).map(b"".join))
def test_sound_is_packets_of_the_streams_that_were_asked_for_or_one_reason(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, told: bytes
) -> None:
    source = tmp_path_factory.mktemp("told") / "source"
    source.write_bytes(bytes(99))
    answering(monkeypatch, told)
    try:
        for packet in IsolatedReader(1.0).sound(source, [0, 1]):
            assert packet.index in (0, 1)
            assert packet.data
    except EvidenceError as error:
        assert len(str(error).splitlines()) == 1
