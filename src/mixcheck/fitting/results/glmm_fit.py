"""What a user holds after a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, final, overload

import pandas as pd
from numpy.typing import ArrayLike

from mixcheck.arguments.alignment import read_array
from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.foreign_names import find_attribute
from mixcheck.arguments.options import require_number
from mixcheck.display.document import Picture
from mixcheck.display.files import PathLike
from mixcheck.display.plotting import draw_grid, pictures_of
from mixcheck.errors import OptionError
from mixcheck.execution.progress import Progress
from mixcheck.families import Family
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.results.given_parameters import ParameterValues, predict_at
from mixcheck.fitting.results.inference_data import to_inference_data
from mixcheck.fitting.results.intervals import (
    BootstrapInterval,
    IntervalMethod,
    ParameterGroup,
    Request,
    find_intervals,
)
from mixcheck.fitting.results.parameter_functions import ParameterFunction
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
from mixcheck.fitting.results.profiles import Profile, follow_profiles
from mixcheck.fitting.results.refits import Refits
from mixcheck.fitting.results.saved import save
from mixcheck.fitting.results.small_samples import DegreesOfFreedom
from mixcheck.fitting.results.summary import Summary, summarise
from mixcheck.fitting.results.tested import Tested
from mixcheck.fitting.results.tidy import augment, glance, tidy
from mixcheck.port import ApproximationFacts, Conditioning, ConvergenceFacts

if TYPE_CHECKING:
    from mixcheck.display.figures import Axes

__all__ = ["GLMM"]


@final
@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class GLMM(Tested):
    """A fitted generalized linear mixed model, made by :func:`mixcheck.glmm`.

    Names follow statsmodels; outputs are pandas objects. What checks and comparisons ask of a
    fit beyond these names is its port, ``mixcheck.port.port_of(fit)``.
    """

    _port: GlmmPort

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            answer = find_attribute(name)
            raise AttributeError(
                f"a fit has no {name}; write {answer}"
                if answer
                else f"{type(self).__name__!r} object has no attribute {name!r}",
                name=name,
                obj=self,
            )

    def __mixcheck_port__(self) -> GlmmPort:
        """The port of this fit; see `mixcheck.port.port_of`."""
        return self._port

    # ---- what was fitted -----------------------------------------------------------------------

    @property
    def formula(self) -> str:
        """The formula as it was written."""
        return self._port.formula

    @property
    def family(self) -> Family:
        """Distribution of the response, with the link of its mean."""
        return self._port.family

    @property
    def method(self) -> Method:
        """How the likelihood was approximated, and what was maximised."""
        return self._port.method

    @property
    def frame(self) -> pd.DataFrame:
        """The caller's rows that were used, with all columns and their index."""
        return self._port.frame

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was found before fitting: rows left out, separation."""
        return self._port.notes

    @property
    def nobs(self) -> int:
        """Number of observations (rows used)."""
        return self._port.nobs

    @property
    def n_parameters(self) -> int:
        """Number of estimated parameters: fixed effects, covariance, dispersion."""
        return self._port.n_parameters

    @property
    def n_groups(self) -> dict[str, int]:
        """Number of levels of each grouping factor."""
        return self._port.n_groups

    # ---- estimates -----------------------------------------------------------------------------

    @property
    def params(self) -> pd.Series[float]:
        """Fixed effects, those of other predictors than the mean behind its name; then shapes.

        Shapes (degrees of freedom, thresholds) are on the scale of their link, which is in
        their name.
        """
        return self._port.params

    @property
    def bse(self) -> pd.Series[float]:
        """Standard errors of the fixed effects, by the observed information of the likelihood."""
        return self._port.bse

    @property
    def tvalues(self) -> pd.Series[float]:
        """Estimates over standard errors: Wald's z. `coefficients` has tests for few groups."""
        return self._port.tvalues

    @property
    def pvalues(self) -> pd.Series[float]:
        """Two-sided p-values of Wald's z, from the normal distribution: too small for few groups.

        `coefficients` has tests with degrees of freedom.
        """
        return self._port.pvalues

    def conf_int(
        self,
        *,
        level: float = 0.95,
        method: IntervalMethod = "auto",
        parameters: ParameterGroup | Sequence[str] | Mapping[str, ParameterFunction] = "fixed",
        draws: int = 1000,
        interval: BootstrapInterval = "percentile",
        seed: int | None = None,
        n_jobs: int | None = None,
        ddf: DegreesOfFreedom = "auto",
        cluster: str | None = None,
        progress: Progress = None,
        time_limit: float | None = None,
    ) -> pd.DataFrame:
        """Confidence intervals, a row for each parameter, columns ``low`` and ``high``.

        Parameters
        ----------
        level : float
            The confidence, between 0 and 1.
        method : {"auto", "wald", "profile", "bootstrap"}
            By default Wald's for fixed effects and the profile of the restricted likelihood for
            the rest, see below. Else estimates and standard errors; or the values at which a
            likelihood-ratio test does not reject, all other parameters being estimated again; or
            refits to data sets simulated from the fit, with new random effects.
        parameters : {"fixed", "random", "all"}, str, sequence of str or mapping
            What is in `params`; or standard deviations ``sd(group, effect)`` and correlations
            ``cor(group, effect, effect)`` of random effects, then a constant ``dispersion``, the
            names of `Refits.estimates`; or all of these; or some of them by name. Or smooth
            functions of them by names of yours, each from a dictionary of all of these to a
            number: ``{"ratio": lambda p: p["x1"] / p["x2"]}``.
        draws : int
            Number of simulated data sets of a bootstrap: those of `simulate` with this seed.
        interval : {"percentile", "basic", "bca"}
            Of a bootstrap: quantiles q of its estimates, or ``2 estimate - q``, or quantiles at
            levels that are corrected for bias and acceleration, the latter by leaving out each
            group of the coarsest grouping factor by one step.
        seed : int, optional
            Data set k depends on the seed and on k alone.
        n_jobs : int, optional
            As in joblib; the result does not depend on it.
        ddf : str
            Degrees of freedom of Wald's intervals of fixed effects; see `coefficients`.
        cluster : str, optional
            Wald's intervals of fixed effects with errors by the levels of this column; see
            `coefficients`.
        progress : bool or callable, optional
            ``progress(done, total)``; True shows a bar on stderr.
        time_limit : float, optional
            Seconds after which no data set of a bootstrap is begun, once there are as many as
            `level` needs; ``attrs["stopped"]`` of the frame then tells how many there are.

        Returns
        -------
        DataFrame
            ``attrs["variances"]`` says which way was taken for standard deviations and their
            like.

        Raises
        ------
        OptionError

        Warns
        -----
        BoundaryWarning
            If Wald's interval has no end because the estimate is on the boundary.
        ConvergenceWarning
            If some data sets could not be fitted, or a profile could not be followed to an end.

        Notes
        -----
        Wald's interval is that of `coefficients` for fixed effects, and symmetric for standard
        deviations in the logarithm, for correlations in Fisher's z and for a dispersion on the
        scale of its link (the logarithm), with standard errors by the delta method. On the
        boundary, where a standard deviation is zero, the lower end is zero and the upper end
        NaN. Parameters without a finite estimate have an interval without ends.

        Wald's interval of a function of yours is symmetric on its own scale, with the standard
        error by the delta method; where it is one of fixed effects alone its degrees of freedom
        are those of the linear combination that it is at the estimates, as of `t_test`, otherwise
        its quantile is normal. Profile and bootstrap do not depend on the scale, and are better
        for ratios. By default it is Wald's for functions of fixed effects, and the profile for
        the rest.

        With the log-likelihood ``l(v)``, maximised over all else where a parameter is v, the
        ends of a profile interval are where the signed root
        ``zeta(v) = sign(v - v^) sqrt(2 (l(v^) - l(v)))`` is a quantile of the normal
        distribution. A standard deviation of zero is the lower end where the root does not come
        as far, likewise a correlation of one, and an end is infinite where the likelihood does
        not fall as far. Without one of its standard deviations a correlation may be anything:
        where zero of either is not rejected, its interval is the whole range. With ``reml=True``
        the likelihood is the restricted one and has no profile of the coefficients of the mean;
        with priors it is the posterior density.

        Maximum likelihood makes the standard deviation of few groups too small, and its profile
        with it. The default is the profile of the restricted likelihood of the same model (Laplace
        integrates the fixed effects of the mean out), also where the fit is by maximum
        likelihood. The root of a standard deviation of random effects, and of a normal error, is
        compared with ``z sqrt(nu (log(nu/2) - psi(nu/2)))``, Bartlett's correction of a variance
        with nu degrees of freedom: levels less coefficients of the levels, or rows less the rank
        of all columns. Where there is no restricted likelihood (quadrature, importance sampling,
        priors, infinite estimates) it is the fit's own profile with the normal quantile, and
        where there is none of either (PQL) Wald's interval. In `validation/inference` these
        intervals of a standard deviation cover the truth in 93.5 to 95.3 % of data sets at 95 %, by
        family and from 6 groups to 30, where Wald's cover 85 to 98 % and profiles of maximum
        likelihood 82 to 92 %.

        References
        ----------
        Bartlett (1937), Properties of sufficiency and statistical tests, Proceedings of the Royal
        Society A 160;
        Venzon & Moolgavkar (1988), A method for computing profile-likelihood-based confidence
        intervals, Applied Statistics 37; Bates et al. (2015), Fitting linear mixed-effects
        models using lme4, Journal of Statistical Software 67(1), section 5.1;
        Efron (1987), Better bootstrap confidence intervals, JASA 82; Davison & Hinkley (1997),
        Bootstrap Methods and their Application, chapter 5.

        Examples
        --------
        >>> import mixcheck as mc
        >>> cbpp = mc.datasets.load("cbpp")
        >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
        >>> fit.conf_int(parameters="random").round(2)
                              low  high
        sd(herd, Intercept)  0.37  1.18
        >>> fit.conf_int(method="profile", parameters="random").round(2)
                              low  high
        sd(herd, Intercept)  0.35   1.1
        >>> fit.conf_int(method="bootstrap", draws=199, seed=1).round(1).loc["period[T.2]"].tolist()
        [-1.7, -0.5]
        >>> ratio = {"period 2 / 4": lambda p: p["period[T.2]"] / p["period[T.4]"]}
        >>> fit.conf_int(method="profile", parameters=ratio).round(2)
                       low  high
        period 2 / 4  0.26   1.3
        """
        request = Request(
            *(level, method, parameters, draws, interval, seed, n_jobs),
            *(ddf, cluster, progress, time_limit),
        )
        return find_intervals(self._port, request)

    def profile(
        self,
        parameters: ParameterGroup | Sequence[str] | Mapping[str, ParameterFunction] = "all",
        *,
        level: float = 0.95,
        points: int = 6,
        n_jobs: int | None = None,
        progress: Progress = None,
    ) -> Profile:
        """Follow the likelihood along each parameter, all others being estimated again.

        Parameters
        ----------
        parameters : {"fixed", "random", "all"}, str, sequence of str or mapping
            As of `conf_int`: a group, names of its rows, or functions of them.
        level : float
            The confidence of the intervals, those of ``conf_int(method="profile")``.
        points : int
            Values on each side of the estimate, to a fifth beyond the end.
        n_jobs : int, optional
            As in joblib; the result does not depend on it.
        progress : bool or callable, optional
            ``progress(done, total)``; True shows a bar on stderr.

        Returns
        -------
        Profile
            With ``points``, ``intervals`` and ``plot(parameter)``.

        Raises
        ------
        OptionError
            With restricted likelihoods and coefficients of the mean, by PQL, and where nothing
            has a finite estimate.

        Warns
        -----
        ConvergenceWarning
            Naming parameters without a profile.

        Notes
        -----
        Where the signed root is a straight line in the parameter, the profile says what Wald's
        method says; where it bends, or stops before it is a quantile of the normal distribution, it
        does not. See `conf_int`.

        References
        ----------
        Bates & Watts (1988), Nonlinear Regression Analysis and its Applications, section 6.1, for
        profile t plots.

        Examples
        --------
        >>> import mixcheck as mc
        >>> cbpp = mc.datasets.load("cbpp")
        >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
        >>> profile = fit.profile("random", points=2)
        >>> profile.intervals.round(2)
                             estimate  std_error   low  high
        sd(herd, Intercept)      0.64       0.18  0.35   1.1
        >>> profile.to_frame().zeta.round(2).tolist()
        [-2.4, -1.96, -1.11, 0.0, 1.3, 1.96, 2.24]
        """
        return follow_profiles(self._port, parameters, level, points, n_jobs, progress)

    @property
    def shapes(self) -> pd.DataFrame:
        """Parameters of the family that no formula speaks of, such as degrees of freedom.

        Columns ``estimate``, ``std_error``, ``low`` and ``high``: on their own scale, with the
        standard error by the delta method and the ends of the interval through the link. In
        `params` they are on the scale of their link.

        Examples
        --------
        >>> import mixcheck as mc
        >>> sleep = mc.datasets.load("sleepstudy")
        >>> fit = mc.glmm("Reaction ~ Days + (Days | Subject)", sleep, family="t")
        >>> fit.shapes.estimate.round(1).to_dict()
        {'df': 2.9}
        """
        return self._port.shapes

    def cov_params(self) -> pd.DataFrame:
        """Covariance of the fixed effects; NaN beside an infinite variance."""
        return self._port.cov_params()

    @property
    def dispersion(self) -> float | None:
        """Constant dispersion parameter (Gaussian: residual standard deviation), or None."""
        return self._port.dispersion

    @property
    def variance_components(self) -> pd.DataFrame:
        """Variances, standard deviations and correlations of the random effects.

        One row an effect, then one row a pair of correlated effects (its variance is the
        covariance); a constant dispersion of a Gaussian model is the row ``Residual``.
        """
        return self._port.variance_components

    def covariance_parameters(self, *, level: float = 0.95) -> pd.DataFrame:
        """Standard deviations and correlations of the random effects, and how well they are known.

        Standard errors are those of the delta method. Intervals are symmetric in the logarithm
        of a standard deviation and in Fisher's z of a correlation; on the boundary, where a
        variance is zero or a correlation is one, there are none.

        Parameters
        ----------
        level : float
            The confidence, between 0 and 1.

        Returns
        -------
        DataFrame
            Columns part, group, kind ("sd" or "correlation"), name, estimate, std_error, low
            and high.

        Examples
        --------
        >>> import mixcheck as mc
        >>> sleep = mc.datasets.load("sleepstudy")
        >>> fit = mc.glmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> fit.covariance_parameters().round(2).loc[:, "name":"std_error"]
                      name  estimate  std_error
        0        Intercept     23.78       5.58
        1             Days      5.72       1.19
        2  Intercept, Days      0.08       0.32
        """
        return self._port.covariance_parameters(level)

    @property
    def random_effects(self) -> dict[str, pd.DataFrame]:
        """Conditional modes, a frame of levels x effects per grouping factor."""
        return self._port.random_effects

    @property
    def random_effects_sd(self) -> dict[str, pd.DataFrame]:
        """Conditional standard deviations of the random effects given the estimates."""
        return self._port.random_effects_sd

    # ---- likelihood and convergence ------------------------------------------------------------

    @property
    def llf(self) -> float:
        """Log-likelihood by `method`, every constant kept.

        The marginal one, without priors; with REML the restricted one; with PQL that of the
        working response, which is not a likelihood of the data.
        """
        return self._port.llf

    @property
    def log_posterior(self) -> float:
        """Log-likelihood and log prior density, `llf` without priors; the evidence is left out."""
        return self._port.log_posterior

    @property
    def aic(self) -> float:
        """Marginal AIC.

        Raises
        ------
        ComparisonError
            For PQL, which has no likelihood of the responses, and with priors.
        """
        return self._port.aic

    @property
    def bic(self) -> float:
        """Marginal BIC, with the number of observations.

        Raises
        ------
        ComparisonError
            For PQL, which has no likelihood of the responses, and with priors.
        """
        return self._port.bic

    @property
    def convergence(self) -> ConvergenceFacts:
        """Where the optimiser stopped; a refit knows no curvature."""
        return self._port.convergence

    @property
    def converged(self) -> bool:
        """Whether the optimum was reached."""
        return self._port.converged

    def approximation(self) -> ApproximationFacts:
        """Compare with quadrature, importance sampling, or the next term of the expansion."""
        return self._port.approximation()

    # ---- predictions, simulations, refits ------------------------------------------------------

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

    @overload
    def refit(self, response: pd.DataFrame) -> Refits[GLMM]: ...

    @overload
    def refit(self, response: pd.Series[Any] | Sequence[float]) -> GLMM: ...

    @overload
    def refit(self, response: ArrayLike) -> Any: ...

    def refit(self, response: ArrayLike | pd.DataFrame) -> GLMM | Refits[GLMM]:
        """Fit the same model to another response, or to many, starting from this fit.

        Many responses of a small data set are fitted together, in a tenth of the time that they
        take one by one: by Laplace's approximation, with grouping factors that are nested and
        without priors. Estimates are those of single refits, within the tolerance of the search.

        Parameters
        ----------
        response : (n,) or (n, B)
            In the order of the rows used, or a Series or frame with their index; successes for a
            binomial.

        Returns
        -------
        GLMM or Refits
            One fit to a response (n,); a sequence of fits to the columns of a matrix or frame.
            Standard errors are computed when they are asked for.

        Raises
        ------
        DataError, FamilyError
            If a response cannot be fitted; of several responses, it is one failure.

        Examples
        --------
        >>> import mixcheck as mc
        >>> cbpp = mc.datasets.load("cbpp")
        >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
        >>> fit.refit(cbpp["size"] - cbpp["incidence"]).params.round(2).tolist()
        [1.4, 0.99, 1.13, 1.58]
        >>> fit.refit(fit.simulate(20, seed=1)).estimates.shape
        (20, 5)
        """
        if isinstance(response, pd.DataFrame) or read_array(response, "response").ndim == 2:
            return self._refit_many(response)
        return GLMM(self._port.refit(response))

    def _refit_many(self, responses: Any) -> Refits[GLMM]:
        aligned, labels = self._port.read_responses(responses)
        fits = self._port.refit_many(aligned)
        made = tuple(fit if isinstance(fit, Exception) else GLMM(fit) for fit in fits)
        return Refits(made, labels, self._port)

    def save(self, path: PathLike) -> None:
        """Write the fit to a file that `mixcheck.load` reads.

        The file is an archive of arrays without code (``.npz``, whatever it is called): the
        arguments of the call, the rows that were used with all their columns and their index, and
        the estimates. It is compressed, and smaller than the design. `mixcheck.load` fits the model
        again and compares, so that a file is never believed to be another model than it was.

        Parameters
        ----------
        path : path
            Of the file, which is replaced whole or not at all.

        Raises
        ------
        DataError, FamilyError
            If a column holds what no file holds, such as lists, `context` a function, or the family
            is none of the library's.
        OutputError
            If the file cannot be written.

        Examples
        --------
        >>> import os, tempfile
        >>> import mixcheck as mc
        >>> fit = mc.glmm("Reaction ~ Days + (1 | Subject)", mc.datasets.load("sleepstudy"))
        >>> file = os.path.join(tempfile.mkdtemp(), "sleep.fit")
        >>> fit.save(file)
        >>> mc.load(file).params.equals(fit.params)
        True
        """
        save(self._port, path)

    def plot_data(self, *, seed: int | None = None, draws: int = 199) -> tuple[Picture, ...]:
        """What `plot` draws, as records of numbers; see `plot`."""
        return pictures_of("fit", self, seed=seed, draws=draws)

    def plot(self, *, seed: int | None = None, draws: int = 199) -> tuple[Axes, ...]:
        """Draw residuals by themselves and along the fitted values, their spread, random effects.

        Parameters
        ----------
        seed : int, optional
            Of the residuals and of the replicates behind the bands.
        draws : int
            Replicates, made with the estimates held: a picture judges nothing.

        Returns
        -------
        tuple of matplotlib Axes
            On a new figure; `mixcheck.plots` draws them, and others, one by one.

        Examples
        --------
        >>> import mixcheck as mc
        >>> fit = mc.glmm("Reaction ~ Days + (1 | Subject)", mc.datasets.load("sleepstudy"))
        >>> [picture.kind for picture in fit.plot_data(seed=1)]
        ['quantiles', 'residuals', 'curve', 'normal']
        """
        return draw_grid(self.plot_data(seed=seed, draws=draws))

    def tidy(self, *, level: float = 0.95, conf_int: bool = True) -> pd.DataFrame:
        """Estimates as a tidy frame, with the columns of R's broom.mixed.

        Parameters
        ----------
        level : float
            Confidence of the intervals, those of `conf_int`.
        conf_int : bool
            Whether to have columns "conf.low" and "conf.high".

        Returns
        -------
        DataFrame
            A row for each coefficient ("effect" is "fixed") and for each standard deviation or
            correlation of random effects ("ran_pars"; terms ``sd__effect``,
            ``cor__effect.effect`` and, where errors are normal, ``sd__Observation``); "component"
            is "cond", "zi" or "disp", and "family" for shapes.

        Examples
        --------
        >>> import mixcheck as mc
        >>> sleep = mc.datasets.load("sleepstudy")
        >>> fit = mc.glmm("Reaction ~ Days + (1 | Subject)", sleep)
        >>> fit.tidy()[["effect", "group", "term", "estimate"]].round(1)
             effect     group             term  estimate
        0     fixed      None        Intercept     251.4
        1     fixed      None             Days      10.5
        2  ran_pars   Subject    sd__Intercept      36.0
        3  ran_pars  Residual  sd__Observation      30.9
        """
        return tidy(self._port, level, conf_int=conf_int)

    def glance(self) -> pd.DataFrame:
        """The fit in one row: "nobs", "sigma", "logLik", "AIC", "BIC" and "df.residual".

        Examples
        --------
        >>> import mixcheck as mc
        >>> sleep = mc.datasets.load("sleepstudy")
        >>> fit = mc.glmm("Reaction ~ Days + (1 | Subject)", sleep)
        >>> fit.glance().round(1)
           nobs  sigma  logLik     AIC     BIC  df.residual
        0   180   30.9  -897.0  1802.1  1814.9          176
        """
        return glance(self._port)

    def augment(self) -> pd.DataFrame:
        """The rows of the fit with ".fitted", ".resid", ".pearson" and ".fixed".

        Mean response at the conditional modes, the response less it (of a binomial both as
        shares), Pearson residual, and linear predictor with every random effect at zero.
        """
        return augment(self._port)

    def to_inference_data(
        self, *, chains: int = 4, draws: int = 250, seed: int | None = None
    ) -> Any:
        """Draws around the estimates as an object of ArviZ, for its tables and pictures.

        Each draw takes the parameters from N(estimates, covariance) on the scale of the search
        (the normal approximation of a posterior under flat priors, or under those of the fit), the
        random effects from their distribution given the data and these parameters, and a response
        given both. What has no finite variance is held at its estimate.

        Parameters
        ----------
        chains, draws : int
            All draws are independent; ArviZ has its diagnostics from several chains.
        seed : int, optional

        Returns
        -------
        InferenceData, or DataTree with ArviZ 1.0 and later
            Groups ``posterior`` (coefficients by name, ``1|group`` and ``x|group`` along
            ``group__factor_dim``, ``.._sigma`` and ``.._corr``, ``sigma`` or ``dispersion``),
            ``posterior_predictive``, ``log_likelihood`` (log densities of the rows, without
            weights) and ``observed_data`` along ``__obs__``. The response has the name of its
            column, of the successes where there are trials. A DataTree takes no name with a
            slash, which is written ``÷``: ``I(x ÷ 2)``.

        Raises
        ------
        OptionError
            If ArviZ is not installed.
        ConvergenceError
            If conditional modes are not found at a draw.

        Examples
        --------
        >>> import mixcheck as mc
        >>> fit = mc.glmm("Reaction ~ Days + (1 | Subject)", mc.datasets.load("sleepstudy"))
        >>> data = fit.to_inference_data(chains=2, draws=5, seed=1)  # doctest: +SKIP
        >>> data.posterior["1|Subject"].shape  # doctest: +SKIP
        (2, 5, 18)
        """
        return to_inference_data(self._port, chains, draws, seed)

    def summary(self) -> Summary:
        """What was fitted, variances, coefficients with Wald tests, and remarks."""
        return summarise(self._port)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def __repr__(self) -> str:
        llf = f"{self._port.llf_name} {self.llf:.4f}"
        return f"<GLMM {self.formula!r}, {self.family!r}: {self.nobs} observations, {llf}>"
