"""The Laplace deviance of a mixed model and its exact gradient.

With ``h(u) = -sum_i l_i + u'u / 2``, its minimiser ``u_hat``, and
``H = I + sum_ab M_a' diag(W_ab) M_b`` (W the observed or expected information),
``D = 2 h(u_hat) + log det H`` is minus twice the log-likelihood, every constant kept.

The gradient needs one solve beyond the factorisation of H, whatever the number of
parameters: with leverages ``s^ab_i = m_ia' H^-1 m_ib``,
``t_c = sum_ab dW_ab/d eta_c s^ab`` and ``v = H^-1 sum_c M_c' t_c``,
``dD/d eta_k = -2 l_k + t_k + sum_a l_ak M_a v``.

A search for the modes ends a last step ``H^-1 r`` before them, with ``r = M' l - u``, on which
``log det H`` moves by ``v'r``, and 2 h by ``-r' H^-1 r`` where that is not rounding: to that order
D is the deviance at the modes themselves.

With counts of 1e12 the modes are known to no better than ``r = M' l - u_hat``, which is
rounding but not small, and the scores of what groups share drown in it. As a function of the
modes D has the slope ``-2 r`` there; with ``-2 H^-1 r`` in v the rounding cancels to first order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, get_args

import numpy as np

from mixcheck.arguments.options import require_choice
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.fitting.latent.factorization import Factorization
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.latent.roots import prior_slopes
from mixcheck.fitting.likelihood.adjoint import (
    Adjoint,
    energy_slopes,
    find_adjoint,
    largest_variance,
    pull_back,
    rise_to_modes,
)
from mixcheck.fitting.likelihood.approximation import (
    RESTRICTED,
    Approximation,
    Expansion,
    Option,
)
from mixcheck.fitting.likelihood.by_group import split_deviance
from mixcheck.fitting.likelihood.laplace_hessian import differentiate_twice, has_hessian
from mixcheck.fitting.likelihood.laplace_hessian_chains import (
    differentiate_chains_twice,
    has_hessian_of_chains,
)
from mixcheck.fitting.likelihood.mode import Mode, System, ascent, build_system, find_mode
from mixcheck.fitting.likelihood.normal import evaluate_normal, has_closed_form
from mixcheck.fitting.likelihood.objective import Evaluation, GroupEvaluation, Hessian
from mixcheck.fitting.likelihood.problem import Curvature, Problem
from mixcheck.fitting.likelihood.scalar_evaluation import evaluate_scalar, scalar_hessian
from mixcheck.fitting.likelihood.scalar_laplace import ScalarRows, scalar_rows

__all__ = ["HessianKind", "Laplace", "Profiled"]

HessianKind = Literal["observed", "expected"]


def _read_information(value: object) -> str | None:
    chosen = require_choice("hessian", value, get_args(HessianKind))
    return None if chosen == "observed" else chosen


_INFORMATION = Option(
    "information",
    _read_information,
    "hessian={value} belongs to the Laplace approximation; leave it out with {method}",
)

# A gradient at the modes below this has no part in that of the deviance.
_EXACT = 1e-5


@dataclass(frozen=True)
class Laplace(Approximation):
    """Laplace's approximation of the likelihood, or of the restricted likelihood.

    Attributes
    ----------
    information : {"observed", "expected"}
        Which information enters ``log det H``.
    restricted : bool
        Whether to integrate over the fixed effects of the mean too, under a flat prior.
    """

    information: HessianKind = "observed"
    restricted: bool = False

    spelling: ClassVar[str] = "laplace"
    splits: ClassVar[bool] = True
    tabulates: ClassVar[bool] = True
    takes: ClassVar[Mapping[str, Option]] = {"hessian": _INFORMATION, "reml": RESTRICTED}

    def __str__(self) -> str:
        return f"Laplace, {self.information} information" + (", REML" if self.restricted else "")

    def evaluate(
        self,
        problem: Problem,
        psi: FloatArray,
        start: list[FloatArray],
        *,
        chord: Factorization | None = None,
        close: bool = False,
        sloped: bool = True,
        near: float = 0.0,
    ) -> Evaluation:
        """Deviance and its exact gradient; see `Approximation.evaluate`.

        ``D = 2 h(u_hat) + log det H``.

        Where fixed effects of the mean are among the latent ones, this is the deviance
        maximised over them at the conditional modes, or integrated over them.
        """
        if has_closed_form(problem):
            closed = evaluate_normal(problem, psi, sloped=sloped)
            if closed is not None:
                return closed
        rows = self.scalar(problem)
        if rows is not None:
            closed = evaluate_scalar(rows, psi, start[0][0], near, sloped=sloped)
            if closed is not None:
                return closed
        roots = problem.roots(psi[problem.n_beta :])
        base = problem.fixed(psi)
        mode = find_mode(problem, base, roots, start, chord=chord, close=close, near=near)
        weighed = None if mode is None else _weigh(problem, mode, self.information, sloped)
        if mode is None or weighed is None:
            return Evaluation(psi, np.inf, np.full(psi.size, np.nan), None)
        curvature, system = weighed
        integrated = system.factorization
        if not self.restricted:
            integrated = integrated.random_part()
        deviance = 2.0 * mode.point.energy + integrated.log_det()
        if self.restricted and problem.latent.fixed is not None:
            deviance -= problem.latent.fixed.constant
        if not sloped:
            return Evaluation(psi, deviance - mode.left, np.full(psi.size, np.nan), mode)
        entries = integrated.inverse_entries()
        slopes = integrated.dependence_slopes(entries)
        left = ascent(problem, mode.roots, mode.point)
        rounded = problem.has_large_counts and not _is_small(left)
        in_modes = [-2.0 * part for part in left] if rounded else None
        adjoint = find_adjoint(problem, mode, curvature, entries, in_modes)
        if not rounded:
            deviance += rise_to_modes(adjoint, left) - mode.left
        gradient = _gradient(
            problem, psi, mode, curvature, system.gram, entries, slopes, in_modes, adjoint
        )
        return Evaluation(psi, deviance, gradient, mode, largest_variance(problem, entries))

    def is_closed(self, problem: Problem) -> bool:
        """Whether the deviance is in closed form."""
        return has_closed_form(problem)

    def factorize(self, problem: Problem, mode: Mode) -> Factorization:
        """The factors of H with the information of this approximation."""
        return _require_weighed(problem, mode, self.information)[1].factorization

    def hessian(self, problem: Problem) -> Hessian | None:
        """Hessian by the implicit function theorem, for nested factors or chains and observed H."""
        if self.information != "observed":
            return None
        rows = self.scalar(problem)
        if rows is not None:
            return partial(scalar_hessian, rows)
        if has_hessian_of_chains(problem):
            return partial(differentiate_chains_twice, problem)
        return partial(differentiate_twice, problem) if has_hessian(problem) else None

    def scalar(self, problem: Problem) -> ScalarRows | None:
        """One scalar effect with a canonical link, by the observed information."""
        return scalar_rows(problem) if self.information == "observed" else None

    def expand(self, problem: Problem, at: Evaluation) -> Expansion:
        """The log density enters at the modes alone."""
        mode = at.mode
        assert mode is not None
        curvature, system = _require_weighed(problem, mode, self.information)
        entries = system.factorization.inverse_entries()
        adjoint = find_adjoint(problem, mode, curvature, entries, None)
        return Expansion(
            weights=[np.ones(problem.n)],
            eta=[mode.point.eta],
            values=[mode.point.derivatives.value],
            adjoint=adjoint,
            observed=self.information == "observed",
        )

    def split(
        self, problem: Problem, whole: Evaluation, mode: Mode, codes: IntArray
    ) -> GroupEvaluation:
        """Laplace deviance of each group, and its gradient."""
        curvature, system = _require_weighed(problem, mode, self.information)
        return split_deviance(problem, whole, curvature, system, codes)


@dataclass(frozen=True)
class Profiled(Laplace):
    """Laplace's approximation with the fixed effects of the mean held at their joint mode.

    They are found together with the random effects (nAGQ = 0 of lme4).
    """

    spelling: ClassVar[str] = "profiled"
    takes: ClassVar[Mapping[str, Option]] = {"hessian": _INFORMATION}
    refusals: ClassVar[Mapping[str, str]] = {
        "reml": "reml=True integrates over the fixed effects that profiled holds at their mode: "
        'write method="laplace", or leave reml out'
    }

    @property
    def joint(self) -> bool:
        """The fixed effects of the mean are sought together with the random ones."""
        return True

    def __str__(self) -> str:
        return f"{super().__str__()}, fixed effects at their joint mode"


def _weigh(
    problem: Problem, mode: Mode, information: HessianKind, sloped: bool = True
) -> tuple[Curvature, System] | None:
    """The W of H, ``-l''`` or ``E (-l'')``, and its factors; None if H is not positive definite.

    Where nothing is `sloped` the first, which the system of the mode holds, is left out.
    """
    if information == "observed":
        curvature = problem.observed(mode.point.derivatives) if sloped else Curvature({}, {})
        return curvature, mode.system
    curvature = problem.expected(mode.point.eta)
    system = build_system(problem, mode.roots, curvature, observed=False)
    return None if system is None else (curvature, system)


def _require_weighed(
    problem: Problem, mode: Mode, information: HessianKind
) -> tuple[Curvature, System]:
    """The same where it is known to be positive definite."""
    weighed = _weigh(problem, mode, information)
    assert weighed is not None
    return weighed


def _is_small(left: list[FloatArray]) -> bool:
    return all(np.abs(part).max(initial=0.0) < _EXACT for part in left)


def _gradient(
    problem: Problem,
    psi: FloatArray,
    mode: Mode,
    curvature: Curvature,
    gram: Gram,
    entries: Gram,
    slopes: Mapping[int, FloatArray],
    in_modes: list[FloatArray] | None,
    adjoint: Adjoint,
) -> FloatArray:
    """Gradient of ``2 h + log det H`` in all parameters.

    Direct are ``-2 l'_k`` in each predictor, ``-2 Z'l' u'`` in Lambda, and ``-2 (Lambda'Z'l' - u)``
    in the modes, which is zero but for rounding.
    """
    if slopes:
        known = prior_slopes(mode.roots, 1.0, mode.point.u, mode.point.u)
        slopes = {f: slope + known.get(f, 0.0) for f, slope in slopes.items()}
    direct = energy_slopes(mode, in_modes, slopes)
    return pull_back(problem, psi, mode, curvature, gram, entries, direct, adjoint)
