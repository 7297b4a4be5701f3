# Linear mixed models with precision weights: lmer's weights divide the residual variance.
#   Rscript validation/reference/precision.R     -> precision.json, a second
suppressPackageStartupMessages(library(lme4))
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5))
sleep <- transform(sleepstudy, w = Days + 1)
number <- function(x) formatC(x, digits = 12, format = "g")
show <- function(reml) {
  fit <- lmer(Reaction ~ Days + (Days | Subject), sleep, weights = w, REML = reml,
              control = control)
  sprintf('  "%s": {"llf": %s, "params": [%s], "bse": [%s], "sigma2": %s}',
          if (reml) "reml" else "ml", number(c(logLik(fit))),
          paste(number(fixef(fit)), collapse = ", "),
          paste(number(sqrt(diag(as.matrix(vcov(fit))))), collapse = ", "),
          number(sigma(fit)^2))
}
lines <- c(show(FALSE), show(TRUE), sprintf('  "lme4": "%s"', packageVersion("lme4")))
target <- file.path(dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))),
                    "precision.json")
writeLines(c("{", paste(lines, collapse = ",\n"), "}"), target)
