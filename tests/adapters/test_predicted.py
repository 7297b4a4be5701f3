"""Models known by the distribution that they predict: the laws of the port, and refusals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixcheck as mc
from mixcheck.errors import ConvergenceError, DataError, OptionError
from mixcheck.port import Refittable
from mixcheck.testing import check_model_port

N = 200


def _table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"x": rng.normal(size=N)}, index=np.arange(N) + 10)
    d["count"] = rng.poisson(np.exp(0.5 + 0.5 * d["x"]))
    d["real"] = 1.0 + d["x"] + rng.normal(size=N)
    return d


@dataclass(frozen=True)
class _Line:
    """Least squares with a normal error."""

    x: np.ndarray

    def __call__(self, y: np.ndarray):
        X = np.column_stack([np.ones_like(self.x), self.x])
        fitted = X @ np.linalg.lstsq(X, y, rcond=None)[0]
        return stats.norm(fitted, np.sqrt(np.sum((y - fitted) ** 2) / (y.size - 2)))


def _made(name: str) -> object:
    d = _table()
    if name == "counts":
        return mc.from_distribution(d["count"], stats.poisson(np.exp(0.5 + 0.5 * d["x"])), frame=d)
    if name == "one for all":
        return mc.from_distribution(d["count"], stats.nbinom(1.0, 0.3))
    if name == "measurements":
        return mc.from_distribution(d["real"], stats.t(8, 1.0 + d["x"], 1.0))
    refit = _Line(d["x"].to_numpy())
    return mc.from_distribution(d["real"], refit(d["real"].to_numpy()), refit=refit, frame=d)


@pytest.mark.parametrize("name", ["counts", "one for all", "measurements", "a line"])
def test_the_laws_of_the_port_hold(name):
    """Residuals are uniform over replicates, and refits see what they were fitted to."""
    check_model_port(lambda: _made(name))


def test_only_what_can_be_refitted_is_refittable():
    """Without refit= predictions are held."""
    assert isinstance(_made("a line"), Refittable)
    assert not isinstance(_made("counts"), Refittable)


def test_it_agrees_with_a_fit_of_ours():
    """The same regression has the same residuals, but for the divisor of the variance."""
    d = _table()
    own, other = (
        mc.residuals(model, seed=1).normal
        for model in (mc.glmm("real ~ x", d, reml=True), _made("a line"))
    )
    np.testing.assert_allclose(other, own, atol=1e-6)


def test_a_wrong_distribution_fails():
    """Poisson for counts that vary more."""
    rng = np.random.default_rng(2)
    y = rng.negative_binomial(1.0, 0.25, N)
    report = mc.check(mc.from_distribution(y, stats.poisson(np.full(N, 3.0))), seed=1)
    assert report.verdicts["dispersion"] is mc.Verdict.FAIL


def test_far_tails_keep_their_digits():
    """A response of twelve standard deviations is told as such from above and from below."""
    y = np.array([12.0, -12.0, 0.0])
    model = mc.from_distribution(y, stats.norm(np.zeros(3), 1.0))
    view = model.observe("marginal", np.random.default_rng(1))
    np.testing.assert_allclose(view.transform().scores[0], y, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("observed", "distribution", "options", "error", "message"),
    [
        ([[1.0]], stats.norm(), {}, DataError, "one non-empty vector"),
        ([1.0, 2.0], 3, {}, OptionError, "lacks cdf, sf, mean, var, rvs"),
        ([1.0, 2.0], stats.norm(np.zeros(3)), {}, DataError, r"of 2 rows.* found shape \(3,\)"),
        ([1.0, 2.0], stats.norm(0.0, np.nan), {}, DataError, "must be finite in every row"),
        ([0.5, 1.5], stats.poisson(1.0), {}, DataError, "no response is possible"),
        ([1.0, 2.0], stats.norm(), {"refit": 3}, OptionError, "refit must be a function"),
        ([1.0, 2.0], stats.norm(), {"frame": {"x": [1]}}, DataError, "one row an observation, 2"),
    ],
)
def test_what_cannot_be_is_refused(observed, distribution, options, error, message):
    """Each with what was wrong."""
    with pytest.raises(error, match=message):
        mc.from_distribution(observed, distribution, **options)


def test_a_refit_that_fails_says_so():
    """Errors of the other program are failures of this response."""

    def fail(y):
        raise RuntimeError("singular")

    model = mc.from_distribution(np.zeros(5), stats.norm(np.zeros(5)), refit=fail)
    with pytest.raises(ConvergenceError, match="RuntimeError: singular"):
        model.refit(np.ones(5))
