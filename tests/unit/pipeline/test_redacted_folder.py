"""What a killed redaction leaves, the next one removes; what a living process holds it does not, nor anything else."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerecon.errors import ResourceError
from facerecon.locks import Held
from facerecon.manifest import verify
from facerecon.pipeline import redacted_folder
from facerecon.pipeline.redacted_folder import PREFIX, clear, unfinished
from tests.unit.pipeline.redacted_cases import HIDDEN, WHY, crowd, redacted

HOLDS = """
import sys
from pathlib import Path
from facerecon.pipeline.redacted_folder import unfinished
with unfinished(Path(sys.argv[1])) as folder:
    folder.mkdir()
    (folder / "a-face.png").write_bytes(b"pixels")
    print("made", flush=True)
    sys.stdin.read()
"""
REDACTS = """
import os, signal, sys
from pathlib import Path
from facerecon.pipeline.redaction import Wish, redact
wish = Wish(("t0001",), (), "why")
redact(Path(sys.argv[1]), Path(sys.argv[2]), wish, lambda _: os.kill(os.getpid(), signal.SIGKILL))
"""


def started(script: str, *arguments: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is making a copy beside `tmp_path / "theirs"`."""
    process = started(HOLDS, tmp_path / "theirs")
    assert process.stdout is not None
    assert process.stdout.readline() == "made\n"
    yield process
    process.kill()
    process.communicate()


def left(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def test_what_a_killed_process_left_is_removed_and_not_before(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    (name,) = left(tmp_path)
    assert name.startswith(PREFIX)
    assert clear(tmp_path) == []
    with unfinished(tmp_path / "ours") as folder:
        folder.mkdir()
    assert left(tmp_path) == [name, "ours"]
    holder.kill()
    holder.wait()
    assert (tmp_path / name / "case/a-face.png").read_bytes() == b"pixels"
    assert clear(tmp_path) == [tmp_path / name]
    assert left(tmp_path) == ["ours"]


def test_a_process_that_ends_well_has_its_copy_and_nothing_else(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    holder.communicate("", timeout=60)
    assert left(tmp_path) == ["theirs"]
    assert left(tmp_path / "theirs") == ["a-face.png"]


def test_the_next_redaction_clears_up_after_one_that_was_killed(tmp_path: Path) -> None:
    root = crowd(tmp_path / "original", explain=False)
    place = tmp_path / "disclosure"
    place.mkdir()
    killed = started(REDACTS, root, place / "copy")
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    (name,) = left(place)
    assert list((place / name).rglob("*.png"))
    redacted(root, place / "copy", hide=(HIDDEN,), reason=WHY)
    assert left(place) == ["copy"]
    verify(place / "copy")


def folder(place: Path, name: str = f"{PREFIX}abcd_123", mode: int = 0o700, *held: str) -> Path:
    made = place / name
    made.mkdir()
    for each in held:
        (made / each).mkdir()
    made.chmod(mode)
    return made


@pytest.mark.parametrize(
    ("name", "mode", "held"),
    [
        ("redact-abcd_123", 0o700, ()),
        (f"{PREFIX}mine", 0o700, ()),
        (f"{PREFIX}abcd_123.bak", 0o700, ()),
        (f"{PREFIX}abcd_123", 0o755, ("case",)),
        (f"{PREFIX}abcd_123", 0o700, ("case", "notes")),
        (f"{PREFIX}abcd_123", 0o700, ("holiday",)),
    ],
)
def test_what_no_redaction_made_stays(tmp_path: Path, name: str, mode: int, held: tuple[str, ...]) -> None:
    made = folder(tmp_path, name, mode, *held)
    assert clear(tmp_path) == []
    assert sorted(left(made)) == sorted(held)


def test_files_links_and_what_links_lead_to_stay(tmp_path: Path) -> None:
    elsewhere = folder(tmp_path, "elsewhere")
    (elsewhere / "case").mkdir()
    (elsewhere / "case/evidence").write_text("x")
    (tmp_path / f"{PREFIX}aaaaaaaa").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}bbbbbbbb").write_text("x")
    assert clear(tmp_path) == []
    made = folder(tmp_path)
    (made / "case").symlink_to(elsewhere)
    assert clear(tmp_path) == [made]
    assert (elsewhere / "case/evidence").read_text() == "x"


def test_an_empty_one_is_removed(tmp_path: Path) -> None:
    made = folder(tmp_path)
    assert clear(tmp_path) == [made]
    assert left(tmp_path) == []


def test_a_folder_that_another_process_took_for_left_behind_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making and locking its folder a redaction can lose it to one that tidies up."""
    taken, seen = redacted_folder._taken, []

    def slow(path: Path) -> Held | None:
        seen.append(path)
        if len(seen) == 1:
            path.rmdir()
        return taken(path)

    monkeypatch.setattr(redacted_folder, "_taken", slow)
    with unfinished(tmp_path / "copy") as made:
        made.mkdir()
    assert left(tmp_path) == ["copy"]
    assert len(seen) == 2


def test_where_nothing_can_be_locked_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redacted_folder, "_taken", lambda _: None)
    with pytest.raises(ResourceError, match="can be locked; choose another place"), unfinished(tmp_path / "copy"):
        raise AssertionError
    assert left(tmp_path) == []
