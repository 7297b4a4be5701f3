"""Wrong calls of public functions: each is answered with what to write."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest

import mixcheck as mc
from mixcheck.arguments.calls import answer_calls, answer_methods
from mixcheck.errors import MixcheckError, OptionError, UnknownArgumentError

MODEL = "incidence / size ~ period + (1 | herd)"


@pytest.fixture(scope="module")
def fit() -> mc.GLMM:
    """A binomial model of the herds."""
    return mc.glmm(MODEL, mc.datasets.load("cbpp"), family="binomial")


def call(verb: str, fit: mc.GLMM, **wrong: Any) -> Any:
    """A public function or method, called with one wrong argument."""
    data = fit.frame
    first: dict[str, tuple[Any, ...]] = {
        "glmm": (MODEL, data),
        "select": (MODEL, data),
        "from_draws": (),
        "compare": ([fit, fit],),
        "lrt": (),
        "bootstrap_lrt": (fit, fit),
        "vuong": (fit, fit),
    }
    if verb != "simulate" and inspect.isfunction(getattr(mc, verb, None)):
        return getattr(mc, verb)(*first.get(verb, (fit,)), **wrong)
    return getattr(fit, verb)(**wrong)


@pytest.mark.parametrize(
    ("verb", "argument", "answer"),
    [
        ("glmm", "ziformula", 'write zi="~ 1"'),
        ("glmm", "dispformula", 'write dispersion="~ x"'),
        ("glmm", "nAGQ", 'write method="agq", nodes=9'),
        ("glmm", "REML", "write reml=True"),
        ("glmm", "control", "leave it out"),
        ("glmm", "exog", "write a formula and the data"),
        ("glmm", "endog", "write a formula and the data"),
        ("glmm", "groups", "random effects in the formula"),
        ("glmm", "prior", "write priors="),
        ("glmm", "fixef_prior", "write priors="),
        ("glmm", "chains", "nothing is sampled"),
        ("glmm", "var_weights", "write precision="),
        ("glmm", "famly", "write family="),
        ("glmm", "zzz", "it takes formula=, data=, family="),
        ("select", "nAGQ", 'write method="agq"'),
        ("select", "rank", "write criterion="),
        ("select", "REML", "different fixed effects cannot be compared"),
        ("select", "verbose", "write progress=True"),
        ("glmm", "quadrature", 'write method="laplace"'),
        ("glmm", "hu", 'write zi="~ 1"'),
        ("glmm", "cov_type", "standard errors are those of the likelihood"),
        ("predict", "ndraws", "predictions are no draws"),
        ("residuals", "type", "quantile residuals; see fit.resid_pearson"),
        ("caic", "nsim", 'write method="refit"'),
        ("loo", "reloo", "write refit_above="),
        ("predict", "newdata", "write data="),
        ("predict", "re_form", 'write random_effects="zero"'),
        ("predict", "re.form", 'write random_effects="zero"'),
        ("predict", "allow_new_levels", 'write unseen="zero"'),
        ("predict", "se_fit", "which gives standard errors"),
        ("predict", "type", 'write scale="response"'),
        ("conf_int", "parm", r"write parameters=\"all\""),
        ("conf_int", "conf_level", "write level="),
        ("check", "n_sim", "write draws="),
        ("check", "random_state", "write seed=1"),
        ("check", "alpha", r"write policy=mc.Policy\(alpha=0.05\)"),
        ("residuals", "n", "write draws="),
        ("replicate", "nsim", "write draws="),
        ("simulate", "nsim", "write draws="),
        ("simulate", "rng", "write seed=1"),
        ("refit", "newresp", "write response="),
        ("compare", "ic", "write criterion="),
        ("lrt", "reduced", "write smaller="),
        ("loo", "k_threshold", "write refit_above="),
        ("logo", "groups", "write group="),
        ("bootstrap_lrt", "nsim", "write draws="),
        ("from_draws", "simulatedResponse", "write draws="),
    ],
)
def test_arguments_of_other_programs(fit: mc.GLMM, verb: str, argument: str, answer: str) -> None:
    """The name to write here, in an error that is both of this library and a TypeError."""
    with pytest.raises(UnknownArgumentError, match=answer) as caught:
        call(verb, fit, **{argument: 1})
    assert isinstance(caught.value, OptionError)
    assert isinstance(caught.value, TypeError)
    assert str(caught.value).startswith(f"{verb}() has no argument {argument}=; ")


def test_several_at_once(fit: mc.GLMM) -> None:
    """All wrong names are in one sentence."""
    with pytest.raises(UnknownArgumentError, match=r"ziformula= \(write zi=.*REML= \(write reml="):
        call("glmm", fit, ziformula="~ 1", REML=True)


def test_positions(fit: mc.GLMM) -> None:
    """Too many values by position, too few, and one given twice."""
    data = fit.frame
    wrong: Any = mc.glmm
    with pytest.raises(UnknownArgumentError, match=r"'binomial' after that; write .* by name"):
        wrong(MODEL, data, "binomial")
    with pytest.raises(UnknownArgumentError, match=r"needs data; write glmm\(\.\., data=\.\.\)"):
        wrong(MODEL)
    with pytest.raises(UnknownArgumentError, match="was given data twice"):
        wrong(MODEL, data, data=data)
    wrong = mc.compare
    with pytest.raises(UnknownArgumentError, match=r"write the models as one list or mapping"):
        wrong(fit, fit)


PUBLIC = [
    (name, value)
    for name, value in {
        **{n: getattr(mc, n) for n in dir(mc) if not n.startswith("_")},
        **{f"checks.{n}": getattr(mc.checks, n) for n in mc.checks.__all__},
        **{f"families.{n}": getattr(mc.families, n) for n in mc.families.__all__},
    }.items()
    if inspect.isfunction(value)
    or (inspect.isclass(value) and value.__module__ != "mixcheck.errors")
]


@pytest.mark.parametrize(("name", "value"), PUBLIC, ids=[name for name, _ in PUBLIC])
def test_every_public_call_answers(name: str, value: Any) -> None:
    """Functions, constructors and methods: an argument that nobody has is refused by our error."""
    if inspect.isfunction(value):
        with pytest.raises(MixcheckError, match="zzz="):
            value(**dict.fromkeys(_needed(value)), zzz=1)
        return
    if name.startswith("families."):
        return  # the methods of families are called in the inner loops, by no user
    for method, member in vars(value).items():
        if not method.startswith("_") and inspect.isfunction(member):
            with pytest.raises(UnknownArgumentError, match="zzz="):
                member(None, zzz=1)


def _needed(function: Any) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: mc.checks.Trend("x", foo=1), r"Trend\(\) has no argument foo="),  # type: ignore[call-arg]
        (lambda: mc.checks.Zeros("x"), r"Zeros\(\) takes nothing by position"),  # type: ignore[call-arg]
        (lambda: mc.checks.Zeros().by(group="x"), "it takes column= only"),  # type: ignore[call-arg]
        (lambda: mc.Policy(level=0.1), "write alpha="),  # type: ignore[call-arg]
        (lambda: mc.Suite.standard(foo=1), r"standard\(\) has no argument foo="),  # type: ignore[call-arg]
        (lambda: mc.families.Poisson(Link="log"), "write link="),  # type: ignore[call-arg]
        (lambda: mc.families.ZeroInflated(), r"ZeroInflated\(\) needs base"),  # type: ignore[call-arg]
        (lambda: mc.datasets.load(), "needs name"),  # type: ignore[call-arg]
    ],
)
def test_constructors_and_methods(make: Any, said: str) -> None:
    """Classes answer as functions do."""
    with pytest.raises(UnknownArgumentError, match=said):
        make()


def test_functions_stay_what_they_are(fit: mc.GLMM) -> None:
    """Name, module, documentation, signature and pickles are those of the function itself."""
    assert mc.glmm.__module__ == "mixcheck.fitting.glmm"
    assert list(inspect.signature(mc.glmm).parameters)[:3] == ["formula", "data", "family"]
    assert pickle.loads(pickle.dumps(mc.glmm)) is mc.glmm
    assert pickle.loads(pickle.dumps(fit.predict))().equals(fit.predict())
    assert "Parameters" in (inspect.getdoc(mc.GLMM.predict) or "")


def test_open_arguments_pass() -> None:
    """A function that takes any argument by name gets those that no other program has."""

    @answer_calls
    def take(first: int, *rest: int, **options: int) -> tuple[int, tuple[int, ...], dict[str, int]]:
        return first, rest, options

    assert take(1, 2, 3, zzz=4) == (1, (2, 3), {"zzz": 4})


def test_inherited_methods_answer() -> None:
    """A class inherits the answers of its bases, and class methods answer too."""

    @answer_methods
    class Base:
        @classmethod
        def make(cls, n: int) -> int:
            return n

        @staticmethod
        def add(n: int) -> int:
            return n + 1

    class Derived(Base):
        pass

    assert (Derived.make(2), Derived.add(2)) == (2, 3)
    for wrong in (Derived.make, Derived.add):
        with pytest.raises(UnknownArgumentError, match="it takes n= only"):
            wrong(m=1)  # type: ignore[call-arg]


def test_errors_from_within_pass() -> None:
    """A TypeError from within a function is its own, and the function runs once."""
    runs = []

    @answer_calls
    def fit(n: int) -> int:
        runs.append(n)
        return n + "1"  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand") as caught:
        fit(1)
    assert not isinstance(caught.value, MixcheckError)
    assert runs == [1]
