"""Accounts: requested = written + failed + skipped, each omission with its reason (R07). And where the time goes."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from facerecon.case import StageRun
from facerecon.profiles import Profile
from facerecon.records import Counts, Skipped
from facerecon.stages import Listener

Kind = Literal["frame", "face", "tile", "track", "image", "candidate"]


class Account:
    """Counts the items of one kind in one stage run, and writes every omission to the stage's skipped records."""

    def __init__(self, run: StageRun, kind: Kind) -> None:
        """Start at zero."""
        self._run, self._kind = run, kind
        self._written = 0
        self._omitted: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()

    def wrote(self, count: int = 1) -> None:
        """Count items that were processed to the end."""
        self._written += count

    def skip(self, subject: str, reason: str, detail: str = "", count: int = 1) -> None:
        """Count items left out on purpose."""
        self.omit(
            Skipped(stage=self._run.name, kind=self._kind, subject=subject, reason=reason, detail=detail, count=count)
        )

    def fail(self, subject: str, reason: str, detail: str = "", count: int = 1) -> None:
        """Count items that could not be processed."""
        self.omit(
            Skipped(
                stage=self._run.name,
                kind=self._kind,
                subject=subject,
                reason=reason,
                detail=detail,
                outcome="failed",
                count=count,
            )
        )

    def omit(self, skipped: Skipped) -> None:
        """Count an omission that somebody else described."""
        self._run.record(f"{self._run.name}-skipped", skipped)
        self._omitted[skipped.outcome] += skipped.count
        self.reasons[f"{skipped.kind}: {skipped.reason}"] += skipped.count

    @property
    def failed(self) -> int:
        """Items that could not be processed."""
        return self._omitted["failed"]

    @property
    def counts(self) -> Counts:
        """The account; it always adds up."""
        failed, skipped = self._omitted["failed"], self._omitted["skipped"]
        return Counts(requested=self._written + failed + skipped, written=self._written, failed=failed, skipped=skipped)


def close_accounts(run: StageRun, accounts: Mapping[str, Account]) -> None:
    """Put the accounts into the stage's ledger entry."""
    run.details["counts"] = {name: account.counts.model_dump() for name, account in accounts.items()}
    reasons: Counter[str] = Counter()
    for account in accounts.values():
        reasons.update(account.reasons)
    run.details["skipped"] = dict(sorted(reasons.items()))


class Stopwatch:
    """Adds up wall-clock seconds per name; for the ledger only, never for records."""

    def __init__(self) -> None:
        """Start at zero."""
        self._seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Time a block."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - begun

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds per name, rounded to milliseconds."""
        return {name: round(value, 3) for name, value in self._seconds.items()}


@dataclass(frozen=True)
class Context:
    """What every stage is given beside its case and engines."""

    profile: Profile
    listener: Listener
    runtime: Mapping[str, Any] = field(default_factory=dict)

    def details(self, *sections: str) -> dict[str, Any]:
        """Return what the ledger keeps of this run's settings: profile, seed, the sections in use, the software."""
        resolved = self.profile.resolved()
        return {
            "profile": self.profile.name,
            "profile_sha256": self.profile.digest,
            "seed": self.profile.seed,
            "parameters": {name: resolved[name] for name in sections},
            "runtime": dict(self.runtime),
        }
