"""The numbers of pictures of a model: plot data, never a drawing.

Most are pictures of a check, and bands are those of replicates of the model; they are made with
the estimates held (``calibration="plug-in"``), since a picture is looked at and judges nothing.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from mixcheck import checks
from mixcheck.arguments.options import require_draws, require_flag, shown
from mixcheck.arrays import FloatArray
from mixcheck.checks.pooled import simultaneous_band
from mixcheck.checks.statistic import thinned
from mixcheck.display.document import Caterpillar, CurvePlot, NormalPlot, Picture, QuantilePlot
from mixcheck.errors import OptionError
from mixcheck.plots.from_checks import DRAWS, picture_of, pictures_of
from mixcheck.plots.of_groups import caterpillar, random_effects
from mixcheck.port import Checkable, DataView, Ported
from mixcheck.quantile_residuals import Residuals
from mixcheck.selection.selection import Selection
from mixcheck.simulation import replicate

__all__ = [
    "autocorrelation",
    "binned",
    "caterpillar",
    "half_normal",
    "qq",
    "random_effects",
    "residuals",
    "rootogram",
    "selection_path",
    "spatial",
    "spread",
    "trend",
]

# Points of a picture.
_POINTS = 1000


def qq(
    model: Checkable | Ported | Residuals,
    *,
    detrended: bool = False,
    seed: int | None = None,
    draws: int = DRAWS,
) -> QuantilePlot | CurvePlot:
    """Quantile residuals against uniform quantiles, with a simultaneous 95 % band.

    Parameters
    ----------
    model : GLMM, Residuals, or any model that can be checked
    detrended : bool
        Residuals less their expectation: of many rows the line hides what the difference shows.
    seed : int, optional
        Of the replicates behind the band.
    draws : int
        Replicates.

    Returns
    -------
    QuantilePlot or CurvePlot

    Examples
    --------
    >>> import mixcheck as mc
    >>> fit = mc.glmm("Reaction ~ Days + (Days | Subject)", mc.datasets.load("sleepstudy"))
    >>> mc.plots.data.qq(fit, seed=1).observed.size
    180
    """
    require_flag("detrended", detrended)
    (picture,) = pictures_of(model, (checks.Uniformity(),), seed=seed, draws=draws)
    assert isinstance(picture, QuantilePlot)
    if not detrended:
        return picture
    return CurvePlot(
        picture.expected,
        picture.observed - picture.expected,
        picture.band_low - picture.expected,
        picture.band_high - picture.expected,
        np.zeros(picture.expected.size),
        title=f"{picture.title}, less these",
        x_label=picture.x_label,
        y_label="residual less expected",
    )


def residuals(
    model: Checkable | Ported | Residuals,
    against: str = "fitted",
    *,
    seed: int | None = None,
    draws: int = DRAWS,
) -> Picture:
    """Quantile residuals along the fitted values or a column, with their quartiles.

    Parameters
    ----------
    model : GLMM, Residuals, or any model that can be checked
    against : str
        "fitted", or a column of the data.
    seed : int, optional
        Of residuals and replicates.
    draws : int
        Replicates behind the bands.

    Returns
    -------
    Picture

    Examples
    --------
    >>> import mixcheck as mc
    >>> fit = mc.glmm("Reaction ~ Days + (Days | Subject)", mc.datasets.load("sleepstudy"))
    >>> len(mc.plots.data.residuals(fit, "Days", seed=1).x)
    180
    """
    return picture_of(model, checks.Quantiles(against), seed, draws)


def spread(
    model: Checkable | Ported | Residuals,
    against: str = "fitted",
    *,
    seed: int | None = None,
    draws: int = DRAWS,
) -> Picture:
    """Spread of the residuals along the fitted values or a column, relative to the model's.

    Parameters
    ----------
    model : GLMM, Residuals, or any model that can be checked
    against : str
        "fitted", or a column of the data.
    seed : int, optional
        Of the replicates behind the band.
    draws : int
        Replicates.

    Returns
    -------
    Picture
    """
    return picture_of(model, checks.Spread(against), seed, draws)


def trend(
    model: Checkable | Ported | Residuals,
    against: str = "fitted",
    *,
    seed: int | None = None,
    draws: int = DRAWS,
) -> Picture:
    """Mean residual along the fitted values or a column, with a simultaneous 95 % band.

    Parameters
    ----------
    model : GLMM, Residuals, or any model that can be checked
    against : str
        "fitted", or a column of the data.
    seed : int, optional
        Of the replicates behind the band.
    draws : int
        Replicates.

    Returns
    -------
    Picture
    """
    return picture_of(model, checks.Trend(against), seed, draws)


def half_normal(
    model: Checkable | Ported | Residuals, *, seed: int | None = None, draws: int = DRAWS
) -> NormalPlot:
    """Sizes of residuals in their order against half-normal quantiles, with an envelope.

    The size of a row is its normal score, as the root mean square over what the data say of its
    random effects (`mixcheck.checks.Outliers`); the envelope holds those of 95 % of replicates in
    all their ranks at once.

    Parameters
    ----------
    model : GLMM, Residuals, or any model that can be checked
    seed : int, optional
        Of the replicates.
    draws : int
        Replicates.

    Returns
    -------
    NormalPlot

    References
    ----------
    Atkinson (1985), Plots, Transformations and Regression; Moral, Hinde & Demétrio (2017), Journal
    of Statistical Software 81(10).

    Examples
    --------
    >>> import mixcheck as mc
    >>> fit = mc.glmm("Reaction ~ Days + (Days | Subject)", mc.datasets.load("sleepstudy"))
    >>> picture = mc.plots.data.half_normal(fit, seed=1)
    >>> bool(picture.observed.max() > picture.band_high.max())
    True
    """
    plan = model.replicates if isinstance(model, Residuals) else replicate(model, seed=seed)
    number = require_draws(draws, least=19)
    made = replicate(plan.model, seed=plan.seed, draws=number, calibration="plug-in")
    sizes = _sizes(made.observe())
    kept = thinned(sizes.size, _POINTS)
    found = np.array([_sizes(made.replicate(k))[kept] for k in range(number)])
    low, high = simultaneous_band(found)
    return NormalPlot(
        sizes[kept],
        ndtri(0.5 + 0.5 * (kept + 0.5) / sizes.size),
        low,
        high,
        highlighted=(sizes[kept] < low) | (sizes[kept] > high),
        title="Sizes of residuals against half-normal quantiles",
        x_label="half-normal quantile",
        y_label="size, in standard deviations",
    )


def _sizes(seen: DataView) -> FloatArray:
    """Sizes of the residuals of one data set in their order, (n,)."""
    if seen.transform is None:
        return np.sort(np.abs(ndtri(seen.residuals)))
    return np.sort(np.sqrt(seen.transform().squares))


def rootogram(
    model: Checkable | Ported | Residuals,
    most: int | None = None,
    *,
    seed: int | None = None,
    draws: int = DRAWS,
) -> Picture:
    """Square roots of how often each count occurs, beside what the model expects.

    Parameters
    ----------
    model : GLMM, Residuals, or any model that can be checked
    most : int, optional
        The largest count that is shown.
    seed : int, optional
        Of the replicates behind the band.
    draws : int
        Replicates.

    Returns
    -------
    Picture
    """
    return picture_of(model, checks.Rootogram(most), seed, draws)


def binned(
    model: Checkable | Ported | Residuals,
    bins: int | None = None,
    *,
    seed: int | None = None,
    draws: int = DRAWS,
) -> Picture:
    """Mean response of rows of like predicted probability, for responses of 0 and 1.

    Parameters
    ----------
    model : GLMM, Residuals, or any model that can be checked
    bins : int, optional
        Number of groups of rows.
    seed : int, optional
        Of the replicates behind the band.
    draws : int
        Replicates.

    Returns
    -------
    Picture
    """
    return picture_of(model, checks.Calibration(bins), seed, draws)


def autocorrelation(
    model: Checkable | Ported | Residuals,
    time: str | None = None,
    group: str | None = None,
    *,
    seed: int | None = None,
    draws: int = DRAWS,
) -> Picture:
    """Correlation of residuals that follow each other, by their distance, with an envelope.

    Parameters
    ----------
    model : GLMM, Residuals, or any model that can be checked
    time : str, optional
        Column of times; the order of the rows by default.
    group : str, optional
        Column of the series; all rows are one by default.
    seed : int, optional
        Of the replicates behind the envelope.
    draws : int
        Replicates.

    Returns
    -------
    Picture
    """
    return picture_of(model, checks.Autocorrelation(time, group), seed, draws)


def spatial(
    model: Checkable | Ported | Residuals,
    x: str,
    y: str,
    *,
    seed: int | None = None,
    draws: int = DRAWS,
) -> Picture:
    """Correlogram of residuals of places, by their distance, with an envelope.

    Parameters
    ----------
    model : GLMM, Residuals, or any model that can be checked
    x, y : str
        Columns of coordinates.
    seed : int, optional
        Of the replicates behind the envelope.
    draws : int
        Replicates.

    Returns
    -------
    Picture
    """
    return picture_of(model, checks.Spatial(x, y), seed, draws)


def selection_path(selection: Selection) -> Caterpillar:
    """Models of a selection by their distance from the best, on the scale of the criterion.

    Parameters
    ----------
    selection : Selection

    Returns
    -------
    Caterpillar
        Models within two units of the best stand out.

    Examples
    --------
    >>> import mixcheck as mc
    >>> growth = mc.datasets.load("Orthodont")
    >>> found = mc.select("distance ~ age * Sex + (1 | Subject)", growth, random=False)
    >>> len(mc.plots.data.selection_path(found).labels)
    5
    """
    if not isinstance(selection, Selection):
        raise OptionError(f"the result of mixcheck.select is drawn, found {shown(selection)}")
    models = selection.models[:40][::-1]
    away = np.array([model.delta for model in models])
    return Caterpillar(
        tuple(model.model for model in models),
        away,
        np.zeros(away.size),
        away,
        away < 2.0,
        title=f"Models by {selection.criterion.upper()}",
        x_label="difference from the best",
    )
