"""Which engine runs which weights: the one module of this package that commands import.

Owns the choice by registry entry. Returns Protocols only.
"""

from __future__ import annotations

import torch

from facerecon.engines import runtime
from facerecon.engines.embedders import DlibEmbedder
from facerecon.engines.esrgan import EsrganRestorer
from facerecon.engines.gfpgan import GfpganRestorer
from facerecon.engines.retinaface import ARCHITECTURES, RetinaFaceDetector
from facerecon.errors import UsageError
from facerecon.stages import Detector, Recognizer, Restorer
from facerecon.weights import Entry, Registry, load_registry, locate

_BEST_DETECTOR, _OFFLINE_DETECTOR = "retinaface-resnet50", "retinaface-mobile0.25"


def open_detector(
    weights_id: str = "auto",
    *,
    device: str = "auto",
    min_score: float = 0.8,
    nms_iou: float = 0.4,
    batch: int = 8,
    registry: Registry | None = None,
) -> Detector:
    """Load a face detector; "auto" takes ResNet50 when its weights are here, else MobileNet0.25.

    Raises:
        UsageError: the weights are unknown, or of no detector.
        ResourceError: the weights or the device are not here.
        IntegrityError: the weights are not the pinned ones.
    """
    known = registry or load_registry()
    if weights_id == "auto":
        weights_id = _BEST_DETECTOR if locate(known.entry(_BEST_DETECTOR)) else _OFFLINE_DETECTOR
    item = known.entry(weights_id)
    if item.architecture not in ARCHITECTURES:
        raise _wrong_kind(item, "face detector")
    return RetinaFaceDetector(item, _prepare(device), min_score=min_score, nms_iou=nms_iou, batch=batch)


def open_restorer(
    weights_id: str,
    *,
    device: str = "auto",
    precision: str = "auto",
    tile_px: int = 256,
    batch: int = 4,
    blend: float = 1.0,
    registry: Registry | None = None,
) -> Restorer:
    """Load a restorer of faces. `blend` (0..1) is how much of a face restorer's picture goes into the result.

    Raises:
        UsageError: the weights are unknown or of no restorer, or do not allow this precision or blend.
        ResourceError: the weights or the device are not here.
        IntegrityError: the weights are not the pinned ones.
    """
    item = (registry or load_registry()).entry(weights_id)
    if item.architecture == "rrdbnet-23":
        if blend != 1:
            raise UsageError(f"{item.id} enlarges the whole picture; it has no blend")
        return EsrganRestorer(item, _prepare(device), precision=precision, tile_px=tile_px, batch=batch)
    if item.architecture == "gfpgan-clean":
        return GfpganRestorer(item, _prepare(device), precision=precision, batch=batch, blend=blend)
    raise _wrong_kind(item, "restorer")


def open_recognizer(
    weights_id: str = "dlib-resnet", *, device: str = "auto", batch: int = 32, registry: Registry | None = None
) -> Recognizer:
    """Load a face recognizer.

    Raises:
        UsageError: the weights are unknown, or of no recognizer.
        ResourceError: the weights or the device are not here.
        IntegrityError: the weights are not the pinned ones.
    """
    item = (registry or load_registry()).entry(weights_id)
    if item.architecture != "dlib-resnet":
        raise _wrong_kind(item, "recognizer")
    return DlibEmbedder(item, _prepare(device), batch=batch)


def _prepare(device: str) -> torch.device:
    runtime.make_deterministic()
    return runtime.choose_device(device)


def _wrong_kind(item: Entry, wanted: str) -> UsageError:
    return UsageError(f"{item.id} ({item.role}, {item.architecture}) cannot be used as a {wanted} by this release")
