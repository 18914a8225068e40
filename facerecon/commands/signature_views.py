"""How signatures, timestamps and reviews look on a terminal. Says what was checked, and what was not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

_MOST_ACTIONS = 6


def standing(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Show what a document tells of signatures and reviews; nothing if it tells nothing."""
    if "package" in document:
        yield from _package(document["package"])
    signatures = document.get("signatures")
    if signatures == []:
        yield Text("The case in it is not signed." if "package" in document else "Not signed.")
    for each in [*(signatures or []), *([document["signature"]] if "signature" in document else [])]:
        yield from _signature(each)
    if document.get("review_state"):
        yield Text.assemble(("Review:      ", "bold"), document["review_state"])
    for each in document.get("reviews") or []:
        yield _review(each)


def _package(package: Mapping[str, Any]) -> Iterator[Text]:
    yield Text.assemble(("Package:     ", "bold"), f"{package['path']}   {package['size_bytes']} bytes")
    stated = package["digest_file"]
    said = f"as {stated} states" if stated else "stated by no file beside it"
    yield Text.assemble(("SHA-256:     ", "bold"), f"{package['sha256']}   {said}")
    yield Text.assemble(("Signature:   ", "bold"), _seal(package))


def _seal(package: Mapping[str, Any]) -> str:
    if not package["signature_file"]:
        return "the package is not signed"
    if not package["key_checked"]:
        return f"{package['signature_file']} was not checked: it needs the signer's public key, --key PUB.pem"
    return (
        f"{package['signature_file']} verifies, key {package['key_sha256'][:12]}...; the key is {package['key_file']}"
    )


def _signature(each: Mapping[str, Any]) -> Iterator[Text]:
    key = f"the key is {each['key_file']}" if each["key_checked"] else "the key itself was not checked"
    yield Text.assemble(
        (f"{each['file']}: ", "bold"),
        f"signed by {each['signer']} ({each['role']}), key {each['key_sha256'][:12]}..., covers {each['covers']} of "
        f"{each['ledger_entries']} ledger entries; {key}",
    )
    if each["not_covered"]:
        yield Text(f"  not covered: {_listed(each['not_covered'])}", style="yellow")
    for stamp in each["timestamps"]:
        said = "the authority's signature verifies" if stamp["authority_checked"] else "the authority was not checked"
        yield Text(f"  timestamp {stamp['utc']} ({stamp['file']}); {said}")


def _listed(actions: list[str]) -> str:
    told = ", ".join(actions[:_MOST_ACTIONS])
    return told + (f" and {len(actions) - _MOST_ACTIONS} more" if len(actions) > _MOST_ACTIONS else "")


def _review(each: Mapping[str, Any]) -> Text:
    signed = f"signed with key {each['key_sha256'][:12]}..." if each["signed"] else "not signed"
    old = "; does not count, later stages changed the findings" if each["superseded"] else ""
    return Text(
        f"  {each['number']}. {each['reviewer']}: {each['conclusion']}, on {each['report']}, {each['utc']}, "
        f"{signed}{old}"
    )


def timestamp(document: Mapping[str, Any]) -> RenderableType:
    """Show what to send to an authority, or what was attached."""
    if "request" in document:
        return Group(
            Text.assemble(("Request:     ", "bold"), document["request"]),
            Text.assemble(("For:         ", "bold"), f"{document['signature']}, SHA-256 {document['sha256']}"),
            Text(
                "Send it to a time-stamping authority and attach the answer: 'facerecon report timestamp CASE ANSWER'."
            ),
        )
    return Group(
        Text.assemble(("Timestamp:   ", "bold"), f"{document['utc']}, {document['timestamp']}"),
        Text.assemble(("Ledger head: ", "bold"), document["ledger_head"]),
        Text("Its imprint fits. 'facerecon verify CASE --tsa-roots ROOTS.pem' checks the authority's signature."),
    )
