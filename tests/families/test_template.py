"""What a family has from its template."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from mixcheck.families import Binomial, Poisson
from mixcheck.families.derivatives import Derivatives
from mixcheck.families.responses import Observed
from mixcheck.families.template import Template


class Positive(Template):
    """A family with a positive mean, and no start of its own."""

    name: ClassVar[str] = "positive"
    predictors: ClassVar[tuple[str, ...]] = ("mean",)
    allowed_links: ClassVar[tuple[str, ...]] = ("log",)
    mean_range: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def variance(self, eta, size=None):
        """Not asked for here."""
        raise NotImplementedError

    def sample(self, eta, size, rng):
        """Not asked for here."""
        raise NotImplementedError


class Share(Positive):
    """The same with a mean between zero and one."""

    name: ClassVar[str] = "share"
    allowed_links: ClassVar[tuple[str, ...]] = ("logit",)
    mean_range: ClassVar[tuple[float, float]] = (0.0, 1.0)


@pytest.mark.parametrize(
    ("family", "response", "start"),
    [
        (Positive, [0.5, 2.0], [0.5, 2.0]),
        (Positive, [0.0, 0.0, 6.0], [1.0, 1.0, 6.0]),
        (Positive, [0.0, 0.0], [0.05, 0.05]),
        (Share, [0.0, 0.3, 1.0, 0.3], [0.2, 0.3, 0.7, 0.3]),
        (Share, [1.0, 1.0], [0.95, 0.95]),
    ],
)
def test_start_is_inside_the_range_of_the_mean(family, response, start):
    """A response that is no mean itself begins halfway to the average, inside the range."""
    y = np.array(response)
    found = family().start(Observed(y, None, np.zeros(y.size)))
    np.testing.assert_allclose(found, start)
    assert np.isfinite(family().link.link(found)).all()


@pytest.mark.parametrize(
    ("family", "size"),
    [(Poisson(), None), (Poisson("sqrt"), None), (Binomial(), 3.0), (Binomial("probit"), 3.0)],
)
def test_fourth_derivatives_are_those_of_the_third(family, size):
    """Where a family tells them, they are its differences, in rows of any weight and far out."""
    eta = np.array([-40.0, -3.0, -0.2, 0.0, 0.5, 2.0, 30.0])
    y = np.array([0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0])
    data = family.prepare(y, None if size is None else np.full(y.size, size))

    def third(eta):
        return family.derivatives(data, (eta,), 3).third[0, 0, 0]

    found = family.fourth(family.derivatives(data, (eta,), 3))
    if family.link.name not in ("log", "logit"):
        assert found is None
        return
    h = 1e-3
    pairs = [third(eta + k * h) - third(eta - k * h) for k in (1, 2)]
    wanted = (8.0 * pairs[0] - pairs[1]) / (12.0 * h)
    np.testing.assert_allclose(found, wanted, rtol=1e-8)
    w, d = np.arange(7.0), family.derivatives(data, (eta,), 3)
    weighed = Derivatives(
        w * d.value,
        (w * d.first[0],),
        {(0, 0): w * d.second[0, 0]},
        {(0, 0, 0): w * d.third[0, 0, 0]},
    )
    np.testing.assert_allclose(family.fourth(weighed), w * found, rtol=1e-14)
