"""Names of arguments in R, statsmodels, brms and others, and what to write here in their place.

One table answers a call with such an argument, and is the source of a table in the
documentation for those who come from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "FOREIGN_ATTRIBUTES",
    "FOREIGN_NAMES",
    "ForeignName",
    "find_answer",
    "find_attribute",
    "plain_name",
]


@dataclass(frozen=True)
class ForeignName:
    """Arguments that other programs have, and what to write here.

    Attributes
    ----------
    names : str
        As other programs write them, blanks between them; dots, underscores and capitals do not
        count.
    answer : str
        What to write, the second half of a sentence.
    verbs : tuple of str
        Functions for which this holds; every function that has `own` where none is named.
    own : str
        Argument of ours that is meant.
    """

    names: str
    answer: str
    verbs: tuple[str, ...] = ()
    own: str = ""


_FIT = ("glmm", "select")
_STOPS = "leave it out: there is one optimiser, and fit.convergence tells where it stopped"
_ROWS = 'choose rows before, such as data[data["x"] > 0]; rows with missing values are left out'
_RANDOM = 'write random effects in the formula, such as "y ~ x + (1 | g)"'
_BAYES = (
    "leave it out: nothing is sampled; priors= gives posterior modes, and a Bayesian model fitted "
    "elsewhere is checked by from_draws(..)"
)
_CORRELATION = (
    "write the structure in the formula: ar1(0 + t | g), cs(0 + visit | g) or propto(1 | g, K)"
)
_SMOOTHS = "leave it out: smooth terms with a penalty are not there; write ns(x, df=4)"
_MEANS = "write mc.contrasts(mc.emmeans(..), adjust=..) for differences of the means"

FOREIGN_NAMES: Final = (
    # ---- the fit -------------------------------------------------------------------------
    ForeignName("ziformula zero_formula exog_infl", 'write zi="~ 1"', own="zi"),
    ForeignName(
        "dispformula sigma_formula phi_formula",
        'write dispersion="~ x"',
        own="dispersion",
    ),
    ForeignName(
        "nAGQ quad_points nquad",
        'write method="agq", nodes=9 for nAGQ=9, and method="profiled" for nAGQ=0',
        verbs=_FIT,
    ),
    ForeignName(
        "REML",
        "leave it out: REML likelihoods of models with different fixed effects cannot be compared",
        verbs=("select",),
    ),
    ForeignName("verbose disp", _STOPS, verbs=("glmm",)),
    ForeignName("verbose trace disp", "write progress=True", verbs=("select",)),
    ForeignName(
        "n_features_to_select cv kfold beta k",
        'leave it out: models are ranked by criterion=, such as "bic" or "logo"',
        verbs=("select",),
    ),
    ForeignName("REML", "write reml=True or reml=False", own="reml"),
    ForeignName(
        "quadrature integration laplace",
        'write method="laplace", or method="agq" and nodes=9',
        verbs=_FIT,
    ),
    ForeignName(
        "hu zero_inflated zeroinflation inflation zi_prob",
        'write zi="~ 1"; a hurdle is zi="~ 1" with a truncated family',
        verbs=_FIT,
    ),
    ForeignName("phi shape dispersion_formula sigma", 'write dispersion="~ x"', verbs=_FIT),
    ForeignName("random_effects", _RANDOM, verbs=_FIT),
    ForeignName("init", "leave it out: starting values are found from the data", verbs=_FIT),
    ForeignName("sparseX map hasconst eval_env", "leave it out", verbs=_FIT),
    ForeignName(
        "cov_type use_t cov_kwds",
        "leave it out: standard errors are those of the likelihood; others come from "
        "fit.coefficients(cluster=..)",
        verbs=_FIT,
    ),
    ForeignName(
        "control optimizer optimiser opt optCtrl maxiter maxfun tol tolerance "
        "niter method_kwargs sparse full_output do_fit devFunOnly se rel_tol "
        "maxit full_hess retall",
        _STOPS,
        verbs=_FIT,
    ),
    ForeignName(
        "start start_params inits initial_values mustart etastart",
        "leave it out: starting values are found from the data",
        verbs=_FIT,
    ),
    ForeignName(
        "exog endog x y",
        'write a formula and the data, such as glmm("y ~ x + (1 | g)", data)',
        verbs=_FIT,
    ),
    ForeignName(
        "fixed",
        'write a formula and the data, such as glmm("y ~ x + (1 | g)", data)',
        verbs=("glmm",),
    ),
    ForeignName(
        "groups group exog_re exog_vc vc_formula re_formula ident cluster subject vcp_p fe_p",
        _RANDOM,
        verbs=_FIT,
    ),
    ForeignName("random", _RANDOM, verbs=("glmm",)),
    ForeignName(
        "correlation autocor rcov cov_struct corstr cov_ranef Gu varStruct",
        _CORRELATION,
        verbs=_FIT,
    ),
    ForeignName("knots gamma sp bs paraPen scat discrete", _SMOOTHS, verbs=_FIT),
    ForeignName("select", _SMOOTHS, verbs=("glmm",)),
    ForeignName(
        "penalized max_coef_bound max_phis_value",
        'write priors={"x": mc.priors.normal(0, 2.5)}, which keep coefficients finite',
        verbs=_FIT,
    ),
    ForeignName("n_phi", "leave it out: a family knows its own parameters", verbs=_FIT),
    ForeignName("distr distribution dist", "write family=", own="family"),
    ForeignName(
        "hurdle",
        'write zi="~ 1" with a family without zeros, such as family="truncated_poisson"',
        verbs=_FIT,
    ),
    ForeignName("robust", "leave it out: see fit.coefficients(cluster=..)", verbs=_FIT),
    ForeignName("missing na_action drop_na", _ROWS, verbs=_FIT),
    ForeignName("subset", _ROWS, verbs=("glmm",)),
    ForeignName("contrasts contrast", 'write "C(x, contr.sum)" in the formula', verbs=_FIT),
    ForeignName(
        "link links",
        'write the family with its link, such as family=mc.families.Binomial(link="probit")',
        verbs=_FIT,
    ),
    ForeignName(
        "prior fixef_prior cov_prior resid_prior",
        'write priors={"x": mc.priors.normal(0, 2.5)}, the estimates being posterior modes',
        own="priors",
    ),
    ForeignName(
        "chains iter cores backend warmup adapt_delta sample_prior prior_only "
        "tune target_accept algorithm save_pars stanvars threads nthreads",
        _BAYES,
        verbs=("glmm",),
    ),
    ForeignName(
        "var_weights", 'write precision="column", by which the variance is divided', verbs=_FIT
    ),
    ForeignName("freq_weights prior_weights", "write weights=", own="weights"),
    ForeignName("exposure", 'write "offset(log(exposure))" in the formula', verbs=_FIT),
    ForeignName(
        "trials n_trials size total",
        'write the trials in the formula, "k / n ~ x" or "cbind(k, n - k) ~ x"',
        verbs=_FIT,
    ),
    ForeignName(
        "random_state rng",
        'write seed=1 with method="importance"; nothing else is random in a fit',
        verbs=("glmm",),
    ),
    ForeignName("model fml formula_string", "write formula=", own="formula"),
    # ---- prediction ----------------------------------------------------------------------
    ForeignName(
        "newdata newx exog X x_new grid",
        "write data=",
        verbs=("predict",),
    ),
    ForeignName(
        "re_form re_formula include_random exclude random",
        'write random_effects="zero" for re.form=NA and random_effects="auto" for re.form=NULL',
        verbs=("predict",),
    ),
    ForeignName(
        "newparams terms na_action summary robust incl_autocor resp",
        "leave it out",
        verbs=("predict",),
    ),
    ForeignName("random_only", "leave it out: see fit.random_effects", verbs=("predict",)),
    ForeignName(
        "ndraws nsim probs draw_ids",
        "leave it out: predictions are no draws; see fit.simulate(..)",
        verbs=("predict",),
    ),
    ForeignName(
        "allow_new_levels sample_new_levels allow_new",
        'write unseen="zero" for allow.new.levels=TRUE',
        verbs=("predict",),
    ),
    ForeignName(
        "type what kind which transform linear component",
        'write scale="response" or scale="link", and part="zi", part="conditional" or '
        'part="dispersion" for the parts of a model',
        verbs=("predict",),
    ),
    ForeignName(
        "se_fit se return_std std_error",
        'write interval="confidence", which gives standard errors and intervals',
        verbs=("predict",),
    ),
    ForeignName(
        "marginal", 'write random_effects="marginal"', verbs=("predict", "emmeans", "slopes")
    ),
    # ---- inference -----------------------------------------------------------------------
    ForeignName(
        "conf_level confidence confidence_level prob conf_int_level ci",
        "write level=",
        own="level",
    ),
    ForeignName(
        "level conf_level confidence significance",
        "write alpha=, one minus it, such as alpha=0.05 for level=0.95",
        own="alpha",
    ),
    ForeignName("*", "write level=0.9", verbs=("conf_int",)),
    ForeignName(
        "boot_type bootstrap_type", 'write method="bootstrap", interval="basic"', own="interval"
    ),
    ForeignName("oldNames quiet", "leave it out", verbs=("conf_int",)),
    ForeignName("specs variables", "write names=", own="names"),
    ForeignName("type regrid transform", 'write scale="response"', verbs=("emmeans",)),
    ForeignName("adjust pairwise contr method", _MEANS, verbs=("emmeans",)),
    ForeignName("cov_reduce cov_keep newdata", 'write at={"x": [0, 1]}', verbs=("emmeans",)),
    ForeignName(
        "parm cols which component effects",
        'write parameters="all", and take rows of the frame by their names',
        verbs=("conf_int",),
    ),
    # ---- simulation ----------------------------------------------------------------------
    ForeignName(
        "nsim s ndraws n_samples num_samples samples size n B n_boot reps n_replicates simulations",
        "write draws=",
        own="draws",
    ),
    ForeignName(
        "re_form use_u re_formula simulate_random",
        'write conditioning="mode" for use.u=TRUE and conditioning="marginal" for use.u=FALSE',
        own="conditioning",
    ),
    ForeignName(
        "newdata data",
        "leave it out: responses are simulated for the rows of the fit",
        verbs=("simulate",),
    ),
    ForeignName(
        "random_state rng random_seed rseed generator set_seed",
        "write seed=1",
        own="seed",
    ),
    ForeignName(
        "workers cores n_cores ncpus mc_cores n_workers num_workers parallel njobs cl threads",
        "write n_jobs=2",
        own="n_jobs",
    ),
    ForeignName(
        "timeout max_time time_budget max_seconds walltime",
        "write time_limit=60, in seconds",
        own="time_limit",
    ),
    ForeignName("verbose progressbar show_progress", "write progress=True", own="progress"),
    ForeignName("newresp response_new y endog data", "write response=", own="response"),
    # ---- checks --------------------------------------------------------------------------
    ForeignName("checks tests test which", "write suite=", verbs=("check",)),
    ForeignName(
        "alpha level significance threshold",
        "write policy=mc.Policy(alpha=0.05)",
        verbs=("check",),
    ),
    ForeignName("refit", 'write calibration="refit"', own="calibration"),
    ForeignName(
        "type scaled",
        "leave it out: they are quantile residuals; see fit.resid_pearson",
        verbs=("residuals",),
    ),
    ForeignName("plot integer_response", "leave it out", verbs=("residuals", "check")),
    ForeignName(
        "quantreg", "write suite=mc.checks.Quantiles() for quantiles of residuals", verbs=("check",)
    ),
    ForeignName(
        "y observed_response obs y_obs observed_data",
        "write observed=",
        own="observed",
    ),
    ForeignName(
        "simulated_response yrep posterior_predictive sims simulated",
        "write draws=",
        own="draws",
    ),
    ForeignName(
        "fitted_predicted_response fitted_values mu predicted",
        "write fitted=",
        own="fitted",
    ),
    ForeignName("integer_response is_discrete", "write discrete=True", own="discrete"),
    ForeignName("data df newdata", "write frame=", own="frame"),
    # ---- comparison ----------------------------------------------------------------------
    ForeignName(
        "ic rank criteria criterion_name metric scoring by",
        "write criterion=",
        own="criterion",
    ),
    ForeignName(
        "*",
        'write the models as one list or mapping, such as {"a": model, "b": other}',
        verbs=("compare",),
    ),
    ForeignName(
        "reduced restricted null m0 model0 small simple object1",
        "write smaller=",
        own="smaller",
    ),
    ForeignName(
        "full alternative m1 model1 large complex object2",
        "write larger=",
        own="larger",
    ),
    ForeignName("nsim B", 'write method="refit"', verbs=("caic",)),
    ForeignName("reloo", "write refit_above=0.7", own="refit_above"),
    ForeignName(
        "REML refit",
        "leave it out: fits by REML are compared if their fixed effects agree",
        verbs=("lrt",),
    ),
    ForeignName(
        "second_ord corrected", 'write mc.aicc(..), or criterion="aicc"', verbs=("compare", "aic")
    ),
    ForeignName("test", "leave it out: it is the likelihood-ratio test", verbs=("lrt",)),
    ForeignName(
        "test", "leave it out: nested neighbours of the table are tested", verbs=("compare",)
    ),
    ForeignName(
        "refit REML", "leave it out: fit the models anew with reml=False", verbs=("compare",)
    ),
    ForeignName("groups cluster by id", "write group=", own="group"),
    ForeignName("k_threshold", "write refit_above=0.7", own="refit_above"),
    ForeignName("m_lim max_size m_max", "write max_terms=", own="max_terms"),
    ForeignName("fixed_terms include must_keep scope", "write keep=", own="keep"),
    ForeignName(
        "direction strategy algorithm",
        'write search="greedy" or search="all"',
        own="search",
    ),
    # ---- files ---------------------------------------------------------------------------
    ForeignName("file filename path_or_buf buf fname output", "write path=", own="path"),
    # ---- everywhere ----------------------------------------------------------------------
    ForeignName("df dat dataset frame", "write data=", own="data"),
)


# What a fit has under other names: in R, in statsmodels, or for programs in its port.
FOREIGN_ATTRIBUTES: Final = {
    "theta": "mixcheck.port.port_of(fit).theta, or fit.variance_components",
    "priors": "mixcheck.port.port_of(fit).priors",
    "reml": "fit.method.restricted",
    "df_resid df_residual": "fit.nobs - fit.n_parameters",
    "coef coef_ fixef fe_params beta": "fit.params",
    "std_errors se bse_fe": "fit.bse",
    "zvalues": "fit.tvalues",
    "confint": "fit.conf_int()",
    "vcov cov": "fit.cov_params()",
    "varcorr cov_re vcomp": "fit.variance_components",
    "ranef": "fit.random_effects",
    "loglik loglike": "fit.llf",
    "deviance": "-2 * fit.llf",
    "sigma": "fit.dispersion",
    "fitted fitted_values": "fit.fittedvalues",
    "resid residuals": "fit.resid_pearson, or mixcheck.residuals(fit)",
    "wald_test linear_hypothesis": "fit.f_test(list(fit.params.index))",
    "wald_test_terms": "fit.anova()",
    "df_model npar": "fit.n_parameters",
    "AIC aic_": "fit.aic",
    "BIC bic_": "fit.bic",
    "aicc": "mixcheck.aicc(fit)",
    "nobs_ n": "fit.nobs",
    "ngrps ngroups": "fit.n_groups",
    "scale scale_": "fit.dispersion",
    "isSingular singular converged_": "fit.convergence",
    "terms formula_": "fit.formula",
    "getME model exog": "fit.model_matrix()",
    "update": "mixcheck.glmm",
    "rsquared r2 r_squared": "mixcheck.r2(fit)",
    "icc": "mixcheck.icc(fit)",
    "loo waic": "mixcheck.loo(fit)",
    "emmeans lsmeans": "mixcheck.emmeans",
    "get_margeff marginal_effects conditional_effects margins": "mixcheck.slopes, or "
    "mixcheck.comparisons",
    "predict_proba": "fit.predict(), or fit.predict_probabilities",
    "posterior idata": "fit.simulate(), or mixcheck.from_draws",
}


def plain_name(name: str) -> str:
    """A name without what programs spell differently: capitals, dots and underscores."""
    return name.replace(".", "").replace("_", "").casefold()


def find_answer(name: str, verb: str, offered: tuple[str, ...]) -> str:
    """What to write for an argument that a function does not have; empty where nobody knows.

    Examples
    --------
    >>> find_answer("re.form", "predict", ("data", "random_effects"))
    'write random_effects="zero" for re.form=NA and random_effects="auto" for re.form=NULL'
    """
    wanted = plain_name(name)
    rows = [row for row in FOREIGN_NAMES if wanted in map(plain_name, row.names.split())]
    for row in rows:
        if verb in row.verbs:
            return row.answer
    for row in rows:
        if row.own in offered and not row.verbs:
            return row.answer
    for own in offered:
        if wanted == plain_name(own):
            return f"write {own}="
    return ""


def find_attribute(name: str) -> str:
    """What a fit has in place of an attribute that it does not have; empty where nobody knows.

    Examples
    --------
    >>> find_attribute("fixef")
    'fit.params'
    """
    wanted = plain_name(name)
    rows = FOREIGN_ATTRIBUTES.items()
    return next((ours for names, ours in rows if wanted in map(plain_name, names.split())), "")
