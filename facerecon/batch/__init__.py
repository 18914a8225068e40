"""Whole archives: which sources there are, what each still needs, who works on them, and what became of every one.

Owns the walk, the names of the cases, the journal, the engines that run units of work, and the archive's index. Never
loads a model and never decodes: that happens in the workers, which are given by the name of what they run.
"""
