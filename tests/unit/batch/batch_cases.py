"""Runners that a batch's workers open in tests, named by import path: no model, real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from facerecon.batch.units import BEGUN, Event, Hear, Note, Opening, Progress, Unit, attempt
from facerecon.commands.batch_worker import CaseRunner
from facerecon.commands.stages import run_enroll
from facerecon.errors import EvidenceError, UsageError
from facerecon.interruption import check_wanted
from facerecon.records import RGB, Detection
from tests.fakes import OTHER, FakeDetector, FakeRecognizer, picture
from tests.unit.pipeline.stage_cases import save, walk

HERE = "tests.unit.batch.batch_cases"


class Scripted:
    """Does what the name of the source says: die, fail, bug, memory, wait; anything else is done."""

    def __init__(self, options: Mapping[str, Any], hear: Hear) -> None:
        self.options, self.hear = options, hear
        if options.get("refuse"):
            raise UsageError("the gallery holds nobody")
        if options.get("die"):
            os._exit(9)
        self.units = 0

    def run(self, unit: Unit) -> Mapping[str, Any]:
        self.units += 1
        name = Path(unit.source).name
        self.hear(Progress(unit.number, "extract", 1, 2))
        if "die" in name:
            os._exit(7)
        if "kill" in name:
            os.kill(os.getpid(), signal.SIGKILL)
        if "fail" in name:
            raise EvidenceError(f"source {name} cannot be read")
        if "bug" in name:
            raise ZeroDivisionError(name)
        if "memory" in name:
            raise MemoryError
        if "note" in name:
            self.hear(Note("a remark"))
        if "wait" in name:
            (Path(self.options["folder"]) / f"{name}.waits").touch()
            time.sleep(600)
        return {
            "process": os.getpid(),
            "units": self.units,
            "waits": os.environ.get("OMP_WAIT_POLICY"),
            "counts": {"tracks": len(name)},
            "whole": True,
        }


class InlineEngine:
    """An engine without processes: opens the runner here."""

    def __init__(self, opening: Opening, jobs: int) -> None:
        self.opening, self.stopped = opening, False

    def run(self, units: Sequence[Unit]) -> Iterator[Event]:
        heard: list[Event] = []
        runner = self.opening.open(heard.append)
        for unit in units:
            if self.stopped:
                return
            yield Progress(unit.number, BEGUN, 0, None)
            outcome = attempt(runner, unit)
            yield from heard
            heard.clear()
            yield outcome

    def stop(self) -> None:
        self.stopped = True


def take_long() -> None:
    """Take minutes, as a detector may for many pictures, and ask between two of them whether anybody waits for it."""
    for _ in range(30_000):
        check_wanted()
        time.sleep(0.02)


class FakeCases(CaseRunner):
    """Makes real cases with engines without torch. The name of a source says what happens in the middle of it."""

    def __init__(self, options: Mapping[str, Any], hear: Hear) -> None:
        with contextlib.suppress(KeyError):
            (Path(os.environ["BATCH_TEST_FOLDER"]) / f"opened-{os.getpid()}").touch()
        self._name = ""
        super().__init__({**options, "gallery": None}, hear)
        bench: dict[str, Any] = self._bench.__dict__
        bench |= {"detector": self, "recognizer": FakeRecognizer(), "_runtime": {}}
        if options["gallery"]:
            self._bench.calibrations(())
            self._gallery = run_enroll(self._bench, Path(options["gallery"]))

    stamp = FakeDetector().stamp

    def run(self, unit: Unit) -> Mapping[str, Any]:
        self._name = Path(unit.source).name
        return super().run(unit)

    def detect(self, images: Sequence[RGB]) -> list[tuple[Detection, ...]]:
        if "BATCH_TEST_CALM" not in os.environ:
            if "die" in self._name:
                os._exit(7)
            if "interrupt" in self._name:
                raise KeyboardInterrupt
            if "wait" in self._name:
                (Path(os.environ["BATCH_TEST_FOLDER"]) / "waits").touch()
                take_long()
        return FakeDetector().detect(images)


def still(path: Path, seed: int = 0) -> Path:
    """A picture of one person; another `seed` is another file."""
    return save(path, picture(faces=[(40, 20, 60)], background=30 + seed))


def moving(path: Path, frames: int = 6) -> Path:
    """Somebody who walks, as an animated GIF of 0.1 s a frame."""
    pictures = [Image.fromarray(each) for each in walk(frames)]
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100, loop=0)
    return path


def known_people(folder: Path) -> Path:
    """A gallery of Ada, who is in every picture, and Bob, who is in none."""
    save(folder / "Ada/1.png", picture(faces=[(40, 20, 80)]))
    save(folder / "Bob.png", picture(faces=[(40, 20, 80)], colours=[OTHER]))
    return folder
