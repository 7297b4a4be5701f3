# Predictions of glmmTMB with standard errors, written to predictions.json beside this file.
# Rows at the conditional modes, for the population, for a level that was never seen, and the parts
# of a zero-inflated model.
#
#   Rscript validation/reference/predictions.R
library(glmmTMB)
library(lme4) # its data
library(jsonlite)

tight <- glmmTMBControl(
  optimizer = optim, optArgs = list(method = "BFGS"), optCtrl = list(reltol = 1e-15, maxit = 1000)
)
keep <- function(found, some = seq_along(found$fit)) {
  list(fit = unname(found$fit)[some], se = unname(found$se.fit)[some])
}
first <- 1:12

binomial <- glmmTMB(
  cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial, control = tight
)
periods <- data.frame(period = factor(1:4), herd = NA, incidence = 0, size = 1)
linear <- glmmTMB(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
unseen <- data.frame(Days = c(0, 5, 9), Subject = factor("nobody"))
inflated <- glmmTMB(
  count ~ mined + cover + (1 | site), Salamanders, nbinom2,
  ziformula = ~mined, dispformula = ~DOY, control = tight
)
types <- c("response", "conditional", "zprob", "disp", "link")
salamanders <- lapply(types, function(type) {
  keep(predict(inflated, type = type, se.fit = TRUE), first)
})
names(salamanders) <- types
out <- list(
  versions = list(
    R = as.character(getRversion()), glmmTMB = as.character(packageVersion("glmmTMB"))
  ),
  cbpp = list(
    logLik = as.numeric(logLik(binomial)),
    link = keep(predict(binomial, type = "link", se.fit = TRUE)),
    response = keep(predict(binomial, type = "response", se.fit = TRUE)),
    population = keep(predict(binomial, periods, type = "link", re.form = NA, se.fit = TRUE))
  ),
  sleepstudy = list(
    logLik = as.numeric(logLik(linear)),
    modes = keep(predict(linear, se.fit = TRUE)),
    unseen = keep(predict(linear, unseen, se.fit = TRUE, allow.new.levels = TRUE))
  ),
  salamanders = c(list(logLik = as.numeric(logLik(inflated))), salamanders)
)
file <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
write(
  toJSON(out, digits = NA, auto_unbox = TRUE, pretty = TRUE),
  file.path(dirname(file), "predictions.json")
)
