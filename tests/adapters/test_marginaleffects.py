"""Our fits in Python's marginaleffects, where that is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.adapters.marginaleffects import as_model
from mixcheck.errors import OptionError

# Its derivatives in the coefficients are one-sided differences of this step.
STEP = 1e-6
# What it asks of polars is deprecated there.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def me() -> Any:
    """The package."""
    return pytest.importorskip("marginaleffects")


@pytest.fixture(scope="module")
def salamanders() -> mc.GLMM:
    """Counts with an interaction, a factor and a zero part."""
    data = mc.datasets.load("Salamanders")
    return mc.glmm("count ~ mined * DOP + (1 | site)", data, family="nbinom2", zi="~ mined")


def _agree(found: Any, expected: pd.DataFrame) -> None:
    np.testing.assert_allclose(found["estimate"].to_numpy(), expected["estimate"], rtol=1e-4)
    errors = found["std_error"].to_numpy()
    np.testing.assert_allclose(errors, expected["std_error"], rtol=1e-5)


def test_slopes_and_comparisons_are_ours(me: Any, salamanders: mc.GLMM) -> None:
    """Average slopes and comparisons have our numbers, with normal quantiles."""
    model = as_model(salamanders)
    ours = mc.slopes(salamanders, "DOP", random_effects="zero", ddf="normal").to_frame()
    _agree(me.avg_slopes(model, variables="DOP", eps_vcov=STEP), ours)
    ours = mc.comparisons(salamanders, "mined", random_effects="zero", ddf="normal").to_frame()
    _agree(me.avg_comparisons(model, variables="mined", eps_vcov=STEP), ours)


def test_predictions_are_ours(me: Any, salamanders: mc.GLMM) -> None:
    """Those of rows have the errors of `predict`, on both scales."""
    for of in ("response", "link"):
        scale: Any = of
        found = me.predictions(as_model(salamanders, of=scale), eps_vcov=STEP)
        expected = salamanders.predict(random_effects="zero", scale=scale, interval="confidence")
        _agree(found, expected.rename(columns={"predicted": "estimate"}))


def test_levels_that_are_numbers(me: Any) -> None:
    """A factor of numbers is one to marginaleffects too."""
    data = mc.datasets.load("cbpp").assign(period=lambda d: d["period"].astype(int))
    formula = "incidence / size ~ C(period) + (1 | herd)"
    fit = mc.glmm(formula, data, family="binomial")
    found = me.avg_comparisons(as_model(fit), variables="period", eps_vcov=STEP)
    ours = mc.comparisons(fit, "period", random_effects="zero", ddf="normal").to_frame()
    _agree(found, ours)


def test_wrong_calls(salamanders: mc.GLMM) -> None:
    """One sentence, whether or not the package is there."""
    with pytest.raises(OptionError, match="of="):
        as_model(salamanders, of="marginal")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="needs a fit that predicts"):
        as_model(1)  # type: ignore[arg-type]


def test_without_the_package(salamanders: mc.GLMM, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install, and what is here without."""
    monkeypatch.setitem(__import__("sys").modules, "marginaleffects.classes", None)
    monkeypatch.setitem(__import__("sys").modules, "marginaleffects", None)
    with pytest.raises(OptionError, match=r"pip install marginaleffects, or take mixcheck\.slopes"):
        as_model(salamanders)
