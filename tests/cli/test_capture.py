"""`facerecon capture` as it is called: exit codes, secrets, signals, kill -9, and what other commands make of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerecon.capture import finished, gaps, running, segments, verified
from facerecon.ledger import Ledger
from tests.cli.conftest import Program
from tests.synthetic import write_video
from tests.unit.capture.live_streams import Answer, Live, Pause, Reset, Stall, live_server, packets_of, piece, waited

PASSWORD = "geheim-7Q~wort"
COMMAND = [sys.executable, "-m", "facerecon.commands.main", "capture"]
QUICK = ["--segment", "0.7s", "--timeout", "2s", "--min-free-gb", "0"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("live") / "clip.mp4", frames=200, gop=10, b_frames=2, rate=25)


@pytest.fixture
def live() -> Iterator[Live]:
    with live_server() as server:
        yield server


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes of a test; none outlives it."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for each in processes:
        each.kill()
        each.communicate()


def start(processes: list[subprocess.Popen[str]], *arguments: object) -> subprocess.Popen[str]:
    command = [*COMMAND, *map(str, arguments)]
    processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    return processes[-1]


def every_byte(root: Path) -> bytes:
    return b"".join(path.name.encode() + path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


# --- a whole capture --------------------------------------------------------------------------------------------------


def test_a_capture_is_summed_up_verifies_and_is_footage_like_any_other(
    facerecon: Program, clip: Path, live: Live, tmp_path: Path
) -> None:
    sent = piece(clip, 0, 50)
    live.scripts = [[Answer(200, {"Content-Length": str(len(sent))}), sent]]
    root = tmp_path / "c"
    done = facerecon(
        "capture", live.url(), "--output", root, *QUICK, "--no-reconnect", "--json",
        "--operator", "A. Operator", "--purpose", "theft", "--case-id", "7",
    )  # fmt: skip
    assert done.code == 0, done.err
    document = done.document
    account = document["account"]
    assert (document["schema"], document["ending"]) == (1, "stream-ended")
    assert account["total_ms"] == account["captured_ms"] + account["gaps_ms"]
    assert account["packets"] == len(packets_of(sent))
    info = json.loads((root / "capture.json").read_text())
    assert (info["operator"], info["purpose"], info["case_id"]) == ("A. Operator", "theft", "7")
    assert {"pyav", "libavformat"} <= set(info["libraries"])
    assert "machine" in info["clock"]
    checked = facerecon("verify", root, "--json")
    assert (checked.code, checked.document["ok"], checked.document["running"]) == (0, True, False)
    assert checked.document["ledger_head"] == document["ledger_head"] == Ledger.read(root / "ledger.jsonl").head
    assert checked.document["account"]["captured_ms"] == account["captured_ms"]
    first = segments(root)[0]
    case = facerecon(
        "extract", root / first.path, "--case", tmp_path / "case", "--profile", "fast", "--json", "--quiet"
    )
    assert case.code == 0, case.err
    assert json.loads((tmp_path / "case/case.json").read_text())["source"]["sha256"] == first.sha256


def test_any_change_is_exit_4_and_named(facerecon: Program, clip: Path, live: Live, tmp_path: Path) -> None:
    live.scripts = [[piece(clip, 0, 50), Reset()]]
    root = tmp_path / "c"
    assert facerecon("capture", live.url(), "-o", root, *QUICK, "--no-reconnect").code == 3
    assert facerecon("verify", root).code == 0
    path = root / segments(root)[0].path
    data = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    changed = facerecon("verify", root)
    assert changed.code == 4
    assert f"changed file {segments(root)[0].path}" in changed.error
    path.write_bytes(data)
    for name in ("manifest.json", "capture.json"):
        (root / name).rename(tmp_path / name)
        assert facerecon("verify", root).code == 4
        (tmp_path / name).rename(root / name)
    assert facerecon("verify", root, "--key", tmp_path / "none.pem").code == 2


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["argument", "file", "environment"])
@pytest.mark.parametrize("answer", [200, 401, 404])
def test_no_byte_of_a_password_is_in_any_file_or_output(
    facerecon: Program, clip: Path, live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str, answer: int
) -> None:
    login = {"WWW-Authenticate": 'Basic realm="camera"'} if answer == 401 else {}
    live.scripts = [[Answer(answer, login), piece(clip, 0, 30)], [Answer(answer, login)]]
    url = live.url(f"/live.ts?channel=1&pwd={PASSWORD}", f"operator:{PASSWORD}@")
    given: list[object] = [url] if by == "argument" else []
    if by == "file":
        (tmp_path / "url").write_text(url + "\n")
        given = ["--url-file", tmp_path / "url"]
    if by == "environment":
        monkeypatch.setenv("FACERECON_STREAM_URL", url)
    root = tmp_path / "c"
    done = facerecon("capture", *given, "--output", root, *QUICK, "--no-reconnect", "--json")
    assert done.code == 3
    assert bool(segments(root)) == (answer == 200)
    assert f"http://***@127.0.0.1:{live.port}/live.ts?channel=1&pwd=***" in done.out
    everything = every_byte(root) + (done.out + done.err).encode()
    for secret in (PASSWORD, PASSWORD.replace("~", "%7E"), "operator:"):
        assert secret.encode() not in everything
    assert PASSWORD in live.requests[0][0]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "concat:a|b", "data:,x", "/etc/passwd", "rtmp://u:geheim@h/x"])
def test_other_schemes_are_refused_before_anything_is_made(facerecon: Program, tmp_path: Path, url: str) -> None:
    done = facerecon("capture", url, "--output", tmp_path / "c")
    assert done.code == 2
    assert "rtsp, rtsps, http, https" in done.error
    assert "geheim" not in done.err
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["http://h/x"],
        ["--output", "c"],
        ["http://h/x", "--url-file", "u", "--output", "c"],
        ["http://h/x", "--output", "c", "--segment", "soon"],
        ["http://h/x", "--output", "c", "--duration", "0s"],
        ["http://h/x", "--output", "c", "--timeout", "-1s"],
        ["http://h/x", "--output", "c", "--transport", "multicast"],
        ["https://h/x", "--output", "c", "--ca-file", "missing.pem"],
    ],
)
def test_what_cannot_work_is_one_line_and_exit_2(
    facerecon: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.delenv("FACERECON_STREAM_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    done = facerecon("capture", *arguments)
    assert (done.code, bool(done.error)) == (2, True)
    assert not (tmp_path / "c").exists()


# --- signals and kill -9 ----------------------------------------------------------------------------------------------


def slowly(clip: Path, start_: int, stop: int) -> list[object]:
    """Return a script that sends ten pictures every 0.2 s."""
    return [step for at in range(start_, stop, 10) for step in (piece(clip, at, at + 10), Pause(0.2))]


@pytest.mark.parametrize(
    ("number", "duration", "code", "ending"),
    [
        (signal.SIGINT, [], 0, "stopped"),
        (signal.SIGTERM, [], 0, "stopped"),
        (signal.SIGINT, ["--duration", "1h"], 130, "interrupted"),
    ],
)
def test_a_signal_finishes_the_running_segment(
    started: list[subprocess.Popen[str]], clip: Path, live: Live, tmp_path: Path,
    number: signal.Signals, duration: list[str], code: int, ending: str,
) -> None:  # fmt: skip
    root = tmp_path / "c"
    live.scripts = [[*slowly(clip, 0, 60), Stall()]]
    process = start(started, live.url(), "-o", root, "--min-free-gb", "0", *duration, "--json")
    assert waited(lambda: bool(list(root.glob("segments/.unfinished-*"))), 60)
    assert running(root)
    assert verified(root).running
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert json.loads(out)["ending"] == ending
    assert len(segments(root)) == 1
    assert not segments(root)[0].recovered
    assert finished(root)
    assert not running(root)
    verified(root)


@pytest.mark.parametrize("moment", [0, 1, 3])
def test_after_kill_9_it_goes_on_and_nothing_is_lost_or_twice(
    started: list[subprocess.Popen[str]], facerecon: Program, clip: Path, live: Live, tmp_path: Path, moment: int
) -> None:
    root = tmp_path / "c"
    live.scripts = [[*slowly(clip, 0, 100), Stall()], [piece(clip, 100, 150), Reset()]]
    process = start(started, live.url(), "-o", root, *QUICK)
    assert waited(lambda: (root / "ledger.jsonl").exists() and len(segments(root)) >= moment, 60)
    if moment:
        assert waited(lambda: bool(list(root.glob("segments/.unfinished-*"))), 60)
    before = segments(root)
    process.kill()
    process.communicate()
    assert not running(root)
    assert not finished(root)
    # Killed before its connection, it has left the first script to the second start.
    live.scripts = live.scripts if live.requests else [[piece(clip, 0, 100)], *live.scripts[1:]]
    done = facerecon("capture", live.url(), "-o", root, *QUICK, "--no-reconnect")
    assert done.code == 3, done.err
    verified(root)
    found = segments(root)
    assert found[: len(before)] == before
    kept = [packet for each in found for packet in packets_of(root / each.path)]
    assert len(kept) == len(set(kept))
    whole = packets_of(piece(clip, 0, 100)) + packets_of(piece(clip, 100, 150))
    # The last packet of a torn file may be short.
    torn = {packets_of(root / each.path)[-1] for each in found if each.recovered}
    assert set(kept) - torn <= set(whole)
    assert len(torn) <= 2
    assert [gap.reason for gap in gaps(root)].count("killed") == 1
    spans = sorted((each.begin_ms, each.end_ms) for each in (*found, *gaps(root)))
    assert [end for _, end in spans[:-1]] == [begin for begin, _ in spans[1:]]


def test_a_second_capture_into_the_folder_is_refused(
    started: list[subprocess.Popen[str]], facerecon: Program, clip: Path, live: Live, tmp_path: Path
) -> None:
    root = tmp_path / "c"
    live.scripts = [[*slowly(clip, 0, 30), Stall()]]
    process = start(started, live.url(), "-o", root, "--min-free-gb", "0")
    assert waited(lambda: bool(list(root.glob("segments/.unfinished-*"))), 60)
    refused = facerecon("capture", live.url(), "-o", root)
    assert refused.code == 2
    assert "another process" in refused.error
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0
