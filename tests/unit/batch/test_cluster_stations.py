"""What stands on a node of a cluster, without a cluster: what it refuses, and what is said where Ray is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from facerecon.batch import cluster_station
from facerecon.batch.cluster_station import Check, Message, Station, differences, size_of
from facerecon.batch.stores import Stated
from facerecon.batch.units import Opening, Unit
from facerecon.commands.batch_cluster import DESCRIBE, describe
from tests.cli.conftest import call
from tests.unit.batch import tale_store
from tests.unit.batch.batch_cases import HERE

GIVEN = {"profile": "standard", "set": [], "gallery": None, "calibration": []}


def test_another_folder_under_the_same_path_is_told_from_the_folder_of_the_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_station, "_SIGHT_S", 0.0)
    check = Check(folder=str(tmp_path), mark="mark", token="abc")
    assert str(tmp_path) in check.problem()
    (tmp_path / "mark").write_text("another")
    monkeypatch.setattr(cluster_station, "_SIGHT_S", 0.0)
    ((kind, content),) = Station(Opening(f"{HERE}:Scripted"), Check(folder=str(tmp_path), mark="none"), 1).begin()
    assert (kind, str(tmp_path) in content["reason"]) == ("dismissed", True)
    (tmp_path / "mark").write_text("abc")
    assert check.problem() == ""


def test_what_a_node_tells_is_the_same_here_and_changes_with_the_profile() -> None:
    expected = describe(GIVEN)
    assert Check(DESCRIBE, GIVEN, expected).problem() == ""
    assert {"facerecon", "program", "python", "torch", "profile", "calibrations", "gallery"} < set(expected)
    assert any(name.startswith("weights ") and len(digest) == 64 for name, digest in expected.items())
    other = Check(DESCRIBE, {**GIVEN, "set": ["detect.min_score=0.9"]}, expected).problem()
    assert other.startswith("differs from the machine that began the batch: profile ")
    assert "Error" not in other
    assert "cannot begin: " in Check(DESCRIBE, {**GIVEN, "profile": "none-such"}, expected).problem()
    assert "does not answer" in Check("facerecon.none:such", {}, expected).problem()


def test_differences_are_named_and_the_rest_is_counted() -> None:
    found = differences({"a": "1", "b": "2", "c": "3", "d": "4"}, {"a": "1", "b": "x" * 64, "e": "5"})
    assert "b xxxxxxxxxxxx..., not 2; c none, not 3; d none, not 4; 1 more" in found
    assert differences({"a": "1"}, {"a": "1"}) == ""


def test_a_source_that_only_the_beginning_machine_sees_is_not_begun(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    station = Station(Opening(f"{HERE}:Scripted"), Check(), 1)
    ((kind, content),) = station.work(Unit(0, str(source)), 7)
    assert (kind, str(source) in content["reason"]) == ("unseen", True)
    source.write_bytes(b"other")
    ((kind, content),) = station.work(Unit(0, str(source)), 7)
    assert (kind, "5 bytes, not 7" in content["reason"]) == ("unseen", True)


def test_an_object_is_looked_at_before_it_is_begun_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tale_store.FOLDER, str(tmp_path))
    url = f"{tale_store.PREFIX}/share/a.mp4"
    unit = Unit(0, url, stated=Stated(7).plain())
    station = Station(Opening(f"{HERE}:Scripted"), Check(), 1)
    ((kind, content),) = station.work(unit, 7)
    assert (kind, f"{url} does not exist" in content["reason"]) == ("unseen", True)
    (tmp_path / "a.mp4").write_bytes(b"other")
    assert size_of(unit) == 5
    ((kind, content),) = station.work(unit, 7)
    assert (kind, f"another source {url}: 5 bytes, not 7" in content["reason"]) == ("unseen", True)
    # Where the beginning machine does not see it either, the worker says what is wrong.
    ((kind, _),) = station.work(unit, None)
    assert kind == "dead"


def test_nodes_must_have_the_packages_of_the_urls() -> None:
    plain, remote = describe(GIVEN), describe({**GIVEN, "remote": {"schemes": ["file", "s3"]}})
    assert set(remote) - set(plain) == {"fsspec", "s3fs"}
    assert "s3fs" in differences({**remote, "s3fs": "1"}, {**remote, "s3fs": "none"})
    assert describe({**GIVEN, "remote": None}) == plain


def test_a_station_relays_its_worker_and_tells_of_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    station = Station(Opening(f"{HERE}:Scripted"), Check(), 1)
    heard: list[Message] = station.begin()
    while heard[-1][0] != "ready":
        heard += station.listen()
    heard += station.work(Unit(3, "/evidence/die"), None)
    while heard[-1][0] != "dead":
        heard += station.listen()
    station.end()
    assert [kind for kind, _ in heard] == ["here", "ready", "progress", "dead"]
    assert heard[-1][1] == {"reason": "exit 7"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--address", "local"), 2, "add --engine ray"),
        (("--engine", "ray", "--device", "cuda:1"), 2, "use cuda"),
        (("--engine", "ray"), 5, "pip install 'facerecon[cluster]'"),
    ],
)
def test_what_is_wrong_with_the_call_is_said_in_one_line(
    arguments: tuple[str, ...], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "facerecon.batch.cluster_ray", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    outcome = call("batch", tmp_path, "--cases", tmp_path / "cases", *arguments)
    assert (outcome.code, words in outcome.error) == (code, True), outcome.err
    assert not (tmp_path / "cases").exists()
