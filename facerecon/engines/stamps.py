"""The stamp that says which model ran and how (R09). Owns how a registry entry becomes one."""

from __future__ import annotations

from facerecon.engines.runtime import Device
from facerecon.records import ModelStamp
from facerecon.weights import Checkpoint, Entry, Precision

NOT_STATED = "not stated"


def make_stamp(item: Entry, device: Device, precision: Precision) -> ModelStamp:
    """Return the stamp of `item` running on `device` in `precision`."""
    return ModelStamp(
        id=item.id,
        role=item.role,
        architecture=item.architecture,
        provider=item.provider,
        source=_source(item),
        source_sha256=item.sha256,
        weights_sha256=item.converted_sha256 or item.sha256,
        licence=item.licence,
        training_data=item.training_data,
        reference=item.reference,
        device=str(device),
        precision=precision,
    )


def make_brought_stamp(
    checkpoint: Checkpoint, role: str, architecture: str, device: Device, precision: Precision
) -> ModelStamp:
    """Return the stamp of a file that the user brought: nobody has stated its licence or its training data."""
    return ModelStamp(
        id=checkpoint.id,
        role=role,
        architecture=architecture,
        provider="brought",
        source=checkpoint.file.name,
        source_sha256=checkpoint.sha256.lower(),
        weights_sha256=checkpoint.sha256.lower(),
        licence=NOT_STATED,
        training_data=NOT_STATED,
        reference=f"{architecture}, as read by spandrel",
        device=str(device),
        precision=precision,
    )


def _source(item: Entry) -> str:
    if item.provider == "packaged":
        return f"{item.package} {item.version}: {item.member}"
    return item.urls[0] if item.urls else item.file
