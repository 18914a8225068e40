"""An enrolment that is killed has what was on the disk, and the next one goes on: same entries, vectors and crops."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from facerecon.errors import Interrupted
from facerecon.gallery import read_store
from facerecon.pipeline import enrolment, galleries
from facerecon.pipeline.galleries import Enrolment, Statement, enroll_into
from facerecon.records import Embedding, FaceView
from tests.fakes import FakeRecognizer, picture
from tests.unit.gallery.test_enrolment import person, tools
from tests.unit.gallery.test_gallery_reading import save

COMMITTED = ("entries.jsonl", "vectors.npy", "refused.jsonl", "suspects.json")


class Batched(FakeRecognizer):
    """Vectors that depend on what else is in the batch; dies, or is interrupted, before the nth batch."""

    def __init__(self, last: int | None = None, *, kill: bool = True) -> None:
        super().__init__(threshold=0.5)
        self.faces, self._left, self._kill = 0, last, kill

    def embed(self, faces: Sequence[FaceView]) -> list[Embedding]:
        if self._left == 0:
            if self._kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise Interrupted("stopped by Ctrl-C")
        self._left = None if self._left is None else self._left - 1
        self.faces += len(faces)
        made = super().embed(faces)
        mix = np.float32(0.001) * np.mean([each.vector for each in made], axis=0)
        return [Embedding(each.model, each.vector + mix.astype(np.float32), each.metric) for each in made]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """21 persons with a picture each, of whom two look alike; files without a face, and a file under two names."""
    for module in (enrolment, galleries):
        monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(galleries, "PART", 4)
    folder = tmp_path / "s"
    for number in range(21):
        person(folder / f"{number:02d}-p.png", (90 + 7 * number, 250 - 9 * number, 120), background=20 + number)
    person(folder / "03-alike.png", (90, 250, 121), background=99)
    (folder / "07-copy.png").write_bytes((folder / "02-p.png").read_bytes())
    for number in (0, 5, 6, 19):
        save(folder / f"{number:02d}-empty.png", picture(background=number))
    (folder / "suspects.json").write_text(json.dumps([{"name": "04-p", "id": "S4"}]))
    return folder


def enrolled(folder: Path, source: Path, recognizer: Batched) -> Enrolment:
    return enroll_into(folder, [source], Statement(), tools(recognizer, "recognize.threshold=0.5"))


def contents(folder: Path) -> dict[str, bytes]:
    store = read_store(folder)
    for entry in store.entries:
        store.crop(entry)
    files = [*(folder / name for name in COMMITTED), *sorted((folder / "pictures").iterdir())]
    return {path.name: path.read_bytes() for path in files}


def killed(folder: Path, source: Path, batches: int) -> None:
    child = os.fork()
    if not child:
        try:
            enrolled(folder, source, Batched(batches))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def lines(folder: Path) -> list[dict[str, object]]:
    return [dict(line.details) for line in read_store(folder).ledger.entries if line.action == "gallery.enrolled"]


def test_a_large_enrolment_goes_to_the_disk_in_parts_that_add_up(source: Path, tmp_path: Path) -> None:
    done = enrolled(tmp_path / "g", source, Batched())
    assert (done.requested, len(done.enrolled), len(done.refused), len(done.duplicates)) == (27, 22, 4, 1)
    found = lines(tmp_path / "g")
    assert [len(list(line["sha256"])) for line in found] == [4, 4, 4, 4, 4, 2]  # type: ignore[call-overload]
    assert [line.get("more_follows", False) for line in found] == [True] * 5 + [False]
    for key, count in (("requested", 27), ("refused", 4), ("duplicates", 1)):
        assert sum(line[key] for line in found) == count  # type: ignore[misc]
    assert len(done.alike) == sum(len(list(line["alike"])) for line in found) > 1  # type: ignore[call-overload]
    assert done.went_on == 0


@pytest.mark.parametrize("batches", [1, 2, 3, 7, 10])
def test_a_killed_enrolment_goes_on_to_the_same_gallery(batches: int, source: Path, tmp_path: Path) -> None:
    whole = enrolled(tmp_path / "whole", source, Batched())
    killed(tmp_path / "g", source, batches)
    kept = batches // 2 * 4
    if kept:
        assert len(read_store(tmp_path / "g").entries) == kept
        assert read_store(tmp_path / "g").entries[-1].person_id in ("S4", None)
    second = Batched()
    done = enrolled(tmp_path / "g", source, second)
    assert second.faces == 22 - kept
    assert contents(tmp_path / "g") == contents(tmp_path / "whole")
    assert (done.went_on, done.requested, len(done.duplicates)) == (kept, 27, 1 + kept)
    assert done.alike == whole.alike


def test_who_is_killed_twice_loses_nothing_twice(source: Path, tmp_path: Path) -> None:
    whole = enrolled(tmp_path / "whole", source, Batched())
    for _ in range(2):
        killed(tmp_path / "g", source, 5)
    assert len(read_store(tmp_path / "g").entries) == 16
    done = enrolled(tmp_path / "g", source, Batched())
    assert contents(tmp_path / "g") == contents(tmp_path / "whole")
    assert (done.alike, done.went_on) == (whole.alike, 16)
    assert enrolled(tmp_path / "g", source, Batched(0)).went_on == 0


def test_an_interrupted_enrolment_keeps_its_parts_and_no_stray_crop(source: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        enrolled(tmp_path / "g", source, Batched(3, kill=False))
    store = read_store(tmp_path / "g")
    assert len(store.entries) == len(list((tmp_path / "g/pictures").iterdir())) == 4
    with pytest.raises(Interrupted):
        enrolled(tmp_path / "none", source, Batched(1, kill=False))
    assert not (tmp_path / "none").exists()


def test_the_parts_of_a_large_gallery_grow_with_it(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(galleries, "_SHARE", 1)
    enrolled(tmp_path / "g", source, Batched())
    assert [len(list(line["sha256"])) for line in lines(tmp_path / "g")] == [4, 4, 8, 6]  # type: ignore[call-overload]
