"""Face restoration with GFP-GAN (Wang et al. 2021) on gfpgan's network class.

Owns running it (aligned to 512x512, stored noise) and pasting the face back into the enlarged crop. A generative model:
it draws a plausible face, which need not be this person's. Of upstream it uses the class only: GFPGANer returns the
unrestored crop when the network fails, and ignores its `weight`.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from facerecon.engines import chips, compat
from facerecon.engines.runtime import DTYPES, choose_precision
from facerecon.engines.stamps import make_stamp
from facerecon.engines.states import load_into
from facerecon.engines.tiling import TilePlan, run_tiled
from facerecon.errors import UsageError
from facerecon.faces.alignment import FFHQ_512, Affine
from facerecon.records import RGB, FaceView, ModelStamp
from facerecon.stages import Restoration
from facerecon.weights import Entry, Precision

SIDE_PX = 512
# The part of the 512x512 picture that is pasted: an ellipse over the face (brow to chin), feathered toward its border.
_CENTRE, _RADII = (256.0, 285.0), (165.0, 215.0)
_FEATHER = 0.25


class GfpganRestorer:
    """A `Restorer`: the crop enlarged by Lanczos, with the restored face in it."""

    def __init__(
        self, item: Entry, device: torch.device, *, precision: str = "auto", batch: int = 4, blend: float = 1.0
    ) -> None:
        """Load the network.

        `batch` is the number of faces per pass; `blend` (0..1) mixes the enlarged crop and the restored face.

        Raises:
            UsageError: `blend` is out of range, or the model does not hold in `precision` on this kind of device.
            ResourceError: the weights are not here.
            IntegrityError: they are not the pinned ones.
        """
        if not 0 <= blend <= 1:
            raise UsageError(f"blend is {blend}, but must be in 0..1")
        chosen = choose_precision(item, device, precision)
        self._network = build_network(item).to(device)
        self._device, self._blend = device, blend
        self._scale = item.capabilities.scale or 4
        self._plan = TilePlan(SIDE_PX, 0, batch, chosen, floor_px=SIDE_PX)
        self._stamp = make_stamp(item, device, chosen)

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        return self._stamp

    @property
    def scale(self) -> int:
        """Output size over input size."""
        return self._scale

    @torch.inference_mode()
    def restore(self, faces: Sequence[FaceView]) -> list[Restoration]:
        """Return one picture per face, in order. Outside the mask its pixels are the enlarged crop's, exactly.

        Raises:
            RestorationError: landmarks coincide, or the network gave no usable output.
            ResourceError: out of memory with a batch of one.
        """
        if not faces:
            return []
        transforms = [chips.transform_to(FFHQ_512, face) for face in faces]
        squares = [chips.cut(face.pixels, matrix, SIDE_PX) for face, matrix in zip(faces, transforms, strict=True)]
        stack = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float().div_(255)
        tiled = run_tiled(stack, self._run, self._plan, 1)
        restored = tiled.pixels.clamp_(0, 1).mul_(255).permute(0, 2, 3, 1).round_().to(torch.uint8).numpy()
        return [
            Restoration(
                paste(face.pixels, square, matrix, self._scale, self._blend), tiled.plan.precision, tiled.description
            )
            for face, square, matrix in zip(faces, restored, transforms, strict=True)
        ]

    def _run(self, squares: torch.Tensor, precision: Precision) -> torch.Tensor:
        """Run the network on pictures in 0..1, with its stored noise: equal input gives equal output (R12)."""
        # Not channels-last: the network reshapes with `view`, which wants the plain layout.
        inputs = squares.to(self._device).sub(0.5).div(0.5)
        with torch.autocast(self._device.type, DTYPES[precision], enabled=precision != "fp32"):
            output: torch.Tensor = self._network(inputs, return_rgb=False, randomize_noise=False)[0]
        return output.float().add(1).div(2)


def build_network(item: Entry) -> nn.Module:
    """Return the network as releases v1.3 and v1.4 have it, with its weights in fp32 on the CPU.

    Raises:
        ResourceError: the weights are not here.
        IntegrityError: they are not the pinned ones.
    """
    network = empty_network()
    load_into(network, item)
    return network


def empty_network() -> nn.Module:
    """Return the network without its weights."""
    network_class = compat.network_class("gfpgan.archs.gfpganv1_clean_arch", "GFPGANv1Clean")
    return network_class(
        out_size=SIDE_PX,
        num_style_feat=512,
        channel_multiplier=2,
        fix_decoder=False,
        num_mlp=8,
        input_is_latent=True,
        different_w=True,
        narrow=1,
        sft_half=True,
    )


def paste(crop: RGB, square: RGB, to_square: Affine, scale: int, blend: float) -> RGB:
    """Return `crop` enlarged by `scale` (Lanczos) with the restored 512x512 `square` put back where it came from.

    `to_square` maps crop pixels to the square's. Outside the mask the pixels are the enlarged crop's, exactly.
    """
    height, width = (side * scale for side in crop.shape[:2])
    enlarged = np.asarray(cv2.resize(crop, (width, height), interpolation=cv2.INTER_LANCZOS4), dtype=np.uint8)
    from_square = _from_square(to_square, scale)
    face = chips.resample(square, from_square, width, height).astype(np.float32)
    weight = blend * feather_mask(from_square, width, height)[..., None]
    mixed = enlarged + weight * (face - enlarged)
    return np.asarray(np.rint(mixed), dtype=np.uint8)


def _from_square(to_square: Affine, scale: int) -> Affine:
    """Return the 2x3 transform from the square to the enlarged crop (pixel centres at integers in both)."""
    linear = np.linalg.inv(to_square[:, :2])
    matrix = np.column_stack((linear, -linear @ to_square[:, 2])) * scale
    matrix[:, 2] += (scale - 1) / 2
    return matrix


def feather_mask(from_square: Affine, width: int, height: int) -> npt.NDArray[np.float32]:
    """Return the weight of the restored face, float32 (height, width): 1 inside, 0 outside the ellipse, smooth between.

    It is computed at each pixel of the result, not warped, so that outside is exactly 0.
    """
    linear = np.linalg.inv(from_square[:, :2])
    y, x = np.mgrid[:height, :width]
    points = np.stack((x - from_square[0, 2], y - from_square[1, 2]), -1) @ linear.T
    inside = np.logical_and(points > -0.5, points < SIDE_PX - 0.5).all(-1)
    radius = np.hypot(*((points[..., axis] - _CENTRE[axis]) / _RADII[axis] for axis in (0, 1)))
    ramp = np.clip((1 - radius) / _FEATHER, 0, 1) * inside
    return np.asarray(ramp * ramp * (3 - 2 * ramp), dtype=np.float32)
