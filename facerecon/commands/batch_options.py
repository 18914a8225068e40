"""The options of `facerecon batch` that no other command has. Owns their words, and what holds where none is given."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

Cases = Annotated[
    Path, typer.Option("--cases", help="Folder of the cases, the journal and the index.", show_default=False)
]
FilesFrom = Annotated[
    str | None,
    typer.Option("--files-from", help="Also the paths in this file, one a line; - reads stdin.", show_default=False),
]
Null = Annotated[bool, typer.Option("--null", "-0", help="The paths of --files-from end with NUL bytes.")]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, max=256, help="Workers at a time.", show_default="by cores and free memory"),
]
MemoryGb = Annotated[
    float | None,
    typer.Option("--memory-gb", min=0.1, help="Memory for all workers.", show_default="80 % of what is free"),
]
Retry = Annotated[bool, typer.Option("--retry-failed", help="Also try again what failed in an earlier call.")]
Halt = Annotated[bool, typer.Option("--halt-on-error", help="Stop at the first failure; the others stay pending.")]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", help="Only files changed since 2026-11-01, or within 7d (s, m, h, d, w).", show_default=False
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, with an estimate; make nothing.")]
EngineName = Annotated[
    Literal["processes", "ray"],
    typer.Option("--engine", help="Who works: processes of this machine, or of a Ray cluster (facerecon[cluster])."),
]
Address = Annotated[
    str, typer.Option("--address", help="Ray: HOST:PORT of the head, auto (of this machine), or local (start one).")
]
WorkerCpus = Annotated[
    int | None,
    typer.Option(
        "--worker-cpus",
        min=1,
        max=256,
        help="Ray: cores, and computing threads, of a worker.",
        show_default="as many threads as run has here",
    ),
]
GpuJobs = Annotated[int, typer.Option("--gpu-jobs", min=1, max=64, help="Ray: workers that share a graphics card.")]
Lines = Annotated[
    bool,
    typer.Option("--json", help="Print JSON lines (schema 1): one for every source, then the summary."),
]


def isolated() -> list[str]:
    """Return the override by which a batch decodes in processes of their own, where that is possible.

    Nobody looks at each file of an archive first. `--set extract.isolation=none` decodes in the workers themselves.
    """
    return ["extract.isolation=process"] if sys.platform == "linux" else []
