# What can be done here. `make` alone tells. Nothing asks a question, and everything that is installed goes into .bin/.

# Pinned, so that the same commit has the same findings everywhere.
GOLANGCI_LINT_VERSION := v2.15.0
GOTESTSUM_VERSION     := v1.13.0

BIN           := .bin
NOMADLAB      := $(BIN)/nomadlab
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
GOTESTSUM     := $(BIN)/gotestsum-$(GOTESTSUM_VERSION)
RESULTS       := $(BIN)/results

# The race detector needs cgo, and so a C compiler. Without one the tests run all the same, and say that it is off.
RACE = $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && echo -race)

.DEFAULT_GOAL := help
.PHONY: help lab down build image test prove bench lint tidy-check clean check-go chromium

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1@\2/p' $(MAKEFILE_LIST) | awk -F@ '{ printf "%-18s %s\n", $$1, $$2 }'

lab: build ## bring up a lab: three servers, two clients
	@echo '==> lab: bringing up a lab (nomadlab is in .bin: export PATH="$$PWD/.bin:$$PATH")'
	@$(NOMADLAB) up

down: build ## remove that lab
	@echo "==> down: removing the lab"
	@$(NOMADLAB) down lab

build: check-go ## build the command into .bin/
	@echo "==> build: building nomadlab into .bin/"
	@go build -trimpath -o $(NOMADLAB) ./cmd/nomadlab

image: build ## get the Nomad that labs run; without a registry it is built once, which takes minutes
	@echo "==> image: getting Nomad"
	@$(NOMADLAB) image

# Nomad comes first: building it takes longer than a test may. Then the packages, four side by side, as their
# tests mostly wait. The scenarios come after them, on each engine one at a time, so that their steps can be read; one that needs
# what an engine lacks is skipped there, and nothing else may be. The proof comes last: every mutation of the table
# is carried by an agent of a hardened lab, several to a cluster, and exactly its checks fail there; then the configurations of
# fixtures/config are checked, and each mutation of the hardened one is killed. The race detector would multiply the time of
# the proof's many TLS handshakes. `make lint` runs go vet, so that no test does. The sums at the end are those of all tests together.
ENGINES := docker process
# Tests that bring up many clusters, and only those, are named so. What a configuration lets in is written down as containers
# show it; mutations are carried by processes, as far as they may run without containers.
PROOF := ^TestProof
# Packages whose tests wait longest come first, so that at the end nobody waits for them alone.
SLOW := /lab/(inspect|probe|watchdog)$$|/cmd/nomadlab$$
test: build $(GOTESTSUM) ## run all tests: the packages, every scenario on each engine, and the proof that every check can fail
	@rm -rf $(RESULTS) && mkdir -p $(RESULTS)
	@$(MAKE) --no-print-directory chromium || echo "==> test: going on; the test of the HTML report will fail" >&2
	@echo "==> test: getting Nomad for the engines $(ENGINES)"
	@for engine in $(ENGINES); do $(NOMADLAB) --engine $$engine image || exit 1; done
	@echo "==> test: the packages $(or $(RACE:-race=with the race detector),without the race detector: there is no C compiler)"
	@failed=0; packages=$$(go list ./...) || exit 1; \
	$(GOTESTSUM) --format pkgname --format-hide-empty-pkg --hide-summary skipped,failed,output --jsonfile $(RESULTS)/packages.json -- \
		-count=1 -vet=off -timeout 60m -p 4 $(RACE) -skip '$(PROOF)' $$(echo "$$packages" | grep -E '$(SLOW)') $$(echo "$$packages" | grep -vE '/scenarios(/|$$)|$(SLOW)') </dev/null || failed=1; \
	echo "==> test: the scenarios, each on a fresh cluster, on the engines $(ENGINES) side by side"; \
	$(MAKE) --no-print-directory -k -j $(words $(ENGINES)) $(ENGINES:%=scenarios-%) || failed=1; \
	echo "==> test: the proof: every check seen to fail, and every mutation of a configuration killed (processes, several clusters at once)"; \
	$(GOTESTSUM) --format testname --hide-summary skipped,failed,output --jsonfile $(RESULTS)/proof.json -- \
		-count=1 -vet=off -timeout 60m -p 2 -run '^TestProof(OfMutants)?$$' ./lab/mutation ./lab/regress -engine process </dev/null || failed=1; \
	echo "==> test: what the configurations of fixtures/config let in, each on a cluster of its own"; \
	$(GOTESTSUM) --format testname --hide-summary skipped,failed,output --jsonfile $(RESULTS)/configurations.json -- \
		-count=1 -vet=off -timeout 60m -run '^TestProofOf(Configurations|Workflow)$$' ./lab/regress -engine $(firstword $(ENGINES)) </dev/null || failed=1; \
	grep -ohE '"Output":" *[0-9]+ (mutations in|of [0-9]+ killed)[^"]*' $(RESULTS)/proof.json | sed 's/"Output":" */    /; s/\\n$$//'; \
	echo "==> test: all together (JUnit: .bin/results/junit.xml)"; \
	$(GOTESTSUM) --raw-command --format standard-quiet --junitfile $(RESULTS)/junit.xml -- \
		cat $(RESULTS)/packages.json $(ENGINES:%=$(RESULTS)/scenarios-%.json) $(RESULTS)/proof.json $(RESULTS)/configurations.json || failed=1; \
	skipped=$$(cat $(RESULTS)/*.json | grep -c '"Action":"skip","Package":"[^"]*","Test":'); \
	lacking=$$(cat $(RESULTS)/*.json | grep -cE '"Action":"output".*, which (the engine .*|this user|this Nomad) lacks: '); \
	[ "$$skipped" = 0 ] || echo "==> test: $$skipped skipped: what an engine, a user or a Nomad lacks is not proved, see above"; \
	if [ "$$skipped" != "$$lacking" ]; then \
		echo "make: a test was skipped for another reason than what an engine lacks, see above" >&2; failed=1; fi; \
	exit $$failed

# A scenario waits for its cluster most of the time, so that the engines take no longer side by side than the slower one.
scenarios-%:
	@{ $(GOTESTSUM) --format standard-verbose --hide-summary skipped,failed,output --jsonfile $(RESULTS)/scenarios-$*.json -- \
		-count=1 -vet=off -timeout 60m $(RACE) -parallel 1 ./scenarios -engine $* </dev/null || touch $(RESULTS)/failed-$*; } 2>&1 | awk '{ print "$* | " $$0; fflush() }'
	@sed -i 's|"Package":"\([^"]*\)"|"Package":"\1 ($*)"|' $(RESULTS)/scenarios-$*.json
	@[ ! -e $(RESULTS)/failed-$* ]

prove: build ## prove what takes longer: each mutation alone, of one server whoever leads, configurations as agents read them, sound clusters ten times
	@echo "==> prove: what configurations say, as real agents say it (one agent each)"
	@go test -count=1 -timeout 80m -run '^TestProofOfMerging$$' -v ./lab/agentconf </dev/null
	@echo "==> prove: every mutation in a cluster of its own (processes, several clusters at once): this takes longer than the packed proof"
	@go test -count=1 -timeout 80m -run '^TestProof$$' -v ./lab/mutation -engine process -unpacked </dev/null
	@for engine in $(ENGINES); do \
		echo "==> prove: sound clusters of every form, ten times each ($$engine)"; \
		go test -count=10 -timeout 80m -run '^TestSoundClusters$$' ./lab/inspect -engine $$engine </dev/null || exit 1; done
	@echo "==> prove: every mutation of one server, while each server of its cluster leads in turn"
	@go test -count=1 -timeout 80m -run '^TestProofWhoeverLeads$$' -v ./lab/mutation -engine process </dev/null

# The HTML report is tested in a real browser, as its readers have one. The fonts are for its pictures in docs/.
chromium: ## see to a Chromium, which the HTML report is tested in; as root on Debian it is installed
	@for program in chromium chromium-browser google-chrome; do command -v $$program >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "==> chromium: installing Debian's chromium, which the HTML report is tested in"; \
		apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends chromium fonts-dejavu-core </dev/null; \
	else \
		echo "make: there is no Chromium, and the HTML report is tested in one: install it (on Debian: sudo apt-get install chromium)" >&2; exit 1; \
	fi

# The image comes first, as in test: no clock may run while Nomad is built. BENCH has flags for it; `$(BIN)/nomadlab-bench
# --help` lists them.
bench: image ## measure how fast clusters come up, beside plain scripts, into .bin/bench/ (DOCS=1: and into docs/)
	@go build -trimpath -o $(BIN)/nomadlab-bench ./bench
	@echo "==> bench: ten rounds, then larger and larger clusters: this takes a quarter of an hour"
	@$(BIN)/nomadlab-bench --out $(BIN)/bench $(if $(DOCS),--docs docs) $(BENCH)

lint: check-go $(GOLANGCI_LINT) ## look for faults without running anything: gofmt, go vet, golangci-lint
	@echo "==> lint: gofmt"
	@unformatted=$$(gofmt -l *.go */); \
	[ -z "$$unformatted" ] || { echo "not formatted, try gofmt -w:"; echo "$$unformatted"; exit 1; } >&2
	@echo "==> lint: go vet"
	@go vet ./...
	@echo "==> lint: golangci-lint $(GOLANGCI_LINT_VERSION)"
	@$(GOLANGCI_LINT) run ./...

tidy-check: check-go ## see whether go.mod and go.sum are what `go mod tidy` would make them
	@echo "==> tidy-check: go.mod and go.sum"
	@go mod tidy -diff
	@go mod verify

clean: ## remove what make built and installed; labs and images stay
	@echo "==> clean: removing .bin/"
	@rm -rf $(BIN)

check-go:
	@command -v go >/dev/null || { echo "make: there is no go command: install Go $$(sed -n 's/^go //p' go.mod) or later" >&2; exit 1; }
	@need=$$(sed -n 's/^go //p' go.mod); have=$$(go env GOVERSION | sed 's/^go//'); \
	[ "$$(printf '%s\n' "$$need" "$$have" | sort -V | head -n 1)" = "$$need" ] || \
	{ echo "make: this is Go $$have: install Go $$need or later" >&2; exit 1; }

$(GOTESTSUM): | check-go
	@echo "==> installing gotestsum $(GOTESTSUM_VERSION) into .bin/ (once, less than a minute)"
	@GOBIN="$(CURDIR)/$(BIN)" GOFLAGS= go install gotest.tools/gotestsum@$(GOTESTSUM_VERSION)
	@mv $(BIN)/gotestsum $@

$(GOLANGCI_LINT): | check-go
	@echo "==> installing golangci-lint $(GOLANGCI_LINT_VERSION) into .bin/ (once: it is built from source, which takes minutes)"
	@GOBIN="$(CURDIR)/$(BIN)" GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@mv $(BIN)/golangci-lint $@
