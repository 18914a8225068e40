"""Recognition: faces to vectors. Owns which network, framing and input belong together, averaging, and batching.

A face's vector is the mean over its views (facerecon.engines.views), normalised where the model's metric is cosine.
Measured for dlib on LFW (1,780 pictures, 6,548 genuine and 3.2 million impostor comparisons), true accepts at 1 % false
accepts: dlib's own alignment and one chip 0.977; this alignment 0.988, with the mirror image 0.991. Faces 24 px wide
against pristine ones, in the same order: 0.691, 0.669, 0.709.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from facerecon.engines import arcface, facenet
from facerecon.engines.cores import on_cores
from facerecon.engines.dlib_resnet import DlibResNet, StudentResNet
from facerecon.engines.runtime import memory_guard
from facerecon.engines.stamps import make_stamp
from facerecon.engines.states import State, fill, load_state
from facerecon.engines.views import Framing, Views
from facerecon.hashing import sha256_array
from facerecon.records import RGB, Embedding, FaceView, Metric, ModelStamp, Vector, unit_length
from facerecon.weights import Entry

T = TypeVar("T")
_KNOWN = 1024
"""Of how many faces the vectors are remembered; half a kilobyte each."""

# Where RetinaFace (mobile0.25) sees the five points on dlib's own chips. Measured: 400 LFW images of people kept for
# training; dlib's chip (size 150, padding 0.25) from its 5-point predictor on the fixed rectangle (70, 72, 180, 182);
# mean over the 360 faces with every point within 15 px of the median. Standard deviations 1.7 to 5.4 px.
DLIB_FRAMING = Framing(
    "retinaface-5pt",
    ((46.06, 45.03), (101.21, 44.55), (72.66, 76.63), (49.94, 101.73), (96.44, 101.46)),
    150,
)


@dataclass(frozen=True)
class Design:
    """What belongs to one network: where faces lie on its chips, and what is done to RGB chips in 0..255 before it.

    `channels_last` is the faster memory layout, for networks that can take it.
    """

    framing: Framing
    empty_network: Callable[[], nn.Module]
    prepared: Callable[[torch.Tensor], torch.Tensor]
    channels_last: bool = True

    @property
    def memory_format(self) -> torch.memory_format:
        """The layout of weights and chips."""
        return torch.channels_last if self.channels_last else torch.contiguous_format


DESIGNS: Mapping[str, Design] = {
    "dlib-resnet": Design(DLIB_FRAMING, DlibResNet, lambda chips: chips),
    "dlib-resnet-student": Design(DLIB_FRAMING, StudentResNet, lambda chips: chips),
    "arcface-ir-se50": Design(arcface.FRAMING, arcface.empty_network, arcface.prepared, channels_last=False),
    "inception-resnet-v1": Design(facenet.FRAMING, facenet.InceptionResnetV1, facenet.prepared),
}


class Embedder:
    """A `Recognizer`: one model's vectors, from five RetinaFace landmarks."""

    def __init__(
        self,
        item: Entry,
        device: torch.device,
        *,
        batch: int = 32,
        views: Views | None = None,
        state: State | None = None,
    ) -> None:
        """Load the network of `item`, whose architecture is in `DESIGNS`; `batch` is the number of chips per pass.

        `state` holds the tensors of a file that is in no registry.

        Raises:
            ResourceError: the weights are not here.
            IntegrityError: they are not the pinned ones, or no state of that network.
        """
        self._design = DESIGNS[item.architecture]
        network = self._design.empty_network()
        fill(network, load_state(item) if state is None else state, item)
        self._network = network.to(memory_format=self._design.memory_format).to(device)
        self._device, self._batch, self._views = device, batch, views or Views()
        self._known: dict[str, Embedding] = {}
        self._stamp, self._capabilities = make_stamp(item, device, "fp32"), item.capabilities

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        return self._stamp

    @property
    def metric(self) -> Metric:
        """How its vectors compare."""
        if self._capabilities.metric is None:
            raise AssertionError("the registry gives every recognizer a metric")
        return self._capabilities.metric

    @property
    def threshold(self) -> float | None:
        """The similarity of the model's published operating point, None where none is published."""
        return self._capabilities.similarity_threshold

    @property
    def treatment(self) -> str:
        """What besides the weights makes the vector: alignment, chip, resampling, averaging."""
        framing = self._design.framing
        return f"{framing.name}, {framing.side_px} px, {self._views.treatment}"

    def embed(self, faces: Sequence[FaceView]) -> list[Embedding]:
        """Return one embedding per face, in order.

        Raises:
            RestorationError: a face's landmarks coincide.
            ResourceError: out of memory.
        """
        found: list[Embedding] = []
        with memory_guard("face recognition"):
            # A few faces at a time: a thousand faces' chips need not be in memory at once.
            for together in _batches(faces, max(1, self._batch // self._views.count)):
                found += self._embedded([np.stack(list(self._cut(face))) for face in together])
        return found

    def _cut(self, face: FaceView) -> Iterator[RGB]:
        return self._views.cut(face, self._design.framing)

    def _embedded(self, faces: Sequence[RGB]) -> list[Embedding]:
        """Return the embedding of each face, given its chips (views, side, side, 3); a known face is not seen again.

        A case's faces come again: before and after restoration, and when they are compared.
        """
        names = [sha256_array(chips) for chips in faces]
        new = {name: chips for name, chips in zip(names, faces, strict=True) if name not in self._known}
        self._known.update(zip(new, map(self._averaged, self._run(list(new.values()))), strict=True))
        found = [self._known[name] for name in names]
        while len(self._known) > _KNOWN:
            del self._known[next(iter(self._known))]
        return found

    def vectors(self, squares: Iterable[RGB]) -> list[Vector]:
        """Return one vector, float32 (dimensions,), per aligned chip, uint8 (side, side, 3): the network as it is.

        Raises:
            ResourceError: out of memory.
        """
        found: list[Vector] = []
        with memory_guard("face recognition"):
            for together in _batches(squares, self._batch):
                found.extend(vectors[0] for vectors in self._run([square[None] for square in together]))
        return found

    @torch.inference_mode()
    def _run(self, stacks: Sequence[RGB]) -> list[Vector]:
        """Return the vectors (n, dimensions) of each stack of chips (n, side, side, 3).

        On a CPU each stack has a pass and a core of its own, so that its vectors do not depend on the others.
        """
        if not stacks:
            return []
        if self._device.type == "cpu":
            return on_cores(self._pass, stacks)
        counts = [len(each) for each in stacks]
        vectors = self._pass(np.concatenate(stacks))
        return np.split(vectors, np.cumsum(counts)[:-1])

    def _pass(self, chips: RGB) -> Vector:
        stack = torch.from_numpy(np.ascontiguousarray(chips)).to(self._device).permute(0, 3, 1, 2).float()
        prepared = self._design.prepared(stack).contiguous(memory_format=self._design.memory_format)
        vectors: Vector = self._network(prepared).cpu().numpy()
        return vectors

    def _averaged(self, vectors: Vector) -> Embedding:
        mean = np.asarray(np.mean(vectors, axis=0, dtype=np.float32))
        if isinstance(self._network, StudentResNet):
            mean = self._network.rescaled(torch.from_numpy(mean)[None])[0].cpu().numpy()
        return Embedding(self._stamp.id, unit_length(mean) if self.metric == "cosine" else mean, self.metric)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while together := list(islice(remaining, size)):
        yield together
