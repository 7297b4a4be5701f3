"""Small published tables, loaded by name."""

from mixcheck.datasets.tables import Dataset, available, describe, load

__all__ = ["Dataset", "available", "describe", "load"]
