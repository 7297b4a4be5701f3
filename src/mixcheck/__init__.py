"""Fit, check and compare generalized linear mixed models."""

__version__ = "0.1.0"
