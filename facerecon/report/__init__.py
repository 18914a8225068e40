"""The evidence report: one content, rendered to a self-contained HTML page and to PDF/A. Reads records, writes nothing."""
