# CR2 of clubSandwich, for least squares and for a linear mixed model.
#   Rscript validation/inference/cluster_robust.R
suppressMessages({library(lme4); library(clubSandwich); library(jsonlite)})
set.seed(7)
d <- data.frame(site = sprintf("s%02d", rep(1:9, times = c(3, 9, 5, 4, 6, 8, 3, 7, 5))))
d$g <- paste0(d$site, c("a", "b")[1 + seq_len(nrow(d)) %% 2])
d$z <- round(rnorm(9), 2)[as.integer(factor(d$site))]
d$x <- round(rnorm(nrow(d)), 2)
d$y <- round(1 + 0.5 * d$x + rnorm(9)[as.integer(factor(d$site))] + rnorm(nrow(d)) * (1 + (d$z > 0)), 3)
joint <- function(m, cluster) {
  w <- Wald_test(m, constraints = constrain_zero(2:3, coefs = if (inherits(m, "lm")) coef(m) else fixef(m)),
    vcov = vcovCR(m, cluster = cluster, type = "CR2"), test = "HTZ")
  list(statistic = w$Fstat, df = w$df_num, df_denominator = w$df_denom, pvalue = w$p_val)
}
table <- function(m, cluster) {
  V <- vcovCR(m, cluster = cluster, type = "CR2")
  t <- coef_test(m, vcov = V, test = "Satterthwaite")
  list(error = t$SE, df = if (is.null(t$df_Satt)) t$df else t$df_Satt)
}
ols <- lm(y ~ x + z, d)
mixed <- lmer(y ~ x + z + (1 | g), d, REML = TRUE,
  control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 1e-3, rhoend = 1e-12)))
write_json(list(versions = list(lme4 = as.character(packageVersion("lme4")),
  clubSandwich = as.character(packageVersion("clubSandwich"))), data = as.list(d),
  ols = c(table(ols, d$site), joint = list(joint(ols, d$site))),
  mixed = c(table(mixed, d$site), joint = list(joint(mixed, d$site)))),
  "validation/inference/cluster_robust.json", digits = NA, auto_unbox = TRUE)
