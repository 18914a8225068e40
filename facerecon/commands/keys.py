"""`facerecon keys`: make and look at signing keys. Owns how a passphrase is asked; a key never leaves its file."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facerecon.commands import options
from facerecon.commands.workbench import is_case
from facerecon.console import Console
from facerecon.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

group = typer.Typer(help="Ed25519 keys to sign cases with: make one, show its fingerprint.", no_args_is_help=True)
SignOption = Annotated[
    Path | None,
    typer.Option("--sign", help="Sign the case with this private key (see 'facerecon keys new').", show_default=False),
]
PassphraseOption = Annotated[
    str | None,
    typer.Option(
        "--passphrase-env",
        help="Environment variable that holds the key's passphrase.",
        show_default="asked, if the key has one",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="keys")


@group.command("new")
def new(
    name: Annotated[
        Path,
        typer.Argument(help="Name or path: makes NAME.pem (private) and NAME.pub.pem (public).", show_default=False),
    ],
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Encrypt the private key; asks for it.")] = False,
    passphrase_env: PassphraseOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Make a key pair. Keep NAME.pem to yourself; give NAME.pub.pem and its fingerprint to whoever shall check."""
    from facerecon.signing import fingerprint, write_new_key

    console = Console(as_json=as_json)
    stem = name.with_name(name.name.removesuffix(".pem"))
    private, public = (stem.with_name(f"{stem.name}{ending}") for ending in (".pem", ".pub.pem"))
    require_outside_cases(private)
    secret = _new_passphrase(passphrase_env) if passphrase or passphrase_env else None
    key = write_new_key(private, public, secret)
    document = {
        "private": str(private),
        "public": str(public),
        "sha256": fingerprint(key),
        "encrypted": secret is not None,
    }
    _tell(console, document)


@group.command("show")
def show(
    file: Annotated[Path, typer.Argument(help="A private or public key in PEM.", show_default=False)],
    passphrase_env: PassphraseOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Show a key's fingerprint: the SHA-256 of the public key, to compare by telephone or on paper."""
    from facerecon.signing import fingerprint, is_private, public_pem, read_public_key

    console = Console(as_json=as_json)
    private = is_private(file)
    key = open_key(console, file, passphrase_env).public_key() if private else read_public_key(file)
    document = {
        "file": str(file),
        "kind": "private" if private else "public",
        "sha256": fingerprint(key),
        "public_key": public_pem(key).decode(),
    }
    _tell(console, document)


def _tell(console: Console, document: dict[str, Any]) -> None:
    from rich.text import Text

    labels = {"private": "Private key:", "public": "Public key:", "file": "Key:", "kind": "Kind:"}
    if console.as_json:
        console.result(document)
    for name, label in labels.items():
        if name in document:
            console.show(Text.assemble((f"{label:<13}", "bold"), document[name]))
    console.show(Text.assemble((f"{'Fingerprint:':<13}", "bold"), document["sha256"]))


# --- for the commands that sign ---------------------------------------------------------------------------------------


def open_key(console: Console, path: Path, passphrase_env: str | None) -> Ed25519PrivateKey:
    """Read a private key; a passphrase comes from the environment variable, or is asked on the terminal.

    Raises:
        UsageError: no private key, or its passphrase is missing or wrong.
    """
    from facerecon.signing import read_private_key

    key = read_private_key(path, lambda: _passphrase(path, passphrase_env))
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        console.warn(f"others may read the private key {path}; run 'chmod 600 {path}'")
    return key


def require_outside_cases(path: Path) -> None:
    """Refuse to write into a case folder, where a file that no ledger line states is a sign of tampering.

    Raises:
        UsageError: the path is inside a case.
    """
    for folder in path.absolute().parents:
        if is_case(folder):
            raise UsageError(f"{path} would lie in case {folder}, which would then not verify; choose another place")


def _passphrase(path: Path, variable: str | None) -> bytes:
    if variable is not None:
        return _from_environment(variable)
    if not sys.stdin.isatty():
        raise UsageError(f"{path} has a passphrase; name the environment variable that holds it with --passphrase-env")
    return str(typer.prompt(f"Passphrase of {path}", hide_input=True, err=True)).encode()


def _new_passphrase(variable: str | None) -> bytes:
    if variable is not None:
        return _from_environment(variable)
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for a passphrase; give --passphrase-env")
    return str(typer.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True)).encode()


def _from_environment(variable: str) -> bytes:
    found = os.environ.get(variable, "")
    if not found:
        raise UsageError(f"--passphrase-env: the environment variable {variable} is not set or empty")
    return found.encode()
