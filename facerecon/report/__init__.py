"""The evidence report: one content, drawn as a self-contained HTML page and as PDF/A. Reads records, writes nothing."""
