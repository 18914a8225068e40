"""`facerecon doctor`: what this machine has, what is missing, and the command that gets it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer
from rich.table import Table

from facerecon.commands import options
from facerecon.commands.workbench import software
from facerecon.console import Console
from facerecon.profiles import load_profile, shipped_profiles
from facerecon.resources import weights_cache
from facerecon.weights import Entry, load_registry, status, way_to_get


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(as_json: options.JsonOption = False) -> None:
    """Show versions, devices, precisions, weights, and which profiles can run here."""
    import av

    from facerecon.engines.runtime import describe_runtime

    console = Console(as_json=as_json)
    runtime = {
        **software(),
        **describe_runtime(),
        "pyav": av.__version__,
        "ffmpeg": {name: ".".join(map(str, v)) for name, v in av.library_versions.items()},
    }
    items = [(item, status(item)) for item in load_registry().weights]
    profiles = {name: _missing(name, {item.id: state for item, state in items}) for name in shipped_profiles()}
    if as_json:
        console.result(
            {
                "runtime": runtime,
                "weights": {item.id: state for item, state in items},
                "weights_folder": str(weights_cache()),
                "profiles": profiles,
            }
        )
    console.show(_facts(runtime))
    console.show(_weights(items))
    for name, missing in profiles.items():
        console.show(
            f"profile [bold]{name}[/]: "
            + ("[green]ready[/]" if not missing else f"[yellow]needs {', '.join(missing)}[/]")
        )


def _facts(runtime: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    for key, value in runtime.items():
        table.add_row(f"[dim]{key}[/]", _plain(value))
    return table


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_plain(part)}" for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(str(part) for part in value)
    return "none" if value is None else str(value)


def _weights(items: Sequence[tuple[Entry, str]]) -> Table:
    table = Table("weights", "state", "how to get them", box=None, header_style="dim", pad_edge=False)
    for item, state in items:
        table.add_row(item.id, state, "" if state == "present" else way_to_get(item).replace("`", ""))
    return table


def _missing(profile_name: str, states: dict[str, str]) -> list[str]:
    return [name for name in load_profile(profile_name).models() if states.get(name) != "present"]
