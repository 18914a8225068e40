"""Searching frames in part, and large ones reduced, against whole frames at full size: what is lost, what is gained.

    python benchmarks/regions.py [CLIP...] [--walls] [--seconds S] [--profile NAME] [--json]

Each clip goes through `facerecon extract` three times: whole frames at full size; parts of frames
(`extract.motion.regions`); and as the profile has it, which for frames of 720 lines and more means reduced ones in
between (`detect.full_size_every_s`). Recall: the share of the faces found in whole frames (those of a track that
counts) that were found again, in the same frame with an overlap (IoU) of at least 0.5. A track is found again where
half of its faces are, in whatever tracks. Seconds are those of detection, from the case's ledger. `--walls` adds walls
of nine and of 36 cameras (benchmarks/people.py), 1920x1080 and 3840x2160 px: small faces, 16 to 46 px wide, in large
frames.

Goals: recall at least 0.98 of all clips' faces together; every track found again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from people import render_wall

from facerecon.faces.tracking import box_iou

ROOT = Path(__file__).resolve().parent.parent
Boxes = dict[str, list[tuple[float, ...]]]
"""The faces of a track that counts, by frame."""


@dataclass(frozen=True)
class Extraction:
    """What one run found, and what it took."""

    tracks: dict[str, Boxes]
    frames: int
    detect_s: float
    searched_percent: float

    @property
    def boxes(self) -> Boxes:
        """The faces of all tracks."""
        found: Boxes = defaultdict(list)
        for track in self.tracks.values():
            for frame, boxes in track.items():
                found[frame] += boxes
        return found


WHOLE = ("extract.motion.regions=false", "detect.full_size_every_s=0")
WAYS = {"parts": ("detect.full_size_every_s=0",), "profile": ()}
"""What the profile is changed by in the ways that are compared with whole frames."""


def extracted(clip: Path, profile: str, case: Path, changes: Sequence[str]) -> Extraction:
    """Run `extract` in a process of its own and read its case."""
    command = [sys.executable, str(ROOT / "cli.py"), "extract", str(clip), "--case", str(case), "--profile", profile]
    subprocess.run([*command, "--quiet", *(f"--set={key}" for key in changes)], check=True, stdout=subprocess.DEVNULL)
    tracks: dict[str, Boxes] = defaultdict(lambda: defaultdict(list))
    for record in lines(case / "records/detections.jsonl"):
        if record["track"] is not None:
            tracks[record["track"]][record["frame"]].append(tuple(record["detection"]["box"]))
    (details,) = (each["details"] for each in lines(case / "ledger.jsonl") if each["action"] == "extract.finished")
    return Extraction(
        tracks,
        details["counts"]["frames"]["written"],
        details["durations_s"]["detect"],
        details["search"]["searched_percent"],
    )


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the documents of a JSONL file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def count(boxes: Boxes) -> int:
    """Count faces."""
    return sum(len(each) for each in boxes.values())


def found_again(reference: Boxes, others: Boxes) -> int:
    """Count the faces that have a partner in the same frame."""
    count = 0
    for frame, boxes in reference.items():
        if frame in others:
            count += int((box_iou(np.array(boxes), np.array(others[frame])) >= 0.5).any(axis=1).sum())
    return count


def measure(clip: Path, profile: str, ways: Iterable[str] = tuple(WAYS)) -> dict[str, Any]:
    """Run a clip whole and in some ways, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        whole = extracted(clip, profile, Path(folder, "whole"), WHOLE)
        others = {name: extracted(clip, profile, Path(folder, name), WAYS[name]) for name in ways}
    return {
        "clip": clip.name,
        "frames": whole.frames,
        "faces": count(whole.boxes),
        "tracks": len(whole.tracks),
        "whole_s": round(whole.detect_s, 2),
        "ways": {name: compared(whole, other) for name, other in others.items()},
    }


def compared(whole: Extraction, other: Extraction) -> dict[str, Any]:
    """Say what another way lost, and what it took."""
    return {
        "faces_again": found_again(whole.boxes, other.boxes),
        "faces": count(other.boxes),
        "tracks_again": sum(2 * found_again(each, other.boxes) >= count(each) for each in whole.tracks.values()),
        "tracks": len(other.tracks),
        "searched_percent": other.searched_percent,
        "seconds": round(other.detect_s, 2),
        "ratio": round(whole.detect_s / max(other.detect_s, 1e-9), 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--walls", action="store_true")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of the walls")
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [measure(clip, options.profile) for clip in options.clips]
    with tempfile.TemporaryDirectory() as folder:
        for columns in (3, 6) if options.walls else ():
            clip = Path(folder, f"wall of {columns**2} cameras.mp4")
            render_wall(clip, columns, options.seconds)
            rows.append(measure(clip, options.profile))
    if not rows:
        parser.error("name a clip, or --walls")
    every = max(sum(row["faces"] for row in rows), 1)
    recall = {way: round(sum(row["ways"][way]["faces_again"] for row in rows) / every, 4) for way in WAYS}
    if options.json:
        print(json.dumps({"schema": 2, "benchmark": "regions", "recall": recall, "clips": rows}))
        return
    print("| clip | frames | way | faces, again | tracks, again | the detector saw | detection s | ratio |")
    print("|---|--:|---|--:|--:|--:|--:|--:|")
    for row in rows:
        print(f"| {row['clip']} | {row['frames']} | whole | {row['faces']} | {row['tracks']} | | {row['whole_s']} | |")
        for way, found in row["ways"].items():
            faces, tracks = (f"{found[each]}, {found[f'{each}_again']}" for each in ("faces", "tracks"))
            seen = f"{found['searched_percent']} % | {found['seconds']} | {found['ratio']}"
            print(f"| | | {way} | {faces} | {tracks} | {seen} |")
    for way, share in recall.items():
        met = share >= 0.98 and all(row["tracks"] == row["ways"][way]["tracks_again"] for row in rows)
        print(f"{way}: recall {share:.4f}: goals {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    main()
