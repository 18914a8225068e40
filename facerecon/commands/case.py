"""`facerecon case`: what a case is, how two differ, a case as one file. Cases are only read; see also `case_replay`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facerecon.commands import case_export, case_redact, case_replay, case_views, options
from facerecon.commands.keys import PassphraseOption, open_key
from facerecon.commands.stopping import stopped
from facerecon.console import Console
from facerecon.errors import IntegrityError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

group = typer.Typer(help="Look at a finished case: sum up, compare, do again, hand on, redact.", no_args_is_help=True)
OutArgument = Annotated[Path, typer.Argument(help="The zip to write; must not exist.", show_default=False)]
SignOption = Annotated[
    Path | None,
    typer.Option(
        "--sign",
        help="Also sign the zip with this private key (see 'facerecon keys new'): OUT.zip.sha256 and OUT.zip.sig.",
        show_default=False,
    ),
]
ExitCodeOption = Annotated[bool, typer.Option("--exit-code", help="Exit 4 when outputs differ.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="case")


@group.command("info")
@stopped()
def info(case: options.CaseFolder, as_json: options.JsonOption = False) -> None:
    """Sum up a case on one screen: who, what, which stages ran with what, results, reviews, ledger head.

    Exit 4 when the case does not verify; what can be said of it is shown all the same.
    """
    from facerecon.pipeline.overview import overview

    console = Console(as_json=as_json)
    document = overview(case)
    if as_json:
        console.result(document)
    console.show(case_views.overview(document))
    if document["problems"]:
        more = f" (and {len(document['problems']) - 1} more)" if len(document["problems"]) > 1 else ""
        raise IntegrityError(f"case {case} does not verify: {document['problems'][0]}{more}")


@group.command("diff")
@stopped()
def diff(
    a: Annotated[Path, typer.Argument(help="A case folder.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="Another case folder.", show_default=False)],
    exit_code: ExitCodeOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Show how two cases differ: source, profile, settings, versions, models, and outputs by path and digest.

    Pictures that differ are measured (PSNR, share of pixels), records by field. Times of day, durations, absolute
    paths, ledger hashes and reports are not compared. Both cases are verified first.
    """
    from facerecon.case import Case
    from facerecon.manifest import verify
    from facerecon.pipeline.differences import differences

    console = Console(as_json=as_json)
    for root in (a, b):
        verify(root)
    with Case.view(a) as left, Case.view(b) as right:
        found = differences(left, right)
    if as_json:
        console.result({"a": str(a), "b": str(b), "nothing_differs": found.nothing, **found.document()})
    console.show(case_views.differences(found.document(), str(a), str(b)))
    if exit_code and found.outputs_differ:
        count = len(found.files) + len(found.only_a) + len(found.only_b)
        raise IntegrityError(f"{count} outputs of cases {a} and {b} differ; leave --exit-code out to only see them")


@group.command("package")
@stopped()
def package(
    case: options.CaseFolder,
    out: OutArgument,
    sign: SignOption = None,
    passphrase_env: PassphraseOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Write a whole case into one zip, and print its SHA-256. The same case gives the same bytes.

    Refused when the case does not verify. A signature is over OUT.zip.sha256; OpenSSL alone can check it.
    """
    from facerecon.case import Case
    from facerecon.pipeline import packing

    console = Console(as_json=as_json)
    beside = packing.signature_files(out) if sign else ()
    packing.require_new(case, out, *beside)
    key = None if sign is None else open_key(console, sign, passphrase_env)
    with Case.view(case) as opened:
        made = packing.package(case, opened.info.case_id, out)
        document = {
            "case": str(case),
            "package": str(made.path),
            "files": made.files,
            "size_bytes": made.size_bytes,
            "sha256": made.sha256,
            "ledger_head": opened.ledger.head,
            "signature": None if key is None else _signed(made, key),
        }
    if as_json:
        console.result(document)
    console.show(case_views.package(document))


def _signed(made: Any, key: Ed25519PrivateKey) -> dict[str, str]:
    from facerecon.pipeline.packing import sign_package
    from facerecon.signing import fingerprint

    line, signature = sign_package(made, key)
    return {"signed": str(line), "signature": str(signature), "key_sha256": fingerprint(key.public_key())}


case_replay.register(group)
case_export.register(group)
case_redact.register(group)
