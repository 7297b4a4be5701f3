# Tests of terms and of linear hypotheses: car, lmerTest, multcomp, drop1 of lme4.
#   Rscript validation/inference/terms.R
suppressMessages({library(lme4); library(lmerTest); library(car); library(multcomp); library(jsonlite)})
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 1e-3, rhoend = 1e-12, maxfun = 1e5))
gtight <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-13,
  optCtrl = list(rhobeg = 1e-3, rhoend = 1e-11, maxfun = 1e5))

set.seed(42)
d <- expand.grid(g = sprintf("g%02d", 1:16), k = 1:10)
d$f <- c("a", "b", "c")[1 + as.integer(d$g) %% 3]
d$h <- sample(c("u", "v"), nrow(d), TRUE)
d$x <- round(rnorm(nrow(d)), 2)
b <- rnorm(16, 0, 0.8)
d$eta <- 0.3 + 0.5 * (d$f == "b") - 0.4 * (d$h == "v") * (d$f == "c") + 0.4 * d$x + b[as.integer(d$g)]
d$y <- round(d$eta + rnorm(nrow(d)), 3)
d$n <- rpois(nrow(d), exp(d$eta))
d <- d[sort(sample(nrow(d), 120)), c("g", "f", "h", "x", "y", "n")]
d$f <- factor(d$f); d$h <- factor(d$h)

frame <- function(t, names) setNames(lapply(seq_len(nrow(t)), function(i) as.list(unname(unlist(t[i, names])))), rownames(t))
linear <- y ~ f * h + f * x + (1 | g)
counts <- n ~ f * h + f * x + (1 | g)
summed <- list(f = "contr.sum", h = "contr.sum")
lin <- lmerTest::lmer(linear, d, control = tight)
lin_sum <- lme4::lmer(linear, d, control = tight, contrasts = summed)
poi <- glmer(counts, d, poisson, control = gtight)
poi_sum <- glmer(counts, d, poisson, control = gtight, contrasts = summed)
simple <- glmer(n ~ f + h + x + (1 | g), d, poisson, control = gtight)
drop <- drop1(simple, test = "Chisq")
tukey <- summary(glht(simple, rbind("fb - fa" = c(0, 1, 0, 0, 0), "fc - fa" = c(0, 0, 1, 0, 0),
  "fc - fb" = c(0, -1, 1, 0, 0))), test = adjusted("single-step", abseps = 1e-7, maxpts = 1e6))
hyp <- linearHypothesis(simple, c("fb = fc", "2*x - hv = 0.3"))
# A likelihood ratio under a linear hypothesis that leaves out no column.
d$bc <- as.integer(d$f != "a")
same <- glmer(n ~ bc + h + x + (1 | g), d, poisson, control = gtight)
out <- list(
  versions = as.list(sapply(c("lme4", "lmerTest", "car", "multcomp"), function(p) as.character(packageVersion(p)))),
  data = as.list(d),
  linear_2 = frame(Anova(lin, type = 2, test.statistic = "Chisq"), c("Chisq", "Df")),
  linear_3 = frame(anova(lin, type = 3, ddf = "Satterthwaite"), c("F value", "NumDF", "DenDF")),
  linear_3_kr = frame(anova(lin, type = 3, ddf = "Kenward-Roger"), c("F value", "NumDF", "DenDF")),
  linear_3_sum = frame(Anova(lin_sum, type = 3)[-1, ], c("Chisq", "Df")),
  # car takes the covariance of the coefficients given the variances; lme4's default is another.
  counts_2 = frame(Anova(poi, type = 2, vcov. = as.matrix(vcov(poi))), c("Chisq", "Df")),
  counts_3 = frame(Anova(poi_sum, type = 3)[-1, ], c("Chisq", "Df")),
  drop = frame(drop[-1, ], c("npar", "AIC", "LRT", "Pr(Chi)")), llf = as.numeric(logLik(simple)),
  tukey = list(p = unname(tukey$test$pvalues), estimate = unname(tukey$test$coefficients),
    quantile = attr(confint(glht(simple, tukey$linfct), abseps = 1e-6)$confint, "calpha")),
  hypothesis = list(chisq = hyp$Chisq[2], df = hyp$Df[2]),
  ratio = list(statistic = 2 * (as.numeric(logLik(simple)) - as.numeric(logLik(same))))
)
write_json(out, "validation/inference/terms.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor")
