"""What a formula says: a response, and the terms of each linear predictor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from mixcheck.design.brackets import Source, scan
from mixcheck.design.covariances import DEFAULT
from mixcheck.design.nodes import quote_name

__all__ = [
    "CONSTANT",
    "ModelFormula",
    "PredictorFormula",
    "RandomTerm",
    "ResponseFormula",
    "find_tilde",
]


@dataclass(frozen=True)
class RandomTerm:
    """One random term: effects that vary between the levels of a grouping factor.

    Attributes
    ----------
    effects : str
        Right side in canonical text with the intercept written out, ``1 + x`` or ``0 + x``.
    group : tuple of str
        Columns that, crossed, make the grouping factor.
    structure : str
        Name of the covariance structure.
    arguments : tuple of str
        What stands behind the group: the name of a matrix.
    """

    effects: str
    group: tuple[str, ...]
    structure: str = DEFAULT
    arguments: tuple[str, ...] = ()

    @property
    def group_name(self) -> str:
        """Name of the grouping factor, ``a:b`` for crossed columns."""
        return ":".join(self.group)

    def __str__(self) -> str:
        prefix = "" if self.structure == DEFAULT else self.structure
        inside = ", ".join([":".join(map(quote_name, self.group)), *self.arguments])
        return f"{prefix}({self.effects} | {inside})"


@dataclass(frozen=True)
class PredictorFormula:
    """One linear predictor.

    Attributes
    ----------
    fixed : str
        Right side in canonical text with the intercept written out.
    random : tuple of RandomTerm
        Random terms in the order written.
    offsets : tuple of str
        Expressions added to the predictor with no coefficient.
    """

    fixed: str
    random: tuple[RandomTerm, ...] = ()
    offsets: tuple[str, ...] = ()

    def __hash__(self) -> int:
        # Of one text, which knows its own: predictors are looked up in each fit.
        return hash(self.fixed)

    def terms(self) -> tuple[str, ...]:
        """Everything that is summed, as text."""
        # Braces tell the parser that an expression is one; a reader does not need them.
        offsets = (f"offset({text[1:-1] if text[0] == '{' else text})" for text in self.offsets)
        return (self.fixed, *map(str, self.random), *offsets)


@dataclass(frozen=True)
class ResponseFormula:
    """Left side of a formula.

    Attributes
    ----------
    kind : {"single", "ratio", "cbind"}
        One expression; ``k / n``; or ``cbind(successes, failures)``.
    parts : tuple of str
        One expression, or the two.
    """

    kind: Literal["single", "ratio", "cbind"]
    parts: tuple[str, ...]


@dataclass(frozen=True)
class ModelFormula:
    """A formula taken apart.

    Attributes
    ----------
    text : str
        The formula of the mean as it was written.
    response : ResponseFormula
        Left side.
    predictors : tuple of (str, PredictorFormula)
        ``mean``, those that were given, such as ``dispersion`` and ``zi``, and the shapes.
    shapes : tuple of str
        Names of predictors that are one number for all rows, and that nothing was written of.
    """

    text: str
    response: ResponseFormula
    predictors: tuple[tuple[str, PredictorFormula], ...]
    shapes: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def left_side(self) -> str:
        """The response as it was written.

        Examples
        --------
        >>> from mixcheck.design import parse_formula
        >>> parse_formula("log(y+1) ~ x").left_side
        'log(y+1)'
        """
        source = scan(self.text)
        return source.part(0, find_tilde(source))

    def predictor(self, name: str) -> PredictorFormula:
        """Predictor called `name`."""
        return dict(self.predictors)[name]

    @property
    def others(self) -> tuple[str, ...]:
        """Formulas of the predictors beside the mean, a constant dispersion left out.

        Examples
        --------
        >>> from mixcheck.design import parse_formula
        >>> parse_formula("y ~ x", zi="~ z + (1 | g)", dispersion="~ 1").others
        ('zi ~ 1 + z + (1 | g)',)
        """
        return tuple(
            f"{name} ~ {' + '.join(part.terms())}"
            for name, part in self.predictors
            if name not in ("mean", *self.shapes)
            and not (name == "dispersion" and part == CONSTANT)
        )


CONSTANT: Final = PredictorFormula("1", (), ())


def find_tilde(source: Source) -> int:
    """Position of the one tilde."""
    tildes = source.find(0, len(source.text), "~")
    if not tildes:
        for alike in "\u223c\uff5e\u02dc":
            for at in source.find(0, len(source.text), alike)[:1]:
                source.fail(at, f"`{alike}` is not the `~` of a formula, but looks like it.")
        source.fail(len(source.text), "No `~` in the formula; write `response ~ predictors`.")
    if len(tildes) > 1:
        source.fail(tildes[1], "A second `~`; a formula has one, between response and predictors.")
    if not source.part(0, tildes[0]):
        source.fail(tildes[0], "No response before `~`; write `response ~ predictors`.")
    return tildes[0]
