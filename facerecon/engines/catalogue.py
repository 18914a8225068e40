"""Which engine runs which weights: the one module of this package that commands import.

Owns the choice by registry entry. What it returns fulfils the Protocols of facerecon.stages. Modules that import torch
are imported when a model needs it: a usual run on a CPU does without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from facerecon.engines.architectures import DETECTORS, ENLARGERS, FACE_GENERATORS, OWN_RESTORERS, RECOGNIZERS
from facerecon.engines.arrays import Arrays
from facerecon.engines.chips import Upscale
from facerecon.engines.enlarging import Enlarger
from facerecon.engines.own import read_own
from facerecon.engines.restoring import FaceRestorer
from facerecon.engines.runtime import Device, choose_device
from facerecon.engines.trained import open_trained_restorer
from facerecon.engines.views import Views
from facerecon.errors import UsageError
from facerecon.profiles import not_a_corrector
from facerecon.stages import Detector, Recognizer
from facerecon.weights import Checkpoint, Entry, Registry, load_registry, locate

if TYPE_CHECKING:
    from facerecon.engines.parsing import FaceParser

MaskSource = Literal["auto", "parsenet", "ellipse", "square"]
_PARSER = "parsenet"
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
    if item.architecture not in DETECTORS:
        raise _wrong_kind(item, "face detector")
    from facerecon.engines.retinaface import RetinaFaceDetector

    return RetinaFaceDetector(item, choose_device(device), min_score=min_score, nms_iou=nms_iou, batch=batch)


def open_restorer(
    weights: str | Checkpoint,
    *,
    device: str = "auto",
    precision: str = "auto",
    tile_px: int = 256,
    batch: int = 4,
    blend: float = 1.0,
    denoise: float = 1.0,
    mask: MaskSource = "auto",
    registry: Registry | None = None,
) -> Enlarger | FaceRestorer:
    """Load a restorer: weights of the registry by id, or a checkpoint that the user brings.

    `blend` (0..1) is how much of the model's picture goes into the result, the rest is the picture enlarged by
    Lanczos. `denoise` (0..1) is realesr-general-x4v3's strength. `mask` bounds a pasted face: the parser's, an
    ellipse, or with "auto" the parser's where its weights are here; the outcome tells which. Our own restorers, which
    correct all that they see, have the whole square for "auto". What a model has no use for must be left at its default
    (`tile_px` and `mask` are ignored).

    Raises:
        UsageError: the weights are unknown or of no restorer, or do not allow this precision, blend or denoise.
        ResourceError: the weights, the device, or the library that reads them are not here.
        IntegrityError: the weights are not the pinned ones.
    """
    known = registry or load_registry()
    if isinstance(weights, Checkpoint):
        _refuse_denoise(weights.id, denoise)
        where = choose_device(device)
        own = read_own(weights)
        if own is not None:
            masked = _masked(own[0], known, where, mask, batch)
            return _open_own_restorer(*own, where, precision=precision, batch=batch, blend=blend, **masked)
        _refuse_square(weights.id, mask)
        from facerecon.engines.brought import open_brought

        return open_brought(
            weights,
            where,
            precision=precision,
            tile_px=tile_px,
            batch=batch,
            blend=blend,
            find_parser=lambda: _open_parser(known, where, mask, batch),
        )
    item = known.entry(weights)
    if item.architecture in ENLARGERS:
        from facerecon.engines.esrgan import open_esrgan

        return open_esrgan(
            item,
            choose_device(device),
            precision=precision,
            tile_px=tile_px,
            batch=batch,
            blend=blend,
            denoise=denoise,
            registry=known,
        )
    if item.architecture in (*FACE_GENERATORS, *OWN_RESTORERS):
        _refuse_denoise(item.id, denoise)
        where = choose_device(device)
        masked = _masked(item, known, where, mask, batch)
        return _face_restorer(item)(item, where, precision=precision, batch=batch, blend=blend, **masked)
    raise _wrong_kind(item, "restorer")


def _face_restorer(item: Entry) -> Callable[..., FaceRestorer]:
    if item.architecture in OWN_RESTORERS:
        return open_trained_restorer
    from facerecon.engines.gfpgan import open_face_restorer

    return open_face_restorer


def _open_own_restorer(item: Entry, state: Arrays, device: Device, **how: Any) -> FaceRestorer:
    if item.architecture not in OWN_RESTORERS:
        raise _wrong_kind(item, "restorer")
    return open_trained_restorer(item, device, state=state, **how)


def open_corrector(
    weights: str | Checkpoint,
    *,
    device: str = "auto",
    precision: str = "auto",
    blend: float = 1.0,
    registry: Registry | None = None,
) -> FaceRestorer:
    """Load one of our own restorers for pictures on a fine grid already: they are corrected and keep their size.

    `blend` (0..1) is how much of the correction is added. The outcomes tell how far the correction may be off.

    Raises:
        UsageError: the weights are unknown or none of our own restorer's, or do not allow this precision or blend.
        ResourceError: the weights or the device are not here.
        IntegrityError: the weights are not the pinned ones, or those that were named.
    """
    known = registry or load_registry()
    found = read_own(weights) if isinstance(weights, Checkpoint) else (known.entry(weights), None)
    if found is None or found[0].architecture not in OWN_RESTORERS:
        raise UsageError(not_a_corrector(weights.file if isinstance(weights, Checkpoint) else weights))
    item, state = found
    where = choose_device(device)
    return open_trained_restorer(item, where, precision=precision, batch=1, blend=blend, scale=1, state=state)


def open_upscaler(weights_id: str, *, device: str = "auto", registry: Registry | None = None) -> Enlarger:
    """Load a model that enlarges whole pictures.

    Raises:
        UsageError: the weights are unknown, or of a model that restores faces only.
        ResourceError: the weights or the device are not here.
        IntegrityError: the weights are not the pinned ones.
    """
    opened = open_restorer(weights_id, device=device, registry=registry)
    if not isinstance(opened, Enlarger):
        raise UsageError(f"{weights_id} restores aligned faces and cannot enlarge whole frames; name another upscaler")
    return opened


def _refuse_denoise(model: str, denoise: float) -> None:
    if denoise != 1:
        raise UsageError(f"{model} has no denoise strength")


def _masked(item: Entry, registry: Registry, device: Device, mask: MaskSource, batch: int) -> dict[str, Any]:
    """Return what bounds the faces that a model draws: the arguments of its opening."""
    ours = item.architecture in OWN_RESTORERS
    if ours and mask != "parsenet":
        return {"bounds": "ellipse" if mask == "ellipse" else "square"}
    if not ours:
        _refuse_square(item.id, mask)
    return {"parser": _open_parser(registry, device, mask, batch)}


def _refuse_square(model: str, mask: MaskSource) -> None:
    if mask == "square":
        raise UsageError(f"{model} draws a face and no whole square; use mask auto, parsenet or ellipse")


def _open_parser(registry: Registry, device: Device, mask: MaskSource, batch: int) -> FaceParser | None:
    item = next((item for item in registry.weights if item.architecture == "parsenet"), None)
    if mask == "ellipse" or (mask == "auto" and (item is None or locate(item) is None)):
        return None
    from facerecon.engines.parsing import FaceParser

    return FaceParser(registry.entry(_PARSER) if item is None else item, device, batch=batch)


def open_recognizer(
    weights: str | Checkpoint = "dlib-resnet",
    *,
    device: str = "auto",
    batch: int = 32,
    flip: bool = True,
    jitter: int = 0,
    upscale: Upscale = "linear",
    seed: int = 0,
    registry: Registry | None = None,
) -> Recognizer:
    """Load a face recognizer: of the registry by id, or one that the user trained and brings as a file.

    A face's vector is the mean over its aligned chip, with `flip` also its mirror image, and `jitter` (0..100) versions
    that are slightly shifted, turned, enlarged and half of them mirrored at random (by `seed`, the same for all faces).
    `upscale` is how a small face is enlarged to the chip. `batch` counts chips.

    Raises:
        UsageError: the weights are unknown, or of no recognizer, or `jitter` is out of range.
        ResourceError: the weights or the device are not here.
        IntegrityError: the weights are not the pinned ones, or those that were named.
    """
    known = registry or load_registry()
    item, state = (known.entry(weights), None) if isinstance(weights, str) else _own(weights)
    if item.architecture not in RECOGNIZERS:
        raise _wrong_kind(item, "recognizer")
    from facerecon.engines.adaptive import AdaptiveEmbedder
    from facerecon.engines.embedders import Embedder

    views, where = Views(flip=flip, jitter=jitter, upscale=upscale, seed=seed), choose_device(device)
    opened = Embedder(item, where, batch=batch, views=views, state=state)
    if item.capabilities.teacher is None:
        return opened
    base = known.entry(item.capabilities.teacher.id)
    return AdaptiveEmbedder(item, base, opened, Embedder(base, where, batch=batch, views=views))


def _own(checkpoint: Checkpoint) -> tuple[Entry, Arrays]:
    own = read_own(checkpoint)
    if own is None:
        raise UsageError(f"{checkpoint.file} is no recognizer that `facerecon train` made")
    return own


def _wrong_kind(item: Entry, wanted: str) -> UsageError:
    return UsageError(f"{item.id} ({item.role}, {item.architecture}) cannot be used as a {wanted} by this release")
