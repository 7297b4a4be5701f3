"""The candidates of a formula, and which of them are one change apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from mixcheck.design import ModelFormula, PredictorFormula
from mixcheck.errors import FamilyError
from mixcheck.families import Family, add_zeros
from mixcheck.selection.candidates import Candidate
from mixcheck.selection.random_parts import Effect, RandomPart, neighbouring_parts, part_of
from mixcheck.selection.terms import addable, droppable, split_terms

__all__ = ["Model", "Space", "model_of", "one_sided"]


@dataclass(frozen=True)
class Model:
    """All that a fit needs to be told, part by part.

    Attributes
    ----------
    response : str
    intercept : bool
    terms : tuple of str
        Fixed terms without the constant.
    random : tuple of RandomPart
    offsets : tuple of str
    family : Family
    zi, dispersion : str or None
        One-sided formulas.
    """

    response: str
    intercept: bool
    terms: tuple[str, ...]
    random: tuple[RandomPart, ...]
    offsets: tuple[str, ...]
    family: Family
    zi: str | None = None
    dispersion: str | None = None

    @property
    def formula(self) -> str:
        """The formula of the mean."""
        fixed = self.terms if self.intercept else ("0", *self.terms)
        parts = (
            *(fixed or ("1",)),
            *(str(part) for part in self.random if part.effects),
            *(f"offset({text})" for text in self.offsets),
        )
        return f"{self.response} ~ {' + '.join(parts)}"


def model_of(
    formula: ModelFormula, family: Family, zi: str | None = None, dispersion: str | None = None
) -> Model:
    """A formula taken apart into terms.

    Examples
    --------
    >>> from mixcheck.design import parse_formula
    >>> from mixcheck.families import Poisson
    >>> model_of(parse_formula("y ~ a * b + (b || g) + offset(e)"), Poisson()).formula
    'y ~ a + b + a:b + (1 | g) + (0 + b | g) + offset(e)'
    """
    mean = formula.predictor("mean")
    terms = split_terms(mean.fixed)
    return Model(
        response=formula.left_side,
        intercept="1" in terms,
        terms=tuple(term for term in terms if term not in ("0", "1")),
        random=tuple(map(part_of, mean.random)),
        offsets=mean.offsets,
        family=family,
        zi=zi,
        dispersion=dispersion,
    )


def one_sided(part: PredictorFormula) -> str:
    """A predictor as the text that ``zi=`` and ``dispersion=`` take."""
    pieces = (part.fixed, *map(str, part.random), *(f"offset({text})" for text in part.offsets))
    return f"~ {' + '.join(pieces)}"


@dataclass(frozen=True)
class Space:
    """Candidates within a model, and other families and parts.

    Attributes
    ----------
    full : Model
        With every term.
    families : tuple of Family
    zi, dispersion : tuple of str or None
        Choices.
    fixed, random : bool
        Whether fixed terms and random terms are dropped and added.
    kept_terms : frozenset of str
    kept_effects : frozenset of Effect
    joined : frozenset of str
        Effects with several columns.
    max_terms : int or None
        Most fixed terms that a candidate has; candidates then begin with the fewest.
    """

    full: Model
    families: tuple[Family, ...]
    zi: tuple[str | None, ...] = (None,)
    dispersion: tuple[str | None, ...] = (None,)
    fixed: bool = True
    random: bool = True
    kept_terms: frozenset[str] = frozenset()
    kept_effects: frozenset[Effect] = field(default_factory=frozenset)
    joined: frozenset[str] = frozenset()
    max_terms: int | None = None

    @property
    def largest(self) -> Candidate:
        """The full model."""
        return self.candidate(self._admitted(self.full))

    @property
    def start(self) -> Candidate:
        """Where candidates begin: the full model, or with few terms that of those that stay."""
        if self.max_terms is None or not self.fixed:
            return self.largest
        kept = tuple(term for term in self.full.terms if term in self.kept_terms)
        return self.candidate(self._admitted(replace(self.full, terms=kept)))

    def neighbours(self, candidate: Candidate) -> Iterator[Candidate]:
        """Candidates one change away."""
        model: Model = candidate.content
        for other in self._models_near(model):
            yield self.candidate(self._admitted(other))

    def _models_near(self, model: Model) -> Iterator[Model]:
        if self.fixed:
            for terms in self._terms_near(model.terms):
                yield replace(model, terms=terms)
        if self.random:
            near = neighbouring_parts(
                model.random, self.full.random, kept=self.kept_effects, joined=self.joined
            )
            for parts in near:
                yield replace(model, random=parts)
        for family in self.families:
            yield replace(model, family=family)
        for zi in self.zi:
            yield replace(model, zi=zi)
        for dispersion in self.dispersion:
            yield replace(model, dispersion=dispersion)

    def _terms_near(self, present: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for term in self.full.terms:
            if term in present:
                if term not in self.kept_terms and droppable(term, present):
                    yield tuple(other for other in present if other != term)
            elif len(present) != self.max_terms and addable(term, present, self.full.terms):
                yield tuple(other for other in self.full.terms if other in (*present, term))

    def _admitted(self, model: Model) -> Model:
        """The model without the parts that its family has no place for."""
        zi = model.zi if _takes_zeros(model.family) else None
        dispersion = model.dispersion if "dispersion" in model.family.predictors else None
        return replace(model, zi=zi, dispersion=dispersion)

    def candidate(self, model: Model) -> Candidate:
        """A model with its canonical name."""
        family = self._family_name(model.family)
        description = {"formula": model.formula, "family": family}
        if any(self.zi):
            description["zi"] = model.zi or ""
        if any(self.dispersion):
            description["dispersion"] = model.dispersion or ""
        extras = [family] if len(self.families) > 1 else []
        extras += [f"{name} {text}" for name, text in _parts(model) if description.get(name)]
        terms = [*model.terms, *(name for part in model.random for name in part.names), *extras]
        return Candidate(", ".join((model.formula, *extras)), description, tuple(terms), model)

    def _family_name(self, family: Family) -> str:
        alike = [other for other in self.families if other.name == family.name]
        return f"{family.name} ({family.link.name})" if len(alike) > 1 else family.name


def _takes_zeros(family: Family) -> bool:
    """Whether a family can have a zero part."""
    try:
        add_zeros(family)
    except FamilyError:
        return False
    return True


def _parts(model: Model) -> tuple[tuple[str, str], ...]:
    return ("zi", model.zi or ""), ("dispersion", model.dispersion or "")
