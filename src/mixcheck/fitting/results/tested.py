"""The part of a fit that tests its coefficients: one by one, in combinations, and by terms."""

from __future__ import annotations

from typing import get_args

import pandas as pd

from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.options import require_choice
from mixcheck.fitting.results.coefficient_table import tabulate_coefficients
from mixcheck.fitting.results.hypothesis_tests import (
    HypothesisAdjustment,
    HypothesisTest,
    TestRequest,
    TypeOfTest,
    compare_jointly,
    compare_terms,
    drop_terms,
    tabulate_hypotheses,
)
from mixcheck.fitting.results.port import GlmmPort
from mixcheck.fitting.results.small_samples import DegreesOfFreedom

__all__ = ["Tested"]


@answer_methods
class Tested:
    """Tests of the coefficients of a fit; see `mixcheck.GLMM`."""

    _port: GlmmPort

    def coefficients(
        self,
        *,
        ddf: DegreesOfFreedom = "auto",
        level: float = 0.95,
        cluster: str | None = None,
    ) -> pd.DataFrame:
        """The table of the fixed effects, with tests and intervals by the t distribution.

        Parameters
        ----------
        ddf : str
            Degrees of freedom:

            - "kenward-roger": for linear mixed models. Errors and degrees of freedom at the
              restricted estimates of the variances, also where the model was fitted by maximum
              likelihood.
            - "satterthwaite": for linear mixed models, at the estimates of the fit.
            - "restricted-containment": those of "containment", with errors at the restricted
              estimates of the variances; by Laplace's approximation.
            - "containment": a coefficient whose column is a multiple of a random effect within
              each level (a predictor of groups beside random intercepts, a slope beside random
              slopes) has as many as its levels add to the rank of the model matrix: groups less
              coefficients of groups. Of others the rows count, where the family has a
              dispersion to estimate; otherwise they are normal.
            - "between-within": the rule of Pinheiro and Bates for nested factors, blind to
              random slopes, with the intercept between groups.
            - "normal": infinite, which makes t a z.
            - "auto": Kenward-Roger for linear mixed models, Satterthwaite where their covariance
              is not linear in its parameters, containment for all others: at restricted
              estimates where a coefficient has 30 degrees of freedom or fewer.
        level : float
            The confidence of the intervals, between 0 and 1.
        cluster : str, optional
            A column, or a grouping factor, that contains all grouping factors of the model:
            standard errors that hold whatever goes on within its levels, the sandwich with the
            correction of Bell and McCaffrey (CR2) and their degrees of freedom.

        Returns
        -------
        DataFrame
            Columns ``estimate``, ``std_error``, ``df``, ``statistic``, ``pvalue``, ``low`` and
            ``high``, a row for each name in `params`; ``attrs["ddf"]`` says which degrees of
            freedom were taken. Combinations of coefficients, tests of terms and models of the
            dispersion or of zeros have theirs by the same rule.

        Raises
        ------
        OptionError
            If these degrees of freedom are not defined for this model.

        Notes
        -----
        With few groups the z test of a group-level effect rejects a true hypothesis too often: in
        `validation/inference` in 12 to 19 % of data sets instead of 5 with 6 groups, and these
        tests in 3 to 6 %. Standard errors of "containment", "between-within" and "normal" are those
        of `bse`. Those of "restricted-containment" are larger by what the covariance of the
        coefficients of the mean, given all other parameters, grows from the estimates of the fit
        to the restricted ones, ``C + C_R - C_M``.

        References
        ----------
        Kenward & Roger (1997), Biometrics 53, 983-997; Giesbrecht & Burns (1985), Biometrics 41,
        477-486; Pinheiro & Bates (2000), Mixed-effects models in S and S-PLUS, section 2.4.2;
        Li & Redden (2015), Comparing denominator degrees of freedom approximations for the
        generalized linear mixed model in analyzing binary outcome in small sample
        cluster-randomized trials, BMC Medical Research Methodology 15.

        Examples
        --------
        >>> import mixcheck as mc
        >>> sleep = mc.datasets.load("sleepstudy")
        >>> fit = mc.glmm("Reaction ~ Days + (Days | Subject)", sleep, reml=True)
        >>> fit.coefficients().round(2)[["estimate", "std_error", "df", "low", "high"]]
                   estimate  std_error    df     low    high
        Intercept    251.41       6.82  17.0  237.01  265.80
        Days          10.47       1.55  17.0    7.21   13.73
        >>> fit.coefficients(ddf="between-within").df.tolist()
        [17.0, 161.0]
        """
        require_choice("ddf", ddf, get_args(DegreesOfFreedom))
        return tabulate_coefficients(self._port, ddf, level, cluster)

    def t_test(
        self,
        hypotheses: object,
        *,
        ddf: DegreesOfFreedom = "auto",
        level: float = 0.95,
        adjust: HypothesisAdjustment = "none",
        cluster: str | None = None,
    ) -> pd.DataFrame:
        """Test linear combinations of the coefficients one by one.

        Parameters
        ----------
        hypotheses : str, sequence of str, or (k, p) matrix
            Such as ``"x1 = x2"`` or ``"x1 - 2 * x2 = 0.5, x3"``, in the names of `params`; or a
            row for each, which is compared with zero.
        ddf : str
            Degrees of freedom; see `coefficients`. A combination outside linear mixed models has
            the smallest of the coefficients that take part.
        level : float
            The confidence of the intervals, between 0 and 1.
        adjust : {"none", "mvt", "holm", "sidak", "bonferroni"}
            Intervals and p-values that hold for all hypotheses together. "mvt" takes the largest
            of the t statistics, with their correlations; the intervals of "holm" are Bonferroni's.
        cluster : str, optional
            See `coefficients`.

        Returns
        -------
        DataFrame
            Columns as of `coefficients`; the estimate is that of the combination.

        Raises
        ------
        OptionError
            With the place in the text that is not understood.

        Examples
        --------
        >>> import mixcheck as mc
        >>> cbpp = mc.datasets.load("cbpp")
        >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
        >>> fit.t_test("period[T.2] = period[T.3]").round(2)[["estimate", "std_error", "pvalue"]]
                                   estimate  std_error  pvalue
        period[T.2] = period[T.3]      0.14       0.38    0.72
        """
        return tabulate_hypotheses(self._port, hypotheses, ddf, level, adjust, cluster)

    def f_test(
        self,
        hypotheses: object,
        *,
        test: HypothesisTest = "wald",
        ddf: DegreesOfFreedom = "auto",
        cluster: str | None = None,
    ) -> pd.DataFrame:
        """Test linear hypotheses on the coefficients all together.

        Parameters
        ----------
        hypotheses : str, sequence of str, or (k, p) matrix
            As of `t_test`.
        test : {"wald", "lrt", "score"}
            Estimates and their covariance; or twice what the log-likelihood falls by under the
            hypotheses; or the scores of the whole model at the estimates under them.
        ddf : str
            Degrees of freedom of the denominator of a Wald test; see `coefficients`.
        cluster : str, optional
            Errors of a Wald test by the levels of this column; see `coefficients`.

        Returns
        -------
        DataFrame
            One row: ``statistic``, ``df``, ``df_denominator`` and ``pvalue``. Of a Wald test the
            statistic is F; of the others it is a chi-square, with an infinite denominator.

        Raises
        ------
        OptionError

        References
        ----------
        Rao (1948), Large sample tests of statistical hypotheses concerning several parameters,
        Proceedings of the Cambridge Philosophical Society 44; Pustejovsky & Tipton (2018),
        Small-sample methods for cluster-robust variance estimation, Journal of Business & Economic
        Statistics 36 (the HTZ test, of ``cluster=``).

        Examples
        --------
        >>> import mixcheck as mc
        >>> cbpp = mc.datasets.load("cbpp")
        >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
        >>> same = "period[T.2] = period[T.3], period[T.3] = period[T.4]"
        >>> for test in ("wald", "lrt", "score"):
        ...     print(fit.f_test(same, test=test).round(3).iloc[0].tolist())
        [0.786, 2.0, inf, 0.456]
        [1.696, 2.0, inf, 0.428]
        [1.605, 2.0, inf, 0.448]
        """
        return compare_jointly(self._port, hypotheses, TestRequest(test, ddf, cluster))

    def anova(
        self,
        *,
        type: TypeOfTest = "II",
        test: HypothesisTest = "wald",
        ddf: DegreesOfFreedom = "auto",
        cluster: str | None = None,
    ) -> pd.DataFrame:
        """Test each term of the formula.

        Parameters
        ----------
        type : {"II", "III"}
            Each term beside all that do not contain it; or beside all others, averaged over
            the levels of the factors that it interacts with, whatever the coding of the factors.
            Numbers that it interacts with are zero.
        test : {"wald", "lrt", "score"}
            As of `f_test`; "lrt" fits the model again for each term.
        ddf : str
            Degrees of freedom of the denominator of a Wald test; see `coefficients`.
        cluster : str, optional
            Errors of a Wald test by the levels of this column; see `coefficients`.

        Returns
        -------
        DataFrame
            A row for each term, columns as of `f_test`.

        Raises
        ------
        OptionError

        Examples
        --------
        >>> import mixcheck as mc
        >>> data = mc.datasets.load("Orthodont")
        >>> fit = mc.glmm("distance ~ age * Sex + (age | Subject)", data, reml=True)
        >>> fit.anova(type="III").round(2)["df_denominator"].to_dict()
        {'age': 25.0, 'Sex': 25.0, 'age:Sex': 25.0}
        """
        return compare_terms(self._port, type, TestRequest(test, ddf, cluster))

    def drop1(self) -> pd.DataFrame:
        """Fit the model without each term that no other contains.

        Returns
        -------
        DataFrame
            The row ``none`` is the model itself; columns ``df`` (coefficients left out), ``llf``,
            ``aic``, and the likelihood-ratio ``statistic`` with its ``pvalue``.

        Raises
        ------
        OptionError
            By REML or PQL, and with priors.

        Examples
        --------
        >>> import mixcheck as mc
        >>> cbpp = mc.datasets.load("cbpp")
        >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
        >>> fit.drop1().round(1)
                df    llf    aic  statistic  pvalue
        none     0  -92.0  194.1        NaN     NaN
        period   3 -104.8  213.7       25.6     0.0
        """
        return drop_terms(self._port)
