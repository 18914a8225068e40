"""`facerecon profiles`: list, show, validate."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from facerecon.commands import options
from facerecon.console import Console
from facerecon.profiles import Profile, load_profile, shipped_profiles

group = typer.Typer(help="Processing profiles: what a run does, as a readable YAML file.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="Profile name or YAML file.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="profiles")


@group.command("list")
def list_profiles(as_json: options.JsonOption = False) -> None:
    """List the profiles that come with the tool."""
    console = Console(as_json=as_json)
    profiles = [load_profile(name) for name in shipped_profiles()]
    if as_json:
        console.result(
            {
                "profiles": [
                    {"name": p.name, "evidential": p.evidential, "description": p.description, "sha256": p.digest}
                    for p in profiles
                ]
            }
        )
    table = Table("profile", "learned image model", "for", box=None, header_style="dim", pad_edge=False)
    for profile in profiles:
        learned = any(step.kind == "restore" for step in profile.enhance.steps)
        table.add_row(profile.name, "yes" if learned else "no", profile.description)
    console.show(table)


@group.command("show")
def show(
    name: NameArgument,
    set_: options.SetOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Print a profile with every key's value in effect."""
    profile = load_profile(name, tuple(set_ or ()))
    console = Console(as_json=as_json)
    if as_json:
        console.result({"profile": profile.resolved(), "sha256": profile.digest})
    else:
        console.out.print(profile.to_yaml(), markup=False, highlight=False, soft_wrap=True, end="")


@group.command("schema")
def schema() -> None:
    """Print the JSON schema of profiles, for editors that check YAML while you type."""
    text = json.dumps(Profile.model_json_schema(by_alias=True), indent=2)
    Console().out.print(text, markup=False, highlight=False, soft_wrap=True)


@group.command("validate")
def validate(
    files: Annotated[list[str], typer.Argument(help="Profile names or YAML files.", show_default=False)],
) -> None:
    """Check profiles; exit 2 names the first key that is wrong."""
    console = Console()
    for name in files:
        profile = load_profile(name)
        console.show(f"[green]valid[/]  {profile.name}  {profile.digest}")
