"""Findings and verdicts as sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mixcheck.display.numerals import format_number, format_pvalue
from mixcheck.report.finding import Effect

__all__ = ["effect_words", "interval_words", "join_words", "pvalue_words", "sentence"]


def interval_words(effect: Effect) -> str:
    """An effect in a cell of a table.

    Examples
    --------
    >>> interval_words(Effect("variance ratio", 2.31, 1.9, 2.8, 1.0))
    'variance ratio 2.31 [1.9, 2.8]'
    """
    if math.isnan(effect.value):
        return effect.label
    return f"{effect.label} {effect.interval}"


def effect_words(effect: Effect) -> str:
    """An effect with its interval and its value under the model, within a sentence.

    Examples
    --------
    >>> effect_words(Effect("variance ratio", 2.31, 1.9, 2.8, 1.0))
    'variance ratio 2.31 (95 % interval 1.9 to 2.8; 1 under the model)'
    """
    if math.isnan(effect.value):
        return f"{effect.label} could not be computed"
    notes = []
    value, low, high = effect.words
    if not (math.isnan(effect.low) and math.isnan(effect.high)):
        notes.append(f"95 % interval {low} to {high}")
    if not math.isnan(effect.null):
        notes.append(f"{format_number(effect.null)} under the model")
    words = f"{effect.label} {value}"
    return f"{words} ({'; '.join(notes)})" if notes else words


def _relation(pvalue: float) -> str:
    shown = format_pvalue(pvalue)
    return shown if shown.startswith("<") else f"= {shown}"


def pvalue_words(pvalue: float | None, adjusted: float | None, single: Sequence[float] = ()) -> str:
    """The p-values within a sentence, with the span of those of single randomisations.

    Examples
    --------
    >>> pvalue_words(0.0002, 0.0123)
    'p < 0.001, adjusted p = 0.012'
    >>> pvalue_words(0.21, None, (0.16, 0.33, 0.2))
    'p = 0.210 (0.160 to 0.330 by each of 3 randomisations)'
    """
    if pvalue is None or math.isnan(pvalue):
        return ""
    words = f"p {_relation(pvalue)}"
    if single and min(single) < max(single):
        low, high = format_pvalue(min(single)), format_pvalue(max(single))
        words += f" ({low} to {high} by each of {len(single)} randomisations)"
    return words if adjusted is None else f"{words}, adjusted p {_relation(adjusted)}"


def join_words(words: Sequence[str]) -> str:
    """Words as a list in a sentence.

    Examples
    --------
    >>> join_words(["zeros", "dispersion", "trend"])
    'zeros, dispersion and trend'
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def sentence(text: str) -> str:
    """A text that begins with a capital and ends with a full stop.

    Examples
    --------
    >>> sentence("the model has no counts")
    'The model has no counts.'
    """
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")
