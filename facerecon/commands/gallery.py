"""`facerecon gallery`: make, look at and keep a persistent gallery. What is enrolled never leaves its folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facerecon.commands import gallery_views as views
from facerecon.commands import options
from facerecon.commands.workbench import NOT_STATED, Workbench
from facerecon.console import Console
from facerecon.errors import UsageError
from facerecon.records import GalleryEntry, RefusedPicture

if TYPE_CHECKING:
    from facerecon.gallery import Removal, Store
    from facerecon.pipeline.galleries import Alike, Enrolment, Statement, Tools

group = typer.Typer(
    help="Persistent galleries of known persons: enrolled once, with source and legal basis, and purged when due.",
    no_args_is_help=True,
)
GalleryArgument = Annotated[Path, typer.Argument(help="A gallery that 'gallery enroll' made.", show_default=False)]
_MOST_WARNINGS = 20
LAW = "Directive (EU) 2016/680 asks where personal data are from and on what ground they are kept"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="gallery")


# --- enrolment --------------------------------------------------------------------------------------------------------


@group.command("enroll")
def enroll(
    sources: Annotated[
        list[Path],
        typer.Argument(help="Folders with NAME/*.jpg or NAME.jpg, or picture files.", show_default=False),
    ],
    gallery: Annotated[
        Path, typer.Option("--gallery", help="The gallery; made when it is not there.", show_default=False)
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="Whose pictures these are.", show_default="their folders or files")
    ] = None,
    source: Annotated[str, typer.Option("--source", help="Where the pictures are from.")] = NOT_STATED,
    legal_basis: Annotated[str, typer.Option("--legal-basis", help="On what ground they are kept.")] = NOT_STATED,
    operator: options.OperatorOption = NOT_STATED,
    largest: Annotated[bool, typer.Option("--largest", help="Of several faces take the largest.")] = False,
    face: Annotated[
        int | None, typer.Option("--face", min=1, help="Take face N, counted from the left.", show_default=False)
    ] = None,
    profile: options.ProfileOption = None,
    set_: options.SetOption = None,
    device: options.DeviceOption = "auto",
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Put pictures of known persons into a gallery. Poor pictures are refused, each with its reason."""
    from facerecon.gallery import Choice
    from facerecon.pipeline.galleries import Statement, enroll_into

    if largest and face is not None:
        raise UsageError("--largest and --face both say which face is meant; give one of them")
    if name is not None and not name.strip():
        raise UsageError("--name is empty; say whose pictures these are, or leave it out")
    options.require_text(name=name, source=source, legal_basis=legal_basis, operator=operator)
    console = Console(quiet=quiet, as_json=as_json)
    statement = Statement(source, legal_basis, operator, name, Choice(largest, face))
    done = enroll_into(gallery, sources, statement, _tools(console, profile, set_, device))
    document = _enrolment(gallery, done, _notes(statement, done))
    _warn(console, document["warnings"])
    if as_json:
        console.result(document)
    console.show(views.enrolment(document))


def _warn(console: Console, warnings: Sequence[dict[str, Any]]) -> None:
    for warning in warnings[:_MOST_WARNINGS]:
        console.warn(warning["text"])
    if len(warnings) > _MOST_WARNINGS:
        console.warn(f"{len(warnings) - _MOST_WARNINGS} more pairs of names resemble each other; --json lists all")


def _tools(console: Console, profile: str | None, overrides: Sequence[str] | None, device: str) -> Tools:
    from facerecon.pipeline.galleries import Tools

    bench = Workbench(console, profile, tuple(overrides or ()), device)
    # The context makes the networks deterministic, so it comes before them.
    return Tools(detector=bench.detector, recognizer=bench.recognizer, profile=bench.context.profile, listener=console)


def _notes(statement: Statement, done: Enrolment) -> list[str]:
    missing = [
        word
        for word, said in (("source", statement.source), ("legal basis", statement.legal_basis))
        if said == NOT_STATED
    ]
    notes = [f"{' and '.join(missing)} not stated, and recorded so; {LAW}"] if missing else []
    if done.went_on:
        notes.append(
            f"an enrolment before this one was cut off; what it had enrolled is kept, and not enrolled again: "
            f"{done.went_on} pictures"
        )
    if done.limit is None:
        notes.append(
            "no operating point is published for this model, so one person under two names was not looked for; "
            "set recognize.threshold"
        )
    return notes


def _enrolment(gallery: Path, done: Enrolment, notes: list[str]) -> dict[str, Any]:
    return {
        "gallery": str(gallery),
        "requested": done.requested,
        "counts": {
            "enrolled": len(done.enrolled),
            "refused": len(done.refused),
            "duplicates": len(done.duplicates),
        },
        "enrolled": [_entry(each) for each in done.enrolled],
        "refused": [_refused(each) for each in done.refused],
        "duplicates": [
            {**_refused(each), "duplicate_of_file": done.originals.get(each.duplicate_of or "")}
            for each in done.duplicates
        ],
        "warnings": [_warning(each) for each in done.alike],
        "warned_from_similarity": done.limit,
        "notes": notes,
        "sha256": done.digest,
        "ledger_head": done.ledger_head,
    }


def _entry(entry: GalleryEntry) -> dict[str, Any]:
    return entry.model_dump(mode="json")


def _refused(each: RefusedPicture) -> dict[str, Any]:
    return each.model_dump(mode="json")


def _warning(each: Alike) -> dict[str, Any]:
    same = each.sha256 == each.other_sha256
    alike = "are one file" if same else f"resemble each other (similarity {each.similarity:.2f})"
    return {
        "kind": "same-file" if same else "alike",
        "identity": each.identity,
        "file": each.file,
        "other_identity": each.other_identity,
        "other_file": each.other_file,
        "similarity": each.similarity,
        "text": f"{each.file} ({each.identity}) and {each.other_file} ({each.other_identity}) {alike}; "
        "is it one person under two names?",
    }


# --- looking ----------------------------------------------------------------------------------------------------------


@group.command("list")
def list_persons(gallery: GalleryArgument, as_json: options.JsonOption = False) -> None:
    """List a gallery's persons."""
    from facerecon.gallery import read_store

    console, store = Console(as_json=as_json), read_store(gallery)
    pictures: dict[str, list[GalleryEntry]] = {}
    for entry in store.entries:
        pictures.setdefault(entry.identity, []).append(entry)
    document = {**_head(store), "persons": [_person(name, held) for name, held in sorted(pictures.items())]}
    if as_json:
        console.result(document)
    console.show(views.persons(document))


def _head(store: Store) -> dict[str, Any]:
    return {
        "gallery": str(store.folder),
        "created_utc": store.created_utc,
        "recognizer": store.recognizer.model_dump(mode="json"),
        "entries": len(store.entries),
        "refused": len(store.refused),
        "sha256": store.digest,
        "ledger_head": store.ledger.head,
    }


def _person(name: str, entries: Sequence[GalleryEntry]) -> dict[str, Any]:
    return {
        "identity": name,
        "person_id": entries[0].person_id,
        "status": entries[0].status,
        "pictures": len(entries),
        "best_quality": max(entry.quality.score for entry in entries),
        "first_enrolled_utc": min(entry.enrolled_utc for entry in entries),
        "last_enrolled_utc": max(entry.enrolled_utc for entry in entries),
    }


@group.command("show")
def show(
    gallery: GalleryArgument,
    person: Annotated[str, typer.Argument(help="The person's name.", show_default=False)],
    as_json: options.JsonOption = False,
) -> None:
    """Show all that a gallery holds of one person, after checking the kept pictures."""
    from facerecon.gallery import read_store

    console, store = Console(as_json=as_json), read_store(gallery)
    entries = [entry for entry in store.entries if entry.identity == person]
    refused = [each for each in store.refused if each.identity == person]
    if not entries and not refused:
        raise UsageError(f"no {person} in gallery {gallery}; see 'facerecon gallery list {gallery}'")
    for entry in entries:
        store.crop(entry)
    document = {
        "gallery": str(gallery),
        "identity": person,
        "entries": [_entry(entry) for entry in entries],
        "refused": [_refused(each) for each in refused],
    }
    if as_json:
        console.result(document)
    console.show(views.person(document))


# --- keeping ----------------------------------------------------------------------------------------------------------


@group.command("remove")
def remove(
    gallery: GalleryArgument,
    person: Annotated[str | None, typer.Argument(help="The person's name.", show_default=False)] = None,
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", help="Only the picture with this digest (or its first 8 or more digits)."),
    ] = None,
    as_json: options.JsonOption = False,
) -> None:
    """Take a person, or one picture, out of a gallery: records, vectors, pictures and names. Backups are yours."""
    from facerecon.gallery import edit_store

    if (person is None) == (sha256 is None):
        raise UsageError("say who is to be removed, or --sha256 for one picture; not both")
    console = Console(as_json=as_json)
    with edit_store(gallery, _now) as store:
        removal = store.remove(person, sha256)
        document = {**_head(store), **_removal(removal)}
    if as_json:
        console.result(document)
    console.show(views.removal(document))


@group.command("purge")
def purge(
    gallery: GalleryArgument,
    older_than: Annotated[
        str, typer.Option("--older-than", help="Age: 90d (days), 12m (months), 2y (years).", show_default=False)
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: options.JsonOption = False,
) -> None:
    """Take out what was enrolled longer ago than that."""
    from facerecon.gallery import cutoff, edit_store
    from facerecon.gallery.retention import utc_text

    console, before = Console(as_json=as_json), cutoff(older_than, _now())
    with edit_store(gallery, _now) as store:
        removal = store.purge(before, dry_run=dry_run)
        document = {**_head(store), "before_utc": utc_text(before), "dry_run": dry_run, **_removal(removal)}
    if as_json:
        console.result(document)
    console.show(views.removal(document))


def _removal(removal: Removal) -> dict[str, Any]:
    return {
        "removed": [_entry(entry) for entry in removal.entries],
        "removed_refusals": len(removal.refused),
        "still_mentioned_in": list(removal.mentions),
    }


def _now() -> datetime:
    return datetime.now(UTC)


@group.command("refresh")
def refresh(
    gallery: GalleryArgument,
    profile: options.ProfileOption = None,
    set_: options.SetOption = None,
    device: options.DeviceOption = "auto",
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Embed all kept pictures again with a profile's recognizer, so that the gallery can be compared with it."""
    from facerecon.gallery import read_store
    from facerecon.pipeline.galleries import refresh as embed_again

    # Read first: a folder that is no gallery is told before models are loaded.
    before = read_store(gallery).recognizer
    console = Console(quiet=quiet, as_json=as_json)
    document = {
        **_head(embed_again(gallery, _tools(console, profile, set_, device))),
        "before": before.model_dump(mode="json"),
    }
    if as_json:
        console.result(document)
    console.show(views.refreshed(document))
