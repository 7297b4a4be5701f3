"""The numbers of pictures of random effects."""

from __future__ import annotations

from mixcheck import checks
from mixcheck.arguments.options import require_choice, shown
from mixcheck.checks.portrait import plot_modes
from mixcheck.display.document import Caterpillar, NormalPlot
from mixcheck.errors import DataError, OptionError
from mixcheck.plots.from_checks import DRAWS, outcomes_of
from mixcheck.port import Checkable, Grouped, Ported, port_of
from mixcheck.quantile_residuals import Residuals
from mixcheck.report.finding import Finding

__all__ = ["caterpillar", "random_effects"]


def random_effects(
    model: Checkable | Ported | Residuals,
    term: str | None = None,
    *,
    seed: int | None = None,
    draws: int = DRAWS,
) -> NormalPlot:
    """Random effects of a term against normal quantiles, with a simultaneous 95 % band.

    Parameters
    ----------
    model : GLMM, or any model with random effects
    term : str, optional
        As checks call it, such as ``"Subject [Intercept]"``; the first one by default.
    seed : int, optional
        Of the replicates behind the band.
    draws : int
        Replicates.

    Returns
    -------
    NormalPlot
    """
    report = outcomes_of(model, (checks.RandomEffects(),), seed, draws)
    drawn = {
        str(one.subject["effect"]): one.picture
        for one in report
        if isinstance(one, Finding) and isinstance(one.picture, NormalPlot)
    }
    if not drawn:
        reasons = " ".join(getattr(one, "reason", "") for one in report).strip()
        raise DataError(f"no random effect can be drawn: {reasons or 'the model has none'}")
    if term is None:
        return next(iter(drawn.values()))
    require_choice("term", term, tuple(drawn))
    return drawn[term]


def caterpillar(
    model: Checkable | Ported, group: str | None = None, effect: str | None = None
) -> Caterpillar:
    """Conditional modes of the levels of a factor, with 95 % intervals.

    Of more than 40 levels the extreme ones are shown.

    Parameters
    ----------
    model : GLMM
    group : str, optional
        Grouping factor; the first one by default.
    effect : str, optional
        Such as "Intercept", or a slope; the first one by default.

    Returns
    -------
    Caterpillar

    Examples
    --------
    >>> import mixcheck as mc
    >>> fit = mc.glmm("Reaction ~ Days + (Days | Subject)", mc.datasets.load("sleepstudy"))
    >>> mc.plots.data.caterpillar(fit, "Subject", "Days").labels[-1]
    '308'
    """
    port = port_of(model)
    tables = port.random_effects if isinstance(port, Grouped) else {}
    named = {
        (name, str(column)): table[column] for name, table in tables.items() for column in table
    }
    if not named:
        raise DataError("the model has no random effects to draw")
    for (name, column), modes in named.items():
        if group in (None, name) and effect in (None, column):
            deviations = port.random_effects_sd[name][column]
            return plot_modes(name, column, modes, deviations)
    known = ", ".join(shown(f"{name}: {column}") for name, column in named)
    raise OptionError(
        f"group and effect must be one of {known}, found {shown(group)} and {shown(effect)}"
    )
