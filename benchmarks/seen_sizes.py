"""How large the detector sees a face, and what that does to comparing it: landmarks from reduced pictures.

    python benchmarks/seen_sizes.py PEOPLE [--pairs 400] [--json]

PEOPLE is a folder with a folder of pictures per person, as of LFW. Two pictures each of as many persons are enlarged
three times, so that their faces are large, and searched at that size and reduced 2 to 5 times. Vectors are made of the
enlarged picture each time, with the landmarks found. Distances of the same and of all other persons; true accepts at
0.1 % false accepts; d': how many standard deviations lie between the two means. "moved": the distance of a picture's
vector from the one with landmarks found at full size. Glances reduce faces to 80 px and no further because of this.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from facerecon.engines import catalogue
from facerecon.faces.boxes import longer_side
from facerecon.pictures import decode_picture
from facerecon.pipeline.detection import Part, detect_in_parts
from facerecon.profiles import load_profile
from facerecon.records import RGB, Detection, FaceView
from facerecon.stages import Detector

ENLARGED, REDUCTIONS = 3, (1, 2, 3, 4, 5)
FALSE_ACCEPTS = 0.001


def pictures(people: Path, pairs: int, seed: int = 0) -> Iterator[tuple[RGB, RGB]]:
    """Yield two pictures each of different persons, enlarged."""
    persons = [sorted(each.iterdir())[:2] for each in sorted(people.iterdir()) if each.is_dir()]
    persons = [files for files in persons if len(files) == 2]
    for number in np.random.default_rng(seed).permutation(len(persons))[:pairs]:
        first, second = (
            np.asarray(
                cv2.resize(
                    decode_picture(file.read_bytes(), file.name),
                    None,
                    fx=ENLARGED,
                    fy=ENLARGED,
                    interpolation=cv2.INTER_CUBIC,
                )
            )
            for file in persons[number]
        )
        yield first, second


def central(faces: Sequence[Detection], picture: RGB) -> Detection | None:
    """Return the face nearest to a picture's middle."""
    height, width = picture.shape[:2]
    return min(
        faces,
        key=lambda face: math.dist(np.mean(face.landmarks, axis=0), (width / 2, height / 2)),
        default=None,
    )


def found(detector: Detector, picture: RGB) -> list[Detection]:
    """Return the picture's face as it is found at each reduction, in the picture's pixels; those where it is."""
    settings = load_profile("standard").detect
    parts = [Part(picture, reduction=times) for times in REDUCTIONS]
    every = [central(faces, picture) for faces in detect_in_parts(detector, parts, settings)]
    return [face for face in every if face is not None]


def measure(people: Path, pairs: int) -> list[dict[str, Any]]:
    """Compare all persons at each reduction."""
    detector, recognizer = catalogue.open_detector(device="cpu"), catalogue.open_recognizer("dlib-lq", device="cpu")
    vectors: list[list[list[Any]]] = [[] for _ in REDUCTIONS]
    seen: list[list[float]] = [[] for _ in REDUCTIONS]
    for both in pictures(people, pairs):
        faces = [found(detector, picture) for picture in both]
        if any(len(each) < len(REDUCTIONS) for each in faces):
            continue
        for number, times in enumerate(REDUCTIONS):
            here = [each[number] for each in faces]
            views = [FaceView(picture, face.landmarks) for picture, face in zip(both, here, strict=True)]
            vectors[number].append([each.vector for each in recognizer.embed(views)])
            seen[number] += [longer_side(face.box) / times for face in here]
    at_full_size = np.array(vectors[0])
    return [
        {"reduction": times, "seen_px": round(float(np.mean(sizes))), **compared(np.array(each), at_full_size)}
        for times, each, sizes in zip(REDUCTIONS, vectors, seen, strict=True)
    ]


def compared(vectors: Any, at_full_size: Any) -> dict[str, Any]:
    """Return the figures of vectors (persons, 2, dimensions)."""
    distances = np.linalg.norm(vectors[:, None, 0] - vectors[None, :, 1], axis=2)
    same, others = np.diag(distances), distances[~np.eye(len(distances), dtype=bool)]
    spread = math.sqrt((same.var() + others.var()) / 2)
    return {
        "pairs": len(same),
        "same": round(float(same.mean()), 4),
        "true_accepts": round(float((same <= np.quantile(others, FALSE_ACCEPTS)).mean()), 4),
        "d_prime": round(float((others.mean() - same.mean()) / spread), 3),
        "moved": round(float(np.linalg.norm(vectors - at_full_size, axis=2).mean()), 4),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path)
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measure(options.people, options.pairs)
    if options.json:
        print(json.dumps({"schema": 1, "benchmark": "seen_sizes", "sizes": rows}))
        return
    print("| reduced | seen px | pairs | mean distance, same person | true accepts at 0.1 % | d' | moved |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")


if __name__ == "__main__":
    main()
