"""The demo clip is bad CCTV with a known truth: these are the properties that the rest of the tests lean on."""

import json
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
import skimage.data

from facerecon.demo import clip as demo

RGB = npt.NDArray[np.uint8]
Gray = npt.NDArray[np.float64]
WIDTH, HEIGHT = 640, 360
CLOCK_ROWS = slice(325, 360)
FIRST_STEP = demo.WALK_S[0]
LAST = demo.FRAME_COUNT - 1


@dataclass(frozen=True)
class Decoded:
    """What PyAV reads back from a rendered clip."""

    clip: demo.DemoClip
    pts: tuple[int, ...]
    time_base: Fraction
    codec: str
    pixels: str
    frames: tuple[RGB, ...]

    def seconds(self, index: int) -> float:
        return float(self.pts[index] * self.time_base)

    def during(self, start_s: float, end_s: float) -> list[int]:
        return [index for index in range(len(self.pts)) if start_s <= self.seconds(index) < end_s]


@pytest.fixture(scope="module")
def decoded(tmp_path_factory: pytest.TempPathFactory) -> Decoded:
    clip = demo.render_clip(tmp_path_factory.mktemp("demo") / "clip.mp4")
    with av.open(str(clip.path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert stream.time_base is not None
        return Decoded(
            clip,
            tuple(frame.pts or 0 for frame in frames),
            stream.time_base,
            stream.codec_context.name,
            str(stream.pix_fmt),
            tuple(frame.to_ndarray(format="rgb24") for frame in frames),
        )


def luma(picture: RGB) -> Gray:
    return np.asarray(picture @ np.array([0.299, 0.587, 0.114]), np.float64)


def psnr(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    return float(10 * np.log10(255**2 / np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2)))


def fitted(picture: Gray, truth: Gray) -> Gray:
    """Return the picture after the gain and offset that bring it closest to the truth."""
    gain, offset = np.polyfit(picture.ravel(), truth.ravel(), 1)
    return np.asarray(gain * picture + offset, np.float64)


def face_part(picture: RGB, index: int, scale: int = 1) -> RGB:
    box = demo.face_box(index)
    assert box is not None
    x0, y0, x1, y1 = (round(edge) * scale for edge in box)
    return picture[y0:y1, x0:x1]


def eye_distance(index: int) -> float:
    eyes = demo.eye_positions(index)
    assert eyes is not None
    return float(np.hypot(eyes[1][0] - eyes[0][0], eyes[1][1] - eyes[0][1]))


def in_view() -> list[int]:
    return [index for index in range(demo.FRAME_COUNT) if demo.face_box(index) is not None]


# --- time -----------------------------------------------------------------------------------------------------------


def test_decoder_returns_the_stated_timestamps_exactly(decoded: Decoded) -> None:
    clip = decoded.clip
    assert decoded.pts == clip.pts
    assert decoded.time_base == clip.time_base
    assert len(decoded.frames) == clip.frame_count == demo.FRAME_COUNT
    assert {frame.shape for frame in decoded.frames} == {(clip.height, clip.width, 3)} == {(360, 640, 3)}


def test_frame_rate_is_truly_variable_with_one_stall(decoded: Decoded) -> None:
    steps = [Fraction(b - a) * decoded.time_base for a, b in pairwise(decoded.pts)]
    stalls = [step for step in steps if step > Fraction(1, 8)]
    assert stalls == [Fraction(1, 2)]
    assert min(steps) >= Fraction(1, 15)
    assert len(set(steps)) > 30
    assert 7.5 < decoded.seconds(-1) < 9.5


@pytest.mark.parametrize("seed", range(6))
def test_every_seed_lets_the_person_arrive_and_stand(seed: int) -> None:
    assert demo.face_box(LAST, seed=seed) == demo.face_box(LAST - 3, seed=seed)


def test_seed_changes_the_timestamps() -> None:
    assert demo.clock_text(LAST, seed=7) != demo.clock_text(LAST, seed=8)


def test_clock_text_is_true_to_each_timestamp(decoded: Decoded) -> None:
    for index, pts in enumerate(decoded.pts):
        moment = demo.CLOCK_START + timedelta(seconds=1) * pts / decoded.time_base.denominator
        assert demo.clock_text(index) == f"CAM 03  {moment.isoformat(' ', 'milliseconds')}"


def written(text: str) -> Gray:
    """Return the clock's strokes as they were drawn, 0..255."""
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.putText(canvas, text, demo.CLOCK_AT, cv2.FONT_HERSHEY_SIMPLEX, 0.48, (255,), 1, cv2.LINE_AA)
    return canvas[CLOCK_ROWS, :300].astype(float)


def test_clock_is_legible_in_the_decoded_picture(decoded: Decoded) -> None:
    for index in range(0, demo.FRAME_COUNT, 7):
        seen = luma(decoded.frames[index])[CLOCK_ROWS, :300].ravel()
        right, wrong = (
            np.corrcoef(seen, written(demo.clock_text(other)).ravel())[0, 1]
            for other in (index, (index + 9) % demo.FRAME_COUNT)
        )
        assert right > 0.85
        assert right > wrong + 0.03


# --- what is to be seen ---------------------------------------------------------------------------------------------


def test_corridor_is_empty_and_only_noise_moves_at_first(decoded: Decoded) -> None:
    quiet, busy = decoded.during(0, FIRST_STEP), decoded.during(3, 6)
    assert len(quiet) >= 10
    assert all(demo.face_box(index) is None and demo.eye_positions(index) is None for index in quiet)
    assert np.array_equal(demo.clean_frame(quiet[0]), demo.clean_frame(quiet[-1]))

    def motion(indices: list[int]) -> float:
        small = [
            cv2.resize(luma(decoded.frames[index])[:320], (40, 20), interpolation=cv2.INTER_AREA) for index in indices
        ]
        return float(np.max(np.abs(np.diff(small, axis=0))))

    assert motion(quiet) < 6 < 18 < motion(busy)
    grain = np.std(np.diff([luma(decoded.frames[index]) for index in quiet], axis=0))
    assert 1 < grain < 8


def test_face_comes_into_view_once_and_grows() -> None:
    seen = in_view()
    assert seen == list(range(seen[0], demo.FRAME_COUNT))
    distances = [eye_distance(index) for index in seen]
    assert 7 < distances[0] < 9
    assert distances[-1] == pytest.approx(32, abs=0.5)
    widths = [box[2] - box[0] for index in seen if (box := demo.face_box(index))]
    assert widths[0] < 20
    assert widths[-1] > 60
    assert all(later > earlier - 1 for earlier, later in pairwise(widths))


def test_eyes_lie_in_the_upper_half_of_the_face_box() -> None:
    for index in in_view():
        box, eyes = demo.face_box(index), demo.eye_positions(index)
        assert box is not None
        assert eyes is not None
        x0, y0, x1, y1 = box
        assert 0 < x0 < eyes[0][0] < eyes[1][0] < x1 < WIDTH
        assert all(y0 < eye[1] < (y0 + y1) / 2 for eye in eyes)


def test_head_turns_both_ways_with_parallax() -> None:
    def nearness(index: int) -> float:
        """Return where the eyes' middle lies across the face box, 0..1."""
        box, eyes = demo.face_box(index), demo.eye_positions(index)
        assert box is not None
        assert eyes is not None
        return ((eyes[0][0] + eyes[1][0]) / 2 - box[0]) / (box[2] - box[0])

    turns = [nearness(index) - nearness(LAST) for index in in_view()]
    assert min(turns) < -0.03
    assert max(turns) > 0.03


def test_eye_truth_marks_the_dark_irises() -> None:
    picture, eyes = luma(demo.clean_frame(LAST, scale=2)), demo.eye_positions(LAST)
    assert eyes is not None
    for x, y in eyes:
        column, row = round(2 * x + 0.5), round(2 * y + 0.5)
        iris = picture[row - 2 : row + 3, column - 2 : column + 3].mean()
        around = picture[row - 14 : row + 15, column - 14 : column + 15].mean()
        assert iris < 0.75 * around


def test_person_stands_still_in_the_last_second(decoded: Decoded) -> None:
    still = decoded.during(decoded.seconds(-1) - 1, 99)
    assert len({demo.face_box(index) for index in still}) == 1


def test_light_is_low_and_the_face_is_visible(decoded: Decoded) -> None:
    assert all(45 < luma(frame).mean() < 70 for frame in decoded.frames)
    assert all(25 < luma(face_part(decoded.frames[index], index)).mean() < 140 for index in in_view())


# --- ground truth ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 24, 45, 60, LAST])
def test_scale_4_averages_to_scale_1_without_a_shift(index: int) -> None:
    fine, coarse = demo.clean_frame(index, scale=4), demo.clean_frame(index)
    assert fine.shape == (1440, 2560, 3)

    def agreement(picture: RGB) -> float:
        return psnr(cv2.resize(picture, (640, 360), interpolation=cv2.INTER_AREA)[8:-8, 8:-8], coarse[8:-8, 8:-8])

    here = agreement(fine)
    assert here > 42
    for axis in (0, 1):
        for step in (-1, 1):
            assert agreement(np.roll(fine, step, axis)) < here - 2


def test_scale_4_holds_detail_that_scale_1_lacks() -> None:
    fine = face_part(demo.clean_frame(LAST, scale=4), LAST, 4)
    coarse = luma(face_part(demo.clean_frame(LAST), LAST))
    blown_up = cv2.resize(coarse, fine.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    assert cv2.Laplacian(luma(fine), cv2.CV_64F).std() > 1.2 * cv2.Laplacian(blown_up, cv2.CV_64F).std()


def test_decoded_frames_lie_on_the_ground_truth(decoded: Decoded) -> None:
    for index in (*range(4, LAST, 13), LAST):
        picture, truth = luma(decoded.frames[index])[:320], luma(demo.clean_frame(index))[:320]

        def agreement(step: int, picture: Gray = picture, truth: Gray = truth) -> float:
            moved = np.roll(picture, step, 1)[:, 8:-8]
            return psnr(fitted(moved, truth[:, 8:-8]), truth[:, 8:-8])

        assert agreement(0) > 32
        assert agreement(0) > max(agreement(-1), agreement(1)) + 1


@pytest.mark.parametrize("seconds", [4.0, 5.5, 6.4, 8.0])
def test_decoded_faces_lie_on_the_ground_truth(decoded: Decoded, seconds: float) -> None:
    index = decoded.during(seconds, 99)[0]
    picture, truth = (luma(face_part(whole, index)) for whole in (decoded.frames[index], demo.clean_frame(index)))
    assert psnr(fitted(picture, truth), truth) > 24


# --- the file -------------------------------------------------------------------------------------------------------


def test_file_is_h264_at_a_low_bit_rate(decoded: Decoded) -> None:
    assert decoded.codec == "h264"
    assert decoded.pixels == "yuv420p"
    assert 100_000 < decoded.clip.path.stat().st_size * 8 / decoded.seconds(-1) < 400_000


def test_two_renders_are_the_same_bytes(decoded: Decoded, tmp_path: Path) -> None:
    again = demo.render_clip(tmp_path / "again.mp4")
    assert again.pts == decoded.clip.pts
    assert again.path.read_bytes() == decoded.clip.path.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.mp4"]


def test_existing_file_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"evidence")
    with pytest.raises(FileExistsError, match=r"clip\.mp4"):
        demo.render_clip(path)
    assert path.read_bytes() == b"evidence"


def test_failed_render_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("encoder")

    monkeypatch.setattr(demo, "_camera_frame", fail)
    with pytest.raises(RuntimeError, match="encoder"):
        demo.render_clip(tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("index", [-1, demo.FRAME_COUNT])
def test_frames_that_do_not_exist_are_refused(index: int) -> None:
    for ask in (demo.clean_frame, demo.face_box, demo.eye_positions, demo.clock_text):
        with pytest.raises(IndexError, match="is not one of"):
            ask(index)


def test_scale_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="scale"):
        demo.clean_frame(0, scale=0)


# --- the gallery ----------------------------------------------------------------------------------------------------


def test_gallery_has_the_pristine_portrait_and_a_picture_without_a_face(tmp_path: Path) -> None:
    demo.write_gallery(tmp_path / "suspects")
    files = sorted(str(path.relative_to(tmp_path / "suspects")) for path in tmp_path.rglob("*.*"))
    assert files == ["astronaut/portrait.png", "no-face/corridor.png", "suspects.json"]
    portrait = cv2.imread(str(tmp_path / "suspects/astronaut/portrait.png"))
    assert portrait is not None
    assert np.array_equal(portrait[..., ::-1], skimage.data.astronaut())  # type: ignore[no-untyped-call]
    people = json.loads((tmp_path / "suspects/suspects.json").read_text(encoding="utf-8"))
    assert people == [
        {"name": "astronaut", "id": "DEMO-001", "status": "demo: public-domain portrait, NASA"},
        {"name": "no-face", "id": "DEMO-002", "status": "demo: must be refused"},
    ]


def test_gallery_never_overwrites(tmp_path: Path) -> None:
    demo.write_gallery(tmp_path)
    with pytest.raises(FileExistsError):
        demo.write_gallery(tmp_path)
