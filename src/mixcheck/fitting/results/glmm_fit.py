"""What a user holds after a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, final, overload

import pandas as pd
from numpy.typing import ArrayLike

from mixcheck.arguments.alignment import read_array
from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.foreign_names import find_attribute
from mixcheck.display.document import Picture
from mixcheck.display.files import PathLike
from mixcheck.display.plotting import draw_grid, pictures_of
from mixcheck.families import Family
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.results.inference_data import to_inference_data
from mixcheck.fitting.results.port import GlmmPort
from mixcheck.fitting.results.predicting import Predicting
from mixcheck.fitting.results.refits import Refits
from mixcheck.fitting.results.saved import save
from mixcheck.fitting.results.summary import Summary, summarise
from mixcheck.fitting.results.tested import Tested
from mixcheck.fitting.results.tidy import augment, glance, tidy
from mixcheck.fitting.results.uncertain import Uncertain
from mixcheck.port import ApproximationFacts, ConvergenceFacts

if TYPE_CHECKING:
    from mixcheck.display.figures import Axes

__all__ = ["GLMM"]


@final
@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class GLMM(Tested, Uncertain, Predicting):
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
