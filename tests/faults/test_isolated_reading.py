"""What else is read of evidence and galleries where decoding is isolated: nothing of it is opened by this process."""

from __future__ import annotations

import os
import signal
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from facerecon.commands.workbench import Workbench, _open
from facerecon.console import Console
from facerecon.errors import EvidenceError
from facerecon.gallery import list_pictures, read_pixels, read_store
from facerecon.hashing import sha256_file
from facerecon.pipeline.accounts import Context
from facerecon.pipeline.enrolment import Gallery, open_gallery
from facerecon.pipeline.extraction import extract
from facerecon.pipeline.galleries import Statement, Tools, enroll_into, refresh
from facerecon.pipeline.masking import Mask
from facerecon.pipeline.outputs import PictureDifference, Stated, videos
from facerecon.pipeline.readers import reader_of
from facerecon.pipeline.redacted_pictures import Layout, covered_video
from facerecon.pipeline.rendering import render
from facerecon.profiles import Profile
from facerecon.records import RenderedRecord
from facerecon.stages import Silent
from facerecon.video import spawning
from facerecon.video.isolation import IsolatedReader
from facerecon.video.opening import reader_for, source_digest, strictest
from tests.fakes import OTHER, FakeDetector, FakeRecognizer, picture
from tests.synthetic import write_pictures, write_video, write_with_sound
from tests.unit.gallery.test_gallery_reading import save
from tests.unit.pipeline.rendered_cases import INTERPOLATED
from tests.unit.pipeline.stage_cases import OVERRIDES, new_case, profile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="decoding is isolated on Linux only")
WAYS = ("none", "process")


def isolated(way: str, *overrides: str) -> Profile:
    return profile(f"extract.isolation={way}", *overrides)


@pytest.fixture
def nothing_decodes_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process open no file with a decoder; new videos it may write."""
    whole: Any = av.open

    def opened(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        assert mode == "w", "this process opened a file with FFmpeg"
        return whole(file, mode, *rest, **options)

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("this process opened a file with Pillow")

    monkeypatch.setattr(av, "open", opened)
    monkeypatch.setattr(Image, "open", refused)


# --- footage ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    return write_with_sound(folder / "a.mp4", write_video(folder / "v.mp4", frames=12))


def rendered(root: Path, clip: Path, settings: Profile) -> tuple[dict[str, str], RenderedRecord]:
    source, context = _open(clip, settings), Context(settings, Silent())
    with new_case(root, source, settings) as case:  # type: ignore[arg-type]
        extract(case, source, FakeDetector(), context)
        record = render(case, source, "video", INTERPOLATED, None, context)
        return {name: digest for name, digest in case.digests().items() if "/" in name}, record


@pytest.mark.usefixtures("nothing_decodes_here")
def test_this_process_opens_no_footage_neither_its_pictures_nor_its_sound(tmp_path: Path, clip: Path) -> None:
    _, record = rendered(tmp_path / "c", clip, isolated("process"))
    assert record.video is not None
    (sound,) = record.video["audio"]
    assert (sound["copied"], sound["note"]) == (True, "")
    assert sound["packets"] > 0


def test_an_enhanced_video_is_the_same_with_and_without_isolation(tmp_path: Path, clip: Path) -> None:
    one, two = (rendered(tmp_path / way, clip, isolated(way)) for way in WAYS)
    assert one == two
    assert any(name.startswith("video/") for name in one[0])


def test_a_command_s_own_isolation_counts_and_not_that_of_the_case(tmp_path: Path, clip: Path) -> None:
    """What batch begins, run may go on with, and the other way round: results and the profile's digest are the same."""
    for made, wanted in ((WAYS), tuple(reversed(WAYS))):
        settings = isolated(made)
        root = tmp_path / made
        new_case(root, _open(clip, settings), settings).close()  # type: ignore[arg-type]
        overrides = (*OVERRIDES, f"extract.isolation={wanted}")
        bench = Workbench(Console(quiet=True), "standard", overrides)
        opened, source = bench.case_for(clip, root)
        with opened:
            bench.require_same_profile(opened)
            kinds = {type(each._reader) is IsolatedReader for each in (source, bench.source_of(opened))}  # type: ignore[attr-defined]
            assert kinds == {wanted == "process"}
        plain = Workbench(Console(quiet=True))
        opened, source = plain.case_for(clip, root)
        with opened:
            assert (type(source._reader) is IsolatedReader) == (made == "process")  # type: ignore[attr-defined]


@pytest.mark.usefixtures("nothing_decodes_here")
def test_a_folder_is_hashed_without_opening_what_is_no_picture_by_its_name(tmp_path: Path) -> None:
    pixels = np.zeros((9, 9, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture", "PNG")
    Image.fromarray(pixels + 1).save(tmp_path / "b.png")
    (tmp_path / "readme").write_text("words")
    first = source_digest(tmp_path, reader_for(strictest()))
    (tmp_path / "readme").write_text("other words")
    assert source_digest(tmp_path, reader_for(strictest())) == first
    (tmp_path / "picture").rename(tmp_path / "other")
    assert source_digest(tmp_path, reader_for(strictest())) != first


@pytest.mark.usefixtures("nothing_decodes_here")
def test_videos_of_a_case_are_compared_and_covered_without_being_opened_here(tmp_path: Path, clip: Path) -> None:
    """Whatever a profile says: a case may be somebody else's."""
    held = Stated(clip.parent, clip.name, sha256_file(clip))
    assert videos(held, held) == PictureDifference(frames=12)
    nothing = Mask([], [], margin=0.5, hold_s=1, in_order=False)
    layout = Layout((160, 96), 1)
    assert covered_video(held, tmp_path / "covered.mkv", nothing, layout, Fraction(0)).frames == 12


# --- galleries --------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A gallery of every kind: two persons, a file that is no picture, a damaged one, one without a face."""
    root = tmp_path / "gallery"
    save(root / "Ada/1.png", picture(faces=[(40, 20, 80)]))
    save(root / "Bob.png", picture(faces=[(40, 20, 80)], colours=[OTHER]))
    save(root / "Nobody.png", picture())
    (root / "Damaged.png").write_bytes((root / "Bob.png").read_bytes()[:200])
    (root / "Text.jpg").write_text("words")
    return root


def opened(folder: Path, settings: Profile) -> Gallery:
    return open_gallery(folder, FakeDetector(), FakeRecognizer(), settings, Silent())


def content(gallery: Gallery) -> Any:
    crops = [(each.record, each.embedding.vector.tobytes(), each.crop().pixels.tobytes()) for each in gallery.enrolled]
    return gallery.digest, gallery.records, crops


def test_a_plain_gallery_is_the_same_with_and_without_isolation(folder: Path) -> None:
    one, two = (content(opened(folder, isolated(way))) for way in WAYS)
    assert one == two
    assert len(one[2]) == 2
    assert sorted(each.file for each in one[1] if not each.enrolled) == ["Damaged.png", "Nobody.png", "Text.jpg"]


def test_a_persistent_gallery_is_the_same_with_and_without_isolation(tmp_path: Path, folder: Path) -> None:
    found = []
    for way in WAYS:
        tools = Tools(FakeDetector(), FakeRecognizer(), isolated(way), Silent())
        made = enroll_into(tmp_path / way, [folder], Statement(), tools)
        refresh(tmp_path / way, tools)
        store = read_store(tmp_path / way)
        entries = [(each.id, each.sha256, each.crop_sha256, each.quality) for each in store.entries]
        refused = sorted((each.file, each.reason) for each in store.refused)
        crops = [each.crop().pixels.tobytes() for each in opened(tmp_path / way, isolated(way)).enrolled]
        found.append((entries, refused, crops, store.vectors.tobytes(), made.requested))
    assert found[0] == found[1]
    assert len(found[0][0]) == 2


@pytest.mark.usefixtures("nothing_decodes_here")
def test_this_process_opens_no_picture_of_a_gallery(tmp_path: Path, folder: Path) -> None:
    settings = isolated("process")
    tools = Tools(FakeDetector(), FakeRecognizer(), settings, Silent())
    assert len(content(opened(folder, settings))[2]) == 2
    assert len(enroll_into(tmp_path / "store", [folder], Statement(), tools).enrolled) == 2
    refresh(tmp_path / "store", tools)
    assert len(content(opened(tmp_path / "store", settings))[2]) == 2


class Bad(IsolatedReader):
    """Its decoders are sent a signal as soon as they are started."""

    def __init__(self, number: int) -> None:
        super().__init__(2.0 if number == signal.SIGSTOP else 60.0)
        self._number = number

    def _decoder(self, name: str, path: Path, arguments: dict[str, Any]) -> Any:
        return _Sent(super()._decoder(name, path, arguments), self._number)


class _Sent:
    def __init__(self, context: Any, number: int) -> None:
        self._context, self._number = context, number

    def __enter__(self) -> Any:
        decoder = self._context.__enter__()
        warden = spawning._WARDEN.pid
        children = Path(f"/proc/{warden}/task/{warden}/children")
        while not (pids := children.read_text().split()):
            pass
        os.kill(int(pids[0]), self._number)
        return decoder

    def __exit__(self, *error: Any) -> Any:
        return self._context.__exit__(*error)


@pytest.mark.parametrize(
    ("number", "why"),
    [(signal.SIGSEGV, "ended by signal 11 (Segmentation fault)"), (signal.SIGSTOP, "told nothing for 2 s")],
)
def test_a_picture_that_breaks_its_decoder_is_refused_and_the_next_is_read(folder: Path, number: int, why: str) -> None:
    large = np.random.default_rng(0).integers(0, 255, (2000, 2000, 3), np.uint8)
    save(folder / "Large.png", large)
    listed = {each.file: each for each in list_pictures(folder)}
    digest, pixels, reason = read_pixels(listed["Large.png"], Bad(number).picture)
    assert pixels is None
    assert reason.startswith(f"Large.png is not a readable picture: the decoder {why}")
    assert digest == read_pixels(listed["Large.png"])[0]
    assert read_pixels(listed["Bob.png"], IsolatedReader(60.0).picture)[2] == ""


def test_memory_for_a_picture_is_limited(folder: Path) -> None:
    (each,) = [each for each in list_pictures(folder) if each.file == "Bob.png"]
    reason = read_pixels(each, IsolatedReader(60.0, memory_bytes=1 << 10).picture)[2]
    assert reason.startswith("Bob.png is not a readable picture: ")


@pytest.mark.parametrize("data", [b"", b"words", b"\x89PNG\r\n\x1a\n" + bytes(99)])
def test_what_is_no_picture_is_refused_in_the_same_words(data: bytes) -> None:
    reasons = []
    for way in WAYS:
        with pytest.raises(EvidenceError) as caught:
            reader_of(isolated(way)).picture(data, "a.png")
        reasons.append(str(caught.value))
    assert reasons[0] == reasons[1]


def test_pictures_of_a_folder_are_as_before(tmp_path: Path) -> None:
    write_pictures(tmp_path / "p", ["1.png", "2.png"])
    one, two = (source_digest(tmp_path / "p", reader_of(isolated(way))) for way in WAYS)
    assert one == two
