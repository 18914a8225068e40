"""What is to be done: for every source that was reached, whether its case is finished, failed before, or waits.

Only reads. Headers are looked at by an engine of its own, since even a header can be hostile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from facerecon.batch.found import NOT_MEDIA, NOT_NAMED, Found, Omitted, Walk
from facerecon.batch.journal import History, Remembered
from facerecon.batch.naming import Names
from facerecon.batch.origin import source_of
from facerecon.batch.probing import MEDIA_SUFFIXES
from facerecon.batch.units import Engine, Outcome, Unit
from facerecon.case import Case
from facerecon.errors import FacereconError, UsageError

State = Literal["done", "failed", "pending"]


@dataclass
class Item:
    """A source with its case. `facts` are those of the attempt that ended it; `earlier`: an earlier call did."""

    found: Found
    name: str
    case: Path
    state: State = "pending"
    exit_code: int = 0
    reason: str = ""
    footage_s: float | None = None
    earlier: bool = True
    begun: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None

    @property
    def source(self) -> str:
        """The source's absolute path, or its URL."""
        return self.found.source


@dataclass
class Plan:
    """Every source in order, what was left out, and the capture folders; `unread` could not be looked into at all."""

    items: list[Item] = field(default_factory=list)
    left_out: list[Omitted] = field(default_factory=list)
    unread: list[Omitted] = field(default_factory=list)
    captures: list[Path] = field(default_factory=list)

    def of(self, state: State) -> list[Item]:
        """Return the items in a state, in order."""
        return [item for item in self.items if item.state == state]

    @property
    def totals(self) -> dict[str, int]:
        """Return {requested, done, failed, left_out, pending}; the first is the sum of the others."""
        found = {
            "done": len(self.of("done")),
            "failed": len(self.of("failed")) + len(self.unread),
            "left_out": len(self.left_out),
            "pending": len(self.of("pending")),
        }
        return {"requested": sum(found.values()), **found}


Planned = Callable[[Walk], Plan]
"""Judges files that were not reached before."""
Finished = Callable[[Path], bool]
"""Tells whether the case in a folder needs nothing more."""


def finished(lacks: Callable[[Case], Sequence[str]], profile_sha256: str) -> Finished:
    """Return what tells whether a case is finished: made by this profile, and no stage is lacking.

    A case that does not verify is not finished; whoever works on it says why.
    """

    def told(root: Path) -> bool:
        if not (root / "case.json").is_file():
            return False
        try:
            with Case.view(root) as case:
                return case.info.profile_sha256 == profile_sha256 and not lacks(case)
        except FacereconError:
            return False

    return told


def other_profile(profile_sha256: str) -> Callable[[Path], str]:
    """Return what tells why a case cannot be gone on with under this profile; "" where it can, or there is none yet.

    Asked anew by every call and not kept as a failure: the next call may name the case's own profile.
    """

    def told(root: Path) -> str:
        if not (root / "case.json").is_file():
            return ""
        try:
            with Case.view(root) as case:
                info = case.info
        except FacereconError:
            return ""
        if info.profile_sha256 == profile_sha256:
            return ""
        return (
            f"case {root} was begun with profile {info.profile_name} ({info.profile_sha256[:12]}...), not this one; "
            "name that profile, or choose another --cases"
        )

    return told


def plan(
    walk: Walk,
    cases: Path,
    history: History,
    is_finished: Finished,
    prober: Engine,
    *,
    retry_failed: bool,
    refused: Callable[[Path], str] = lambda _: "",
) -> Plan:
    """Decide what every source still needs.

    Args:
        walk: what was reached.
        cases: the folder of the cases.
        history: its journal.
        is_finished: the truth of the cases.
        prober: runs `facerecon.batch.probing` over what nothing is known of.
        retry_failed: whether what failed before is tried again.
        refused: why a case cannot be gone on with; see `other_profile`.
    """
    names = Names({source: known.name for source, known in history.sources.items()}, _foreign(walk, cases, history))
    headers = _headers(walk.found, history, prober)
    left_out = [each for each in walk.omitted if not each.failed]
    items: list[Item] = []
    for found in walk.found:
        header = headers.get(found.source, {})
        if header.get("media") is False and not (found.named or _named_as_media(found)):
            left_out.append(Omitted(found.path, NOT_NAMED if found.url else NOT_MEDIA, url=found.url))
            continue
        name = names.of(found)
        item = Item(found, name, cases / name, footage_s=header.get("footage_s"))
        item.reason = refused(item.case)
        if item.reason:
            item.state, item.exit_code, item.earlier = "failed", UsageError.exit_code, False
        else:
            _judge(item, history.sources.get(item.source), is_finished, retry_failed=retry_failed)
        items.append(item)
    return Plan(items, left_out, [each for each in walk.omitted if each.failed], list(walk.captures))


def _foreign(walk: Walk, cases: Path, history: History) -> list[str]:
    """Return the names whose folder holds a case that another source than the one of that name was made from."""
    taken = []
    for found in walk.found:
        if found.source in history.sources or not (cases / found.relative / "case.json").is_file():
            continue
        try:
            with Case.view(cases / found.relative) as case:
                other = source_of(case) != found.source
        except FacereconError:
            continue
        if other:
            taken.append(found.relative)
    return taken


def _named_as_media(found: Found) -> bool:
    return found.path.suffix.lower() in MEDIA_SUFFIXES


def _headers(found: Sequence[Found], history: History, prober: Engine) -> dict[str, Mapping[str, Any]]:
    """Return source -> header, from the journal where the file has not changed since; an object has only that."""
    headers: dict[str, Mapping[str, Any]] = {}
    unknown: list[Unit] = []
    for number, each in enumerate(found):
        known = history.sources.get(each.source)
        if each.length_s is not None:
            headers[each.source] = {"media": True, "footage_s": each.length_s}
        elif known is not None and _unchanged(known, each) and "footage_s" in known.line:
            headers[each.source] = {"footage_s": known.footage_s}
        elif each.url:
            headers[each.source] = {"media": False, "footage_s": None}
        else:
            unknown.append(Unit(number, each.source))
    for outcome in _outcomes(prober, unknown):
        # A file that kills who looks at its header is a source, and fails as one.
        headers[found[outcome.number].source] = outcome.facts if outcome.status == "done" else {}
    return headers


def _outcomes(engine: Engine, units: Sequence[Unit]) -> Iterable[Outcome]:
    if units:
        yield from (event for event in engine.run(units) if isinstance(event, Outcome))


def _unchanged(known: Remembered, found: Found) -> bool:
    if found.url:
        # Without a mark nobody can tell one version from the next; with a tag the time does not count.
        return bool(found.mark) and (known.size_bytes, known.mark) == (found.size_bytes, found.mark)
    return (known.size_bytes, known.mtime_ns) == (found.size_bytes, found.mtime_ns)


def _judge(item: Item, known: Remembered | None, is_finished: Finished, *, retry_failed: bool) -> None:
    item.begun = (item.case / "case.json").is_file()
    if known is None or not _unchanged(known, item.found):
        return
    item.facts, item.seconds = known.line, known.line.get("seconds")
    if known.status == "failed" and not retry_failed:
        item.state, item.exit_code = "failed", int(known.line.get("exit_code") or 1)
        item.reason = str(known.line.get("reason", ""))
    elif known.status != "failed" and is_finished(item.case):
        item.state = "done"
