"""Running the program in this process (so the network stays blocked), and one finished case that many tests look at."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from facerecon.commands.main import run
from facerecon.demo import render_clip, write_gallery


@dataclass(frozen=True)
class Outcome:
    """What a call of the program left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The error line, unwrapped, after checking that there is exactly one."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        return lines[0]


Program = Callable[..., Outcome]


def call(*arguments: object) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return Outcome(code, out.getvalue(), err.getvalue())


@pytest.fixture
def facerecon() -> Program:
    return call


@dataclass(frozen=True)
class Sample:
    """The demo's clip and gallery, and the case made from them with --json."""

    clip: Path
    gallery: Path
    case: Path
    document: dict[str, Any]


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("demo")
    outcome = call("demo", "--folder", folder / "d", "--json", "--quiet")
    assert outcome.code == 0, outcome.err
    return Sample(folder / "d/cam03.mp4", folder / "d/gallery", folder / "d/case", outcome.document)


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's clip alone, for runs with cheap settings."""
    return render_clip(tmp_path_factory.mktemp("clip") / "clip.mp4").path


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery") / "g"
    write_gallery(folder)
    return folder
