"""The networks that engines run, by the names that the weights registry has for them. Imports none of them."""

from __future__ import annotations

from typing import Final

UNET, AUTOENCODER = "restorer-unet", "restorer-autoencoder"
DLIB, DLIB_STUDENT = "dlib-resnet", "dlib-resnet-student"
ARCFACE, FACENET = "arcface-ir-se50", "inception-resnet-v1"
DETECTORS: Final = {"retinaface-mobile0.25": "mobile0.25", "retinaface-resnet50": "resnet50"}
"""With facexlib's names for them."""
RECOGNIZERS: Final = (DLIB, DLIB_STUDENT, ARCFACE, FACENET)
ENLARGERS: Final = ("rrdbnet-23", "srvgg-compact")
FACE_GENERATORS: Final = ("gfpgan-clean", "restoreformer")
OWN_RESTORERS: Final = (UNET, AUTOENCODER)
