"""Takeuchi's criterion: the AIC of a model that need not be true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixcheck.arguments.calls import answer_calls
from mixcheck.comparison.criterion import Criterion
from mixcheck.comparison.group_scores import whitening
from mixcheck.comparison.same_data import formula_of, is_reml, require_comparable
from mixcheck.errors import OptionError
from mixcheck.port import Comparable, Groupwise, Ported

__all__ = ["TIC", "Takeuchi", "tic"]


@dataclass(frozen=True)
class Takeuchi:
    """Takeuchi's information criterion, made by `tic`.

    Attributes
    ----------
    value : float
        ``-2 log-likelihood + 2 df``.
    df : float
        Trace of the inverse information times the sum of squared scores: about the number of
        parameters where the model is right.
    group : str
        The factor whose levels are the independent units.
    groups : int
        Their number.
    notes : tuple of str
    """

    value: float
    df: float
    group: str
    groups: int
    notes: tuple[str, ...] = ()


@answer_calls
def tic(model: Comparable | Ported, *, group: str | None = None) -> Takeuchi:
    r"""Takeuchi's information criterion: the AIC without trust in the model.

    .. math:: -2 \log L + 2 \operatorname{tr}(J^{-1} V), \quad
        J = -\sum_g \nabla^2 \ell_g, \quad V = \sum_g \nabla \ell_g \nabla \ell_g'

    with the marginal log-likelihoods :math:`\ell_g` of the levels of a grouping factor, which are
    independent. Where the model is right J and V estimate one matrix and the trace is about the
    number of parameters; where data vary more than the model says it is larger.

    Parameters
    ----------
    model : Comparable and Groupwise
        Such as the result of `mixcheck.glmm`, fitted by maximum likelihood.
    group : str, optional
        A grouping factor or a column of the data; the coarsest grouping factor by default.

    Returns
    -------
    Takeuchi

    Raises
    ------
    OptionError
        If the likelihood of the model is not a sum over groups, as with crossed factors or REML.

    References
    ----------
    Takeuchi (1976), Suri Kagaku 153, 12-18; Stone (1977), Journal of the Royal Statistical Society
    B 39, 44-47, for the equality with leaving out to first order; Burnham & Anderson (2002),
    Model Selection and Multimodel Inference, 2nd edition, section 7.3.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> found = mc.tic(fit)
    >>> found.group, found.groups, round(found.df, 2), round(found.value, 2)
    ('herd', 15, 6.23, 196.51)
    """
    fitted = require_comparable(model, "tic")
    if not isinstance(fitted, Groupwise):
        raise OptionError(
            "tic needs a model whose likelihood is known by groups, such as the result of "
            f"mixcheck.glmm(..); found {type(model).__name__}"
        )
    if is_reml(fitted):
        raise OptionError(
            f"{formula_of(fitted)!r} was fitted by REML, whose likelihood is no sum over groups; "
            "fit it by maximum likelihood, reml=False"
        )
    levels = fitted.group_levels(group)
    derivatives = fitted.group_derivatives(group)
    whitened = derivatives.scores @ whitening(derivatives.information.sum(axis=0))
    penalty = float(np.sum(whitened**2))
    name, G = str(levels.name), len(levels)
    return Takeuchi(
        value=-2.0 * fitted.llf + 2.0 * penalty,
        df=penalty,
        group=name,
        groups=G,
        notes=_notes(G, name, derivatives.estimates.size),
    )


def _notes(G: int, name: str, parameters: int) -> tuple[str, ...]:
    # Scores of G levels sum to zero, so that their squares have rank G - 1 at most.
    if parameters < G:
        return ()
    return (
        f"{G} levels of {name} cannot tell how {parameters} scores vary: the penalty is too small.",
    )


TIC = Criterion("tic", "TIC", tic, needs=Groupwise, effective="df")
