"""What several models say together: averages of their predictions and coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.options import (
    require_choice,
    require_draws,
    require_progress,
    require_seed,
    require_workers,
)
from mixcheck.arrays import FloatArray
from mixcheck.comparison.average_errors import Readable, Reweigh, buckland_errors, redraw
from mixcheck.comparison.averaged_quantities import (
    AverageKind,
    Coefficients,
    Predicted,
    coefficient_shares,
    coefficient_tables,
)
from mixcheck.comparison.compared import Comparison
from mixcheck.display.document import Block, Document, Paragraph, PValue, Table
from mixcheck.display.render import to_text
from mixcheck.errors import DataWarning, OptionError
from mixcheck.execution.progress import Progress
from mixcheck.execution.streams import choose_seed
from mixcheck.inference.bootstrap import least_draws, percentile_intervals
from mixcheck.inference.wald import normal_quantile, wald_intervals
from mixcheck.notices import warn
from mixcheck.port import port_of

__all__ = ["ErrorsBy", "ModelAverage", "RandomEffects"]

ErrorsBy: TypeAlias = Literal["buckland", "bootstrap"]
RandomEffects: TypeAlias = Literal["auto", "zero", "marginal"]
_COLUMNS = ["std_error", "low", "high"]


@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class ModelAverage:
    """Models with a weight each, made by `average`.

    Attributes
    ----------
    weights : Series, (k,)
        By the names of the models; they sum to one.
    comparison : Comparison or None
        The table that the weights are from; None where they were given.
    models : mapping of str to fitted model
    """

    weights: pd.Series[float]
    comparison: Comparison | None
    models: Mapping[str, Any]
    _reweigh: Reweigh

    def predict(
        self,
        data: object = None,
        *,
        random_effects: RandomEffects = "auto",
        unseen: Literal["error", "zero"] = "error",
        scale: Literal["response", "link"] = "response",
        interval: Literal["confidence"] | None = None,
        level: float = 0.95,
        errors: ErrorsBy = "buckland",
        draws: int = 200,
        seed: int | None = None,
        n_jobs: int | None = None,
        progress: Progress = None,
    ) -> pd.Series[float] | pd.DataFrame:
        r"""Predict the mean by all models, weighted.

        The means are averaged on the scale of the response, whatever the links; with
        ``scale="link"`` the linear predictors are.

        Parameters
        ----------
        data, random_effects, unseen, scale
            As in `mixcheck.GLMM.predict`.
        interval : {"confidence"}, optional
            Of the mean.
        level : float
            The confidence, between 0 and 1.
        errors : {"buckland", "bootstrap"}
            Standard errors that take the choice of the model into account. ``"buckland"``:
            :math:`\sum_k w_k \sqrt{s_k^2 + (\hat\mu_k - \bar\mu)^2}` with the standard error
            :math:`s_k` of each model, as if their predictions were perfectly correlated; the
            interval is normal, on the scale of the link where all models have one.
            ``"bootstrap"``: responses are simulated from the models, each as often as its weight
            says, and all models are fitted again and weighted anew; the interval is that of
            percentiles. It is for population means, with random effects "zero" or "marginal".
        draws, seed, n_jobs, progress
            As in `mixcheck.bootstrap_lrt`; for the bootstrap.

        Returns
        -------
        Series, (n,), or DataFrame, (n, 4)
            With an interval the columns are ``predicted``, ``std_error``, ``low``, ``high``.

        Raises
        ------
        OptionError
            For an option outside its values, or links that differ on the scale of the link.
        ConvergenceError
            If more than half of the refits of the bootstrap fail.

        Warns
        -----
        DataWarning
            If some refits of the bootstrap failed and were left out.

        References
        ----------
        Buckland, Burnham & Augustin (1997), Biometrics 53, 603-618, equation 9.

        Examples
        --------
        >>> import mixcheck as mc
        >>> cbpp = mc.datasets.load("cbpp")
        >>> fits = {
        ...     right: mc.glmm(f"incidence / size ~ {right} + (1 | herd)", cbpp, family="binomial")
        ...     for right in ("1", "period")
        ... }
        >>> averaged = mc.average(fits)
        >>> averaged.predict({"period": ["1", "4"]}, random_effects="zero").round(3).tolist()
        [0.198, 0.048]
        """
        asked = {"random_effects": random_effects, "unseen": unseen, "scale": scale}
        if interval is not None:
            require_choice("interval", interval, ("confidence",))
        require_choice("scale", scale, ("response", "link"))
        require_choice("errors", errors, get_args(ErrorsBy))
        _require_plan(draws, seed, n_jobs, progress)
        normal_quantile(level)
        if scale == "link":
            self._require_one_link("their linear predictors cannot be averaged")
        read = Predicted(data, asked)
        weights = self._values
        centre = _as_series(read(list(self.models.values()), weights), self._index(data, asked))
        if interval is None:
            return centre
        if errors == "bootstrap":
            _require_population(random_effects, self.models)
            spread, ends = self._redrawn(read, level, draws, seed, n_jobs, progress)
        else:
            spread, ends = self._combined(np.asarray(centre, dtype=np.float64), data, asked, level)
        table = np.column_stack([centre, spread, ends])
        return pd.DataFrame(table, centre.index, ["predicted", *_COLUMNS])

    def coefficients(
        self,
        kind: AverageKind = "full",
        *,
        level: float = 0.95,
        errors: ErrorsBy = "buckland",
        draws: int = 200,
        seed: int | None = None,
        n_jobs: int | None = None,
        progress: Progress = None,
    ) -> pd.DataFrame:
        """Average the coefficients by name.

        A coefficient has one meaning in all models only where what it is adjusted for hardly
        matters: with a nonlinear link, with interactions, and with correlated predictors it has
        not. Averages of predictions have (`predict`).

        Parameters
        ----------
        kind : {"full", "conditional"}
            Over all models, a coefficient being zero where a model has not its term; or over
            the models that have it, their weights summing to one, which exaggerates weak terms.
        level : float
            The confidence, between 0 and 1.
        errors : {"buckland", "bootstrap"}
            As in `predict`.
        draws, seed, n_jobs, progress
            As in `mixcheck.bootstrap_lrt`; for the bootstrap.

        Returns
        -------
        DataFrame, (p, 5)
            A row for each coefficient: ``estimate``, ``std_error``, ``low``, ``high`` and
            ``importance``, the weight of the models that have it.

        Raises
        ------
        OptionError
            If the links differ, or for an option outside its values.
        ConvergenceError
            If more than half of the refits of the bootstrap fail.

        References
        ----------
        Buckland, Burnham & Augustin (1997), Biometrics 53, 603-618; Burnham & Anderson (2002),
        Model Selection and Multimodel Inference, 2nd edition, section 4.2; Cade (2015), Ecology
        96, 2370-2382, on what is wrong with it.

        Examples
        --------
        >>> import mixcheck as mc
        >>> growth = mc.datasets.load("Orthodont")
        >>> fits = {
        ...     right: mc.glmm(f"distance ~ {right} + (1 | Subject)", growth)
        ...     for right in ("age * Sex", "age + Sex", "age")
        ... }
        >>> averaged = mc.average(fits, criterion="aicc")
        >>> averaged.coefficients()[["estimate", "std_error", "importance"]].round(3)
                           estimate  std_error  importance
        Intercept            16.507      1.034       1.000
        age                   0.769      0.084       1.000
        Sex[T.Female]         0.625      1.735       0.995
        age:Sex[T.Female]    -0.267      0.143       0.875
        """
        require_choice("kind", kind, get_args(AverageKind))
        require_choice("errors", errors, get_args(ErrorsBy))
        _require_plan(draws, seed, n_jobs, progress)
        normal_quantile(level)
        self._require_one_link("their coefficients cannot be averaged")
        names = list(dict.fromkeys(name for m in self.models.values() for name in m.params.index))
        has = pd.DataFrame(
            {k: [n in m.params.index for n in names] for k, m in self.models.items()}
        )
        weights = self._values
        read = Coefficients(tuple(names), kind)
        estimate = read(list(self.models.values()), weights)
        if errors == "bootstrap":
            spread, ends = self._redrawn(read, level, draws, seed, n_jobs, progress)
        else:
            shares = coefficient_shares(has.to_numpy(dtype=bool), weights, kind)
            values, own = coefficient_tables(names, list(self.models.values()))
            spread = np.array(
                [
                    buckland_errors(v[None], e[None], share)[0]
                    for v, e, share in zip(values, own, shares, strict=True)
                ]
            )
            ends = wald_intervals(estimate, spread, level)
        table = np.column_stack([estimate, spread, ends, has.to_numpy() @ weights])
        return pd.DataFrame(table, names, ["estimate", *_COLUMNS, "importance"])

    @property
    def _values(self) -> FloatArray:
        """The weights, (k,)."""
        return np.asarray(self.weights, dtype=np.float64)

    # ---- how -----------------------------------------------------------------------------

    def _index(self, data: object, asked: Mapping[str, Any]) -> pd.Index[Any]:
        index: pd.Index[Any] = next(iter(self.models.values())).predict(data, **asked).index
        return index

    def _redrawn(
        self,
        read: Any,
        level: float,
        draws: int,
        seed: int | None,
        n_jobs: int | None,
        progress: Progress,
    ) -> tuple[FloatArray, FloatArray]:
        """Standard errors and percentile intervals by simulation."""
        count = require_draws(draws, least=least_draws(level))
        for name, model in self.models.items():
            if not isinstance(model, Readable):
                raise OptionError(
                    f"{name!r} cannot be fitted again, which the bootstrap needs; write "
                    'errors="buckland"'
                )
        drawn, failures = redraw(
            *(self.models, self._values, self._reweigh, read),
            *(count, choose_seed(seed)),
            n_jobs=n_jobs,
            progress=progress,
        )
        if failures:
            reasons = "; ".join(f"{number} x {reason}" for reason, number in failures)
            warn(
                f"{count - len(drawn)} of {count} simulated data sets are left out: {reasons}.",
                DataWarning,
            )
        return drawn.std(axis=0, ddof=1), percentile_intervals(drawn, level)

    def _combined(
        self, centre: FloatArray, data: object, asked: Mapping[str, Any], level: float
    ) -> tuple[FloatArray, FloatArray]:
        """Buckland's standard errors, and normal intervals."""
        frames = [
            model.predict(data, interval="confidence", level=level, **asked)
            for model in self.models.values()
        ]
        values = np.column_stack([frame["predicted"] for frame in frames])
        own = np.column_stack([frame["std_error"] for frame in frames])
        spread = buckland_errors(values, own, self._values)
        link = None if asked["scale"] == "link" else self._common_link()
        if link is None:
            return spread, wald_intervals(centre, spread, level)
        inside = np.isfinite(centre)
        eta = np.full(centre.size, np.nan)
        eta[inside] = link.link(centre[inside])
        slope = np.abs(link.derivatives(eta)[1])
        ends = wald_intervals(eta, spread / slope, level)
        return spread, np.sort(np.column_stack([link.inverse(end) for end in ends.T]), axis=1)

    def _common_link(self) -> Any:
        """The link of the mean of all models; None where they differ or have none."""
        families = [getattr(model, "family", None) for model in self.models.values()]
        links = [getattr(family, "link", None) for family in families]
        ordinal = any(getattr(family, "takes_categories", False) for family in families)
        return links[0] if not ordinal and all(link == links[0] for link in links) else None

    def _require_one_link(self, what: str) -> None:
        links = {
            name: port_of(model).description.get("link") for name, model in self.models.items()
        }
        if len(set(links.values())) > 1:
            words = ", ".join(f"{name} {link}" for name, link in links.items())
            raise OptionError(
                f"the models have different links ({words}), so {what}; average their "
                'predictions, predict(.., scale="response")'
            )

    def __str__(self) -> str:
        rows = tuple((str(name), PValue(weight)) for name, weight in self.weights.items())
        blocks: list[Block] = [Table(("model", "weight"), rows)]
        if self.comparison is not None:
            blocks += self.comparison.document().blocks
        else:
            blocks.append(Paragraph("The weights were given.", quiet=True))
        return to_text(Document("Model average", tuple(blocks)))

    def __repr__(self) -> str:
        words = ", ".join(f"{name} {weight:.3f}" for name, weight in self.weights.items())
        return f"<ModelAverage of {len(self.weights)} models: {words}>"


def _require_plan(draws: object, seed: object, n_jobs: object, progress: object) -> None:
    """What a bootstrap is told, whether or not there is one.

    Raises
    ------
    OptionError
    """
    require_draws(draws, 1)
    require_seed(seed)
    require_workers(n_jobs)
    require_progress(progress)


def _require_population(random_effects: str, models: Mapping[str, Any]) -> None:
    if random_effects == "auto" and any(port_of(model).random_terms for model in models.values()):
        raise OptionError(
            'errors="bootstrap" simulates new groups, whose random effects are not those of the '
            'data: write random_effects="zero" or "marginal", or errors="buckland"'
        )


def _as_series(values: FloatArray, index: pd.Index[Any]) -> pd.Series[float]:
    return pd.Series(values, index, name="predicted")
