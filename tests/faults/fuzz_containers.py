"""Broken containers through probing and decoding in isolated processes: `python -m tests.faults.fuzz_containers`.

Each mutant must end within a time and a memory limit, and either be refused in one line or have each of its frames
accounted for. Prints the outcomes; exits with 1 when a mutant broke a rule.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facerecon.errors import EvidenceError
from facerecon.profiles import Motion, Sample
from facerecon.records import Counts, Skipped
from facerecon.video import Unmoving, Watched, open_source
from facerecon.video.isolation import MEMORY_BYTES
from facerecon.video.spawning import Decoder, Ending
from tests.faults.mutations import mutant, write_clips

TIMEOUT_S = 20.0
MOST_S = 120.0


@dataclass
class Tally:
    """What became of the mutants."""

    outcomes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, 0)
    peak_kib: int = 0
    processor_s: float = 0.0

    def ended(self, ending: Ending) -> None:
        """Take note of a process."""
        self.peak_kib = max(self.peak_kib, ending.peak_kib)
        self.processor_s = max(self.processor_s, ending.processor_s)

    def took(self, seed: int, outcome: str, seconds: float) -> None:
        """Take note of a mutant."""
        self.outcomes[outcome] += 1
        self.slowest = max(self.slowest, (seconds, seed))
        if outcome.startswith("BROKEN") or seconds > MOST_S:
            self.broken.append(f"mutant {seed}: {outcome}, {seconds:.1f} s")


def outcome(path: Path) -> str:
    """Open and decode a file, and say what became of it; what breaks a rule begins with BROKEN."""
    try:
        source = open_source(
            path, deinterlace="auto", square_pixels=True, isolation="process", decoder_timeout_s=TIMEOUT_S
        )
    except EvidenceError as error:
        return _refusal("refused", str(error))
    except Exception as error:
        return f"BROKEN opening: {error!r}"
    items: list[Any] = []
    refusal = ""
    try:
        # As `extract` reads it: with the motion gate in the decoder's process.
        with closing(source.watched(Sample(), Motion())) as frames:  # type: ignore[type-var]
            items.extend(_light(each) for each in frames)
    except EvidenceError as error:
        refusal = _refusal("no frame", str(error))
    except Exception as error:
        return f"BROKEN decoding: {error!r}"
    return _account(items, refusal)


def _light(item: Watched | Unmoving | Skipped) -> Any:
    if isinstance(item, Skipped):
        return item
    frame = item.frame if isinstance(item, Watched) else item
    return frame.index, frame.timestamp.seconds


def _refusal(kind: str, text: str) -> str:
    if len(text.splitlines()) != 1 or not text.startswith("source "):
        return f"BROKEN message: {text!r}"
    return f"{kind}: {_why(text)}"


def _why(text: str) -> str:
    if "the decoder " not in text:
        return "unreadable"
    return "decoder " + " ".join(
        text.partition("the decoder ")[2].partition(" before ")[0].partition(" after ")[0].split()[:8]
    )


def _account(items: Iterable[Any], refusal: str) -> str:
    index, last, counts = 0, None, Counter[str]()
    for item in items:
        if isinstance(item, Skipped):
            first = int(item.subject.partition("-")[0][1:])
            if first != index:
                return f"BROKEN account: {item.subject} follows {index} frames"
            index, counts[item.outcome] = index + item.count, counts[item.outcome] + item.count
            counts[item.reason] += 1
        else:
            if item[0] != index or (last is not None and item[1] <= last):
                return f"BROKEN account: frame {item[0]} at {item[1]} follows {index} frames until {last}"
            index, last, counts["written"] = index + 1, item[1], counts["written"] + 1
    Counts(requested=index, written=counts["written"], failed=counts["failed"], skipped=counts["skipped"])
    if refusal or not index:
        return refusal or "no frame: none in the file"
    if counts["decoder-ended"]:
        return "partly: the decoder ended"
    return "partly: some frames failed" if counts["failed"] else "whole: no frame failed"


def fuzz(seeds: Iterable[int], folder: Path, workers: int = 1, *, show: bool = False) -> Tally:
    """Try mutants by their seeds."""
    tally, clips = Tally(), write_clips(folder)
    end = Decoder.end

    def noted(decoder: Decoder, **options: Any) -> Ending:
        ending = end(decoder, **options)
        tally.ended(ending)
        return ending

    def one(seed: int) -> None:
        name, data = mutant(seed, clips)
        path = folder / f"{seed}-{name}"
        path.write_bytes(data)
        begun = time.monotonic()
        tally.took(seed, outcome(path) if data else "refused: unreadable", time.monotonic() - begun)
        path.unlink()
        if show and sum(tally.outcomes.values()) % 250 == 0:
            print(dict(tally.outcomes), tally.broken, flush=True)

    Decoder.end = noted  # type: ignore[method-assign]
    try:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(one, seeds))
    finally:
        Decoder.end = end  # type: ignore[method-assign]
    return tally


def main() -> int:
    """Run as told on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first mutant")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        seeds = range(options.first, options.first + options.mutants)
        tally = fuzz(seeds, Path(folder), options.workers, show=True)
    for name, count in tally.outcomes.most_common():
        print(f"{count:6d}  {name}")
    print(
        f"slowest: {tally.slowest[0]:.2f} s (mutant {tally.slowest[1]}); most processor time: {tally.processor_s:.2f} s"
    )
    print(f"peak memory of a decoder: {tally.peak_kib / 1024:.0f} MiB of {MEMORY_BYTES >> 20}")
    print(f"{options.mutants} mutants in {time.monotonic() - begun:.0f} s")
    for each in tally.broken:
        print(each)
    return int(bool(tally.broken))


if __name__ == "__main__":
    sys.exit(main())
