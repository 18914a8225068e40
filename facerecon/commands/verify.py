"""`facerecon verify`: is a case, or a package of one, whole and unchanged, who signed it, and who reviewed it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from facerecon.capture import is_capture
from facerecon.case import Case
from facerecon.commands import capture_views, options, signature_views
from facerecon.commands.stopping import stopped
from facerecon.console import Console
from facerecon.errors import IntegrityError
from facerecon.manifest import CaseProblemsError, verify
from facerecon.pipeline.summaries import package_summary, reviews_summary, signature_summary, verify_summary
from facerecon.pipeline.unpacking import Sealed, is_package, unpacked

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.x509 import Certificate

    from facerecon.pipeline.signatures import CaseSignature


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify_command)


@stopped()
def verify_command(
    case: Annotated[
        Path,
        typer.Argument(
            help="A case or capture folder, or a package (zip) of 'facerecon case package'.", show_default=False
        ),
    ],
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

    Without --key only the keys in the case are known, and whoever can write to it could have put them there. Of a
    package, SHA-256 and signature are checked first; with --key it must be signed by one of the keys.
    """
    console = Console(quiet=quiet, as_json=as_json)
    if is_capture(case):
        capture_views.verify(console, case, signed=bool(key or tsa_roots))
        return
    keys, roots = _keys(key or ()), _roots(tsa_roots or ())
    files = {fingerprint: path for fingerprint, (path, _) in keys.items()}
    try:
        with _case_of(case, keys) as (root, sealed):
            manifest = verify(root)
            required = {each: path for each, path in files.items() if sealed is None or each != sealed.key_sha256}
            attested = _attested(root, files, required, roots)
    except CaseProblemsError as error:
        if as_json:
            console.result(verify_summary(str(case), None, error.problems))
        for problem in error.problems:
            console.show(Text.assemble(("problem", "bold red"), f"  {problem}"))
        raise
    document = verify_summary(str(case), manifest, (), attested)
    if sealed is not None:
        document["package"] = package_summary(sealed, files)
    if as_json:
        console.result(document)
    console.show(
        f"[green]verified[/]  {len(manifest.files)} files, {manifest.ledger_entries} ledger entries, "
        f"state: {manifest.state}"
    )
    console.show(f"[bold]Ledger head:[/] {manifest.ledger_head}")
    for line in signature_views.standing(document):
        console.show(line)


@contextmanager
def _case_of(path: Path, keys: Mapping[str, tuple[Path, Ed25519PublicKey]]) -> Iterator[tuple[Path, Sealed | None]]:
    """Yield the folder of a case, and what was found of the package that it came in, None without one."""
    if not is_package(path):
        yield path, None
        return
    with unpacked(path, {fingerprint: key for fingerprint, (_, key) in keys.items()}) as (sealed, root):
        yield root, sealed


def _keys(paths: Sequence[Path]) -> dict[str, tuple[Path, Ed25519PublicKey]]:
    if not paths:
        return {}
    from facerecon.signing import fingerprint, read_public_key

    read = [(path, read_public_key(path)) for path in paths]
    return {fingerprint(key): (path, key) for path, key in read}


def _roots(paths: Sequence[Path]) -> tuple[Certificate, ...]:
    if not paths:
        return ()
    from facerecon.timestamps import read_roots

    return read_roots(paths)


def _attested(
    root: Path, keys: Mapping[str, Path], required: Mapping[str, Path], roots: Sequence[Certificate]
) -> dict[str, Any]:
    """Check signatures, timestamps and reviews, and return what `verify_summary` tells of them.

    Args:
        root: the case folder.
        keys: fingerprint -> file of all keys that somebody vouches for.
        required: those of them that must have signed this case.
        roots: the certificates that must stand behind its timestamps.

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
    problems = [*_missing(signatures, required), *_unvouched(case, signatures, roots)]
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
