"""What the PDF of a report carries with it: the case's manifest and ledger, and its CASE/UCO export. Only reads.

With them the PDF alone lets somebody check what it says: every digest, every line of the ledger, and the results in a
form that other tools read.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from facerecon.case import Case
from facerecon.errors import IntegrityError
from facerecon.exchange.export import Exported, export_case_uco
from facerecon.ledger import Ledger
from facerecon.manifest import Manifest, read_bytes
from facerecon.report.content import Attachment

_JSON, _JSON_LINES, _JSON_LD = "application/json", "application/jsonl", "application/ld+json"


def attachments(case: Case) -> tuple[Attachment, ...]:
    """Return manifest, ledger and CASE/UCO export of a case as it stands, after verifying all of it.

    Call it before the report's own run begins, so that all three end at the ledger head which the report prints.

    Raises:
        IntegrityError: the case does not verify, or manifest and ledger do not end at the case's ledger head.
    """
    content, exported = _exported(case)
    return (_manifest(case), _ledger(case), _case_uco(content, exported))


def _manifest(case: Case) -> Attachment:
    data = read_bytes(case.root / "manifest.json")
    manifest = Manifest.parse(data)
    _require_head(case, manifest.ledger_head, "manifest.json")
    words = f"Manifest of the case: every file with its size and SHA-256, up to ledger head {manifest.ledger_head}."
    return Attachment("manifest.json", data, _JSON, "supplement", words)


def _ledger(case: Case) -> Attachment:
    path = case.root / "ledger.jsonl"
    data = read_bytes(path)
    ledger = Ledger.parse(data, path)
    _require_head(case, ledger.head, "ledger.jsonl")
    words = f"Ledger of the case: {len(ledger.entries)} entries, one a line, up to ledger head {ledger.head}."
    return Attachment("ledger.jsonl", data, _JSON_LINES, "data", words)


def _case_uco(content: bytes, exported: Exported) -> Attachment:
    words = (
        f"Export of the case as CASE/UCO (JSON-LD), made right before this report, at ledger head "
        f"{exported.ledger_head} and manifest digest {exported.manifest_digest}. It does not know this report."
    )
    return Attachment("case.jsonld", content, _JSON_LD, "alternative", words)


def _exported(case: Case) -> tuple[bytes, Exported]:
    with tempfile.TemporaryDirectory(prefix="facerecon-export-") as folder:
        path = Path(folder) / "case.jsonld"
        exported = export_case_uco(case, path)
        _require_head(case, exported.ledger_head, "the CASE/UCO export")
        return path.read_bytes(), exported


def _require_head(case: Case, head: str, what: str) -> None:
    if head != case.ledger.head:
        raise IntegrityError(f"case {case.root}: {what} ends at ledger head {head}, the case at {case.ledger.head}")
