"""The marginal log-likelihood as a sum over groups, and what each group says of the parameters.

Where every grouping factor lies within the levels of one factor, the random effects of two
levels of that factor never meet, and the likelihood by Laplace or by quadrature is a product
over them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.arguments.options import require_text, shown
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.design import Design
from mixcheck.design.columns import missing_rows, pick_column, read_column
from mixcheck.design.grouping import factorize
from mixcheck.errors import OptionError
from mixcheck.fitting.estimation.gaussian import centre_effects
from mixcheck.fitting.estimation.optimize import differentiate_gradient
from mixcheck.fitting.influence.subset_refits import fit_without, restrict
from mixcheck.fitting.likelihood.approximation import Method, objective_of
from mixcheck.fitting.likelihood.objective import GroupEvaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.port import GroupDerivatives

# Step of the central differences, in standard errors: truncation is its square.
_STEP = 4e-3

__all__ = [
    "Grouping",
    "differentiate_groups",
    "find_grouping",
    "group_logliks",
    "predict_group",
    "require_separable",
    "split",
]


@dataclass(frozen=True, eq=False)
class Grouping:
    """A division of the rows.

    Attributes
    ----------
    name : str
    levels : pandas.Index, (G,)
    codes : (n,) int
        Level of each row, in the fitter's order.
    """

    name: str
    levels: pd.Index[Any]
    codes: IntArray


def find_grouping(design: Design, problem: Problem, name: str | None) -> Grouping:
    """The grouping factor or column of a name; without one, the coarsest grouping factor.

    Raises
    ------
    OptionError
        If there is no such name, or none was given where it is needed.
    """
    known = {term.block.group: term for term in problem.terms}
    if name is None:
        name = _coarsest(problem)
    name = require_text("group", name, "site")
    if name in known:
        block = known[name].block
        return Grouping(name, block.levels.rename(name), block.codes[problem.order])
    if name not in design.frame.columns:
        allowed = ", ".join(map(repr, known)) or "none"
        raise OptionError(
            f"group={shown(name)} is neither a grouping factor of the model ({allowed}) nor a "
            "column of its data"
        )
    column = pick_column(design.frame, name)
    if missing_rows(column) is not None:
        raise OptionError(f"group={shown(name)} has missing values; choose a column without them")
    codes, levels = factorize(read_column(column, None))
    return Grouping(name, pd.Index(levels, name=name), codes[problem.order])


def _coarsest(problem: Problem) -> str:
    latent = problem.latent
    if latent.factors and latent.n_nested == len(latent.factors):
        last = latent.n_nested - 1
        return next(term.block.group for term in problem.terms if term.factor == last)
    groups = list(dict.fromkeys(term.block.group for term in problem.terms))
    if len(groups) == 1:
        return groups[0]
    names = ", ".join(map(repr, groups))
    if not names:
        raise OptionError("a model without random effects has no groups; write group=, a column")
    raise OptionError(
        f"the grouping factors {names} are crossed, so none of them is the coarsest; write group="
    )


def require_separable(problem: Problem, grouping: Grouping) -> None:
    """Refuse a grouping over which the log-likelihood is not a sum.

    Raises
    ------
    OptionError
        Naming the grouping factor that is crossed with it.
    """
    tied = [term.block.name for term in problem.terms if term.tied]
    if tied:
        raise OptionError(
            f"the log-likelihood is not computed group by group where levels or times are tied to "
            f"each other ({', '.join(tied)}); write mixcheck.loo or mixcheck.caic, or a term with "
            "independent effects"
        )
    for factor, term in zip(
        [problem.latent.factors[term.factor] for term in problem.terms], problem.terms, strict=True
    ):
        group = np.full(factor.m, -1)
        group[factor.sums.index] = grouping.codes
        if not np.array_equal(group[factor.sums.index], grouping.codes):
            raise OptionError(
                f"the log-likelihood is no sum over the levels of {grouping.name!r}, because "
                f"levels of the grouping factor {term.block.group!r} occur in several of them; "
                "choose a factor that contains all grouping factors of the model"
            )


def _require_likelihood(method: Method) -> None:
    """Refuse a method without a likelihood that is a product over groups.

    Raises
    ------
    OptionError
    """
    if method.joint:
        raise OptionError(
            f"the likelihood by {method} is no product over groups; fit the model by maximum "
            'likelihood, method="laplace" or "agq"'
        )


def _require_sum(problem: Problem, method: Method, grouping: Grouping) -> None:
    _require_likelihood(method)
    require_separable(problem, grouping)


def split(problem: Problem, method: Method, grouping: Grouping) -> list[Problem]:
    """The problem of each level.

    Raises
    ------
    OptionError
        If the log-likelihood is not the sum of theirs.
    """
    _require_sum(problem, method, grouping)
    order = np.argsort(grouping.codes, kind="stable")
    ends = np.cumsum(np.bincount(grouping.codes, minlength=len(grouping.levels)))
    return [restrict(problem, rows) for rows in np.split(order, ends[:-1])]


def group_logliks(
    problem: Problem, method: Method, grouping: Grouping, psi: FloatArray
) -> FloatArray:
    """Log-likelihood of each group, (G,), at common parameters, (P,), or at its own, (G, P).

    ``l_g(psi) = -D_g(psi) / 2``, D_g the deviance of its rows, with ``l = sum_g l_g``.

    Raises
    ------
    OptionError
        If the log-likelihood is not the sum of theirs.
    """
    _require_sum(problem, method, grouping)
    together = method.approximation.evaluate_groups
    if psi.ndim == 1 and (at := together(problem, psi, grouping.codes)) is not None:
        return -0.5 * at.deviance
    parts = split(problem, method, grouping)
    estimates = np.broadcast_to(psi, (len(parts), psi.shape[-1]))
    deviances = [
        objective_of(part, method)(own, None).deviance
        for part, own in zip(parts, estimates, strict=True)
    ]
    return -0.5 * np.array(deviances)


def differentiate_groups(
    problem: Problem, method: Method, grouping: Grouping, psi: FloatArray, scale: FloatArray
) -> GroupDerivatives:
    """Gradient and information of each group's log-likelihood.

    ``s_g = -dD_g/dpsi / 2`` and ``I_g = d2D_g/dpsi dpsi' / 2``, D_g the deviance of its rows. The
    gradients are exact; the information is by central differences of them.

    Parameters
    ----------
    problem : Problem
    method : Method
    grouping : Grouping
    psi : (P,)
    scale : (P, P)
        Whitening of the parameters.

    Raises
    ------
    OptionError
        If the log-likelihood is not the sum of those of the groups.
    """
    _require_sum(problem, method, grouping)
    at_once = method.approximation.evaluate_groups(problem, psi, grouping.codes)
    if at_once is not None:
        return _differentiate_together(problem, method, grouping, at_once, scale)
    parts = split(problem, method, grouping)
    scores = np.empty((len(parts), psi.size))
    information = np.empty((len(parts), psi.size, psi.size))
    for g, part in enumerate(parts):
        objective = objective_of(part, method)
        at = objective(psi, None)
        scores[g] = -0.5 * at.gradient
        information[g] = 0.5 * differentiate_gradient(objective, psi, scale, at)
    return GroupDerivatives(scores, information, psi)


def _differentiate_together(
    problem: Problem,
    method: Method,
    grouping: Grouping,
    at: GroupEvaluation,
    scale: FloatArray,
) -> GroupDerivatives:
    """The same for all groups at once: ``(D_g'(psi + h s) - D_g'(psi - h s)) / 2h`` for columns s.

    These are ``D_g'' S`` for S the `scale` of all columns.
    """
    psi, together = at.whole.psi, method.approximation.evaluate_groups
    columns = []
    for step in _STEP * scale.T:
        ends = [
            together(problem, psi + side * step, grouping.codes, at.whole) for side in (1.0, -1.0)
        ]
        ahead, behind = (end.gradient for end in ends if end is not None)
        columns.append((ahead - behind) / (2.0 * _STEP))
    slopes = np.stack(columns, axis=-1) @ np.linalg.inv(scale)
    return GroupDerivatives(-0.5 * at.gradient, 0.25 * (slopes + slopes.swapaxes(1, 2)), psi)


def predict_group(
    problem: Problem, method: Method, grouping: Grouping, k: int, psi: FloatArray, root: FloatArray
) -> float:
    """Joint log density of level k given the other rows, the model fitted to these.

    ``log f(y_k | y_-k; psi_-k) = (D(psi_-k; y_-k) - D(psi_-k; y)) / 2``.

    Raises
    ------
    DesignError
        If the other rows do not identify the fixed effects.
    ConvergenceError
        If the fit to them did not converge.
    """
    _require_likelihood(method)
    _, optimum = fit_without(problem, grouping.codes == k, psi, root, method)
    psi, centred = optimum.psi, centre_effects(optimum)
    if centred is not None:
        # Covariances of effects far from where the data are have lost their digits.
        problem = replace(problem, latent=centred.problem.latent)
        psi = np.concatenate([psi[: problem.n_beta], centred.theta])
    whole = objective_of(problem, method)(psi, None)
    return 0.5 * (optimum.evaluation.deviance - whole.deviance)
