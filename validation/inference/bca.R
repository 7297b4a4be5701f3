# Levels and ends of BCa intervals of boot, for tests/inference/test_bootstrap.py.
# Rscript validation/inference/bca.R > validation/inference/bca.json
suppressMessages({library(boot); library(jsonlite)})
set.seed(4)
t0 <- c(1.3, 0.2, 2.0)
draws <- sapply(c(1, 2, 3), function(k) round(switch(k, rgamma(999, 4, 3), rnorm(999), exp(rnorm(999, 0.6, 0.4))), 6))
influence <- sapply(1:3, function(k) round(rnorm(12)^k, 6))
one <- function(k) {
  known <- list(t0 = t0[k], t = draws[, k, drop = FALSE], R = 999, call = quote(boot(sim = "parametric")), sim = "ordinary")
  found <- boot.ci(structure(known, class = "boot"), conf = c(0.8, 0.95), type = "bca", t0 = t0[k], t = draws[, k],
    L = influence[, k] - mean(influence[, k]))$bca
  list(ranks = found[, 2:3], ends = found[, 4:5])
}
cat(toJSON(list(versions = list(R = R.version.string, boot = as.character(packageVersion("boot"))),
  estimate = t0, draws = t(draws), influence = t(influence), found = lapply(1:3, one)), digits = 10), "\n")
