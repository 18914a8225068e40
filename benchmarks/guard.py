"""A guard against slow regressions: ratios of this run against stored ones, with much slack. Never absolute times.

    python benchmarks/guard.py [--baseline FILE] [--json]

Each ratio is taken in one run, both sides on the same frames: detection in batches against facexlib's own call;
extraction that searches parts of frames against whole frames; and one that sees large frames (1920x1080 px, nine small
faces) reduced in between. It fails (exit 1) where a ratio is below `slack` times the stored one, where more than 2 % of
the faces are lost, or a track is. Takes about two minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import detection
import regions
from people import render, render_wall

BASELINE = Path(__file__).resolve().parent / "baseline.yaml"
_FRAMES, _ROUNDS, _SECONDS, _WALL_SECONDS = 24, 3, 8.0, 4.0


def measured() -> dict[str, Mapping[str, Any]]:
    """Take every ratio."""
    with tempfile.TemporaryDirectory() as folder:
        clip, wall = render(Path(folder, "person.mp4"), 1, _SECONDS).clip, Path(folder, "wall.mp4")
        render_wall(wall, 3, _WALL_SECONDS)
        return {
            "detection": detection.measure(detection.read_frames(clip, _FRAMES), 8, _ROUNDS),
            "regions": _way(clip, "parts"),
            "glances": _way(wall, "profile"),
        }


def _way(clip: Path, way: str) -> dict[str, Any]:
    found = regions.measure(clip, "standard", [way])
    return {**found["ways"][way], "of_faces": found["faces"], "of_tracks": found["tracks"]}


def problems(found: Mapping[str, Mapping[str, Any]], baseline: Mapping[str, Any]) -> Iterator[str]:
    """Yield what has become worse."""
    yield from (f"{name}: no ratio of it is stored" for name in found if name not in baseline["ratios"])
    for name, stored in baseline["ratios"].items():
        least = baseline["slack"] * stored
        if found[name]["ratio"] < least:
            yield f"{name}: {found[name]['ratio']} times, stored {stored}, at least {least:g} is needed"
    if found["detection"]["unmatched"]:
        yield f"detection: {found['detection']['unmatched']} faces differ from facexlib's"
    for name in ("regions", "glances"):
        again, faces = (found[name][key] for key in ("faces_again", "of_faces"))
        if again < 0.98 * faces:
            yield f"{name}: {again} of {faces} faces were found again"
        if found[name]["tracks_again"] < found[name]["of_tracks"]:
            yield f"{name}: a track was lost"


def main() -> None:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found, baseline = measured(), yaml.safe_load(options.baseline.read_text(encoding="utf-8"))
    worse = list(problems(found, baseline))
    if options.json:
        print(json.dumps({"schema": 1, "benchmark": "guard", "found": found, "problems": worse}))
    else:
        for name, stored in baseline["ratios"].items():
            print(f"{name:12} {found[name]['ratio']:6.2f} times   stored {stored:.2f}")
        print("\n".join(worse) or "no ratio is worse than the stored ones allow")
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
