# What a change must pass. Needs Go, make, git and a C compiler (for -race); targets that need more say so.

SHELL      := bash
.SHELLFLAGS := -euo pipefail -c
GO         ?= go
FUZZTIME   ?= 10s
BENCHCOUNT ?= 6

# Every module stands alone: there is no go.work, each replaces wsrouter by the tree it lies in.
# -buildvcs=false: a build must not depend on what git thinks of the tree it is in.
export GOWORK    := off
export GOFLAGS   += -buildvcs=false
# A process under the race detector sleeps for a second before it ends, and tests start hundreds.
export GORACE    ?= atexit_sleep_ms=0
# Found, not listed: a module that is added is tested without a line here.
BROWSER := internal/compat/browser
MODULES := $(sort $(patsubst ./%,%,$(patsubst %/,%,$(dir $(shell find . -name go.mod -not -path '*/node_modules/*' -not -path '*/testdata/*')))))
TESTED  := $(filter-out $(BROWSER),$(MODULES))
# What other people's code says about ours, in one goroutine: not under the race detector, for which that code would be built once more, for minutes.
PLAIN   := internal/compat internal/compat/oapi $(BROWSER)

# each runs a command in modules, with $$race as theirs, and sets $$rc if one fails: modules, what it is, command.
each = rc=0; for m in $1; do race=-race; case " $(PLAIN) " in *" $$m "*) race=;; esac; echo "$2 $$m"; (cd $$m && $3) || rc=1; done

# Installed by version, so that it stands in nobody's module graph.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help test fmt vet staticcheck unit fuzz mutants chaos chaos-bugs bench performance proxies browser page lint-docs golden

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

test: fmt vet staticcheck unit ## everything that needs no browser and no node

fmt: ## fail on files that gofmt would change
	@out=$$(gofmt -l .); [ -z "$$out" ] || { echo "gofmt -w these:"; echo "$$out"; exit 1; }

# -race here too: packages built for vet and staticcheck are then those that the tests need, and nothing is built twice.
vet: ## go vet in every module
	@$(call each,$(MODULES),vet,$(GO) vet $$race ./...); exit $$rc

staticcheck: bin/staticcheck ## staticcheck in every module
	@$(call each,$(MODULES),staticcheck,GOGC=400 GOFLAGS="$$GOFLAGS $$race" $(CURDIR)/bin/staticcheck ./...); exit $$rc

bin/staticcheck: Makefile # which names the version
	GOBIN=$(CURDIR)/bin $(GO) install $(STATICCHECK)
	@touch $@

unit: ## every test of every module, but the browser's; `make vet` stands before it
	@$(call each,$(TESTED),test,$(GO) test $$race -vet=off -shuffle=on -timeout 20m ./...); \
	  echo "without -race, of which a part ran with it"; $(GO) test -vet=off -run 'TestOverruns|TestConformance|TestModel' . ./broker ./internal/wsconn ./internal/presence || rc=1; \
	  (cd broker/natsbroker && $(GO) test -vet=off -run 'TestEmbedded|TestServerProcess/many_topics' .) || rc=1; \
	  echo "without -race, what hostile inputs cost"; $(GO) test -vet=off ./internal/hostile || rc=1; exit $$rc

FUZZDIR ?= .
FUZZJOBS ?= 1
fuzz: ## each fuzz target for FUZZTIME, below FUZZDIR; FUZZJOBS of them beside each other
	@for d in $$(grep -rlE '^func Fuzz' --include='*_test.go' $(FUZZDIR) | xargs -r -n1 dirname | sort -u); do \
	  (cd $$d && $(GO) test -fuzz=. -c -o /dev/null . && $(GO) test -list '^Fuzz' . | sed -n "s|^Fuzz|$$d &|p"); \
	done | GO=$(GO) PARALLEL=$$((($$(getconf _NPROCESSORS_ONLN) + $(FUZZJOBS) - 1) / $(FUZZJOBS))) xargs -r -P $(FUZZJOBS) -L 1 bash -c 'echo "fuzz $$0 $$1"; cd "$$0" && exec $(CURDIR)/.ci/fuzz "$$1" $(FUZZTIME)'

mutants: ## plant deviations from the RFCs, a few minutes; prints which conformance case catches each
	$(GO) test ./internal/wsconn -count=1 -timeout 60m -run 'TestMutants$$' -mutants -v | \
	  sed -nE 's/^ +mutants_test.go:[0-9]+: (.*)/\1/p; /--- FAIL|^ok|^FAIL/p'

CHAOS ?= -time 3m
chaos: ## rooms over three nodes and NATS while everything fails, 3 minutes; CHAOS="-seed 7 -time 30m" for another storm
	cd internal/chaos && $(GO) run . soak $(CHAOS)

chaos-bugs: ## the same with each of three bugs planted, which has to turn it red, 10 minutes
	cd internal/chaos && $(GO) run . bugs

bench: ## CPU and latency beside other libraries, BENCHCOUNT rounds: medians and ratios
	cd internal/bench && $(GO) run . -count $(BENCHCOUNT) echo-1 echo-16 latency broadcast

performance: ## all of internal/bench, over an hour on a quiet machine, into docs/performance.md; JOBS="echo-1 latency" for some of it
	cd internal/bench && $(GO) run . -table $(JOBS)

proxies: ## the proxy recipes of docs/scaling.md against two nodes, two minutes; writes what held into it (needs nginx, haproxy and caddy)
	cd internal/deploy && $(GO) run . -table nginx haproxy caddy

browser: $(BROWSER)/node_modules/installed ## the chat, the docs page and other viewers in a headless Chromium, which must be installed (needs npm for axe-core and the viewers)
	[ -f apidoc/page/node_modules/axe-core/axe.min.js ] || npm ci --prefix apidoc/page --ignore-scripts --no-audit --no-fund --loglevel=error
	cd $(BROWSER) && $(GO) test -vet=off -count=1 -parallel 4 -timeout 20m ./...

$(BROWSER)/node_modules/installed: $(BROWSER)/viewers.sha512 .ci/viewers
	.ci/viewers
	touch $@

page: ## build the docs page's script and hold its engine against the Go engine's verdicts (needs node and npm)
	.ci/page

ROUTERS ?= 200
lint-docs: ## the documents, those of ROUTERS random routers too, under Redocly and AsyncAPI's parser (needs node and npm)
	ROUTERS=$(ROUTERS) .ci/lint-docs

golden: ## rewrite the golden files; read the diff before you commit it
	@rc=0; for m in $(TESTED); do \
	  for d in $$(cd $$m && $(GO) list -f '{{.Dir}}' ./...); do \
	    ! grep -qsE 'flag.Bool\("update"|golden\.File' $$d/*_test.go || (cd $$d && $(GO) test . -update) || rc=1; \
	  done; \
	done; exit $$rc
