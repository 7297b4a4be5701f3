# Log-likelihoods of families and of their limits by glmmTMB, for tests/comparison.
# Rscript validation/comparison/limits.R > validation/comparison/limits.json
suppressMessages({library(glmmTMB); library(lme4); library(jsonlite)})
data(grouseticks); data(cbpp)
control <- glmmTMBControl(optCtrl = list(iter.max = 1e4, eval.max = 1e4, rel.tol = 1e-12))
fit <- function(...) as.numeric(logLik(glmmTMB(..., control = control)))
ticks <- TICKS ~ YEAR + (1 | BROOD)
herds <- cbind(incidence, size - incidence) ~ period + (1 | herd)
version <- function(name) as.character(packageVersion(name))
out <- list(
  versions = list(R = R.version.string, glmmTMB = version("glmmTMB"), TMB = version("TMB")),
  ticks = list(
    poisson = fit(ticks, grouseticks, poisson),
    nbinom1 = fit(ticks, grouseticks, nbinom1),
    nbinom2 = fit(ticks, grouseticks, nbinom2),
    zero_inflated_poisson = fit(ticks, grouseticks, poisson, ziformula = ~ 1)),
  herds = list(binomial = fit(herds, cbpp, binomial), betabinomial = fit(herds, cbpp, betabinomial)))
cat(toJSON(out, auto_unbox = TRUE, digits = 12, pretty = TRUE), "\n")
