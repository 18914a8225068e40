"""A fused picture as a learned model corrected it: what is shown of it, and the words under it. Draws nothing.

It stands beside the original that the fused picture refers to, at one size, after the fused picture itself (R14).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from facerecon.records import ChipRecord, FusedRestoredRecord, RestoredRecord
from facerecon.report import wording
from facerecon.report.figures import Album, ComparisonFigure, Picture
from facerecon.report.language import message, tr
from facerecon.report.notation import pixels, short, shown


@dataclass(frozen=True, eq=False)
class CorrectedView:
    """The corrected picture beside its original, the map of what the model changed, and that of its own doubt."""

    record: FusedRestoredRecord
    figure: ComparisonFigure
    change: Picture
    doubt: Picture | None = None


def corrected_view(record: FusedRestoredRecord, chip: ChipRecord, album: Album, alts: tuple[str, str]) -> CorrectedView:
    """Gather a corrected fused picture and its maps; `alts` describe the original and what was made of it.

    Raises:
        IntegrityError: a picture is not the one its record names, or cannot be shown at its original's size.
    """
    change = album.map(record.change_path, tr("What the model changed in {picture}", picture=record.fused_path))
    doubt = (
        album.map(record.uncertainty_path, tr("Error that the model of {picture} expects", picture=record.path))
        if record.uncertainty_path
        else None
    )
    return CorrectedView(record, album.comparison(chip, record, alts), change, doubt)


def corrected_caption(view: CorrectedView) -> str:
    """Return what stands under a corrected fused picture."""
    record = view.record
    steps = tr(", then ").join(shown(step.name) for step in record.steps)
    by = tr("{size} by {steps}", size=pixels(*record.content), steps=steps)
    measured = "".join(f". {each}" for each in _measured(record))
    digest = short(view.figure.restored.sha256)
    return f"{tr(wording.CORRECTED_NOTE)} {by}, {shown(record.precision)}{measured}. SHA-256 {digest}"


def _measured(record: FusedRestoredRecord) -> Iterator[str]:
    changed = message("The model changed the fused picture by {levels} grey levels (root mean square)")
    yield tr(changed, levels=f"{record.change_rms_levels:.1f}")
    agrees = message("Reduced to the recorded size it agrees with the fused picture to {psnr} dB PSNR")
    yield tr(agrees, psnr=f"{record.downscale_psnr_db:.1f}")
    yield from judged(record)


def judged(record: RestoredRecord | FusedRestoredRecord) -> Iterator[str]:
    """Yield how far the model of a picture expects to be off, and how far the face vector moved, as far as is known."""
    if record.expected_error_levels is not None:
        expects = message("The model expects to be off by {levels} grey levels on average")
        yield tr(expects, levels=f"{record.expected_error_levels:.1f}")
    if record.identity_drift is not None:
        yield tr("The face vector moved by {distance}", distance=f"{record.identity_drift:.2f}")
