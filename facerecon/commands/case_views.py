"""How the results of `facerecon case` look on a terminal. What comes from a case is shown as text, never as markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_LISTED = 12
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LABEL_WIDTH = 13
_KINDS = {
    "facts": "Case:",
    "source": "Source:",
    "profile": "Profile:",
    "settings": "Settings:",
    "versions": "Versions:",
    "models": "Models:",
}
_NAMED = {"cpu_model": "processor", "cpu_instructions": "instruction sets", "cpu_threads": "threads"}
"""What is called otherwise on a terminal than in the ledger."""
_COUNTED = {
    "tracks": "tracks",
    "shots": "shots kept",
    "restored": "enhanced pictures",
    "fused": "fused pictures",
    "fused_restored": "restored fused pictures",
    "candidates": "candidate lines",
}


# --- info -------------------------------------------------------------------------------------------------------------


def overview(document: Mapping[str, Any]) -> RenderableType:
    """Show a case on one screen."""
    source, profile = document["source"], document["profile"]
    lines = [
        ("Case", f"{document['case_id']}   made {document['created_utc']} by facerecon {document['tool_version']}"),
        ("Operator", document["operator"]),
        ("Purpose", document["purpose"]),
        ("Source", f"{source['name']}   {_media(source)}"),
        ("", f"{source['path']}   {source['size_bytes']} bytes"),
        ("", f"SHA-256 {source['sha256']}"),
        ("Profile", f"{profile['name']}   SHA-256 {profile['sha256']}"),
        *_labelled("Software", _software(document["runs"])),
        *_labelled("Models", _models(document["runs"])),
        ("Found", _counts(document["counts"])),
        ("Review", _review(document)),
        *(("", each) for each in _people(document)),
        ("Files", f"{document['files']}, {document['size_bytes']} bytes"),
        ("Ledger head", f"{document['ledger']['head']}   {document['ledger']['entries']} entries"),
        ("Verifies", "yes" if document["verifies"] else "NO"),
        *(("", each) for each in document["problems"][:_LISTED]),
    ]
    return Group(*(_line(label, text) for label, text in lines), _runs(document["runs"]))


def _labelled(label: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    return [(label if number == 0 else "", line) for number, line in enumerate(lines)]


def _line(label: str, text: str) -> Text:
    return Text.assemble((f"{label + ':' if label else '':<{_LABEL_WIDTH}}", "bold"), text)


def _media(source: Mapping[str, Any]) -> str:
    parts = [source["format"] or source["kind"], source["codec"]]
    if source["width_px"]:
        parts.append(f"{source['width_px']}x{source['height_px']} px")
    if source["duration_s"] is not None:
        parts.append(f"{source['duration_s']:.3f} s")
    if source["pictures"] is not None:
        parts.append(f"{source['pictures']} pictures")
    return ", ".join(str(part) for part in parts if part)


def _counts(counts: Mapping[str, Any]) -> str:
    frames = counts["frames"]
    if not isinstance(frames, Mapping):
        return "nothing yet; no extraction is finished"
    told = [f"frames: {frames.get('requested')} ({frames.get('written')} analysed, {frames.get('failed')} failed)"]
    told += [f"{name}: {counts[key]}" for key, name in _COUNTED.items() if counts[key] is not None]
    told += [f"{key}: {counts[key]}" for key in ("renderings", "reports") if counts[key]]
    return ", ".join(told)


def _review(document: Mapping[str, Any]) -> str:
    signatures = len(document["signatures"])
    return f"{document['review_state'] or 'cannot be told'}   {signatures} signature{'' if signatures == 1 else 's'}"


def _people(document: Mapping[str, Any]) -> Iterator[str]:
    for each in document["reviews"]:
        told = [f"{each['reviewer']}: {each['conclusion']}", each["utc"]]
        told += ["signed"] if each["signed"] else []
        yield ", ".join([*told, "of earlier findings"] if each["superseded"] else told)
    for each in document["signatures"]:
        yield f"signed by {each['signer']} ({each['role']}), {each['utc']}, key {each['key_sha256'][:16]}..."


def _versions(each: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in each["versions"].items())


def _software(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the versions that ran, each list of them once with its stages."""
    stages: dict[str, list[str]] = {}
    for each in runs:
        if each["versions"]:
            stages.setdefault(_versions(each), []).append(_run(each))
    return [f"{versions}   ({', '.join(named)})" for versions, named in stages.items()]


def _run(each: Mapping[str, Any]) -> str:
    return str(each["stage"]) + (f" {each['run']}" if each["run"] not in (None, 1) else "")


def _runs(runs: Sequence[Mapping[str, Any]]) -> RenderableType:
    if not runs:
        return Text("No stage has run.")
    table = Table("stage", "started", "took", "profile", box=None, pad_edge=False)
    table.header_style = "dim"
    for each in runs:
        outcome = "" if each["outcome"] == "finished" else f" ({each['outcome']})"
        table.add_row(
            Text(f"{_run(each)}{outcome}"),
            Text(each["started_utc"]),
            "" if each["took_s"] is None else f"{each['took_s']:.1f} s",
            Text(str(each["profile"] or "")),
        )
    return table


def _models(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return every model once, its weights' digest on a line of its own."""
    models = {tuple(each.items()): each for run in runs for each in run["models"]}
    return [
        line
        for each in models.values()
        for line in (
            f"{each['id']} ({each['role']}, {each['device']}, {each['precision']})",
            f"SHA-256 {each['weights_sha256']}",
        )
    ]


# --- diff -------------------------------------------------------------------------------------------------------------


def differences(document: Mapping[str, Any], a: str, b: str) -> RenderableType:
    """Show how two cases differ."""
    outputs = document["outputs"]
    changes = any(document[kind] for kind in _KINDS)
    differ = bool(outputs["only_a"] or outputs["only_b"] or outputs["different"])
    head = [Text.assemble(("A: ", "bold"), a), Text.assemble(("B: ", "bold"), b)]
    if not changes and not differ:
        head.append(Text(f"Nothing differs: all {outputs['equal']} outputs are bit-identical.", style="green"))
        return Group(*head, _left_out(document))
    return Group(*head, *_settings(document), *_outputs(outputs, differ), _left_out(document))


def _settings(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    for kind, label in _KINDS.items():
        for change in document[kind][:_LISTED]:
            runs = f"   ({', '.join(change['runs'])})" if change["runs"] else ""
            was, now = (_short(change[side]) for side in "ab")
            yield Text.assemble((f"{label:<10}", "bold"), f"{_named(change['subject'])}: {was} -> {now}{runs}")
        if len(document[kind]) > _LISTED:
            yield Text(f"{'':<10}{len(document[kind]) - _LISTED} more; see --json", style="dim")


def _named(subject: str) -> str:
    return _NAMED.get(subject, subject)


def _outputs(outputs: Mapping[str, Any], differ: bool) -> Iterator[RenderableType]:
    if not differ:
        yield Text(f"Outputs:  all {outputs['equal']} are bit-identical")
        return
    counts = [f"{outputs['equal']} bit-identical", f"{len(outputs['different'])} different"]
    counts += [f"{len(outputs[key])} only in {name}" for key, name in (("only_a", "A"), ("only_b", "B"))]
    yield Text.assemble(("Outputs:  ", "bold"), ", ".join(counts))
    told = [f"{each['path']}: {_measured(each)}" for each in outputs["different"]]
    told += [f"{path}: only in {name}" for key, name in (("only_a", "A"), ("only_b", "B")) for path in outputs[key]]
    for line in told[:_LISTED]:
        yield Text(f"  {line}")
    if len(told) > _LISTED:
        yield Text(f"  {len(told) - _LISTED} more; see --json", style="dim")


def _measured(each: Mapping[str, Any]) -> str:
    found = each["measured"]
    if each["kind"] == "picture":
        return _picture(found)
    return _records(found) if each["kind"] == "records" else "other bytes"


def _picture(found: Mapping[str, Any]) -> str:
    if found["problem"]:
        return str(found["problem"])
    if found["psnr_db"] is None:
        return "every pixel is equal, the file is not (its metadata)"
    frames = f" (the worst of {found['frames']} frames)" if found["frames"] > 1 else ""
    return (
        f"PSNR {found['psnr_db']:.1f} dB{frames}, {100 * found['share']:.2f} % of pixels differ, "
        f"by {found['largest_levels']} levels at most"
    )


def _records(found: Mapping[str, Any]) -> str:
    parts = [f"{found['changed']} of {found['count_a']} records differ"] if found["changed"] else []
    parts += [f"{len(found[key])} only in {name}" for key, name in (("only_a", "A"), ("only_b", "B")) if found[key]]
    fields = [_field(each) for each in found["fields"][:4]]
    rest = len(found["fields"]) - len(fields) + found["more_fields"]
    fields += [f"{rest} more fields"] if rest else []
    return ", ".join(parts) + (f": {', '.join(fields)}" if fields else "")


def _field(each: Mapping[str, Any]) -> str:
    if each["largest"] is not None:
        return f"{each['field']} (by {each['largest']:.4g} at most)"
    return f"{each['field']} ({_short(each['a'])} -> {_short(each['b'])})"


def _left_out(document: Mapping[str, Any]) -> Text:
    return Text(f"Not compared: {'; '.join(document['left_out'])}.", style="dim")


def _short(value: Any) -> str:
    text = str(value)
    if _DIGEST.fullmatch(text):
        return f"{text[:12]}..."
    return text if len(text) <= 70 else f"{text[:32]}...{text[-32:]}"


# --- replay and package -----------------------------------------------------------------------------------------------


def replay(document: Mapping[str, Any]) -> RenderableType:
    """Show what a replay gave."""
    found = document["differences"]
    parts: list[RenderableType] = [differences({**found, "facts": []}, document["case"], document["replay"])]
    parts += [
        Text(f"not replayed: {each['run']}   {each['reason']}", style="yellow") for each in document["not_replayed"]
    ]
    parts.append(_verdict(document))
    return Group(*parts, _line("Ledger head", document["ledger_head"]))


def _verdict(document: Mapping[str, Any]) -> Text:
    runs = ", ".join(document["replayed"])
    if document["bit_identical"]:
        return Text(f"replayed: bit-identical ({runs})", style="bold green")
    if not document["tolerance"]:
        return Text(f"replayed: NOT bit-identical, on the same machine and versions ({runs})", style="bold red")
    tolerance = document["tolerance"]
    limits = f"PSNR {tolerance['min_psnr_db']:g} dB, similarity {tolerance['max_similarity_apart']:g}"
    where = ", ".join(_named(each) for each in document["elsewhere"])
    if document["outside"]:
        return Text(f"replayed: OUTSIDE the tolerance ({limits}; {where} differ)", style="bold red")
    return Text(f"replayed: within the tolerance ({limits}; {where} differ) ({runs})", style="bold green")


def package(document: Mapping[str, Any]) -> RenderableType:
    """Show what was packed."""
    signature = document["signature"]
    lines = [
        ("Package", f"{document['package']}   {document['files']} files, {document['size_bytes']} bytes"),
        ("SHA-256", document["sha256"]),
        ("Ledger head", document["ledger_head"]),
    ]
    if signature:
        lines += [
            ("Signed", f"{signature['signed']} with key {signature['key_sha256']}"),
            ("Signature", signature["signature"]),
        ]
    return Group(*(_line(label, text) for label, text in lines))
