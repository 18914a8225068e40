"""The report's fixed sentences. Owns what the report claims and does not claim; reviewed like code, changed with care.

House rule (DESIGN 2.7): "candidate", "similarity", "support"; never a word that states an identity.
"""

from __future__ import annotations

from facerecon.report.language import message
from facerecon.review import ReviewState

TITLE = message("Face examination report")
STATES: dict[ReviewState, str] = {
    "UNREVIEWED": message("UNREVIEWED"),
    "ONE REVIEW": message("ONE REVIEW"),
    "REVIEWED": message("REVIEWED"),
    "DISAGREED": message("DISAGREED"),
}
STATE_NOTES: dict[ReviewState, str] = {
    "UNREVIEWED": (
        message(
            "Made by a program and not yet examined by a person. It becomes a statement only when two examiners, "
            "independently of each other, have reviewed and signed it."
        )
    ),
    "ONE REVIEW": (
        message(
            "One person has reviewed these findings. It becomes a statement only when two examiners, independently of "
            "each other, have reviewed and signed it."
        )
    ),
    "REVIEWED": message("At least two persons have reviewed these findings, and all of them agree with the report."),
    "DISAGREED": message(
        "Those who reviewed these findings do not all agree with them; their reasons are in this report."
    ),
}
REVIEWS_CAPTION = message(
    "Reviews that were in the case when this report was made, oldest first. A review that is set back was about "
    "findings that have changed since, and does not count. A name is what was typed; only a signature whose key was "
    "checked by other means binds a review to a person."
)
REVIEWERS = (message("First examiner"), message("Second examiner, independent"))
REVIEW_FIELDS = (message("Name and function"), message("Finding"), message("Date and signature"))

TRACK = message(
    "A track is one unbroken appearance of one face. The same person may appear in several tracks, "
    "so the number of tracks is not a number of persons."
)
NOTHING_FOUND = message(
    "This is a result, and it does not exclude that persons appear in the footage: faces that are small, "
    "dark, blurred, covered or turned away can be missed."
)
NO_CANDIDATE = message("No candidate above the threshold does not exclude anyone.")
CANDIDATE = message(
    "A candidate is a gallery picture whose face is numerically similar. It is a suggestion for an examiner, "
    "not a statement of who the person is."
)
NO_RATIO = message(
    "No likelihood ratio is given: without a named calibration that holds for these pictures, a similarity says "
    "nothing about how strong the evidence is."
)
LIKELIHOOD_RATIO_SHORT = message(
    "A likelihood ratio says how strong a comparison is as evidence; what it is, what it is not, and the calibration "
    "it comes from stand in the section on the strength of evidence."
)
LIKELIHOOD_RATIO = message(
    "A likelihood ratio says how many times more probable a similarity of this size is if both sides show one "
    "person than if they show two different persons, in the conditions of the calibration. It is not the probability "
    "that the candidate is the person in the footage: that depends also on how probable it was before this comparison "
    "(the prior odds), which is for the court to weigh on all other evidence; the likelihood ratio multiplies these "
    "odds. To read a ratio of 40 as 'it is 40 times more probable that they are one person' is an error, known as the "
    "transposed conditional."
)
LIMITED = message("Limited: the ratio was cut to the most that its calibration can support.")
CALIBRATED_BUT_NONE = message(
    "Calibrations were at hand, but no comparison of this case lies in the conditions that they hold for, so no "
    "likelihood ratio is given; the reasons stand with the tracks."
)
SCALE_CAPTION = message(
    "The verbal scale, of the ENFSI Guideline for Evaluative Reporting in Forensic Science (European Network of "
    "Forensic Science Institutes, 2015), in both directions: a ratio above 1 supports the proposition that both sides"
    " show one person, a ratio below 1 the proposition that they show different persons. A band holds the end that "
    "lies nearer to 1, not the other."
)
BINS_CAPTION = message(
    "The bins of the calibration: the comparisons with known answer that each rests on, and the bounds of its "
    "likelihood ratios, beyond which the data supports none. Bins used for this case are set in bold."
)
MEASURES_CAPTION = message(
    "How well each bin does on comparisons with known answer; in brackets 95 % intervals, from resampling persons. "
    "Cllr is the cost of the likelihood ratios in bits: 0 would be perfect, 1 is no better than no evidence. Cllr_min"
    " is what would remain if the same order of similarities were calibrated perfectly (Brümmer, du Preez, "
    "Application-independent evaluation of speaker detection, Computer Speech and Language, 2006). Other persons: "
    "fitted on one half of the persons, measured on the other. EER: the rate at which false accepts and false rejects"
    " are equally frequent. True accepts at 1 %: the share of comparisons of one person that is accepted where 1 % of"
    " those of different persons is."
)
TIPPETT = message(
    "Tippett plot of bin {bin}, calibration {calibration}: for each likelihood ratio along the bottom (log10: 1 is "
    "10, 2 is 100, −1 is 1/10), the share of comparisons with known answer that had at least that ratio. Full line: "
    "{same} of one person. Dashed line: {different} of different persons. The further the lines lie apart, the better"
    " persons are told apart in these conditions; the dashed line to the right of 0 and the full line to the left of "
    "0 are the misleading ones."
)
EXPLANATION = message(
    "The pair that was compared, and MAPS over the same faces: how much the similarity falls when that part of the "
    "face is covered, from nothing (dark) to the largest fall (bright). They show what the comparison model reacts "
    "to, not which features two persons have in common, and they are no evidence themselves."
)
REGIONS_CAPTION = message(
    "Share of the whole fall of similarity per part of the track's face; the larger, the more of the similarity rests "
    "on this part."
)
NO_IMPOSTORS = message(
    "No calibration holds for this pair, so it is not known how often different persons are as similar by chance."
)
HOW_TO_READ = message(
    "Pictures marked ORIGINAL hold the pixels of the footage, unchanged; they are enlarged for viewing "
    "without interpolation, so every pixel is a square (some PDF viewers smooth them; the pixels in the "
    "file are the same). Pictures marked RESTORED, ENHANCED or FUSED were computed; they are aids for "
    "investigation, never stand without their original, and never decide a comparison."
)

ORIGINAL = message("ORIGINAL")
GALLERY = message("GALLERY")
MAP = message("MAP")
FRAMES_MAP = message("MAP: frames behind the fused picture")
DEVIATION_MAP = message("MAP: how far the fused frames differ")
CHANGE_MAP = message("MAP: what the model changed in the fused picture")
FUSED_DOUBT_MAP = message("MAP: error that the model expects in the fused picture")
DETAIL_MAP = message("MAP: detail beyond the original")
DOUBT_MAP = message("MAP: error that the model expects")
STEP = message("STEP {number}")
RESTORED = message("RESTORED")
ENHANCED = message("ENHANCED")
FUSED = message("FUSED")
CORRECTED = message("FUSED and RESTORED")
RESTORED_NOTE = message("Investigative aid, not original. A learned model may invent detail.")
FUSED_NOTE = message(
    "Computed from several recorded frames, no learned model. Investigative aid, not one recorded picture."
)
CORRECTED_NOTE = message(
    "The fused picture, corrected by a learned model in its own size. Investigative aid, not original: the model may "
    "invent detail. For the eye; it is compared with nobody."
)
ENHANCED_NOTE = message("Classical filters, no learned model. Investigative aid, not original.")
NOT_ENHANCED = message("No picture of this track was enhanced; the reason is listed under what was not processed.")
COMPARISON_CAPTION = message(
    "All pictures of a figure are drawn at the same size. The strip below a computed picture is part of its file "
    "and says that it is not original."
)
MAPS_CAPTION = message(
    "MAPS, not pictures. Frames behind each pixel of the fused picture: dark for one, yellow for all. Detail that "
    "the original is too coarse to hold: black for none, yellow for 24 grey levels or more; what lies there may "
    "be right or invented."
)
DEVIATION_CAPTION = message(
    "How far the fused frames differ: the spread (standard deviation) of their lightness round the fused value, once "
    "they are laid over each other and brought to one brightness; black for none, nearly white for {levels} grey "
    "levels or more, light grey where hardly more than one frame counts. Noise, movement, another expression and "
    "frames that do not lie exactly over each other make a place bright. A dark place is no proof that the picture is "
    "right there: compression can repeat one error in every frame, and what differs most counts little or nothing in "
    "the fused picture and in this map; there the map of frames is darker."
)
CHANGE_CAPTION = message(
    "What the model changed in the fused picture: the whole difference of the two, black for none, yellow for 24 grey "
    "levels or more. It may be right or invented; where it is dark, the picture is what the frames show."
)
UNCERTAINTY_CAPTION = message(
    "Error that the model expects: by how much, on average, the model itself reckons to be off at each pixel, learned "
    "from its training pictures; black for none and where the pixels are not the model's, yellow for 24 grey levels or "
    "more. It is no measurement of this picture, and a dark place is no proof that the detail there is right."
)
QUALITY_CAPTION = message(
    "Quality of the best shots, measured on original pixels. Bars: inter-eye distance to 40 px, "
    "sharpness to 0.30, fine detail to 0.10, brightness to 255, scores to 1."
)
QUALITY_LIMITS = message("Upright marks on bars: the least that the profile asks for: {limits}.")
OVERVIEW_CAPTION = message(
    "Each track: its best original picture, its time and quality, and the strongest candidate from original pixels. "
    "Computed pictures are aids and decide nothing."
)

VARIANT_TITLES = {
    "fused": message("Fused track: the face vectors of several original frames, averaged"),
    "original": message("Single best original frame"),
    "original+restored": message("Best original frame and its restored picture together: secondary, not for decision"),
    "fused-image": message("Picture fused from several frames: secondary, not for decision"),
    "restored": message("Restored picture: secondary, not for decision"),
}
VARIANT_NOTES = {
    "fused": message("Computed from original pixels. For decision."),
    "original": message("Computed from original pixels. For decision."),
    "original+restored": (
        message(
            "The mean of the original's face vector and the restored picture's. On pictures whose truth is known this "
            "was right more often than either alone, but half of it rests on computed pixels: it may support where to "
            "look, and must not be used for a decision."
        )
    ),
    "fused-image": (
        message(
            "Computed from a picture that is not one recorded frame; shown for transparency only, must not be used "
            "for a decision."
        )
    ),
    "restored": (
        message(
            "Computed from a restored picture. Restoration can move a face towards or away from any person, so "
            "this table is shown for transparency only and must not be used for a decision."
        )
    ),
}
SIMILARITY = message(
    "Similarity is the comparison model's own score, 1 for equal face vectors. It is neither a probability "
    "nor a likelihood ratio. The threshold is an operating point of the model, not a strength of evidence."
)

RENDERED = message(
    "Every picture of these files was computed and says so in its pixels. Outside the faces the pixels are the named "
    "upscaler's. Times are those of the source; the sound is the source's own, copied without decoding."
)
RENDERED_CAPTION = message("Files that were rendered from whole frames.")
PREPARED = message(
    "Before anything else looked at them, all frames were prepared; ORIGINAL here means the prepared frame: "
)

ACCOUNT_CAPTION = message("Account of all items: requested = written + failed + skipped.")
TRUTH_CAPTION = message(
    "Measured against known truth. Such figures exist only for material whose undamaged original is "
    "known; they say how the method did there, not how it did on other footage."
)

LIMITS: tuple[tuple[str, str], ...] = (
    (
        message("Similarity is not identity."),
        message(
            "A high similarity means that two pictures are close for one model. Different persons can be similar, and "
            "pictures of one person can be dissimilar. Who a person is, is for the court to find, on all of the "
            "evidence."
        ),
    ),
    (
        message("Strength of evidence."),
        message(
            "Where a likelihood ratio is given, it is bounded, holds for the named calibration only, and weighs the "
            "pictures, not the other circumstances of the case. Where none is given, no statement about strength is "
            "made."
        ),
    ),
    (
        message("Nobody is excluded."),
        message(
            "No candidate above the threshold does not exclude anyone. The person may be in the gallery and the "
            "pictures too poor, or may not be in the gallery at all."
        ),
    ),
    (
        message("Restored pictures may invent detail."),
        message(
            "A learned model fills in what faces usually look like. Marks, glasses, hair, teeth and wrinkles in a "
            "restored picture may not exist. Restored pictures are never used for the scores that decide."
        ),
    ),
    (
        message("Enhancement removes too."),
        message(
            "Denoising, brightening and enlargement, classical or learned, can remove real detail. The original stays "
            "the evidence."
        ),
    ),
    (
        message("Faces can be missed."),
        message(
            "Detection fails for small, dark, blurred, covered or turned faces, and it can take other things for "
            "faces. Frames that were sampled out or decoded badly were not searched; they are listed."
        ),
    ),
    (
        message("Error rates differ between groups of people."),
        message(
            "Face recognition makes more errors for some groups, by sex, age and origin, than for others: P. Grother, "
            "M. Ngan, K. Hanaoka, Face Recognition Vendor Test Part 3: Demographic Effects, NISTIR 8280, 2019, "
            "doi:10.6028/NIST.IR.8280. We measured it for dlib-resnet on 3,000 faces of UTKFace, 24 px wide: of all "
            "pairs of different persons 1 % lay above a threshold; of those within one group it was 11.5 % (labelled "
            "Asian), 3.4 % (Black), 2.7 % (Indian), 0.6 % (White), 1.8 % (female), 0.9 % (male) and 16 % (under 18). "
            "Its student dlib-lq, measured on 569 faces that it was not trained on, is no fairer: 11.7 %, 3.5 %, "
            "3.6 %, 0.5 %, 1.8 %, 1.0 % and 18 %. "
            "A likelihood ratio overstates the support for one person where the person's group is rare in the "
            "calibration's data set."
        ),
    ),
    (
        message("Tracks are not persons."),
        message(
            "A track ends when the face is lost. Two tracks may show one person; in crowds, one track may, by error, "
            "contain more than one."
        ),
    ),
    (
        message("Time is the container's time."),
        message(
            "Times are offsets from the start of the stream, computed from the file's own time stamps. They were not "
            "checked against real time; a recorder's clock can be wrong."
        ),
    ),
    (
        message("The footage itself was not examined."),
        message(
            "This report does not say whether the footage is authentic, complete or unedited before it was hashed."
        ),
    ),
)

CHAIN = message(
    "The ledger is a hash chain: every entry contains the digest of the one before. Editing, deleting or "
    "inserting an entry breaks the chain and is detected. A chain alone does not stop somebody who can write to "
    "the case from computing the whole chain anew. It proves integrity only together with a copy of the head "
    "digest that was kept elsewhere, for example this report, signed."
)
HEAD_NOTE = message(
    "This head covers every entry up to the making of this report. The entry that records the finished report "
    "follows it and is not listed here; the chain from this head to a later one can be checked."
)
DIGESTS_EQUAL = message("All recorded digests of the source are equal.")
DIGESTS_DIFFER = message(
    "The recorded digests of the source DIFFER. The source changed while it was examined; this report "
    "must not be relied on."
)
DIGEST_AFTER_MISSING = message(
    "The ledger holds no digest of the source taken after processing, so this report cannot say "
    "that the source was unchanged at the end."
)
GLYPH_NOTE = message(
    "The archival PDF embeds fonts for Latin, Greek, Cyrillic, Arabic and some other scripts. A character "
    "outside them is written as its Unicode number, [U+738B]. The HTML report shows it as it is."
)
AS_RECORDED = message(
    "Text that was recorded in this case stands as it was recorded, in English where the program wrote it and no "
    "translation of the sentence is known. Numbers, dates, times, names, digests, identifiers, the words in the "
    "pixels of pictures and the appendices stand as in the records, with a decimal point. Where translation and "
    "English report of the same case differ in meaning, the English report holds."
)
