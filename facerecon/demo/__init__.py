"""The demo: a rendered CCTV clip with its ground truth, and a gallery to compare it with."""

from facerecon.demo.clip import DemoClip, clean_frame, clock_text, eye_positions, face_box, render_clip, write_gallery

__all__ = ["DemoClip", "clean_frame", "clock_text", "eye_positions", "face_box", "render_clip", "write_gallery"]
