"""The Method section: what was done, in plain words, from what the ledger says ran. Owns these words and their limits.

It says nothing of a stage that has not run, and nothing that the ledger and the records do not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from facerecon.report.blocks import Block, Fact, Facts, Section, Text
from facerecon.report.content import CaseReport
from facerecon.report.history import StageHistory, mapping
from facerecon.report.language import message, tr
from facerecon.report.measured import fusion_blocks, profile_blocks, recognizer_blocks
from facerecon.report.notation import flat, shown, value
from facerecon.report.processing import enhancement_steps
from facerecon.report.recorded import recorded

_INTRO = message(
    "This section is generated from what ran. For each step it says what the step does, with which parameters, after "
    "which publication, with which trained weights, and where it is known to fail; at its end stands how well the "
    "profile and the comparison model did on pictures whose truth is known. Versions of all software stand in the "
    "processing record."
)
_FIGURES = message(
    "These figures were measured on public data sets, not on the footage of this case. They are error rates of the "
    "method under the named conditions; they do not say how probable an error in this case is."
)
_PARTS = message(
    "A frame was searched for faces only where a square had changed since it was last searched, and where a face was "
    "last seen, with a margin; after the set time everywhere. Where a face reached the end of such a part, the whole "
    "frame was searched. The parts are on record for each frame."
)
_PARTS_AND_TRACES = message(
    "A frame was searched for faces only where a square had changed since it was last searched, and where a face was "
    "last seen, with a margin. After a set time a quarter of such a change counted, too, and after a longer one "
    "everything was searched. Where a face reached the end of such a part, the whole frame was searched. The parts are "
    "on record for each frame."
)
_LIMITS: Mapping[str, str] = {
    "gamma": message(
        "Noise in dark parts becomes more visible. On pictures that are not dark it changes brightness that was right."
    ),
    "lime": message(
        "Noise in dark places becomes more visible, and brightness is no longer comparable between places."
    ),
    "clahe": message(
        "Brightness is no longer comparable between places; noise and seams of compression become more visible."
    ),
    "exposure": message("What was recorded as pure black or white stays without detail."),
    "white-balance": message(
        "The colour of the light is estimated: colours of skin, hair and clothes remain uncertain."
    ),
    "nlmeans": message("Can smooth away fine real detail, such as wrinkles and small marks."),
    "nlmeans-multi": message(
        "Can smooth away fine real detail, and can mix frames between which the face has changed."
    ),
    "wavelet": message("Can smooth away fine real detail."),
    "deblock": message("Can soften faint real edges that lie on the seams."),
    "deblur-motion": message("Holds for straight, even movement; a wrong estimate leaves echoes beside edges."),
    "deblur-defocus": message("Holds for even defocus; a wrong estimate leaves echoes beside edges."),
    "undistort": message("Rests on stated lens parameters that were not checked against the camera."),
    "stretch": message("Rests on a stated factor that was not checked against the camera."),
    "resize": message("Adds no detail; a larger picture does not hold more."),
    "fusion": message(
        "Assumes that the face keeps its pose and expression from frame to frame; where it does not, detail is "
        "averaged away. It is not one recorded picture."
    ),
    "restore": message(
        "A trained model fills in what faces usually look like: marks, glasses, hair, teeth and wrinkles may be "
        "invented or lost, and the face can move towards or away from any person. Never used for a score that decides."
    ),
}


@dataclass(frozen=True)
class _Step:
    """One step of the method; `model` is the stamp of the trained weights that it used."""

    name: str
    words: str
    limits: str
    reference: str = ""
    parameters: Mapping[str, Any] | None = None
    model: Mapping[str, Any] | None = None


def method_section(report: CaseReport, stages: Mapping[str, StageHistory]) -> Section:
    """Return the section that says how the results came about, and how well that was measured to work (R09, R10)."""
    stories = (
        ("extract", tr("Finding faces"), _extract),
        ("enhance", tr("Enhancing pictures"), _enhance),
        ("recognize", tr("Comparing faces"), _recognize),
    )
    children = [
        Section(f"method-{name}", title, tuple(_drawn(story(stages[name], report))))
        for name, title, story in stories
        if stages[name].ran
    ]
    figures = tuple(_figures(report, stages))
    if figures:
        children.append(Section("method-figures", tr("Measured error rates"), (Text(tr(_FIGURES)), *figures)))
    intro = tr(_INTRO) if children else tr("No stage has finished, so there is no method to describe.")
    return Section("method", tr("Method"), (Text(intro),), tuple(children))


# --- finding faces ----------------------------------------------------------------------------------------------------


def _extract(history: StageHistory, _: CaseReport) -> Iterator[_Step]:
    given = mapping(history.details.get("parameters"))
    extract, detect = mapping(given.get("extract")), mapping(given.get("detect"))
    yield _decoding(extract, history)
    if mapping(extract.get("motion")).get("enabled"):
        yield _Step(
            tr("Leaving out still frames"),
            tr(
                "Each frame is compared with the last one that was looked at, in small squares; where nothing changed "
                "by more than a few grey levels, it is skipped and counted. After a set time a frame is passed on to "
                "the search all the same."
            ),
            tr("A movement fainter or smaller than these bounds is not seen; made for cameras that do not move."),
            parameters=mapping(extract.get("motion")),
        )
    yield from _windows(history)
    yield from _glances(history, detect)
    yield _Step(
        tr("Detection"),
        tr(
            "A trained neural network marks faces with a box, five landmarks (eyes, nose, corners of the mouth) and a "
            "score; weak scores start no track."
        ),
        tr("Misses small, dark, blurred, covered or turned faces, and can take other things for faces."),
        model=_model(history, "detection"),
        parameters=detect,
    )
    yield _Step(
        tr("Tracking"),
        tr(
            "Detections in successive frames are joined to a track by where each face is expected next; a weaker "
            "detection may go on with a track but not start one."
        ),
        tr("A track ends when the face is lost; where persons cross, one track can hold more than one person."),
        "Bewley et al., SORT, ICIP 2016; Zhang et al., ByteTrack, ECCV 2022",
        mapping(given.get("track")),
    )
    yield _Step(
        tr("Best shots"),
        tr(
            "The best faces of each track are kept as cut from the frame, by a quality of size, sharpness, pose, "
            "exposure and detector score; their pixels are not changed."
        ),
        tr("Quality says how much a picture can show, not whom."),
        tr("components after ISO/IEC 29794-5"),
        mapping(given.get("shots")),
    )


def _windows(history: StageHistory) -> Iterator[_Step]:
    searched = mapping(history.details.get("search"))
    motion = mapping(mapping(mapping(history.details.get("parameters")).get("extract")).get("motion"))
    if motion.get("enabled") and motion.get("regions"):
        yield _Step(
            tr("Searching parts of frames"),
            tr(_PARTS_AND_TRACES if motion.get("whole_every_s") else _PARTS),
            tr("A face that appears without a change that the squares show is found only when everything is searched."),
            parameters={name: value for name, value in searched.items() if name != "glanced"},
        )


def _glances(history: StageHistory, detect: Mapping[str, Any]) -> Iterator[_Step]:
    searched = mapping(history.details.get("search"))
    if searched.get("glanced"):
        yield _Step(
            tr("Looking at large frames reduced"),
            tr(
                "Between two frames that were searched at their full size the detector saw the frames reduced, and "
                "closer only round faces that are small in them, or in the frames before and after, each as close as "
                "its size needs. No picture of a face is made of reduced pixels. What was reduced, and how much, is on "
                "record for each frame."
            ),
            tr(
                "A small face that comes and goes between two frames searched at full size can be missed; box, "
                "landmarks and score of larger ones were found in reduced pixels."
            ),
            parameters={"full_size_every_s": detect.get("full_size_every_s"), "glanced": searched["glanced"]},
        )


def _decoding(extract: Mapping[str, Any], history: StageHistory) -> _Step:
    sample = mapping(extract.get("sample"))
    chosen = {
        "all": message("All frames were decoded, in order of presentation."),
        "keyframes": message("Only key frames were decoded."),
        "every": message("Every frame whose number is a multiple of {number} was looked at."),
        "fps": message("{number} frames per second of presentation time were looked at."),
    }.get(str(sample.get("mode")), message("Frames were decoded in order of presentation."))
    made = history.details.get("preparation")
    prepared = "; ".join(recorded(each) for each in made) if isinstance(made, (list, tuple)) else ""
    times = tr("Times are the container's own time stamps.")
    words = f"{tr(chosen, number=value(sample.get('value')))} {times}"
    return _Step(
        tr("Decoding"),
        f"{words} {tr('Every frame was prepared: {how}.', how=prepared)}" if prepared else words,
        tr("Frames that were left out or could not be decoded were not searched; times are as right as the file's."),
        parameters={key: part for key, part in extract.items() if key != "motion"},
    )


# --- enhancing --------------------------------------------------------------------------------------------------------


def _enhance(history: StageHistory, report: CaseReport) -> Iterator[_Step]:
    fused = next((step for record in report.fused for step in record.steps if step.name == "fusion"), None)
    if fused is not None:
        yield _Step(tr("Fusion"), recorded(fused.description), tr(_LIMITS["fusion"]), fused.reference, fused.parameters)
    yield from _maps_of_fused(report)
    yield from _correction(history, report)
    for step in enhancement_steps(history, report.restored):
        name, learned = shown(step.get("name", tr("step"))), bool(step.get("learned"))
        yield _Step(
            name,
            recorded(step.get("description", "")),
            tr(_LIMITS.get("restore" if learned else name.partition(" ")[0], message("Not described."))),
            shown(step.get("reference", "")),
            mapping(step.get("parameters")),
            _stamp_of(history, step) if learned else None,
        )
    if any(record.learned for record in report.restored):
        yield _Step(
            tr("Judging learned pictures"),
            tr(
                "Each picture is reduced to its input's size and compared with it (PSNR), and the distance by which "
                "its face vector moved is measured; beyond the limits the report shows a warning."
            ),
            tr("A picture within the limits can still hold invented detail, finer than the input."),
            parameters=_part(history, "enhance", ("min_downscale_psnr_db", "max_identity_drift")),
        )


def _maps_of_fused(report: CaseReport) -> Iterator[_Step]:
    levels = next((each.deviation_scale_levels for each in report.fused if each.deviation_scale_levels), None)
    if levels is not None:
        yield _Step(
            tr("Maps of the fused picture"),
            tr(
                "Two maps of each fused picture show, pixel by pixel, how many frames count there, and how far these "
                "differ: the standard deviation of their lightness round their weighted mean, after registration and "
                "after each frame was brought to the reference's brightness and contrast. The second map's colours run "
                "from 0 to {levels} of 255 grey levels, in every case alike.",
                levels=f"{levels:g}",
            ),
            tr(
                "Noise, movement, another expression and wrong registration all make frames differ; the map does not "
                "tell them apart. Frames that agree can be wrong together: compression repeats errors from frame to "
                "frame. What disagrees so much that it counts less in the picture counts less in this map, too."
            ),
        )


def _correction(history: StageHistory, report: CaseReport) -> Iterator[_Step]:
    step = next((record.steps[0] for record in report.fused_restored), None)
    if step is not None:
        judging = tr(
            "The result is a picture of its own beside the fused one. Both are reduced to the recorded size and "
            "compared (PSNR), a map shows all that the model changed, and the distance by which the face vector moved "
            "is measured; beyond the limits the report shows a warning. The result is compared with no gallery."
        )
        yield _Step(
            tr("Restoration of the fused picture"),
            f"{recorded(step.description)} {judging}",
            tr(_LIMITS["restore"]),
            shown(step.reference),
            step.parameters,
            _stamp_of(history, {"name": step.name}),
        )


def _stamp_of(history: StageHistory, step: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the stamp of a learned step's model, whose id the step's name holds in brackets."""
    name = str(step.get("name", ""))
    return next((model for model in history.models if f"({model.get('id')}" in name), None)


# --- comparing --------------------------------------------------------------------------------------------------------


def _recognize(history: StageHistory, report: CaseReport) -> Iterator[_Step]:
    yield _Step(
        tr("Reading the gallery"),
        tr(
            "In each gallery picture one face is looked for; pictures with none, several, too small or too poor ones "
            "are refused and listed."
        ),
        tr("The gallery's names are its owner's; whether a picture shows that person is not checked."),
        parameters=_part(
            history, "recognize", ("gallery_min_inter_eye_px", "gallery_min_quality", "gallery_min_score")
        ),
    )
    averaged = tr(
        "A trained neural network turns an aligned face into a list of numbers that is similar for pictures of one "
        "person; the vectors of a track's frames are averaged."
    )
    treated = history.details.get("treatment")
    treatment = f" {tr('Treatment of the face: {how}.', how=recorded(treated))}" if treated is not None else ""
    yield _Step(
        tr("Face vectors"),
        averaged + treatment,
        tr(
            "Makes more errors on small, blurred and turned faces, and for some groups of people; trained on public "
            "photographs, not on CCTV."
        ),
        model=_model(history, "recognition"),
        parameters=_part(
            history, "recognize", ("model", "flip", "jitter", "upscale", "min_inter_eye_px", "min_quality")
        ),
    )
    yield _Step(
        tr("Ranking"),
        tr(
            "The similarity of two vectors is computed for every gallery picture, the persons are ranked by their most "
            "similar picture, and those above the threshold are named candidates."
        ),
        tr(
            "The best of many is always similar: the larger the gallery, the more similar is the best of the wrong "
            "persons. Restored and fused pictures are listed apart and do not decide."
        ),
        parameters=_part(history, "recognize", ("threshold", "top", "compare_restored")),
    )
    if any(line.strength is not None for line in report.candidates):
        yield _Step(
            tr("Likelihood ratio"),
            tr(
                "From pairs with known answer, in bins of size and fine detail, a logistic model tells how many times "
                "more probable such a similarity is if both sides show one person; the ratio is bounded by the bin's "
                "data."
            ),
            tr(
                "Holds for the named calibration only, and weighs the pictures, not the other circumstances; where a "
                "person's group is rare in the calibration's data, it overstates the support."
            ),
            tr("ENFSI Guideline for Evaluative Reporting in Forensic Science, 2015 (words of the scale)"),
        )
    if report.explanations:
        yield _Step(
            tr("Maps of the similarity"),
            tr("Parts of both faces are covered in turn, and the fall of the similarity is drawn."),
            tr("Shows what the model reacts to, not which features two persons have in common."),
            shown(report.explanations[0].reference),
        )


# --- drawing ----------------------------------------------------------------------------------------------------------


def _figures(report: CaseReport, stages: Mapping[str, StageHistory]) -> Iterator[Block]:
    if stages["enhance"].ran:
        yield from profile_blocks(report.info)
        yield from fusion_blocks() if report.fused else ()
    model = _model(stages["recognize"], "recognition") if stages["recognize"].ran else None
    if model is not None:
        yield from recognizer_blocks(str(model.get("id", tr("without a name"))))


def _drawn(steps: Iterator[_Step]) -> Iterator[Block]:
    return chain.from_iterable(
        (Text(f"{number}. {step.name}", "lead"), Facts(tuple(_facts(step))))
        for number, step in enumerate(steps, start=1)
    )


def _facts(step: _Step) -> Iterator[Fact]:
    yield Fact(tr("What it does"), step.words)
    if parameters := "; ".join(f"{key} {text}" for key, text in flat(step.parameters or {})):
        yield Fact(tr("Parameters"), parameters)
    if reference := step.reference or value(mapping(step.model).get("reference", "")):
        yield Fact(tr("Reference"), reference)
    if step.model is not None:
        yield from _weights(step.model)
    yield Fact(tr("Known limits"), step.limits)


def _weights(model: Mapping[str, Any]) -> Iterator[Fact]:
    named, source = model.get("id", tr("without a name")), model.get("source", tr("not stated"))
    yield Fact(tr("Model"), tr("{model}, from {source}", model=value(named), source=value(source)))
    if model.get("weights_sha256"):
        yield Fact(tr("Weights SHA-256"), value(model["weights_sha256"]), mono=True)


def _model(history: StageHistory, role: str) -> Mapping[str, Any] | None:
    return next((model for model in history.models if model.get("role") == role), None)


def _part(history: StageHistory, stage: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
    given = mapping(mapping(history.details.get("parameters")).get(stage))
    return {key: given[key] for key in keys if key in given}
