"""Single pictures and folders of pictures: order, orientation, bit depth, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facerecon.errors import EvidenceError, IntegrityError
from facerecon.records import Timestamp
from facerecon.video import open_source, source_digest
from facerecon.video.stills import natural_key
from tests.synthetic import number_in, numbered, read, told, truncated, write_bomb, write_pictures


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp", ".webp", ".gif", ".ppm"])
def test_single_pictures(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(numbered(77)).save(tmp_path / f"a{suffix}")
    source = open_source(tmp_path / f"a{suffix}")
    (frame,), skipped = read(tmp_path / f"a{suffix}")
    assert (source.record.kind, source.record.clock) == ("image", "order")
    assert (frame.timestamp, frame.keyframe) == (Timestamp(pts=0, time_base=(1, 1)), True)
    assert number_in(frame.pixels) == 77
    assert not skipped


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(numbered(77))).save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert number_in(read(tmp_path / "a.jpg")[0][0].pixels) == 77


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    Image.fromarray(numbered(77)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.mp4")
    assert open_source(tmp_path / "a.mp4").record.kind == "image"


def test_16_bit_grey_keeps_its_scale(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png")[0][0].pixels[0, :, 0].tolist() == [0, 1, 128, 255]


def test_pixels_without_a_scale_are_not_guessed(tmp_path: Path) -> None:
    Image.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(EvidenceError, match="none of its 1 pictures"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "LA", "YCbCr"])
def test_pixel_modes(tmp_path: Path, mode: str) -> None:
    suffix = ".tif" if mode in ("CMYK", "YCbCr") else ".png"
    Image.fromarray(numbered(77)).convert(mode, dither=Image.Dither.NONE).save(tmp_path / f"a{suffix}")
    assert number_in(read(tmp_path / f"a{suffix}")[0][0].pixels) == 77


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pics", ["img1.png", "img2.jpg", "IMG10.bmp", "img011.tif"])
    frames, _ = read(folder)
    assert [number_in(frame.pixels) for frame in frames] == [0, 1, 2, 3]
    assert [each["name"] for each in open_source(folder).probe["pictures"]] == [
        "img1.png",
        "img2.jpg",
        "IMG10.bmp",
        "img011.tif",
    ]


def test_what_is_no_picture_in_a_folder_is_listed(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pics", ["a.png"])
    for name in (".hidden.png", "notes.txt", "clip.mp4"):
        (folder / name).write_text("x")
    (folder / "sub").mkdir()
    source = open_source(folder)
    assert {each["name"]: each["reason"] for each in source.probe["ignored"]} == {
        ".hidden.png": "hidden",
        "notes.txt": "not a picture",
        "clip.mp4": "video",
        "sub": "folder",
    }
    assert len(read(folder)[0]) == 1


def test_a_picture_without_a_suffix_is_found_by_its_content(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pics", ["a.png"])
    (folder / "a.png").rename(folder / "export_0001")
    assert len(read(folder)[0]) == 1


def test_unreadable_pictures_are_failed_by_name(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pics", [f"{k}.jpg" for k in range(5)])
    truncated(folder / "1.jpg", folder / "1x.jpg", 400)
    (folder / "1x.jpg").replace(folder / "1.jpg")
    (folder / "2.jpg").write_text("no picture")
    frames, skipped = read(folder)
    assert [number_in(frame.pixels) for frame in frames] == [0, 3, 4]
    assert told(skipped) == [("f000001", "undecodable", 1), ("f000002", "undecodable", 1)]
    assert [each.detail.split(":")[0] for each in skipped] == ["1.jpg", "2.jpg"]
    assert {each.outcome for each in skipped} == {"failed"}


def test_a_bomb_in_a_folder_is_one_failed_picture(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pics", ["a.png"])
    write_bomb(folder)
    frames, skipped = read(folder)
    assert len(frames) == 1
    assert told(skipped) == [("f000001", "too-large", 1)]


def test_an_added_picture_changes_the_folder_digest(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pics", ["a.png"])
    source, before = open_source(folder), source_digest(folder)
    (folder / "notes.txt").write_text("not evidence")
    source.verify_unchanged()
    Image.fromarray(numbered(1)).save(folder / "b.png")
    assert source_digest(folder) != before
    with pytest.raises(IntegrityError):
        source.verify_unchanged()


def test_natural_key_is_total() -> None:
    names = ["10.png", "2.png", "a10b3", "a10b20", "a9", "02.png", "é.png"]
    ordered = sorted((Path(name) for name in names), key=natural_key)
    assert [path.name for path in ordered] == ["02.png", "2.png", "10.png", "a9", "a10b3", "a10b20", "é.png"]
