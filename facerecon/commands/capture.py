"""`facerecon capture`: a stream onto the disk as hashed segments, before anything is analysed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer
from rich.markup import escape

from facerecon.commands import options
from facerecon.commands.workbench import NOT_STATED
from facerecon.console import Console
from facerecon.errors import EvidenceError, FacereconError, Interrupted, ResourceError, UsageError
from facerecon.interruption import handled

if TYPE_CHECKING:
    from facerecon.capture.address import Address
    from facerecon.capture.recording import Happening, Outcome, Plan

URL_VARIABLE = "FACERECON_STREAM_URL"
_PARTS = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
_SECONDS = (86400, 3600, 60, 1)
_LONGEST_S = 10 * 366 * 86400
_Transport = Literal["tcp", "udp"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("capture")(capture)


def capture(
    url: Annotated[
        str | None,
        typer.Argument(help=f"rtsp, rtsps, http or https. Or --url-file, or ${URL_VARIABLE}.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the capture; one that is there goes on.", show_default=False),
    ] = None,
    duration: Annotated[
        str | None,
        typer.Option(
            "--duration", help="For how long, from the first start on: 90s, 2h, 1h30m.", show_default="no end"
        ),
    ] = None,
    segment: Annotated[str, typer.Option("--segment", help="Length of a segment; cut at the next keyframe.")] = "5m",
    timeout: Annotated[
        str, typer.Option("--timeout", help="Wait so long for an answer, and for the next packet.")
    ] = "10s",
    reconnect_for: Annotated[
        str, typer.Option("--reconnect-for", help="Try a lost stream again for so long, then exit 3.")
    ] = "10m",
    no_reconnect: Annotated[bool, typer.Option("--no-reconnect", help="End when the connection ends.")] = False,
    transport: Annotated[str, typer.Option("--transport", help="What RTSP brings packets by: tcp or udp.")] = "tcp",
    min_free_gb: Annotated[
        float, typer.Option("--min-free-gb", help="Stop cleanly when so little space is free; 0: never.", min=0)
    ] = 0.5,
    url_file: Annotated[
        Path | None,
        typer.Option("--url-file", help="A file with the URL, so no list of processes shows it.", show_default=False),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option("--ca-file", help="Certificates to trust (PEM).", show_default="the system's"),
    ] = None,
    no_tls_check: Annotated[
        bool, typer.Option("--no-tls-check", help="Take any certificate; the ledger says so.")
    ] = False,
    case_id: options.CaseIdOption = None,
    operator: options.OperatorOption = NOT_STATED,
    purpose: options.PurposeOption = NOT_STATED,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Copy a stream's packets, not re-encoded, into hashed segments on disk, and record every gap with its reason.

    Without --duration Ctrl-C is the normal end (exit 0); before the end of a duration it is exit 130, and the same
    command goes on. Credentials of the URL are never written or shown.
    """
    options.require_text(case_id=case_id, operator=operator, purpose=purpose)
    if output is None:
        raise UsageError("give the folder of the capture with --output")
    from facerecon.capture.recording import Facts, Plan
    from facerecon.capture.stream import Opening

    address = _address(url, url_file)
    plan = Plan(
        duration_s=None if duration is None else _seconds("--duration", duration),
        segment_s=_seconds("--segment", segment),
        min_free_bytes=round(min_free_gb * 1e9),
        opening=Opening(_seconds("--timeout", timeout), _transport(transport), not no_tls_check, ca_file),
        patience=_patience(reconnect_for, no_reconnect),
    )
    facts = Facts(case_id or output.resolve().name, operator, purpose)
    _captured(Console(quiet=quiet, as_json=as_json), output, address, plan, facts)


def _captured(console: Console, output: Path, address: Address, plan: Plan, facts: Any) -> None:
    from facerecon.capture.recording import Recorder

    arrived: list[int] = []
    recorder = Recorder(address, plan, lambda event: _tell(console, address, event), lambda: bool(arrived))
    console.noted(f"Capturing {address.shown} into {output}; Ctrl-C ends it, and finishes the running segment.")
    with handled(lambda number, _frame: arrived.append(number)):
        outcome = recorder.record(output, facts)
    if console.as_json:
        console.result(_document(output, address, outcome))
    for line in _lines(outcome):
        console.show(line)
    if error := _error(output, address, outcome):
        raise error


# --- what is typed ----------------------------------------------------------------------------------------------------


def _address(url: str | None, url_file: Path | None) -> Address:
    from facerecon.capture.address import Address, address_from

    from_environment = os.environ.get(URL_VARIABLE)
    if url is not None and url_file is not None:
        raise UsageError("give the stream's URL once: as the argument, or with --url-file")
    if url_file is not None:
        return address_from(url_file)
    if url is None and not from_environment:
        raise UsageError(f"give the stream's URL, a file with it (--url-file), or set {URL_VARIABLE}")
    return Address.parse(url if url is not None else from_environment or "")


def _seconds(option: str, text: str) -> float:
    """Return the seconds of 90s, 5m, 2h, 1h30m, 1d."""
    found = _PARTS.fullmatch(text.strip().lower())
    parts = found.groups() if found else ()
    seconds = sum(float(part) * factor for part, factor in zip(parts, _SECONDS, strict=False) if part)
    if not 0.1 <= seconds <= _LONGEST_S:
        raise UsageError(f"{option} '{text}' is not a time like 90s, 5m, 2h or 1h30m")
    return seconds


def _transport(text: str) -> _Transport:
    for each in get_args(_Transport):
        if text == each:
            return each  # type: ignore[no-any-return]
    raise UsageError(f"--transport '{text}' is neither tcp nor udp")


def _patience(reconnect_for: str, never: bool) -> Any:
    from facerecon.capture.reconnection import Patience

    return Patience(0.0 if never else _seconds("--reconnect-for", reconnect_for))


# --- what is told -----------------------------------------------------------------------------------------------------


def _tell(console: Console, address: Address, event: Happening) -> None:
    from facerecon.capture.records import Gap, Segment
    from facerecon.capture.stream import Connected

    if isinstance(event, Segment):
        packets = sum(track.packets for track in event.tracks)
        recovered = ", recovered after a crash" if event.recovered else ""
        line = f"segment {event.number}: {_span(event)}, {packets} packets, {event.size_bytes / 1e6:.1f} MB{recovered}"
    elif isinstance(event, Gap):
        line = f"gap: {_span(event)}, {event.reason}{f' ({event.detail})' if event.detail else ''}"
    elif isinstance(event, Connected):
        kinds = ", ".join(
            f"{each.codec} {each.width_px}x{each.height_px}" if each.kind == "video" else each.codec
            for each in event.facts
        )
        line = f"connected: {kinds}"
    else:
        line = f"lost: {event.reason}{f' ({event.detail})' if event.detail else ''}"
    console.noted(address.clean(line))


def _span(event: Any) -> str:
    return f"{(event.end_ms - event.begin_ms) / 1000:.1f} s"


def _document(output: Path, address: Address, outcome: Outcome) -> dict[str, Any]:
    return {
        "capture": str(output),
        "source": address.shown,
        "ending": outcome.ending,
        "detail": address.clean(outcome.detail),
        "account": outcome.account.model_dump(mode="json"),
        "ledger_head": outcome.ledger_head,
    }


def _lines(outcome: Outcome) -> list[str]:
    account = outcome.account
    asked = "" if account.requested_ms is None else f" of {account.requested_ms / 1000:.1f} s"
    return [
        f"{account.total_ms / 1000:.1f} s{asked} = {account.captured_ms / 1000:.1f} s captured in {account.segments} "
        f"segments + {account.gaps_ms / 1000:.1f} s in {account.gaps} gaps",
        f"{account.packets} packets, {account.bytes / 1e6:.1f} MB; {account.discarded} packets discarded",
        f"[bold]Ledger head:[/] {escape(outcome.ledger_head)}",
    ]


def _error(output: Path, address: Address, outcome: Outcome) -> FacereconError | None:
    kept = "everything captured is kept"
    if outcome.ending == "unreachable":
        return EvidenceError(
            f"stream {address.shown}: {address.clean(outcome.detail)}; {kept}; the same command goes on"
        )
    if outcome.ending == "low-disk":
        return ResourceError(f"the disk of {output} is almost full; {kept}; free some space, the same command goes on")
    if outcome.ending == "interrupted":
        return Interrupted(f"interrupted before the end of the duration; {kept}; the same command goes on")
    return None
