"""Correlation along time: which rows are a lag apart, and what it finds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks.autocorrelation import Autocorrelation, _lagged
from mixcheck.errors import OptionError, UnknownColumnError
from mixcheck.report.finding import Skipped


def series(rho, groups=30, length=8, seed=0, sd=1.0):
    """Gaussian series with random intercepts and errors of a first-order autoregression."""
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=(groups, length))
    for t in range(1, length):
        errors[:, t] = rho * errors[:, t - 1] + np.sqrt(1 - rho**2) * errors[:, t]
    g = np.repeat(np.arange(groups), length)
    y = 1.0 + 0.7 * rng.normal(size=groups)[g] + sd * errors.ravel()
    return pd.DataFrame({"y": y, "g": g, "t": np.tile(np.arange(length), groups)})


def found(data, check, formula="y ~ 1 + (1 | g)", draws=99, **options):
    """The one finding of a check on a fit of the data."""
    fit = mc.glmm(formula, data, **options)
    return mc.checks.Suite((check,)).run(fit, seed=1, draws=draws).findings[0]


def test_pairs_are_exactly_so_many_steps_apart_within_a_series():
    """By the definition, with gaps and series of different lengths."""
    rng = np.random.default_rng(3)
    owner = np.sort(rng.integers(0, 6, 60))
    clock = np.concatenate(
        [np.sort(rng.choice(40, np.sum(owner == k), replace=False)) for k in range(6)]
    ).astype(float)
    bands = _lagged(owner, clock, 5)
    ends = np.append(bands.starts[1:], bands.first.size)
    for lag, start, end in zip(bands.distances, bands.starts, ends, strict=True):
        pairs = set(
            zip(bands.first[start:end].tolist(), bands.second[start:end].tolist(), strict=True)
        )
        wanted = {
            (i, j)
            for i in range(60)
            for j in range(60)
            if owner[i] == owner[j] and clock[j] - clock[i] == lag
        }
        assert pairs == wanted


def test_the_order_of_the_rows_is_a_time():
    """Without a column each row is one step from the one before in its series."""
    data = series(0.4, groups=12)
    by_column = found(data, Autocorrelation("t", "g"), draws=39)
    by_rows = found(data, Autocorrelation(group="g"), draws=39)
    assert by_rows.check == "autocorrelation [order of rows, g]"
    assert by_rows.subject == {"group": "g"}
    assert "along the order of the rows" in by_rows.null
    assert (by_rows.statistic, by_rows.pvalue) == (by_column.statistic, by_column.pvalue)


def test_an_order_that_says_nothing():
    """Rows sorted by the response, or with series mixed, are no series in time."""
    data = series(0.0, groups=12)
    for rows, reason in (
        (data.sort_values(["g", "y"]), "The rows are sorted by the response."),
        (data.sort_values("t"), "Rows of one series do not follow each other."),
    ):
        skipped = found(rows, Autocorrelation(group="g"), draws=39)
        assert isinstance(skipped, Skipped)
        assert skipped.reason == reason


@pytest.mark.slow
def test_memory_is_found_and_its_absence_is_not():
    """Autoregressive errors of 0.5 fail at the smallest p-value; independent ones pass."""
    check = Autocorrelation("t", "g")
    assert found(series(0.5), check, draws=199).pvalue == pytest.approx(1 / 200)
    independent = [found(series(0.0, seed=seed), check, draws=199).pvalue for seed in range(1, 7)]
    assert min(independent) > 0.01
    assert np.mean(independent) > 0.2


def test_the_effect_is_the_correlation_in_excess_of_the_model():
    """Residuals given the modes are less correlated than errors; the picture has both."""
    finding = found(series(0.6, groups=60, length=20), Autocorrelation("t", "g"))
    assert finding.effect.low < 0.6 < finding.effect.high + 0.1
    assert finding.effect.low > 0.4
    picture = finding.picture
    np.testing.assert_array_equal(picture.x, [1, 2, 3, 4])
    assert (picture.reference < 0).all()
    assert picture.y[0] > picture.band_high[0]


def test_order_of_rows_is_no_matter():
    """Series are sorted by their times, wherever the rows stand."""
    data = series(0.4, seed=5)
    shuffled = data.sample(frac=1.0, random_state=1)
    numbers = [
        found(table, Autocorrelation("t", "g"), draws=19).picture.y for table in (data, shuffled)
    ]
    np.testing.assert_allclose(numbers[0], numbers[1], rtol=1e-6)


def test_dates_ordered_factors_and_periods_are_times():
    """All of them tell the same lags as whole numbers."""
    data = series(0.4, length=6, seed=2)
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(data["t"], unit="D")
    clocks = {
        "date": day,
        "period": day.dt.to_period("D"),
        "ordered": pd.Categorical(data["t"].astype(str), list("012345"), ordered=True),
        "duration": pd.to_timedelta(data["t"], unit="h"),
    }
    whole = found(data, Autocorrelation("t", "g"), draws=19).picture.y
    for name, values in clocks.items():
        got = found(data.assign(**{name: values}), Autocorrelation(name, "g"), draws=19)
        np.testing.assert_allclose(got.picture.y, whole, rtol=1e-9, err_msg=name)


def test_irregular_times_are_cut_into_bands():
    """Memory that fades with time is found among the nearest."""
    rng = np.random.default_rng(8)
    n = 400
    at = np.sort(rng.uniform(0, 100, n))
    decay = np.exp(-np.abs(at[:, None] - at[None, :]) / 0.7)
    g = rng.integers(0, 12, n)
    y = np.linalg.cholesky(decay) @ rng.normal(size=n) + rng.normal(size=12)[g]
    data = pd.DataFrame({"y": y, "at": at, "g": g})
    finding = found(data, Autocorrelation("at"))
    assert finding.pvalue == pytest.approx(1 / 100)
    assert (np.diff(finding.picture.x) > 0).all()
    assert finding.picture.x_label == "difference in at"


def test_rows_of_one_time_are_one_place():
    """Three rows a time give the pairs of times, not of rows."""
    data = pd.concat([series(0.0, groups=10, seed=k) for k in range(3)])
    finding = found(data, Autocorrelation("t", "g"), draws=19)
    assert finding.picture.x.tolist() == [1, 2, 3, 4]
    assert finding.n == 240


def test_rows_without_a_time_are_left_out_and_said():
    """Missing times are no time zero."""
    data = series(0.3).astype({"t": float})
    data.loc[[3, 5], "t"] = np.nan
    finding = found(data, Autocorrelation("t", "g"), draws=19)
    assert finding.n == 238
    assert "2 rows without a value of t are left out." in finding.detail


def test_what_has_no_order_is_skipped_with_the_reason():
    """Names of sites, factors without an order, and single observations are no series."""
    data = series(0.0).assign(name=lambda d: "s" + d["t"].astype(str))
    data["kind"] = pd.Categorical(data["name"])
    data["row"] = np.arange(len(data))
    for time, group, words in (
        ("name", "g", "no time"),
        ("kind", "g", "no order"),
        ("t", "row", "Too few"),
    ):
        outcome = found(data, Autocorrelation(time, group), draws=19)
        assert isinstance(outcome, Skipped)
        assert words in outcome.reason


def test_wrong_arguments_are_answered():
    """What was wrong, and what is allowed."""
    with pytest.raises(OptionError, match="time must be the name of a column, found 3"):
        Autocorrelation(3)
    with pytest.raises(OptionError, match="lags"):
        Autocorrelation("t", lags=0)
    with pytest.raises(UnknownColumnError, match="'tt'"):
        found(series(0.0), Autocorrelation("tt"), draws=19)
