"""Correlation in space: distances, places, and what is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks.spatial import Spatial, _near
from mixcheck.errors import OptionError
from mixcheck.report.finding import Skipped


def field(reach, places=150, per=1, seed=0, site=False):
    """Counts at random places; the logarithm of the mean is a field of exponential covariance."""
    rng = np.random.default_rng(seed)
    at = rng.uniform(size=(places, 2))
    apart = np.linalg.norm(at[:, None] - at[None], axis=2)
    cov = np.exp(-apart / reach) + 1e-9 * np.eye(places) if reach else np.eye(places)
    noise = 0.8 * np.linalg.cholesky(cov) @ rng.normal(size=places)
    where = np.repeat(np.arange(places), per)
    group = where if site else rng.integers(0, 12, where.size)
    level = 1.0 + (noise[where] if reach or site else 0.3 * rng.normal(size=12)[group])
    y = rng.poisson(np.exp(level))
    return pd.DataFrame({"y": y, "g": group, "u": at[where, 0], "v": at[where, 1]})


def found(data, check=None, draws=99):
    """The one finding of the check on a Poisson fit."""
    fit = mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")
    return mc.checks.Suite((check or Spatial("u", "v"),)).run(fit, seed=1, draws=draws).findings[0]


def test_a_field_between_rows_is_found():
    """Places near each other have residuals alike, up to the reach of the field."""
    finding = found(field(0.2))
    assert finding.pvalue == pytest.approx(1 / 100)
    assert finding.effect.low > 0.0
    assert finding.picture.y[0] == max(finding.picture.y)


def test_a_field_between_sites_is_found_behind_their_random_intercepts():
    """Rows of a site are one place, whose sum still carries the effect of the site."""
    finding = found(field(0.3, places=80, per=5, seed=1, site=True))
    assert finding.pvalue <= 0.01


@pytest.mark.slow
def test_independent_rows_and_sites_pass():
    """Six correct data sets of each kind."""
    pvalues = [found(field(0, seed=s), draws=199).pvalue for s in range(6)]
    pvalues += [
        found(field(0, places=60, per=5, seed=s, site=True), draws=199).pvalue for s in range(6)
    ]
    assert min(pvalues) > 0.01
    assert np.mean(pvalues) > 0.25


def test_kilometres_are_along_the_surface():
    """Paris to London is 344 km; points on both sides of the date line are near each other."""
    rng = np.random.default_rng(4)
    spread = 1e-4 * rng.normal(size=(40, 2))
    ends = np.array([[2.3522, 48.8566], [-0.1276, 51.5072]])[np.arange(40) % 2]
    lon, lat = (ends + spread).T
    group = np.arange(40) // 4
    y = rng.poisson(np.exp(1.0 + 0.9 * rng.normal(size=10)[group]))
    data = pd.DataFrame({"y": y, "g": group, "lon": lon, "lat": lat})
    picture = found(data, Spatial("lon", "lat", metric="great-circle"), draws=19).picture
    assert picture.x_label == "distance in km"
    assert picture.x.max() < 1.0
    wide = data.assign(lon=data["lon"] * 8)
    far = found(wide, Spatial("lon", "lat", metric="great-circle"), draws=19).picture
    assert far.x.max() < 700.0
    line = data.assign(lon=np.where(np.arange(40) % 2, 179.999, -179.999) + spread[:, 0], lat=0.0)
    assert found(line, Spatial("lon", "lat", metric="great-circle"), draws=19).picture.x.max() < 1.0


def test_many_places_have_near_pairs_and_some_far_ones():
    """The pairs of 3,000 places are some hundred thousand, with the nearest of each among them."""
    rng = np.random.default_rng(5)
    points = rng.uniform(size=(3000, 2))
    bands = _near(points)
    assert bands.first.size < 250_000
    assert bands.distances[-1] > 0.2
    pairs = set(zip(bands.first.tolist(), bands.second.tolist(), strict=True))
    apart = np.linalg.norm(points[:50, None] - points[None], axis=2)
    apart[np.arange(50), np.arange(50)] = np.inf
    for place, nearest in enumerate(apart.argmin(axis=1)):
        assert (min(place, nearest), max(place, nearest)) in pairs


def test_too_few_places_are_skipped():
    """Nine places say nothing of a field."""
    outcome = found(field(0, places=9, per=10))
    assert isinstance(outcome, Skipped)
    assert "9 places" in outcome.reason


def test_missing_coordinates_are_left_out_and_said():
    """A row without a place is not at (0, 0)."""
    data = field(0)
    data.loc[:4, "u"] = np.nan
    finding = found(data, draws=19)
    assert finding.n == 145
    assert "5 rows without a value of u or v" in finding.detail


def test_wrong_arguments_are_answered():
    """What was wrong, and what is allowed."""
    with pytest.raises(OptionError, match="'euclidean', 'great-circle'"):
        Spatial("u", "v", metric="manhattan")
    with pytest.raises(OptionError, match="latitude from -90 to 90"):
        found(field(0).assign(v=200.0), Spatial("u", "v", metric="great-circle"), draws=19)
    with pytest.raises(OptionError, match="'g' holds"):
        found(field(0).astype({"g": str}), Spatial("g", "v"), draws=19)
