"""Measuring what an enhancement does: against pristine pictures, with intervals, failures listed.

Owns metrics, samples and their comparison. Never enhances, and loads no network: engines are handed in.
"""
