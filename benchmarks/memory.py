"""Peak memory of `extract` must not grow with the clip's length: the demo clip against itself ten times in a row.

    python benchmarks/memory.py [--times 10] [--wall SECONDS] [--json]

Each run is a process of its own; its peak resident memory is what the operating system counted. The baseline is the
clip played once. The long clip holds the same coded packets with later timestamps, so both runs see the same pictures.
With `--wall`, also so many seconds of 1920x1080 px: nine cameras of benchmarks/people.py, searched in windows of many
sizes. The goal there is 1,500 MB with `standard`, the whole of `facerecon run`; `extract` is its hungriest stage.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from people import render_wall

from facerecon.demo import render_clip


def repeated(clip: Path, target: Path, times: int) -> Path:
    """Write the clip's packets `times` times in a row, without coding them again."""
    with av.open(str(clip)) as source, av.open(str(target), "w") as sink:
        stream = source.streams.video[0]
        copy = sink.add_stream_from_template(stream)
        length = int(stream.duration) + 9000
        for turn in range(times):
            source.seek(0, stream=stream)
            for packet in source.demux(stream):
                if packet.dts is None:
                    continue
                packet.pts, packet.dts, packet.stream = packet.pts + turn * length, packet.dts + turn * length, copy
                sink.mux(packet)
    return target


def measured(clip: Path, folder: Path) -> dict[str, Any]:
    """Run extract on a clip and return frames, seconds and peak resident memory in MiB."""
    case = folder / f"case-{clip.stem}"
    command = [
        sys.executable,
        "-m",
        "facerecon.commands.main",
        "extract",
        str(clip),
        "--case",
        str(case),
        "--json",
        "-q",
    ]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"extract failed on {clip}")
    frames = json.loads(output)["frames"]["requested"]
    return {
        "clip": clip.name,
        "frames": frames,
        "seconds": round(time.perf_counter() - begun, 1),
        "peak_mib": round(usage.ru_maxrss / 1024, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--wall", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        once = render_clip(folder / "once.mp4").path
        rows = [measured(clip, folder) for clip in (once, repeated(once, folder / "repeated.mp4", arguments.times))]
        if arguments.wall:
            wall = folder / "wall-1080p.mp4"
            render_wall(wall, 3, arguments.wall)
            rows.append(measured(wall, folder))
    ratio = round(rows[1]["peak_mib"] / rows[0]["peak_mib"], 3)
    if arguments.json:
        print(json.dumps({"runs": rows, "peak_ratio": ratio}, indent=2))
        return
    for row in rows:
        print(f"{row['clip']:14} {row['frames']:6} frames  {row['seconds']:7.1f} s  peak {row['peak_mib']:8.1f} MiB")
    print(f"peak memory, {arguments.times} times the frames / once: {ratio}")


if __name__ == "__main__":
    main()
