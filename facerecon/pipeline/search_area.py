"""Looking for faces in the frames of a clip: everywhere, or where a face can have come or moved. Owns the account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from facerecon.pipeline.detection import detect_faces, detect_in_windows
from facerecon.profiles import Profile
from facerecon.records import Box, Detection, Frame
from facerecon.stages import Detector
from facerecon.video import Look, Regions, Window

TOGETHER = 8
"""With regions, where faces are expected is told anew after so many frames, whatever the detector's batch: the same
frames are searched in the same windows on every machine."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A frame, what the motion gate saw of it (None: there is no gate), and its pixels' digest if it is to be searched.

    `pixels_sha256` is "" for a frame that will not be searched.
    """

    frame: Frame
    look: Look | None
    pixels_sha256: str = ""


@dataclass(frozen=True)
class Found:
    """A frame's faces, and the windows that were searched; None: the whole picture."""

    faces: tuple[Detection, ...]
    windows: tuple[Window, ...] | None


class SearchArea:
    """Finds faces in one chunk of frames after another."""

    def __init__(self, detector: Detector, profile: Profile) -> None:
        """Take the detector, and the profile's sections `detect` and `extract.motion`."""
        motion = profile.extract.motion
        self._detector, self._settings = detector, profile.detect
        self._regions = Regions(motion) if motion.enabled and motion.regions else None
        self.pixels = self.searched_pixels = self.again = 0

    @property
    def together(self) -> int:
        """How many frames are best given at a time."""
        return TOGETHER if self._regions else self._settings.batch

    @property
    def account(self) -> dict[str, float]:
        """Share of all analysed pixels that were searched, and frames searched again in whole since a face was cut."""
        share = 100 * self.searched_pixels / max(self.pixels, 1)
        return {"searched_percent": round(share, 1), "searched_again": self.again}

    def find(self, seen: Sequence[Seen], expected: Iterable[Box]) -> list[Found]:
        """Find the faces of same-sized frames; `expected`: where faces were last seen."""
        found: dict[int, Found] = {}
        windows: dict[int, tuple[Window, ...]] = {}
        if self._regions is not None:
            self._regions.expect(expected)
            for number, each in enumerate(seen):
                self._choose(number, each, self._regions, found, windows)
        found |= self._in_parts(seen, windows)
        rest = [number for number in range(len(seen)) if number not in found]
        found |= dict(zip(rest, self._in_whole([seen[number] for number in rest]), strict=True))
        self.again += sum(1 for number in rest if number in windows)
        self.pixels += sum(_area(each) for each in seen)
        return [found[number] for number in range(len(seen))]

    def _choose(
        self,
        number: int,
        seen: Seen,
        regions: Regions,
        found: dict[int, Found],
        windows: dict[int, tuple[Window, ...]],
    ) -> None:
        """Choose a frame's windows, or search it at once where it is time to search everything."""
        if seen.look is None:
            return
        height, width = seen.frame.pixels.shape[:2]
        now = seen.frame.timestamp.seconds
        due = regions.due((width, height), now)
        chosen = regions.windows((width, height), now, seen.look)
        if due:
            # The frames after it are searched where it shows faces, so it cannot wait for them.
            (found[number],) = self._in_whole([seen])
            regions.found(face.box for face in found[number].faces)
        elif chosen is not None:
            windows[number] = chosen

    def _in_parts(self, seen: Sequence[Seen], windows: Mapping[int, tuple[Window, ...]]) -> dict[int, Found]:
        """Search frames in their windows; frames in which a window cuts a face are left out."""
        pictures = [seen[number].frame.pixels for number in windows]
        some = detect_in_windows(self._detector, pictures, list(windows.values()), self._settings)
        for each in windows.values():
            self.searched_pixels += sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in each)
        return {
            number: Found(faces, each)
            for (number, each), faces in zip(windows.items(), some, strict=True)
            if faces is not None
        }

    def _in_whole(self, seen: Sequence[Seen]) -> list[Found]:
        self.searched_pixels += sum(_area(each) for each in seen)
        pictures = [each.frame.pixels for each in seen]
        return [Found(faces, None) for faces in detect_faces(self._detector, pictures, self._settings)]


def _area(seen: Seen) -> int:
    height, width = seen.frame.pixels.shape[:2]
    return int(height * width)
