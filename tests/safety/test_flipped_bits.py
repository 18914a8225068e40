"""Any change to any file of a case is found by `verify`, and a case that nobody touched always verifies."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerecon.case import Case
from facerecon.hashing import sha256_bytes
from facerecon.ledger import Ledger
from facerecon.manifest import CaseProblemsError, verify
from tests.safety.safety_cases import PICTURE, contents, copied, made, sealed_over

TRIALS = 500


def test_500_random_flipped_bits_are_all_found_and_the_case_verifies_before_and_after(tmp_path: Path) -> None:
    root, rng = copied(tmp_path), random.Random(6)
    # An empty file has no bit to flip.
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.stat().st_size)
    assert len(files) > 30
    verify(root)
    for trial in range(TRIALS):
        # All files in turn, then at random: a long file shall not hide the short ones.
        path = files[trial] if trial < len(files) else rng.choice(files)
        content = path.read_bytes()
        place = rng.randrange(8 * len(content))
        changed = bytearray(content)
        changed[place // 8] ^= 1 << (place % 8)
        path.write_bytes(changed)
        with pytest.raises(CaseProblemsError):
            verify(root)
        path.write_bytes(content)
        if trial % 25 == 0:
            verify(root)
    verify(root)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=40)), max_size=6), st.integers(1, 3))
def test_a_valid_case_never_fails(pictures: list[tuple[int, bytes]], runs: int) -> None:
    with TemporaryDirectory() as folder:
        root = made(Path(folder) / "case")
        for number in range(runs):
            with Case.open(root) as case, case.stage("enhance", {"n": number}, {}) as run:
                for name, data in dict(pictures).items():
                    run.write(f"faces/t{name:04d}/enhanced{run.suffix}.png", data)
        verify(root)
        with Case.view(root) as case:
            assert all(case.bytes_of(name) == data for name, data in contents(root).items())


# --- structure: what somebody does who understands the files ----------------------------------------------------------


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("pristine") / "case")


def lines_of(root: Path) -> list[bytes]:
    return (root / "ledger.jsonl").read_bytes().splitlines(keepends=True)


def dropped(root: Path, pick: random.Random) -> None:
    lines = lines_of(root)
    del lines[pick.randrange(len(lines))]
    (root / "ledger.jsonl").write_bytes(b"".join(lines))


def doubled(root: Path, pick: random.Random) -> None:
    lines = lines_of(root)
    lines.insert(pick.randrange(len(lines) + 1), pick.choice(lines))
    (root / "ledger.jsonl").write_bytes(b"".join(lines))


def swapped_lines(root: Path, pick: random.Random) -> None:
    lines = lines_of(root)
    a, b = pick.sample(range(len(lines)), 2)
    lines[a], lines[b] = lines[b], lines[a]
    (root / "ledger.jsonl").write_bytes(b"".join(lines))


def swapped_files(root: Path, pick: random.Random) -> None:
    files = contents(root)
    a, b = pick.sample(sorted(files), 2)
    (root / a).write_bytes(files[b])
    (root / b).write_bytes(files[a])


def renamed(root: Path, pick: random.Random) -> None:
    name = pick.choice(sorted(contents(root)))
    (root / name).rename(root / f"{name}x")


def shortened(root: Path, pick: random.Random) -> None:
    name = pick.choice(sorted([*contents(root), "ledger.jsonl", "manifest.json"]))
    data = (root / name).read_bytes()
    (root / name).write_bytes(data[: pick.randrange(len(data))])


def added(root: Path, pick: random.Random) -> None:
    (root / pick.choice(["", "faces/", "records/"]) / "new").write_bytes(b"")


CHANGES = (dropped, doubled, swapped_lines, swapped_files, renamed, shortened, added)


@settings(max_examples=60)
@given(
    changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=2, unique=True),
    pick=st.randoms(use_true_random=False),
    seal=st.booleans(),
)
def test_structural_changes_are_found_even_under_a_manifest_that_is_sealed_anew(
    pristine: Path, changes: list[Callable[[Path, random.Random], None]], pick: random.Random, seal: bool
) -> None:
    with TemporaryDirectory() as folder:
        root = Path(shutil.copytree(pristine, Path(folder) / "case"))
        before = snapshot(root)
        for change in changes:
            change(root, pick)
        if seal:
            sealed_if_possible(root)
        # One change can undo the other, and a manifest that is sealed over the same files is the same manifest.
        if {**snapshot(root), "manifest.json": b""} == {**before, "manifest.json": b""}:
            return
        with pytest.raises(CaseProblemsError):
            verify(root)


def snapshot(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def sealed_if_possible(root: Path) -> None:
    try:
        ledger = Ledger.read(root / "ledger.jsonl")
    except Exception:
        return
    if ledger.entries:
        sealed_over(root, ledger, contents(root))


# --- what verification alone does not show ----------------------------------------------------------------------------


def test_a_case_that_was_cut_back_consistently_verifies_and_only_its_head_tells(tmp_path: Path) -> None:
    root = made(tmp_path / "case")
    head = verify(root).ledger_head
    ledger = Ledger(Ledger.read(root / "ledger.jsonl").entries[:1])
    files = {name: data for name, data in contents(root).items() if name in ledger.outputs}
    for name in contents(root).keys() - files.keys():
        (root / name).unlink()
    sealed_over(root, ledger, files)
    assert verify(root).ledger_head != head


def test_a_case_that_was_rewritten_as_a_whole_verifies_and_only_its_head_tells(tmp_path: Path) -> None:
    root = made(tmp_path / "case")
    head = verify(root).ledger_head
    (root / PICTURE).write_bytes(b"forged")
    forgery, stated = Ledger(), contents(root)
    for entry in Ledger.read(root / "ledger.jsonl").entries:
        outputs = {
            name: (sha256_bytes(stated[name]) if name == PICTURE else kept) for name, kept in entry.outputs.items()
        }
        forgery.append(entry.action, entry.details, entry.inputs, outputs)
    sealed_over(root, forgery, stated)
    assert verify(root).ledger_head != head
