"""How the verification of a capture is shown. Owns no check itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.text import Text

from facerecon.capture import Account, CaptureProblemsError, Verified, verified
from facerecon.capture.following import ended_in, gaps_in, segments_in
from facerecon.console import Console
from facerecon.errors import UsageError


def verify(console: Console, root: Path, *, signed: bool) -> None:
    """Verify a capture folder and show what was found.

    Raises:
        UsageError: a signature is asked for, and captures carry none.
        CaptureProblemsError: it does not verify.
    """
    if signed:
        raise UsageError(f"{root} is a capture, which carries no signature: note its ledger head, or sign the case")
    try:
        found = verified(root)
    except CaptureProblemsError as error:
        if console.as_json:
            console.result(_document(root, None, error.problems))
        for problem in error.problems:
            console.show(Text.assemble(("problem", "bold red"), f"  {problem}"))
        raise
    if console.as_json:
        console.result(_document(root, found, ()))
    state = "still running" if found.running else ended_in(found.ledger) or "not ended: it was killed"
    console.show(
        f"[green]verified[/]  {len(found.manifest.files)} files, {found.manifest.ledger_entries} ledger entries, "
        f"state: {state}"
    )
    console.show(f"[bold]Ledger head:[/] {found.ledger.head}")


def _document(root: Path, found: Verified | None, problems: tuple[str, ...]) -> dict[str, Any]:
    return {
        "capture": str(root),
        "ok": not problems,
        "problems": list(problems),
        "files": len(found.manifest.files) if found else None,
        "ledger_entries": found.manifest.ledger_entries if found else None,
        "ledger_head": found.ledger.head if found else None,
        "running": found.running if found else None,
        "ending": ended_in(found.ledger) if found else None,
        "account": _account(found) if found else None,
    }


def _account(found: Verified) -> dict[str, Any]:
    return Account.of(segments_in(found.ledger), gaps_in(found.ledger), None).model_dump(mode="json")
