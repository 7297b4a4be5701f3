# Null distributions of exact tests of one variance by RLRsim, for tests/comparison/test_exact.py.
# Rscript validation/comparison/exact_null.R > validation/comparison/exact_null.json
suppressMessages({library(lme4); library(RLRsim); library(jsonlite)})
probabilities <- c(0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
draws <- 200000
summary_of <- function(x) list(zero = mean(x < 1e-5), quantiles = as.numeric(quantile(x, probabilities)))
set.seed(1)
# Six unequal groups, a slope, and a group-level predictor: 21 rows.
sizes <- c(2, 3, 5, 1, 4, 6)
group <- factor(rep(1:6, sizes))
x <- sin(seq_along(group))
z <- rep(c(0, 0, 1, 1, 0, 1), sizes)
intercept <- model.matrix(~ 0 + group)
few <- function(Z, X, q = 0) list(
  restricted = summary_of(RLRTSim(X, Z, qr(X), diag(ncol(Z)), nsim = draws)),
  full = summary_of(LRTSim(X, Z, q = q, diag(ncol(Z)), nsim = draws)))
X <- cbind(1, x, z)
data(sleepstudy)
null <- lm(Reaction ~ Days, sleepstudy)
intercepts <- lmer(Reaction ~ Days + (1 | Subject), sleepstudy)
both <- lmer(Reaction ~ Days + (1 | Subject) + (0 + Days | Subject), sleepstudy)
slopes <- lmer(Reaction ~ Days + (0 + Days | Subject), sleepstudy)
statistic <- as.numeric(exactRLRT(intercepts, nsim = 100)$statistic)
slope <- as.numeric(exactRLRT(slopes, both, intercepts, nsim = 100)$statistic)
version <- function(name) as.character(packageVersion(name))
cat(toJSON(list(
  versions = list(R = R.version.string, lme4 = version("lme4"), RLRsim = version("RLRsim")),
  draws = draws, probabilities = probabilities,
  intercept = few(intercept, X), slope = few(intercept * x, X), with_fixed = few(intercept, X, 1),
  sleepstudy = list(intercept = statistic, slope = slope)
), auto_unbox = TRUE, digits = 10, pretty = TRUE))
