"""Classical, deterministic image operations, each after a named paper. No learned model, no file access."""
