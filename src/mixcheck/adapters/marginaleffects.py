"""Our fits for Python's marginaleffects, which takes a model of its own kind.

It computes a quantity of interest of any kind from predictions, and its standard error by the
delta method, from predictions at coefficients next to the estimates: `GLMM.predict` with
``params=``.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from mixcheck.arguments.options import require_choice, shown
from mixcheck.errors import OptionError
from mixcheck.port import Ported, port_of
from mixcheck.port.predicting import Predicting

__all__ = ["as_model"]


def as_model(fit: Ported, *, of: Literal["response", "link"] = "response") -> Any:
    """A fit as a model of marginaleffects, for its ``predictions``, ``comparisons``, ``slopes``.

    Predictions have random effects of zero. With ``"marginal"`` they would move with the
    variances of the random effects as well, and marginaleffects knows coefficients only: for these
    see `mixcheck.emmeans`, `mixcheck.slopes` and `mixcheck.comparisons`.

    Parameters
    ----------
    fit : GLMM
    of : {"response", "link"}
        What is predicted: the mean, or its linear predictor.

    Returns
    -------
    marginaleffects.classes.ModelAbstract
        Standard errors are those of the covariance of `GLMM.cov_params`, without degrees of
        freedom: ``ddf="normal"`` of our own functions.

    Raises
    ------
    OptionError
        If marginaleffects is not installed, or `fit` predicts nothing.

    Examples
    --------
    >>> from mixcheck.adapters.marginaleffects import as_model
    >>> import marginaleffects  # doctest: +SKIP
    >>> marginaleffects.avg_slopes(as_model(fit), variables="x")  # doctest: +SKIP
    """
    require_choice("of", of, ("response", "link"))
    port = port_of(fit)
    if isinstance(port, type) or not isinstance(port, Predicting):
        raise OptionError(
            "as_model needs a fit that predicts, such as the result of mixcheck.glmm(..); found "
            f"{shown(fit)}"
        )
    pl, abstract, vault = _import()
    columns = port.prediction_columns(of)
    levels = {name: _levels(port.frame[name]) for name, has in columns.items() if has}
    # It takes the name of a response, which predictions do not use.
    response = "response" if "response" not in columns else "response of the fit"
    table = {response: np.zeros(len(port.frame))}
    for name in columns:
        own = port.frame[name]
        texts = own.astype(str).tolist()
        known = pl.Enum([*levels[name]]) if name in levels else None
        table[name] = own.to_numpy() if known is None else pl.Series(texts, dtype=known)
    params = fit.params  # type: ignore[attr-defined]
    quoted = " + ".join(f"`{name}`" for name in columns) or "1"
    held = vault(
        coef=params.to_numpy(),
        coefnames=np.array(params.index),
        formula=f"`{response}` ~ {quoted}",
        modeldata=pl.DataFrame(table),
        package="mixcheck",
        variable_names=[response, *columns],
    )
    kind = type("ModelMixcheck", (_Methods, abstract), {"levels": levels, "of": of})
    return kind(fit, held)


def _import() -> tuple[Any, Any, Any]:
    """Polars, and the classes of a model and of what it holds."""
    try:
        import polars
        from marginaleffects.classes import ModelAbstract, ModelVault
    except ImportError as error:
        raise OptionError(
            f"{error.name} is not installed: pip install marginaleffects, or take mixcheck.slopes, "
            "mixcheck.comparisons and mixcheck.emmeans"
        ) from error
    return polars, ModelAbstract, ModelVault


class _Methods:
    """What marginaleffects asks of a model beside what it holds."""

    levels: dict[str, dict[str, Any]]
    of: str
    model: Any

    def get_exog(self, newdata: Any) -> Any:
        """New rows as they are: the formula is read by the fit."""
        return newdata

    def get_vcov(self, vcov: object = True) -> Any:
        """Covariance of the coefficients, (p, p)."""
        if not isinstance(vcov, bool):
            raise OptionError(f"vcov={shown(vcov)} must be True, False or a matrix")
        return self.model.cov_params().to_numpy() if vcov else None

    def get_predict(self, params: Any, newdata: Any) -> Any:
        """Predictions of new rows at some coefficients, by number of the row."""
        rows = newdata.to_pandas()
        for name, own in self.levels.items():
            rows[name] = rows[name].astype(str).map(own)
        found = self.model.predict(
            rows, params=np.asarray(params), random_effects="zero", scale=self.of
        )
        number = np.arange(len(rows), dtype=np.int32)
        return type(newdata)({"rowid": number, "estimate": found.to_numpy()})


def _levels(column: pd.Series[Any]) -> dict[str, Any]:
    """The levels of a column by their text, in their order."""
    found = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else None
    present = sorted(column.dropna().unique()) if found is None else found
    return {str(level): level for level in present}
