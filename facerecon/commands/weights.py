"""`facerecon weights`: list, fetch, verify, import. The only command that may open a socket."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from facerecon.commands import options
from facerecon.console import Console
from facerecon.errors import BatchError, FacereconError, IntegrityError, UsageError
from facerecon.resources import weights_cache
from facerecon.weights import Entry, entry, fetch, import_folder, load_registry, locate, status

group = typer.Typer(
    help="Model weights: what is here, how to get the rest, and whether it is what it should be.", no_args_is_help=True
)
_STYLES = {"present": "green", "missing": "dim", "corrupt": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="weights")


@group.command("list")
def list_weights(as_json: options.JsonOption = False) -> None:
    """List the registry: role, origin, licence, and whether each file is here."""
    console = Console(as_json=as_json)
    items = [(item, status(item)) for item in load_registry().weights]
    if as_json:
        console.result({"folder": str(weights_cache()), "weights": [_document(item, state) for item, state in items]})
    name = Column("id", no_wrap=True)  # what is typed into other commands must not be cut
    table = Table(name, "role", "comes", "state", "licence", box=None, header_style="dim", pad_edge=False)
    for item, state in items:
        table.add_row(item.id, item.role, item.provider, f"[{_STYLES[state]}]{state}[/]", item.licence)
    console.show(table)
    console.show(
        f"Folder: {weights_cache()}   get one: facerecon weights fetch ID   offline: facerecon weights import DIR"
    )


def _document(item: Entry, state: str) -> dict[str, object]:
    path = locate(item)
    return {
        "id": item.id,
        "role": item.role,
        "provider": item.provider,
        "state": state,
        "sha256": item.sha256,
        "licence": item.licence,
        "training_data": item.training_data,
        "path": str(path) if path else None,
    }


@group.command("fetch")
def fetch_weights(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids from 'facerecon weights list'.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every official file (about 1.3 GB).")] = False,
    mirror: Annotated[str | None, typer.Option("--mirror", help="URL of a folder that holds the files.")] = None,
    quiet: options.QuietOption = False,
) -> None:
    """Download official weights. Each file is checked against its pinned SHA-256 before it is kept."""
    console = Console(quiet=quiet)
    official = [item for item in load_registry().weights if item.provider == "official"]
    wanted = official if everything else [entry(name) for name in ids or []]
    if not wanted:
        raise UsageError("name what to fetch (see 'facerecon weights list'), or say --all")
    failures: list[FacereconError] = []
    for item in wanted:
        try:
            _fetch(console, item, mirror)
        except FacereconError as error:
            console.error(str(error))
            failures.append(error)
    if len(failures) == 1 == len(wanted):
        raise typer.Exit(failures[0].exit_code)
    if failures:
        raise BatchError(f"{len(failures)} of {len(wanted)} files could not be fetched")


def _fetch(console: Console, item: Entry, mirror: str | None) -> None:
    console.started("fetch", item.size_bytes)
    before = 0

    def moved(done: int, _total: int) -> None:
        nonlocal before
        console.advanced("fetch", done - before)
        before = done

    try:
        path = fetch(item, progress=moved, base_url=mirror)
    finally:
        console.finished("fetch")
    console.show(f"[green]verified[/]  {item.id}  {escape(str(path))}")


@group.command("import")
def import_weights(
    folder: Annotated[
        Path, typer.Argument(help="Folder with downloaded files; names do not matter, digests do.", show_default=False)
    ],
) -> None:
    """Take official weights from a folder: for machines without a network."""
    console = Console()
    outcome = import_folder(folder)
    for weights_id, path in outcome.taken:
        console.show(f"[green]taken[/]    {weights_id}  from {escape(str(path))}")
    for path, reason in outcome.refused:
        console.show(f"[yellow]left out[/] {escape(str(path))}: {escape(reason)}")
    if not outcome.taken:
        raise UsageError(f"{folder} holds no file that the registry knows")


@group.command("verify")
def verify_weights(as_json: options.JsonOption = False) -> None:
    """Check every file that is here against its pinned SHA-256. Exit 4 when one differs."""
    console = Console(as_json=as_json)
    states = {item.id: status(item) for item in load_registry().weights}
    corrupt = [name for name, state in states.items() if state == "corrupt"]
    if as_json:
        console.result({"ok": not corrupt, "weights": states})
    for name, state in states.items():
        console.show(f"[{_STYLES[state]}]{state:8}[/] {name}")
    if corrupt:
        paths = ", ".join(str(locate(entry(name))) for name in corrupt)
        raise IntegrityError(f"not what the registry pins: {paths}; delete the file and get it again")
