"""The commands on cases from somebody else: one line, the right exit code, and nothing that acts on the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import call
from tests.safety.safety_cases import PICTURE, contents, copied, forged


def traversal(root: Path) -> None:
    forged(root, {**contents(root), "../../etc/passwd": b"x"})


def absolute(root: Path) -> None:
    forged(root, {**contents(root), "/etc/passwd": b"x"})


def linked(root: Path) -> None:
    (root / PICTURE).unlink()
    (root / PICTURE).symlink_to("/etc/passwd")


def piped(root: Path) -> None:
    (root / PICTURE).unlink()
    os.mkfifo(root / PICTURE)


def named_to_act(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/faces/\xff\x1b[2J\nverified [bold] [")).touch()


def nested(root: Path) -> None:
    (root / "case.json").write_bytes(b"[" * 1_000_000)


def endless(root: Path) -> None:
    with (root / "ledger.jsonl").open("ab") as stream:
        stream.truncate(1 << 40)


def stated_to_act(root: Path) -> None:
    forged(root, contents(root), state="[/bold]\x1b[2J")


ATTACKS = (traversal, absolute, linked, piped, named_to_act, nested, endless, stated_to_act)
COMMANDS = {
    "verify": ("verify", "{case}"),
    "verify --json": ("verify", "{case}", "--json"),
    "report": ("report", "{case}"),
    "enhance": ("enhance", "{case}"),
    "case export": ("case", "export", "{case}", "--case-uco", "{out}"),
    "case package": ("case", "package", "{case}", "{out}"),
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda each: each.__name__)
def test_every_command_refuses_a_hostile_case_in_one_line(attack: Callable[[Path], None], tmp_path: Path) -> None:
    root = copied(tmp_path)
    attack(root)
    before = sorted(tmp_path.rglob("*"))
    for name, arguments in COMMANDS.items():
        given = [each.format(case=root, out=tmp_path / "out") for each in arguments]
        outcome = call(*given)
        assert outcome.code == 4, (name, outcome.err)
        assert outcome.error
        for stream in (outcome.out, outcome.err):
            assert not {"\x1b", "\udcff"} & set(stream), name
            assert "Traceback" not in stream
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("path", ["/", "/dev/null", "/dev/zero", "n" * 300, "nothing\x1b[2J"])
def test_what_is_no_case_is_a_usage_error(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (("verify",), ("report",), ("case", "info")):
        outcome = call(*command, path)
        assert outcome.code in (2, 3), outcome.err
        assert "\x1b" not in outcome.err
