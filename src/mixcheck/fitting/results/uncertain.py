"""The part of a fit that says how well its parameters are known: intervals and profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from mixcheck.arguments.calls import answer_methods
from mixcheck.execution.progress import Progress
from mixcheck.fitting.results.intervals import (
    BootstrapInterval,
    IntervalMethod,
    ParameterGroup,
    Request,
    find_intervals,
)
from mixcheck.fitting.results.parameter_functions import ParameterFunction
from mixcheck.fitting.results.port import GlmmPort
from mixcheck.fitting.results.profiles import Profile, follow_profiles
from mixcheck.fitting.results.small_samples import DegreesOfFreedom

__all__ = ["Uncertain"]


@answer_methods
class Uncertain:
    """Intervals and profiles of the parameters of a fit; see `mixcheck.GLMM`."""

    _port: GlmmPort

    def conf_int(
        self,
        *,
        level: float = 0.95,
        method: IntervalMethod = "auto",
        parameters: ParameterGroup | Sequence[str] | Mapping[str, ParameterFunction] = "fixed",
        draws: int | None = None,
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
        draws : int, optional
            Number of simulated data sets of a bootstrap, 1,000 by default: those of `simulate`
            with this seed.
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
