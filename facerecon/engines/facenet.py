"""FaceNet's InceptionResnetV1 (Schroff et al., CVPR 2015; Szegedy et al., AAAI 2017): framing, input and network.

Owns no weights. Its parameters are named and shaped as in the files of github.com/timesler/facenet-pytorch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from facerecon.engines.views import Framing

_PEOPLE, _FEATURES, _DIMENSIONS = 8631, 1792, 512
# TensorFlow's, where the weights come from.
_NORM_EPS = 0.001
Size = int | tuple[int, int]

# Upstream crops boxes of its MTCNN, 14 px of margin in the final 160, and squeezes the oblong into a square (its LFW
# evaluation; David Sandberg's training did the same with random crops). Measured: where RetinaFace (mobile0.25) sees
# the five points in such crops, over 400 LFW images of people kept for training; mean over the 276 with every point
# within 24 px of the median (16 or 32 px move it by less than 0.6 px). The boxes are 1.32 times as high as wide
# (standard deviation 0.07); the points are those before the squeeze, the box's height taken as 160 px.
FRAMING = Framing(
    "mtcnn-5pt",
    ((54.76, 63.28), (106.45, 62.22), (80.12, 92.06), (59.16, 115.81), (102.76, 115.03)),
    160,
    widening=1.32,
)


def prepared(chips: torch.Tensor) -> torch.Tensor:
    """Return RGB chips in 0..255, float (N, 3, 160, 160), as the network wants them: RGB in about -1..1."""
    return chips.sub(127.5).div(128)


class InceptionResnetV1(nn.Module):
    """The network: (N, 3, 160, 160) to unit vectors (N, 512).

    `logits`, the classifier of the 8,631 people of the training set, is in the official file and is never run.
    """

    def __init__(self) -> None:
        """Create the layers, without weights."""
        super().__init__()
        self.conv2d_1a = _Convolution(3, 32, 3, stride=2)
        self.conv2d_2a = _Convolution(32, 32, 3)
        self.conv2d_2b = _Convolution(32, 64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, 2)
        self.conv2d_3b = _Convolution(64, 80, 1)
        self.conv2d_4a = _Convolution(80, 192, 3)
        self.conv2d_4b = _Convolution(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(_block35() for _ in range(5)))
        self.mixed_6a = _reduction_a()
        self.repeat_2 = nn.Sequential(*(_block17() for _ in range(10)))
        self.mixed_7a = _reduction_b()
        self.repeat_3 = nn.Sequential(*(_block8(0.20) for _ in range(5)))
        self.block8 = _block8(1.0, rectified=False)
        self.last_linear = nn.Linear(_FEATURES, _DIMENSIONS, bias=False)
        self.last_bn = nn.BatchNorm1d(_DIMENSIONS, eps=_NORM_EPS)
        self.logits = nn.Linear(_DIMENSIONS, _PEOPLE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return one unit vector per chip."""
        x = self.maxpool_3a(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x))))
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(x)))
        x = self.mixed_6a(self.repeat_1(x))
        x = self.mixed_7a(self.repeat_2(x))
        x = self.block8(self.repeat_3(x))
        return F.normalize(self.last_bn(self.last_linear(x.mean(dim=(2, 3)))))


class _Convolution(nn.Module):
    """A convolution without bias, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, size: Size, *, stride: int = 1, padding: Size = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=_NORM_EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.conv(x)))


class _Branches(nn.Module):
    """Branches side by side; their outputs are concatenated in channels."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self._count = len(branches)
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.get_submodule(f"branch{number}")(x) for number in range(self._count)], 1)


class _Residual(_Branches):
    """Branches whose concatenation, projected and scaled, is added to the input."""

    def __init__(self, branches: Sequence[nn.Module], *, width: int, channels: int, scale: float, rectified: bool):
        super().__init__(branches)
        self.conv2d = nn.Conv2d(width, channels, 1)
        self._scale, self._rectified = scale, rectified

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv2d(super().forward(x)) * self._scale + x
        return F.relu(y) if self._rectified else y


def _block35() -> nn.Module:
    branches = [
        _Convolution(256, 32, 1),
        nn.Sequential(_Convolution(256, 32, 1), _Convolution(32, 32, 3, padding=1)),
        nn.Sequential(_Convolution(256, 32, 1), _Convolution(32, 32, 3, padding=1), _Convolution(32, 32, 3, padding=1)),
    ]
    return _Residual(branches, width=96, channels=256, scale=0.17, rectified=True)


def _block17() -> nn.Module:
    return _separable(896, 128, 7, scale=0.10, rectified=True)


def _block8(scale: float, *, rectified: bool = True) -> nn.Module:
    return _separable(_FEATURES, 192, 3, scale=scale, rectified=rectified)


def _separable(channels: int, width: int, side: int, *, scale: float, rectified: bool) -> nn.Module:
    """A residual block of a 1x1 branch and one whose square convolution is split into a row and a column."""
    split = nn.Sequential(
        _Convolution(channels, width, 1),
        _Convolution(width, width, (1, side), padding=(0, side // 2)),
        _Convolution(width, width, (side, 1), padding=(side // 2, 0)),
    )
    branches = [_Convolution(channels, width, 1), split]
    return _Residual(branches, width=2 * width, channels=channels, scale=scale, rectified=rectified)


def _reduction_a() -> nn.Module:
    deep = nn.Sequential(
        _Convolution(256, 192, 1), _Convolution(192, 192, 3, padding=1), _Convolution(192, 256, 3, stride=2)
    )
    return _Branches([_Convolution(256, 384, 3, stride=2), deep, nn.MaxPool2d(3, 2)])


def _reduction_b() -> nn.Module:
    branches = [
        nn.Sequential(_Convolution(896, 256, 1), _Convolution(256, 384, 3, stride=2)),
        nn.Sequential(_Convolution(896, 256, 1), _Convolution(256, 256, 3, stride=2)),
        nn.Sequential(
            _Convolution(896, 256, 1), _Convolution(256, 256, 3, padding=1), _Convolution(256, 256, 3, stride=2)
        ),
        nn.MaxPool2d(3, 2),
    ]
    return _Branches(branches)
