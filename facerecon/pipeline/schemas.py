"""The published JSON Schemas of a case's own documents (draft 2020-12), generated from the records that check them.

Owns their names and form. A released schema never changes: another form gets another number and another file.
"""

from __future__ import annotations

import json
from typing import Any

from facerecon.manifest import Manifest
from facerecon.records import CaseInfo, Record

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PUBLISHED: dict[str, type[Record]] = {"manifest-1.json": Manifest, "case-1.json": CaseInfo}
"""What is in docs/schemas/, by file name."""


def schema(name: str) -> dict[str, Any]:
    """Return one published schema; its `$id` is a name, not an address, and nothing is to be fetched from it."""
    body = PUBLISHED[name].model_json_schema(mode="serialization")
    for part in (body, *body.get("$defs", {}).values()):
        # Also fields with a default are always written.
        part["required"] = list(part["properties"])
    return {"$schema": DIALECT, "$id": f"urn:facerecon:schema:{name.removesuffix('.json')}", **body}


def schema_bytes(name: str) -> bytes:
    """Return the content of docs/schemas/NAME."""
    return (json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n").encode()
