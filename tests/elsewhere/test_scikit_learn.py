"""Mixed models among the estimators of scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator

import mixcheck as mc
from mixcheck.elsewhere.scikit_learn import GLMMRegressor

CHECKS = list(estimator_checks_generator(GLMMRegressor()))
# Asks for an environment variable of SciPy, and for arrays of other libraries.
OTHER_ARRAYS = "check_array_api_input"


def _name(check) -> str:
    return getattr(check, "__name__", None) or check.func.__name__


@pytest.fixture(scope="module")
def sleep() -> pd.DataFrame:
    """Reaction times of 18 subjects."""
    return mc.datasets.load("sleepstudy")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", range(len(CHECKS)))
def test_scikit_learn_accepts_it(number):
    """Its own conformance tests, one by one."""
    estimator, check = CHECKS[number]
    if _name(check) != OTHER_ARRAYS:
        check(estimator)


def test_what_conformance_tests_there_are():
    """Some fifty; one alone is not asked."""
    names = [_name(check) for _, check in CHECKS]
    assert len(names) > 40
    assert names.count(OTHER_ARRAYS) <= 1
    assert {"check_regressors_train", "check_fit_idempotent"} <= set(names)


def test_the_fit_is_that_of_glmm(sleep):
    """Estimates and predictions; the estimator is checked as its model is."""
    X, y = sleep[["Days", "Subject"]], sleep["Reaction"]
    regressor = GLMMRegressor("Days + (Days | Subject)", reml=True).fit(X, y)
    fit = mc.glmm("Reaction ~ Days + (Days | Subject)", sleep, reml=True)
    assert regressor.model_.params.equals(fit.params)
    np.testing.assert_array_equal(regressor.predict(X), fit.predict(sleep))
    assert (
        mc.check(regressor, seed=1, draws=19).verdicts
        == mc.check(fit, seed=1, draws=19).verdicts | {}
    )
    assert clone(regressor).get_params() == regressor.get_params()


def test_folds_of_whole_groups_are_predicted_without_their_effects(sleep):
    """New levels have effects of zero, or are refused where that is asked."""
    X, y = sleep[["Days", "Subject"]], sleep["Reaction"]
    folds = {"groups": sleep["Subject"], "cv": GroupKFold(6)}
    found = cross_val_predict(GLMMRegressor("Days + (1 | Subject)"), X, y, **folds)
    for train, test in GroupKFold(6).split(X, y, sleep["Subject"]):
        fit = mc.glmm("Reaction ~ Days + (1 | Subject)", sleep.iloc[train])
        wanted = fit.predict(sleep.iloc[test], random_effects="zero")
        np.testing.assert_allclose(found[test], wanted, rtol=1e-9)
    strict = GLMMRegressor("Days + (1 | Subject)", unseen="error").fit(X[:150], y[:150])
    with pytest.raises(mc.errors.UnseenLevelError):
        strict.predict(X)


def test_pipelines_and_searches(sleep):
    """Formulas and families are parameters like any other."""
    table = sleep.assign(week=sleep["Days"] / 7.0)
    model = make_pipeline(FunctionTransformer(), GLMMRegressor())
    grid = {"glmmregressor__formula": ["week", "week + (1 | Subject)"]}
    search = GridSearchCV(model, grid, cv=KFold(3, shuffle=True, random_state=1)).fit(
        table[["week", "Subject"]], table["Reaction"]
    )
    assert search.best_params_["glmmregressor__formula"] == "week + (1 | Subject)"


def test_families_parts_and_columns():
    """A model of the dispersion, an offset, and the name of the response taken by a column."""
    ticks = mc.datasets.load("grouseticks")
    X = ticks[["YEAR", "cHEIGHT", "BROOD"]].assign(y=0.1)
    regressor = GLMMRegressor(
        "YEAR + cHEIGHT + (1 | BROOD)", family="nbinom2", dispersion="YEAR", offset="y"
    ).fit(X, ticks["TICKS"])
    fit = mc.glmm(
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD)",
        ticks.assign(y=0.1),
        family="nbinom2",
        dispersion="~ YEAR",
        offset="y",
    )
    assert regressor.model_.params.equals(fit.params)
    assert regressor.model_.formula.startswith("y_ ~")
    numbers = GLMMRegressor().fit(X[["cHEIGHT"]].to_numpy(), ticks["TICKS"])
    assert "x0" in numbers.model_.params.index


def test_rows_are_not_taken_by_their_position(sleep):
    """Where X and y both have an index."""
    X, y = sleep[["Days", "Subject"]], sleep["Reaction"]
    with pytest.raises(mc.DataError, match=r"y\.loc\[X\.index\]"):
        GLMMRegressor("Days + (1 | Subject)").fit(X, y.sample(frac=1.0, random_state=1))
    with pytest.raises(mc.UnknownColumnError):
        GLMMRegressor("Weeks + (1 | Subject)").fit(X, y)


def test_responses_that_are_a_function_of_predictors():
    """Least squares, with a warning; there is no distribution to check."""
    X = pd.DataFrame({"a": np.arange(12.0), "b": np.arange(12.0) ** 2})
    with pytest.warns(mc.errors.ConvergenceWarning, match="reproduced exactly"):
        regressor = GLMMRegressor().fit(X, 2.0 * X["a"] - X["b"])
    np.testing.assert_allclose(regressor.predict(X + 1.0), 2.0 * (X.a + 1.0) - (X.b + 1.0))
    with pytest.raises(mc.OptionError, match="reproduced exactly"):
        mc.check(regressor)
    with pytest.raises(mc.errors.ConvergenceError):
        GLMMRegressor("1 + (1 | g)", family="gamma").fit(X.assign(g=[1, 2] * 6), X["a"] * 0 + 1.0)
