"""`facerecon demo`: the whole job on a rendered sample clip with known truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from facerecon.characters import is_text
from facerecon.commands import options
from facerecon.commands.run import show, whole_document
from facerecon.commands.stages import run_enhance, run_enroll, run_extract, run_recognize, run_report
from facerecon.commands.stopping import stopped
from facerecon.commands.workbench import Facts, Workbench
from facerecon.console import Console
from facerecon.errors import ResourceError, UsageError
from facerecon.records import Measurement

REFERENCE = "the rendered scene at the enhanced picture's size, without noise, motion blur and compression"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where to put it; must not exist.", show_default="./facerecon-demo, -2, -3, ..."),
    ] = None,
    profile: options.ProfileOption = "standard",
    device: options.DeviceOption = "auto",
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Render a sample CCTV clip and gallery, and do the whole job on them. Opens nothing by itself."""
    console = Console(quiet=quiet, as_json=as_json)
    place = folder or _free_folder()
    _make(place)
    with stopped(f"what was made is in {place}; begin anew with another --folder"):
        document = _made(console, place, profile, device)
    if as_json:
        console.result(document)
    show(console, document)
    console.show(_table(document["measurements"]))


def _make(place: Path) -> None:
    """Make the folder, unless no record can state its path or something is there."""
    if not is_text(str(place.absolute())):
        raise UsageError(
            f"the path of {place} holds bytes that are not UTF-8, so no record can state it; choose another --folder"
        )
    try:
        place.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(f"{place} exists already, and nothing was changed; choose another --folder") from None
    except OSError as error:
        raise ResourceError(f"cannot make {place}: {error.strerror}; choose another --folder") from None


def _made(console: Console, place: Path, profile: str | None, device: str) -> dict[str, Any]:
    """Do the whole job in a new folder, and return its JSON document."""
    from facerecon.demo import clean_frame, render_clip, write_gallery
    from facerecon.pipeline.measurement import measure

    console.noted(f"Rendering a sample clip into {place} ...")
    clip = render_clip(place / "cam03.mp4")
    write_gallery(place / "gallery")
    bench = Workbench(console, profile, (), device, Facts("DEMO-2026-001", "facerecon demo", "demonstration"))
    opened, evidence = bench.case_for(clip.path, place / "case")
    with opened:
        gallery = run_enroll(bench, place / "gallery")
        run_extract(bench, opened, evidence)
        run_enhance(bench, opened)
        run_recognize(bench, opened, gallery, ())
        figures = measure(opened, lambda index, scale: clean_frame(index, scale=scale), REFERENCE)
        run_report(bench, opened, pdf=True)
        document = whole_document(opened)
    document["measurements"] = averages(figures)
    return document


def _free_folder() -> Path:
    number = 1
    while (place := Path("facerecon-demo" if number == 1 else f"facerecon-demo-{number}")).exists():
        number += 1
    return place


def averages(figures: list[Measurement]) -> list[dict[str, Any]]:
    """Return the mean of each metric per variant."""
    groups: dict[tuple[str, str], list[float]] = {}
    for figure in figures:
        groups.setdefault((figure.variant, figure.metric), []).append(figure.value)
    return [
        {"variant": variant, "metric": metric, "mean": round(sum(values) / len(values), 4), "pictures": len(values)}
        for (variant, metric), values in groups.items()
    ]


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(
        "against the known truth", "PSNR, dB", "SSIM", "pictures", box=None, header_style="dim", pad_edge=False
    )
    by_variant: dict[str, Mapping[str, float]] = {}
    pictures = {row["variant"]: str(row["pictures"]) for row in rows}
    for row in rows:
        by_variant[row["variant"]] = {**by_variant.get(row["variant"], {}), row["metric"]: row["mean"]}
    for variant, values in by_variant.items():
        table.add_row(variant, f"{values['PSNR']:.2f}", f"{values['SSIM']:.3f}", pictures[variant])
    return table
