"""Models of pymer4, which R fitted: read from what pymer4 keeps of them in Python."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from mixcheck.design.frames import as_frame
from mixcheck.elsewhere.agreement import require_same
from mixcheck.errors import OptionError
from mixcheck.families.registry import FAMILIES
from mixcheck.fitting.glmm import glmm
from mixcheck.notices import quiet
from mixcheck.port import port_of

__all__ = ["port_of_model"]

# Searches of lme4 without derivatives end this near to the optimum.
_TOLERANCE: Final = 0.01
_CLASSES: Final = ("lm", "glm", "lmer", "glmer")
_LINKS: Final = {"gaussian": "identity", "binomial": "logit", "poisson": "log"}
_WAY: Final = (
    "write simulate(fit, 1000) in R and mixcheck.from_draws(observed, draws); or the same formula "
    "in mixcheck.glmm(formula, data)"
)


def port_of_model(model: Any) -> Any:
    """The same model, fitted here and held to the log-likelihood of R.

    An ``lmer`` of pymer4 0.9 is fitted by restricted likelihood whatever is asked for, and a
    ``glmer`` by Laplace's approximation.

    Parameters
    ----------
    model : lm, glm, lmer or glmer of pymer4 (0.9 and later)
        After ``fit``; Gaussian, binomial or Poisson.

    Returns
    -------
    object
        The port of the `GLMM` with the same formula, data, weights and link.

    Raises
    ------
    OptionError
        If it is not fitted, or of another family.
    DataError
        If the log-likelihoods differ by more than 0.01.

    Examples
    --------
    >>> from pymer4.models import lmer  # doctest: +SKIP
    >>> import mixcheck as mc
    >>> sleep = mc.datasets.load("sleepstudy")
    >>> model = lmer("Reaction ~ Days + (Days | Subject)", data=sleep)  # doctest: +SKIP
    >>> model.fit()  # doctest: +SKIP
    >>> mc.check(model, seed=1).ok  # doctest: +SKIP
    False
    """
    name, family = _known(model)
    link = _LINKS[family] if model.link in (None, "default") else str(model.link)
    options: dict[str, Any] = {"family": FAMILIES[family](link=link)}
    table = _with_factors(model)
    if model.weights is not None:
        weights = np.asarray(model.weights, dtype=np.float64)
        if family == "gaussian":
            table, options["precision"] = table.assign(weight_=weights), "weight_"
        else:
            options["weights"] = weights
    if name == "glmer":
        options["hessian"] = "expected"
    theirs = float(model.result_fit_stats["logLik"][0])
    with quiet():
        fit = glmm(model.formula, table, **options, reml=name == "lmer")
    return port_of(require_same(fit, theirs, _TOLERANCE, _WAY))


def _known(model: Any) -> tuple[str, str]:
    """Class and family, if this model can be fitted here."""
    kind = type(model).__name__
    name = next((k.__name__ for k in type(model).__mro__ if k.__name__ in _CLASSES), None)
    if name is None:
        raise OptionError(f"{kind} of pymer4 is not one of {', '.join(_CLASSES)}; {_WAY}")
    if not model.fitted:
        raise OptionError(f"{kind} of pymer4 is not fitted: write model.fit() first")
    family = "gaussian" if model.family is None else str(model.family)
    if family not in _LINKS:
        raise OptionError(
            f"the family {family!r} of {kind} of pymer4 is not taken, only "
            f"{', '.join(_LINKS)}; {_WAY}"
        )
    return name, family


def _with_factors(model: Any) -> pd.DataFrame:
    """The table, with the columns that are factors in R."""
    table = as_frame(model.data)
    factors = {
        name: pd.Categorical(table[name].astype(str), categories=[str(x) for x in levels])
        for name, levels in (model.factors or {}).items()
    }
    return table.assign(**factors)
