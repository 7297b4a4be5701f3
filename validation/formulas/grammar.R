# Model matrices of R for expressions of a grammar of its formulas.
#
#   Rscript validation/formulas/grammar.R tests/data/r_formulas.json
#
# Each expression is drawn from a grammar (seed below) or listed by hand. R's columns are stored
# with 12 digits, or R's refusal. The data are small and hold every kind of column: whole numbers,
# numbers, truth values, factors and text.

suppressMessages({library(jsonlite); library(splines)})
target <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20)
n <- 14
d <- data.frame(
  i = c(3L, 1L, 4L, 1L, 5L, 9L, 2L, 6L, 5L, 3L, 7L, 8L, 2L, 6L),
  j = c(2L, 7L, 1L, 8L, 2L, 8L, 1L, 8L, 2L, 8L, 4L, 5L, 9L, 3L),
  x = c(0.5, -1.25, 2.75, 3.5, -0.5, 1.75, -2.25, 0.25, 1.5, -3.75, 2.25, -1.5, 0.75, 4.5),
  z = c(1.5, 2.25, 0.75, 3.125, 1.25, 2.5, 0.625, 1.75, 2.875, 1.125, 3.5, 0.875, 2.125, 1.375),
  b = c(TRUE, FALSE, TRUE, TRUE, FALSE, FALSE, TRUE, FALSE, TRUE, FALSE, FALSE, TRUE, FALSE, TRUE),
  l = c(FALSE, FALSE, TRUE, FALSE, TRUE, TRUE, TRUE, FALSE, FALSE, TRUE, TRUE, FALSE, TRUE, TRUE),
  f = factor(c("p", "q", "r", "q", "p", "r", "p", "q", "r", "p", "r", "q", "q", "p")),
  t = c("v", "u", "u", "v", "v", "u", "v", "u", "u", "v", "u", "v", "u", "v"),
  stringsAsFactors = FALSE
)
stopifnot(nrow(d) == n)

pick <- function(...) sample(c(...), 1)

# ---- numbers and conditions --------------------------------------------------------------
number <- function(depth) {
  if (depth == 0) return(pick("i", "j", "x", "z", "z", "2", "3", "0.5", "b", "pi"))
  a <- function() number(depth - 1)
  switch(pick(as.character(1:17)),
    "1" = paste(a(), "+", a()), "2" = paste(a(), "-", a()), "3" = paste(a(), "*", a()),
    "4" = paste(a(), "/", a()), "5" = paste0(a(), "^", pick("2", "3", "2L")),
    "6" = paste(a(), "%%", pick("2", "3", "2.5")), "7" = paste(a(), "%/%", pick("2", "3")),
    "8" = paste0("-", a()), "9" = paste0("(", a(), ")"),
    "10" = paste0(pick("exp", "sin", "abs", "sign", "trunc", "floor", "ceiling", "cos", "tanh"),
                  "(", a(), ")"),
    "11" = paste0(pick("log", "sqrt", "log1p", "log2", "log10"), "(", pick("z", "i", "j"), ")"),
    "12" = paste0("ifelse(", condition(depth - 1), ", ", a(), ", ", a(), ")"),
    "13" = paste0(pick("pmin", "pmax"), "(", a(), ", ", pick("x", "2", "i"), ")"),
    "14" = paste0("log(", pick("z", "i"), ", ", pick("2", "base = 2", "10"), ")"),
    "15" = paste0(a(), " - ", pick("mean", "min", "max", "median", "sd", "sum"), "(",
                  pick("x", "i", "z"), ")"),
    "16" = paste0("(", a(), " ", pick("<", ">", "<=", ">=", "=="), " ", a(), ")"),
    "17" = paste0(a(), "**", pick("2", "1")))
}
condition <- function(depth) {
  compare <- pick("<", ">", "<=", ">=", "==", "!=")
  simple <- switch(pick("1", "2", "3", "4", "5"),
    "1" = paste(number(0), compare, number(0)), "2" = pick("b", "l"),
    "3" = paste0("f ", pick("==", "!="), " ", pick("'p'", "\"q\"")),
    "4" = paste0(pick("f", "t"), " %in% c('", pick("p", "u"), "', 'r')"),
    "5" = paste0("i %in% ", pick("1:3", "c(2, 5, 9)")))
  if (depth <= 0) return(simple)
  switch(pick("1", "2", "3", "4"),
    "1" = paste(condition(depth - 1), "&", condition(depth - 1)),
    "2" = paste(condition(depth - 1), "|", condition(depth - 1)),
    "3" = paste0("!", condition(depth - 1)), "4" = paste0("(", condition(depth - 1), ")"))
}
# ---- terms --------------------------------------------------------------------------------
factor_of <- function(depth) {
  pick("i", "x", "z", "b", "l", "f", "t", "x", "f", paste0("I(", number(depth), ")"),
       paste0("I(", condition(depth), ")"), paste0("log(", pick("z", "i"), ")"),
       paste0("poly(", pick("x", "i", "z"), ", ", pick("2", "3"), ")"),
       paste0("factor(", pick("i %% 3", "b", "t", "f"), ")"),
       paste0("as.factor(", pick("f", "t"), ")"),
       paste0("scale(", pick("x", "i"), pick("", ", scale = FALSE"), ")"),
       "relevel(f, ref = 'q')", "cut(x, c(-5, 0, 5))", "as.numeric(b)", "interaction(f, b)",
       "ns(x, df = 3)", "bs(z, df = 4)", "as.integer(x)", "exp(-z^2)", "ifelse(b, x, -x)")
}
terms <- function(depth) {
  if (depth == 0) return(factor_of(1))
  a <- function() terms(depth - 1)
  switch(pick("+", "+", "*", ":", "/", "%in%", "^", "()", "-", "1"),
    "+" = paste(a(), "+", a()), "*" = paste0(a(), pick("*", " * "), factor_of(0)),
    ":" = paste0(factor_of(0), ":", factor_of(0)), "/" = paste0(factor_of(0), "/", factor_of(0)),
    "%in%" = paste(factor_of(0), "%in%", pick("f", "x", "b")),
    "^" = paste0("(", pick("x", "i"), " + ", pick("f", "b"), " + ", pick("z", "t"), ")",
                 pick("^", "**"), pick("2", "3")),
    "()" = paste0("(", a(), ")"), "-" = paste0(a(), " - ", pick("1", "x", "f", "x:f")),
    "1" = paste(pick("0 +", "-1 +", "1 +"), a()))
}
listed <- c(
  "cut(x, quantile(x), include.lowest = TRUE)", "cut(x, quantile(x, c(0, .5, 1)), include.lowest = TRUE)",
  "cut(z, quantile(z, seq(0, 1, 0.25)), include.lowest = TRUE)", "cut(x, seq(-5, 5, 5))",
  "cut(x, seq(-5, 5, by = 2.5))", "cut(x, seq(-5, 5, length.out = 4))", "cut(x, seq(5, -5, -5))",
  "cut(x, seq(-4, 5))", "cut(x, seq(min(x) - 1, max(x) + 1, length.out = 4))",
  "cut(x, c(-5, 0, 5), dig.lab = 2)", "cut(x, 3, dig.lab = 5)", "cut(x, c(-5, 0, 5), ordered_result = TRUE)",
  "bs(x, knots = quantile(x, c(.25, .75)))", "ns(x, knots = quantile(x, c(1, 2) / 3))",
  "ns(x, knots = quantile(x, c(.2, .5, .8)))", "bs(x, knots = seq(-2, 2, 2), degree = 2)",
  "I(x - quantile(x, probs = 0.9))", "C(f, 'contr.sum')", "C(f, \"contr.helmert\"):x",
  "relevel(factor(b), ref = 'TRUE')", "factor(b, levels = c('TRUE', 'FALSE'))",
  "relevel(factor(i %% 3), ref = '2')", "relevel(factor(i %% 3), ref = 2)", "relevel(f, ref = 3)",
  "interaction(f, t, drop = TRUE)", "interaction(b, l, drop = FALSE)", "poly(x, degree = 2, simple = TRUE)",
  "I(-x^2^0.5)", "I(x^2^3)", "I(i %/% -2)", "I(-7 %% i)", "I(5 %/% i %% 2)", "I(!b == l)", "I(!i == 3)",
  "I(2 <= i & i <= 5)", "ifelse(no = 1, test = b, yes = 2)", "ifelse(i - 1, x, z)",
  "cut(x, c(-Inf, median(x), Inf))", "I((x > 0) - (z > 2))", "t/f - 1", "f %in% t %in% b", "(f:t)^2",
  "x:f + x:t + x:f:t", "0 + f*x - x", "findInterval(x, c(-1, 1))", "I(x - ave(x, f))", "I(x / IQR(x))",
  "pnorm(x, 1, 2)", "I(is.element(i, 1:3))", "I(x - weighted.mean(x, z))",
  "f:x + f:t", "f:x + b %in% f", "(x + f + t)^2 - f", "(x + b + z)^2 - x", "0 + x:f + t:f",
  "0 + x + x:f + x:t", "t + f:t + x:f", "x:b + b:z + x:z", "0 + x + x:f:t", "x + (z - x)",
  "x - 1 + (z - x)", "x + (1 - 1)", "x + f:t + (f - x:f)", "x - (z - x)", "x - (x - z)",
  "I(i^2)", "I(-i^2)", "I((-i)^2)", "I(2^-i)", "I(2^i^0.5)", "I(i^2 %% 3)", "I(-i %% 3)",
  "I(i %/% 2 * 2)", "I(i %% 2 * 3)", "I(6 / i %% 4)", "I(b + l)", "I(b * l)", "I(b - l)", "I(!b)",
  "I(!b + l)", "I(!x > 0)", "I(!x > 0 & b)", "I(b | l & x > 0)", "I(x > 0 & z > 1)", "I(-b)",
  "I(i * j)", "i:j", "i * j", "b", "0 + b", "b * l", "0 + b * l", "b:l", "0 + b:f", "b:f", "b:x",
  "0 + b:x", "x - 0", "x + 0", "0 + x + 1", "-1 + x", "(x - 1) + z", "1 + (0 + x)", "x - 1 - 1",
  "0 * x", "x * 1", "2:x", "x > 0", "x + z > 3", "i %% 2", "x^2", "(x + f)^10", "(x + f)**2",
  "x:x", "x * x", "f:f", "x / z", "(x + z) / f", "x / (f + z)", "f / x", "f / b", "f %in% b",
  "x * z * f - x:z:f", "x * f - f", "x * f - x", "f * t - 1", "0 + f * t", "f:t", "0 + f:t",
  "f + f:x", "0 + f + f:x", "f:x", "x + f:x", "t / (x + z)", "I(TRUE)", "TRUE", "I(1)", "I(x) + I(x)",
  "log(z, 2)", "log(z, base = 2)", "log(base = 2, z)", "log(x = z)", "logb(z, 2)", "log(i) + log2(i)",
  "min(x, 500)", "pmin(x, 1)", "pmax(x, 0, z)", "pmin(i, j, 4L)", "I(x - mean(x))", "I(x / max(x))",
  "I(x / sd(x))", "I(x - median(x))", "I(i / sum(i))", "I(z / length(z))", "I(x - quantile(x, 0.25))",
  "sign(x)", "trunc(x)", "round(x)", "round(z, 1)", "ceiling(x)", "abs(x)", "sqrt(i)", "exp(x)",
  "expm1(x)", "log1p(z)", "sin(pi * x)", "atan(x)", "plogis(x)", "qlogis(z / 4)", "pnorm(x)", "lgamma(i)",
  "gamma(z)", "factorial(i)", "choose(i, 2)", "atan2(x, z)", "ifelse(x > 0, 1, 0)",
  "ifelse(x > 0, x, 0)", "ifelse(b, 'yes', 'no')", "ifelse(f == 'p', 1, ifelse(f == 'q', 2, 3))",
  "ifelse(b & l, i, j)", "as.factor(i %% 2)", "factor(i)", "factor(i, levels = 9:1)",
  "factor(t, levels = c('v', 'u'))", "factor(f, labels = c('A', 'B', 'C'))", "as.character(f)",
  "ordered(f)", "as.numeric(b)", "as.numeric(i)", "as.numeric(f)", "as.integer(x)", "as.integer(b)",
  "as.logical(i - 1)", "relevel(f, ref = 'r')", "relevel(f, 'q')", "relevel(factor(t), ref = 'v')",
  "cut(x, 3)", "cut(z, c(0, 1, 2, 4))", "cut(i, c(1, 5, 9), include.lowest = TRUE)",
  "cut(i, c(0, 4, 10), right = FALSE)", "cut(i, c(0, 5, 10), labels = c('low', 'high'))",
  "cut(x, c(-Inf, 0, Inf))", "interaction(f, t)", "interaction(f, b)", "f:interaction(b, l)",
  "poly(x, 2)", "poly(i, 3)", "poly(x, 2, raw = TRUE)", "poly(x, degree = 2)", "poly(x, 2):b", "poly(x, 2) * f",
  "poly(x, z)", "poly(x, 2)[, 1]", "scale(x)", "scale(i)", "scale(x, scale = FALSE)",
  "scale(x, center = FALSE)", "scale(x, 1, 2)", "scale(log(z))", "ns(x, 3)", "ns(x, df = 4)",
  "ns(x, knots = c(-1, 1))", "ns(z, df = 2)", "ns(x, df = 3, intercept = TRUE)",
  "ns(x, knots = 0, Boundary.knots = c(-3, 3))", "bs(x)", "bs(x, df = 5)",
  "bs(x, knots = c(-1, 1))", "bs(x, degree = 2, df = 4)", "bs(x, df = 5, intercept = TRUE)",
  "bs(x, knots = 0, Boundary.knots = c(-5, 5))", "splines::ns(x, 3)", "C(f, contr.sum)",
  "C(f, contr.helmert)", "C(f, sum)", "C(f, contr.treatment(3, base = 2))", "C(f, contr.treatment, base = 2)",
  "C(f, contr.SAS)", "C(f, contr.poly)", "f == 'p'", "I(f == 'p')", "I(f == \"p\") + I(t != 'u')",
  "I(f %in% c('p', 'r'))", "I(i %in% 1:3)", "I(i == 1 | i == 9)", "I(i:j)", "I(x:z)", "is.na(x)",
  "I(x) + offset(z)", "d$x", "x[1:14]", "I(x[b])", "I(if (TRUE) x else z)", "I((function(v) v)(x))",
  "x %*% z", "I(x && b)", "I(x || b)", "xor(b, l)", "I(x %in% z)", "rev(x)", "cumsum(i)", "rank(x)",
  "I(x -> w)", "I(x = z)", "NULL", "NA", "x + NA", "Inf", "I(x * NA)", "1e1:x", "I(1e1 * x)",
  "I(1e-1 * x)", "I(0x10 + i)", "I(2L * i)", "I(.5 * x)", "I(x * (z + 1))", "I(T + F)",
  "I(TRUE + x)", "I(b == TRUE)", "I(b > 0)", "(((x)))", "((x + z))", "(x + z):f", "-x", "-x:z", "+x",
  "x - z", "x - x", "x:z - x:z + f", "0", "1", "-1", "1 - 1", "x * (z + f)", "(x + z) * (f + b)",
  "f * b * t", "0 + f * b * t", "0 + x:f + f", "b + l + b:l", "0 + b + f", "0 + I(x > 0)", "I(x > 0)",
  "I(x > 0):f", "0 + I(x > 0):z", "`x`", "`x` + `f`", "I(`x`^2)", "log(`z`)", "x ^ 1", "exp(log(z))",
  "I(exp(x)^2)", "sqrt(abs(x))", "I(1 / z)", "I(z^-1)", "I(z^(1/2))", "I(z^0.5)", "I(x*z)^2",
  "(I(x^2) + f)^2", "log(z):f", "log(z) * x", "I(i > 3) * x", "as.factor(b) * x", "sum(x)", "mean(x):f"
)
drawn <- replicate(2400, switch(pick("a", "b", "c"),
  a = paste0("I(", number(2), ")"), b = paste0("I(", condition(2), ")"), c = terms(2)))
drawn <- unique(drawn[nchar(drawn) < 60])
few <- function(text) c(text[grepl("^I\\(", text)][seq_len(230)], text[!grepl("^I\\(", text)][seq_len(200)])
texts <- unique(c(listed, few(drawn)))

columns <- function(text) tryCatch(suppressWarnings({
  m <- model.matrix(as.formula(paste("~", text)), d)
  if (nrow(m) != n || any(!is.finite(m))) stop("not finite in every row")
  if (ncol(m) > 20) stop("more columns than rows have room for")
  unname(lapply(seq_len(ncol(m)), function(k) signif(unname(m[, k]), 12)))
}), error = function(e) NULL)
found <- lapply(texts, function(text) list(text = text, columns = columns(text)))
write(toJSON(list(
  r = R.version.string,
  data = as.list(transform(d, f = as.character(f))),
  expressions = found), auto_unbox = TRUE, digits = NA, null = "null"), target)
cat(length(texts), "expressions,", sum(sapply(found, function(e) is.null(e$columns))), "refused\n")
