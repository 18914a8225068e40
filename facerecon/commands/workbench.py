"""What the stage commands share: the profile, the engines (opened when first needed), and the case they work on."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from facerecon import __version__
from facerecon.batch.origin import came_from
from facerecon.case import Case
from facerecon.characters import is_text
from facerecon.commands.machine import processor
from facerecon.commands.options import require_text
from facerecon.console import Console
from facerecon.errors import AnotherSourceError, EvidenceError, IntegrityError, UsageError
from facerecon.profiles import (
    INTERPOLATIONS,
    BroughtModel,
    Profile,
    RestoreStep,
    load_profile,
    not_a_corrector,
    read_profile,
)
from facerecon.records import CaseInfo
from facerecon.recovery import half_made
from facerecon.stages import Detector, Recognizer, Restorer, Upscaler
from facerecon.weights import Checkpoint

if TYPE_CHECKING:
    from facerecon.filters.scaling import Method
    from facerecon.pipeline.accounts import Context
    from facerecon.pipeline.strength import Calibrations
    from facerecon.video import Source

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Facts:
    """Who, why, and under which number (R30)."""

    case_id: str | None = None
    operator: str = NOT_STATED
    purpose: str = NOT_STATED

    def number(self, root: Path) -> str:
        """Return the case number: as given, else the name of the case's folder.

        Raises:
            UsageError: it, the operator or the purpose holds bytes that are not UTF-8.
        """
        require_text(case_id=self.case_id, operator=self.operator, purpose=self.purpose)
        number = self.case_id or root.resolve().name
        if not is_text(number):
            raise UsageError(f"the name of case folder {root} holds bytes that are not UTF-8; give a --case-id")
        return number


@dataclass
class Workbench:
    """One command's tools. `profile_name` None means standard, or the case's own profile."""

    console: Console
    profile_name: str | None = None
    overrides: tuple[str, ...] = ()
    device: str = "auto"
    facts: Facts = field(default_factory=Facts)
    _profile: Profile | None = None
    _calibrations: dict[tuple[Path, ...], Calibrations] = field(default_factory=dict)
    """Read once, however many cases are compared."""

    # --- case and source ----------------------------------------------------------------------------------------------

    @property
    def profile(self) -> Profile:
        """The profile in use."""
        if self._profile is None:
            self._profile = load_profile(self.profile_name or "standard", self.overrides)
        return self._profile

    def open_case(self, root: Path) -> Case:
        """Open a case; unless another profile was named, its own is used."""
        case = Case.open(root)
        if self.profile_name is None:
            self._profile = _profile_of(case, self.overrides)
        return case

    def case_for(
        self, path: Path, root: Path | None, *, enhance: bool = False, recognize: bool = False
    ) -> tuple[Case, Source]:
        """Make the case of a source, or open the unfinished one that is there.

        Nothing is made unless the models of the stages that will run are here.

        Raises:
            ResourceError: a model's weights are not here.
            EvidenceError: the source cannot be read.
            AnotherSourceError: the case belongs to another source.
            UsageError: what is said of it is no text.
        """
        root = root or Path("cases") / (_stem(path))
        if (root / "case.json").exists() and not half_made(root):
            return self._existing(root, path)
        profile = self.profile
        source = _open(path, profile)
        case_id = self.facts.number(root)
        self.require_weights(enhance=enhance, recognize=recognize)
        info = CaseInfo(
            case_id=case_id,
            operator=self.facts.operator,
            purpose=self.facts.purpose,
            created_utc=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            tool_version=__version__,
            source=source.record,
            profile_name=profile.name,
            profile_sha256=profile.digest,
        )
        return Case.create(root, info, profile, source.probe), source

    def source_of(self, case: Case) -> Source:
        """Open a case's source again.

        Raises:
            EvidenceError: it is not where it was.
            IntegrityError: it is not the file that it was.
        """
        path = Path(case.info.source.path)
        if not path.exists() and (came := came_from(case)) is not None:
            raise EvidenceError(
                f"the source of case {case.root} was a copy of {came['url']}, which was removed; copy the object to "
                f"{path} again, and run again"
            )
        source = _open(path, _profile_of(case), self.profile)
        if source.record.sha256 != case.info.source.sha256:
            raise IntegrityError(
                f"source {case.info.source.path} is not the file that case {case.root} was made from: sha256 then "
                f"{case.info.source.sha256}, now {source.record.sha256}"
            )
        return source

    def _existing(self, root: Path, path: Path) -> tuple[Case, Source]:
        case = Case.open(root)
        try:
            own = _profile_of(case)
            source = _open(path, own, own if self.profile_name is None and not self.overrides else self.profile)
        except BaseException:
            case.close()
            raise
        if case.info.source.sha256 != source.record.sha256:
            case.close()
            raise AnotherSourceError(
                f"case {root} is about another source ({case.info.source.name}, SHA-256 "
                f"{case.info.source.sha256[:12]}...); choose another --case"
            )
        if self.profile_name is None and not self.overrides:
            self._profile = _profile_of(case)
        return case, source

    def require_same_profile(self, case: Case) -> None:
        """Refuse to go on with an unfinished extraction under another profile.

        Raises:
            UsageError: the profiles differ.
        """
        if self.profile.digest != case.info.profile_sha256:
            raise UsageError(
                f"case {case.root} was begun with profile {case.info.profile_name} "
                f"({case.info.profile_sha256[:12]}...), not this one; choose another --case"
            )

    # --- engines ------------------------------------------------------------------------------------------------------

    @property
    def context(self) -> Context:
        """What the stages are given."""
        from facerecon.pipeline.accounts import Context

        return Context(self.profile, self.console, self._runtime)

    @cached_property
    def _runtime(self) -> dict[str, Any]:
        from facerecon.engines.runtime import describe_runtime

        return {**software(), **describe_runtime()}

    def require_weights(self, *, enhance: bool, recognize: bool) -> None:
        """Make sure that the models of the stages to come are here, before hours of footage are read.

        Raises:
            UsageError: a model is unknown, or cannot do what the profile wants of it.
            ResourceError: its weights are not here; the message says how to get them.
        """
        from facerecon.weights import entry, require

        correction = self.profile.enhance.fuse.correction if enhance else None
        if correction is not None and isinstance(correction.model, str):
            item = entry(correction.model)
            if (item.role, item.provider) != ("face-restoration", "trained"):
                raise UsageError(not_a_corrector(item.id))
        for name in self.profile.models(enhance=enhance, recognize=recognize):
            item = entry(name)
            require(item)
            if item.capabilities.teacher:
                require(entry(item.capabilities.teacher.id))

    @cached_property
    def detector(self) -> Detector:
        """The profile's face detector."""
        from facerecon.engines.catalogue import open_detector

        settings = self.profile.detect
        return open_detector(
            settings.model,
            device=self.device,
            nms_iou=settings.nms_iou,
            batch=settings.batch,
            min_score=min(settings.min_score, self.profile.track.continue_score),
        )

    @cached_property
    def restorers(self) -> dict[str, Restorer]:
        """The learned models that the profile's steps name."""
        from facerecon.engines.catalogue import open_restorer

        steps = [step for step in self.profile.enhance.steps if isinstance(step, RestoreStep)]
        return {
            step.key: open_restorer(
                _weights(step.model),
                device=self.device,
                precision=step.precision,
                tile_px=step.tile_px,
                batch=step.batch,
                blend=step.blend,
                denoise=step.denoise,
                mask=step.mask,
            )
            for step in steps
        }

    @cached_property
    def corrector(self) -> Restorer | None:
        """The model that corrects fused pictures; None where the profile names none."""
        from facerecon.engines.catalogue import open_corrector

        step = self.profile.enhance.fuse.correction
        if step is None:
            return None
        return open_corrector(_weights(step.model), device=self.device, precision=step.precision, blend=step.blend)

    def upscaler(self, kind: Literal["frame", "video"]) -> Upscaler | Method:
        """What enlarges whole frames: the profile's interpolation, or its model."""
        from facerecon.engines.catalogue import open_upscaler

        settings = self.profile.output
        name = settings.frame_upscaler if kind == "frame" else settings.video_upscaler
        if name in INTERPOLATIONS:
            return cast("Method", name)
        return open_upscaler(name, device=self.device)

    @cached_property
    def recognizer(self) -> Recognizer:
        """The profile's face recognizer."""
        from facerecon.engines.catalogue import open_recognizer

        settings = self.profile.recognize
        return open_recognizer(
            _weights(settings.model),
            device=self.device,
            batch=16,
            flip=settings.flip,
            jitter=settings.jitter,
            upscale=settings.upscale,
            seed=self.profile.seed,
        )

    def calibrations(self, files: Sequence[Path] | None) -> Calibrations:
        """What similarities of the profile's recognizer are worth: the files' calibrations, or those that ship.

        Raises:
            UsageError: a file is no calibration, or for another model.
            IntegrityError: a calibration was changed.
        """
        from facerecon.likelihood import read_calibration
        from facerecon.pipeline.strength import Calibrations
        from facerecon.resources import data_folder

        given = tuple(files or ())
        if given not in self._calibrations:
            # Another recognizer's would be left aside in any case.
            own = f"{self.recognizer.stamp.id}-"
            folder = data_folder("weights") / "calibrations"
            shipped = sorted(path for path in folder.glob("*.json") if path.name.startswith(own))
            documents = [read_calibration(path) for path in given or shipped]
            self._calibrations[given] = Calibrations(documents, self.recognizer, asked_for=bool(given))
        return self._calibrations[given]


def _open(path: Path, profile: Profile, command: Profile | None = None) -> Source:
    """Open a source as a profile says; whether decoding is isolated is the command's own affair, and no result's."""
    from facerecon.pipeline.preparation import prepared
    from facerecon.video import open_source

    settings, decoding = profile.extract, (command or profile).extract
    # Absolute: the case names its source, and later commands may run elsewhere.
    source = open_source(
        path.absolute(),
        deinterlace=settings.deinterlace,
        square_pixels=settings.square_pixels,
        isolation=decoding.isolation,
        decoder_timeout_s=decoding.decoder_timeout_s,
    )
    return prepared(source, settings)


def software() -> dict[str, Any]:
    """Return what can be said of the software, and of what it runs on, without loading any network."""
    return {
        "facerecon": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **processor(),
    }


def _profile_of(case: Case, overrides: tuple[str, ...] = ()) -> Profile:
    """Return a case's own profile, from bytes that were verified."""
    return read_profile(case.bytes_of("profile.yaml"), str(case.root / "profile.yaml"), overrides)


def is_case(path: Path) -> bool:
    """Tell a case folder from a folder of images."""
    return (path / "case.json").is_file() or (path / "manifest.json").is_file()


def _weights(model: str | BroughtModel) -> str | Checkpoint:
    return model if isinstance(model, str) else Checkpoint(Path(model.file), model.sha256)


def _stem(path: Path) -> str:
    name = path.resolve().stem if not path.is_dir() else path.resolve().name
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "case"
