"""`facerecon report`: the case's report as HTML and PDF/A; its signature, its reviews, and outside timestamps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from facerecon.commands import options, signature_views, views
from facerecon.commands.keys import PassphraseOption, SignOption, open_key, require_outside_cases
from facerecon.commands.stages import run_report
from facerecon.commands.stopping import stopped
from facerecon.commands.workbench import Workbench
from facerecon.console import Console
from facerecon.errors import ResourceError, UsageError
from facerecon.pipeline.summaries import report_summary
from facerecon.records import NOT_STATED, Conclusion
from facerecon.report.language import language as require_language

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from facerecon.case import Case
    from facerecon.signing import Role

WRITE = "write"
"""What `report CASE` means: the sub-command that is not typed."""
MORE = (
    "Also: 'facerecon report review CASE' adds a reviewer's conclusion, 'facerecon report timestamp CASE' attaches an "
    "outside timestamp (each has its own --help). A case folder of such a name: ./review."
)

PERHAPS_REVIEWED = (
    "where 'facerecon case info CASE' shows your review, write the report by 'facerecon report CASE'; else give the "
    "same command again"
)


class ReportGroup(TyperGroup):
    """`report` with sub-commands, whose first word may also be a case folder or an option of `report` itself."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the sub-command there that was not typed."""
        return super().parse_args(ctx, args if args and args[0] in self.commands else [WRITE, *args])


class _Unnamed(TyperCommand):
    """The sub-command that is not typed: its help and errors say `report CASE`."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Take the group's place in the usage line."""
        del info_name
        return super().make_context(parent.info_name, args, parent=parent.parent, **extra)


group = typer.Typer(cls=ReportGroup)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="report", help="Write, sign and review the report of a case.")


# --- the report -------------------------------------------------------------------------------------------------------


@group.command(WRITE, cls=_Unnamed, epilog=MORE)
@stopped()
def report(
    case: options.CaseFolder,
    pdf: options.PdfOption = True,
    sign: SignOption = None,
    signer: Annotated[
        str | None,
        typer.Option("--signer", help="The name to sign with.", show_default="the case's operator"),
    ] = None,
    passphrase_env: PassphraseOption = None,
    language: options.LanguageOption = "en",
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Write the report of a case: one self-contained HTML page and a PDF/A. Earlier reports are kept."""
    console = Console(quiet=quiet, as_json=as_json)
    if sign is None and signer is not None:
        raise UsageError("--signer belongs to --sign KEY.pem")
    require_language(language)
    key = _key(console, sign, passphrase_env)
    bench = Workbench(console)
    with bench.open_case(case) as opened:
        added = {}
        name = _signer(opened, key, signer)
        run_report(bench, opened, pdf=pdf, language=language)
        if key is not None:
            added["signature"] = _signed(opened, key, "operator", name)
        document = {**report_summary(opened), **added}
    _tell(console, document)


def _key(console: Console, path: Path | None, passphrase_env: str | None) -> Ed25519PrivateKey | None:
    if path is None and passphrase_env is not None:
        raise UsageError("--passphrase-env belongs to --sign KEY.pem")
    return None if path is None else open_key(console, path, passphrase_env)


def _signer(case: Case, key: Ed25519PrivateKey | None, name: str | None) -> str:
    """Return who signs, refusing before anything is written who may not."""
    if key is None:
        return ""
    from facerecon.pipeline.reviews import require_signer

    if name is None and case.info.operator == NOT_STATED:
        raise UsageError("the case names no operator; say who signs with --signer NAME")
    return require_signer(case, key, name if name is not None else case.info.operator)


def _signed(case: Case, key: Ed25519PrivateKey, role: Role, name: str) -> dict[str, Any]:
    from facerecon.pipeline.signatures import sign
    from facerecon.pipeline.summaries import signature_summary

    return signature_summary(case, sign(case, key, role, name))


# --- reviews ----------------------------------------------------------------------------------------------------------


@group.command("review")
@stopped(PERHAPS_REVIEWED)
def review(
    case: options.CaseFolder,
    reviewer: Annotated[str, typer.Option("--reviewer", help="Your name.", show_default=False)],
    conclusion: Annotated[
        Conclusion,
        typer.Option("--conclusion", help="Whether you agree with what the report says.", show_default=False),
    ],
    note: Annotated[str, typer.Option("--note", help="Why; at most 4000 characters.")] = "",
    reviewed: Annotated[
        str | None,
        typer.Option("--report", help="Which report you looked at: report-2.html.", show_default="the newest"),
    ] = None,
    sign: SignOption = None,
    passphrase_env: PassphraseOption = None,
    pdf: options.PdfOption = True,
    language: Annotated[
        str | None,
        typer.Option("--language", help="Language of the report.", show_default="that of the newest report"),
    ] = None,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Add your conclusion on a report you have checked, and write the report again with it.

    With --sign both are signed, each by its own signature. A report counts as REVIEWED when two persons agree with it.
    Neither may be the operator, and nobody reviews twice.
    """
    from facerecon.pipeline.reporting import language_of
    from facerecon.pipeline.reviews import review as add_review
    from facerecon.pipeline.summaries import reviews_summary

    console = Console(quiet=quiet, as_json=as_json)
    key = _key(console, sign, passphrase_env)
    bench = Workbench(console)
    with bench.open_case(case) as opened:
        chosen = require_language(language or language_of(opened)).code
        added = add_review(opened, reviewer, conclusion, note, reviewed, key)
        if opened.info.operator == NOT_STATED:
            console.warn("the case names no operator, so it cannot be checked that the reviewer is somebody else")
        run_report(bench, opened, pdf=pdf, language=chosen)
        if key is not None:
            # The review was signed at once, so that the report shows it; this covers that report.
            _signed(opened, key, "reviewer", added.record.reviewer)
        document = {**report_summary(opened), **reviews_summary(opened)}
    _tell(console, document)


# --- timestamps -------------------------------------------------------------------------------------------------------


@group.command("timestamp")
def timestamp(
    case: options.CaseFolder,
    response: Annotated[
        Path | None,
        typer.Argument(help="The authority's response (RFC 3161), to attach to the newest signature."),
    ] = None,
    request: Annotated[
        Path | None,
        typer.Option("--request", help="Write the request to send to an authority, and attach nothing."),
    ] = None,
    as_json: options.JsonOption = False,
) -> None:
    """Attach an outside timestamp to the newest signature of a case. Nothing is sent: you bring the response."""
    console = Console(as_json=as_json)
    if (response is None) == (request is None):
        raise UsageError("give either the authority's RESPONSE.tsr, or --request OUT.tsq to write what to send")
    with Workbench(console).open_case(case) as opened:
        document = _requested(opened, request) if request else _attached(opened, _content(response))
    if as_json:
        console.result(document)
    console.show(signature_views.timestamp(document))


def _requested(case: Case, target: Path) -> dict[str, Any]:
    from facerecon.pipeline.signatures import timestamp_request

    require_outside_cases(target)
    path, request = timestamp_request(case)
    try:
        with target.open("xb") as stream:
            stream.write(request)
    except OSError as error:
        raise ResourceError(f"cannot write {target}: {error.strerror}; choose another place") from None
    return {"case": str(case.root), "signature": path, "sha256": case.digests()[path], "request": str(target)}


def _attached(case: Case, response: tuple[str, bytes]) -> dict[str, Any]:
    from facerecon.pipeline.signatures import attach_timestamp

    name, content = response
    attached = attach_timestamp(case, content, name)
    return {
        "case": str(case.root),
        "timestamp": attached.path,
        "utc": attached.stamp.utc,
        "sha256": attached.stamp.imprint_sha256,
        "ledger_head": case.ledger.head,
    }


def _content(path: Path | None) -> tuple[str, bytes]:
    from facerecon.timestamps import LARGEST_BYTES

    assert path is not None
    try:
        with path.open("rb") as stream:
            return str(path), stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _tell(console: Console, document: dict[str, Any]) -> None:
    if console.as_json:
        console.result(document)
    console.show(views.report_files(document))
    for line in signature_views.standing(document):
        console.show(line)
