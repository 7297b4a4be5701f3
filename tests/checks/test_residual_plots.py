"""Local quartiles of residuals."""

from __future__ import annotations

import numpy as np

from mixcheck.checks.residual_plots import quantile_lines


def test_quartile_lines_follow_the_data():
    """The three lines are the local quartiles."""
    x = np.linspace(0.0, 1.0, 2001)
    y = 0.5 * x + 0.5 * np.random.default_rng(1).random(2001)
    for line in quantile_lines(x, y):
        np.testing.assert_allclose(line.y, 0.5 * line.x + 0.5 * line.level, atol=0.05)
