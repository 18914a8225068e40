"""Faces looked for only where something moved or a face was, against whole frames: what is lost, and what is gained.

    python benchmarks/regions.py [CLIP...] [--walls] [--seconds S] [--profile NAME] [--json]

Each clip goes through `facerecon extract` twice, with `extract.motion.regions` off and on. Recall: the share of the
faces found in whole frames (those of a track that counts) that were found with regions, too, in the same frame with an
overlap (IoU) of at least 0.5. Seconds are those of detection, from the case's ledger. `--walls` adds walls of nine and
of 36 cameras (benchmarks/people.py), 1920x1080 and 3840x2160 px: small faces, 16 to 46 px wide, in large frames.

Goals: recall at least 0.98 of all clips' faces together; every track found.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from people import render_wall

from facerecon.faces.tracking import box_iou

ROOT = Path(__file__).resolve().parent.parent
Boxes = dict[str, list[tuple[float, ...]]]


@dataclass(frozen=True)
class Extraction:
    """What one run found, and what it took."""

    boxes: Boxes
    tracks: int
    frames: int
    detect_s: float
    searched_percent: float

    @property
    def faces(self) -> int:
        """Faces of tracks that count."""
        return sum(len(each) for each in self.boxes.values())


def extracted(clip: Path, profile: str, case: Path, *, regions: bool) -> Extraction:
    """Run `extract` in a process of its own and read its case."""
    keys = [f"extract.motion.regions={'true' if regions else 'false'}"]
    command = [sys.executable, str(ROOT / "cli.py"), "extract", str(clip), "--case", str(case), "--profile", profile]
    subprocess.run([*command, "--quiet", *(f"--set={key}" for key in keys)], check=True, stdout=subprocess.DEVNULL)
    boxes: Boxes = defaultdict(list)
    for record in lines(case / "records/detections.jsonl"):
        if record["track"] is not None:
            boxes[record["frame"]].append(tuple(record["detection"]["box"]))
    (details,) = (each["details"] for each in lines(case / "ledger.jsonl") if each["action"] == "extract.finished")
    return Extraction(
        dict(boxes),
        details["tracks"],
        details["counts"]["frames"]["written"],
        details["durations_s"]["detect"],
        details["search"]["searched_percent"],
    )


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the documents of a JSONL file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def found_again(reference: Boxes, others: Boxes) -> int:
    """Count the faces that have a partner in the same frame."""
    count = 0
    for frame, boxes in reference.items():
        if frame in others:
            count += int((box_iou(np.array(boxes), np.array(others[frame])) >= 0.5).any(axis=1).sum())
    return count


def measure(clip: Path, profile: str) -> dict[str, Any]:
    """Run a clip both ways and compare."""
    with tempfile.TemporaryDirectory() as folder:
        whole = extracted(clip, profile, Path(folder, "whole"), regions=False)
        parts = extracted(clip, profile, Path(folder, "parts"), regions=True)
    return {
        "clip": clip.name,
        "frames": whole.frames,
        "faces": whole.faces,
        "found_again": found_again(whole.boxes, parts.boxes),
        "faces_with_regions": parts.faces,
        "tracks": whole.tracks,
        "tracks_with_regions": parts.tracks,
        "searched_percent": parts.searched_percent,
        "whole_s": round(whole.detect_s, 2),
        "regions_s": round(parts.detect_s, 2),
        "ratio": round(whole.detect_s / max(parts.detect_s, 1e-9), 2),
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
    recall = sum(row["found_again"] for row in rows) / max(sum(row["faces"] for row in rows), 1)
    if options.json:
        print(json.dumps({"schema": 1, "benchmark": "regions", "recall": round(recall, 4), "clips": rows}))
        return
    print("| clip | frames | faces, again | tracks, with regions | searched | detection s, with regions | ratio |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for row in rows:
        print(
            f"| {row['clip']} | {row['frames']} | {row['faces']}, {row['found_again']} | {row['tracks']}, "
            f"{row['tracks_with_regions']} | {row['searched_percent']} % | {row['whole_s']}, {row['regions_s']} | "
            f"{row['ratio']} |"
        )
    met = recall >= 0.98 and all(row["tracks"] <= row["tracks_with_regions"] for row in rows)
    print(f"recall {recall:.4f}: goals {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    main()
