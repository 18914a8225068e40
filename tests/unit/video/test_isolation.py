"""Decoding in processes of their own: how a decoder ends becomes a reason, none is left over, none can mislead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from facerecon.errors import EvidenceError
from facerecon.profiles import Motion, Sample
from facerecon.records import Counts, Frame, Skipped
from facerecon.video import Source, isolation, spawning
from facerecon.video.isolation import IsolatedReader
from facerecon.video.videos import VideoSource
from tests.synthetic import write_video

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="decoding is isolated on Linux only")
LARGE = (640, 480)
"""A frame of it does not fit into the pipe, so a decoder waits to be asked."""
FRAMES = 40


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clip") / "a.mp4", frames=FRAMES, size=LARGE)


def decoders() -> list[int]:
    """Return the processes that the warden has started and that still are."""
    warden = spawning._WARDEN.pid
    return [int(pid) for pid in Path(f"/proc/{warden}/task/{warden}/children").read_text().split()] if warden else []


def opened(clip: Path, timeout_s: float = 60.0) -> Source:
    return VideoSource(clip, reader=IsolatedReader(timeout_s))


def read_on(frames: Iterator[Any], then: Callable[[], None], after: int = 3) -> list[Any]:
    items = [next(frames) for _ in range(after)]
    then()
    return [*items, *frames]


def told(items: list[Any]) -> tuple[int, Skipped]:
    """Return how many frames came, and what is said of the others; the account must add up."""
    written = sum(not isinstance(each, Skipped) for each in items)
    (last,) = [each for each in items if isinstance(each, Skipped)]
    assert items[-1] is last
    Counts(requested=FRAMES, written=written, failed=last.count, skipped=0)
    assert last.subject.startswith(f"f{written:06d}")
    return written, last


def send(number: int) -> Callable[[], None]:
    return lambda: os.kill(decoders()[0], number)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGSEGV, "ended by signal 11 (Segmentation fault)"),
        (signal.SIGKILL, "ended by signal 9 (Killed)"),
        (signal.SIGABRT, "ended by signal 6 (Aborted)"),
    ],
)
@pytest.mark.parametrize("gated", [False, True])
def test_a_decoder_that_dies_leaves_what_it_gave_and_a_reason(clip: Path, number: int, words: str, gated: bool) -> None:
    source = opened(clip)
    frames: Iterator[Any] = source.watched(Sample(), Motion()) if gated else source.frames(Sample())
    written, last = told(read_on(frames, send(number)))
    assert 3 <= written < FRAMES
    assert (last.reason, last.outcome) == ("decoder-ended", "failed")
    assert last.detail.startswith(f"the decoder {words} after frame {written - 1};")
    assert not decoders()


def test_a_decoder_that_hangs_is_ended(clip: Path) -> None:
    written, last = told(read_on(opened(clip, timeout_s=0.5).frames(Sample()), send(signal.SIGSTOP)))
    assert f"told nothing for 0.5 s and was ended after frame {written - 1}" in last.detail
    assert not decoders()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that takes memory and time: what a small one takes may be over before a limit is looked at."""
    return write_video(tmp_path_factory.mktemp("large") / "large.mp4", frames=12, size=(1920, 1080))


def test_a_file_whose_decoder_dies_at_once_is_an_evidence_error(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_PROCESSOR_S", 0)
    monkeypatch.setattr(isolation, "_PROCESSOR_S_PER_KIB", 0)
    with pytest.raises(EvidenceError, match=r"the decoder .*; export it again"):
        opened(large)
    assert not decoders()


def test_memory_is_limited_and_the_limit_is_named(large: Path) -> None:
    with pytest.raises(
        EvidenceError, match=r"needed more than 1 MiB of memory|the decoder ended|Cannot allocate memory"
    ) as caught:
        VideoSource(large, reader=IsolatedReader(60.0, memory_bytes=1 << 20))
    assert "\n" not in str(caught.value)


def test_a_reader_that_stops_early_leaves_no_process(clip: Path) -> None:
    frames = opened(clip).frames(Sample())
    next(frames)
    assert len(decoders()) == 1
    with closing(frames):  # type: ignore[type-var]
        pass
    assert not decoders()


def test_an_error_of_whoever_reads_leaves_no_process(clip: Path) -> None:
    with pytest.raises(ZeroDivisionError), closing(opened(clip).frames(Sample())) as frames:  # type: ignore[type-var]
        next(frames)
        _ = 1 / 0
    assert not decoders()


def test_several_decoders_at_once_do_not_disturb_each_other(clip: Path) -> None:
    found: list[int] = []

    def read() -> None:
        found.append(sum(isinstance(each, Frame) for each in opened(clip).frames(Sample())))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [FRAMES] * 4
    assert not decoders()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_the_program(clip: Path, number: int) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom facerecon.profiles import Sample\n"
        "from facerecon.video import open_source, spawning\n"
        f"frames = open_source(Path({str(clip)!r}), isolation='process').frames(Sample())\nnext(frames)\n"
        "print(spawning._WARDEN.pid, flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as program:
        assert program.stdout is not None
        warden = int(program.stdout.readline())
        children = Path(f"/proc/{warden}/task/{warden}/children").read_text().split()
        assert len(children) == 1
        program.send_signal(number)
        program.wait()
    assert_gone([warden, int(children[0])])


def assert_gone(pids: list[int]) -> None:
    until = time.monotonic() + 60
    while any(_running(pid) for pid in pids):
        assert time.monotonic() < until, pids
        time.sleep(0.01)


def _running(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_decoders_end_with_what_started_them_and_the_next_reading_works(clip: Path) -> None:
    warden = spawning._WARDEN.pid or 0
    _, last = told(read_on(opened(clip).frames(Sample()), lambda: os.kill(spawning._WARDEN.pid or 0, 9)))
    assert "was ended together with what had started it" in last.detail or "signal 9" in last.detail
    assert sum(isinstance(each, Frame) for each in opened(clip).frames(Sample())) == FRAMES
    assert spawning._WARDEN.pid != warden


def test_a_copy_of_this_program_has_a_warden_of_its_own(clip: Path) -> None:
    opened(clip)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            mine = sum(isinstance(each, Frame) for each in opened(clip).frames(Sample()))
            os.write(writing, f"{mine} {spawning._WARDEN.pid}".encode())
            spawning._WARDEN.finish()
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    count, warden = map(int, os.read(reading, 100).split())
    os.close(reading)
    assert count == FRAMES
    assert warden != spawning._WARDEN.pid


# --- what a decoder may do --------------------------------------------------------------------------------------------

TRIES = {
    "open('/etc/passwd')": "PermissionError",
    f"open({str(Path(__file__))!r}, 'a')": "PermissionError",
    "__import__('os').unlink('/tmp/nothing-is-here')": "PermissionError",
    "__import__('os').rename('/tmp/a', '/tmp/b')": "PermissionError",
    "__import__('socket').socket()": "PermissionError",
    "__import__('os').execv('/bin/true', ['true'])": "PermissionError",
    "__import__('os').fork()": "PermissionError",
    "__import__('os').kill(1, 0)": "PermissionError",
    "__import__('resource').setrlimit(0, (-1, -1))": "Error",
}


@contextmanager
def confined(code: str) -> Iterator[subprocess.CompletedProcess[str]]:
    program = (
        "import os, socket, resource\nfrom facerecon.video.confinement import Limits, confine\n"
        f"confine(Limits(1 << 30, 60))\ntry:\n    {code}\nexcept BaseException as error:\n"
        "    os.write(1, type(error).__name__.encode())\nelse:\n    os.write(1, b'done')\n"
    )
    yield subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("code", TRIES)
def test_a_decoder_reaches_nothing_but_its_pipe(code: str) -> None:
    with confined(code) as done:
        assert TRIES[code] in done.stdout or done.stdout == "ValueError", done


def test_a_decoder_may_use_threads_and_memory() -> None:
    with confined("__import__('threading').Thread(target=bytearray, args=(1 << 20,)).start()") as done:
        assert done.stdout == "done", done


def test_a_decoder_may_not_use_much_memory() -> None:
    with confined("bytearray(1 << 31)") as done:
        assert done.stdout == "MemoryError", done
