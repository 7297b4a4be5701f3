"""Comparisons of mixcheck with the outside world; nothing here is part of the package."""
