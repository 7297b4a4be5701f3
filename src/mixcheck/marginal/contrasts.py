"""Contrasts of marginal means: differences, ratios, trends, and those that a reader writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import require_choice, shown
from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError
from mixcheck.inference.multiplicity import ADJUSTMENTS, Adjustment
from mixcheck.marginal.contrast_methods import METHODS, ContrastMethod, make_coefficients
from mixcheck.marginal.effects import Effects
from mixcheck.marginal.linear import Functions, say
from mixcheck.marginal.means import MarginalMeans, combinations_of

__all__ = ["ContrastScale", "contrasts"]

ContrastScale: TypeAlias = Literal["link", "response", "ratio"]

_BY_DEFAULT: Mapping[str, Adjustment] = {
    "pairwise": "tukey",
    "reference": "mvt",
    "consecutive": "mvt",
    "polynomial": "none",
}


@answer_calls
def contrasts(
    means: MarginalMeans,
    method: ContrastMethod | Mapping[str, Any] = "pairwise",
    *,
    scale: ContrastScale | None = None,
    reference: str | None = None,
    adjust: Adjustment | None = None,
    level: float | None = None,
) -> Effects:
    """Contrasts of marginal means, within each combination of their ``by`` columns.

    Parameters
    ----------
    means : MarginalMeans
        Made by `emmeans`.
    method : {"pairwise", "reference", "consecutive", "polynomial"} or mapping
        Every pair; each mean less a reference; each less the one before; orthogonal polynomials
        in the order of the levels, in whole numbers; or coefficients of your own, a number for
        each mean, by name.
    scale : {"link", "response", "ratio"}, optional
        Differences of linear predictors; differences of means of the response, by the delta
        method; or ratios: of means with the log link, of odds with the logit link, and of means
        where these were averaged. By default that of the means: what was averaged.
    reference : str, optional
        Label of the reference mean; the first one by default.
    adjust : {"tukey", "mvt", "holm", "sidak", "bonferroni", "none"}, optional
        For how many are tested within a combination of ``by``; p-values and intervals. "mvt" is the
        multivariate t distribution with the correlations of the contrasts. By default "tukey" for
        pairs, "mvt" for a reference and for consecutive ones, "none" otherwise. Intervals with
        "holm" are Bonferroni's, since it is a procedure for tests.
    level : float, optional
        The confidence, of all intervals of a family together unless ``adjust="none"``; that of the
        means by default.

    Returns
    -------
    Effects

    Raises
    ------
    OptionError

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> found = mc.contrasts(mc.emmeans(fit, "period"), "reference", scale="ratio")
    >>> found.to_frame()[["contrast", "estimate", "low", "high", "pvalue"]].round(3)
      contrast  estimate    low   high  pvalue
    0    2 / 1     0.371  0.178  0.770   0.004
    1    3 / 1     0.323  0.148  0.705   0.002
    2    4 / 1     0.206  0.074  0.570   0.001
    """
    if not isinstance(means, MarginalMeans):
        raise OptionError(
            "contrasts needs marginal means, such as mixcheck.emmeans(fit, 'treatment'); found "
            f"{type(means).__name__}"
        )
    if not isinstance(method, Mapping):
        require_choice("method", method, METHODS, "; or a mapping of names to coefficients")
    asked = _scale_of(means, scale)
    words = "custom" if isinstance(method, Mapping) else method
    if adjust is not None:
        require_choice("adjust", adjust, ADJUSTMENTS)
    used = _BY_DEFAULT.get(words, "none") if adjust is None else adjust
    if used == "tukey" and words != "pairwise":
        raise OptionError(
            'adjust="tukey" is for all pairs: write method="pairwise", or adjust="mvt"'
        )
    if reference is not None and words != "reference":
        raise OptionError(f'reference={shown(reference)} belongs to method="reference"')
    functions = _on_scale(means, asked)
    if asked == "ratio" and not isinstance(method, Mapping) and method == "polynomial":
        raise OptionError('polynomial contrasts are no ratios: write scale="link" or "response"')
    K, labels, families, size = _all_contrasts(means, method, reference, asked)
    found = functions.combine(K)
    held = means.level if level is None else level
    said = say(found, means.model.combine(found.slopes, means.ddf), held, used, families, size)
    estimate, error, low, high = found.estimates, said.std_error, said.low, said.high
    if asked == "ratio":
        with np.errstate(over="ignore"):
            estimate, low, high = np.exp(estimate), np.exp(low), np.exp(high)
        error = np.where(np.isinf(error), np.inf, estimate * np.where(np.isinf(error), 0.0, error))
    return Effects(
        labels=labels,
        estimate=estimate,
        std_error=error,
        df=said.df,
        low=low,
        high=high,
        statistic=said.statistic,
        pvalue=said.pvalue,
        scale=_words(means, asked),
        level=float(held),
        notes=_notes(means, used, [len(rows) for rows in families], held),
    )


def _scale_of(means: MarginalMeans, scale: str | None) -> ContrastScale:
    if scale is not None:
        require_choice("scale", scale, ("link", "response", "ratio"))
    if scale is None:
        return "link" if means.averaged == "link" else "response"
    if scale == "link" and means.averaged == "response":
        raise OptionError(
            "means of the response were averaged, which have no linear predictor: write "
            'scale="response" or "ratio"'
        )
    link = means.model.link_name
    if scale == "ratio" and means.averaged == "link" and link not in ("log", "logit"):
        raise OptionError(
            f"with the {link} link differences of predictors are no logarithms of ratios: write "
            'scale="response", or emmeans(.., scale="response", average="response")'
        )
    return scale  # type: ignore[return-value]


def _on_scale(means: MarginalMeans, scale: ContrastScale) -> Functions:
    """What the contrasts are differences of."""
    own = means.functions
    known = np.where(np.isnan(own.estimates), 1.0, own.estimates)
    if scale == "response" and means.averaged == "link":
        return own.through(*means.model.mean_of(known))
    if scale == "ratio" and means.averaged == "response":
        if (known <= 0.0).any():
            raise OptionError("a mean is not positive, and has no ratio; write scale='response'")
        return own.through(np.log(known), 1.0 / known)
    return own


def _all_contrasts(
    means: MarginalMeans,
    method: ContrastMethod | Mapping[str, Any],
    reference: str | None,
    scale: ContrastScale,
) -> tuple[FloatArray, pd.DataFrame, list[Any], int]:
    """Coefficients over all means, labels, rows of each family, and means in each."""
    rows: list[FloatArray] = []
    labels: list[dict[Any, Any]] = []
    families: list[Any] = []
    sign = "/" if scale == "ratio" else "-"
    within = combinations_of(means.labels, means.by)
    for group in within:
        own = means.labels.loc[group, list(means.names)]
        words = [", ".join(map(str, row)) for row in own.itertuples(index=False)]
        K, names = make_coefficients(method, words, reference, sign)
        whole = np.zeros((len(K), len(means.labels)))
        whole[:, group] = K
        families.append(np.arange(len(rows), len(rows) + len(K)))
        rows.extend(whole)
        head = means.labels.loc[group[0], list(means.by)].to_dict()
        labels += [{**head, "contrast": name} for name in names]
    return np.array(rows), pd.DataFrame(labels), families, len(within[0])


def _words(means: MarginalMeans, scale: ContrastScale) -> str:
    link = means.model.link_name
    if scale == "ratio":
        return "odds ratios" if link == "logit" and means.averaged == "link" else "ratios of means"
    if scale == "response":
        return "differences of means of the response"
    return "differences" if link == "identity" else f"differences of linear predictors ({link})"


def _notes(
    means: MarginalMeans, adjust: Adjustment, sizes: list[int], level: float
) -> tuple[str, ...]:
    told = {
        "none": "P-values and intervals are of one contrast each.",
        "tukey": "P-values and intervals by Tukey's method",
        "mvt": "P-values and intervals by the multivariate t distribution",
        "holm": "P-values by Holm's method and intervals by Bonferroni's",
        "sidak": "P-values and intervals by Sidak's method",
        "bonferroni": "P-values and intervals by Bonferroni's method",
    }[adjust]
    if adjust != "none":
        told += f" for {sizes[0]} contrasts{' of each combination' if means.by else ''}."
    return (*means.averaging, told, f"Confidence {level:g}.")
