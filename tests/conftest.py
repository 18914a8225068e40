"""Fixtures for all tests, and the rule that a GPU test is skipped with a reason, or fails under REQUIRE_GPU=1."""
