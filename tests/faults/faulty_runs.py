"""A clip with people, a gallery, and runs over them that can be ended or hindered: what the fault tests start from."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from facerecon.case import Case
from facerecon.durable import TEMPORARY
from facerecon.manifest import verify
from facerecon.pictures import encode_png
from facerecon.records import RGB
from tests.fakes import OTHER, SKIN, picture

ROOT = Path(__file__).resolve().parents[2]
STEPS = "enhance.steps=[{kind: gamma, gamma: 2}, {kind: restore, model: restorer-unet}]"
SETTINGS = (
    STEPS,
    "extract.motion.enabled=false",
    "detect.batch=2",
    "enhance.fuse.scale=2",
    "shots.best=2",
    "shots.burst=3",
    "enhance.shots=2",
    "track.max_gap_s=0.2",
)


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code, negative for a signal, what it printed, and how many moments it had.

    `stages`: the first moment after a stage's first ledger line, and the first of its last one.
    """

    code: int
    out: str
    err: str
    seconds: float
    moments: int = 0
    stages: dict[str, list[int]] = field(default_factory=dict)

    @property
    def error(self) -> str:
        """The error line, after checking that there is exactly one and no traceback."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err, self.err
        return lines[0]


class Launcher:
    """Starts runs of `facerecon run` one after the other; see `tests.faults.run_launcher`."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self.folder = process, folder
        self._stages: dict[str, list[int]] = {}
        self.clip, self.gallery = folder / "clip.mkv", folder / "gallery"

    def run(self, case: Path, *, clip: Path | None = None, more: tuple[str, ...] = (), **job: Any) -> Ended:
        """Run the whole job on a case, as the command line does."""
        settings = [part for setting in SETTINGS for part in ("--set", setting)]
        source = ["run", str(clip or self.clip), "--case", str(case), "--gallery", str(self.gallery)]
        arguments = [*source, "--profile", "standard", "--no-pdf", "--quiet", "--case-id", "C", *settings, *more]
        return self.job(arguments, **job)

    def moments_of(self, stage: str) -> int:
        """Return how many moments an undisturbed run of a stage has, without the seal of its first ledger line."""
        if not self._stages:
            ended = self.run(self.folder / "moments")
            assert ended.code == 0, ended.err
            self._stages = ended.stages
        begun, last = self._stages[stage]
        return last - begun

    def job(self, arguments: list[str], **job: Any) -> Ended:
        """Run any command."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        document = {"arguments": arguments, "folder": str(self.folder), **job}
        self._process.stdin.write(json.dumps(document) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


@contextmanager
def launcher(folder: Path) -> Iterator[Launcher]:
    """Draw clip and gallery into a folder, and keep a launcher running."""
    write_clip(folder / "clip.mkv", people())
    for name, colour in (("Ada/1.png", SKIN), ("Bob.png", OTHER)):
        (folder / "gallery" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "gallery" / name).write_bytes(encode_png(picture(faces=[(40, 20, 80)], colours=[colour]), {}))
    command = [sys.executable, "-m", "tests.faults.run_launcher"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Launcher(process, folder)
        finally:
            process.kill()


def people() -> list[RGB]:
    """Draw three persons who walk through the picture one after the other."""
    walks = [
        picture(faces=[(5 + 5 * n, 30, 34 + person)], colours=[colour], background=30 + 15 * (n % 2))
        for person, colour in enumerate((SKIN, OTHER, SKIN))
        for n in range(10)
    ]
    return [*walks[:10], *[picture()] * 4, *walks[10:20], *[picture()] * 4, *walks[20:]]


def write_clip(path: Path, frames: list[RGB]) -> Path:
    """Write frames losslessly, 10 a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "bgr0"
        stream.time_base = Fraction(1, 1000)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
            frame.pts, frame.time_base = 100 * number, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def results(root: Path) -> dict[str, str]:
    """Return the digests of all that a case holds of the evidence: records and pictures, after verifying it."""
    verify(root)
    with Case.view(root) as case:
        found = case.digests()
    return {name: digest for name, digest in found.items() if name != "case.json" and not name.startswith("report/")}


def strays(root: Path) -> list[Path]:
    """Return every file and folder that only a running stage may have."""
    return [path for path in root.rglob("*") if path.name.startswith(TEMPORARY) or path.name == ".work"]
