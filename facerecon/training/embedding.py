"""Training a recognizer for degraded faces: a student that finds its teacher's vector of the sharp picture.

The teacher is a recognizer of the registry and never changes; the student begins as its copy. No identity labels are
needed. Both keep one vector space, so galleries of the teacher serve the student.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from facerecon.engines import chips
from facerecon.engines.embedders import Embedder
from facerecon.engines.embedding_networks import DESIGNS, Design
from facerecon.engines.states import load_into
from facerecon.engines.views import Framing
from facerecon.errors import UsageError
from facerecon.hashing import sha256_bytes
from facerecon.likelihood.measures import eer
from facerecon.profiles import BroughtModel
from facerecon.records import RGB, FaceView, Vector
from facerecon.training.beginning import begin
from facerecon.training.checkpoints import RunFolder
from facerecon.training.configuration import EmbedderLoss, EmbedderTraining
from facerecon.training.corpus import Corpus, read_picture
from facerecon.training.examples import Example
from facerecon.training.feeding import Batch
from facerecon.weights import Entry

UPSCALE: chips.Upscale = "linear"
"""How a small face is enlarged to the student's chip; profiles that use it must say the same."""
_TOGETHER = 64
_CONSTANTS = ("centre", "radius")
STUDENTS = {"dlib-resnet": "dlib-resnet-student"}
"""The architecture that a student of each architecture ships as."""
MIXED_FROM_PX, ALONE_FROM_PX = 7.0, 20.0
"""Between these eye distances student and teacher both make a vector; measured for dlib-lq (docs/restorer.md)."""
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ChipCut:
    """Cuts the chips of a recognizer's network, as the recognizer itself does."""

    framing: Framing

    def __call__(self, face: FaceView) -> RGB:
        """Return the face's chip, uint8 (side, side, 3)."""
        return chips.cut(face.pixels, self.framing.transform(face), self.framing.side_px, UPSCALE)


def cut_of(item: Entry) -> ChipCut:
    """Return what cuts the chips of a recognizer's network.

    Raises:
        UsageError: it is no recognizer that can be taught.
    """
    return ChipCut(_design(item).framing)


def _design(item: Entry) -> Design:
    if item.architecture not in STUDENTS:
        raise UsageError(f"model.teacher: {item.id} cannot be a teacher; {', '.join(STUDENTS)} can")
    return DESIGNS[item.architecture]


class Embedding:
    """The task: the student, its loss, and how it is measured."""

    def __init__(
        self, settings: EmbedderTraining, item: Entry, corpus: Corpus, device: torch.device, folder: RunFolder
    ) -> None:
        """Load the teacher, compute its vectors of all sharp pictures (once per `folder`), and copy it."""
        self._settings, self._design, self._item = settings.loss, _design(item), item
        self._corpus, self._device = corpus, device
        self._targets = torch.from_numpy(_known_vectors(item, corpus, device, folder)).to(device)
        self._bank = _Bank(corpus, self._targets)
        network = self._design.empty_network()
        load_into(network, item)
        self.begun_from: Entry | None = self._begun(network, settings.model.begin)
        self.network = network.requires_grad_(True).train().to(memory_format=self._design.memory_format).to(device)
        self.teacher = self._design.empty_network()
        load_into(self.teacher, item)
        self.teacher = self.teacher.to(memory_format=self._design.memory_format).to(device)

    def _begun(self, network: nn.Module, given: str | BroughtModel | None) -> Entry:
        """Go on from an earlier student, whose constants are found anew; without one from the teacher."""
        return begin(network, given, STUDENTS[self._item.architecture], _CONSTANTS) if given else self._item

    @property
    def constants(self) -> Mapping[str, torch.Tensor]:
        """What ships beside the weights: the mean of the teacher's vectors, and their mean distance from it."""
        known = self._targets[torch.tensor(self._corpus.training, device=self._device)]
        centre = known.mean(dim=0)
        return dict(zip(_CONSTANTS, (centre, (known - centre).norm(dim=1).mean()), strict=True))

    @property
    def description(self) -> Mapping[str, Any]:
        """What the model file says of itself; its teacher keeps the larger faces."""
        known = self._item.capabilities
        capabilities = {
            "input_px": self._design.framing.side_px,
            "metric": known.metric,
            "similarity_threshold": known.similarity_threshold,
            "teacher": {"id": self._item.id, "mixed_from_px": MIXED_FROM_PX, "alone_from_px": ALONE_FROM_PX},
        }
        return {"role": "recognition", "architecture": STUDENTS[self._item.architecture], "capabilities": capabilities}

    def losses(self, network: nn.Module, batch: Batch, _step: int) -> Mapping[str, torch.Tensor]:
        """Return the weighted parts of the loss of a batch."""
        vectors = self.vectors(network, batch)
        parts = {"distance": self._settings.distance * squared_distance(vectors, self._targets[batch.rows]).mean()}
        if self._settings.contrast:
            parts["contrast"] = self._settings.contrast * self._bank.contrast(vectors, batch.rows, self._settings)
        return parts

    def vectors(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Return one float32 vector per degraded chip."""
        squares = self._design.prepared(batch.given.float())
        found: torch.Tensor = network(squares.contiguous(memory_format=self._design.memory_format))
        return found.float()

    def measured(self, network: nn.Module, batches: Sequence[Batch]) -> dict[str, float]:
        """Return the student's figures on validation faces.

        `distance`: mean squared distance to the teacher's vector of the sharp picture. `eer`: the degraded picture
        against the sharp pictures of all validation persons, its own among them; `teacher_eer`: the teacher's.
        """
        rows = torch.cat([batch.rows for batch in batches])
        ours, teachers = (
            torch.cat([self.vectors(each, batch) for batch in batches]) for each in (network, self.teacher)
        )
        return {
            "distance": float(squared_distance(ours, self._targets[rows]).mean()),
            "eer": self._eer(ours, rows),
            "teacher_eer": self._eer(teachers, rows),
        }

    def _eer(self, vectors: torch.Tensor, rows: torch.Tensor) -> float:
        people = np.array([self._corpus.faces[int(row)].identity for row in rows])
        similarity = -squared_distances(vectors, self._targets[rows]).cpu().numpy()
        same = people[:, None] == people[None, :]
        return eer(similarity[same], similarity[~same])

    def sheet(self, network: nn.Module, examples: Sequence[Example]) -> RGB | None:
        """Return nothing: a vector cannot be looked at."""
        del network, examples
        return None


def squared_distance(vectors: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return |vector - target| squared, one number per row."""
    return (vectors - targets).square().sum(dim=1)


def squared_distances(vectors: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return |vector - other| squared of every vector (N, D) with every other (M, D), (N, M), in fp32."""
    with torch.autocast(vectors.device.type, enabled=False):
        norms = vectors.square().sum(dim=1)[:, None] + others.square().sum(dim=1)[None, :]
        return norms - 2 * vectors @ others.T


class _Bank:
    """The teacher's vectors of all training pictures, for telling the right one from all others."""

    def __init__(self, corpus: Corpus, targets: torch.Tensor) -> None:
        rows = torch.tensor(corpus.training)
        names = sorted({face.identity for face in corpus.faces})
        number = {name: place for place, name in enumerate(names)}
        people = torch.tensor([number[face.identity] for face in corpus.faces])
        place = torch.full((len(corpus.faces),), -1)
        place[rows] = torch.arange(len(rows))
        device = targets.device
        self._vectors, self._people = targets[rows.to(device)], people[rows].to(device)
        self._place, self._all_people = place.to(device), people.to(device)

    def contrast(self, vectors: torch.Tensor, rows: torch.Tensor, settings: EmbedderLoss) -> torch.Tensor:
        """Return the cross entropy of finding each row's own vector; other pictures of its person do not count."""
        logits = -squared_distances(vectors, self._vectors) / settings.temperature
        own = self._place[rows]
        kin = self._people[None, :] == self._all_people[rows][:, None]
        kin[torch.arange(len(rows), device=kin.device), own] = False
        return F.cross_entropy(logits.masked_fill(kin, float("-inf")), own)


def _known_vectors(item: Entry, corpus: Corpus, device: torch.device, folder: RunFolder) -> Vectors:
    """Return the teacher's vectors from the run's folder, or compute them and keep them there."""
    name = f"teacher-{sha256_bytes(f'{item.sha256} {corpus.digest}'.encode())[:16]}.npy"
    try:
        return np.asarray(np.load(folder.root / name, allow_pickle=False), np.float32)
    except (OSError, ValueError):
        found = teacher_vectors(Embedder(item, device), corpus)
    stream = io.BytesIO()
    np.save(stream, found, allow_pickle=False)
    folder.write(name, stream.getvalue())
    return found


def teacher_vectors(teacher: Embedder, corpus: Corpus) -> Vectors:
    """Return the teacher's vectors of all sharp pictures, (faces, dimensions): chip and mirror image averaged."""
    found = list[Vector]()
    for start in range(0, len(corpus.faces), _TOGETHER):
        faces = corpus.faces[start : start + _TOGETHER]
        views = [FaceView(read_picture(face), face.landmarks) for face in faces if face.landmarks is not None]
        found += [embedding.vector for embedding in teacher.embed(views)]
    return np.stack(found)
