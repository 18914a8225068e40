"""Training of our own models: pictures, degradation on the fly, networks, losses, and a loop that can be interrupted.

Beside the engines the only package that imports torch. Never touches evidence or cases, and never opens a socket.
"""
