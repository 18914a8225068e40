"""A capture from its start to its end: connect, record, connect again. Owns when it ends, and what is told then."""

from __future__ import annotations

import contextlib
import errno
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facerecon import __version__
from facerecon.capture.address import Address
from facerecon.capture.beginning import Arrived
from facerecon.capture.clock import Clock, Moment, Timeline
from facerecon.capture.folder import CaptureFolder
from facerecon.capture.following import ENDED, ended_in
from facerecon.capture.leftovers import adopted
from facerecon.capture.reconnection import Patience
from facerecon.capture.records import Account, CaptureInfo, Ending, Gap, Reason, Segment, utc_text
from facerecon.capture.stream import Connected, Lost, Opening, Reader, versions
from facerecon.capture.tape import Tape
from facerecon.errors import FacereconError, ResourceError

_TICK_S = 0.2
_DISK_CHECK_S = 2.0
_GB = 1_000_000_000
Happening = Segment | Gap | Connected | Lost
Listener = Callable[[Happening], None]


@dataclass(frozen=True)
class Plan:
    """What is to be captured.

    Attributes:
        duration_s: for how long, from the first start of the folder on; None for until somebody ends it.
        segment_s: length of a segment, s of the stream's own time.
        min_free_bytes: at how little free space on the disk to stop.
    """

    duration_s: float | None = None
    segment_s: float = 300.0
    min_free_bytes: int = _GB // 2
    opening: Opening = field(default_factory=Opening)
    patience: Patience = field(default_factory=Patience)

    @property
    def duration_ms(self) -> int | None:
        """The duration in whole milliseconds."""
        return None if self.duration_s is None else round(self.duration_s * 1000)

    def document(self) -> dict[str, Any]:
        """Return what stands in the ledger."""
        return {
            "duration_ms": self.duration_ms,
            "segment_ms": round(self.segment_s * 1000),
            "min_free_bytes": self.min_free_bytes,
            "timeout_ms": round(self.opening.timeout_s * 1000),
            "reconnect_for_ms": round(self.patience.seconds * 1000),
            "transport": self.opening.transport,
            "certificates_checked": self.opening.verify_tls,
        }


@dataclass(frozen=True)
class Facts:
    """Who captures, why, under which number."""

    case_id: str
    operator: str
    purpose: str


@dataclass(frozen=True)
class Outcome:
    """How a capture ended; `detail` says why, where it was not by its duration or by hand."""

    ending: Ending
    detail: str
    account: Account
    ledger_head: str


class Recorder:
    """One process's part of a capture."""

    def __init__(
        self, address: Address, plan: Plan, listener: Listener, stop: Callable[[], bool], clock: Clock | None = None
    ) -> None:
        """Prepare.

        Args:
            address: the stream.
            plan: for how long, in what pieces.
            listener: is told what happens.
            stop: says whether somebody wants it to end.
            clock: the machine's.

        Raises:
            UsageError: certificates are to be checked, and there are none to check them by.
        """
        plan.opening.options(address)
        self._address, self._plan, self._listener, self._stop = address, plan, listener, stop
        self._clock = clock or Clock()
        self._stopped_ms: int | None = None
        self._low_disk = False
        self._checked_ns = 0

    def record(self, root: Path, facts: Facts) -> Outcome:
        """Capture into a folder until the end, whatever that is.

        Raises:
            UsageError, IntegrityError: the folder cannot be used; see `CaptureFolder.opened`.
            EvidenceError: the video's codec cannot be kept.
            ResourceError: the disk is full or not writable. Finished segments are kept.
        """
        with _disk(root):
            opened = CaptureFolder.opened(root, self._info(facts))
        with opened as folder:
            try:
                with _disk(root):
                    return self._recorded(folder, facts)
            except FacereconError as error:
                # A disk that is full may have room for a line, or not.
                with contextlib.suppress(FacereconError, OSError):
                    self._note_end(folder, "failed", str(error))
                raise

    def _info(self, facts: Facts) -> CaptureInfo:
        return CaptureInfo(
            source=self._address.shown,
            case_id=facts.case_id,
            operator=facts.operator,
            purpose=facts.purpose,
            created_utc=utc_text(self._clock.now().utc_ns),
            tool_version=__version__,
            libraries=dict(versions()),
        )

    def _recorded(self, folder: CaptureFolder, facts: Facts) -> Outcome:
        begun, killed = self._clock.now(), ended_in(folder.ledger) is None
        reason: Reason = "connecting" if not folder.resumed else "killed" if killed else "not-running"
        for segment in adopted(folder)[0]:
            self._listener(segment)
        self._folder, self._timeline = folder, Timeline.resumed(begun, folder.first_utc_ns, folder.covered_ms)
        folder.note("capture.started", self._started(facts, reason))
        covered_ns = folder.first_utc_ns + folder.covered_ms * 1_000_000
        self._tape = Tape(folder, self._timeline, self._plan.segment_s, self._listener, (reason, covered_ns))
        try:
            ending, detail = self._run()
        except BaseException:
            self._tape.abandon()
            raise
        return self._ended(ending, detail)

    def _started(self, facts: Facts, reason: Reason) -> dict[str, Any]:
        said: Mapping[str, Any] = {"tool_version": __version__, "libraries": dict(versions()), "before": reason}
        who = {"case_id": facts.case_id, "operator": facts.operator, "purpose": facts.purpose}
        return {**said, **who, "source": self._address.shown, **self._plan.document()}

    # --- the loop -----------------------------------------------------------------------------------------------------

    def _run(self) -> tuple[Ending, str]:
        lost_at, delays = self._clock.now(), self._plan.patience.delays_s()
        while True:
            if ending := self._over(self._clock.now()):
                return ending, ""
            self._tape.connecting()
            lost, kept = self._connection()
            if not isinstance(lost, Lost):
                return lost, ""
            if kept is not None:
                lost_at, delays = kept, self._plan.patience.delays_s()
            if given_up := self._given_up(lost, lost_at):
                return given_up, lost.detail
            if ending := self._waited(next(delays), lost_at):
                return ending, "" if ending != "unreachable" else lost.detail

    def _given_up(self, lost: Lost, lost_at: Moment) -> Ending | None:
        """Return the ending where no other attempt is made."""
        nothing_yet = not self._folder.segments
        if lost.lasting and nothing_yet:
            return "unreachable"
        if not self._plan.patience.exhausted(self._since_s(lost_at)):
            return None
        by_sender = lost.reason == "stream-ended" and self._plan.duration_s is None and not nothing_yet
        return "stream-ended" if by_sender and not self._plan.patience.seconds else "unreachable"

    def _connection(self) -> tuple[Lost | Ending, Moment | None]:
        """Record one connection; return how it ended, and when the last packet of it was kept (None for never)."""
        kept: Moment | None = None
        with Reader(self._address, self._plan.opening, self._clock) as reader:
            while True:
                event = reader.next(_TICK_S)
                if ending := self._over(event.moment if isinstance(event, Arrived) else self._clock.now()):
                    return ending, kept
                if isinstance(event, Connected):
                    self._connected(event)
                elif isinstance(event, Arrived):
                    self._tape.packet(event)
                    kept = kept if self._tape.in_gap else event.moment
                elif isinstance(event, Lost):
                    self._tape.break_off(event.reason, event.detail)
                    self._listener(event)
                    return event, kept

    def _connected(self, event: Connected) -> None:
        facts = [each.model_dump(mode="json") for each in event.facts]
        self._folder.note("capture.connected", {"format": event.format, "times": event.times, "streams": facts})
        self._tape.connected(event)
        self._listener(event)

    def _waited(self, delay_s: float, lost_at: Moment) -> Ending | None:
        """Wait before the next attempt; return the ending that comes first."""
        until_ns = self._clock.now().steady_ns + round(delay_s * 1e9)
        while (now := self._clock.now()).steady_ns < until_ns:
            if ending := self._over(now):
                return ending
            if self._plan.patience.exhausted(self._since_s(lost_at)):
                return "unreachable"
            time.sleep(min(_TICK_S, (until_ns - now.steady_ns) / 1e9))
        return None

    def _since_s(self, moment: Moment) -> float:
        return (self._clock.now().steady_ns - moment.steady_ns) / 1e9

    # --- the end ------------------------------------------------------------------------------------------------------

    def _over(self, moment: Moment) -> Ending | None:
        at_ms, limit_ms = self._timeline.at_ms(moment), self._plan.duration_ms
        if limit_ms is not None and at_ms >= limit_ms:
            return "duration"
        if self._stopped_ms is None and self._stop():
            self._stopped_ms = self._timeline.at_ms(self._clock.now())
        if self._stopped_ms is not None and at_ms >= self._stopped_ms:
            return "stopped" if limit_ms is None else "interrupted"
        return "low-disk" if self._disk_is_low() else None

    def _disk_is_low(self) -> bool:
        now_ns = self._clock.now().steady_ns
        if now_ns >= self._checked_ns:
            self._checked_ns = now_ns + round(_DISK_CHECK_S * 1e9)
            self._low_disk = shutil.disk_usage(self._folder.root).free < self._plan.min_free_bytes
        return self._low_disk

    def _ended(self, ending: Ending, detail: str) -> Outcome:
        now = self._clock.now()
        end_ms, limit_ms = self._timeline.at_ms(now), self._plan.duration_ms
        if ending == "duration" and limit_ms is not None:
            end_ms = limit_ms
        elif self._stopped_ms is not None:
            end_ms = self._stopped_ms
        self._tape.end(now, end_ms)
        self._note_end(self._folder, ending, detail)
        return Outcome(ending, detail, self._folder.account(self._plan.duration_ms), self._folder.ledger.head)

    def _note_end(self, folder: CaptureFolder, ending: Ending, detail: str) -> None:
        account = folder.account(self._plan.duration_ms).model_dump(mode="json")
        folder.note(ENDED, {"ending": ending, "detail": self._address.clean(detail), "account": account})


@contextlib.contextmanager
def _disk(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        way_out = "free some space and start it again" if full else "choose another --output"
        said = error.strerror or type(error).__name__
        raise ResourceError(f"cannot write {root}: {said}; finished segments are kept; {way_out}") from None
