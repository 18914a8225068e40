"""`facerecon verify`: is a case whole and unchanged, who signed it, and who reviewed it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from facerecon.case import Case
from facerecon.commands import options, signature_views
from facerecon.console import Console
from facerecon.errors import IntegrityError
from facerecon.manifest import CaseProblemsError, verify
from facerecon.pipeline.summaries import reviews_summary, signature_summary, verify_summary

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from facerecon.pipeline.signatures import CaseSignature


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify_command)


def verify_command(
    case: options.CaseFolder,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Require a valid signature with this public key. Repeatable.", show_default=False),
    ] = None,
    tsa_roots: Annotated[
        list[Path] | None,
        typer.Option(
            "--tsa-roots",
            help="Require timestamps from an authority under these certificates (PEM). Repeatable.",
            show_default=False,
        ),
    ] = None,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Check every file of a case against manifest and ledger, and all signatures. Exit 4 when anything differs.

    Without --key only the keys in the case are known, and whoever can write to it could have put them there.
    """
    console = Console(quiet=quiet, as_json=as_json)
    keys, roots = _keys(key or ()), _roots(tsa_roots or ())
    try:
        manifest = verify(case)
        attested = _attested(case, keys, roots)
    except CaseProblemsError as error:
        if as_json:
            console.result(verify_summary(str(case), None, error.problems))
        for problem in error.problems:
            console.show(Text.assemble(("problem", "bold red"), f"  {problem}"))
        raise
    document = verify_summary(str(case), manifest, (), attested)
    if as_json:
        console.result(document)
    console.show(
        f"[green]verified[/]  {len(manifest.files)} files, {manifest.ledger_entries} ledger entries, "
        f"state: {manifest.state}"
    )
    console.show(f"[bold]Ledger head:[/] {manifest.ledger_head}")
    for line in signature_views.standing(document):
        console.show(line)


def _keys(paths: Sequence[Path]) -> dict[str, Path]:
    if not paths:
        return {}
    from facerecon.signing import fingerprint, read_public_key

    return {fingerprint(read_public_key(path)): path for path in paths}


def _roots(paths: Sequence[Path]) -> tuple[Certificate, ...]:
    if not paths:
        return ()
    from facerecon.timestamps import read_roots

    return read_roots(paths)


def _attested(root: Path, keys: Mapping[str, Path], roots: Sequence[Certificate]) -> dict[str, Any]:
    """Check signatures, timestamps and reviews, and return what `verify_summary` tells of them.

    Raises:
        CaseProblemsError: one does not verify, or one that is required is missing.
    """
    from facerecon.pipeline.signatures import signatures_of

    case = Case.view(root)
    try:
        signatures = signatures_of(case)
        reviews = reviews_summary(case)
    except IntegrityError as error:
        raise CaseProblemsError(root, [str(error)]) from None
    problems = [*_missing(signatures, keys), *_unvouched(case, signatures, roots)]
    if problems:
        raise CaseProblemsError(root, problems)
    told = [signature_summary(case, each, keys, authority_checked=bool(roots)) for each in signatures]
    return {"signatures": told, **reviews}


def _missing(signatures: Sequence[CaseSignature], keys: Mapping[str, Path]) -> Iterator[str]:
    given = {each.statement.key_sha256 for each in signatures}
    for fingerprint, path in keys.items():
        if fingerprint not in given:
            yield f"no signature with key {path} (fingerprint {fingerprint})"


def _unvouched(case: Case, signatures: Sequence[CaseSignature], roots: Sequence[Certificate]) -> Iterator[str]:
    if not roots:
        return
    from facerecon.timestamps import require_authority

    if not any(each.stamps for each in signatures):
        yield "no timestamp is attached, so none can be checked with --tsa-roots"
    for each in signatures:
        for stamp in each.stamps:
            try:
                require_authority(case.bytes_of(stamp.path), case.bytes_of(each.path), roots, stamp.path)
            except IntegrityError as error:
                yield str(error)
