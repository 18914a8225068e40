"""From a source to faces and their tracks. Decoding and searching run in threads of their own, ahead of the rest.

Owns the order: what comes out is the same, in the same order, however fast each part runs. Writes no records.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction

from facerecon.ahead import ahead
from facerecon.faces.tracking import LiveTrack, Tracker
from facerecon.hashing import sha256_array
from facerecon.pipeline.accounts import Stopwatch
from facerecon.pipeline.resuming import RememberedDetector, Resuming
from facerecon.pipeline.search_area import Found, Search, SearchArea, Seen
from facerecon.profiles import Profile
from facerecon.records import Detection, Skipped
from facerecon.video import Source, Unmoving, Watched

_DECODED, _SEARCHED = 8, 8
"""Frames that may wait to be searched, and that may wait for what is done with their faces; each is held in memory."""


NOTHING_MOVED = "nothing-moved"
"""Why frames are left out that the motion gate did not let through."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """A frame that was searched, and its faces that can be aligned; `unalignable` others had coinciding landmarks.

    `owners` has each face's track, None for a weak one that continues none; `ended` are the tracks that end here.
    """

    seen: Seen
    search: Search
    faces: tuple[Detection, ...]
    owners: tuple[LiveTrack | None, ...]
    unalignable: int
    ended: tuple[LiveTrack, ...]


Event = Seen | Fraction
"""A frame to search; or for how many seconds nothing moved."""
Item = Sighting | Unmoving | Skipped
"""An unmoving frame is told of at once; the omission that counts it comes when something moves again."""


class Sightings:
    """Goes through a source once. After that, `remaining` are the tracks that last to the end of it."""

    def __init__(
        self, source: Source, detector: RememberedDetector, resuming: Resuming, profile: Profile, watch: Stopwatch
    ) -> None:
        """Take the source, and who searches; `watch` gets the seconds of each step."""
        self._in_order = source.record.clock == "order"
        self.area = SearchArea(detector, profile, of_video=not self._in_order)
        self.remaining: tuple[LiveTrack, ...] = ()
        self._source, self._resuming, self._profile, self._watch = source, resuming, profile, watch
        self._tracker = Tracker(profile.track, profile.detect.min_score)

    def items(self) -> Generator[Item, None, None]:
        """Yield searched frames in order of presentation, and what was left out. To be closed: it owns threads."""
        return ahead(self._items(), _SEARCHED)

    def _items(self) -> Iterator[Item]:
        events: list[Event] = []
        with closing(ahead(self._seen(), _DECODED)) as seen:
            for event in self._events(seen):
                if isinstance(event, Unmoving | Skipped):
                    yield event
                    continue
                if isinstance(event, Seen) and self._complete(events, event):
                    yield from self._searched(events)
                events.append(event)
            yield from self._searched(events)
        self.remaining = tuple(self._tracker.finish())

    # --- frames -------------------------------------------------------------------------------------------------------

    def _seen(self) -> Iterator[Seen | Unmoving | Skipped]:
        """Decode, and hash what is to be searched."""
        extract = self._profile.extract
        gated = extract.motion.enabled and not self._in_order
        items = self._source.watched(extract.sample, extract.motion) if gated else self._source.frames(extract.sample)
        while True:
            with self._watch.measure("decode"):
                item = next(items, None)
            if item is None:
                return
            if isinstance(item, Skipped | Unmoving):
                yield item
                continue
            frame, look = (item.frame, item.look) if isinstance(item, Watched) else (item, None)
            with self._watch.measure("hash"):
                digest = sha256_array(frame.pixels)
            yield Seen(frame, look, digest)
            # Nothing may move for hours after it.
            del item, frame, look

    def _events(self, items: Iterator[Seen | Unmoving | Skipped]) -> Iterator[Event | Unmoving | Skipped]:
        """Yield frames to search and, as one duration before each, for how long nothing moved."""
        before: Fraction | None = None
        still_s = Fraction(0)
        quiet = _Quiet()
        while True:
            with self._watch.measure("wait for frames"):
                item = next(items, None)
            if item is None:
                break
            if isinstance(item, Skipped):
                yield item
                continue
            if isinstance(item, Unmoving):
                now = item.timestamp.seconds
                still_s += now - before if before is not None else 0
                yield from quiet.add(item)
            else:
                now = item.frame.timestamp.seconds
                yield from quiet.end()
                yield still_s
                still_s = Fraction(0)
            yield item
            before = now
        yield from quiet.end()

    def _complete(self, events: list[Event], following: Seen) -> bool:
        frames = _frames(events)
        return bool(frames) and self.area.complete(frames, following)

    # --- faces --------------------------------------------------------------------------------------------------------

    def _searched(self, events: list[Event]) -> Iterator[Sighting]:
        """Search a chunk of frames, and empty it: each frame is let go when its turn has come."""
        seen = _frames(events)
        with self._watch.measure("detect"), self._resuming.chunk(seen):
            found = self.area.find(seen, self._tracker.boxes)
        seen.clear()
        found.reverse()
        events.reverse()
        while events:
            event = events.pop()
            if isinstance(event, Seen):
                with self._watch.measure("track"):
                    sighting = self._tracked(event, found.pop())
                yield sighting
            else:
                self._tracker.idle(event)

    def _tracked(self, seen: Seen, found: Found) -> Sighting:
        now = seen.frame.timestamp.seconds
        faces = tuple(face for face in found.faces if face.alignable)
        owners = tuple(self._tracker.update(now, faces))
        ended = tuple(self._tracker.finish() if self._in_order else self._tracker.ended(now))
        return Sighting(seen, found.search, faces, owners, len(found.faces) - len(faces), ended)


class _Quiet:
    """Gathers consecutive frames in which nothing moved into one omission."""

    def __init__(self) -> None:
        self._first = ""
        self._last: tuple[int, str] = (0, "")
        self._count = 0

    def add(self, frame: Unmoving) -> Iterator[Skipped]:
        if self._count and frame.index != self._last[0] + 1:
            yield from self.end()
        self._first = self._first or frame.id
        self._last = frame.index, frame.id
        self._count += 1

    def end(self) -> Iterator[Skipped]:
        if self._count:
            subject = self._first if self._count == 1 else f"{self._first}-{self._last[1]}"
            yield Skipped(stage="extract", kind="frame", subject=subject, reason=NOTHING_MOVED, count=self._count)
        self._first, self._count = "", 0


def _frames(events: list[Event]) -> list[Seen]:
    return [event for event in events if isinstance(event, Seen)]
