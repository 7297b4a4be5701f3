"""One picture of every kind, for the tests of this room."""

import numpy as np
import pytest

from mixcheck.display.pictures import (
    Caterpillar,
    CurvePlot,
    NormalPlot,
    NullPlot,
    Picture,
    QuantilePlot,
    ResidualPlot,
)


def pictures() -> dict[str, Picture]:
    """Pictures by a name that says what is special."""
    rng = np.random.default_rng(2)
    grid = np.linspace(0.05, 0.95, 19)
    y = rng.uniform(size=60)
    return {
        "quantiles": QuantilePlot(
            grid**1.3, grid, grid - 0.05, grid + 0.05, title="Quantile residuals"
        ),
        "residuals": ResidualPlot(
            np.arange(60.0), y, lines=((0.5, grid * 60, grid),), marked=y > 0.9, x_label="cost in $"
        ),
        "factor": ResidualPlot(np.arange(60) % 3, y, levels=("a", "b $ c $", "<d>")),
        "null": NullPlot(np.append(rng.normal(size=99), np.nan), 2.5),
        "null constant": NullPlot(np.full(9, 0.3), np.inf),
        "caterpillar": Caterpillar(
            ("x", "y", "z"), grid[:3], grid[:3] - 1, grid[:3] + 1, grid[:3] > 0.12
        ),
        "normal": NormalPlot(grid, grid, labels=tuple(map(str, range(19))), highlighted=grid > 0.9),
        "curve": CurvePlot(grid, np.sin(grid), reference=grid),
        "lags": CurvePlot(grid, np.sin(grid), grid - 1, grid + 1, np.zeros(19), discrete=True),
        "nothing": QuantilePlot(np.full(3, np.nan), grid[:3]),
    }


PICTURES = pictures()


@pytest.fixture(params=list(PICTURES), scope="module")
def picture(request) -> Picture:
    """One picture of every kind."""
    return PICTURES[request.param]
