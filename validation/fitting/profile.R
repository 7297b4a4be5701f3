# Profiles of one parameter of a GLMM, by lme4: numbers in tests/fitting/estimation/test_held.py.
library(lme4)
data(cbpp)
f <- glmer(cbind(incidence, size-incidence) ~ period + (1|herd), cbpp, binomial, control=glmerControl(tolPwrss=1e-12))
dv <- update(f, devFunOnly=TRUE)
cat(sprintf("%.10f\n", -2*logLik(f)))
# The devfun at (theta, beta) is minus twice the log-likelihood.
const <- as.numeric(-2*logLik(f)) - dv(c(getME(f,"theta"), fixef(f)))
cat("const", const, "\n")
best <- function(th) { o <- nlminb(fixef(f), function(b) dv(c(th,b)), control=list(rel.tol=1e-15,x.tol=1e-12,iter.max=1000,eval.max=5000)); o <- optim(o$par, function(b) dv(c(th,b)), method="BFGS", control=list(reltol=1e-15,maxit=1000)); c(o$value+const, o$par) }
for (th in c(0.2,0.5,0.9,1.5)) cat(th, sprintf("%.8f", best(th)), "\n")
# profile of period4
i <- 4
bestb <- function(v) { fn <- function(q) { b <- fixef(f); b[-i] <- q[-1]; b[i] <- v; dv(c(abs(q[1]), b)) }; o <- nlminb(c(getME(f,"theta"), fixef(f)[-i]), fn, control=list(rel.tol=1e-15,x.tol=1e-12,iter.max=1000,eval.max=5000)); o<-optim(o$par,fn,method="BFGS",control=list(reltol=1e-15,maxit=1000)); c(o$value+const, o$par) }
for (v in c(-2.5,-1.5,-0.5)) cat(v, sprintf("%.8f", bestb(v)), "\n")
print(packageVersion("lme4"))
