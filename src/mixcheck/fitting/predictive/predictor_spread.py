"""How well the linear predictors of rows are known.

Given the estimates psi the random effects of known levels are normal around their conditional
modes, with the covariance ``Lambda H^-1 Lambda'``; those of levels never seen have their prior
distribution. The modes depend on the estimates, whose covariance is C, so that the predictors of
one row have the covariances ``z_k' Lambda H^-1 Lambda' z_l + g_k' C g_l`` with
``g_k = d eta_k / d psi``: the conditional mean squared error of prediction.

References
----------
Kass & Steffey (1989), Approximate Bayesian inference in conditionally independent hierarchical
models, JASA 84, 717-726; Booth & Hobert (1998), Standard errors of prediction in generalized
linear mixed models, JASA 93, 262-272.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.design.covariances import Sequential
from mixcheck.design.predictors import Predictor, RandomBlock
from mixcheck.fitting.latent.roots import scale as scale_effects
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.term import Term
from mixcheck.fitting.predictive.effect_covariance import EffectCovariance
from mixcheck.fitting.predictive.mode_slopes import differentiate_effects
from mixcheck.fitting.predictive.prediction import random_contribution, random_variance

__all__ = ["PredictorSpread", "spread_at_modes", "spread_of_fixed", "variance_slopes"]

# Of central differences in covariance parameters, relative to their standard errors or to them.
_STEP = 1e-4


@dataclass(frozen=True, eq=False)
class PredictorSpread:
    """Uncertainty of some linear predictors of n rows.

    Attributes
    ----------
    names : tuple of str
        Predictors, in the order of the family.
    slopes : (k, n, P)
        Derivatives of each in the parameters.
    given : (k, k, n)
        Covariances given the parameters.
    """

    names: tuple[str, ...]
    slopes: FloatArray
    given: FloatArray

    def covariance(self, of_estimates: FloatArray) -> FloatArray:
        """Covariances of the predictors of each row, `given` and ``J C J'``, (k, k, n).

        Parameters
        ----------
        of_estimates : (P, P)
            C.
        """
        moved = self.slopes @ of_estimates
        out: FloatArray = self.given + np.einsum("anp,bnp->abn", moved, self.slopes)
        return out


def spread_of_fixed(problem: Problem, parts: Sequence[Predictor]) -> PredictorSpread:
    """With the random effects held: ``x' C x``."""
    n = parts[0].offset.size
    slopes = np.zeros((len(parts), n, problem.n_beta + problem.n_theta))
    for out, part in zip(slopes, parts, strict=True):
        out[:, _place(problem, part)] = part.X
    names = tuple(part.name for part in parts)
    return PredictorSpread(names, slopes, np.zeros((len(parts), len(parts), n)))


def spread_at_modes(
    problem: Problem, mode: Mode, psi: FloatArray, units: FloatArray, parts: Sequence[Predictor]
) -> PredictorSpread:
    """With the random effects given the data.

    Parameters
    ----------
    problem : Problem
    mode : Mode
        Conditional modes at psi.
    psi : (P,)
    units : (P,)
        Standard errors of the parameters; the modes are not moved by one that has none.
    parts : sequence of Predictor
        With the levels of every row.
    """
    fixed = spread_of_fixed(problem, parts)
    if not problem.terms:
        return fixed
    slopes = fixed.slopes.copy()
    for j in np.flatnonzero(units > 0.0).tolist():
        slopes[:, :, j] += _move_random(problem, mode, psi, j, float(units[j]), parts)
    return PredictorSpread(fixed.names, slopes, _given_data(problem, mode, psi, parts))


def variance_slopes(problem: Problem, psi: FloatArray, part: Predictor) -> FloatArray:
    """Derivatives of ``z' Sigma z`` in all parameters, (n, P), by central differences.

    Sigma is quadratic in the parameters where Lambda is linear in them: then they are exact.
    """
    out = np.zeros((part.offset.size, psi.size))
    terms = _terms_of(problem, part)
    for block in part.random:
        term = terms[block.name]
        for j in range(problem.n_beta + term.theta.start, problem.n_beta + term.theta.stop):
            step = _STEP * max(abs(float(psi[j])), _STEP)
            up, down = (
                random_variance(part, _covariances(problem, _moved(psi, j, sign * step), part))
                for sign in (1.0, -1.0)
            )
            out[:, j] = (up - down) / (2.0 * step)
    return out


def _place(problem: Problem, part: Predictor) -> slice:
    return problem.beta_slices[problem.family.predictors.index(part.name)]


def _terms_of(problem: Problem, part: Predictor) -> dict[str, Term]:
    number = problem.family.predictors.index(part.name)
    return {term.block.name: term for term in problem.terms if term.predictor == number}


def _moved(psi: FloatArray, j: int, step: float) -> FloatArray:
    out = psi.copy()
    out[j] += step
    return out


def _theta_of(problem: Problem, psi: FloatArray, term: Term) -> FloatArray:
    return psi[problem.n_beta :][term.theta]


def _covariances(problem: Problem, psi: FloatArray, part: Predictor) -> dict[str, FloatArray]:
    """``Lambda Lambda'`` of each term of a predictor, by name."""
    roots = {
        name: term.units(_theta_of(problem, psi, term))
        for name, term in _terms_of(problem, part).items()
    }
    return {name: root @ root.T for name, root in roots.items()}


# ---- how the modes move ----------------------------------------------------------------------


def _move_random(
    problem: Problem,
    mode: Mode,
    psi: FloatArray,
    j: int,
    unit: float,
    parts: Sequence[Predictor],
) -> FloatArray:
    """``d (Z b) / d psi_j``, the modes following: ``(Z(b + h b') - Z(b - h b')) / 2 h``."""
    direction = np.zeros(psi.size)
    direction[j] = unit
    moved = differentiate_effects(problem, mode, psi, direction)
    at = [scale_effects(root, u) for root, u in zip(mode.roots, mode.point.u, strict=True)]
    ends = [
        _random_parts(
            problem,
            [b + step * d for b, d in zip(at, moved, strict=True)],
            _moved(psi, j, step * unit),
            parts,
        )
        for step in (_STEP, -_STEP)
    ]
    out: FloatArray = (ends[0] - ends[1]) / (2.0 * _STEP * unit)
    return out


def _random_parts(
    problem: Problem, effects: Sequence[FloatArray], psi: FloatArray, parts: Sequence[Predictor]
) -> FloatArray:
    out = np.zeros((len(parts), parts[0].offset.size))
    for row, part in zip(out, parts, strict=True):
        terms = _terms_of(problem, part)
        by_level = {name: t.by_level(effects[t.factor]).T for name, t in terms.items()}
        theta = {name: _theta_of(problem, psi, t) for name, t in terms.items()}
        row[:] = random_contribution(part, by_level, theta)
    return out


# ---- given the data and the estimates --------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Loading:
    """What the effects of one factor are multiplied by in one predictor.

    Attributes
    ----------
    factor : int
    level : (n,) int
    weights : (n, q)
        Zero where the level has never been seen.
    """

    factor: int
    level: IntArray
    weights: FloatArray


def _given_data(
    problem: Problem, mode: Mode, psi: FloatArray, parts: Sequence[Predictor]
) -> FloatArray:
    """``z_k' Lambda H^-1 Lambda' z_l``, and the prior variance of what the data do not know."""
    known = EffectCovariance(problem.latent, mode)
    n = parts[0].offset.size
    out = np.zeros((len(parts), len(parts), n))
    loadings = [_load(problem, psi, part) for part in parts]
    for a in range(len(parts)):
        for b in range(a, len(parts)):
            for one in loadings[a]:
                for other in loadings[b]:
                    block = known.between(one.factor, one.level, other.factor, other.level)
                    out[a, b] += np.einsum("nq,nqr,nr->n", one.weights, block, other.weights)
            out[b, a] = out[a, b]
    for a, part in enumerate(parts):
        out[a, a] += _unknown_variance(problem, psi, part)
    return out


def _load(problem: Problem, psi: FloatArray, part: Predictor) -> list[_Loading]:
    terms = _terms_of(problem, part)
    out: dict[int, _Loading] = {}
    for block in part.random:
        term = terms[block.name]
        known, level = block.codes >= 0, np.maximum(block.codes, 0)
        values = block.Z
        if isinstance(block.covariance, Sequential) and block.positions is not None:
            inside, left = _carried(block, _theta_of(problem, psi, term))
            level, values = level * len(block.effects) + inside, left[:, None] * block.Z
        q = problem.latent.factors[term.factor].q
        loading = out.setdefault(
            term.factor, _Loading(term.factor, level, np.zeros((level.size, q)))
        )
        loading.weights[:, term.columns] = np.where(known[:, None], values, 0.0)
    return list(out.values())


def _carried(block: RandomBlock, theta: FloatArray) -> tuple[IntArray, FloatArray]:
    """The nearest position of the fit, and what is left of its effect, (n,) each."""
    assert isinstance(block.covariance, Sequential)
    assert block.positions is not None
    inside = np.clip(block.positions, 0, len(block.effects) - 1)
    steps = (block.positions - inside).astype(np.float64)
    return inside, block.covariance.carry(theta, steps)


def _unknown_variance(problem: Problem, psi: FloatArray, part: Predictor) -> FloatArray:
    """Prior variance of levels never seen, and of what a sequence adds beyond its ends, (n,)."""
    covariances, terms = _covariances(problem, psi, part), _terms_of(problem, part)
    out = np.zeros(part.offset.size)
    for block in part.random:
        alone = Predictor(part.name, (), part.X[:, :0], part.offset, (block,), ())
        share = (block.codes < 0).astype(np.float64)
        if isinstance(block.covariance, Sequential) and block.positions is not None:
            _, left = _carried(block, _theta_of(problem, psi, terms[block.name]))
            share = np.where(block.codes < 0, 1.0, 1.0 - left**2)
        out += np.where(share > 0.0, share * random_variance(alone, covariances), 0.0)
    return out
