"""Text that the program recorded in English: in the report's language where it is one of these sentences, else marked.

Owns the sentences of other parts of the program that reports repeat from records and from data that ships, and the
marks round what stays English. A test holds them to what those parts write. Names, digests and keys are no text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape, unescape

from facerecon.report.language import message, spoken, tr
from facerecon.report.notation import shown

OPEN, CLOSE = "\ue000", "\ue001"
"""Round text that stays English. `shown` makes private-use characters visible: text from outside cannot hold them."""

FILTERS = (
    message("Brightens dark parts by one power curve for all pixels; nothing is added."),
    message(
        "Estimates how much light fell on each place and brightens dark places accordingly; noise in them becomes more "
        "visible."
    ),
    message("Spreads light and dark further apart in each part of the picture, within a limit; colours are kept."),
    message("Makes the whole picture lighter or darker by one amount, as a longer or shorter exposure would."),
    message("Removes the colour cast of lamps or daylight by one adjustment for all pixels."),
    message("Averages each pixel with pixels whose surroundings look alike, to reduce noise."),
    message(
        "Averages each pixel with pixels of this and neighbouring frames whose surroundings look alike, to reduce "
        "noise."
    ),
    message("Splits the picture into coarse and fine parts and weakens fine parts that are as faint as the noise."),
    message("Softens the seams of the squares that video compression leaves; larger steps are kept as real edges."),
    message(
        "Reverses the smear of a straight movement during the exposure, computed from its direction and length; it can "
        "leave faint echoes beside edges."
    ),
    message(
        "Reverses the blur of a lens that was out of focus, computed from its size; it can leave faint echoes beside "
        "edges."
    ),
    message("Straightens lines that the lens bent, by moving each pixel to where it belongs."),
    message("Corrects the ratio of width to height by a stated factor; no detail is added."),
    message("Enlarges by interpolation; no detail is added."),
)
"""Descriptions of the filters, as `facerecon.filters.catalogue` has them."""

STEPS = (
    *FILTERS,
    message("Enlarges with a trained neural network. It may add detail that was not recorded."),
    message(
        "Corrects the fused picture with a trained neural network, in its own size. It may add detail that was not "
        "recorded."
    ),
    message(
        "Averages several frames of one face, registered to a fraction of a pixel, on a finer grid; pixels that "
        "disagree count less; then sharpens until the result, seen again through the camera, reproduces the recorded "
        "frames."
    ),
    message("widened to square pixels (sample aspect ratio {ratio}, Lanczos)"),
    message("corrected for the lens ({model}, {numbers}, bicubic)"),
    message("stretched by {horizontal} horizontally and {vertical} vertically (Lanczos)"),
)
WARNINGS = (
    message("reduced to its input's size it differs from the input: PSNR {psnr} dB, limit {limit} dB"),
    message("reduced to the recorded size it differs from the fused picture: PSNR {psnr} dB, limit {limit} dB"),
    message("the face vector moved by {drift} (limit {limit}): to the comparison model this may be another face"),
    message("{step} changed nothing: {note}"),
    message("correlation {correlation} with the reference, {limit} needed"),
    message("the refinement moved away from the landmarks"),
    message("part of it is covered: redacted for disclosure"),
)
WITHHELD = (
    message("of a redacted track"),
    message("computed from pictures that show a redacted face"),
    message("a gallery picture of somebody who is no candidate of a track that is shown"),
    message("a report of the original shows what is redacted; the copy's is made anew"),
    message("a signature or timestamp is of the original as it was"),
    message("a review is of a report that shows what is redacted"),
    message("no finished run names it, so nobody can vouch for what it shows"),
    message("a whole frame in which nobody can tell where a redacted face is: {reason}"),
    message("a video that cannot be covered faithfully: {reason}"),
)
"""Why files of a case are not in a redacted copy of it."""
UNCOVERED = (
    message("its time is not on record"),
    message("{size} px do not show a frame of {frame} px"),
    message("a frame of it cannot be decoded"),
    message("it has no frame"),
    message("the case does not say how its frames lie in it"),
)
STRENGTHS = (
    message("weak"),
    message("moderate"),
    message("moderately strong"),
    message("strong"),
    message("very strong"),
    message("extremely strong"),
)
SUPPORT = (
    message(
        "The comparison supports neither the proposition that both pictures show the same person nor the proposition "
        "that they show different persons."
    ),
    message(
        "The comparison gives {strength} support for the proposition that both pictures show the same person, rather "
        "than different persons."
    ),
    message(
        "The comparison gives {strength} support for the proposition that the pictures show different persons, rather "
        "than the same person."
    ),
)
NO_RATIO = (
    message("not calibrated"),
    message("outside the calibration"),
    message("not calibrated: a restored picture is secondary and never gets a likelihood ratio"),
    message("not calibrated: a computed picture is secondary and never gets a likelihood ratio"),
    message(
        "not calibrated: there is no calibration for this model and variant {variant}, with pictures restored in this "
        "way"
    ),
    message("not calibrated: there is no calibration for this model and variant {variant}"),
    message("outside the calibration: {quantity} lies outside what calibration {name} holds for: {range}"),
    message("outside the calibration: {quantity} lies outside what calibration {name} holds for with {given}: {range}"),
)
REFUSED = (
    message("the face is uncertain: detector score {score} under {limit}"),
    message("the face is too small: {size} px between the eyes (as seen from the front), {limit} needed"),
    message("quality {quality} is under {limit}"),
    message("{size} px between the eyes, the profile needs {limit}: a restoration would be invention"),
    message("{size} px; the profile enlarges up to {limit} px"),
    message("{size} px; the profile fuses up to {limit} px"),
    message("{shots} shots, {limit} needed"),
    message("{detections} detections, {limit} needed"),
    message("the profile does not fuse"),
    message("no shot of it is large enough"),
    message("no face found"),
    message("score {score}"),
    message("under {limit} px between the eyes"),
    message("{size} px between the eyes"),
    message("the {count} best are listed"),
    message("the profile enhances {count} per track"),
)
EXPLAINED = (
    message(
        "sliding cover: {windows} soft-edged windows, {width} eye distances wide, then each part of the face as a "
        "whole, filled with the face blurred by {blur} eye distances"
    ),
    message("eyes"),
    message("nose"),
    message("mouth"),
    message("forehead and hair"),
    message("cheeks and chin"),
)
QUANTITIES = (
    message("the distance between the eyes (worse side)"),
    message("the sharpness"),
    message("the fine detail"),
    message("the brightness"),
    message("the contrast"),
    message("the turn of the head (worse side)"),
    message("the nod of the head (worse side)"),
    message("the number of frames"),
)
RANGES = (
    message("{low} to {high}"),
    message("{low} and more"),
    message("{low} to {high} px"),
    message("{low} px and more"),
    message("{low} to {high} degrees"),
    message("{low} degrees and more"),
)
VALUES = (
    message("{distance} px between the eyes (worse side)"),
    message("a sharpness of {value}"),
    message("a fine detail of {value}"),
    message("a brightness of {value}"),
    message("a contrast of {value}"),
    message("a head turned by {angle} degrees (worse side)"),
    message("a head nodding by {angle} degrees (worse side)"),
    message("a number of frames of {value}"),
)
ATTACHED = (
    message("Manifest of the case: every file with its size and SHA-256, up to ledger head {head}."),
    message("Ledger of the case: {entries} entries, one a line, up to ledger head {head}."),
    message(
        "Export of the case as CASE/UCO (JSON-LD), made right before this report, at ledger head {head} and manifest "
        "digest {digest}. It does not know this report."
    ),
)
PLOTS = (
    message("Tippett plot, {bin}"),
    message("log10 LR (0 supports neither proposition)"),
    message("share with at least this LR"),
    message("same person ({count})"),
    message("different persons ({count})"),
    message("this comparison: {log10}"),
)
MEASURED = (
    message("Enhanced pictures against their truth"),
    message("Fusion of {count} frames, faces {width} px wide"),
    message("Comparison of one frame"),
    message("Comparison of one frame, landmarks known"),
    message("Comparison of the averaged vectors of a clip"),
    message("Comparison of restored pictures"),
    message("Different persons of one group"),
    message("pictures"),
    message("probes found"),
    message("pairs and clips found"),
    message("pairs and probes found"),
    message("PSNR gain, dB"),
    message("SSIM gain"),
    message("gain of the similarity to the sharp picture"),
    message("true accepts at 1 % false accepts"),
    message("true accepts at 0.1 % false accepts"),
    message("equal error rate"),
    message("gain of true accepts"),
    message("gain of the equal error rate"),
    message("shift of the similarity"),
    message("above the threshold"),
    message("{number} of {all}"),
    message("{same} + {different} pairs, {number} of {all} found"),
    message("none"),
    message("dark"),
    message("dark and noisy"),
    message("cold light"),
    message("warm light"),
    message("half profile"),
    message("profile"),
    message("motion blur"),
    message("motion {length} px"),
    message("{angle} degrees"),
    message("{count} frames fused"),
    message("best of {count} frames (chosen by its PSNR)"),
    message("{low} to {high}"),
    message("{age} and over"),
    message("under {age}"),
    message("female"),
    message("male"),
    message("other"),
    message(
        "Sharp faces of Labeled Faces in the Wild were degraded as named, enhanced by the profile, and compared with "
        "what they were; gains are over bicubic enlargement of the same degraded picture. Faces are 48 px wide unless "
        "the condition is about size. Simulations: real footage is worse in ways that no model holds."
    ),
    message(
        "Synthetic tracks with sub-pixel shifts up to 1.5 px and turns up to 2 degrees; gains are over one frame, "
        "bicubic. Real heads move more."
    ),
    message(
        "Probes of Labeled Faces in the Wild, degraded as named (width in px, noise in grey levels, JPEG quality; "
        "'none' is not degraded), against sharp pictures; faces found by the detector in the degraded picture."
    ),
    message(
        "Real clips (YouTube Faces, up to five frames each), degraded as named, against sharp pictures of Labeled "
        "Faces in the Wild; face vectors of the frames averaged, as in the variant 'fused' of this report."
    ),
    message(
        "Probes of Labeled Faces in the Wild, degraded as named (width in px, noise in grey levels, JPEG quality; "
        "'none' is not degraded), against sharp pictures; landmarks carried over from the sharp picture."
    ),
    message(
        "Real clips (YouTube Faces, up to five frames each), degraded as named; face vectors of the frames averaged, "
        "as in the variant 'fused' of this report."
    ),
    message(
        "Restored pictures alone, landmarks known, against sharp ones; gains are over the original pixels of the same "
        "face. Restored pictures never decide in this report."
    ),
    message(
        "Share of pairs of different persons within a group that lie above the threshold which 1 % of all such pairs "
        "reach: the false accept rate by group (labels of UTKFace), faces 24 px wide."
    ),
)
RECORDED = (*STEPS, *WARNINGS, *SUPPORT, *NO_RATIO, *REFUSED, *EXPLAINED, *WITHHELD)
_WORDS = (*STRENGTHS, *UNCOVERED, *VALUES, *RANGES)
"""What the placeholders of these sentences can hold that is itself a sentence of this module."""
_SPACED = frozenset({"bin", "given", "name", "note", "numbers", "quantity", "range", "reason", "step", "strength"})
"""Placeholders that hold several words; all others hold one, so that no sentence fits another text by chance."""
_TEXT = re.compile(r"(?<=>)[^<>]+(?=</)")


def recorded(text: object, sentences: tuple[str, ...] = RECORDED) -> str:
    """Return recorded text, made inert, in the report's language where it is known, else marked as English."""
    plain = shown(text)
    if spoken().english or not any(character.isalpha() for character in plain):
        return plain
    found = _translated(plain, sentences)
    return f"{OPEN}{plain}{CLOSE}" if found is None else found


def known(text: str, sentences: tuple[str, ...]) -> str:
    """Return text in the report's language where it is one of some sentences, else as it is."""
    found = None if spoken().english else _translated(text, sentences)
    return text if found is None else found


def drawn(svg: str) -> str:
    """Return a plot whose words are in the report's language."""
    return svg if spoken().english else _TEXT.sub(lambda words: escape(known(unescape(words[0]), PLOTS)), svg)


def bare(text: str) -> str:
    """Return text without the marks, for places that cannot hold them."""
    return text.replace(OPEN, "").replace(CLOSE, "")


def _translated(text: str, sentences: tuple[str, ...]) -> str | None:
    for sentence in sentences:
        found = _pattern(sentence).fullmatch(text)
        if found is not None:
            return tr(sentence, **{name: _held(name, value) for name, value in found.groupdict().items()})
    return None


def _held(name: str, value: str) -> str:
    if name == "reason":
        return recorded(value, _WORDS)
    parts = value.split(" and ") if name == "given" else [value]
    return tr(" and ").join(known(part, _WORDS) for part in parts)


@lru_cache(maxsize=512)
def _pattern(sentence: str) -> re.Pattern[str]:
    """Return what matches a sentence, whatever its placeholders hold."""
    parts = re.split(r"\{(\w+)\}", sentence)
    return re.compile("".join(_held_by(part) if odd % 2 else re.escape(part) for odd, part in enumerate(parts)))


def _held_by(name: str) -> str:
    return f"(?P<{name}>{'.+?' if name in _SPACED else '[^ ]+'})"
