"""`facerecon search` and `facerecon cluster`: the other direction, over many cases at once. Cases are only read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facerecon.commands import options
from facerecon.commands.workbench import Workbench, is_case
from facerecon.console import Console
from facerecon.errors import BatchError, UsageError

if TYPE_CHECKING:
    from facerecon.pipeline.searching import Archive, Entry, Hit
    from facerecon.pipeline.searching import Group as TrackGroup
    from facerecon.records import RGB, Embedding

Cases = Annotated[list[Path], typer.Argument(help="Case folders.", show_default=False)]
SheetOption = Annotated[
    Path | None,
    typer.Option("--sheet", help="Also write a contact sheet of original shots, a PNG.", show_default=False),
]
NOTE = "A hit is a lead, not a statement of who a person is. A person who is not listed is not excluded."


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("search")(search)
    app.command("cluster")(cluster)


def search(
    probe: Annotated[
        str, typer.Argument(help="A photo, or CASE:TRACK (for example cases/a:t0002).", show_default=False)
    ],
    cases: Cases,
    top: Annotated[int, typer.Option("--top", min=1, max=10_000, help="How many tracks are listed.")] = 10,
    largest: Annotated[bool, typer.Option("--largest", help="Of several faces in the photo take the largest.")] = False,
    face: Annotated[
        int | None, typer.Option("--face", min=1, help="Of several faces take number N from the left.")
    ] = None,
    sheet: SheetOption = None,
    calibration: options.CalibrationOption = None,
    profile: options.ProfileOption = None,
    set_: options.SetOption = None,
    device: options.DeviceOption = "auto",
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Find the tracks of many cases that look most like a photo, or like a track. Cases are read, never changed.

    Exit 6 when a case could not be read; the others are searched all the same.
    """
    from facerecon.pipeline import searching

    console = Console(quiet=quiet, as_json=as_json)
    bench = Workbench(console, profile, tuple(set_ or ()), device)
    _require_new(sheet)
    track = _track_of(probe)
    _require_sensible(track is not None, largest=largest, face=face, calibration=calibration)
    photo = None if track else _photo(bench, Path(probe), largest=largest, face=face)
    searched = [*cases, track[0]] if track and not _among(track[0], cases) else cases
    archive = searching.read_archive(searched, bench.recognizer, bench.profile.recognize, console)
    if track:
        own = searching.find_track(archive, *track)
        vector, calibrations, given = own.template.embedding, None, own.template.conditions
        archive = searching.without(archive, own, keep_case=_among(track[0], cases))
        picture = searching.picture_of(own)
    else:
        assert photo is not None
        vector, picture, given = photo
        calibrations = bench.calibrations(calibration)
    hits = searching.search(vector, archive, top, calibrations, given)
    document = _search_document(probe, archive, hits)
    if sheet:
        _write_search_sheet(sheet, probe, picture, hits)
        document["sheet"] = str(sheet)
    _finish(console, document, _search_view(document), archive)


def cluster(
    cases: Cases,
    min_similarity: Annotated[
        float | None,
        typer.Option(
            "--min-similarity",
            min=-1,
            max=1,
            help="Groups are joined down to this mean similarity.",
            show_default="the profile's threshold",
        ),
    ] = None,
    sheet: SheetOption = None,
    profile: options.ProfileOption = None,
    set_: options.SetOption = None,
    device: options.DeviceOption = "auto",
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Group the tracks of many cases that look alike: perhaps one unknown person, across cameras and days.

    Exit 6 when a case could not be read; the others are grouped all the same.
    """
    from facerecon.pipeline import searching
    from facerecon.stages import operating_point

    console = Console(quiet=quiet, as_json=as_json)
    bench = Workbench(console, profile, tuple(set_ or ()), device)
    _require_new(sheet)
    limit = min_similarity
    if limit is None:
        limit = operating_point(bench.recognizer, bench.profile.recognize.threshold)
    archive = searching.read_archive(cases, bench.recognizer, bench.profile.recognize, console)
    groups = searching.group(archive, limit)
    document = _cluster_document(archive, groups, limit)
    if sheet:
        _write_cluster_sheet(sheet, groups)
        document["sheet"] = str(sheet)
    _finish(console, document, _cluster_view(document), archive)


def _finish(console: Console, document: dict[str, Any], view: RenderableType, archive: Archive) -> None:
    """Print, and raise when a case could not be read.

    Raises:
        BatchError: naming the cases.
    """
    if console.as_json:
        console.result(document)
    console.show(view)
    if archive.failed:
        listed = "; ".join(f"{root}: {reason}" for root, reason in archive.failed)
        raise BatchError(f"{len(archive.failed)} case(s) could not be read: {listed}")


# --- what is searched for ---------------------------------------------------------------------------------------------


def _track_of(probe: str) -> tuple[Path, str] | None:
    """Read CASE:TRACK; None for the path of a photo.

    Raises:
        UsageError: it is a case without a track.
    """
    root, colon, track = probe.rpartition(":")
    if colon and is_case(Path(root)):
        return Path(root), track
    if is_case(Path(probe)):
        raise UsageError(f"{probe} is a case; name a track in it, for example {probe.rstrip('/')}:t0001")
    return None


def _photo(bench: Workbench, path: Path, *, largest: bool, face: int | None) -> tuple[Embedding, RGB, dict[str, float]]:
    """Read a photo through the gallery's quality gate and embed its face.

    Raises:
        UsageError: no such file, no usable face, or several and no word on which.
    """
    from facerecon.faces.quality import conditions
    from facerecon.gallery import Choice, list_pictures
    from facerecon.pipeline.enrolment import Examiner

    if not path.is_file():
        raise UsageError(f"{path} is neither a photo nor CASE:TRACK")
    (picture,) = list_pictures(path)
    examined = Examiner(bench.detector, bench.profile, Choice(largest=largest, face=face)).examine(picture)
    if examined.reason or examined.crop is None or examined.quality is None:
        reason = examined.reason.replace("facerecon gallery enroll ", "")
        raise UsageError(f"{path}: {reason}")
    given = conditions([(examined.face, examined.quality)], [1.0])
    return bench.recognizer.embed([examined.view])[0], examined.crop.pixels, given


def _require_sensible(of_track: bool, *, largest: bool, face: int | None, calibration: Sequence[Path] | None) -> None:
    """Refuse options that would be ignored.

    Raises:
        UsageError: and why.
    """
    if largest and face is not None:
        raise UsageError("--largest and --face both say which face is meant; give one of them")
    if of_track and (largest or face is not None):
        raise UsageError("--largest and --face are about a photo, and a track is searched for; leave them out")
    if of_track and calibration:
        raise UsageError("--calibration compares footage with a photo, and a track is searched for; leave it out")


def _among(case: Path, cases: Sequence[Path]) -> bool:
    return any(case.resolve() == each.resolve() for each in cases)


def _require_new(sheet: Path | None) -> None:
    """Refuse to overwrite a file, or to write where there is no folder, before any work is done.

    Raises:
        UsageError: so it is.
    """
    if sheet is not None and sheet.exists():
        raise UsageError(f"{sheet} exists already; choose another --sheet")
    if sheet is not None and not sheet.parent.is_dir():
        raise UsageError(f"{sheet.parent} is not a folder; choose another --sheet")


# --- documents --------------------------------------------------------------------------------------------------------


def _search_document(probe: str, archive: Archive, hits: Sequence[Hit]) -> dict[str, Any]:
    return {
        "probe": probe,
        "searched": {"cases": len({entry.case for entry in archive.entries}), "tracks": len(archive.entries)},
        "hits": [
            {
                "rank": rank,
                **_track(hit.entry),
                "similarity": hit.similarity,
                "likelihood_ratio": hit.strength.likelihood_ratio if hit.strength else None,
                "limited": hit.strength.limited if hit.strength else None,
                "support": hit.strength.support if hit.strength else None,
                "calibration": hit.strength.calibration if hit.strength else hit.no_strength,
            }
            for rank, hit in enumerate(hits, start=1)
        ],
        **_omissions(archive),
    }


def _cluster_document(archive: Archive, groups: Sequence[TrackGroup], limit: float) -> dict[str, Any]:
    return {
        "searched": {"cases": len({entry.case for entry in archive.entries}), "tracks": len(archive.entries)},
        "min_similarity": limit,
        "groups": [
            {
                "id": f"g{number:04d}",
                "tracks": [_track(entry) for entry in each.entries],
                "smallest_similarity": each.cohesion,
            }
            for number, each in enumerate(groups, start=1)
        ],
        **_omissions(archive),
    }


def _track(entry: Entry) -> dict[str, Any]:
    track = entry.template.track
    return {
        "case": str(entry.case),
        "case_id": entry.case_id,
        "track": track.id,
        "source": entry.source,
        "first_s": float(track.first.seconds),
        "last_s": float(track.last.seconds),
        "quality": entry.template.quality,
        "picture": str(entry.case / entry.picture_path),
    }


def _omissions(archive: Archive) -> dict[str, Any]:
    return {
        "skipped": [
            {"case": str(root), "subject": each.subject, "reason": each.reason, "detail": each.detail}
            for root, each in archive.refused
        ],
        "failures": [{"case": str(root), "reason": reason} for root, reason in archive.failed],
    }


# --- for people -------------------------------------------------------------------------------------------------------


def _search_view(document: Mapping[str, Any]) -> RenderableType:
    from facerecon.report.strength import ratio

    head = _head(document, "Searched")
    if not document["hits"]:
        return Group(head, Text("No track could be compared. This does not exclude anyone."))
    names = _short_names({hit["case"] for hit in document["hits"]})
    table = Table("rank", "case", "track", "from", "to", "similarity", "likelihood ratio", box=None, pad_edge=False)
    table.header_style = "dim"
    for hit in document["hits"]:
        given = hit["likelihood_ratio"]
        words = "none" if given is None else ratio(given) + (" (limit)" if hit["limited"] else "")
        table.add_row(str(hit["rank"]), *_cells(hit, names), f"{hit['similarity']:.2f}", words)
    reasons = dict.fromkeys(hit["calibration"] for hit in document["hits"] if hit["likelihood_ratio"] is None)
    why = [Text(f"  no likelihood ratio: {reason}", style="dim") for reason in reasons]
    return Group(head, Padding(table, (0, 0, 0, 2)), *why, Text(NOTE, style="italic"), *_skips(document))


def _cluster_view(document: Mapping[str, Any]) -> RenderableType:
    groups = document["groups"]
    several = [each for each in groups if len(each["tracks"]) > 1]
    names = _short_names({track["case"] for each in groups for track in each["tracks"]})
    table = Table("group", "case", "track", "from", "to", "smallest similarity", box=None, pad_edge=False)
    table.header_style = "dim"
    for each in several:
        for number, track in enumerate(each["tracks"]):
            lowest = "" if number else f"{each['smallest_similarity']:.2f}"
            table.add_row("" if number else each["id"], *_cells(track, names), lowest)
    lone = len(groups) - len(several)
    summary = Text(f"{len(several)} group(s) of tracks that look alike; {lone} track(s) like no other.")
    shown = [Padding(table, (0, 0, 0, 2))] if several else []
    return Group(_head(document, "Grouped"), summary, *shown, Text(NOTE, style="italic"), *_skips(document))


def _cells(track: Mapping[str, Any], names: Mapping[str, str]) -> tuple[str, str, str, str]:
    return names[track["case"]], track["track"], f"{track['first_s']:.2f} s", f"{track['last_s']:.2f} s"


def _short_names(cases: set[str]) -> dict[str, str]:
    """Return the shortest ends of the paths that tell them apart: a table has no room for whole ones."""
    deepest = max((len(Path(case).parts) for case in cases), default=1)
    for depth in range(1, deepest + 1):
        names = {case: str(Path(*Path(case).parts[-depth:])) for case in cases}
        if len(set(names.values())) == len(cases):
            return names
    return {case: case for case in cases}


def _head(document: Mapping[str, Any], word: str) -> Text:
    searched = document["searched"]
    return Text.assemble((f"{word}: ", "bold"), f"{searched['tracks']} tracks of {searched['cases']} cases")


def _skips(document: Mapping[str, Any]) -> list[RenderableType]:
    counts: dict[str, int] = {}
    for item in document["skipped"]:
        counts[item["reason"]] = counts.get(item["reason"], 0) + 1
    if not counts:
        return []
    return [Text("  not compared: " + ", ".join(f"{key} {value}" for key, value in counts.items()), style="dim")]


# --- sheets -----------------------------------------------------------------------------------------------------------


def _write_search_sheet(path: Path, probe: str, picture: RGB, hits: Sequence[Hit]) -> None:
    from facerecon.pipeline.searching import picture_of
    from facerecon.pipeline.sheets import Cell, Strip

    cells = [Cell(picture_of(hit.entry), f"{hit.similarity:.2f} {_caption(hit.entry)}") for hit in hits]
    strips = [Strip(f"searched for: {probe}", [Cell(picture, Path(probe).name)])]
    if cells:
        strips.append(Strip("most similar tracks, best original shots; leads, not statements of identity", cells))
    _write_sheet(path, strips)


def _write_cluster_sheet(path: Path, groups: Sequence[TrackGroup]) -> None:
    from facerecon.pipeline.searching import picture_of
    from facerecon.pipeline.sheets import Cell, Strip

    several = [(number, each) for number, each in enumerate(groups, start=1) if each.cohesion is not None]
    strips = [
        Strip(
            f"g{number:04d}: {len(each.entries)} tracks, smallest similarity {each.cohesion:.2f}",
            [Cell(picture_of(entry), _caption(entry)) for entry in each.entries],
        )
        for number, each in several
    ]
    lone = [entry for each in groups if each.cohesion is None for entry in each.entries]
    if lone:
        strips.append(Strip("Like no other track", [Cell(picture_of(entry), _caption(entry)) for entry in lone]))
    _write_sheet(path, strips or [Strip("no track", [])])


def _caption(entry: Entry) -> str:
    return f"{entry.case.name}:{entry.template.track.id} {float(entry.template.track.first.seconds):.1f} s"


def _write_sheet(path: Path, strips: Sequence[Any]) -> None:
    """Write a sheet as PNG.

    Raises:
        ResourceError: it cannot be written.
    """
    from facerecon.durable import write_whole
    from facerecon.errors import ResourceError
    from facerecon.pictures import encode_png
    from facerecon.pipeline.sheets import contact_sheet

    png = encode_png(contact_sheet(strips), {"Title": "contact sheet of original shots"})
    try:
        write_whole(path, png, 0o644)
    except OSError as error:
        raise ResourceError(f"{path} cannot be written: {error.strerror}") from error
