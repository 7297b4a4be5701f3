"""Which models could have been fitted: the grammar of candidates, selection and remedies."""

from mixcheck.selection.select import select
from mixcheck.selection.suggestions import Suggestions, suggest

__all__ = ["Suggestions", "select", "suggest"]
