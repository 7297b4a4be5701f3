"""How a fitted model sees a data set: residuals, moments and random effects."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from mixcheck.arguments.options import require_choice
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.families import Family
from mixcheck.fitting.estimation.information import NO_VARIANCE
from mixcheck.fitting.latent.roots import (
    Root,
    scale,
    spread,
    units_of,
    whiten_effects,
)
from mixcheck.fitting.latent.row_variances import variances_of_rows
from mixcheck.fitting.likelihood.copies import Copies
from mixcheck.fitting.likelihood.mode import Mode, predictors
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.predictive.copy_rows import CopyMasses, CopyRows, Masses, Rates
from mixcheck.fitting.predictive.posterior import draw_posterior
from mixcheck.fitting.predictive.transforms import (
    CopyTransform,
    Known,
    KnownNormal,
    Transforms,
    known_spread,
)
from mixcheck.port import (
    CONDITIONINGS,
    Conditioning,
    DataView,
)
from mixcheck.predictive import (
    ConditionalDistribution,
    Distribution,
    MarginalDistribution,
    quantile_residuals,
)

__all__ = [
    "AtModes",
    "RowsAtModes",
    "Viewpoint",
    "beside_mean",
    "make_views",
    "name_terms",
    "observe",
    "require_conditioning",
    "respond",
    "see_modes",
    "see_undrawn",
    "see_with",
]

# Times that levels outside the domain of a link are drawn again; at first with all that they meet.
_MOST_DRAWS = 500
_WHOLE_DRAWS = 100


Kept = TypeVar("Kept")


@dataclass(frozen=True, eq=False)
class Viewpoint:
    """A problem at fixed parameters.

    Attributes
    ----------
    problem : Problem
    psi : (P,)
        Estimates.
    like : Viewpoint or None
        One of the same rows, as of the fit of which this is a refit; they have the same ranks.
    """

    problem: Problem
    psi: FloatArray
    like: Viewpoint | None = None

    def of_refit(self, problem: Problem, psi: FloatArray) -> Viewpoint:
        """The view of the same rows at other parameters, and perhaps with another response."""
        return Viewpoint(problem, psi, self.like or self)

    @cached_property
    def base(self) -> list[FloatArray]:
        """Predictors without random effects, (n,) each."""
        return self.problem.fixed(self.psi)

    @cached_property
    def roots(self) -> list[Root]:
        """The root of each factor."""
        return self.problem.roots(self.psi[self.problem.n_beta :])

    @cached_property
    def variances(self) -> FloatArray:
        """Coefficients of all parts but the mean, and variances of random effects, (.., p)."""
        return beside_mean(self.problem, self.psi, self.roots, self.information_of_levels)

    @cached_property
    def information_of_levels(self) -> list[FloatArray]:
        """``diag Z'WZ`` of each factor, the mean over its levels without random effects, (q,)."""
        if self.like is not None:
            return self.like.information_of_levels
        weights = self.problem.step_information(self.base)
        gram = self.problem.latent.gram(weights)
        return [gram[f, f].diagonal().mean(axis=0) for f in range(len(self.roots))]

    @cached_property
    def copies(self) -> Copies:
        """The design of the problem, as often as it is asked for."""
        return Copies(self.problem) if self.like is None else self.like.copies

    @cached_property
    def _kept(self) -> dict[Hashable, Any]:
        return {}

    def keep(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """What depends on the view alone, made when it is first asked for."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: Kept = self._kept[key]
        return kept

    @cached_property
    def places(self) -> IntArray:
        """Which row stands at each place of that order; see `ranks`."""
        return np.argsort(self.ranks) if self.like is None else self.like.places

    @cached_property
    def ranks(self) -> IntArray:
        """Place of each row in an order that depends on what the rows hold, not where they are."""
        return _content_ranks(self.problem) if self.like is None else self.like.ranks

    @cached_property
    def sizes_by_contents(self) -> FloatArray | None:
        """Numbers of trials in that order, (n,)."""
        if self.like is not None:
            return self.like.sizes_by_contents
        size = self.problem.data.size
        return None if size is None else size[self.places]

    @cached_property
    def _sets(self) -> tuple[IntArray, list[IntArray]]:
        """Sets of levels that meet or are tied: that of each row (n,), and of each level (m,)."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        factors = self.problem.latent.factors
        ends = np.cumsum([0, *(factor.independent.size for factor in factors)])
        blocks = [a + f.independent.index for a, f in zip(ends, factors, strict=False)]
        left, right = np.tile(blocks[0], len(blocks)), np.concatenate(blocks)
        links = csr_array((np.ones(left.size), (left, right)), shape=(ends[-1], ends[-1]))
        _, labels = connected_components(links, directed=False)
        own = [np.arange(f.m) if f.ties is None else f.ties.blocks for f in factors]
        return labels[blocks[0]], [labels[a + k] for a, k in zip(ends, own, strict=False)]

    def new_effects(self, rng: np.random.Generator) -> list[FloatArray]:
        """Standardised random effects, (q, m) per factor, that leave no predictor outside.

        Where a link does not map the whole line to means, as the identity for counts, the
        likelihood gives no weight to effects whose predictors leave its domain: under it, effects
        are normal given that they stay inside. So all levels that meet a row outside, directly or
        through others, are drawn again, which is rejection sampling; where so many meet that this
        comes to no end, the levels of rows outside alone.

        Raises
        ------
        ConvergenceError
            If some row stays outside however often its levels are drawn.
        """
        white = [rng.standard_normal(f.shape) for f in self.problem.latent.factors]
        for count in range(_MOST_DRAWS):
            u = [spread(root, e) for root, e in zip(self.roots, white, strict=True)]
            if not self.problem.family.may_leave:
                return u
            density = self.problem.family.log_density(self.problem.data, self.eta(u))
            outside = np.flatnonzero(~np.isfinite(density))
            if not outside.size:
                return u
            for f, (effects, factor) in enumerate(
                zip(white, self.problem.latent.factors, strict=True)
            ):
                if count < _WHOLE_DRAWS:
                    rows, levels_of = self._sets
                    levels = np.flatnonzero(np.isin(levels_of[f], rows[outside]))
                else:
                    levels = np.unique(factor.sums.index[outside])
                    if factor.ties is not None:
                        levels = factor.ties.together(levels)
                effects[:, levels] = rng.standard_normal((factor.q, levels.size))
        raise ConvergenceError(
            f"simulated random effects take {outside.size} predictors out of the domain of the "
            f"{self.problem.family.link.name} link however often they are drawn; choose a link "
            "that takes every predictor, such as the log"
        )

    def eta(self, u: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
        """Predictors at random effects u."""
        return tuple(predictors(self.problem, self.base, self.roots, u))


def beside_mean(
    one: Problem, psi: FloatArray, roots: Sequence[Root], information: Sequence[FloatArray]
) -> FloatArray:
    """What the parameters (.., P) say of all but the mean, (.., p).

    Coefficients of the other parts, and the variances ``v = diag(Lambda Lambda')`` of each factor.
    A variance of which the data of a level with information c can tell nothing, ``c v`` below a
    millionth, is zero: what a search leaves of none is rounding, and says nothing by its order.
    """
    coefficients = psi[..., one.beta_slices[0].stop : one.n_beta]
    variances = []
    for root, known in zip(roots, information, strict=True):
        found = np.sum(units_of(root) ** 2, axis=1).T
        variances.append(np.where(known * found < NO_VARIANCE**2, 0.0, found))
    return np.concatenate([coefficients, *variances], axis=-1)


def _content_ranks(problem: Problem) -> IntArray:
    hashes = pd.util.hash_pandas_object(problem.contents(), index=False).to_numpy()
    ranks = np.empty(problem.n, dtype=np.intp)
    ranks[np.argsort(hashes, kind="stable")] = np.arange(problem.n)
    return ranks


def respond(view: Viewpoint, u: Sequence[FloatArray], rng: np.random.Generator) -> FloatArray:
    """Simulate a response given random effects, (n,) in the fitter's order."""
    problem = view.problem
    rows = view.places
    eta = tuple(np.take(part, rows) for part in view.eta(u))
    return np.take(problem.family.sample(eta, view.sizes_by_contents, rng), view.ranks)


def require_conditioning(conditioning: str) -> None:
    """Refuse a conditioning that there is not."""
    require_choice("conditioning", conditioning, CONDITIONINGS)


def observe(
    view: Viewpoint, mode: Mode, conditioning: Conditioning, rng: np.random.Generator
) -> DataView:
    """See the data of the problem.

    Parameters
    ----------
    view : Viewpoint
    mode : Mode
        Conditional modes at the view's parameters.
    conditioning : {"posterior", "marginal", "mode"}
    rng : Generator
    """
    require_conditioning(conditioning)
    u = mode.point.u
    if conditioning == "posterior":
        u = draw_posterior(view.problem, view.base, mode, rng).u
    uniform = rng.random(view.problem.n)[view.ranks]
    spread = known_spread(view.problem, mode.roots, [mode.system])
    (seen,) = make_views(view, mode.point.u, u, conditioning, uniform, spread)
    return seen


def make_views(
    view: Viewpoint,
    modes: Sequence[FloatArray],
    u: Sequence[FloatArray],
    conditioning: Conditioning,
    uniform: FloatArray,
    spread: Callable[[], FloatArray],
    copies: int = 1,
) -> Iterator[DataView]:
    """See one data set, or several that stand one after another in a view.

    Parameters
    ----------
    view : Viewpoint
    modes, u : list of (q, copies m)
        Conditional modes of the random effects, and those that the data are seen with.
    conditioning : {"posterior", "marginal", "mode"}
    uniform : (copies n,)
        Uniform numbers of the rows, in the fitter's order.
    spread : callable
        See `known_spread`.
    copies : int
    """
    return see_with(view, see_modes(view, modes, spread, copies), u, conditioning, uniform)


@dataclass(frozen=True, eq=False)
class AtModes:
    """What of a view does not depend on the effects that data are seen with.

    Attributes
    ----------
    copies : int
    rows : mapping of str to (copies, n)
        The response, and moments at zero and at the modes, by their names in a data view.
    rates : Rates
        Predictors at the modes and derivatives in them.
    eta : tuple of (copies n,)
        The same predictors.
    masses : Masses or None
        Probabilities of values at the modes; None without any.
    transform : Transforms
        Where the responses stand given the data.
    levels : mapping of str to list of (m, q)
        The modes of each copy by term.
    estimates : (copies, P)
        See `Viewpoint.variances`.
    """

    copies: int
    rows: Mapping[str, FloatArray]
    rates: Rates
    eta: tuple[FloatArray, ...]
    masses: Masses | None
    transform: Transforms
    levels: Mapping[str, list[FloatArray]]
    estimates: FloatArray


@dataclass(frozen=True, eq=False)
class RowsAtModes:
    """What a search for the modes knows of the rows there.

    Attributes
    ----------
    eta, scores : tuple of (copies n,)
        Each predictor, and the derivative of the log density in it.
    """

    eta: tuple[FloatArray, ...]
    scores: tuple[FloatArray, ...]


def see_modes(
    view: Viewpoint,
    modes: Sequence[FloatArray],
    spread: Callable[[], FloatArray],
    copies: int = 1,
    known: RowsAtModes | None = None,
) -> AtModes:
    """The part of what `make_views` sees that needs the modes alone."""
    problem, family, size = view.problem, view.problem.family, view.problem.data.trials
    at_mode = view.eta(modes) if known is None else known.eta
    mean, variance = family.moments(at_mode, size)
    rows = {
        "response": problem.data.y,
        "fitted": family.mean(tuple(view.base), size),
        "mode_mean": mean,
        "mode_variance": variance,
    }
    ordered = {name: problem.to_design(values).reshape(copies, -1) for name, values in rows.items()}
    masses = None
    if family.has_atoms:
        masses = Masses(ConditionalDistribution(family, at_mode, size), problem, copies)
    effects = [scale(root, part) for root, part in zip(view.roots, modes, strict=True)]
    named = name_effects(problem, effects)
    levels = {name: np.split(values, copies) for name, values in named.items()}
    transform = Transforms(problem, copies, KnownNormal(problem, at_mode, spread))
    rates = Rates(at_mode, problem, copies, None if known is None else known.scores)
    estimates = np.broadcast_to(view.variances, (copies, view.variances.shape[-1]))
    return AtModes(copies, ordered, rates, at_mode, masses, transform, levels, estimates)


def see_with(
    view: Viewpoint,
    at_modes: AtModes,
    u: Sequence[FloatArray],
    conditioning: Conditioning,
    uniform: FloatArray,
) -> Iterator[DataView]:
    """See data sets of which the part at the modes is known, with random effects u.

    Residuals are ``F(y-) + U (F(y) - F(y-))``, F given ``eta = o + X beta + Z Lambda u``; marginal
    ones with F averaged over ``N(o + X beta, z' Lambda Lambda' z)``.
    """
    problem, family, copies = view.problem, view.problem.family, at_modes.copies
    size = problem.data.trials
    if conditioning == "marginal":
        distribution: Distribution = MarginalDistribution(
            family, tuple(view.base), _random_variance(view), size
        )
    else:
        distribution = ConditionalDistribution(family, view.eta(u), size)
    given = {
        "residuals": quantile_residuals(distribution, problem.data.y, uniform),
        "mean": distribution.mean(),
        "variance": distribution.variance(),
    }
    rows = {name: problem.to_design(part).reshape(copies, -1) for name, part in given.items()}
    white = [whiten_effects(root, part) for root, part in zip(view.roots, u, strict=True)]
    effects = {} if conditioning == "marginal" else name_effects(problem, white)
    levels = {name: np.split(values, copies) for name, values in effects.items()}
    transform = at_modes.transform
    if conditioning != "posterior":
        transform = Transforms(problem, copies, Known(distribution))
    masses = Masses(distribution, problem, copies) if family.has_atoms else None
    return _divide_copies(at_modes, family, rows, levels, transform, masses)


def see_undrawn(view: Viewpoint, at_modes: AtModes, u: Sequence[FloatArray]) -> Iterator[DataView]:
    """See data sets with the effects at their modes u, for what depends on no draw of them.

    Residuals, which would, are nan.
    """
    problem, seen = view.problem, at_modes.rows
    rows = {
        "residuals": np.broadcast_to(np.nan, seen["response"].shape),
        "mean": seen["mode_mean"],
        "variance": seen["mode_variance"],
    }
    white = [whiten_effects(root, part) for root, part in zip(view.roots, u, strict=True)]
    levels = {
        name: np.split(values, at_modes.copies)
        for name, values in name_effects(problem, white).items()
    }
    transform, masses = at_modes.transform, at_modes.masses
    return _divide_copies(at_modes, problem.family, rows, levels, transform, masses)


def _divide_copies(
    at_modes: AtModes,
    family: Family,
    rows: Mapping[str, FloatArray],
    levels: Mapping[str, list[FloatArray]],
    transform: Transforms,
    masses: Masses | None,
) -> Iterator[DataView]:
    """The view of each copy, of what is given the effects and what is given the modes."""
    mode_masses = at_modes.masses
    for k in range(at_modes.copies):
        yield DataView(
            **{name: values[k] for name, values in (*at_modes.rows.items(), *rows.items())},
            effects={name: values[k] for name, values in levels.items()},
            transform=CopyTransform(transform, k),
            probability=None if masses is None else CopyMasses(masses, k),
            mode_probability=None if mode_masses is None else CopyMasses(mode_masses, k),
            predictors=CopyRows(at_modes.rates.predictors, k, family.predictors),
            scores=CopyRows(at_modes.rates.scores, k, family.predictors),
            modes={name: values[k] for name, values in at_modes.levels.items()},
            estimates=at_modes.estimates[k],
        )


def name_effects(problem: Problem, u: Sequence[FloatArray]) -> dict[str, FloatArray]:
    """Random effects by term, (m, q) each; other predictors than the mean by name."""
    return {
        name: u[term.factor][term.columns].T
        for name, term in zip(name_terms(problem), problem.terms, strict=True)
    }


def name_terms(problem: Problem) -> tuple[str, ...]:
    """Names of the random terms, as in `DataView.effects`, in their order."""
    prefixes = ["", *(f"{name}: " for name in problem.family.predictors[1:])]
    return tuple(
        f"{prefixes[term.predictor]}{term.block.group} [{term.block.label}]"
        for term in problem.terms
    )


def _random_variance(view: Viewpoint) -> FloatArray:
    """Prior variance of each mean predictor, (n,)."""
    latent = view.problem.latent
    if latent.random_predictors not in ((), (0,)):
        raise OptionError(
            'conditioning="marginal" needs random effects in the mean only; '
            'write conditioning="posterior"'
        )
    return variances_of_rows(latent.factors, view.roots, view.problem.n)
