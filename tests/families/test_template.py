"""What a family has from its template."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

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
