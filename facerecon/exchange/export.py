"""The export as a whole: all nodes in a fixed order, written as JSON-LD, one node a line. Never touches the case.

The file is written whole or not at all, and never over another one. Memory grows with the records of one run of a
stage, not with the text that is written.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from facerecon import __version__
from facerecon.errors import ResourceError, UsageError
from facerecon.exchange.actions import action_id, action_nodes
from facerecon.exchange.contents import CaseFolder, Contents
from facerecon.exchange.files import case_files, outside_files, source_nodes
from facerecon.exchange.graph import Node, instant, node, refs
from facerecon.exchange.pictures import derivation_nodes, derivations
from facerecon.exchange.results import result_nodes
from facerecon.exchange.reviews import review_nodes, review_sentence
from facerecon.exchange.signatures import signature_nodes
from facerecon.exchange.terms import PREFIXES, SPECIFICATION
from facerecon.exchange.tools import Tools
from facerecon.hashing import sha256_file
from facerecon.manifest import verified

_FRAME = 2
"""Pieces of the file that are no node: its head and its end."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    sha256: str
    size_bytes: int
    nodes: int
    ledger_head: str
    manifest_digest: str


def export_case_uco(case: CaseFolder, out: Path, *, all_detections: bool = False) -> Exported:
    """Write a case as CASE/UCO JSON-LD (R33), after verifying all of it.

    Args:
        case: the case, open for reading.
        out: the file to write; it must not exist, and must not lie in the case.
        all_detections: every detection with its box, not only what the detections of a track come to.

    Raises:
        UsageError: `out` exists, or lies in the case.
        IntegrityError: the case does not verify.
        ResourceError: the file cannot be written.
    """
    _require_new(out)
    if out.resolve().is_relative_to(case.root.resolve()):
        raise UsageError(f"{out} lies in the case, where it would be an extra file; choose another --case-uco")
    manifest, ledger = verified(case.root, case.seen)
    contents = Contents(case, manifest, ledger.entries)
    count = _write(out, graph(contents, all_detections))
    return Exported(out, sha256_file(out), out.stat().st_size, count, manifest.ledger_head, manifest.digest)


def graph(contents: Contents, all_detections: bool) -> Iterator[Node]:
    """Yield all nodes of a case: what it holds, what was done, what was found, and the bundle of all."""
    names: list[str] = []
    for made in chain(_stated(contents), result_nodes(contents, all_detections)):
        names.append(made["@id"])
        yield made
    yield node(
        contents.names.of("bundle", contents.manifest.digest),
        "uco-core:Bundle",
        uco_core__name=f"{contents.info.case_id}, exported by facerecon {__version__}",
        uco_core__description="A case of facerecon. Its ledger head and manifest digest stand at manifest.json.",
        uco_core__specVersion=SPECIFICATION,
        uco_core__object=refs(names),
    )


def _stated(contents: Contents) -> Iterator[Node]:
    tools = Tools(contents)
    actions = list(action_nodes(contents, tools))
    attested = [*review_nodes(contents, tools), *signature_nodes(contents, tools)]
    found = list(derivations(contents))
    roles = {each.path: each.role for each in found}
    origins: dict[str, list[str]] = {}
    for each in found:
        origins.setdefault(each.path, []).append(each.origin)
    yield _investigation(contents)
    yield from tools.nodes
    yield from source_nodes(contents)
    yield from outside_files(contents)
    yield from case_files(contents, roles, origins)
    yield from actions
    yield from attested
    yield from derivation_nodes(contents, found)


def _investigation(contents: Contents) -> Node:
    info = contents.info
    return node(
        contents.names.of("investigation"),
        "case-investigation:Investigation",
        uco_core__name=info.case_id,
        uco_core__description=review_sentence(contents),
        case_investigation__focus=[info.purpose],
        case_investigation__investigationForm="case",
        uco_core__startTime=instant(info.created_utc),
        uco_core__object=refs([contents.source_id, *(action_id(contents, run) for run in contents.runs)]),
    )


def _require_new(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} exists already; nothing was overwritten, choose another --case-uco")


# --- writing ----------------------------------------------------------------------------------------------------------


def _write(out: Path, nodes: Iterable[Node]) -> int:
    """Write to a temporary file beside `out` and move it there; return the number of nodes."""
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=out.parent, prefix=".tmp-")
        with os.fdopen(handle, "wb") as stream:
            count = sum(stream.write(line.encode()) > 0 for line in _lines(nodes)) - _FRAME
            stream.flush()
            os.fsync(stream.fileno())
        # Not by a link, which would never replace a file: disks that evidence travels on (exFAT) have none.
        _require_new(out)
        os.replace(temporary, out)  # noqa: PTH105
        return count
    except OSError as error:
        raise ResourceError(f"cannot write {out}: {error.strerror or error}; choose another --case-uco") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _lines(nodes: Iterable[Node]) -> Iterator[str]:
    yield f'{{"@context": {_json(dict(PREFIXES))},\n"@graph": ['
    for position, made in enumerate(nodes):
        yield f"{',' if position else ''}\n{_json(made)}"
    yield "\n]}\n"


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
