"""Count models of statsmodels by their distributions: the laws of the port, and their refits."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import mixcheck as mc
from mixcheck.adapters.statsmodels.predicted import PREDICTED
from mixcheck.port import port_of
from mixcheck.testing import check_model_port

N = 150


def _table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"x": rng.normal(size=N), "e": rng.uniform(1.0, 3.0, N)})
    d["y"] = rng.negative_binomial(4, 4 / (4 + np.exp(0.5 + 0.5 * d["x"]) * d["e"]))
    d["few"] = d["y"] * (rng.random(N) > 0.3)
    return d


MADE = {
    "GP1": lambda d: sm.GeneralizedPoisson.from_formula("y ~ x", d, exposure=d["e"]),
    "GP2": lambda d: sm.GeneralizedPoisson.from_formula("y ~ x", d, p=2, offset=np.log(d["e"])),
    "ZIGP": lambda d: sm.ZeroInflatedGeneralizedPoisson.from_formula("few ~ x", d),
}


def _made(name: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MADE[name](_table()).fit(disp=0, maxiter=500)


@pytest.mark.parametrize(
    "name", ["GP2", *(pytest.param(name, marks=pytest.mark.slow) for name in ("GP1", "ZIGP"))]
)
def test_the_laws_of_the_port_hold(name):
    """Moments, masses and draws are those of the distribution, and refits are fits."""
    check_model_port(lambda: _made(name))


@pytest.mark.parametrize("name", MADE)
def test_masses_sum_to_the_likelihood(name):
    """The distribution is the one that was fitted."""
    result = _made(name)
    view = port_of(result).observe("marginal", np.random.default_rng(1))
    masses = view.transform().mass[0]
    assert np.log(masses).sum() == pytest.approx(result.llf, abs=1e-6)


def test_every_class_is_tried():
    """The names are those of classes."""
    assert {type(_made(name).model).__name__ for name in MADE} == set(PREDICTED)


@pytest.mark.slow
def test_a_result_is_checked_as_it_is():
    """A Poisson model fails where a generalised one passes."""
    d = _table()
    plain = sm.Poisson.from_formula("y ~ x", d, exposure=d["e"]).fit(disp=0)
    wrong, right = (
        mc.check(one, mc.checks.Dispersion(), seed=1, draws=39) for one in (plain, _made("GP1"))
    )
    assert wrong.verdicts["dispersion"] is mc.Verdict.FAIL
    assert right.ok
