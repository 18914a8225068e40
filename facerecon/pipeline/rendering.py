"""Whole frames and video: every frame enhanced, enlarged, its faces restored in place, at its exact time.

The pictures outside the faces are the recorded upscaler's and nothing else (R16). Memory does not grow with the clip.
Frames in = frames out + failures, each listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Literal

import numpy as np

from facerecon import __version__
from facerecon.case import Case, StageRun
from facerecon.errors import EvidenceError, UsageError
from facerecon.filters.scaling import Method, enlarge
from facerecon.hashing import canonical_json
from facerecon.pictures import encode_png, with_label
from facerecon.pipeline.accounts import Account, Context, Stopwatch, close_accounts
from facerecon.pipeline.detection import detect_faces
from facerecon.pipeline.readers import reader_of
from facerecon.pipeline.steps import classical, step_text
from facerecon.profiles import ENLARGING_KINDS, ClassicalStep, RestoreStep, Sample
from facerecon.records import RGB, Detection, FaceView, Frame, RenderedRecord, TrackRecord
from facerecon.stages import Detector, RestorationFailure, Restorer, Upscaler
from facerecon.video import Source
from facerecon.video.writing import VideoWriter, WrittenVideo

Kind = Literal["frame", "video"]
_LABEL_WIDTH_PX = 1280


@dataclass(frozen=True, eq=False)
class Tools:
    """What frames are rendered with: a model or an interpolation for the frame; `faces` None leaves the faces alone."""

    detector: Detector
    upscaler: Upscaler | Method
    faces: Restorer | None

    @property
    def model(self) -> Upscaler | None:
        """The frame's learned upscaler, if it is one."""
        return None if isinstance(self.upscaler, str) else self.upscaler

    @property
    def upscaler_name(self) -> str:
        """The id of the model, or the interpolation's name."""
        return self.upscaler if isinstance(self.upscaler, str) else self.upscaler.stamp.id


def render(case: Case, source: Source, kind: Kind, tools: Tools, limit: int | None, context: Context) -> RenderedRecord:
    """Render whole frames of a case's source: those of the best shots as pictures, or all of them as a video.

    Args:
        case: a case that extract has finished.
        source: its source, opened again.
        kind: "frame" or "video".
        tools: detector and models.
        limit: the number of frames at most; None for all.
        context: profile, listener, software.

    Raises:
        UsageError: a video is asked for of pictures, which have no times.
        EvidenceError: not one frame could be rendered; the account of them is in the case.
        IntegrityError: the source changed while it was read.
        ResourceError: the disk is full, or memory is.
    """
    if kind == "video" and source.record.clock == "order":
        raise UsageError(f"{source.record.name} holds pictures without times; use --output frame")
    # Faces are looked for only to be restored.
    detector = tools.detector if tools.faces else None
    engines = [each.stamp for each in (detector, tools.model, tools.faces) if each is not None]
    details = context.details("enhance", "output", "detect") | {
        "kind": kind,
        "limit": limit,
        "models": [stamp.model_dump(mode="json") for stamp in engines],
    }
    with case.stage("render", details, {"source": source.record.sha256}) as run:
        rendering = _Rendering(run, source, tools, context)
        record = rendering.frames(limit) if kind == "frame" else rendering.video(limit)
        source.verify_unchanged()
        rendering.finish(record)
    if record.frames.failed and not record.frames.written:
        raise EvidenceError(
            f"{source.record.name}: not one of {record.frames.failed} frames could be rendered; the reasons are in "
            f"{case.root} (records/render-skipped)"
        )
    return record


@dataclass(frozen=True, eq=False)
class _Rendered:
    """A frame, what became of it, and how many of its faces were restored."""

    frame: Frame
    pixels: RGB
    faces: int


class _Rendering:
    def __init__(self, run: StageRun, source: Source, tools: Tools, context: Context) -> None:
        self.run, self.source, self.tools, self.context = run, source, tools, context
        self.profile = context.profile
        self.settings = context.profile.output
        steps = self.profile.enhance.steps
        self.steps: tuple[ClassicalStep, ...] = tuple(
            step for step in steps if not isinstance(step, RestoreStep) and step.kind not in ENLARGING_KINDS
        )
        self.counted, self.faces = Account(run, "frame"), Account(run, "face")
        self.watch = Stopwatch()
        self.looked_at, self.applied = 0, Counter[int]()
        attempt = _attempt(run)
        self.suffix = "" if attempt == 1 else f"-{attempt}"
        run.declare("rendered", "render-skipped")

    # --- outputs ------------------------------------------------------------------------------------------------------

    def frames(self, limit: int | None) -> RenderedRecord:
        """Write the frames of the best shots (all pictures, where the source is pictures), each beside its original."""
        wanted = self._wanted(limit)
        self.context.listener.started("render", len(wanted) if wanted is not None else limit)
        paths: list[str] = []
        for rendered in self._rendered(wanted, limit):
            paths += self._write_frame(rendered)
        return self._record("frame", "frames", tuple(paths), None)

    def video(self, limit: int | None) -> RenderedRecord:
        """Write every frame, at its own time, beside the source's sound."""
        total = self.source.frame_count_from_header
        self.context.listener.started("render", min(total or limit or 0, limit or total or 0) or None)
        suffix = ".mkv" if self.settings.codec == "ffv1" else ".mp4"
        path = f"video/enhanced{self.suffix}{suffix}"
        scratch = self.run.case.root / f".tmp-render{suffix}"
        try:
            written = self._write_video(scratch, limit)
            if written is None:
                return self._record("video", "video", (), None)
            self.run.adopt(path, scratch)
        finally:
            scratch.unlink(missing_ok=True)
        return self._record("video", path, (path,), written.model_copy(update={"name": Path(path).name}))

    def _write_video(self, scratch: Path, limit: int | None) -> WrittenVideo | None:
        """Write the video and return what the writer says of it; None when there is no frame to write."""
        pictures = self._rendered(None, limit)
        first = next(pictures, None)
        if first is None:
            return None
        size = self._layout(first).shape
        writer = VideoWriter(
            scratch,
            source=Path(self.source.record.path),
            source_sha256=self.source.record.sha256,
            size_px=(size[1], size[0]),
            codec=self.settings.codec,
            comment=self._title(),
            sound_after_last_frame=limit is None,
            reader=reader_of(self.profile),
        )
        with writer:
            for rendered in chain([first], pictures):
                self._encode(writer, rendered)
        if writer.result is None:
            raise AssertionError("a finished writer has a result")
        return writer.result

    def _encode(self, writer: VideoWriter, rendered: _Rendered) -> None:
        with self.watch.measure("encode"):
            try:
                writer.write(self._layout(rendered), rendered.frame.timestamp)
            except ValueError as error:
                # The writer's own refusal (another size, a time too close to the last); FFmpeg's errors are subclasses.
                if type(error) is not ValueError:
                    raise
                self.counted.fail(rendered.frame.id, "not-encodable", str(error))
                return
        self.counted.wrote()

    # --- frames -------------------------------------------------------------------------------------------------------

    def _wanted(self, limit: int | None) -> frozenset[str] | None:
        """Return the ids of the frames to write; None for all (a source of pictures)."""
        if self.source.record.clock == "order":
            return None
        tracks = self.run.case.read(TrackRecord, "tracks")
        shots = [name for track in tracks for name in track.best[: self.profile.enhance.shots]]
        ids = sorted({name.rpartition("/")[2] for name in shots})
        return frozenset(ids[:limit])

    def _rendered(self, wanted: frozenset[str] | None, limit: int | None) -> Iterator[_Rendered]:
        """Yield the frames that could be rendered, in order; the others are accounted for."""
        for frame in self._asked_for(wanted, limit):
            rendered = self._one(frame)
            self.context.listener.advanced("render")
            if rendered is not None:
                yield rendered

    def _asked_for(self, wanted: frozenset[str] | None, limit: int | None) -> Iterator[Frame]:
        """Yield the frames of these ids, or the first `limit`; an id that does not come is a failure."""
        if wanted is None:
            yield from islice(self._decoded(), limit)
            return
        missing = set(wanted)
        for item in self.source.frames(Sample()) if missing else ():
            if isinstance(item, Frame) and item.id in missing:
                missing.remove(item.id)
                yield item
            if not missing:
                return
        for name in sorted(missing):
            self.counted.fail(name, "undecodable", "a frame that was decoded for the extraction")

    def _decoded(self) -> Iterator[Frame]:
        for item in self.source.frames(Sample()):
            if isinstance(item, Frame):
                yield item
            else:
                self.counted.omit(item.model_copy(update={"stage": self.run.name}))

    def _one(self, frame: Frame) -> _Rendered | None:
        with self.watch.measure("detect"):
            found = (
                detect_faces(self.tools.detector, [frame.pixels], self.profile.detect)[0] if self.tools.faces else ()
            )
        pixels = frame.pixels
        with self.watch.measure("filter"):
            for number, step in enumerate(self.steps):
                outcome = classical(pixels, step)
                pixels = outcome.pixels
                self.applied[number] += outcome.applied
        self.looked_at += 1
        canvas = self._enlarged(frame, pixels)
        if canvas is None:
            return None
        return _Rendered(frame, *self._with_faces(frame, pixels, canvas, found))

    def _enlarged(self, frame: Frame, pixels: RGB) -> RGB | None:
        with self.watch.measure("enlarge"):
            if isinstance(self.tools.upscaler, str):
                return enlarge(pixels, self.settings.scale, self.tools.upscaler)
            (outcome,) = self.tools.upscaler.enlarge([pixels])
        if isinstance(outcome, RestorationFailure):
            self.counted.fail(frame.id, "restoration-failed", outcome.reason)
            return None
        return outcome.pixels

    def _with_faces(self, frame: Frame, pixels: RGB, canvas: RGB, found: Sequence[Detection]) -> tuple[RGB, int]:
        usable = [face for face in found if self._usable(frame, face)]
        if self.tools.faces is None or not usable:
            return canvas, 0
        scale = canvas.shape[0] // pixels.shape[0]
        with self.watch.measure("faces"):
            views = [FaceView(pixels, face.landmarks) for face in usable]
            result, outcomes = self.tools.faces.restore_onto(canvas, views, scale)
        for outcome in outcomes:
            if isinstance(outcome, RestorationFailure):
                self.faces.fail(frame.id, "restoration-failed", outcome.reason)
            else:
                self.faces.wrote()
        return result, sum(not isinstance(outcome, RestorationFailure) for outcome in outcomes)

    def _usable(self, frame: Frame, face: Detection) -> bool:
        settings = self.profile.enhance
        if face.score < self.profile.detect.min_score:
            self.faces.skip(frame.id, "below-minimum-score", f"score {face.score:.3f}")
            return False
        if not face.alignable or face.frontal_inter_eye_px < settings.min_inter_eye_px:
            self.faces.skip(frame.id, "below-minimum-size", f"{face.frontal_inter_eye_px:.1f} px between the eyes")
            return False
        x0, y0, x1, y1 = face.box
        side = max(x1 - x0, y1 - y0) * (1 + 2 * self.profile.shots.margin)
        if side > settings.max_crop_px:
            self.faces.skip(
                frame.id, "large-enough", f"{side:.0f} px; the profile enlarges up to {settings.max_crop_px} px"
            )
            return False
        return True

    # --- pictures -----------------------------------------------------------------------------------------------------

    def _layout(self, rendered: _Rendered) -> RGB:
        """Return the picture of a video: original and enhanced side by side, or enhanced only, with the label below."""
        if self.settings.layout == "enhanced":
            return _labelled(rendered.pixels, self._title())
        scale = rendered.pixels.shape[0] // rendered.frame.pixels.shape[0]
        original = enlarge(rendered.frame.pixels, scale, "nearest")
        return _labelled(
            np.hstack((original, rendered.pixels)), f"Left: ORIGINAL, pixels repeated. Right: {self._title()}"
        )

    def _title(self, rendered: _Rendered | None = None) -> str:
        """Return the words of the label: of one frame, or (the same for every frame) of a video."""
        faces = self.tools.faces if rendered is None or rendered.faces else None
        by: list[str] = [step.kind for step in self.steps]
        by.append(self.tools.upscaler_name)
        if faces:
            by.append(f"faces by {faces.stamp.id}")
        learned = self.tools.model or faces
        words = "RESTORED" if learned else "ENHANCED"
        caution = "Investigative aid, may invent detail." if learned else "No learned model."
        return f"{words} by {', '.join(by)}: not original pixels. {caution}"

    def _write_frame(self, rendered: _Rendered) -> list[str]:
        frame = rendered.frame
        text = {
            "Source SHA-256": self.source.record.sha256,
            "Frame": f"{frame.id}, pts {frame.timestamp.pts} x {frame.timestamp.time_base[0]}/"
            f"{frame.timestamp.time_base[1]} s",
        }
        original, path = f"frames/{frame.id}.original.png", f"frames/{frame.id}.enhanced{self.suffix}.png"
        title = f"{self._title(rendered)} {frame.id}"
        # No version in the original: every rendering, also a later version's, writes the same bytes again.
        self.run.write(original, encode_png(frame.pixels, {"Title": "ORIGINAL frame", **text}))
        made = {"Title": title, "Software": f"facerecon {__version__}", **text}
        self.run.write(path, encode_png(_labelled(rendered.pixels, title), made))
        self.counted.wrote()
        return [path]

    def _record(self, kind: Kind, place: str, paths: tuple[str, ...], video: WrittenVideo | None) -> RenderedRecord:
        model = self.tools.model
        return RenderedRecord(
            kind=kind,
            place=place,
            files={path: self.run.outputs[path] for path in paths},
            frames=self.counted.counts,
            faces=self.faces.counts,
            upscaler=self.tools.upscaler_name,
            scale=model.scale if model else self.settings.scale,
            face_model=self.tools.faces.stamp.id if self.tools.faces else None,
            learned=bool(model or self.tools.faces),
            steps=tuple(self._step_name(number) for number in range(len(self.steps))),
            video=video.model_dump(mode="json") if video else None,
        )

    def _step_name(self, number: int) -> str:
        """Return a step's name; for one that left frames as they were, on how many it acted."""
        name, applied = self.steps[number].kind, self.applied[number]
        return name if applied == self.looked_at else f"{name} (acted on {applied} of {self.looked_at} frames)"

    def finish(self, record: RenderedRecord) -> None:
        """Close the accounts."""
        self.run.record("rendered", record)
        close_accounts(self.run, {"frames": self.counted, "faces": self.faces})
        self.run.details["durations_s"] = self.watch.seconds
        self.run.details["steps"] = [
            {**step_text(step, None), "frames_acted_on": self.applied[number]} for number, step in enumerate(self.steps)
        ]
        self.context.listener.finished("render")


def _labelled(pixels: RGB, text: str) -> RGB:
    """Return the picture above its label, whose letters grow with the picture: they must be legible on any screen."""
    width = pixels.shape[1]
    factor = max(1, width // _LABEL_WIDTH_PX)
    narrow = np.zeros((1, -(-width // factor), 3), np.uint8)
    strip = with_label(narrow, text)[1:].repeat(factor, 0).repeat(factor, 1)
    return np.concatenate([pixels, strip[:, :width]], axis=0)


def _attempt(run: StageRun) -> int:
    """Return the number that this run's files carry: an unfinished rendering keeps its own, any other gets the next.

    Files that an interrupted rendering with other settings left have other bytes; they are not in the way then.
    """
    begun = [canonical_json(dict(e.details)) for e in run.case.ledger.entries if e.action == f"{run.name}.started"]
    return sum(1 for _ in groupby(begun))
