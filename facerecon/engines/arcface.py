"""ArcFace IR-SE50: framing, input and network (Deng et al., CVPR 2019, arXiv 1801.07698). Owns no weights.

The pinned file is model_ir_se50.pth of github.com/TreB1eN/InsightFace_Pytorch under another name (equal SHA-256), so
that repository's training code says what the network takes. Its data/data_pipe.py unpacks the training set with
mxnet's `recordio.unpack_img`, which gives BGR, and hands that to PIL as if it were RGB; the validation set is converted
from RGB to BGR explicitly. The channels are therefore blue, green, red here too, although several projects that reuse
the file feed RGB. Scaling is (x / 255 - 0.5) / 0.5. Its test-time choice, the unit vectors of chip and mirror summed
and normalised, is what `Views.flip` does.
"""

from __future__ import annotations

import torch
from torch import nn

from facerecon.engines import compat
from facerecon.engines.views import Framing

# The five points of Liu et al., SphereFace (CVPR 2017), for 96x112 px, moved 8 px to the right for 112x112.
FRAMING = Framing(
    "arcface-5pt",
    ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)),
    112,
)


def empty_network() -> nn.Module:
    """Return facexlib's network without weights: (N, 3, 112, 112) to unit vectors (N, 512)."""
    network_class = compat.network_class("facexlib.recognition.arcface_arch", "Backbone")
    return network_class(num_layers=50, drop_ratio=0.6, mode="ir_se")


def prepared(chips: torch.Tensor) -> torch.Tensor:
    """Return RGB chips in 0..255, float (N, 3, 112, 112), as the network wants them: BGR in -1..1."""
    return chips.flip(1).div(127.5).sub(1)
