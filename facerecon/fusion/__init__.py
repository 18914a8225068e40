"""Multi-frame fusion: several pictures of one face, registered and averaged into one with less noise and more detail.

No learned model. Every fused pixel is a weighted mean of recorded pixels, sharpened by a known amount; frames that do
not fit are rejected, each with its reason, and how many frames stand behind each pixel is part of the result.
"""

from facerecon.fusion.combination import Fused, fuse
from facerecon.fusion.registration import Registration, onto, register

__all__ = ["Fused", "Registration", "fuse", "onto", "register"]
