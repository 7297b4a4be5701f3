"""The public surface: each callable, what its arguments may be, and how a call of it is drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, get_args

import numpy as np

import mixcheck as mc
from attack import damage, formulas, values
from attack.subjects import COUNTS, FITS, LIKELIHOODS, made
from attack.values import ANYTHING, Allowed, Domain
from mixcheck.families import Family, Link
from mixcheck.fitting.influence.conditional_df import PerturbationMethod

UNSURE = values.unsure


@dataclass(frozen=True)
class Argument:
    """What an argument may be: expressions that are right, near misses, and the rule."""

    right: tuple[str, ...]
    domain: Domain = UNSURE
    near: tuple[str, ...] = ()
    given: float = 0.3


@dataclass(frozen=True)
class Target:
    """A callable by its expression, with its arguments; `sure` where right ones must do."""

    call: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    positional: tuple[str, ...] = ()
    sure: bool = True
    weight: float = 1.0


@dataclass(frozen=True)
class Step:
    """One call as text, what the answer must be, and what is known of it."""

    text: str
    expected: Allowed
    same_as: str = ""
    target: str = ""


def _models(*names: str) -> tuple[str, ...]:
    return tuple(f"fit({name!r})" for name in names)


ANY_FIT = _models(*FITS)
LIKELY = _models(*LIKELIHOODS)
COUNTED = _models(*COUNTS)
MODEL = Argument((*ANY_FIT, "made('draws')"), values.checkable, given=1.0)
JOBS = Argument(("None", "1"), values.workers, ("0", "'2'", "1.5", "True"), 0.15)
PROGRESS = Argument(("None", "False"), values.progress, ("'yes'", "1"), 0.1)
TIME_LIMIT = Argument(
    ("None", "600", "60.5"), values.seconds, ("0", "-1", "'60'", "True", "float('inf')"), 0.1
)
SEED = Argument(("1", "0", "np.int64(7)", "2**40"), values.seed, ("-1", "1.0", "'1'", "True"), 0.7)
DRAWS = Argument(
    ("5", "12", "np.int32(8)", "1"), values.whole(1, 60), ("0", "-5", "2.5", "'10'", "True")
)
CALIBRATION = Argument(
    ("'refit'", "'one-step'", "'plug-in'", "None"),
    values.optional(values.choice("refit", "one-step", "plug-in")),
    ("'exact'", "0", "True"),
    0.1,
)
CONFIDENCE = Argument(
    ("0.95", "0.5"), values.number(0.0, 1.0), ("0", "1", "95", "-0.1", "True"), 0.9
)
CONDITIONING = Argument(
    ("'posterior'", "'marginal'", "'mode'"),
    values.choice("posterior", "marginal", "mode"),
    ("'Posterior'", "'modes'", "b'mode'"),
)
POLICY = Argument(
    ("None", "mc.Policy()", "made('policy')"), values.optional(values.of_type(mc.Policy)), (), 0.2
)
SUITES = (
    *("None", "made('suite')", "mc.Suite()", "mc.checks.Zeros()", "mc.checks.Trend('x')"),
    *("mc.checks.Uniformity('ad')", "mc.checks.Outliers()", "mc.checks.Convergence()"),
    *("mc.checks.Zeros().by('f')", "mc.checks.Dispersion().where('f', 'low')"),
    *("mc.checks.RandomEffects()", "mc.checks.Zeros().named('none')", "mc.checks.Trend('f')"),
    *("mc.checks.Spread('z')", "mc.checks.Groups('g')", "mc.checks.Groups('h', 'spread')"),
    *("mc.checks.Autocorrelation('row')", "mc.checks.Autocorrelation('day', 'g', 2)"),
    *("mc.checks.Spatial('x', 'z')", "mc.checks.Calibration()", "mc.checks.Rootogram(9)"),
    *("mc.checks.Heaping(5)", "mc.checks.HurdleZeros('x')", "mc.checks.Collinearity()"),
    *("mc.checks.Separation()", "mc.checks.Singularity()", "mc.checks.Phylogenetic('h', TREE)"),
    *("mc.checks.Quantiles('z')", "mc.checks.Influence()", "mc.checks.Influence('g')"),
    *("mc.checks.OutlyingGroups()", "mc.checks.Interaction()", "mc.checks.MissingGroup('h')"),
    *("mc.checks.MissingPredictor('z')", "mc.checks.MissingSlope('x', 'g')"),
    *("mc.checks.MissingPredictor()", "mc.checks.MissingSlope()", "mc.checks.MissingGroup()"),
)
_NO_COLUMN = (
    "mc.checks.Trend('nope')",
    "mc.checks.Zeros().by('nope')",
    "mc.checks.Zeros().by('x')",
)
_NO_COLUMN += (
    *("mc.checks.Autocorrelation('f')", "mc.checks.Autocorrelation('row', 'nope')"),
    *("mc.checks.Autocorrelation('flag', 'x', 40)", "mc.checks.Spatial('x', 'x')"),
    *("mc.checks.Spatial('f', 'z')", "mc.checks.Spatial('day', 'z')", "mc.checks.Groups('x')"),
    *("mc.checks.Groups('nope')", "mc.checks.Phylogenetic('h', '(a:1,b:1);')"),
    *("mc.checks.MissingPredictor('day')", "mc.checks.MissingGroup('x')"),
    *("mc.checks.MissingSlope('f', 'x')", "mc.checks.Influence('nope')"),
    *("mc.checks.Phylogenetic('x', TREE)", "mc.checks.Spread('day')", "mc.checks.HurdleZeros('f')"),
)
_NO_COLUMN += ("mc.checks.Zeros().where('f', 'nope')", "mc.checks.Trend('day')")
_NO_COLUMN += ("mc.checks.Zeros().by('day')", "mc.checks.Zeros().where('f', 1)")
PATH = Argument(
    ("folder() / 'out.html'", "str(folder() / 'out.json')", "None"),
    UNSURE,
    ("folder()", "'no/such/folder/x'", "''", "'\\0'", "b'x'", "3"),
)
ALSO = Argument(("()", "[made('lrt')]"), UNSURE, ("made('lrt')", "[3]", "'x'", "None"), 0.3)
_NO_FILES = (
    *PATH.near,
    *("written('a.txt', '{}')", "written('a.json', '{')", "written('a.yaml', '*a')"),
    *("written('a.toml', '')", "written('a.yaml', '')", "None"),
)
WIDTH = Argument(("100", "60"), UNSURE, ("0", "-5", "1", "None", "'80'", "1.5"), 0.4)
COLUMN = Argument(("'f'", "'g'", "'x'"), values.column, ("'nope'", "None", "[]"), 1.0)
GROUP = Argument(("'g'", "None"), UNSURE, ("'h'", "'f'", "'x'", "'nope'", "''", "[]", "1"), 0.5)
LINKS = (
    "'log'",
    "'logit'",
    "'probit'",
    "'identity'",
    "'sqrt'",
    "'cloglog'",
    "'cauchit'",
    "'inverse'",
)
LINK = Argument(LINKS, UNSURE, ("'Log'", "'nope'", "mc.families.Logit", "mc.families.Logit()"), 0.7)
LEVEL = Argument(("'low'", "0", "True"), UNSURE, ("'nope'", "None", "[]"), 1.0)
TEXT_NAME = Argument(("'a name'",), values.of_type(str), (), 1.0)


def _documents(
    call: str, names: str = "document to_frame to_text to_html to_markdown to_latex to_json content"
) -> list[Target]:
    """The pages of a result."""
    out = []
    for name in names.split():
        told: dict[str, Argument] = {}
        if name == "to_text":
            told = {"width": WIDTH, "color": Argument(("True", "False"), UNSURE)}
        if name in ("to_html", "to_json", "to_junit"):
            told = {"path": PATH}
        if name == "to_html":
            told["also"] = ALSO
        out.append(Target(f"{call}.{name}", told, sure=name != "to_text", weight=0.12))
    return out


RECORDS = ("lrt", "bootstrap", "vuong", "logo", "loo", "difference", "selection", "suggestions")


MEANT = _models("factor", "poisson", "binomial", "gaussian", "zeros", "offset", "pql", "hurdle")
NAMES_OF_COLUMNS = Argument(
    ("'f'", "'x'", "['x']"), UNSURE, ("'nope'", "None", "[]", "1", "['x', 1]", "'g'", "b'x'"), 1.0
)
SCALE = Argument(
    ("'response'", "'link'"), values.choice("response", "link"), ("'prob'", "None"), 0.3
)
DDF = Argument(("'auto'", "'normal'"), UNSURE, ("'nope'", "None", "3"), 0.1)

# Limits of the parameters of priors.
_ANY, _ABOVE_0, _ABOVE_1 = (-np.inf, np.inf), (0.0, np.inf), (1.0, np.inf)

_NEW = (
    *("None", "base()", "base().head(3)", "stored('polars')", "stored('dict of lists')"),
    *(
        "stored('text index')",
        "stored('nullable')",
        "base().drop(columns='y')",
        "stored('pyarrow')",
    ),
)
_NEW_ODD = (
    *("base()[['x']]", "{'x': [1.0], 'g': [0]}", "{'x': [None], 'g': [0]}", "{}", "[]", "1", "'x'"),
    *("{'x': [1.0], 'g': [99]}", "{'x': [1.0], 'g': ['0']}", "{'x': ['a'], 'g': [0]}"),
    *("base().iloc[:0]", "{'x': [1e300], 'g': [0]}", "{'x': [np.inf], 'g': [0]}", "pd.DataFrame()"),
    *("odd_table('twice the predictor')", "odd_table('columns in levels')", "base()['x']"),
    *("base().to_numpy()", "odd_table('list of dicts')", "odd_table('ragged dict')"),
    *("odd_table('dict of sets')", "odd_table('numbered columns')", "{'x': [1j], 'g': [0]}"),
    *(
        "{'x': 1.0, 'g': 0}",
        "base().assign(g=np.nan)",
        "base().assign(x='a')",
        "base().assign(g=1j)",
    ),
)
TARGETS: tuple[Target, ...] = (
    # ---- replicate data sets, residuals, checks
    Target(
        "mc.replicate",
        {
            "model": MODEL,
            "draws": DRAWS,
            "conditioning": CONDITIONING,
            "seed": SEED,
            "calibration": CALIBRATION,
        },
        ("model",),
        sure=False,
        weight=2,
    ),
    Target(
        "mc.residuals",
        {
            "model": MODEL,
            "draws": DRAWS,
            "conditioning": CONDITIONING,
            "seed": SEED,
            "calibration": CALIBRATION,
        },
        ("model",),
        sure=False,
        weight=3,
    ),
    Target(
        "mc.check",
        {
            "model": Argument((*COUNTED, "made('residuals')", "made('draws')", *ANY_FIT)),
            "suite": Argument(
                SUITES,
                values.optional(values.some_of(mc.Suite, mc.checks.Check)),
                (*_NO_COLUMN, "[mc.checks.Zeros()]", "mc.checks.Zeros"),
            ),
            "draws": Argument(DRAWS.right, DRAWS.domain, DRAWS.near, 0.95),
            "seed": SEED,
            "calibration": CALIBRATION,
            "conditioning": CONDITIONING,
            "policy": POLICY,
            "time_limit": TIME_LIMIT,
            "n_jobs": JOBS,
            "progress": PROGRESS,
        },
        ("model", "suite"),
        sure=False,
        weight=7,
    ),
    Target(
        "made('suite').run",
        {
            "subject": Argument((*COUNTED, "made('residuals')")),
            "seed": SEED,
            "draws": Argument(DRAWS.right, DRAWS.domain, DRAWS.near, 0.95),
            "policy": POLICY,
            "time_limit": TIME_LIMIT,
            "n_jobs": JOBS,
            "progress": PROGRESS,
        },
        ("subject",),
        sure=False,
    ),
    Target(
        "mc.checks.Uniformity", {"statistic": Argument(("'ks'", "'ad'"), UNSURE, ("'KS'",), 0.9)}
    ),
    Target(
        "mc.checks.Dispersion",
        {
            "statistic": Argument(("'pearson'", "'variance'"), UNSURE, ("'Pearson'",), 0.8),
            "alternative": Argument(
                ("'two-sided'", "'greater'", "'less'"),
                values.choice("two-sided", "greater", "less"),
                ("'two.sided'",),
            ),
        },
    ),
    Target(
        "mc.checks.Outliers",
        {
            "level": Argument(
                ("None", "0.01"),
                values.optional(values.number(0.0, 1.0)),
                ("0.0", "1.0", "-0.1", "True"),
                0.9,
            )
        },
        sure=False,
    ),
    Target("mc.checks.Zeros"),
    Target("mc.checks.Convergence"),
    Target(
        "mc.checks.Count",
        {"value": Argument(("0", "1", "3.0"), UNSURE, ("-1", "0.5"), 1.0)},
        ("value",),
    ),
    *(
        Target(f"mc.checks.{name}")
        for name in ("Separation", "Singularity", "OutlyingGroups", "Interaction")
    ),
    *(
        Target(
            f"mc.checks.{name}",
            {
                word: Argument(
                    ("None", right), values.optional(values.of_type(str)), ("3", "[]"), 0.8
                )
                for word, right in words
            },
            sure=False,
        )
        for name, words in (
            ("Influence", (("group", "'g'"),)),
            ("MissingGroup", (("column", "'h'"),)),
            ("MissingPredictor", (("column", "'z'"), ("part", "'dispersion'"))),
            ("MissingSlope", (("column", "'x'"), ("group", "'g'"))),
        )
    ),
    Target(
        "mc.checks.Calibration",
        {
            "bins": Argument(
                ("None", "5"),
                values.optional(values.unsure),
                ("0", "-1", "1.5", "True", "'5'"),
                0.9,
            )
        },
        sure=False,
    ),
    Target(
        "mc.checks.Rootogram",
        {
            "most": Argument(
                ("None", "9"),
                values.optional(values.unsure),
                ("0", "-1", "1.5", "True", "'5'"),
                0.9,
            )
        },
        sure=False,
    ),
    Target(
        "mc.checks.Heaping",
        {"multiple": Argument(("5", "10"), UNSURE, ("0", "1", "-1", "1.5", "True", "'5'"), 0.9)},
        sure=False,
    ),
    Target(
        "mc.checks.Collinearity",
        {"threshold": Argument(("5.0",), UNSURE, ("0.0", "-1.0", "np.inf", "'5'", "True"), 0.9)},
        sure=False,
    ),
    *(
        Target(
            f"mc.checks.{name}",
            {"against": Argument(("'fitted'", "'x'"), values.of_type(str), (), 0.9)},
        )
        for name in ("Spread", "HurdleZeros", "Quantiles")
    ),
    Target(
        "mc.checks.Groups",
        {
            "column": Argument(("'g'", "'h'"), values.of_type(str), ("3", "None", "['g']"), 1.0),
            "aspect": Argument(("None", "'spread'"), UNSURE, ("'Spread'", "1", "[]")),
        },
        ("column",),
        sure=False,
    ),
    Target(
        "mc.checks.Autocorrelation",
        {
            "time": Argument(("'row'", "'day'"), values.optional(values.of_type(str)), ("3", "[]")),
            "group": Argument(("None", "'g'"), values.optional(values.of_type(str)), ("3", "[]")),
            "lags": Argument(("1", "4"), values.whole(1, 20), ("0", "-1", "1.5", "True", "'4'")),
        },
        ("time",),
        sure=False,
    ),
    Target(
        "mc.checks.Spatial",
        {
            "x": Argument(("'x'",), values.of_type(str), ("3", "None"), 1.0),
            "y": Argument(("'z'",), values.of_type(str), ("3", "'x'"), 1.0),
            "metric": Argument(
                ("'euclidean'", "'great-circle'"), UNSURE, ("'Euclidean'", "1", "'km'")
            ),
        },
        ("x", "y"),
        sure=False,
    ),
    Target(
        "mc.checks.Phylogenetic",
        {
            "column": Argument(("'h'",), values.of_type(str), ("3", "None"), 1.0),
            "tree": Argument(
                ("TREE",),
                values.of_type(str),
                (
                    *("''", "'('", "'(a,b)'", "'(a:1,a:1);'", "'(a:-1,b:1);'", "';'", "'()'", "3"),
                    *("'(a:x,b:1);'", "'(' * 5000 + 'a' + ')' * 5000 + ';'", "TREE[:-3]", "'a'"),
                    *("'(a:1e400,b:1);'", "'(a:1,b:1));'", "'(a:1,b:1);(a:1,b:1);'", "'\\0'"),
                ),
                1.0,
            ),
        },
        ("column", "tree"),
        sure=False,
        weight=2,
    ),
    Target(
        "mc.checks.Trend", {"against": Argument(("'fitted'", "'x'"), values.of_type(str), (), 0.9)}
    ),
    Target("mc.checks.RandomEffects", {"statistic": Argument(("'ks'",), UNSURE, ("'KS'",), 0.9)}),
    Target(
        "mc.checks.LaplaceAdequacy",
        {"tolerance": Argument(("0.1",), values.number(0.0, np.inf), ("0.0", "-1.0"), 0.9)},
    ),
    Target(
        "mc.checks.Statistic",
        {
            "function": Argument(
                ("np.mean", "len"), UNSURE, ("half", "lambda y: 1", "'np.mean'"), 0.95
            ),
            "alternative": Argument(
                ("'two-sided'",), values.choice("two-sided", "greater", "less")
            ),
        },
        sure=False,
    ),
    Target("mc.checks.Zeros().by", {"column": COLUMN}, ("column",)),
    Target("mc.checks.Zeros().where", {"column": COLUMN, "level": LEVEL}, ("column", "level")),
    Target("mc.checks.Zeros().named", {"name": TEXT_NAME}, ("name",)),
    Target("mc.checks.Zeros().to_dict"),
    Target("mc.checks.known_kinds"),
    Target(
        "mc.checks.check_from_dict",
        {
            "data": Argument(
                ("{'kind': 'zeros'}", "{'kind': 'dispersion', 'statistic': 'variance'}"),
                values.some_of(Mapping),
                (
                    *("{'kind': 'nope'}", "{'kind': []}", "{'kind': 'zeros', 'x': 1}", "{}"),
                    *("{'kind': 'by', 'check': {'kind': 'zeros'}, 'column': []}", "'zeros'"),
                    *("{'kind': 'by', 'check': 'zeros', 'column': 'f'}", "{'kind': 'named'}"),
                    *("{1: 2}", "{'kind': 'statistic', 'function': '.a:b'}", "[('kind', 'zeros')]"),
                    *("{'kind': 'statistic', 'function': 'nope:f'}", "{'kind': 'statistic'}"),
                    "{'kind': 'trend', 'against': 3}",
                ),
                1.0,
            )
        },
        ("data",),
        weight=2,
    ),
    Target("made('suite').by", {"column": COLUMN}, ("column",)),
    Target("made('suite').where", {"column": COLUMN, "level": LEVEL}, ("column", "level")),
    Target("made('suite').to_json"),
    Target("made('suite').cases"),
    Target("mc.Suite.standard"),
    Target("mc.Suite.quick"),
    Target("mc.Suite.full", {"model": MODEL}, ("model",)),
    Target(
        "mc.Suite.from_file",
        {
            "path": Argument(
                (
                    "written('s.toml', '[[checks]]\\nkind = \"zeros\"')",
                    "str(written('s.yaml', 'checks: [{kind: trend, against: x}]'))",
                    "written('s.json', made('suite').to_json())",
                ),
                UNSURE,
                (*_NO_FILES, "written('s.json', '{\"checks\": [{\"kind\": 3}]}')"),
                1.0,
            )
        },
        ("path",),
    ),
    Target(
        "mc.Policy.from_file",
        {
            "path": Argument(
                (
                    "written('p.toml', 'alpha = 0.01')",
                    "written('p.json', '{\"adjust\": \"holm\"}')",
                ),
                UNSURE,
                (*_NO_FILES, "written('p.yaml', 'alpha: many')"),
                1.0,
            )
        },
        ("path",),
    ),
    Target(
        "mc.Suite",
        {
            "checks": Argument(
                ("()", "(mc.checks.Zeros(),)", "[mc.checks.Zeros(), mc.checks.Trend('x')]"),
                UNSURE,
                ("mc.checks.Zeros()", "(mc.checks.Zeros,)", "([],)", "('zeros',)", "[{}]"),
                0.9,
            )
        },
        ("checks",),
        weight=2,
    ),
    # ---- policies, reports, findings
    Target(
        "mc.Policy",
        {
            "alpha": Argument(
                ("0.05", "np.float32(0.1)"), values.number(0.0, 1.0), ("0", "1", "1.5")
            ),
            "adjust": Argument(
                ("'min-p'", "'holm'", "'none'"),
                values.choice("min-p", "holm", "none"),
                ("'Holm'", "'bonferroni'"),
            ),
            "negligible": Argument(
                ("{'zero ratio': 0.2}", "{}"),
                values.some_of(Mapping),
                ("{'a': -1}", "{1: 0.1}", "[]", "{'a': '1'}", "{'a': True}", "1"),
            ),
            "waive": Argument(
                ("{'zeros': 'known'}", "{}"),
                values.some_of(Mapping),
                ("{'zeros': ''}", "{1: 'x'}", "{'zeros': 1}", "['zeros']"),
            ),
        },
        sure=False,
        weight=3,
    ),
    Target(
        "mc.Policy.from_dict",
        {
            "content": Argument(
                ("{}", "{'alpha': 0.1}", "made('policy').to_dict()"),
                values.some_of(Mapping),
                (
                    "{'a': 1}",
                    "{'alpha': 'x'}",
                    "{1: 2}",
                    "[('alpha', 0.1)]",
                    "{'negligible': None}",
                ),
                1.0,
            )
        },
        ("content",),
        weight=2,
    ),
    Target("made('policy').to_dict"),
    *(
        Target(
            f"made('policy').{name}",
            {
                "findings": Argument(
                    ("made('report').findings", "()", "[made('finding'), made('skipped')]"),
                    UNSURE,
                    ("made('report')", "[1]", "(None,)", "made('finding')", "[made('report')]"),
                    1.0,
                )
            },
            ("findings",),
        )
        for name in ("judge", "idle")
    ),
    Target(
        "mc.Report",
        {
            "findings": Argument(
                ("()", "(made('plain'),)", "[made('skipped')]", "made('report').findings"),
                UNSURE,
                ("(1,)", "made('plain')", "[made('plain'), made('plain')]", "{'a': 1}"),
                1.0,
            ),
            "policy": Argument(("mc.Policy()",), values.of_type(mc.Policy)),
            "provenance": Argument(
                ("{}", "{'seed': 1}"), UNSURE, ("{'a': object()}", "{1: 2}", "{'a': {1, 2}}", "[1]")
            ),
            "extra": Argument(("()",), UNSURE, ("(1,)", "1")),
            "title": Argument(("'Checks'",), UNSURE, ("1", "''", "'\\ud800'")),
            "model": Argument(("None", "fit('poisson')"), UNSURE),
        },
        ("findings",),
        sure=False,
        weight=2,
    ),
    *(
        target
        for name in ("report", "drawn", "levels", "empty")
        for target in _documents(
            f"made({name!r})",
            "document short_document to_frame to_text to_html to_json to_junit to_markdown "
            "to_latex citations",
        )
    ),
    Target(
        "made('report').judge",
        {"policy": Argument(POLICY.right[1:], values.of_type(mc.Policy), (), 1.0)},
        ("policy",),
    ),
    Target(
        "made('report').assert_ok",
        {"strict": Argument(("True", "False"), values.flag, ("'yes'", "1", "None"))},
        sure=False,
    ),
    Target(
        "made('report').__getitem__",
        {
            "check": Argument(
                ("'dispersion'", "'zeros'"), values.some_of(str), ("'Dispersion'", "0"), 1.0
            )
        },
        ("check",),
        sure=False,
    ),
    Target("made('report').short_document", {"figures": Argument(("True",), UNSURE)}),
    *(Target(f"made({name!r}).__str__", weight=0.1) for name in ("report", "empty", "levels")),
    *(
        Target(f"made({name!r}).__repr__", weight=0.1)
        for name in (
            "report",
            "residuals",
            "finding",
            "comparison",
            "selection",
            "summary",
            *RECORDS,
        )
    ),
    Target(
        "made('finding').plot",
        {"ax": Argument(("axes()",), UNSURE, ("1", "'ax'", "[]", "None"), 0.9)},
        ("ax",),
    ),
    Target("made('plain').plot", {}, sure=False, weight=0.2),
    # ---- comparison
    Target(
        "mc.aic", {"model": Argument(LIKELY, values.comparable, (), 1.0)}, ("model",), sure=False
    ),
    Target(
        "mc.bic",
        {
            "model": Argument(LIKELY, values.comparable, (), 1.0),
            "n": Argument(
                ("'observations'", "'g'"), UNSURE, ("'groups'", "'h'", "48", "None", "[]")
            ),
        },
        ("model",),
        sure=False,
        weight=1.5,
    ),
    Target(
        "mc.aicc",
        {
            "model": Argument(LIKELY, values.comparable, (), 1.0),
            "n": Argument(
                ("'observations'", "'g'"), UNSURE, ("'groups'", "'h'", "48", "None", "[]")
            ),
        },
        ("model",),
        sure=False,
    ),
    Target(
        "mc.qaic",
        {
            "model": Argument(LIKELY, values.comparable, (), 1.0),
            "dispersion": Argument(
                ("1.5", "None", "fit('larger')", "1"),
                UNSURE,
                ("0.5", "'1.5'", "True", "np.nan", "np.inf", "[]", "made('draws')"),
            ),
            "count": Argument(
                ("'effective'", "'parameters'"),
                values.choice("effective", "parameters"),
                ("'n'", "None"),
            ),
        },
        ("model",),
        sure=False,
        weight=2,
    ),
    Target(
        "mc.tic",
        {"model": Argument(LIKELY, values.comparable, (), 1.0), "group": GROUP},
        ("model",),
        sure=False,
    ),
    Target(
        "fit('poisson').to_inference_data",
        {"chains": DRAWS, "draws": replace(DRAWS, given=1.0), "seed": SEED},
        sure=False,
    ),
    Target(
        "mc.caic",
        {
            "model": Argument(LIKELY, values.comparable, (), 1.0),
            "method": Argument(
                ("'analytic'", "None"),
                values.optional(values.choice(*get_args(PerturbationMethod))),
                ("'refits'",),
                0.3,
            ),
            "n_jobs": JOBS,
            "progress": PROGRESS,
        },
        ("model",),
        sure=False,
        weight=2,
    ),
    Target(
        "mc.emmeans",
        {
            "model": Argument(MEANT, UNSURE, ("1", "made('draws')", "None", "mc.GLMM"), 1.0),
            "names": NAMES_OF_COLUMNS,
            "by": Argument(("None", "'x'", "'f'"), UNSURE, ("1", "['x', 'x']", "'nope'"), 0.2),
            "at": Argument(
                ("None", "{'x': [0.0, 1.0]}", "{'x': 2}"),
                UNSURE,
                ("[]", "{'x': 'a'}", "{'nope': 1}", "{'f': ['low', 'nope']}", "{'x': [np.nan]}"),
                0.4,
            ),
            "weights": Argument(
                ("'equal'", "'proportional'", "'cells'"),
                values.choice("equal", "proportional", "cells"),
                ("None", "'outer'", "np.ones(3)"),
                0.3,
            ),
            "scale": SCALE,
            "average": SCALE,
            "random_effects": Argument(
                ("'zero'", "'marginal'"), values.choice("zero", "marginal"), ("'auto'", "None"), 0.3
            ),
            "level": CONFIDENCE,
            "ddf": DDF,
        },
        ("model", "names"),
        sure=False,
        weight=4,
    ),
    Target(
        "mc.contrasts",
        {
            "means": Argument(
                ("made('means')", "made('response means')"), UNSURE, ("fit('poisson')", "1"), 1.0
            ),
            "method": Argument(
                (
                    *("'pairwise'", "'reference'", "'consecutive'", "'polynomial'"),
                    "{'own': [1, -1, 0]}",
                ),
                UNSURE,
                (
                    "{}",
                    "{'own': [1]}",
                    "{'own': 'a'}",
                    "{1: [0, 0, 0]}",
                    "'Pairwise'",
                    "None",
                    "[]",
                ),
                0.8,
            ),
            "scale": Argument(
                ("None", "'link'", "'response'", "'ratio'"),
                values.optional(values.choice("link", "response", "ratio")),
                ("'odds'", "1"),
                0.4,
            ),
            "reference": Argument(("None", "'low'"), UNSURE, ("'nope'", "0", "[]"), 0.2),
            "adjust": Argument(
                ("None", "'mvt'", "'holm'", "'sidak'", "'tukey'", "'bonferroni'", "'none'"),
                UNSURE,
                ("'fdr'", "True", "[]"),
                0.4,
            ),
            "level": Argument(("None", "0.9"), UNSURE, ("0", "95", "'a'", "True"), 0.2),
        },
        ("means", "method"),
        sure=False,
        weight=4,
    ),
    *(
        Target(
            verb,
            {
                "model": Argument(MEANT, UNSURE, ("1", "made('draws')", "None"), 1.0),
                "column": Argument(
                    ("'x'", "'f'"), UNSURE, ("'nope'", "None", "[]", "1", "'g'"), 1.0
                ),
                **more,
                "data": Argument(("None", *_NEW), UNSURE, _NEW_ODD, 0.3),
                "by": Argument(("None", "'f'", "['f', 'g']"), UNSURE, ("'nope'", "1", "[1]"), 0.2),
                "average": Argument(("True", "False"), UNSURE, ("1", "None", "'yes'"), 0.3),
                "scale": SCALE,
                "random_effects": Argument(
                    ("'zero'", "'marginal'"), values.choice("zero", "marginal"), ("'auto'",), 0.3
                ),
                "level": CONFIDENCE,
                "ddf": DDF,
            },
            ("model", "column"),
            sure=False,
            weight=3,
        )
        for verb, more in (
            ("mc.slopes", {}),
            (
                "mc.comparisons",
                {
                    "change": Argument(
                        (
                            "None",
                            "1",
                            "-0.5",
                            "(0, 1)",
                            "'reference'",
                            "'pairwise'",
                            "'consecutive'",
                        ),
                        UNSURE,
                        ("0", "[1]", "'sd'", "(1, 1)", "np.nan", "{}", "True"),
                        0.4,
                    ),
                    "kind": Argument(
                        ("'difference'", "'ratio'", "'odds ratio'"),
                        values.choice("difference", "ratio", "odds ratio"),
                        ("None", "'odds'"),
                        0.4,
                    ),
                },
            ),
        )
    ),
    *(
        Target(
            verb,
            {
                "model": Argument(MEANT, UNSURE, ("1", "made('draws')", "None"), 1.0),
                "approximation": Argument(
                    ("None", "'delta'", "'lognormal'", "'theoretical'"),
                    UNSURE,
                    ("'nope'", "1", "[]"),
                    0.3,
                ),
                "mean": Argument(
                    ("'null'", "'fitted'"), values.choice("null", "fitted"), ("None", "2.0"), 0.3
                ),
                "draws": Argument(("0", "40"), UNSURE, ("-1", "5", "'40'", "True"), 0.3),
                "level": CONFIDENCE,
                "seed": SEED,
                **more,
            },
            ("model",),
            sure=False,
            weight=2,
        )
        for verb, more in (
            ("mc.icc", {}),
            (
                "mc.r2",
                {"semi_partial": Argument(("True", "False"), UNSURE, ("1", "None", "'x'"), 0.3)},
            ),
        )
    ),
    Target(
        "made('contrasts').to_frame",
        {
            "names": Argument(
                ("'mixcheck'", "'broom'", "'marginaleffects'"),
                values.choice("mixcheck", "broom", "marginaleffects"),
                ("None", "'tidy'"),
                0.8,
            )
        },
    ),
    Target("made('explained').to_frame"),
    *_documents("made('contrasts')", "document picture to_text to_html to_markdown to_latex"),
    *_documents("made('means')", "document to_frame picture to_text to_html to_markdown to_latex"),
    Target("made('means').plot", {"ax": Argument(("axes()",), UNSURE, (), 1.0)}),
    Target(
        "mc.lrt",
        {
            "smaller": Argument(COUNTED, values.comparable, ANY_FIT, 1.0),
            "larger": Argument(COUNTED, values.comparable, ANY_FIT, 1.0),
            "boundary": Argument(
                ("None", "'chi-square'", "'chi-bar-square'"), UNSURE, ("'chisq'", "True"), 0.3
            ),
        },
        ("smaller", "larger"),
        sure=False,
        weight=3,
    ),
    Target(
        "mc.bootstrap_lrt",
        {
            "smaller": Argument(("fit('constant')",), values.comparable, ANY_FIT, 1.0),
            "larger": Argument(
                ("fit('poisson')", "fit('larger')"), values.comparable, ANY_FIT, 1.0
            ),
            "draws": Argument(("3", "2"), values.whole(1, 6), ("0", "-1", "1.5", "'3'"), 1.0),
            "seed": SEED,
            "stop_after": Argument(
                ("None", "1"), values.optional(values.whole(1, 6)), ("0", "-1", "1.5", "True")
            ),
            "time_limit": TIME_LIMIT,
            "n_jobs": JOBS,
            "progress": PROGRESS,
        },
        ("smaller", "larger"),
        sure=False,
        weight=2,
    ),
    *(
        Target(
            f"mc.plots.data.{name}",
            {
                "model": Argument(MEANT, UNSURE, ("1", "None", "'x'", "[]"), 1.0),
                "seed": SEED,
                "draws": Argument(("19", "30"), values.whole(19, 40), ("1", "-3", "'9'", "1.5")),
                **more,
            },
            ("model",),
            sure=False,
        )
        for name, more in (
            ("qq", {"detrended": Argument(("True", "False"), UNSURE, ("1", "None", "'x'"))}),
            ("residuals", {"against": Argument(("'x'", "'fitted'"), UNSURE, ("3", "'nope'"))}),
            ("spread", {"against": Argument(("'x'", "'fitted'"), UNSURE, ("3", "'nope'"))}),
            ("trend", {"against": Argument(("'x'", "'fitted'"), UNSURE, ("[]", "'nope'"))}),
            ("half_normal", {}),
            ("rootogram", {"most": Argument(("None", "5"), UNSURE, ("-1", "'x'", "1.5"))}),
            ("binned", {"bins": Argument(("None", "4"), UNSURE, ("0", "'x'", "1.5"))}),
            ("random_effects", {"term": Argument(("None",), UNSURE, ("'nope'", "1", "[]"))}),
        )
    ),
    Target(
        "mc.glmm_partitions",
        {
            "formula": Argument(
                ("'y ~ x + (1 | g)'", "'y ~ x + f + (x | g)'"),
                UNSURE,
                ("'y ~ scale(x) + (1 | g)'", "'y ~ x'", "'y ~ nope + (1 | g)'", "'y ~'", "3"),
                1.0,
            ),
            "data": Argument(
                ("[part for _, part in base().groupby('g')]",),
                UNSURE,
                ("base()", "[]", "[base().head(9), base().tail(9)]", "'rows.parquet'", "['no']"),
                1.0,
            ),
            "family": Argument(("'poisson'",), UNSURE, ("'nope'", "3", "'beta'"), 1.0),
            "zi": Argument(("None",), UNSURE, ("'~ 1'", "1", "'zi'"), 0.1),
            "dispersion": Argument(("None",), UNSURE, ("'~ x'", "1"), 0.1),
            "weights": Argument(("None",), UNSURE, ("'w'", "[1, 2]", "'nope'"), 0.1),
            "offset": Argument(("None", "'o'"), UNSURE, ("[1, 2]", "'nope'"), 0.1),
            "n_jobs": JOBS,
            "client": Argument(("None",), UNSURE, ("'here'", "3", "object()"), 0.1),
            "context": Argument(("None",), UNSURE, ("{'half': half}", "3", "[]"), 0.1),
        },
        ("formula", "data"),
        sure=False,
    ),
    Target(
        "made('parts').part",
        {"k": Argument(("0", "2"), UNSURE, ("-1", "99", "'a'", "1.5"), 1.0)},
        ("k",),
    ),
    Target(
        "mc.load",
        {
            "path": Argument(
                ("'no/such/file'", "Path('.')"), UNSURE, ("1", "None", "[]", "''", "'\\0'"), 1.0
            )
        },
        ("path",),
        sure=False,
    ),
    Target(
        "mc.exact_lrt",
        {
            "smaller": Argument(
                ("mc.glmm('r ~ x', base())", "mc.glmm('r ~ x', base(), reml=True)"),
                values.comparable,
                ANY_FIT,
                1.0,
            ),
            "larger": Argument(("fit('gaussian')", "fit('reml')"), values.comparable, ANY_FIT, 1.0),
            "draws": Argument(
                ("30", "np.int32(20)"), values.whole(1, 60), ("0", "1.5", "'3'"), 0.9
            ),
            "seed": SEED,
        },
        ("smaller", "larger"),
        sure=False,
        weight=2,
    ),
    Target(
        "mc.average",
        {
            "models": Argument(
                ("[fit('constant'), fit('poisson')]", "{'a': fit('constant'), 'b': fit('larger')}"),
                UNSURE,
                (
                    *("[fit('poisson')]", "fit('poisson')", "[]", "[fit('poisson'), 1]", "'ab'"),
                    *("[fit('poisson'), fit('gaussian')]", "[fit('poisson'), made('draws')]"),
                ),
                1.0,
            ),
            "criterion": Argument(("'aic'", "'bic'", "'loo'"), UNSURE, ("'AIC'", "3", "None")),
            "weights": Argument(
                ("'akaike'", "[0.5, 0.5]", "(1, 0)"),
                UNSURE,
                ("'stacking'", "[1, 1]", "[np.nan, 1]", "{'a': 1}", "None", "['a', 'b']", "3"),
            ),
        },
        ("models",),
        sure=False,
        weight=2,
    ),
    Target(
        "made('average').coefficients",
        {
            "kind": Argument(("'full'", "'conditional'"), UNSURE, ("'subset'", "None"), 0.5),
            "level": CONFIDENCE,
            "errors": Argument(("'buckland'", "'bootstrap'"), UNSURE, ("'boot'", "1"), 0.4),
            "draws": Argument(("40", "50"), values.whole(1, 60), ("0", "-1", "2.5", "'40'"), 0.9),
            "seed": SEED,
            "n_jobs": JOBS,
            "progress": PROGRESS,
        },
        ("kind",),
        sure=False,
    ),
    Target(
        "made('average').predict",
        {
            "data": Argument(("None", "base()", "base().head(3)"), UNSURE, ("1", "'x'", "[]"), 0.7),
            "random_effects": Argument(
                ("'auto'", "'zero'", "'marginal'"), UNSURE, ("'none'", "None"), 0.5
            ),
            "scale": Argument(("'response'", "'link'"), UNSURE, ("'Link'", "1"), 0.3),
            "interval": Argument(("None", "'confidence'"), UNSURE, ("'prediction'", "1"), 0.3),
            "level": CONFIDENCE,
            "errors": Argument(("'buckland'",), UNSURE, ("'boot'", "1"), 0.2),
        },
        ("data",),
        sure=False,
    ),
    Target(
        "mc.vuong",
        {
            "first": Argument(COUNTED, values.comparable, ANY_FIT, 1.0),
            "second": Argument(COUNTED, values.comparable, ANY_FIT, 1.0),
            "group": GROUP,
            "correction": Argument(
                ("'aic'", "'none'"), values.choice("aic", "none"), ("'bic'", "None")
            ),
        },
        ("first", "second"),
        sure=False,
        weight=2,
    ),
    Target(
        "mc.loo",
        {
            "model": Argument(LIKELY, values.comparable, (), 1.0),
            "method": Argument(
                ("'analytic'",), values.choice("analytic", "refit"), ("'loo'",), 0.3
            ),
            "refit_above": Argument(("0.7", "0.9"), UNSURE, ("0", "-1", "2", "'0.7'", "True"), 0.3),
            "n_jobs": JOBS,
            "progress": PROGRESS,
        },
        ("model",),
        sure=False,
        weight=2,
    ),
    Target(
        "mc.kfold",
        {
            "model": Argument(LIKELY, values.comparable, (), 1.0),
            "folds": Argument(
                ("3", "np.int64(2)", "[0, 1] * 24"),
                UNSURE,
                (
                    *("1", "0", "1e9", "True", "'5'", "None", "[]", "[0, 1]", "[(1, 2)]"),
                    *("[([0, 1], [2, 99])]", "[([0, 1], [1])]", "mc", "[None] * 48"),
                ),
                1.0,
            ),
            "group": GROUP,
            "crps": Argument(("True", "False"), UNSURE, ("1", "'yes'"), 0.2),
            "seed": Argument(("1", "0"), UNSURE, ("None", "-1", "1.0"), 0.2),
        },
        ("model", "folds"),
        sure=False,
        weight=2,
    ),
    Target(
        "mc.logo",
        {
            "model": Argument(LIKELY, values.comparable, (), 1.0),
            "group": GROUP,
            "method": Argument(
                ("'one-step'",),
                values.optional(values.choice("one-step", "refit")),
                ("'Refit'",),
                0.8,
            ),
            "n_jobs": JOBS,
            "progress": PROGRESS,
        },
        ("model",),
        sure=False,
        weight=2,
    ),
    Target(
        "mc.inclusion",
        {
            "selection": Argument(
                ("made('selection')",),
                UNSURE,
                ("made('comparison')", "None", "fit('poisson')"),
                1.0,
            ),
            "criterion": Argument(("'aic'", "'bic'"), UNSURE, ("'AIC'", "3", "None"), 0.3),
            "draws": Argument(("3", "2"), values.whole(1, 6), ("0", "-1", "1.5"), 1.0),
            "seed": SEED,
            "time_limit": TIME_LIMIT,
            "n_jobs": JOBS,
            "progress": PROGRESS,
        },
        ("selection",),
        sure=False,
    ),
    Target(
        "mc.compare",
        {
            "models": Argument(
                (
                    "[fit('constant'), fit('poisson')]",
                    "{'a': fit('constant'), 'b': fit('larger')}",
                    "(fit('poisson'), fit('nbinom2'))",
                ),
                UNSURE,
                (
                    *(
                        "[fit('poisson')]",
                        "fit('poisson')",
                        "[]",
                        "[fit('poisson'), 1]",
                        "{1: None}",
                    ),
                    *("[fit('poisson'), fit('gaussian')]", "[fit('poisson')] * 2", "'ab'"),
                    *("[fit('poisson'), fit('missing')]", "[fit('reml'), fit('gaussian')]"),
                    *("{fit('poisson'), fit('constant')}", "(f for f in [fit('poisson')])"),
                    *("[fit('poisson'), made('draws')]", "[fit('poisson'), fit('pql')]"),
                    *("[fit('poisson'), [fit('constant')]]", "np.array([fit('poisson')] * 2)"),
                    *("pd.Series([fit('poisson'), fit('constant')])", "[fit('binomial')] * 3"),
                ),
                1.0,
            ),
            "criterion": Argument(
                ("'aic'", "'bic'", "'caic'", "'loo'", "'aicc'", "'qaic'", "'tic'", "mc.aic"),
                UNSURE,
                ("'AIC'", "len", "lambda fit: 'a'", "3", "None"),
            ),
            "weights": Argument(
                ("'akaike'", "'stacking'", "'pseudo-bma+'"), UNSURE, ("'Stacking'", "None", "[]")
            ),
            "scale": Argument(("None", "'y'"), UNSURE, ("'x'", "'nope'", "1", "[]"), 0.2),
        },
        ("models",),
        sure=False,
        weight=4,
    ),
    Target(
        "mc.model_weights",
        {
            "scores": Argument(
                (
                    "{'a': made('loo'), 'b': made('loo constant')}",
                    "{'a': made('logo'), 'b': made('logo constant')}",
                ),
                UNSURE,
                (
                    *("{'a': made('loo'), 'b': made('logo')}", "[made('loo')] * 2", "{}", "None"),
                    *("{'a': made('loo')}", "{'a': 1, 'b': 2}", "{1: made('loo'), 2: None}"),
                ),
                1.0,
            ),
            "method": Argument(
                ("'stacking'", "'pseudo-bma'", "'pseudo-bma+'"),
                values.choice("stacking", "pseudo-bma", "pseudo-bma+"),
                ("'bma'", "None"),
            ),
            "draws": Argument(("20",), values.whole(1, 60), ("0", "1.5", "'3'")),
            "seed": Argument(("1", "0"), UNSURE, ("None", "-1", "1.0", "True"), 0.3),
        },
        ("scores",),
        sure=False,
        weight=2,
    ),
    *(t for name in RECORDS for t in _documents(f"made({name!r})")),
    *(
        target
        for name in ("comparison", "conditional")
        for target in _documents(f"made({name!r})", "document to_frame to_text to_html to_json")
    ),
    *(
        Target(
            f"made({name!r}).matched",
            {"other": Argument((f"made('{name} constant')",), UNSURE, (), 1.0)},
            ("other",),
        )
        for name in ("loo", "logo")
    ),
    Target(
        "made('loo').minus",
        {"other": Argument(("made('loo constant')",), UNSURE, ("made('logo')",), 1.0)},
        ("other",),
    ),
    Target(
        "made('logo').minus",
        {"other": Argument(("made('logo constant')",), UNSURE, ("made('loo')",), 1.0)},
        ("other",),
    ),
    Target("made('loo').misfit_ratio"),
    Target(
        "made('loo').residuals",
        {
            "seed": SEED,
            "draws": DRAWS,
            "calibration": Argument(("'plug-in'",), UNSURE, ("-1", "'1'", "1.5"), 0.1),
        },
        sure=False,
    ),
    Target(
        "made('suggestions').difference",
        {"model": Argument(("made('selection').models[0]",), UNSURE, ("1", "None"), 1.0)},
        ("model",),
        sure=False,
    ),
    # ---- selection
    Target(
        "mc.select",
        {
            "formula": Argument(
                ("'y ~ x + (1 | g)'", "'y ~ x + z + (1 | g)'", "'y ~ x'", "'y ~ x + (x | g)'"),
                values.some_of(str),
                ("'y ~'", "'y ~ 1'", "'~ x'", "'y ~ nope'", "'y ~ x ~ z'", "'r ~ x + (1 | g)'"),
                1.0,
            ),
            "data": Argument(
                ("base()",),
                UNSURE,
                ("odd_table('no rows')", "odd_table('twice the predictor')"),
                1.0,
            ),
            "family": Argument(("'poisson'",), UNSURE, ("'nope'", "'gamma'", "None", "[]"), 1.0),
            "families": Argument(
                ("None",),
                UNSURE,
                ("['poisson', 'nbinom2']", "[]", "'poisson'", "['poisson', 1]"),
                0.1,
            ),
            "zi": Argument(
                ("None", "[None, '~ 1']"), UNSURE, ("[]", "1", "'~'", "[1]", "True"), 0.1
            ),
            "dispersion": Argument(("None",), UNSURE, ("[]", "'~ x'", "1", "[None, 2]"), 0.1),
            "subset": Argument(
                ("None", "lambda terms: 'x' in terms"),
                UNSURE,
                ("3", "'x'", "lambda terms: 1", "len", "lambda: True", "lambda terms: False"),
                0.2,
            ),
            "max_terms": Argument(("None", "1", "2"), UNSURE, ("-1", "1.5", "'1'", "True"), 0.2),
            "criterion": Argument(
                ("'aic'", "'bic'", "mc.aic"),
                UNSURE,
                (
                    "'AIC'",
                    "len",
                    "lambda fit: 'a'",
                    "lambda fit: float('nan')",
                    "lambda fit: 1 / 0",
                ),
                0.3,
            ),
            "search": Argument(
                ("'all'", "'greedy'", "'beam'"), values.choice("all", "greedy", "beam"), ("'All'",)
            ),
            "width": Argument(("1", "2"), values.whole(1, 9), ("0", "-1", "1.5", "True"), 0.15),
            "fixed": Argument(("True", "False"), values.flag, ("'yes'", "1", "None"), 0.15),
            "random": Argument(("True", "False"), values.flag, ("'yes'", "1", "None"), 0.15),
            "keep": Argument(
                ("()", "'x'", "['x']"), UNSURE, ("'nope'", "[1]", "'('", "[None]"), 0.2
            ),
            "suite": Argument(
                ("None",), values.optional(values.some_of(mc.Suite, mc.checks.Check)), (), 0.05
            ),
            "policy": Argument(("None",), values.optional(values.some_of(mc.Policy)), (), 0.05),
            "checked": Argument(
                ("1", "'all'"),
                values.either(values.whole(1, 9), values.choice("all")),
                ("0", "'some'"),
                0.1,
            ),
            "draws": Argument(
                ("5",), values.optional(values.whole(1, 60)), ("0", "1.5", "'5'"), 1.0
            ),
            "max_models": Argument(("100",), values.whole(1, 10**30), ("0", "-1", "1.5", "2"), 0.1),
            "time_limit": TIME_LIMIT,
            "n_jobs": JOBS,
            "progress": PROGRESS,
            "seed": SEED,
            "weights": Argument(("None", "'w'"), UNSURE, ("'nope'", "[1]", "1"), 0.1),
            "method": Argument(("'laplace'",), UNSURE, ("'pql'", "'nope'", "1"), 0.1),
            "offset": Argument(("'o'",), UNSURE, ("'nope'", "'f'", "1"), 0.1),
            "reml": Argument(("False",), UNSURE, ("True", "1"), 0.05),
        },
        ("formula", "data"),
        sure=False,
        weight=6,
    ),
    Target(
        "mc.suggest",
        {
            "report": Argument(
                ("made('failed')", "made('report')"),
                values.some_of(mc.Report),
                ("made('drawn')", "made('empty')", "fit('poisson')", "made('levels')"),
                1.0,
            ),
            "model": Argument(
                ("None", "fit('constant')"), values.optional(values.some_of(mc.GLMM)), ANY_FIT, 0.2
            ),
            "criterion": Argument(
                ("'aic'", "'bic'"), UNSURE, ("'AIC'", "1", "lambda fit: 'a'"), 0.3
            ),
            "most": Argument(("1", "2"), values.whole(1, 4), ("0", "-1", "1.5", "True"), 1.0),
            "time_limit": TIME_LIMIT,
            "n_jobs": JOBS,
            "progress": PROGRESS,
        },
        ("report", "model"),
        sure=False,
        weight=2,
    ),
    # ---- distributions and fits from elsewhere
    Target(
        "mc.from_distribution",
        {
            "observed": Argument(
                ("base()['y']", "base()['y'].to_numpy()", "base()['y'].tolist()"),
                UNSURE,
                ("[]", "1", "base()['f']", "base()[['y']]", "base()['y'] / 0", "[None] * 48"),
                1.0,
            ),
            "distribution": Argument(
                ("stats.norm(np.zeros(48), 20.0)", "stats.poisson(np.full(48, 3.0))"),
                UNSURE,
                (
                    *("stats.norm", "stats.norm(np.zeros(47))", "None", "'norm'", "np.zeros(48)"),
                    *("stats.norm(0.0, np.nan)", "stats.norm(0.0, -1.0)", "stats.cauchy()"),
                ),
                1.0,
            ),
            "refit": Argument(
                ("None", "lambda y: stats.norm(np.mean(y), 1.0)"), UNSURE, ("1", "'y'", "[]"), 0.2
            ),
            "frame": Argument(
                ("None", "base()", "{'a': range(48)}"),
                UNSURE,
                ("base().head(3)", "'x'", "[1]"),
                0.2,
            ),
            "name": Argument(("None", "'forest'"), UNSURE, ("1", "b'x'", "[]"), 0.2),
        },
        ("observed", "distribution"),
        sure=False,
    ),
    Target(
        "mc.from_fit",
        {
            "result": Argument(
                ("object()",), UNSURE, ("None", "fit('poisson')", "made('draws')", "1"), 1.0
            ),
            "data": Argument(("base()",), UNSURE, ("None", "'x'", "[1]"), 1.0),
        },
        ("result", "data"),
        sure=False,
    ),
    Target(
        "mc.from_inference_data",
        {
            "inference_data": Argument(
                ("fit('poisson').to_inference_data(chains=1, draws=9, seed=1)",),
                UNSURE,
                ("None", "1", "object()", "base()"),
                1.0,
            ),
            "frame": Argument(("base()", "None"), UNSURE, ("1", "base().iloc[:3]"), 0.3),
            "name": Argument(("'bambi'", "None"), UNSURE, ("1", "b'x'"), 0.2),
        },
        ("inference_data",),
        sure=False,
    ),
    # ---- draws from elsewhere
    Target(
        "mc.from_draws",
        {
            "observed": Argument(
                ("base()['y']", "base()['y'].to_numpy()", "base()['y'].tolist()"),
                UNSURE,
                (
                    *("[]", "1", "base()['f']", "base()[['y']]", "[[1], [1, 2]]", "base()['day']"),
                    *("base()['y'] * 1j", "base()['y'] / 0", "pl.Series([1] * 48)", "[None] * 48"),
                    *("np.ma.array(np.ones(48), mask=np.arange(48) == 3)", "'abc'", "{1, 2}"),
                    *("base()['y'].astype(object)", "base()['y'].astype('Int64')", "range(48)"),
                ),
                1.0,
            ),
            "draws": Argument(
                ("np.arange(480).reshape(10, 48) % 7", "np.arange(480).reshape(48, 10) % 7"),
                UNSURE,
                (
                    *("np.zeros((48, 48))", "np.zeros((1, 48))", "np.zeros((2, 3, 48))", "[]"),
                    *("np.zeros((5, 47))", "np.full((5, 48), np.nan)", "np.zeros((5, 48)) * 1j"),
                    *("np.array([['a'] * 48] * 3)", "[[1] * 48, [1] * 47]", "np.zeros(48)"),
                    *("pd.DataFrame(np.zeros((48, 3)))", "{'a': [1] * 48}", "None", "'abc'"),
                    *("np.zeros((5, 48), dtype='M8[ns]')", "np.zeros((3, 48), dtype=bool)"),
                    *("np.full((3, 48), 2**63, dtype=np.uint64)", "np.full((3, 48), 1e300)"),
                    *("np.array([[10**30] * 48] * 3, dtype=object)", "np.zeros((0, 48))"),
                ),
                1.0,
            ),
            "fitted": Argument(
                ("None", "np.ones(48)", "[1.0] * 48"),
                UNSURE,
                ("[1]", "'x'", "np.full(48, np.nan)", "base()['f']", "np.ones((48, 1))"),
                0.2,
            ),
            "frame": Argument(
                ("None", "base()", "pl.from_pandas(base())", "{'a': range(48)}"),
                UNSURE,
                ("base().head(3)", "'x'", "[1]", "odd_table('nothing')", "odd_table('a series')"),
                0.2,
            ),
            "discrete": Argument(
                ("None", "True", "False"),
                values.optional(values.flag),
                ("1", "'yes'", "np.array([1, 2])"),
                0.2,
            ),
            "draws_by": Argument(
                ("None",),
                values.optional(values.choice("rows", "columns")),
                ("'row'", "0", "[]"),
                0.2,
            ),
        },
        ("observed", "draws"),
        sure=False,
        weight=5,
    ),
    # ---- data sets and families
    *(
        Target(
            f"mc.datasets.{name}",
            {"name": Argument(("'cbpp'", "'seeds'"), UNSURE, ("'CBPP'", "'../cbpp'", "''"), 1.0)},
            ("name",),
        )
        for name in ("load", "describe")
    ),
    Target("mc.datasets.available"),
    *(
        Target(
            f"mc.priors.{name}",
            {
                part: Argument(
                    (right,), values.number(*limits), ("'1'", "None", "np.nan", "np.inf", "-2"), 1.0
                )
                for part, right, limits in parts
            },
            tuple(part for part, _, _ in parts),
        )
        for name, parts in (
            ("normal", (("mean", "0", _ANY), ("sd", "2.5", _ABOVE_0))),
            ("t", (("df", "3", _ABOVE_0), ("mean", "0", _ANY), ("scale", "2.5", _ABOVE_0))),
            ("half_normal", (("sd", "1", _ABOVE_0),)),
            ("gamma", (("shape", "2", _ABOVE_1), ("rate", "0.1", _ABOVE_0))),
            ("lkj", (("eta", "2", _ABOVE_1),)),
        )
    ),
    Target(
        "mc.families.get_family",
        {
            "family": Argument(
                ("'poisson'", "mc.families.Gamma", "mc.families.Beta('probit')"),
                values.some_of(str, Family, type),
                ("'Poisson'", "'negbin'", "int", "mc.families.Link", "mc.families.Family"),
                1.0,
            )
        },
        ("family",),
    ),
    Target(
        "mc.families.get_link",
        {"link": Argument(LINKS, values.some_of(str, Link, type), ("'LOG'", "int", "''"), 1.0)},
        ("link",),
    ),
    Target(
        "mc.families.add_zeros",
        {
            "family": Argument(
                ("mc.families.Poisson()", "mc.families.Gamma()"),
                values.some_of(Family),
                ("'poisson'", "mc.families.Poisson", "mc.families.Beta()"),
                1.0,
            )
        },
        ("family",),
        sure=False,
    ),
    *(
        Target(f"mc.families.{name}", {"link": LINK}, ("link",), sure=False, weight=0.3)
        for name in (
            *("Beta", "BetaBinomial", "Binomial", "Gamma", "Gaussian", "LogNormal", "Poisson"),
            *("StudentT", "Ordinal"),
            *("NegativeBinomial1", "NegativeBinomial2", "TruncatedPoisson"),
            *("TruncatedNegativeBinomial1", "TruncatedNegativeBinomial2"),
        )
    ),
    *(
        Target(
            f"mc.families.{name}",
            {
                "base": Argument(
                    ("mc.families.Poisson()",),
                    values.some_of(Family),
                    (
                        "mc.families.Gamma()",
                        "'poisson'",
                        "mc.families.Poisson",
                        "mc.families.Beta()",
                    ),
                    1.0,
                )
            },
            ("base",),
            sure=False,
            weight=0.3,
        )
        for name in ("Hurdle", "ZeroInflated")
    ),
    *(
        Target(
            f"mc.families.{name}().link",
            {
                "mu": Argument(
                    ("np.array([0.2, 0.5])", "0.5"), UNSURE, ("[2.0]", "-1.0", "'a'"), 1.0
                )
            },
            ("mu",),
            weight=0.2,
        )
        for name in ("Logit", "Log", "Probit", "Inverse", "Sqrt", "Identity", "Cloglog", "Cauchit")
    ),
    *(
        Target(
            f"mc.families.{name}().prepare",
            {
                "y": Argument(
                    ("[1, 1]", "np.array([1.0, 1.0])"),
                    UNSURE,
                    (
                        "[-1]",
                        "['a']",
                        "[None]",
                        "[0.5, 2.0]",
                        "[[1], [2]]",
                        "[1j]",
                        "[]",
                        "[np.nan]",
                    ),
                    1.0,
                ),
                "size": Argument(
                    ("None",), UNSURE, ("[2, 2]", "[0, 1]", "1", "'x'", "[1, 2, 3]"), 0.4
                ),
            },
            ("y", "size"),
            sure=False,
            weight=0.3,
        )
        for name in ("Poisson", "Binomial", "Gamma", "Beta", "Gaussian", "TruncatedPoisson")
    ),
)


# ---- methods of a fit: each may be asked of any fit --------------------------------------

PROPERTIES = (
    *(
        "params",
        "bse",
        "tvalues",
        "pvalues",
        "covariance",
        "llf",
        "nobs",
        "n_parameters",
        "n_groups",
    ),
    *(
        "formula",
        "family",
        "dispersion",
        "theta",
        "variance_components",
        "frame",
    ),
    *(
        "random_effects",
        "random_effects_sd",
        "convergence",
        "converged",
        "fittedvalues",
        "observed",
    ),
    *("resid_pearson", "discrete", "description", "data_digest", "fixed_matrices", "random_terms"),
    *(
        "covariance_estimates",
        "conditional_llf",
        "conditional_rows",
        "aic",
        "bic",
        "shapes",
        "log_posterior",
    ),
    *("notes", "method"),
)
VECTOR_NEAR = (
    *("[1]", "[[1], [1, 2]]", "np.ones(47)", "np.full(48, np.nan)", "'nope'", "base()['f']"),
    *("np.ones((48, 1))", "np.full(48, 1j)", "np.zeros(48, dtype='M8[ns]')", "-np.ones(48)"),
    *("np.ma.array(np.ones(48), mask=np.arange(48) == 3)", "base()['y'].astype(str)", "1.0"),
    *("pd.Series(np.ones(48), index=range(100, 148))", "pl.Series([1.0] * 48)", "set(range(48))"),
    *("np.full(48, np.inf)", "np.full(48, 1e300)", "np.zeros(48)", "[None] * 48", "['1'] * 48"),
    *("pd.Series(np.ones(48))[::-1]", "[Decimal(1)] * 48", "np.ones(48, dtype=bool)", "b'w'"),
    *("pd.Series([1, pd.NA] * 24, dtype='Int64')", "np.array([1, 'a'] * 24, dtype=object)"),
)

METHODS: tuple[Target, ...] = (
    Target(
        "predict",
        {
            "data": Argument(_NEW, UNSURE, _NEW_ODD, 0.8),
            "random_effects": Argument(
                ("'auto'", "'zero'", "'marginal'"),
                values.choice("auto", "zero", "marginal"),
                ("'Auto'", "None", "True", "'conditional'"),
            ),
            "unseen": Argument(
                ("'error'", "'zero'"), values.choice("error", "zero"), ("'allow'", "True")
            ),
            "scale": Argument(
                ("'response'", "'link'"), values.choice("response", "link"), ("'prob'", "None")
            ),
            "offset": Argument(("None", "'o'", "np.zeros(48)"), UNSURE, VECTOR_NEAR, 0.15),
            "part": Argument(
                ("'response'", "'conditional'", "'dispersion'", "'zi'"),
                UNSURE,
                ("'mean'", "None", "'Zi'", "['zi']"),
                0.2,
            ),
            "interval": Argument(
                ("None", "'confidence'", "'prediction'"),
                values.optional(values.choice("confidence", "prediction")),
                ("'Confidence'", "True", "0.95"),
                0.6,
            ),
            "level": CONFIDENCE,
            "trials": Argument(("None", "'m'", "np.full(48, 3)"), UNSURE, VECTOR_NEAR, 0.15),
            "params": Argument(
                ("None", "{}", "{'Intercept': 0.1}", "pd.DataFrame({'Intercept': [0.1, 0.2]})"),
                UNSURE,
                ("[]", "'Intercept'", "{'intercept': 0.1}", "np.zeros((2, 99))", "[np.nan]", "1j"),
                0.15,
            ),
        },
        ("data",),
        sure=False,
        weight=9,
    ),
    Target(
        "model_matrix",
        {
            "data": Argument(_NEW, UNSURE, _NEW_ODD, 0.8),
            "part": Argument(
                ("'mean'", "'dispersion'", "'zi'"), UNSURE, ("'response'", "None", "[]"), 0.3
            ),
        },
        ("data",),
        sure=False,
        weight=2,
    ),
    Target(
        "simulate",
        {"draws": DRAWS, "seed": SEED, "conditioning": CONDITIONING},
        ("draws",),
        weight=3,
    ),
    Target(
        "refit",
        {
            "response": Argument(
                ("np.ones(48)", "base()['y']"),
                UNSURE,
                (*VECTOR_NEAR, "base()['k']", "base()['p']"),
                1.0,
            )
        },
        ("response",),
        sure=False,
        weight=4,
    ),
    Target(
        "conf_int",
        {
            "level": CONFIDENCE,
            "parameters": Argument(
                (
                    "'fixed'",
                    "'random'",
                    "'all'",
                    "['Intercept']",
                    "{'f': lambda p: p['Intercept']}",
                ),
                UNSURE,
                ("'theta'", "None", "['nothing']", "[]", "{}", "{'f': 3}", "{'f': lambda p: p}"),
                0.5,
            ),
            "method": Argument(
                ("'auto'", "'wald'", "'bootstrap'", "'profile'"),
                values.choice("auto", "wald", "bootstrap", "profile"),
                ("'Wald'", "None", "'boot'"),
                0.3,
            ),
            "interval": Argument(
                ("'percentile'", "'basic'", "'bca'"),
                values.choice("percentile", "basic", "bca"),
                ("'bc'", "None", "'perc'"),
                0.2,
            ),
            "draws": Argument(
                ("40", "60", "None"),
                values.optional(values.whole(39, 60)),
                ("0", "-5", "2.5"),
                0.6,
            ),
            "seed": SEED,
            "time_limit": TIME_LIMIT,
            "n_jobs": JOBS,
            "progress": PROGRESS,
        },
        sure=False,
        weight=2,
    ),
    Target(
        "profile",
        {
            "parameters": Argument(
                ("'fixed'", "'random'", "['Intercept']"),
                UNSURE,
                ("'theta'", "None", "['nothing']", "[]", "3"),
                0.6,
            ),
            "level": CONFIDENCE,
            "points": Argument(("2", "3"), values.whole(1, 3), ("0", "-5", "2.5"), 0.9),
            "n_jobs": JOBS,
            "progress": PROGRESS,
        },
        ("parameters",),
        sure=False,
        weight=1,
    ),
    Target(
        "predict_probabilities",
        {
            "data": Argument(_NEW, UNSURE, _NEW_ODD, 0.8),
            "random_effects": Argument(
                ("'auto'", "'zero'", "'marginal'"),
                values.choice("auto", "zero", "marginal"),
                ("'Auto'", "None", "True", "'conditional'"),
            ),
            "unseen": Argument(
                ("'error'", "'zero'"), values.choice("error", "zero"), ("'allow'", "True")
            ),
            "offset": Argument(("None", "'o'", "np.zeros(48)"), UNSURE, VECTOR_NEAR, 0.15),
        },
        ("data",),
        sure=False,
        weight=4,
    ),
    Target("cov_params"),
    Target("summary", weight=2),
    Target("approximation", sure=False, weight=0.5),
    Target("group_levels", {"group": GROUP}, ("group",), sure=False, weight=2),
    Target(
        "group_loglik",
        {
            "group": GROUP,
            "estimates": Argument(
                ("None",), UNSURE, ("[1]", "'x'", "np.zeros(2)", "[[1], [1, 2]]"), 0.2
            ),
        },
        ("group",),
        sure=False,
        weight=2,
    ),
    Target("group_derivatives", {"group": GROUP}, ("group",), sure=False),
    Target(
        "predict_group",
        {
            "group": GROUP,
            "k": Argument(("0", "3"), values.some_of(int, np.integer), ("-1", "99", "1.5"), 1.0),
        },
        ("group", "k"),
        sure=False,
    ),
    Target(
        "row_posterior",
        {"response": Argument(("None",), UNSURE, VECTOR_NEAR, 0.6)},
        ("response",),
        sure=False,
        weight=2,
    ),
    Target(
        "predict_row",
        {
            "row": Argument(
                ("0", "3"), values.some_of(int, np.integer), ("-1", "99", "1.5", "'a'"), 1.0
            )
        },
        ("row",),
        sure=False,
    ),
    Target(
        "predict_rows",
        {
            "rows": Argument(
                ("np.arange(48) < 6", "np.arange(48) % 7 == 0"),
                UNSURE,
                ("np.zeros(48)", "np.arange(3)", "None", "[True]", "np.ones(48, dtype=bool)"),
                1.0,
            )
        },
        ("rows",),
        sure=False,
    ),
    Target(
        "perturb",
        {
            "method": Argument(
                ("'analytic'",), values.choice(*get_args(PerturbationMethod)), ("'Refit'",), 1.0
            )
        },
        ("method",),
        sure=False,
    ),
    *(
        Target(
            name,
            {
                "conditioning": Argument(
                    CONDITIONING.right, CONDITIONING.domain, CONDITIONING.near, 1.0
                ),
                "rng": Argument(
                    ("np.random.default_rng(1)",),
                    values.some_of(np.random.Generator),
                    ("1", "None"),
                    1.0,
                ),
            },
            ("conditioning", "rng"),
            sure=False,
        )
        for name in ("observe", "replicate")
    ),
    Target(
        "respond",
        {
            "rng": Argument(
                ("np.random.default_rng(1)",), values.some_of(np.random.Generator), ("1",), 1.0
            )
        },
        ("rng",),
    ),
    *(Target(f"={name}", weight=0.25) for name in PROPERTIES),
)


# ---- fits --------------------------------------------------------------------------------

_OPTIONS: dict[str, Argument] = {
    "zi": Argument(
        ("None", "'~ 1'"), values.optional(values.some_of(str)), ("''", "True", "'~'"), 0.06
    ),
    "dispersion": Argument(
        ("None",), values.optional(values.some_of(str)), ("'~ x'", "'~ 0'", "1"), 0.06
    ),
    "weights": Argument(("None", "'w'", "np.ones(48)"), UNSURE, VECTOR_NEAR, 0.12),
    "precision": Argument(
        ("None",), values.optional(values.some_of(str)), ("'z'", "'nope'", "'f'", "[1]"), 0.05
    ),
    "offset": Argument(("None", "'o'", "np.zeros(48)"), UNSURE, VECTOR_NEAR, 0.12),
    "method": Argument(
        ("'laplace'", "'profiled'"),
        values.choice("laplace", "agq", "importance", "profiled", "pql"),
        ("'Laplace'", "'agq'", "'importance'", "'pql'", "'reml'", "'mcmc'"),
        0.12,
    ),
    "nodes": Argument(
        ("'auto'",), UNSURE, ("5", "0", "-1", "1000", "1.5", "True", "'5'", "None"), 0.08
    ),
    "hessian": Argument(
        ("'observed'",), values.choice("observed", "expected"), ("'expected'", "'Observed'"), 0.06
    ),
    "reml": Argument(("False",), values.flag, ("True", "1", "'yes'", "None"), 0.06),
    "draws": Argument(("None",), UNSURE, ("64", "1000", "0", "1.5", "'64'", "True"), 0.05),
    "seed": Argument(("None",), UNSURE, ("3", "-1", "1.5", "'3'", "True"), 0.05),
    "priors": Argument(
        ("None", "{'Intercept': mc.priors.normal(0, 5)}"),
        UNSURE,
        ("{'nope': mc.priors.t()}", "{'Intercept': 1}", "'x'", "[1]", "{1: mc.priors.t()}"),
        0.05,
    ),
    "context": Argument(
        ("None", "{'half': half}"),
        UNSURE,
        ("{}", "1", "{'half': 3}", "{1: len}", "[]", "{'x': len}"),
        0.06,
    ),
}
_FAMILY_NEAR = (
    *(
        "'Poisson'",
        "'negbin'",
        "'nope'",
        "''",
        "None",
        "mc.families.Poisson",
        "mc.families.Link",
        "int",
    ),
    *(
        "mc.families.Poisson('sqrt')",
        "mc.families.Binomial('probit')",
        "'gamma'",
        "'beta'",
        "'binomial'",
    ),
    *("'truncated_poisson'", "'betabinomial'", "mc.families.Logit()", "['poisson']", "'zip'"),
)
UNKNOWN = ("nAGQ", "ziformula", "REML", "Data", "familly", "x", "offsets", "n_job", "seed_", "type")


def draw(rng: Random) -> list[Step]:
    """One call, or a fit and what is asked of it."""
    kind = rng.random()
    if kind < 0.42:
        return _fit_steps(rng)
    if kind < 0.58:
        return [_method_step(rng, f"fit({rng.choice(tuple(FITS))!r})")]
    if kind < 0.64:
        return [_json_step(rng)]
    if kind < 0.70:
        return [_command_step(rng)]
    weights = [target.weight for target in TARGETS]
    return [_step(rng, rng.choices(TARGETS, weights)[0])]


def _step(rng: Random, target: Target, prefix: str = "") -> Step:
    text, expected = _call(rng, target, prefix)
    return Step(text, expected, target=f".{target.call}" if prefix else target.call)


def _call(rng: Random, target: Target, prefix: str = "") -> tuple[str, Allowed]:
    """The text of a call, and whether it must do."""
    if target.call.startswith("="):
        return f"{prefix}.{target.call[1:]}", None
    names = list(target.arguments)
    spoiled: set[str] = set()
    if names and rng.random() < 0.7:
        spoiled = set(rng.sample(names, min(len(names), rng.choice((1, 1, 1, 2)))))
    written = {}
    for name, argument in target.arguments.items():
        if name not in spoiled and rng.random() >= argument.given:
            continue
        if name not in spoiled:
            written[name] = rng.choice(argument.right)
            continue
        near = argument.near and rng.random() < 0.5
        written[name] = rng.choice(argument.near if near else ANYTHING)
    places = [written.pop(name) for name in target.positional if name in written]
    required = [n for n in target.positional if target.arguments[n].given >= 0.95]
    if len(places) < len(required) or any(n not in target.arguments for n in required):
        spoiled.add("")
    parts = places + [f"{name}={value}" for name, value in written.items()]
    if rng.random() < 0.03:
        parts.append(f"{rng.choice(UNKNOWN)}={rng.choice(ANYTHING)}")
        spoiled.add("")
    expected = True if target.sure and not spoiled else None
    call = f"{prefix}.{target.call}" if prefix else target.call
    return f"{call}({', '.join(parts)})", expected


def must_refuse(target: str, name: str, value: Any) -> bool:
    """Whether the rule of an argument says that this value must be refused."""
    argument = ARGUMENTS.get(target, {}).get(name)
    return argument is not None and argument.domain(value) is False


def _fit_steps(rng: Random) -> list[Step]:
    family = rng.choice(tuple(formulas.RESPONSES))
    kind = rng.random()
    formula = formulas.right(rng, family)
    options = {"family": repr(family)}
    if kind < 0.25:
        name = rng.choice(tuple(damage.STORED))
        told = "" if family == "gaussian" else f", family={family!r}"
        told += ", context={'K': KINSHIP}" if "propto" in formula else ""
        text = f"mc.glmm({formula!r}, stored({name!r}){told})"
        return [Step(text, None, f"mc.glmm({formula!r}, base(){told})", "mc.glmm")]
    data = "base()"
    if kind < 0.50:
        data = f"damaged({rng.choice(damage.SPOILABLE)!r}, {rng.choice(tuple(damage.SPOILED))!r})"
        if rng.random() < 0.4:
            formula = f"{rng.choice(formulas.RESPONSES[family])} ~ x + (1 | g)"
    elif kind < 0.60:
        data = f"odd_table({rng.choice(tuple(damage.ODD))!r})"
        formula, options = "y ~ x + (1 | g)", {"family": "'poisson'"}
    elif kind < 0.80:
        formula = formulas.wrong(rng, family)
    if "propto" in formula:
        options["context"] = "{'K': KINSHIP}"
    for name, argument in _OPTIONS.items():
        if rng.random() < argument.given:
            source = rng.choice((argument.right, argument.near, argument.near, ANYTHING))
            options[name] = rng.choice(source)
    if rng.random() < 0.1:
        options["family"] = rng.choice((*_FAMILY_NEAR, *ANYTHING))
    shown = repr(formula) if rng.random() < 0.97 else rng.choice(ANYTHING)
    if rng.random() < 0.02:
        data = rng.choice(ANYTHING)
    parts = [shown, data, *(f"{name}={value}" for name, value in options.items())]
    if rng.random() < 0.03:
        parts.append(f"{rng.choice(UNKNOWN)}={rng.choice(ANYTHING)}")
    steps = [Step(f"mc.glmm({', '.join(parts)})", None, target="mc.glmm")]
    for _ in range(rng.choice((0, 1, 1, 2))):
        steps.append(_after_fit(rng))
    return steps


AFTER_FIT = (
    *("str(_.summary())", "_.summary()._repr_html_()", "_.predict()", "_.predict(base().head(4))"),
    *(
        "_.predict(random_effects='zero')",
        "_.predict(random_effects='marginal')",
        "_.random_effects",
    ),
    *(
        "_.conf_int()",
        "_.simulate(2, seed=1)",
        "_.refit(port_of(_).observed)",
        "mc.aic(_)",
        "mc.caic(_)",
    ),
    *(
        "mc.check(_, draws=6, seed=1)",
        "mc.residuals(_, seed=1).to_frame()",
        "mc.loo(_)",
        "mc.bic(_)",
    ),
    *(
        "mc.logo(_, method='one-step')",
        "_.variance_components",
        "_.convergence",
        "_.tidy()",
        "_.coefficients()",
        "_.anova()",
        "_.drop1()",
        "_.t_test('Intercept = 0')",
        "_.f_test('Intercept')",
        "_.glance()",
        "_.to_inference_data(chains=1, draws=2, seed=1)",
        "_.augment()",
        "_.plot_data(seed=1, draws=19)",
        "_.save('a.fit') or mc.load('a.fit')",
        "repr(_)",
        "_.bse",
    ),
    *(
        "mc.check(_, draws=6, seed=1).to_html()",
        "mc.check(_, draws=6, seed=1).to_json()",
        "_.pvalues",
    ),
    *(
        "_.random_effects_sd",
        "_.cov_params()",
        "_.approximation()",
        "port_of(_).covariance_estimates",
        "port_of(_).theta",
    ),
    *(
        "mc.compare([_, _])",
        "mc.lrt(_, _)",
        "mc.vuong(_, _)",
        "port_of(_).data_digest",
        "port_of(_).description",
    ),
    "mc.suggest(mc.check(_, mc.checks.Dispersion() & mc.checks.Zeros(), draws=40, seed=1), most=2)",
)


def _after_fit(rng: Random) -> Step:
    if rng.random() < 0.8:
        return Step(rng.choice(AFTER_FIT), None)
    return _method_step(rng, "_")


def _method_step(rng: Random, prefix: str) -> Step:
    target = rng.choices(METHODS, [target.weight for target in METHODS])[0]
    if not hasattr(mc.GLMM, target.call.removeprefix("=")):
        prefix = f"port_of({prefix})"  # for those who write a check or a criterion
    step = _step(rng, target, prefix)
    return Step(step.text, None if "_" in prefix else step.expected, target=step.target)


# ---- JSON that is not quite right --------------------------------------------------------

_JSON_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        1.5,
        10**30,
        1e300,
        "",
        "x",
        "NaN",
        [],
        {},
        [None],
        [[]],
        {"a": 1},
    ),
    *("U10000000", "O", "V8", "M8", "\ud800", "nan", "inf", [1, "a"], {"data": "x"}, "null"),
)


def _json_step(rng: Random) -> Step:
    reader, source = rng.choice(
        (
            ("mc.Report", "report"),
            ("mc.Report", "levels"),
            ("mc.Suite", "suite"),
            ("mc.Selection", "selection"),
        )
    )
    call = f"{reader}.from_json"
    return Step(f"{call}(json_text({source!r}, {rng.getrandbits(40)}))", None, target=call)


def json_text(source: str, number: int) -> str:
    """The JSON of a result, spoiled in a way that a number names."""
    rng = Random(number)
    text = str(made(source).to_json())
    if rng.random() < 0.15:
        return _broken(rng, text)
    content = json.loads(text)
    for _ in range(rng.choice((1, 1, 2))):
        _spoil(rng, content)
    return json.dumps(content)


def _broken(rng: Random, text: str) -> str:
    i = rng.randrange(len(text))
    return rng.choice(
        (text[:i], text[:i] + rng.choice('{}[]",:x\\\0') + text[i + 1 :], text + "}", "")
    )


def _spoil(rng: Random, content: Any) -> None:
    """Change one place within, mostly near the top."""
    while isinstance(content, dict | list) and content:
        keys = list(content) if isinstance(content, dict) else list(range(min(len(content), 20)))
        key = rng.choice(keys)
        inner = content[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.75:
            content = inner
            continue
        kind = rng.random()
        if kind < 0.3:
            del content[key]
        elif kind < 0.35 and isinstance(content, dict):
            content["extra"] = deepcopy(rng.choice(_JSON_VALUES))
        else:
            content[key] = deepcopy(rng.choice(_JSON_VALUES))
        return


# ---- the command -------------------------------------------------------------------------

_WORDS: dict[str, tuple[str, ...]] = {
    "--seed": ("1", "-1", "x", "1.5", ""),
    "--draws": ("5", "0", "-1", "x", "1.5", "10"),
    "--calibration": ("refit", "one-step", "plug-in", "x"),
    "--refits": ("0", "1", "-1", "x"),
    "--jobs": ("1", "0", "x", "-2"),
    "--alpha": ("0.05", "0", "1", "2", "nan", "x", "-0.1"),
    "--link": ("log", "nope", "sqrt", "logit", ""),
    "--weights": ("w", "nope", "f", "x", ""),
    "--precision": ("z", "nope", "f", ""),
    "--offset": ("o", "nope", "f", ""),
    "--report": ("{folder}/a.html", "{folder}", "{folder}/no/a.html", "", "\0"),
    "--json": ("{folder}/a.json", "{folder}", "no/such/a.json", ""),
    "--junit": ("{folder}/a.xml", "{folder}", "no/such/a.xml"),
    "--criterion": ("aic", "bic", "AIC", "nope"),
    "--nope": ("1",),
}


def _command_step(rng: Random) -> Step:
    command = rng.choice(("check", "check", "check", "compare", "compare", "demo", "nope", ""))
    words: list[str] = [command] if command else []
    family = rng.choice(tuple(formulas.RESPONSES))
    if command in ("check", "compare"):
        good = rng.random() < 0.6
        name = (
            rng.choice(("ok.csv", "ok.csv", "ok.parquet", "ok.tsv"))
            if good
            else rng.choice(damage.FILES)
        )
        data = rng.choice(
            ("dataset:cbpp", "dataset:nope", "{" + f"file:{name}" + "}", "{" + f"file:{name}" + "}")
        )
        words.append(data)
        for _ in range(1 if command == "check" else rng.choice((1, 2, 2, 3))):
            right = rng.random() < 0.7
            words += [
                "--formula",
                formulas.right(rng, family) if right else formulas.wrong(rng, family),
            ]
        words += [
            "--family",
            family if rng.random() < 0.85 else rng.choice(("nope", "", "Poisson", "gamma")),
        ]
        if command == "check":
            words += ["--draws", rng.choice(("5", "5", "5", "0", "x"))]
    elif command == "demo":
        words += ["--report", rng.choice(("{folder}/no/such/a.html", "no/such/a.html")), "--quick"]
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        option = rng.choice(tuple(_WORDS))
        words += [option, rng.choice(_WORDS[option])]
    if rng.random() < 0.05:
        rng.shuffle(words)
    return Step(f"command({words!r})", None)


ARGUMENTS: dict[str, Mapping[str, Argument]] = {
    **{target.call: target.arguments for target in TARGETS},
    **{f".{target.call}": target.arguments for target in METHODS},
    "mc.glmm": {**_OPTIONS, "formula": Argument((), values.some_of(str))},
}

# Public names that are not called by the generator, and why.
_MADE = "a record that a function of the library makes, with methods that are called"
_ABSTRACT = "an abstract class"
_WITHIN = "for those who write a check or a family: arrays in a hot loop, not read at a door"
EXEMPT = {
    **dict.fromkeys(("BootstrapRatio", "Comparison", "ConditionalAIC", "GLMM"), _MADE),
    "PartitionedGLMM": _MADE,
    "close": "gives up what the other calls of one fit over partitions need",
    **dict.fromkeys(("GroupScores", "LikelihoodRatio", "Residuals", "RowScores"), _MADE),
    **dict.fromkeys(("ScoreDifference", "Selection", "Suggestions", "Vuong"), _MADE),
    **dict.fromkeys(("Finding", "Skipped", "Verdict", "Dataset", "Replicates"), _MADE),
    **dict.fromkeys(("Family", "Link", "ProbabilityLink", "ZeroPart", "Check", "Prior"), _ABSTRACT),
    **dict.fromkeys(("Derivatives", "Observed", "measures", "plan", "needs", "batch"), _WITHIN),
    **dict.fromkeys(("information", "log_density", "slope"), _WITHIN),
    **dict.fromkeys(("along", "ask", "observe_again"), _WITHIN),
    **dict.fromkeys(("CheckContext", "CheckStatistic", "DataSet", "DataView"), _WITHIN),
    **dict.fromkeys(("NullSample", "single_pvalues", "mean", "pvalue", "quantile"), _WITHIN),
    **dict.fromkeys(("Effect", "found", "numbers", "rows"), _WITHIN),
    **dict.fromkeys(("Refits", "count", "index", "MarginalMeans", "Effects", "Profile"), _MADE),
    **dict.fromkeys(("QuasiAIC", "Takeuchi", "ExactRatio", "FoldScores"), _MADE),
    **dict.fromkeys(("Inclusion", "ModelAverage"), _MADE),
    **dict.fromkeys(("Explained", "marginal", "conditional", "adjusted"), _MADE),
}
