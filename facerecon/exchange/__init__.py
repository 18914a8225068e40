"""A case in the words of others: CASE/UCO as JSON-LD (R33). Reads a case, writes nothing into it, judges nothing."""
