# The targets that people and CI use. `make` alone lists them.

STUDENT   ?= ./student
SPEC      ?= truman_container
ISOLATION ?= auto
ARGS      ?=
N         ?= 20
FUZZTIME  ?= 30s
GO        ?= go
PREFIX    := bin

# One word for the shell, whatever the folder's name; a ~/ at its beginning stays the home.
FOLDER = '$(subst ','\'',$(if $(filter ~/%,$(firstword $(STUDENT))),$(patsubst ~/%,$(HOME)/%,$(STUDENT)),$(STUDENT)))'

# What submissions may import has to be there before the first is built: they
# are built without a network.
LIBRARIES := golang.org/x/net golang.org/x/sys github.com/vishvananda/netlink github.com/vishvananda/netns

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# In kernel rooms goroutines are bound to threads that change namespaces, and
# the sandbox's own tests fork: there the race detector gets in the way.
RACE_PACKAGES := ./grader/report/... ./grader/run/... ./grader/sandbox/fake/... ./grader/agent/...

# `check` goes from what is quick to what is slow, and its tests look at the whole
# machine: -j of a user's MAKEFLAGS is not meant for it.
.NOTPARALLEL:

.DEFAULT_GOAL := help
.PHONY: help grade demo build test check format lint vet race tidy tree bench soak fuzz chaos clean verify stress vm tiers clones gradescope endure soak-hostile machines

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

grade: build ## grade STUDENT=./student [SPEC= ISOLATION= ARGS=]
	@$(PREFIX)/moulinette grade --spec $(SPEC) --isolation $(ISOLATION) $(ARGS) $(FOLDER)

vm: build ## find or fetch a kernel and keep a booted virtual machine [ARGS=]
	@$(PREFIX)/moulinette vm build $(ARGS)

gradescope: build ## make bin/autograder.zip for Gradescope [SPEC= ISOLATION= ARGS=]
	@$(GO) run ./grader/cmd/autograder -bin $(PREFIX) -o $(PREFIX)/autograder.zip -libraries "$(LIBRARIES)" \
		-- --spec $(SPEC) --isolation $(ISOLATION) $(ARGS)
	@ls -sh $(PREFIX)/autograder.zip

DEMOS := $(if $(filter command line environment,$(origin STUDENT)),$(FOLDER),./reference ./reference/c17)

demo: build ## run the demo session with ./reference and ./reference/c17, or with STUDENT=
	@for dir in $(DEMOS); do $(PREFIX)/moulinette demo --isolation $(ISOLATION) "$$dir" || exit; done

build: ## build bin/moulinette and bin/moulinette-agent
	@$(GO) mod download $(LIBRARIES)
	@CGO_ENABLED=0 $(GO) build -trimpath -o $(PREFIX)/moulinette ./grader/cmd/moulinette
	@CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags "-s -w" -o $(PREFIX)/moulinette-agent ./grader/cmd/agent

# A pipe fails if any of its commands does.
test: SHELL       := bash
test: .SHELLFLAGS := -o pipefail -c
test: ## run every test, and count those that this host skips
	@$(GO) test -count=1 -timeout 30m -json $$($(GO) list ./grader/sandbox/vm) $$($(GO) list ./... | grep -v '/tests\(/\|$$\)\|/sandbox/vm$$') | $(GO) run ./tests/summary  # the longest first
	@$(GO) test -count=1 -timeout 30m -p 1 -json ./tests/... | $(GO) run ./tests/summary  # one after another: they look at the whole machine

check: format lint vet test race tidy verify tree ## all that CI checks

format: ## show what gofumpt and goimports would change
	$(GO) run $(GOLANGCI) fmt --diff

lint: ## run the linters
	$(GO) run $(GOLANGCI) run

vet:
	$(GO) vet ./...
	GOARCH=arm64 $(GO) vet ./...

race: ## run the tests that the race detector can follow
	CGO_ENABLED=1 $(GO) test -race -count=1 $(RACE_PACKAGES)

tidy:
	$(GO) mod tidy -diff

tree: ## in CI: nothing may have changed
	@if [ "$${CI:-}" = true ] && [ -n "$$(git status --porcelain)" ]; then \
		git status --short; echo "the checks changed the tree" >&2; exit 1; fi

bench: build ## measure, as ratios
	$(GO) test -run '^$$' -bench . -benchtime 200x ./grader/sandbox/ns ./grader/observe
	$(GO) test -run '^$$' -bench . -benchtime 3x ./tests
	$(GO) test -run '^$$' -bench . -benchtime 10x ./grader/sandbox/vm

tiers: ## grade the reference in namespaces and in machines, whole: the verdicts must agree
	MOULINETTE_WHOLE=1 $(GO) test -count=1 -v -timeout 60m -run 'TestTiersAgree|TestLockedUser' ./tests

clones: ## run N=1000 machines in a row: none may hang
	MOULINETTE_CLONES=$(if $(filter command line environment,$(origin N)),$(N),1000) $(GO) test -count=1 -v -timeout 120m -run TestManyClones ./grader/sandbox/vm

soak-hostile: ## play N=20 hostile and honest scenarios mixed, as root and as ordinary users [SEED=]; N=10000 is what we mean
	$(GO) test -count=1 -v -timeout 4h -run TestSoak ./tests/hostile -soak $(N) $(if $(SEED),-soak-seed $(SEED))

machines: ## play all cheats and hostile programs in virtual machines, reused ones and fresh ones
	MOULINETTE_WHOLE=1 $(GO) test -count=1 -p 1 -v -timeout 4h -run InMachines ./tests/cheats ./tests/hostile

soak: build ## grade the reference N=20 times in a row and 8 side by side
	@bash tests/soak.sh $(PREFIX)/moulinette $(N)

endure: ## open and close N boxes in one agent: nothing may be left in it
	ENDURE=$(N) $(GO) test -count=1 -timeout 3h -run TestBoxesLeakNothing -v ./grader/sandbox/ns

verify: build ## grade the grader: reference, alternatives, mutants, skeleton [ARGS=]
	@$(PREFIX)/moulinette verify --isolation $(ISOLATION) $(ARGS)

stress: build ## verify under three kinds of load, and N=20 times in a row: no verdict may change
	@bash tests/stress.sh $(PREFIX)/moulinette $(N)

chaos: ## kill our own processes N=300 times: right verdict or exit 3, nothing left
	CHAOS=$(if $(filter command line environment,$(origin N)),$(N),300) $(GO) test -count=1 -timeout 0 -v -run '^TestChaos$$' ./tests

fuzz: ## run each fuzz test for FUZZTIME=30s
	@grep -rlE '^func Fuzz' --include='*_test.go' grader | while read -r file; do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9]*)\(.*/\1/p' "$$file"); do \
			echo "$$name ($$file)"; \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "./$$(dirname "$$file")" </dev/null || exit 1; \
		done; done

clean: ## remove what was built
	rm -rf $(PREFIX)
