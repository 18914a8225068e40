"""Processing profiles: a readable YAML file that decides everything a run does.

Never runs anything: a profile is data. Unknown keys and values out of range are errors that name the key.
"""

from facerecon.profiles.loading import first_problem, load_profile, overridden, read_profile, shipped_profiles, validate
from facerecon.profiles.schema import INTERPOLATIONS, Enhance, Fuse, Output, Profile
from facerecon.profiles.sections import (
    BroughtModel,
    Detect,
    Extract,
    Lens,
    Motion,
    Recognize,
    Sample,
    Section,
    Shots,
    Stretch,
    Track,
)
from facerecon.profiles.steps import (
    ENLARGING_KINDS,
    LEARNED_KINDS,
    ClassicalStep,
    FusedRestore,
    NlmeansMultiStep,
    ResizeStep,
    RestoreStep,
    Step,
    WhiteBalanceStep,
    not_a_corrector,
)

__all__ = [
    "ENLARGING_KINDS",
    "INTERPOLATIONS",
    "LEARNED_KINDS",
    "BroughtModel",
    "ClassicalStep",
    "Detect",
    "Enhance",
    "Extract",
    "Fuse",
    "FusedRestore",
    "Lens",
    "Motion",
    "NlmeansMultiStep",
    "Output",
    "Profile",
    "Recognize",
    "ResizeStep",
    "RestoreStep",
    "Sample",
    "Section",
    "Shots",
    "Step",
    "Stretch",
    "Track",
    "WhiteBalanceStep",
    "first_problem",
    "load_profile",
    "not_a_corrector",
    "overridden",
    "read_profile",
    "shipped_profiles",
    "validate",
]
