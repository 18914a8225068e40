"""What a killed capture left: the segment it was writing, and one that no record knows yet. Nothing of it is removed.

What can be read up to some packet becomes a segment that is marked as recovered, byte for byte as it was found; what
cannot is kept in `unreadable/`, with its reason in the ledger.
"""

from __future__ import annotations

import os
from pathlib import Path

from facerecon.capture.files import FOLDER, NAME, READ_ONLY, UNFINISHED, place, tracks_in
from facerecon.capture.folder import CaptureFolder
from facerecon.capture.records import Segment, Track, utc_text
from facerecon.containment import digest_inside, entries_below
from facerecon.errors import IntegrityError
from facerecon.manifest import FileEntry

UNREADABLE = "unreadable"
_NS_PER_MS = 1_000_000


def adopted(folder: CaptureFolder) -> tuple[list[Segment], list[str]]:
    """Make what a killed capture left part of the capture, and return the segments and the names of unreadable files.

    Raises:
        IntegrityError: something lies in the folder that no capture left there.
        OSError: it cannot be moved.
    """
    kept: list[Segment] = []
    unreadable: list[str] = []
    for name in _strays(folder):
        tracks = tracks_in(folder.root, name)
        if tracks:
            kept.append(_recovered(folder, name, tracks))
            folder.add_segment(kept[-1])
        else:
            unreadable.append(_set_aside(folder, name))
    return kept, unreadable


def _strays(folder: CaptureFolder) -> list[str]:
    found = []
    for name, regular in entries_below(folder.root):
        if folder.knows(name) or name in ("manifest.json", "ledger.jsonl"):
            continue
        place_, _, last = name.rpartition("/")
        if not regular or place_ not in (FOLDER, UNREADABLE) or not NAME.fullmatch(last.removeprefix(UNFINISHED)):
            raise IntegrityError(f"capture {folder.root}: {name} was left by no capture; move it away, then go on")
        found.append(name)
    return sorted(found, key=lambda name: name.rpartition("/")[2].removeprefix(UNFINISHED))


def _recovered(folder: CaptureFolder, name: str, tracks: tuple[Track, ...]) -> Segment:
    path = folder.root / name
    final = folder.root / FOLDER / path.name.removeprefix(UNFINISHED)
    size, written_ns = _settled(path)
    if path != final:
        place(path, final)
    begin_ms = folder.covered_ms
    stamp = final.name.partition("-")[2].removesuffix(".nut")
    begun = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:11]}:{stamp[11:13]}:{stamp[13:15]}.000Z"
    return Segment.model_validate(
        {
            "number": folder.next_number,
            "path": f"{FOLDER}/{final.name}",
            "sha256": digest_inside(folder.root, f"{FOLDER}/{final.name}"),
            "size_bytes": size,
            "begin_ms": begin_ms,
            "end_ms": max(begin_ms, (written_ns - folder.first_utc_ns) // _NS_PER_MS),
            "first_packet_utc": begun,
            "last_packet_utc": utc_text(written_ns),
            "times": "unknown",
            "tracks": [track.model_dump() for track in tracks],
            "recovered": True,
        }
    )


def _set_aside(folder: CaptureFolder, name: str) -> str:
    kept = f"{UNREADABLE}/{name.rpartition('/')[2].removeprefix(UNFINISHED)}"
    path = folder.root / name
    size, written_ns = _settled(path)
    if name != kept:
        (folder.root / UNREADABLE).mkdir(mode=0o700, exist_ok=True)
        place(path, folder.root / kept)
    entry = FileEntry(sha256=digest_inside(folder.root, kept), size_bytes=size)
    reason = "a killed capture left it, and no whole packet of the video is in it"
    details = {"path": kept, "size_bytes": size, "last_written_utc": utc_text(written_ns), "reason": reason}
    folder.note("capture.unreadable", details, {kept: entry})
    return kept


def _settled(path: Path) -> tuple[int, int]:
    """Flush a file that was left, make it read-only, and return its size and when it was last written to (ns)."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        os.fsync(handle)
        os.fchmod(handle, READ_ONLY)
    finally:
        os.close(handle)
    return found.st_size, found.st_mtime_ns
