"""A synthetic clip with sound, a live server, and a recorder that does not wait long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facerecon.capture.address import Address
from facerecon.capture.reconnection import Patience
from facerecon.capture.recording import Facts, Outcome, Plan, Recorder
from facerecon.capture.stream import Opening
from tests.synthetic import write_video, write_with_sound
from tests.unit.capture.live_streams import GOP, RATE, Live, live_server

QUICK = Plan(segment_s=0.7, min_free_bytes=0, opening=Opening(timeout_s=1.0), patience=Patience(0.0))
"""Segments of two groups of pictures; no second attempt."""
FACTS = Facts("case-7", "A. Operator", "a test")
Capture = Callable[..., tuple[Outcome, list[Any]]]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 pictures (4.8 s) of H.264 with B frames, a keyframe every 10, and sound."""
    folder = tmp_path_factory.mktemp("live")
    video = write_video(folder / "video.mp4", frames=120, gop=GOP, b_frames=2, rate=RATE)
    return write_with_sound(folder / "clip.mp4", video, packets=200)


@pytest.fixture
def live() -> Iterator[Live]:
    with live_server() as server:
        yield server


@pytest.fixture
def capture(live: Live, tmp_path: Path) -> Capture:
    """Capture the live stream into tmp_path/c; `changes` are of the plan. Returns outcome and what was told."""

    def captured(
        *, url: str = "", stop: Callable[[], bool] = lambda: False, **changes: Any
    ) -> tuple[Outcome, list[Any]]:
        told: list[Any] = []
        recorder = Recorder(Address.parse(url or live.url()), replace(QUICK, **changes), told.append, stop)
        return recorder.record(tmp_path / "c", FACTS), told

    return captured
