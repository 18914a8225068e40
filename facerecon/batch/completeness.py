"""What a case still lacks: the truth about "finished" is the case itself. Only reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from facerecon.case import Case
from facerecon.gallery import is_store, list_pictures, read_store, require_gallery
from facerecon.hashing import sha256_file

GALLERY = "gallery: "
"""What the inputs of a comparison begin with that name the gallery's files."""


def lacking(case: Case, gallery: Mapping[str, str] | None) -> tuple[str, ...]:
    """Return the stages that still have to run, in order.

    Args:
        case: an open case.
        gallery: the files of the gallery that it must have been compared with, with their digests, as
            `facerecon.pipeline.enrolment.Gallery.inputs`; None: no comparison is wanted.
    """
    needed = [stage for stage in ("extract", "enhance") if not case.runs(stage)]
    if gallery is not None and compared_with(case) != dict(gallery):
        needed.append("recognize")
    if needed or _report_is_old(case):
        needed.append("report")
    return tuple(needed)


def compared_with(case: Case) -> dict[str, str] | None:
    """Return the gallery files of the latest comparison, with their digests; None when there was none."""
    runs = case.runs("recognize")
    return {name: digest for name, digest in runs[-1].inputs.items() if name.startswith(GALLERY)} if runs else None


def _report_is_old(case: Case) -> bool:
    last = {
        stage: runs[-1].seq for stage in ("extract", "enhance", "recognize", "report") if (runs := case.runs(stage))
    }
    return last.pop("report", -1) < max(last.values(), default=0)


def gallery_inputs(folder: Path) -> dict[str, str]:
    """Return the gallery's files with their digests, as a comparison records them, without looking at any face.

    Raises:
        UsageError: there is no gallery.
        IntegrityError: a persistent gallery is damaged.
    """
    require_gallery(folder)
    if is_store(folder):
        return {f"{GALLERY}gallery.json": read_store(folder).digest}
    return {f"{GALLERY}{picture.file}": sha256_file(picture.path) for picture in list_pictures(folder)}
