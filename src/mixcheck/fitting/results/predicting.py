"""The part of a fit that predicts and simulates responses."""

from __future__ import annotations

from typing import overload

import pandas as pd
from numpy.typing import ArrayLike

from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.options import require_number
from mixcheck.errors import OptionError
from mixcheck.fitting.results.given_parameters import ParameterValues, predict_at
from mixcheck.fitting.results.port import GlmmPort
from mixcheck.fitting.results.prediction_intervals import IntervalOf, predict_interval
from mixcheck.fitting.results.predictions import (
    Part,
    PredictionRequest,
    RandomEffects,
    Scale,
    Unseen,
    fitted_means,
    model_matrix,
    pearson_residuals,
    predict,
    predict_probabilities,
)
from mixcheck.port import Conditioning

__all__ = ["Predicting"]


@answer_methods
class Predicting:
    """Predictions, residuals and simulated responses of a fit; see `mixcheck.GLMM`."""

    _port: GlmmPort

    @property
    def fittedvalues(self) -> pd.Series[float]:
        """Mean response at the conditional modes (binomial: a probability), (n,)."""
        return fitted_means(self._port)

    @property
    def resid_pearson(self) -> pd.Series[float]:
        """Pearson residuals at the conditional modes, (n,)."""
        return pearson_residuals(self._port)

    @overload
    def predict(
        self,
        data: object = None,
        *,
        random_effects: RandomEffects = "auto",
        unseen: Unseen = "error",
        scale: Scale = "response",
        offset: str | ArrayLike | None = None,
        part: Part = "response",
        interval: None = None,
        level: float = 0.95,
        trials: str | ArrayLike | None = None,
        params: None = None,
    ) -> pd.Series[float]: ...

    @overload
    def predict(
        self,
        data: object = None,
        *,
        random_effects: RandomEffects = "auto",
        unseen: Unseen = "error",
        scale: Scale = "response",
        offset: str | ArrayLike | None = None,
        part: Part = "response",
        interval: IntervalOf,
        level: float = 0.95,
        trials: str | ArrayLike | None = None,
        params: None = None,
    ) -> pd.DataFrame: ...

    @overload
    def predict(
        self,
        data: object = None,
        *,
        random_effects: RandomEffects = "auto",
        unseen: Unseen = "error",
        scale: Scale = "response",
        offset: str | ArrayLike | None = None,
        part: Part = "response",
        interval: None = None,
        level: float = 0.95,
        trials: str | ArrayLike | None = None,
        params: ParameterValues,
    ) -> pd.Series[float] | pd.DataFrame: ...

    def predict(
        self,
        data: object = None,
        *,
        random_effects: RandomEffects = "auto",
        unseen: Unseen = "error",
        scale: Scale = "response",
        offset: str | ArrayLike | None = None,
        part: Part = "response",
        interval: IntervalOf | None = None,
        level: float = 0.95,
        trials: str | ArrayLike | None = None,
        params: ParameterValues | None = None,
    ) -> pd.Series[float] | pd.DataFrame:
        """Predict the mean, with an interval of it or of a new response.

        Parameters
        ----------
        data : table, optional
            New rows with the columns that the prediction uses; the rows of the fit by default.
            Grouping factors are used with "auto" alone, a model of the dispersion where the
            mean depends on it.
        random_effects : {"auto", "zero", "marginal"}
            Conditional modes of known levels; every random effect at zero; or the mean over
            the distribution of the random effects (population average).
        unseen : {"error", "zero"}
            Whether a level of a grouping factor that the fit has not seen raises, or gets a
            random effect of zero, which an interval takes as uncertain as its prior distribution
            says; with "auto" alone.
        scale : {"response", "link"}
            Mean, which of a binomial response is a probability, or linear predictor.
        offset : str or array_like, optional
            Needed where the model was fitted with an offset given as an array; a Series is
            matched by the index of `data`.
        part : {"response", "conditional", "dispersion", "zi"}
            The mean of the response; the mean without the zero part; the dispersion parameter;
            the probability of the zero part (of a zero with a hurdle, of an additional one
            with zero inflation). On the scale of the link, the linear predictor of that part.
        interval : {"confidence", "prediction"}, optional
            Of what is predicted; or of a new response in each row.
        level : float
            The confidence, between 0 and 1.
        trials : str or array_like, optional
            Trials of new responses that are successes, a column or numbers; by default the column
            that the formula divides by. Ends are proportions.
        params : mapping, Series, DataFrame or array_like, optional
            Values of the fixed effects in the place of `params`: by name, those that are left out
            staying as estimated, or all in their order; a row for each of D draws. Variances and
            a constant dispersion stay as estimated; with "auto" the conditional modes are those
            given the data at these values.

        Returns
        -------
        Series, (n,)
            Without an interval; aligned with `data`; NaN where a predictor is missing.
        DataFrame, (n, D)
            With a frame or a matrix of `params`: a column for each of its rows.
        DataFrame, (n, 4)
            With one: columns ``predicted``, ``std_error`` (with "prediction" the standard
            deviation of the new response), ``low`` and ``high``. Of ordered categories a
            prediction has the labels of the first and the last one of a set, and its
            ``probability``.

        Raises
        ------
        UnseenLevelError
            Naming column and level.
        OptionError, DataError

        Warns
        -----
        DataWarning
            If the fit does not tell a prediction: an interaction without data, or a column left
            out as a combination of others that new rows do not follow.

        Notes
        -----
        The predictors of a row have the covariance ``z' Lambda H^-1 Lambda' z + g' C g``: what
        the data leave open of the random effects given the estimates, by Laplace's approximation,
        and what the estimates, with their covariance C, move in the predictor and in the
        conditional modes (g). With "zero" it is ``x' C x``, and with "marginal" the derivatives
        are those of the averaged mean in all parameters, those of the random effects too.

        A confidence interval of a mean that depends on one predictor is that of the predictor,
        taken through the inverse link; of other means it is symmetric on the scale of the link
        of the mean. Quantiles are those of the normal distribution.

        Ends of a prediction interval are quantiles of the distribution of a new response, averaged
        over the normal distribution of the predictors, over new random effects with "marginal",
        and over what the estimates leave open of their standard deviation, of a dispersion and
        of a zero part, the last three by a rule of three points each (the predictors of
        dispersion and zero part with a standard error of one at most). Of ordered categories the
        set is the shortest run of categories with a probability of `level` or more, and the most
        probable of these: the region of highest density (Hyndman 1996), without gaps.

        References
        ----------
        Kass & Steffey (1989), Approximate Bayesian inference in conditionally independent
        hierarchical models, JASA 84; Booth & Hobert (1998), Standard errors of prediction in
        generalized linear mixed models, JASA 93; Hyndman (1996), Computing and
        graphing highest density regions, The American Statistician 50.

        Examples
        --------
        >>> import mixcheck as mc
        >>> cbpp = mc.datasets.load("cbpp")
        >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
        >>> float(fit.predict(cbpp.head(1), random_effects="zero").round(3).iloc[0])
        0.198
        >>> new = {"period": ["1", "4"]}
        >>> fit.predict(new, random_effects="marginal", interval="confidence").round(3)
           predicted  std_error    low   high
        0      0.216      0.036  0.153  0.296
        1      0.057      0.023  0.026  0.123
        """
        request = PredictionRequest(data, random_effects, unseen, scale, offset, part)
        if interval is None:
            require_number("level", level, 0.0, 1.0, example=0.95)
            if trials is not None:
                raise OptionError(
                    'trials= are those of a new response: write interval="prediction"'
                )
            if params is not None:
                return predict_at(self._port, request, params)
            return predict(self._port, request)
        if params is not None:
            raise OptionError(
                "interval= is of predictions at the estimates: leave it or params= out, or take "
                "quantiles over draws of params="
            )
        return predict_interval(self._port, request, interval, level, trials)

    def model_matrix(self, data: object = None, *, part: str = "mean") -> pd.DataFrame:
        """The columns that the coefficients of a linear predictor are multiplied by.

        Parameters
        ----------
        data : table, optional
            New rows; the rows of the fit by default.
        part : {"mean", "dispersion", "zi"}
            Which linear predictor.

        Returns
        -------
        DataFrame, (n, p)
            Aligned with `data`; NaN where a predictor is missing. Offsets are not in it.

        Raises
        ------
        OptionError, DataError

        Examples
        --------
        >>> import mixcheck as mc
        >>> cbpp = mc.datasets.load("cbpp")
        >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
        >>> fit.model_matrix({"period": ["1", "4"]})
           Intercept  period[T.2]  period[T.3]  period[T.4]
        0        1.0          0.0          0.0          0.0
        1        1.0          0.0          0.0          1.0
        """
        return model_matrix(self._port, data, part)

    def predict_probabilities(
        self,
        data: object = None,
        *,
        random_effects: RandomEffects = "auto",
        unseen: Unseen = "error",
        offset: str | ArrayLike | None = None,
    ) -> pd.DataFrame:
        """Predict the probability of each category of an ordinal response.

        A method of its own, because `predict` is one column of numbers for every family: for
        ordered categories it is the mean of their numbers.

        Parameters
        ----------
        data : table, optional
            New rows with the columns that the prediction uses; the rows of the fit by default.
        random_effects : {"auto", "zero", "marginal"}
            As in `predict`; "marginal" averages the probabilities.
        unseen : {"error", "zero"}
            As in `predict`.
        offset : str or array_like, optional
            As in `predict`.

        Returns
        -------
        DataFrame, (n, categories)
            Aligned with `data`; NaN where a predictor is missing. Rows sum to one.

        Raises
        ------
        OptionError
            If the family has no categories.
        UnseenLevelError, DataError

        Examples
        --------
        >>> import mixcheck as mc
        >>> sleep = mc.datasets.load("sleepstudy")
        >>> slow = 1 + (sleep.Reaction > 270).astype(int) + (sleep.Reaction > 330)
        >>> data = sleep.assign(slow=slow)
        >>> fit = mc.glmm("slow ~ Days + (1 | Subject)", data, family="ordinal")
        >>> fit.predict_probabilities({"Days": [0, 9]}, random_effects="zero").round(2)
              1     2     3
        0  0.86  0.14  0.01
        1  0.01  0.25  0.74
        """
        request = PredictionRequest(data, random_effects, unseen, offset=offset)
        return predict_probabilities(self._port, request)

    def simulate(
        self, draws: int = 1, *, seed: int | None = None, conditioning: Conditioning = "marginal"
    ) -> pd.DataFrame:
        """Simulate responses from the fitted model.

        Parameters
        ----------
        draws : int
            Number of data sets.
        seed : int, optional
            Data set k depends on the seed and on k alone.
        conditioning : {"marginal", "mode", "posterior"}
            New random effects, those at the conditional modes, or draws given the data.

        Returns
        -------
        DataFrame, (n, draws)
            Counts of successes for a binomial.

        Raises
        ------
        OptionError
        """
        return self._port.simulate(draws, seed=seed, conditioning=conditioning)
