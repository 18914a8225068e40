"""Documents from outside, whatever they hold: a valid object, or our error in one line. Nothing else, and no hang."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from facerecon.characters import inert
from facerecon.errors import FacereconError, IntegrityError, ProfileError, ResourceError, UsageError
from facerecon.gallery.suspects import people, read_suspects
from facerecon.ledger import Ledger
from facerecon.profiles import Profile, load_profile, read_profile, shipped_profiles, validate
from facerecon.profiles.loading import overridden
from facerecon.resources import data_folder
from facerecon.weights.registry import Registry, load_registry

OFTEN = settings(max_examples=150, deadline=60_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
HURTFUL = (
    b"\x00",
    b"\xff\xfe",
    b"&a [*a]",
    b"!!python/name:os.system",
    b"{",
    b"[",
    b"- ",
    b"\n",
    b"\t",
    b'"',
    b"1e400",
)
HURTFUL += (b"-0", b"NaN", b".inf", b"9" * 30, b"2001-02-30", b"<<: *x", b"? ", b"\xed\xa0\x80", b"\\ud800", b"---\n")
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def edited(draw: st.DrawFn, whole: bytes) -> bytes:
    """Return a valid document with some edits: bytes changed, cut out, repeated, or something hurtful put in."""
    data = whole
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from((0, 1, 1, 8, 200)))
        put = draw(st.sampled_from((b"", data[at : at + length] * 2, *HURTFUL)) | st.binary(max_size=4))
        data = data[:at] + put + data[at + length :]
    return data


def documents(whole: bytes) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=200) | edited(whole) | PLAIN.map(lambda data: yaml.safe_dump(data).encode())


def is_ours(read: Callable[[], object], kind: type, error: type[FacereconError]) -> None:
    """Make sure that reading gives an object of a kind, or an error of a kind in one line."""
    try:
        assert isinstance(read(), kind)
    except error as raised:
        # As the console shows it.
        assert len(inert(str(raised)).splitlines()) == 1


STANDARD = shipped_profiles()["standard"].read_bytes()
RESOLVED = load_profile("standard").resolved()
REGISTRY = (data_folder("weights") / "registry.yaml").read_bytes()
SUSPECTS = json.dumps([{"name": "Mustermann", "id": 7, "status": "wanted"}, {"name": "Doe", "id": "x"}]).encode()


def _ledger() -> bytes:
    ledger = Ledger()
    for number in range(3):
        ledger.append("extract.started", {"run": number, "share": 0.5}, {"source": "0" * 64}, {"a/b.png": "1" * 64})
    return ledger.to_bytes()


@OFTEN
@given(documents(STANDARD))
@example(b"schema: 1\nname: &a [*a]\n")
@example(b"{" * 5000)
@example(b"{" * 250_000)
@example(b"[{" * 120_000)
def test_any_profile_is_one_or_an_error_that_names_it(data: bytes) -> None:
    is_ours(lambda: read_profile(data, "p.yaml"), Profile, ProfileError)


@OFTEN
@given(st.text(max_size=40) | edited(b"extract.sample={fps: 2}").map(lambda data: data.decode(errors="replace")))
def test_any_override_is_one_or_an_error(override: str) -> None:
    plain = copy.deepcopy(RESOLVED)
    is_ours(lambda: validate(overridden(plain, (override,)), "standard"), Profile, ProfileError)


@OFTEN
@given(documents(_ledger()))
def test_any_ledger_verifies_or_is_an_error(data: bytes) -> None:
    is_ours(lambda: Ledger.parse(data, Path("case/ledger.jsonl")), Ledger, IntegrityError)


@OFTEN
@given(documents(SUSPECTS) | PLAIN.map(lambda data: json.dumps(data, default=str).encode()))
@example(b"[" * 100_000)
@example(b'[{"name": "\\ud800"}]')
@example(b'[{"name": "a", "id": ' + b"9" * 5000 + b"}]")
def test_any_suspects_file_is_one_or_an_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "suspects.json"
    path.write_bytes(data)
    is_ours(lambda: people(read_suspects(path) or b"[]"), dict, UsageError)


def _registry(folder: Path, data: bytes) -> None:
    path = folder / "registry.yaml"
    path.write_bytes(data)
    is_ours(lambda: load_registry(path), Registry, ResourceError)


@OFTEN
@given(
    edited(REGISTRY[:3000]).filter(lambda data: b"[[[" not in data) | PLAIN.map(lambda d: yaml.safe_dump(d).encode())
)
def test_any_registry_is_one_or_an_error(tmp_path: Path, data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        # See the test below.
        return
    _registry(tmp_path, data)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"[" * 1000, b"a: 2001-02-30\n"], ids=["no text", "deep", "no date"])
def test_a_registry_that_is_no_text_or_nested_too_deeply_is_an_error(tmp_path: Path, data: bytes) -> None:
    _registry(tmp_path, data)
