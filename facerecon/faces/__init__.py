"""Faces over time: alignment, quality, tracking, best shots. Works on original pixels; knows no model and no file."""
