"""The process that sets a PDF: same bytes, nothing left behind, and it never outlives whoever asked for it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import report_example as example

from facerecon.errors import ResourceError
from facerecon.report.pdf import STANDARDS, TEMPLATE, render_pdf
from facerecon.report.typesetting import Typesetter, TypesettingError, typesetter

DATE = datetime(2024, 5, 2, 8, 6, tzinfo=UTC)
PLAIN = '#set document(title: "a")\n#set text(lang: "en")\n= Title\nwords'
ENDLESS = "#for a in range(9999) { for b in range(9999) { let c = a + b } }"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

PROGRAM = """
import signal, sys
from datetime import UTC, datetime
from facerecon.report.typesetting import typesetter
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.default_int_handler)
with typesetter() as setter:
    (setter.folder / "a.typ").write_text(sys.argv[1])
    print(setter._process.pid, flush=True)
    if sys.argv[2] == "wait":
        sys.stdin.read()
    setter.begin("a.typ", [], datetime(2024, 1, 1, tzinfo=UTC))
    setter.finished()
"""


def set_by(setter: Typesetter, standards: Sequence[str] = ()) -> bytes:
    setter.begin("a.typ", standards, DATE)
    return setter.finished()


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made, also by the programs that a test starts."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def program(text: str, what: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a program that sets a document; return it, and the process that it has started."""
    command = [sys.executable, "-c", PROGRAM, text, what]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert started.stdout is not None
    return started, int(started.stdout.readline())


def waited(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


def gone(pid: int) -> bool:
    """Say whether a process has ended; one that nobody has waited for yet counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def processor_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.fixture
def setter(scratch: Path) -> Iterator[Typesetter]:
    with typesetter() as made:
        yield made


# --- what it makes ----------------------------------------------------------------------------------------------------


def test_the_bytes_are_those_of_typst_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typst

    original, dates = Typesetter.begin, []

    def kept(setter: Typesetter, template: str, standards: tuple[str, ...], date: datetime) -> None:
        shutil.copytree(setter.folder, tmp_path / "kept")
        dates.append(date)
        original(setter, template, standards, date)

    monkeypatch.setattr(Typesetter, "begin", kept)
    made = render_pdf(example.full_case())
    here = typst.compile(
        tmp_path / "kept" / TEMPLATE,
        root=tmp_path / "kept",
        format="pdf",
        ignore_system_fonts=True,
        pdf_standards=[*STANDARDS],
        timestamp=dates[0],
    )
    assert made == here


def test_whoever_asks_never_loads_typst() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import report_example as example\n"
        "from facerecon.report.pdf import render_pdf\n"
        "assert render_pdf(example.no_face_case()).startswith(b'%PDF-')\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('typst', 'torch')))"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_surroundings_do_not_change_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scratch: Path, setter: Typesetter
) -> None:
    (setter.folder / "a.typ").write_text(PLAIN)
    usual = set_by(setter, STANDARDS)
    for name in ("typst", "json", "signal"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    for name, value in {"SOURCE_DATE_EPOCH": "1", "TYPST_FONT_PATHS": str(tmp_path), "PYTHONSTARTUP": "x.py"}.items():
        monkeypatch.setenv(name, value)
    with typesetter() as other:
        (other.folder / "a.typ").write_text(PLAIN)
        assert set_by(other, STANDARDS) == usual


def test_a_document_reads_nothing_outside_its_folder(tmp_path: Path, setter: Typesetter) -> None:
    (tmp_path / "secret").write_text("x")
    (setter.folder / "a.typ").write_text('#read("../../secret")')
    with pytest.raises(TypesettingError):
        set_by(setter, [])


def test_a_refusal_is_in_typsts_words(setter: Typesetter) -> None:
    (setter.folder / "a.typ").write_text('#panic("so not")')
    with pytest.raises(TypesettingError, match="so not"):
        set_by(setter, [])


def test_what_typst_cannot_take_is_one_error(setter: Typesetter) -> None:
    (setter.folder / "a.typ").write_text(PLAIN)
    with pytest.raises(ResourceError, match=r"^the PDF cannot be set \(.+\); use --no-pdf"):
        set_by(setter, ["no-such-standard"])


# --- how it ends ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, OSError])
def test_nothing_is_left_however_the_block_ends(scratch: Path, error: type[BaseException] | None) -> None:
    found = []
    try:
        with typesetter() as setter:
            found.append(setter._process)
            (setter.folder / "a.typ").write_text(PLAIN)
            if error is not None:
                raise error
            set_by(setter, [])
    except (KeyboardInterrupt, OSError):
        assert error is not None
    assert found[0].returncode is not None
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_dies_is_one_error(scratch: Path, number: signal.Signals) -> None:
    with typesetter() as setter:
        (setter.folder / "a.typ").write_text(PLAIN)
        os.kill(setter._process.pid, number)
        setter._process.wait()
        with pytest.raises(ResourceError, match=rf"ended in the middle of it \({number.name}.*--no-pdf"):
            set_by(setter, [])
    assert list(scratch.iterdir()) == []


def test_a_process_that_cannot_be_started_is_one_error(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(scratch / "python"))
    with pytest.raises(ResourceError, match="no process can be started to set the PDF"):
        render_pdf(example.no_face_case())
    assert list(scratch.iterdir()) == []


@LINUX
def test_signals_are_for_whoever_asked(setter: Typesetter) -> None:
    def ignored() -> bool:
        lines = Path(f"/proc/{setter._process.pid}/status").read_text().splitlines()
        mask = next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn"))
        return all(mask >> (number - 1) & 1 for number in (signal.SIGINT, signal.SIGTERM))

    assert waited(ignored)
    (setter.folder / "a.typ").write_text(PLAIN)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(setter._process.pid, number)
    assert set_by(setter, []).startswith(b"%PDF-")


def test_it_is_no_part_of_the_terminals_group(setter: Typesetter) -> None:
    assert os.getpgid(setter._process.pid) != os.getpgid(0)


@LINUX
@pytest.mark.parametrize(("text", "what"), [(PLAIN, "wait"), (ENDLESS, "set")])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_whoever_asked_and_leaves_nothing(
    scratch: Path, text: str, what: str, number: signal.Signals
) -> None:
    started, pid = program(text, what)
    with started:
        # A second of its own is more than it takes to start: then it is in the middle of the endless document.
        assert what == "wait" or waited(lambda: processor_ticks(pid) > os.sysconf("SC_CLK_TCK"))
        assert not gone(pid)
        started.send_signal(number)
        assert started.wait(timeout=30) != 0
    assert waited(lambda: gone(pid))
    assert waited(lambda: not list(scratch.iterdir()))
