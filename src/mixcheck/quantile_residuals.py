"""Scaled quantile residuals: independent uniform numbers where the model is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mixcheck.arguments.calls import answer_calls, answer_methods
from mixcheck.arguments.options import tell_renamed
from mixcheck.arrays import FloatArray
from mixcheck.display.document import Picture
from mixcheck.display.plotting import draw_grid, pictures_of
from mixcheck.errors import DataError
from mixcheck.port import Checkable, Conditioning, DataView, Ported
from mixcheck.ranks import rank_residuals
from mixcheck.simulation import Calibration, Replicates, replicate

if TYPE_CHECKING:
    from mixcheck.display.figures import Axes

__all__ = ["Residuals", "rank_residuals", "residuals"]


@answer_methods
@dataclass(frozen=True, eq=False)
class Residuals:
    """Quantile residuals of one model, with what is needed to judge them.

    Attributes
    ----------
    observed : DataView
        The observed data as the model sees them.
    replicates : Replicates
        The model, its conditioning, the seed, and the plan of replicate data sets.
    """

    observed: DataView
    replicates: Replicates

    @property
    def simulations(self) -> Replicates:
        """`replicates`, by its name of the version before."""
        tell_renamed("residuals.simulations", "residuals.replicates")
        return self.replicates

    @property
    def values(self) -> FloatArray:
        """The residuals, (n,), strictly between 0 and 1; uniform under a correct model."""
        return self.observed.residuals

    @property
    def normal(self) -> FloatArray:
        """The residuals as normal scores, (n,); standard normal under a correct model."""
        scores: FloatArray = ndtri(self.values)
        return scores

    @property
    def n(self) -> int:
        """Number of observations."""
        return self.values.size

    @property
    def seed(self) -> int:
        """The seed that reproduces them."""
        return self.replicates.seed

    def to_frame(self) -> pd.DataFrame:
        """The residuals beside response, fitted values and moments, with the caller's index."""
        seen = self.observed
        columns = {
            "residual": seen.residuals,
            "normal": self.normal,
            "response": seen.response,
            "fitted": seen.fitted,
            "mean": seen.mean,
            "variance": seen.variance,
        }
        return pd.DataFrame(columns, index=self.replicates.port.frame.index)

    def plot_data(self, *, draws: int = 199) -> tuple[Picture, ...]:
        """What `plot` draws, as records of numbers; see `plot`."""
        return pictures_of("residuals", self, draws=draws)

    def plot(self, *, draws: int = 199) -> tuple[Axes, ...]:
        """Draw the residuals against uniform quantiles, and along the fitted values.

        Parameters
        ----------
        draws : int
            Replicates behind the bands, made with the estimates held.

        Returns
        -------
        tuple of matplotlib Axes
            Beside each other on a new figure; `mixcheck.plots` draws them one by one.

        Examples
        --------
        >>> import mixcheck as mc
        >>> fit = mc.glmm("Reaction ~ Days + (Days | Subject)", mc.datasets.load("sleepstudy"))
        >>> [picture.kind for picture in mc.residuals(fit, seed=1).plot_data()]
        ['quantiles', 'residuals']
        """
        return draw_grid(self.plot_data(draws=draws))

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        plan = self.replicates
        return (
            f"Residuals(n={self.n}, conditioning={plan.conditioning!r}, seed={plan.seed}, "
            f"draws={plan.draws}, calibration={plan.calibration!r})"
        )


@answer_calls
def residuals(
    model: Checkable | Ported,
    *,
    conditioning: Conditioning = "posterior",
    seed: int | None = None,
    draws: int | None = None,
    calibration: Calibration | None = None,
) -> Residuals:
    """Scaled quantile residuals of a model.

    Parameters
    ----------
    model : Checkable
        A fitted model, or draws made elsewhere (`mixcheck.from_draws`).
    conditioning : {"posterior", "marginal", "mode"}
        Which random effects they are given; see `mixcheck.replicate`.
    seed : int, optional
        Without one it is drawn, stored and shown.
    draws, calibration
        The replicate data sets that checks of these residuals will use, as in
        `mixcheck.replicate`.

    Returns
    -------
    Residuals

    Raises
    ------
    OptionError
        As `mixcheck.replicate`.

    References
    ----------
    Dunn & Smyth (1996), Randomized quantile residuals, J. Comput. Graph. Stat. 5, 236-244.
    """
    plan = replicate(
        model, draws=draws, conditioning=conditioning, seed=seed, calibration=calibration
    )
    seen = plan.observe()
    _require_numbers(seen, plan.port)
    return Residuals(seen, plan)


def _require_numbers(seen: DataView, model: Checkable) -> None:
    """Refuse a view that says nothing of some row; a variance may be infinite."""
    arrays = {
        "response": seen.response,
        "residuals": np.where((seen.residuals > 0.0) & (seen.residuals < 1.0), 0.0, np.nan),
        "fitted": seen.fitted,
        "mean": seen.mean,
        "variance": seen.variance,
    }
    for name, values in arrays.items():
        rows = np.flatnonzero(np.isnan(values))
        if rows.size:
            found = float(getattr(seen, name)[rows[0]])
            wanted = "strictly between 0 and 1" if name == "residuals" else "a number in each row"
            raise DataError(
                f"the {name} of {type(model).__name__} must be {wanted}, and {rows.size} of "
                f"{values.size} are not: row {rows[0]} has {found:g}; mend observe of the model"
            )
