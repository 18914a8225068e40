"""From a clip to a report: facerecon against a pipeline of the same models, run as upstream projects' scripts run them.

    python benchmarks/peers.py [--people 1,3,8] [--seconds S] [--profile standard,fast] [--json]

The reference does what those scripts do: OpenCV decodes, facexlib's own `detect_faces` looks at every frame, every face
is aligned, restored and embedded one by one in fp32 (restorer-unet, dlib-resnet; NCHW, no batches), and compared with
the gallery. It writes nothing. Ours is `facerecon run --gallery`: case folder, ledger, hashes, tracks, fusion, restored
pictures, candidates, HTML and PDF. Both are processes of their own: start-up counts. The clips are those of
benchmarks/people.py, 60 s of 640x360 at 25 fps.

Quality: a person is found where a face (ours: a track's best shot) lies on the true one. The similarity is that of a
person's best picture to the person's own sharp portrait, mean over people: the reference takes the largest face that it
found of a person, ours the best shot of the person's tracks. Both as recorded and restored; ours also the fused vector.

Goals on two cores: 20 times faster with `standard`, 40 times with `fast`; the same people; similarity not lower.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from people import Scene, render
from regions import lines

from facerecon.commands.timing import BESIDE
from facerecon.faces.tracking import box_iou
from facerecon.records import RGB, FaceView, Landmarks5

ROOT = Path(__file__).resolve().parent.parent
Rows = np.ndarray[Any, Any]

GOALS = {"standard": 20.0, "fast": 40.0}
_LOOK_S = 0.02
SCORE, OVERLAP, ON_THE_FACE = 0.8, 0.4, 0.3
VARIANTS = ("original", "restored", "fused")


@dataclass(frozen=True)
class Cost:
    """What a process took: wall-clock and processor seconds, peak memory in MB (10^6 bytes)."""

    wall_s: float
    cpu_s: float
    peak_mb: float


@dataclass(frozen=True)
class Result:
    """A pipeline's cost, the people it found, and each variant's mean similarity of a person's best picture."""

    cost: Cost
    found: int
    similarities: Mapping[str, float]
    stages: Mapping[str, float]


def timed(command: Sequence[str]) -> Cost:
    """Run a process to its end and return what it took."""
    begun, peak_kb = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            peak_kb = max(peak_kb, peak_of(process.pid))
            time.sleep(_LOOK_S)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, peak_kb * 1024 / 1e6)


def peak_of(pid: int) -> int:
    """Return the peak resident memory (KiB) of a process since it began its program; 0 when it has ended.

    Not what wait4 tells: that counts the memory of whoever started it, too.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def person_at(box: Sequence[float], faces: Mapping[int, Sequence[float]]) -> int | None:
    """Return whose face a box lies on."""
    if not faces:
        return None
    people = list(faces)
    overlaps = box_iou(np.array([box]), np.array([faces[each] for each in people]))[0]
    best = int(overlaps.argmax())
    return people[best] if overlaps[best] > ON_THE_FACE else None


def mean_of(best: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
    """Return each variant's mean over people."""
    return {
        name: round(float(np.mean([each[name] for each in best.values() if name in each])), 4)
        for name in VARIANTS
        if any(name in each for each in best.values())
    }


# --- ours -------------------------------------------------------------------------------------------------------------


def ours(scene: Scene, gallery: Path, profile: str, case: Path) -> Result:
    """Run facerecon on a clip and read its case."""
    command = [sys.executable, str(ROOT / "cli.py"), "run", str(scene.clip), "--case", str(case), "--quiet"]
    command += ["--gallery", str(gallery), "--profile", profile, f"--set=recognize.top={len(scene.portraits)}"]
    cost = timed(command)
    chips = {each["id"]: each for each in lines(case / "records/chips.jsonl")}
    owners = {}
    for track in lines(case / "records/tracks.jsonl"):
        if track["best"]:
            shot = chips[track["best"][0]]
            owner = person_at(shot["detection"]["box"], scene.faces[frame_number(shot["frame"])])
            if owner is not None:
                owners[track["id"]] = owner, shot["quality"]["score"]
    best: dict[int, str] = {}
    for track_id, (owner, score) in owners.items():
        if owner not in best or score > owners[best[owner]][1]:
            best[owner] = track_id
    found: dict[int, dict[str, float]] = {owner: {} for owner in best}
    for line in lines(case / "records/candidates.jsonl"):
        for owner, track_id in best.items():
            if line["track"] == track_id and line["identity"] == f"person{owner}":
                found[owner][line["variant"]] = line["similarity"]
    return Result(cost, len(found), mean_of(found), stages(case, cost.wall_s))


def frame_number(frame_id: str) -> int:
    """Return a frame's number from its id."""
    return int(frame_id.rpartition("f")[2])


def stages(case: Path, wall_s: float) -> dict[str, float]:
    """Return the seconds of each step of each stage, from the ledger; the rest is start-up, loading and writing.

    Steps in brackets ran beside the others, in threads of their own.
    """
    found, beside = {}, {}
    for entry in lines(case / "ledger.jsonl"):
        for name, seconds in entry.get("details", {}).get("durations_s", {}).items():
            stage = entry["action"].partition(".")[0]
            if name in BESIDE.get(stage, ()):
                beside[f"({stage}: {name})"] = seconds
            else:
                found[f"{stage}: {name}"] = seconds
    return {**beside, **found, "start-up, loading, hashing, writing": round(wall_s - sum(found.values()), 2)}


# --- the reference ----------------------------------------------------------------------------------------------------


def reference(scene: Scene, gallery: Path, output: Path) -> Result:
    """Run the reference in a process of its own."""
    command = [sys.executable, __file__, "--reference", str(scene.clip), str(gallery), str(output)]
    cost = timed(command)
    document = json.loads(output.read_text(encoding="utf-8"))
    found: dict[int, dict[str, float]] = {}
    sizes: dict[int, float] = {}
    for face in document["faces"]:
        owner = person_at(face["box"], scene.faces[face["frame"]])
        size = face["box"][2] - face["box"][0]
        if owner is not None and size > sizes.get(owner, 0.0):
            sizes[owner] = size
            found[owner] = {name: face[name][f"person{owner}"] for name in ("original", "restored")}
    return Result(cost, len(found), mean_of(found), document["seconds"])


def run_reference(clip: Path, gallery: Path, output: Path) -> None:
    """Do what upstream's scripts do; write down what was found, and where the time went."""
    peer = Peer(gallery)
    seconds = dict.fromkeys(("decode", "detect", "align, restore and embed"), 0.0)
    faces = []
    video, number = cv2.VideoCapture(str(clip)), 0
    while True:
        begun = time.perf_counter()
        read, picture = video.read()
        decoded = time.perf_counter()
        seconds["decode"] += decoded - begun
        if not read:
            break
        rgb: RGB = np.ascontiguousarray(picture[..., ::-1])
        rows = peer.detect(rgb)
        detected = time.perf_counter()
        seconds["detect"] += detected - decoded
        faces += [{"frame": number, **peer.face(rgb, row)} for row in rows]
        seconds["align, restore and embed"] += time.perf_counter() - detected
        number += 1
    rounded = {name: round(value, 2) for name, value in seconds.items()}
    output.write_text(json.dumps({"faces": faces, "seconds": rounded}), encoding="utf-8")


class Peer:
    """Upstream's way: facexlib's detector, and the networks as they are, fp32, one face at a time."""

    def __init__(self, gallery: Path) -> None:
        """Load the models and embed the gallery."""
        import torch
        from detection import open_upstream

        from facerecon.engines.embedding_networks import DESIGNS
        from facerecon.engines.restoring_networks import restoring_network
        from facerecon.engines.states import load_into
        from facerecon.weights import entry

        torch.set_grad_enabled(False)
        self.detect = open_upstream()
        self.restorer = restoring_network("restorer-unet")
        load_into(self.restorer, entry("restorer-unet"))
        self.design = DESIGNS["dlib-resnet"]
        self.recognizer = self.design.empty_network()
        load_into(self.recognizer, entry("dlib-resnet"))
        self.known = {path.parent.name: self._enrolled(path) for path in sorted(gallery.glob("*/*.png"))}

    def face(self, picture: RGB, row: Rows) -> dict[str, Any]:
        """Return a face's box, and the similarities of its picture, as recorded and restored, to the gallery."""
        from facerecon.engines.squares import SIDE_PX, Square, to_full

        view = _view(picture, row)
        square = Square(128)
        full = to_full(view)
        given = self._tensor(square.cut_by(view.pixels, full)) / 255
        levels = (self.restorer(given).picture[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
        factor = square.side_px / SIDE_PX
        points = (np.array(view.landmarks) @ full[:, :2].T + full[:, 2]) * factor + (factor - 1) / 2
        restored = FaceView(levels, landmarks_of(points))
        box = [float(each) for each in row[:4] - 0.5]
        return {"box": box, "original": self._compared(view), "restored": self._compared(restored)}

    def _enrolled(self, path: Path) -> Rows:
        picture: RGB = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
        return self._vector(_view(picture, max(self.detect(picture), key=lambda row: row[2] - row[0])))

    def _compared(self, view: FaceView) -> dict[str, float]:
        vector = self._vector(view)
        return {name: round(1 - float(np.linalg.norm(vector - each)), 4) for name, each in self.known.items()}

    def _vector(self, view: FaceView) -> Rows:
        from facerecon.engines import chips

        framing = self.design.framing
        chip = chips.cut(view.pixels, framing.transform(view), framing.side_px, "linear")
        return np.asarray(self.recognizer(self.design.prepared(self._tensor(chip)))[0].numpy())

    def _tensor(self, picture: RGB) -> Any:
        import torch

        return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float()


def _view(picture: RGB, row: Rows) -> FaceView:
    return FaceView(picture, landmarks_of(row[5:15].reshape(5, 2) - 0.5))


def landmarks_of(points: Rows) -> Landmarks5:
    """Return five points as a record has them."""
    a, b, c, d, e = ((float(x), float(y)) for x, y in points)
    return a, b, c, d, e


# --- both -------------------------------------------------------------------------------------------------------------


def measure(people: int, seconds: float, profiles: Sequence[str], folder: Path) -> Iterator[dict[str, Any]]:
    """Make a clip of so many people; run the reference once, and ours with every profile."""
    scene = render(folder / f"people-{people}.mp4", people, seconds)
    gallery = folder / f"gallery-{people}"
    for number, picture in enumerate(scene.portraits):
        place = gallery / f"person{number}"
        place.mkdir(parents=True)
        cv2.imwrite(str(place / "portrait.png"), picture[..., ::-1])
    peer = reference(scene, gallery, folder / f"reference-{people}.json")
    for profile in profiles:
        mine = ours(scene, gallery, profile, folder / f"case-{people}-{profile}")
        yield {
            "name": f"{people} {'person' if people == 1 else 'people'}, {profile}",
            "profile": profile,
            "people": people,
            "ratio": round(peer.cost.wall_s / mine.cost.wall_s, 2),
            "ours_s": round(mine.cost.wall_s, 1),
            "reference_s": round(peer.cost.wall_s, 1),
            "ours_cpu_s": round(mine.cost.cpu_s, 1),
            "reference_cpu_s": round(peer.cost.cpu_s, 1),
            "ours_mb": round(mine.cost.peak_mb),
            "reference_mb": round(peer.cost.peak_mb),
            "people_found": mine.found,
            "reference_people_found": peer.found,
            "similarity": mine.similarities,
            "reference_similarity": peer.similarities,
            "stages_s": mine.stages,
            "reference_stages_s": peer.stages,
        }


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the table's lines, and where the time goes."""
    yield "Reference, ours. Similarity: original, restored; original, restored, fused vector.\n"
    yield "| clip | wall s | ratio | CPU s | peak MB | people | similarity | ours |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for row in rows:
        theirs, mine = row["reference_similarity"], row["similarity"]
        yield (
            f"| {row['name']} | {row['reference_s']}, {row['ours_s']} | {row['ratio']} | {row['reference_cpu_s']}, "
            f"{row['ours_cpu_s']} | {row['reference_mb']}, {row['ours_mb']} | {row['reference_people_found']}, "
            f"{row['people_found']} | {', '.join(_figure(theirs, name) for name in VARIANTS[:2])} | "
            f"{', '.join(_figure(mine, name) for name in VARIANTS)} |"
        )
    for row in rows:
        yield f"\n{row['name']}: where the time goes, s"
        peer = {f"reference: {name}": seconds for name, seconds in row["reference_stages_s"].items()}
        for name, seconds in {**peer, **row["stages_s"]}.items():
            yield f"  {name:44} {seconds:8.2f}"


def _figure(found: Mapping[str, float], name: str) -> str:
    return f"{found[name]:.3f}" if name in found else "none"


def misses(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the goals that were missed."""
    for row in rows:
        if row["ratio"] < GOALS.get(row["profile"], 0):
            yield f"{row['name']}: {row['ratio']} times, not {GOALS[row['profile']]:g}"
        if row["people_found"] < row["reference_people_found"]:
            yield f"{row['name']}: {row['people_found']} people, the reference {row['reference_people_found']}"
        best, theirs = (max(row[key].values(), default=0.0) for key in ("similarity", "reference_similarity"))
        if best < theirs:
            yield f"{row['name']}: similarity {best}, the reference's {theirs}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", default="1,3,8")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--profile", default="standard,fast")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--reference", nargs=3, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reference:
        run_reference(*options.reference)
        return
    with tempfile.TemporaryDirectory() as folder:
        counts = [int(each) for each in options.people.split(",")]
        profiles = options.profile.split(",")
        rows = [row for each in counts for row in measure(each, options.seconds, profiles, Path(folder))]
    if options.json:
        print(json.dumps({"schema": 1, "benchmark": "peers", "clips": rows}))
        return
    print("\n".join(table(rows)))
    missed = list(misses(rows))
    print("\ngoals met" if not missed else "\ngoals MISSED:\n  " + "\n  ".join(missed))


if __name__ == "__main__":
    main()
