"""The parts of a formula, each a matrix to be made, and the columns they need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

from mixcheck.design.covariances import STRUCTURES
from mixcheck.design.formula import time_of
from mixcheck.design.model_formula import ModelFormula
from mixcheck.design.parts import Part, read_expression, read_part, read_times
from mixcheck.design.terms import render_factor
from mixcheck.errors import FormulaError

__all__ = ["Plan", "plan_formula"]


@dataclass(frozen=True)
class Plan:
    """Parts of a formula by key, and the columns they need."""

    response: dict[str, Part]
    predictors: dict[str, Part]
    groups: tuple[tuple[str, ...], ...]

    @cached_property
    def computed(self) -> dict[str, Part]:
        """Parts of the response that are more than a column."""
        return {key: part for key, part in self.response.items() if part.plain is None}

    @cached_property
    def left(self) -> frozenset[str]:
        """Names of columns and other values of the response."""
        return frozenset(name for part in self.response.values() for name in part.variables)

    @cached_property
    def right(self) -> frozenset[str]:
        """Names of columns and other values of the predictors and their groups."""
        return frozenset([*self.variables(response=False), *self.group_columns])

    @cached_property
    def group_columns(self) -> tuple[str, ...]:
        """Columns of the grouping factors."""
        return tuple(dict.fromkeys(name for group in self.groups for name in group))

    @cached_property
    def every_variable(self) -> tuple[str, ...]:
        """Names of columns and other values, those of the response too."""
        return self.variables(response=True)

    @cached_property
    def every_function(self) -> tuple[str, ...]:
        """Names of functions, those of the response too."""
        return self.functions(response=True)

    def parts(self, *, response: bool) -> list[Part]:
        """Every part, the response's by request."""
        return [*(self.response.values() if response else ()), *self.predictors.values()]

    def columns(self, *, response: bool) -> tuple[str, ...]:
        """Names that must be columns."""
        found = [name for part in self.parts(response=response) for name in part.lookups]
        return tuple(dict.fromkeys([*found, *self.group_columns]))

    def variables(self, *, response: bool) -> tuple[str, ...]:
        """Names of columns and other values."""
        found = [name for part in self.parts(response=response) for name in part.variables]
        return tuple(dict.fromkeys(found))

    def functions(self, *, response: bool) -> tuple[str, ...]:
        """Names of functions."""
        found = [name for part in self.parts(response=response) for name in part.functions]
        return tuple(dict.fromkeys(found))


@lru_cache(maxsize=256)
def plan_formula(formula: ModelFormula) -> Plan:
    """Parts of a formula, parsed."""
    response = {f"response {i}": read_expression(t) for i, t in enumerate(formula.response.parts)}
    parts: dict[str, Part] = {}
    groups: list[tuple[str, ...]] = []
    for name, predictor in formula.predictors:
        parts[name] = read_part(predictor.fixed)
        for i, text in enumerate(predictor.offsets):
            parts[f"{name} offset {i}"] = read_expression(text)
        for i, term in enumerate(predictor.random):
            times = time_of(term.effects) if STRUCTURES[term.structure].sequential else None
            parts[f"{name} random {i}"] = (
                read_part(term.effects) if times is None else read_times(render_factor(times))
            )
            groups.append(term.group)
    _require_other_predictors(response, {name: parts[name] for name, _ in formula.predictors})
    return Plan(response, parts, tuple(dict.fromkeys(groups)))


def _require_other_predictors(response: dict[str, Part], fixed: dict[str, Part]) -> None:
    """Refuse the response as a term of its own predictors, which R leaves out with a warning.

    Raises
    ------
    FormulaError
    """
    if len(response) != 1:
        return
    (left,) = (part.expression for part in response.values())
    for part in fixed.values():
        if any(term.factors == (left,) for term in part.terms):
            raise FormulaError(
                f"The response `{next(iter(response.values())).text}` stands among the predictors "
                "too, and would predict itself; leave it out on the right of `~`."
            )
