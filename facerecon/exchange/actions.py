"""What was done: one investigative action per run of the ledger, with provenance records of what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from facerecon.exchange.contents import Contents, Run
from facerecon.exchange.graph import Node, digest, facet, instant, node, ref, refs
from facerecon.exchange.tools import Tools
from facerecon.hashing import canonical_json

_STATUS = {"finished": "Success", "failed": "Fail", "interrupted": "Fail", "unknown": "Unknown"}
_WORDS = {
    "extract": "Looked for faces in the source, followed them, and kept the best shots as exact crops.",
    "enhance": "Made enhanced pictures of best shots. They are investigative aids, never original pixels.",
    "recognize": "Compared tracks with gallery pictures and listed candidates. A candidate is a lead, never a "
    "statement of identity; no candidate above the threshold does not exclude anyone.",
    "render": "Wrote whole frames or a video from the source. They are investigative aids, never original pixels.",
    "measure": "Took figures against a known truth.",
    "report": "Wrote the report of the case as it stood.",
    "case.created": "Made the case, and recorded the source as it was found.",
    "source.copied": "Copied the source from a store, and examined that copy, which was removed afterwards.",
    "case.reviewed": "A reviewer stated a conclusion on a report of the case.",
    "case.signed": "Signed the case as it stood.",
    "case.timestamped": "Attached an external time stamp to a signature.",
    "case.redacted": "Made this copy of a case for disclosure, in which chosen tracks are covered everywhere.",
    "case.recovered": "Took up the case after a run had been cut off.",
}
_LONGEST = 2000


def action_id(contents: Contents, run: Run) -> str:
    """Return the identifier of the action that a run is."""
    return contents.names.of("action", run.began.seq)


def action_nodes(contents: Contents, tools: Tools) -> Iterator[Node]:
    """Yield every run of the ledger as an action, each followed by the provenance record of its outputs."""
    makers: dict[str, str] = {}
    for run in contents.runs:
        identifier = action_id(contents, run)
        outputs = [path for path, sha256 in run.outputs.items() if contents.holds(path, sha256)]
        attested = [found for path in outputs if (found := contents.attestation_id(path))]
        results = [_provenance_id(contents, run), *attested] if outputs else []
        problem = _problem(contents, run)
        informed = [makers[name] for name in run.inputs if name in makers]
        yield _action(contents, tools, run, results, informed)
        if outputs:
            yield _provenance(contents, run, outputs)
        if problem:
            yield problem
        makers |= dict.fromkeys(outputs, identifier)


def _action(contents: Contents, tools: Tools, run: Run, results: list[str], informed: list[str]) -> Node:
    identifier = action_id(contents, run)
    ended = run.began if run.stage is None else run.ended
    return node(
        identifier,
        ["case-investigation:InvestigativeAction", "uco-analysis:Analysis"],
        uco_core__name=run.name,
        uco_core__description=_description(run),
        uco_action__startTime=instant(run.began.utc),
        uco_action__endTime=instant(ended.utc) if ended else None,
        uco_action__actionStatus="Success" if run.stage is None else _STATUS[run.ending],
        uco_action__performer=ref(tools.performer(run)),
        uco_action__instrument=refs(tools.used_by(run)),
        uco_action__object=refs([contents.input_id(name, sha256) for name, sha256 in run.inputs.items()]),
        uco_action__result=refs(results),
        uco_action__error=ref(_problem_id(contents, run)) if _reason(run) else None,
        case_investigation__wasInformedBy=refs(informed),
        uco_core__hasFacet=[_run_facet(identifier, run)],
    )


def _run_facet(owner: str, run: Run) -> Node:
    lines = [run.began] if run.ended is None else [run.began, run.ended]
    return facet(
        owner,
        "facerecon:StageRunFacet",
        facerecon__ledgerEntry=[line.seq for line in lines],
        facerecon__ledgerEntryDigest=[digest(line.hash) for line in lines],
        facerecon__run=run.details.get("run") if isinstance(run.details.get("run"), int) else None,
        facerecon__ending=run.ending if run.stage else None,
        facerecon__seed=run.details.get("seed") if isinstance(run.details.get("seed"), int) else None,
        facerecon__account=[
            f"{item}: {', '.join(f'{number} {what}' for what, number in sorted(_mapping(counts).items()))}"
            for item, counts in sorted(_mapping(run.details.get("counts")).items())
        ],
        facerecon__leftOut=[f"{why}: {n}" for why, n in sorted(_mapping(run.details.get("skipped")).items())],
    )


def _description(run: Run) -> list[str]:
    """Return what was done in words; of a deed that is no stage also what was noted of it."""
    words = _WORDS.get(run.name, f"Did what the ledger calls {run.name}.")
    if run.stage is not None or run.name == "case.created":
        return [words]
    noted = (f"{key}: {_shown(value)}" for key, value in sorted(run.details.items()))
    return [words, *(line[:_LONGEST] for line in noted)]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value).decode()


# --- what came of it --------------------------------------------------------------------------------------------------


def _provenance_id(contents: Contents, run: Run) -> str:
    return contents.names.of("provenance", run.began.seq)


def _provenance(contents: Contents, run: Run, outputs: list[str]) -> Node:
    first = [contents.source_id] if run.name == "case.created" else []
    return node(
        _provenance_id(contents, run),
        "case-investigation:ProvenanceRecord",
        uco_core__name=f"outputs of {run.name}",
        uco_core__description=f"What {run.name} left in the case, as the ledger records it with digests.",
        case_investigation__exhibitNumber=f"{contents.info.case_id} / ledger {(run.ended or run.began).seq}",
        uco_core__object=refs([*first, *(contents.file_id(path) for path in outputs)]),
    )


def _reason(run: Run) -> str:
    if run.stage is not None and run.ended is None:
        return "The ledger holds no end of this run: it was cut off."
    return str(run.details.get("reason", "")) if run.ending in ("failed", "interrupted") and run.stage else ""


def _problem_id(contents: Contents, run: Run) -> str:
    return contents.names.of("problem", run.began.seq)


def _problem(contents: Contents, run: Run) -> Node | None:
    reason = _reason(run)
    if not reason:
        return None
    return node(
        _problem_id(contents, run),
        "uco-core:Assertion",
        uco_core__name=f"{run.name} {run.ending}",
        uco_core__statement=[f"{run.name} {run.ending}: {reason}"],
    )


def _mapping(anything: Any) -> Mapping[str, Any]:
    return anything if isinstance(anything, Mapping) else {}
