"""The stages as functions over a case. Knows the Protocols of facerecon.stages, never torch; prints nothing."""
