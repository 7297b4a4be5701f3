"""Formulas: right ones from a grammar, and nearly right ones by mutation."""

from __future__ import annotations

from random import Random

RESPONSES: dict[str, tuple[str, ...]] = {
    "poisson": ("y",),
    "nbinom2": ("y",),
    "nbinom1": ("y",),
    "gaussian": ("r", "log(t)", "x"),
    "binomial": ("k / m", "cbind(k, m - k)", "b"),
    "betabinomial": ("k / m", "cbind(k, m - k)"),
    "beta": ("p",),
    "gamma": ("t",),
    "lognormal": ("t",),
    "t": ("r", "log(t)"),
    "ordinal": ("grade", "factor(f)", "y"),
    "truncated_poisson": ("least",),
    "truncated_nbinom2": ("least",),
}
_FIXED = (
    *("x", "z", "f", "x + z", "x * f", "x + f", "1", "z + x:z", "poly(z, 2)", "log(z)"),
    *("I(z**2)", "x + offset(o)", "C(h)", "scale(z)", "flag", "np.log(z)", "exp(x)"),
)
_RANDOM = ("(1 | g)", "(1 | h)", "(1 | g) + (1 | h)", "(x | g)", "(x || g)", "(0 + x | g)")
_STRUCTURED = (
    *("cs(0 + f | g)", "homcs(0 + f | g)", "ar1(0 + step | g)", "homcs(0 + f | h)"),
    *("propto(1 | h, K)", "propto(1 | h, K) + (1 | g)", "diag(0 + f | g)"),
)
_STRANGE = (
    *("", " ", "~", "y", "y ~", "~ x", "y ~ ~ x", "y ~ x ~ z", "y ~ x +", "y ~ + x", "y ~ - 1"),
    *(
        "y ~ 0",
        "y ~ -1 + 0",
        "y ~ 1 - 1",
        "y ~ x - x",
        "y ~ 0*x + (1 | g)",
        "y ~ .",
        "y ~ . + (1|g)",
    ),
    *("y ~ (1 | g", "y ~ 1 | g)", "y ~ (1 | g))", "y ~ ()", "y ~ (|)", "y ~ (1 |)", "y ~ (| g)"),
    *("y ~ (1 | 1)", "y ~ (1 | g | h)", "y ~ (x | g:h)", "y ~ (1 | g/h)", "y ~ (1 | g*h)"),
    *("y ~ (1 ||| g)", "y ~ ((1 | g))", "y ~ (1 | (g))", "y ~ (1 | g + h)", "y ~ (1 | -g)"),
    *("y ~ (x ~ z | g)", "y ~ (g ~ x | g)", "[y] ~ x", "1 ~ x", "'y' ~ x", "y ~ 'x'", "2 ~ 3"),
    *("y + r ~ x", "(y, r) ~ x", "y * 2 ~ x", "-y ~ x", "y / 2 ~ x", "y / 0 ~ x", "k / m / m ~ x"),
    *("k / (m - m) ~ x", "cbind(k) ~ x", "cbind(k, m, m) ~ x", "cbind() ~ x", "cbind(k, -m) ~ x"),
    *("y ~ offset()", "y ~ offset(x, z)", "y ~ offset(f)", "y ~ offset(1)", "offset(y) ~ x"),
    *("y ~ offset(offset(x))", "y ~ x:offset(z)", "y ~ log()", "y ~ log(x, 2)", "y ~ log(f)"),
    *("y ~ sqrt(x)", "y ~ log(x)", "y ~ x^2", "y ~ x**2", "y ~ (x + z)^2", "y ~ x^x", "y ~ x^-1"),
    *("y ~ x^1.5", "y ~ (x + z + f)**1000", "y ~ (x+h)**100000", "y ~ x %in% f", "y ~ x %% 2"),
    *("y ~ x %/% 2", "y ~ I(x %% 2)", "y ~ I()", "y ~ I(x", "y ~ I(x ~ z)", "y ~ I(x; z)"),
    *("y ~ poly(x)", "y ~ poly(x, 0)", "y ~ poly(x, 100)", "y ~ poly(f, 2)", "y ~ poly(x, -1)"),
    *("y ~ bs(x)", "y ~ bs(x, df=0)", "y ~ bs(x, df=1000)", "y ~ ns(x, 3)", "y ~ cr(x, df=3)"),
    *("y ~ C(f, Treatment('nope'))", "y ~ C(f, contr.sum)", "y ~ C(x)", "y ~ C(f", "y ~ C()"),
    *("y ~ factor(g)", "y ~ as.factor(g)", "y ~ relevel(f, 'mid')", "y ~ ifelse(x > 0, 1, 0)"),
    *("y ~ cut(x, 3)", "y ~ lag(x, 1)", "y ~ s(x)", "y ~ te(x, z)", "y ~ mo(f)", "y ~ min(x, 0)"),
    *(
        "y ~ scale(f)",
        "y ~ center(x)",
        "y ~ standardize(x)",
        "y ~ hashed(f, levels=3)",
        "y ~ dummy(f)",
    ),
    *("y ~ x.mean()", "y ~ x.shape", "y ~ x[0]", "y ~ x['a']", "y ~ {x}", "y ~ {x + }", "y ~ {}"),
    *("y ~ {exit()}", "y ~ {__import__('os')}", "y ~ x.__class__", "y ~ lambda", "y ~ {lambda: x}"),
    *(
        "y ~ {[x for x in x]}",
        "y ~ x if x else z",
        "y ~ not x",
        "y ~ x and z",
        "y ~ x & z",
        "y ~ ~x",
    ),
    *(
        "y ~ x > 0",
        "y ~ x == 'a'",
        "y ~ x := 1",
        "y ~ import os",
        "y ~ np.log",
        "y ~ np",
        "y ~ len(x)",
    ),
    *("y ~ `x`", "y ~ ``", "y ~ `x", "y ~ `no such`", "y ~ `1`", "y ~ `x` + (1 | `g`)", "y ~ x`x`"),
    *(
        "y ~ x + x",
        "y ~ x + z + I(x + z)",
        "y ~ x:x",
        "y ~ x:f:z:h",
        "y ~ x/f",
        "y ~ f/x",
        "y ~ x - f",
    ),
    *(
        "y ~ x # z",
        "y ~ x\n+ z",
        "y ~ x\t+\tz",
        "y ~ x; z",
        "y ~ x, z",
        "y ~ x z",
        "y = x",
        "y <- x",
    ),
    *(
        "y ~ é",
        "y ~ x + ε",
        "y ~ x \0",
        "y ~ \ud800",
        "y ~ \x1b[31m",
        "y ~ 1e400",
        "y ~ 1_000",
        "y ~ 0x1",
    ),
    *(
        "y ~ 5",
        "y ~ 2*x",
        "y ~ x*2",
        "y ~ 1.5",
        "y ~ True",
        "y ~ None",
        "y ~ nan",
        "y ~ inf",
        "y ~ 'a'",
    ),
    *(
        "y ~ day",
        "y ~ (1 | day)",
        "y ~ (day | g)",
        "y ~ row",
        "y ~ (1 | row)",
        "y ~ (f | g)",
        "y ~ (x | f)",
    ),
    *(
        "y ~ (poly(x, 2) | g)",
        "y ~ (log(z) | g)",
        "y ~ (offset(x) | g)",
        "y ~ ((x) | g)",
        "y ~ (x|x)",
    ),
    *(
        "y ~ (1 | g) + (1 | g)",
        "y ~ (1 | g) + (x | g)",
        "y ~ x * (1 | g)",
        "y ~ -(1 | g)",
        "y ~ x - (1|g)",
    ),
    *(
        "y ~ us(1 | g)",
        "y ~ diag(x | g)",
        "y ~ cs(1 | g)",
        "y ~ ar1(0 + h | g)",
        "y ~ rr(x | g, 2)",
    ),
    *(
        "y ~ log(y)",
        "y ~ y",
        "log(y) ~ x",
        "log(y + 1) ~ x",
        "I(y) ~ x",
        "sqrt(y) ~ x",
        "y ~ (y | g)",
    ),
    *(
        "y ~ (1 | g + 0)",
        "y ~ (1 | 'g')",
        "y ~ (1 | C(g))",
        "y ~ (1 | I(g))",
        "y ~ (1 | factor(g):h)",
    ),
    *(
        "y ~ (1|nope)",
        "nope ~ x",
        "y ~ nope",
        "y ~ nope(x)",
        "y ~ X",
        "Y ~ x",
        "y~x+(1|G)",
        "y ~ x.y",
    ),
)
_TOKENS = (
    *(
        "~",
        "+",
        "-",
        "*",
        "/",
        ":",
        "^",
        "**",
        "%in%",
        "%%",
        "|",
        "||",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
    ),
    *(",", ".", "0", "1", "-1", "2", "1.5", "'", '"', "`", "I(", "offset(", "log(", "poly(", "C("),
    *(
        "scale(",
        "cbind(",
        "np.",
        "=",
        "==",
        "<",
        ">",
        "!",
        "&",
        "@",
        "$",
        "\\",
        ";",
        "#",
        "?",
        "\n",
    ),
    *("x", "y", "z", "f", "g", "h", "k", "m", "nope", "if", "lambda", "None", "\t", "é", "\0", " "),
)


def right(rng: Random, family: str) -> str:
    """A formula that fits the family and the table."""
    response = rng.choice(RESPONSES[family])
    fixed = rng.choice(_FIXED)
    random = rng.choice(_RANDOM if rng.random() < 0.85 else _STRUCTURED)
    return f"{response} ~ {fixed}" + (f" + {random}" if rng.random() < 0.9 else "")


def wrong(rng: Random, family: str) -> str:
    """A strange formula, or a right one with some of its text changed."""
    if rng.random() < 0.35:
        return rng.choice(_STRANGE)
    text = right(rng, family) if rng.random() < 0.8 else rng.choice(_STRANGE)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        text = _changed(rng, text)
    return text


def _changed(rng: Random, text: str) -> str:
    i = rng.randrange(len(text) + 1)
    j = min(len(text), i + rng.choice((1, 1, 2, 5)))
    kind = rng.randrange(5)
    if kind == 0:
        return text[:i] + text[j:]
    if kind == 1:
        return text[:i] + rng.choice(_TOKENS) + text[i:]
    if kind == 2:
        return text[:i] + rng.choice(_TOKENS) + text[j:]
    if kind == 3:
        return text[:i] + text[i:j] * 2 + text[j:]
    return text[:i] + text[i:j][::-1] + text[j:]


def one_sided(rng: Random) -> str:
    """The formula of a further part."""
    choices = ("~ 1", "~ x", "~ z", "~ 0", "1", "~ x + (1 | g)", "y ~ x", "~", "~ x ~ z", "~ nope")
    text = rng.choice(choices)
    return _changed(rng, text) if rng.random() < 0.3 else text
