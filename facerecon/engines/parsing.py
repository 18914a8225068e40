"""Which pixels of an aligned face are face: facexlib's ParseNet (Chen et al., CVPR 2021). Owns the mask's ramp.

Hair, hats, neck and clothes are not face here, unlike upstream: what a restorer draws there is kept out of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import nn

from facerecon.engines import compat
from facerecon.engines.by_torch import make_deterministic
from facerecon.engines.pasting import SIDE_PX, Mask
from facerecon.engines.runtime import Device, memory_guard
from facerecon.engines.stamps import make_stamp
from facerecon.engines.states import load_into
from facerecon.records import RGB, ModelStamp
from facerecon.weights import Entry

# Of the 19 classes of CelebAMask-HQ: skin, nose, glasses, eyes, brows, ears, mouth, lips.
_FACE_CLASSES = tuple(range(1, 13))
_CLASSES = 19
_FEATHER_PX = 24.0
# Less of the square than this is no face: a parser that fails finds specks. The ellipse covers 0.42.
_SMALLEST_SHARE = 0.08


class FaceParser:
    """Finds the face in squares of 512x512 px that were aligned for restoration."""

    def __init__(self, item: Entry, device: Device, *, batch: int = 4) -> None:
        """Load the network; `batch` is the number of squares per pass.

        Raises:
            ResourceError: the weights are not here.
            IntegrityError: they are not the pinned ones.
        """
        make_deterministic()
        network = empty_network()
        load_into(network, item)
        self._device, self._batch = torch.device(str(device)), batch
        self._network = network.to(self._device)
        self._stamp = make_stamp(item, device, "fp32")

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        return self._stamp

    @torch.inference_mode()
    def ramps(self, squares: Sequence[RGB]) -> list[Mask | None]:
        """Return per square how far inside the face each pixel is, float32 (512, 512) in 0..1; None when none is found.

        The ramp is 0 outside, and rises to 1 over 24 px. Only the largest connected face counts, its holes filled.

        Raises:
            ResourceError: out of memory.
        """
        found: list[Mask | None] = []
        with memory_guard("face parsing"):
            for start in range(0, len(squares), self._batch):
                stack = torch.from_numpy(np.stack(squares[start : start + self._batch])).permute(0, 3, 1, 2)
                classes = self._network(stack.to(self._device).float().div(127.5).sub(1))[0].argmax(dim=1)
                found.extend(_ramp(np.isin(picture, _FACE_CLASSES)) for picture in classes.cpu().numpy())
        return found


def empty_network() -> nn.Module:
    """Return the network without its weights."""
    network_class = compat.network_class("facexlib.parsing.parsenet", "ParseNet")
    return network_class(in_size=SIDE_PX, out_size=SIDE_PX, parsing_ch=_CLASSES)


def _ramp(face: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Mask | None:
    """Return the ramp of the largest connected region, None when it is too small to be a face."""
    contours, _ = cv2.findContours(face.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    # A tie goes to the first found: the order of contours is fixed.
    largest = max(contours, key=cv2.contourArea, default=None)
    if largest is None or cv2.contourArea(largest) < _SMALLEST_SHARE * face.size:
        return None
    # The square's border is the face's border too: nothing is known beyond it.
    filled = np.zeros((SIDE_PX + 2, SIDE_PX + 2), np.uint8)
    cv2.drawContours(filled, [largest + 1], -1, 1, cv2.FILLED)
    inside = cv2.distanceTransform(filled, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.asarray(np.clip(inside / _FEATHER_PX, 0, 1), dtype=np.float32)
