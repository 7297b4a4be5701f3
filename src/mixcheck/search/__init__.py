"""Which models could have been fitted: the grammar of candidates, selection and remedies."""

from mixcheck.search.selecting import select
from mixcheck.search.suggestions import Suggestions, suggest

__all__ = ["Suggestions", "select", "suggest"]
