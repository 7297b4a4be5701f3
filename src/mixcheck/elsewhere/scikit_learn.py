"""A mixed model as an estimator of scikit-learn, for pipelines, searches and cross-validation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mixcheck.arrays import FloatArray
from mixcheck.design import Design, apply_design, build_design, parse_formula
from mixcheck.errors import ConvergenceError, ConvergenceWarning, DataError, OptionError
from mixcheck.families import get_family
from mixcheck.fitting.glmm import glmm
from mixcheck.notices import warn
from mixcheck.port import port_of

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils.validation import (
        check_array,
        check_consistent_length,
        check_is_fitted,
        column_or_1d,
        validate_data,
    )
except ImportError as error:
    raise ImportError(
        "an estimator of scikit-learn needs scikit-learn 1.6 or newer; write "
        "python -m pip install scikit-learn"
    ) from error

__all__ = ["GLMMRegressor"]

# Residuals below this share of the responses are the rounding of least squares.
_EXACT = 1e-10


class GLMMRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A generalized linear mixed model as a regressor of scikit-learn.

    It is `mixcheck.glmm` with the response apart from the predictors, so that a mixed model stands
    in a ``Pipeline``, a ``GridSearchCV`` or a ``cross_validate``. Arguments are those of `glmm` and
    of `GLMM.predict` by their names.

    Parameters
    ----------
    formula : str, optional
        The right side, such as ``"x + (1 | site)"``. The columns of a DataFrame have their names,
        those of an array are x0, x1 and so on. By default all columns, each with one coefficient
        or one for each level, and no random effects.
    family : str or Family
    zi, dispersion : str, optional
        Right sides of these parts.
    offset, weights, precision : str, optional
        Names of columns.
    method : str
    nodes : int or "auto"
    reml : bool
    priors : mapping, optional
    random_effects : {"auto", "zero", "marginal"}
        Of predictions.
    unseen : {"zero", "error"}
        What a level that the fit has not seen is predicted with: an effect of zero, or an error.

    Attributes
    ----------
    model_ : GLMM or None
        The fit, for `mixcheck.check`, `mixcheck.compare` and all else. None where the responses of
        a normal model without random effects are reproduced exactly; predictions are then those of
        least squares, and a warning says so.
    n_features_in_ : int
    feature_names_in_ : (p,) array of str
        Where X was a DataFrame.

    Examples
    --------
    >>> import mixcheck as mc
    >>> from mixcheck.elsewhere.scikit_learn import GLMMRegressor
    >>> sleep = mc.datasets.load("sleepstudy")
    >>> regressor = GLMMRegressor("Days + (Days | Subject)")
    >>> regressor = regressor.fit(sleep[["Days", "Subject"]], sleep["Reaction"])
    >>> round(regressor.score(sleep[["Days", "Subject"]], sleep["Reaction"]), 3)
    0.825
    >>> regressor.model_.n_groups
    {'Subject': 18}
    """

    def __init__(
        self,
        formula: str | None = None,
        *,
        family: Any = "gaussian",
        zi: str | None = None,
        dispersion: str | None = None,
        offset: str | None = None,
        weights: str | None = None,
        precision: str | None = None,
        method: str = "laplace",
        nodes: Any = "auto",
        reml: bool = False,
        priors: Any = None,
        random_effects: str = "auto",
        unseen: str = "zero",
    ) -> None:
        self.formula = formula
        self.family = family
        self.zi = zi
        self.dispersion = dispersion
        self.offset = offset
        self.weights = weights
        self.precision = precision
        self.method = method
        self.nodes = nodes
        self.reml = reml
        self.priors = priors
        self.random_effects = random_effects
        self.unseen = unseen

    def fit(self, X: ArrayLike | pd.DataFrame, y: ArrayLike) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : (n, p) array or DataFrame
            Numbers, and in a DataFrame text and categories too.
        y : (n,) array or Series
            With the index of X, if both have one.

        Returns
        -------
        GLMMRegressor
            Itself.

        Raises
        ------
        DataError
            If there is one row, or the indices of X and y differ.
        MixcheckError
            What `glmm` raises.
        """
        table, response = self._read(X, y)
        if len(table) < 2:
            raise DataError("a model needs several rows, and X has one: n_samples = 1")
        formula = _formula(self.formula, table.columns)
        name = formula.partition(" ~ ")[0]
        data = table.assign(**{name: response})
        columns = {"offset": self.offset, "weights": self.weights, "precision": self.precision}
        options = {key: value for key, value in columns.items() if value is not None}
        options |= {} if self.nodes == "auto" else {"nodes": self.nodes}
        self.exact_ = None
        try:
            fitted: Any = glmm
            self.model_ = fitted(
                formula,
                data,
                family=self.family,
                zi=self.zi,
                dispersion=self.dispersion,
                method=self.method,
                reml=self.reml,
                priors=self.priors,
                **options,
            )
        except ConvergenceError:
            self.model_, self.exact_ = None, _by_least_squares(formula, data, self.family)
            if self.exact_ is None:
                raise
            warn(
                "The responses are reproduced exactly, so that there is no variance to estimate; "
                "predictions are those of least squares.",
                ConvergenceWarning,
            )
        return self

    def predict(self, X: ArrayLike | pd.DataFrame) -> FloatArray:
        """Means of the rows of X.

        Parameters
        ----------
        X : (n, p) array or DataFrame
            With the columns of the fit.

        Returns
        -------
        (n,) array
        """
        check_is_fitted(self)
        table, _ = self._read(X)
        if self.exact_ is not None:
            design, coefficients = self.exact_
            (mean,) = apply_design(design, table, unseen="zero", random="none")
            return np.asarray(mean.X @ coefficients + mean.offset, dtype=np.float64)
        predicted = self.model_.predict(
            table, random_effects=self.random_effects, unseen=self.unseen
        )
        return np.asarray(predicted, dtype=np.float64)

    def __mixcheck_port__(self) -> Any:
        """The port of the fit, by which `mixcheck.check` and all else take the estimator itself."""
        check_is_fitted(self)
        if self.model_ is None:
            raise OptionError(
                "the responses are reproduced exactly, so that there is no model with a "
                "distribution to look at; leave out the predictor that is a function of them"
            )
        return port_of(self.model_)

    def _read(self, X: Any, *response: Any) -> tuple[pd.DataFrame, Any]:
        """The rows as a table, and the response where there is one."""
        first = bool(response)
        named = isinstance(X, pd.DataFrame) and all(isinstance(name, str) for name in X.columns)
        if not named:
            if first:
                X, y = validate_data(self, X, *response, y_numeric=True)
            else:
                X, y = validate_data(self, X, reset=False), None
            return pd.DataFrame(X, columns=[f"x{k}" for k in range(X.shape[1])]), y
        if not first:
            validate_data(self, X, reset=False, skip_check_array=True)
            return X, None
        validate_data(self, X, *response, skip_check_array=True)
        (y,) = response
        if isinstance(y, pd.Series) and not y.index.equals(X.index):
            raise DataError(
                "y and X have different indices; write y.loc[X.index], or y.to_numpy() where they "
                "have one order"
            )
        if not isinstance(getattr(y, "dtype", None), pd.CategoricalDtype):
            y = column_or_1d(check_array(y, ensure_2d=False, dtype="numeric"), warn=True)
        check_consistent_length(X, y)
        return X, y


def _formula(right: str | None, columns: Iterable[Any]) -> str:
    """The whole formula, with a name of the response that no column has."""
    names = [str(column) for column in columns]
    response = "y"
    while response in names:
        response += "_"
    quoted = " + ".join(f"`{name}`" for name in names)
    side = quoted if right is None else right.strip().removeprefix("~").strip()
    return f"{response} ~ {side}"


def _by_least_squares(
    formula: str, data: pd.DataFrame, family: Any
) -> tuple[Design, FloatArray] | None:
    """A linear model that reproduces the responses exactly, or None where there is none."""
    chosen = get_family(family)
    design = build_design(parse_formula(formula), data, ratio_is_trials=False)
    (mean, *others) = design.predictors
    if others or mean.random or not (chosen.normal_error and chosen.is_linear):
        return None
    target = design.response - mean.offset
    found = np.linalg.lstsq(mean.X, target, rcond=None)[0]
    coefficients = np.asarray(found, dtype=np.float64)
    left = float(np.abs(target - mean.X @ coefficients).max())
    exact = left <= _EXACT * float(np.abs(design.response).max(initial=1.0))
    return (design, coefficients) if exact else None
