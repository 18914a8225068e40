"""Calibrations from somebody else: what is read has an end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from facerecon.errors import UsageError
from facerecon.likelihood import read_calibration
from facerecon.likelihood.documents import LARGEST_BYTES
from facerecon.resources import data_folder

SHIPPED = sorted((data_folder("weights") / "calibrations").glob("*.json"))


def test_a_calibration_that_is_a_pipe_or_has_no_end_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    with (tmp_path / "endless.json").open("wb") as stream:
        stream.truncate(1 << 40)
    for path, words in (
        (tmp_path / "pipe.json", "not a regular file"),
        (tmp_path / "folder.json", "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path / "endless.json", f"more than {LARGEST_BYTES} bytes"),
        (tmp_path / "none.json", "No such file"),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            read_calibration(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_shipped_calibrations_bear_the_names_of_their_recognizers() -> None:
    """By which a run finds those that it may use, without reading the others."""
    assert all(path.name.startswith(f"{read_calibration(path).model}-") for path in SHIPPED)


def test_shipped_calibrations_are_read_also_through_a_link_and_are_far_inside_the_limit(tmp_path: Path) -> None:
    assert SHIPPED
    for path in SHIPPED:
        assert 50 * path.stat().st_size < LARGEST_BYTES
        link = tmp_path / path.name
        link.symlink_to(path)
        assert read_calibration(link) == read_calibration(path)


def test_a_calibration_of_the_largest_size_is_parsed_or_refused_in_one_line(tmp_path: Path) -> None:
    for content in (b"[" * LARGEST_BYTES, b" " * LARGEST_BYTES, b'"' + b"x" * (LARGEST_BYTES - 2) + b'"'):
        path = tmp_path / "large.json"
        path.write_bytes(content)
        with pytest.raises(UsageError) as caught:
            read_calibration(path)
        assert "\n" not in str(caught.value)
