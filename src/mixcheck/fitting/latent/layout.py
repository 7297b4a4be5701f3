"""The latent Gaussian system: which random effects meet in which rows.

The random effects of one grouping factor form blocks, one per level. A factor whose
levels each lie within one level of the next (nested) can be eliminated level by level;
several such factors are eliminated in turn. What is left (factors crossed with these,
and fixed effects where they are sought together with the random ones) is one matrix of
its own, their Schur complement. Index sets are found once per design, the order of elimination
in :mod:`mixcheck.fitting.latent.elimination_order`; the numbers are in
:mod:`mixcheck.fitting.latent.factorization`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.fitting.latent.elimination_rounds import Elimination, plan_elimination
from mixcheck.fitting.latent.factors import Factor, FixedEffects
from mixcheck.fitting.latent.group_sums import Summation
from mixcheck.fitting.latent.level_rows import LevelRows, rows_of_levels
from mixcheck.fitting.latent.meetings import Entries, Meetings
from mixcheck.fitting.latent.tridiagonal import Runs

__all__ = ["Gram", "Latent", "Pair"]

# Crossed effects up to which elimination costs more in calls than one matrix in arithmetic.
_MOST_DENSE = 150
# Effects are eliminated one by one where pairs of levels that meet are fewer than this for each,
# the Schur complement is as large as this, and the core is smaller than this share of it.
_FEW_MET = 5.0
_LEAST_SPARSE = 1_000
_MOST_CORE = 0.6


@dataclass(frozen=True, eq=False)
class Pair:
    """Pairs of levels of two factors that meet in some row.

    Attributes
    ----------
    sums : Summation
        Over the pair of each row.
    left, right : (P,) int
        Levels of the two factors in each pair.
    """

    sums: Summation
    left: IntArray
    right: IntArray


Gram = dict[tuple[int, int], FloatArray]


@dataclass(frozen=True, eq=False)
class Latent:
    """Random effects of a model, factors in the order in which they are eliminated.

    Attributes
    ----------
    factors : tuple of Factor
        The first `n_nested` are each nested in the next; levels of the first one alone
        may be tied, to their neighbours.
    n_nested : int
    pairs : mapping of (f, g), f <= g, to Pair
    random : Latent or None
        The same without fixed effects, where the last factor holds those.
    iterative : bool
        Whether its Schur complement is solved by iterations, and not formed.
    """

    factors: tuple[Factor, ...]
    n_nested: int
    pairs: Mapping[tuple[int, int], Pair]
    random: Latent | None = None
    iterative: bool = False

    @cached_property
    def iterated(self) -> Latent:
        """The same with a Schur complement that is solved by iterations."""
        out = replace(self, iterative=True)
        # What depends on the design alone is found once.
        out.__dict__.update({k: v for k, v in self.__dict__.items() if k not in out.__dict__})
        return out

    @cached_property
    def random_predictors(self) -> tuple[int, ...]:
        """Predictors that have random effects."""
        return tuple(sorted({c.predictor for f in self.factors for c in f.columns}))

    @cached_property
    def size(self) -> int:
        """Number of random effects."""
        return sum(f.q * f.m for f in self.factors)

    @cached_property
    def schur_factors(self) -> tuple[int, ...]:
        """Factors whose effects make up the Schur complement: all but the nested ones."""
        return tuple(range(self.n_nested, len(self.factors)))

    @cached_property
    def crossed(self) -> bool:
        """Whether some factor of random effects is crossed with the nested ones."""
        return any(self.factors[r].fixed is None for r in self.schur_factors)

    @property
    def dear(self) -> bool:
        """Whether a factorisation costs so much that steps reuse a nearby one."""
        return self.crossed and not self.iterative and not self.small

    @cached_property
    def small(self) -> bool:
        """Whether factors are crossed, and effects so few that one dense matrix holds them."""
        return self.crossed and not self.tied and self.size <= _MOST_DENSE

    @cached_property
    def places(self) -> IntArray:
        """Where entries on all pairs of levels stand in a dense matrix, by columns, (E,).

        In its lower triangle; pair by pair, each in the order of its block in a Gram.
        """
        left, right = self._ends
        out: IntArray = np.maximum(left, right) + self.size * np.minimum(left, right)
        return out

    @cached_property
    def _ends(self) -> tuple[IntArray, IntArray]:
        """The two effects of the entries on all pairs of levels, (E,) each."""
        starts = np.cumsum([0, *(factor.q * factor.m for factor in self.factors)]).tolist()
        lefts, rights = [], []
        for (f, g), pair in self.pairs.items():
            one, other = self.factors[f], self.factors[g]
            for c, d in product(range(one.q), range(other.q)):
                lefts.append(starts[f] + c * one.m + pair.left)
                rights.append(starts[g] + d * other.m + pair.right)
        return np.concatenate(lefts), np.concatenate(rights)

    @cached_property
    def sparse(self) -> bool:
        """Whether crossed effects meet so few others that most are eliminated without a matrix."""
        crossed = self.crossed and not self.tied
        few = sum(pair.left.size for pair in self.pairs.values()) < _FEW_MET * self.size
        if not crossed or not few or self.schur_size < _LEAST_SPARSE:
            return False
        return self.plan.core.size < _MOST_CORE * self.schur_size

    @cached_property
    def plan(self) -> Elimination:
        """The order in which effects are eliminated one by one; fixed ones are not."""
        held = np.zeros(self.size, dtype=np.bool_)
        if self.fixed is not None:
            held[-self.factors[-1].q :] = True
        return plan_elimination(self.size, *self._ends, held)

    @cached_property
    def plan_places(self) -> IntArray:
        """Where entries on all pairs of levels stand in that plan, (E,)."""
        return self.plan.places(*self._ends)

    @cached_property
    def forest(self) -> bool:
        """Whether factors are nested and their levels independent, and all effects random."""
        return not self.schur_factors and not self.tied

    @cached_property
    def tied(self) -> bool:
        """Whether the levels of some factor are not independent."""
        return any(f.ties is not None for f in self.factors)

    @cached_property
    def runs(self) -> dict[tuple[int, int], Runs]:
        """Order of the pairs of the first factor, tied, by block and level of a factor outside."""
        out: dict[tuple[int, int], Runs] = {}
        if not self.n_nested or not self.factors[0].neighbours:
            return out
        ties = self.factors[0].ties
        assert ties is not None
        for r in self.schur_factors:
            if self.factors[r].fixed is None:
                pair = self.pairs[0, r]
                order = np.lexsort((pair.left, pair.right, ties.blocks[pair.left]))
                out[0, r] = Runs(order, pair.left[order])
        return out

    @cached_property
    def meetings(self) -> tuple[Meetings, ...]:
        """By nested factor: which effects of the Schur complement each of its levels meets.

        Entries are those of the pairs with each factor, one column after another.
        """
        columns = [
            (r, self.schur_offsets[r] + d * self.factors[r].m)
            for r in self.schur_factors
            for d in range(self.factors[r].q)
        ]
        out = []
        for f in range(self.n_nested):
            pairs = [(self.pairs[f, r], start) for r, start in columns]
            rows = np.concatenate([pair.left for pair, _ in pairs])
            places = np.concatenate([start + pair.right for pair, start in pairs])
            out.append(Meetings(rows, places, self.schur_size))
        return tuple(out)

    @cached_property
    def coupling_entries(self) -> Entries:
        """Of the coupling of all nested factors with the Schur complement, a row for each effect.

        By nested factor, effect of it, crossed factor and effect of that.
        """
        rows, columns, start = [], [], 0
        for f in range(self.n_nested):
            met = self.meetings[f]
            q, m = self.factors[f].shape
            rows += [start + a * m + met.rows for a in range(q)]
            columns += [met.columns] * q
            start += q * m
        return Entries(np.concatenate(rows), np.concatenate(columns), (start, self.schur_size))

    @cached_property
    def rest_entries(self) -> Entries:
        """Of the system of the crossed factors: both triangles, by pair of factors and effects."""
        rows, columns = [], []
        for r in self.schur_factors:
            for s in range(r, len(self.factors)):
                pair = self.pairs[r, s]
                for c, d in product(range(self.factors[r].q), range(self.factors[s].q)):
                    left = self.schur_offsets[r] + c * self.factors[r].m + pair.left
                    right = self.schur_offsets[s] + d * self.factors[s].m + pair.right
                    rows += [left] if r == s else [left, right]
                    columns += [right] if r == s else [right, left]
        size = self.schur_size
        return Entries(np.concatenate(rows), np.concatenate(columns), (size, size))

    def place_of(self, factor: Factor) -> int:
        """Position of one of the factors."""
        return next(i for i, f in enumerate(self.factors) if f is factor)

    @property
    def fixed(self) -> FixedEffects | None:
        """The fixed effects among the latent ones."""
        return self.factors[-1].fixed if self.factors else None

    @cached_property
    def products(self) -> dict[tuple[int, int, int, int], FloatArray | None]:
        """Products of two covariates, by (factor, factor, column, column)."""
        out: dict[tuple[int, int, int, int], FloatArray | None] = {}
        for f, g in self.pairs:
            if self.factors[g].fixed is not None:
                continue
            for c, left in enumerate(self.factors[f].columns):
                for d, right in enumerate(self.factors[g].columns):
                    if f != g or c <= d:
                        out[f, g, c, d] = _product(left.covariate, right.covariate)
        return out

    @cached_property
    def nested_sums(self) -> dict[tuple[int, int], Summation]:
        """Sums over the levels of nested factor f within each level of a later factor g."""
        nested = range(self.n_nested)
        return {
            (f, g): Summation(self.pairs[f, g].right, self.factors[g].m)
            for f in nested
            for g in nested[f + 1 :]
        }

    @cached_property
    def crossed_sums(self) -> dict[tuple[int, int, int], Summation]:
        """Sums over the pairs (f, r) within the pair (g, r) that holds them, f nested in g."""
        return {
            (f, g, r): self._sums_of_pairs(f, g, r)
            for f, g in self.nested_sums
            for r in self.schur_factors
        }

    def _sums_of_pairs(self, f: int, g: int, r: int) -> Summation:
        inner, outer, m = self.pairs[f, r], self.pairs[g, r], self.factors[r].m
        wanted = self.pairs[f, g].right[inner.left] * m + inner.right
        return Summation(np.searchsorted(outer.left * m + outer.right, wanted), outer.left.size)

    @cached_property
    def schur_offsets(self) -> dict[int, int]:
        """Where each factor starts in the Schur complement."""
        sizes = [self.factors[r].q * self.factors[r].m for r in self.schur_factors]
        return dict(
            zip(self.schur_factors, np.concatenate([[0], np.cumsum(sizes)]).tolist(), strict=False)
        )

    @cached_property
    def schur_size(self) -> int:
        """Order of the Schur complement."""
        return sum(self.factors[r].q * self.factors[r].m for r in self.schur_factors)

    def zeros(self) -> list[FloatArray]:
        """One zero per random effect, an array (q, m) per factor."""
        return [np.zeros(f.shape) for f in self.factors]

    @cached_property
    def level_rows(self) -> tuple[LevelRows | None, ...]:
        """By factor the rows of its levels side by side, where that saves time."""
        return tuple(map(rows_of_levels, self.factors))

    def gather(self, effects: Sequence[FloatArray], n_predictors: int) -> list[FloatArray | None]:
        """``sum_f Z_f b_f`` of effects (q, m) per factor, for each predictor; None for zero."""
        out: list[FloatArray | None] = [None] * n_predictors
        for factor, levels, effect in zip(self.factors, self.level_rows, effects, strict=True):
            if levels is not None:
                _add(out, levels.predictor, levels.gather(effect))
                continue
            if factor.fixed is not None:
                _add(out, 0, factor.fixed.X @ effect[:, 0])
                continue
            spread = factor.sums.spread
            for column, values in zip(factor.columns, effect, strict=True):
                part = spread(values)
                if column.covariate is not None:
                    part = part * column.covariate
                _add(out, column.predictor, part)
        return out

    def scatter(self, rows: Mapping[int, FloatArray]) -> list[FloatArray]:
        """``Z' r`` for a row vector per predictor: an array (q, m) per factor."""
        return [
            _scatter(factor, rows) if levels is None else levels.scatter(rows[levels.predictor])
            for factor, levels in zip(self.factors, self.level_rows, strict=True)
        ]

    def gram(self, weights: Mapping[tuple[int, int], FloatArray]) -> Gram:
        """``Z' W Z`` on the pairs of levels that meet, (q_f, q_g, P) per pair of factors.

        Parameters
        ----------
        weights : mapping of (a, b), a <= b, to (n,)
            Curvature in predictors a and b; absent means zero.
        """
        return {key: self._gram_block(key, weights) for key in self.pairs}

    def _gram_block(
        self, key: tuple[int, int], weights: Mapping[tuple[int, int], FloatArray]
    ) -> FloatArray:
        f, g = key
        sums = self.pairs[key].sums
        left, right = self.factors[f].columns, self.factors[g].columns
        fixed, levels = self.factors[g].fixed, self.level_rows[f]
        if fixed is not None:
            return _gram_with_fixed(self.factors[f], fixed, weights)
        if f == g and levels is not None:
            weight = weights.get((levels.predictor, levels.predictor))
            if weight is None:
                return np.zeros((len(left), len(left), sums.size))
            return levels.gram(weight)
        if len(left) == len(right) == 1:
            return self._gram_entry(key, 0, 0, weights, sums)[None, None]
        out = np.empty((len(left), len(right), sums.size))
        for c in range(len(left)):
            for d in range(len(right)):
                if f == g and d < c:
                    out[c, d] = out[d, c]
                else:
                    out[c, d] = self._gram_entry(key, c, d, weights, sums)
        return out

    def _gram_entry(
        self,
        key: tuple[int, int],
        c: int,
        d: int,
        weights: Mapping[tuple[int, int], FloatArray],
        sums: Summation,
    ) -> FloatArray:
        f, g = key
        a, b = self.factors[f].columns[c].predictor, self.factors[g].columns[d].predictor
        weight = weights.get((a, b) if a <= b else (b, a))
        if weight is None:
            return np.zeros(sums.size)
        product = self.products[f, g, c, d]
        return sums(weight if product is None else weight * product)

    def leverages(self, inverse: Gram) -> dict[tuple[int, int], FloatArray]:
        """``z_ia' V z_ib`` for each pair of predictors a <= b with random effects.

        Parameters
        ----------
        inverse : Gram
            Blocks of V on the pairs of levels that meet.
        """
        out: dict[tuple[int, int], FloatArray] = {}
        for (f, g), block in inverse.items():
            fixed = self.factors[g].fixed
            if fixed is not None:
                _add_fixed_leverages(self.factors[f], fixed, block, out)
                continue
            levels = self.level_rows[f]
            if f == g and levels is not None:
                key = levels.predictor, levels.predictor
                part = levels.leverages(block)
                out[key] = out[key] + part if key in out else part
                continue
            for c, left in enumerate(self.factors[f].columns):
                for d, right in enumerate(self.factors[g].columns):
                    if f == g and d < c:
                        continue
                    a, b = left.predictor, right.predictor
                    part = self.pairs[f, g].sums.spread(block[c, d])
                    product = self.products[f, g, c, d]
                    if product is not None:
                        part = part * product
                    # An off-diagonal entry occurs twice in z_a' V z_a, once in z_a' V z_b.
                    if a == b and (f != g or c != d):
                        part = 2.0 * part
                    key = (a, b) if a <= b else (b, a)
                    out[key] = out[key] + part if key in out else part
        return out


def _add(out: list[FloatArray | None], k: int, part: FloatArray) -> None:
    before = out[k]
    out[k] = part if before is None else before + part


def _gram_with_fixed(
    factor: Factor, fixed: FixedEffects, weights: Mapping[tuple[int, int], FloatArray]
) -> FloatArray:
    """``Z' W X``, (q, p, m); ``X' W X`` for the fixed effects themselves."""
    X = fixed.X
    if factor.fixed is not None:
        return ((X * weights[0, 0][:, None]).T @ X)[:, :, None]
    out = np.zeros((factor.q, X.shape[1], factor.m))
    for target, column in zip(out, factor.columns, strict=True):
        weight = weights.get((0, column.predictor))
        if weight is not None:
            row = weight if column.covariate is None else weight * column.covariate
            for d, x in enumerate(X.T):
                target[d] = factor.sums(row * x)
    return out


def _add_fixed_leverages(
    factor: Factor,
    fixed: FixedEffects,
    block: FloatArray,
    out: dict[tuple[int, int], FloatArray],
) -> None:
    """Add ``z' V x`` of each row, and its mirror image, to the leverages."""
    X = fixed.X
    if factor.fixed is not None:
        parts = [(0, np.einsum("ij,ij->i", X @ block[:, :, 0], X))]
    else:
        parts = []
        for column, rows in zip(factor.columns, block, strict=True):
            part = np.zeros(X.shape[0])
            for x, values in zip(X.T, rows, strict=True):
                part += factor.sums.spread(values) * x
            if column.covariate is not None:
                part *= column.covariate
            parts.append((column.predictor, 2.0 * part if column.predictor == 0 else part))
    for a, part in parts:
        key = (0, a)
        out[key] = out[key] + part if key in out else part


def _product(left: FloatArray | None, right: FloatArray | None) -> FloatArray | None:
    if left is None or right is None:
        return right if left is None else left
    return left * right


def _scatter(factor: Factor, rows: Mapping[int, FloatArray]) -> FloatArray:
    if factor.fixed is not None:
        return (factor.fixed.X.T @ rows[0])[:, None]
    if factor.q == 1 and factor.columns[0].covariate is None:
        return factor.sums(rows[factor.columns[0].predictor])[None]
    out = np.empty(factor.shape)
    for target, column in zip(out, factor.columns, strict=True):
        row = rows[column.predictor]
        target[:] = factor.sums(row if column.covariate is None else row * column.covariate)
    return out
