# `make` alone lists the targets. None asks a question, and everything that they install goes into .bin/.

# Pinned, so that the same commit has the same findings everywhere.
GOLANGCI_LINT_VERSION := v2.15.0
GOTESTSUM_VERSION     := v1.13.0

BIN           := .bin
NOMADLAB      := $(BIN)/nomadlab
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
GOTESTSUM     := $(BIN)/gotestsum-$(GOTESTSUM_VERSION)
RESULTS       := $(BIN)/results

# The race detector needs cgo, and so a C compiler. Without one the tests run without it, and say so. It leaves out the arithmetic
# of the standard library's cryptography, which shares no memory and takes a fifth of the time of the tests that check clusters.
RACE = $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && echo -race '-gcflags=crypto/internal/fips140/...=-race=false')

.DEFAULT_GOAL := help
.PHONY: help lab down build image test prove bench module lint tidy-check clean check-go chromium

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

image: build ## get the Nomad that labs run; without a registry it is built once, in some minutes
	@echo "==> image: getting Nomad"
	@$(NOMADLAB) image

# Nomad comes first: building it takes longer than a test may. Then the stages: packages, then scenarios with configurations, which
# wait for their clusters much of the time, then the proof. Running more at once is slower: a cluster costs as long as it is up. Each
# line of output names its stage:
#   packages-checking  Tests of packages that check or change whole clusters. Their agents are processes, which cost a third less than
#                      containers.
#   packages-waiting   Tests of packages that mostly wait: for timeouts, and for agents that hang. A timeout is longer on a busy machine,
#                      so many of them wait at once.
#   packages-others    Tests of the other packages.
#   scenarios-ENGINE   The scenarios, one at a time, so that their steps can be read. Those that must fail run in parallel: they mostly
#                      wait for a deadline. A test is skipped only if its engine, its user or its Nomad lacks something.
#                      Those that change a running cluster run here with processes; with containers, those of them that a change of
#                      certificates, gossip keys and ACLs needs. `make prove` runs all of them on each engine, ten times.
#   configurations     The postures of the configurations in fixtures/config are those of their lock files, with containers.
#   proof              Every mutation of the table, carried by an agent of a hardened lab, several to a cluster: exactly its checks fail
#                      there. Every mutation of the hardened configuration is killed. All checks of sound clusters pass.
# Configurations and proof run without the race detector: it multiplies the time of their many TLS handshakes. No test runs go vet,
# because `make lint` does. The sums at the end are those of all tests.
ENGINES  := docker process
PACKAGES := packages-checking packages-waiting packages-others
CLUSTERS := $(ENGINES:%=scenarios-%) configurations
STAGES   := $(PACKAGES) $(CLUSTERS) proof
# The names of tests that bring up many clusters, and only of those.
PROOF := ^TestProof
CHECKING := /(lab/(inspect|load|observe|rehearsal|rollout)|cmd/nomadlab)$$
WAITING := /(lab/(probe|posture|posture/catalogue)|internal/watchdog)$$
# Scenarios of change that run with containers in `make prove` alone, and their wrong twins.
LATER_docker := |^TestChangesCanFail$$|^TestWrongOrdersAreNoticed$$|^TestUpgradesCanFail$$|^TestWayDown$$|^TestVaultRenewalCanFail$$|^TestScenarios$$/^(certificates-before-|certificates-expire-|some-reloads-|gossip-encryption-|plaintext-becomes-|rpc-upgrade-|nomad-is-upgraded-|vault-renews-)
# A package with slow tests starts first, so that it is not the last one running.
LONG := /lab/report$$
test: build $(GOTESTSUM) ## run all tests: the packages, every scenario on each engine, and the proof that every check can fail
	@rm -rf $(RESULTS) && mkdir -p $(RESULTS)
	@$(MAKE) --no-print-directory chromium || echo "==> test: going on; the test of the HTML report will fail" >&2
	@echo "==> test: getting Nomad for the engines $(ENGINES)"
	@for engine in $(ENGINES); do $(NOMADLAB) --engine $$engine image || exit 1; done
	@echo "==> test: $(PACKAGES)$(if $(RACE),,, without the race detector: there is no C compiler)"
	@failed=0; $(MAKE) --no-print-directory -k -j 3 $(PACKAGES) || failed=1; \
	echo "==> test: $(CLUSTERS)"; \
	$(MAKE) --no-print-directory -k -j 3 $(CLUSTERS) || failed=1; \
	echo "==> test: proof"; \
	$(MAKE) --no-print-directory proof || failed=1; \
	echo "==> test: all together (JUnit: .bin/results/junit.xml)"; \
	$(GOTESTSUM) --raw-command --format standard-quiet --junitfile $(RESULTS)/junit.xml -- \
		cat $(STAGES:%=$(RESULTS)/%.json) || failed=1; \
	skipped=$$(cat $(RESULTS)/*.json | grep -c '"Action":"skip","Package":"[^"]*","Test":'); \
	lacking=$$(cat $(RESULTS)/*.json | grep -cE '"Action":"output".*, which (the engine .*|this user|this Nomad|this machine) lacks: '); \
	[ "$$skipped" = 0 ] || echo "==> test: $$skipped skipped, because an engine, a user or a Nomad lacks something, see above"; \
	if [ "$$skipped" != "$$lacking" ]; then \
		echo "make: a test was skipped for another reason, see above" >&2; failed=1; fi; \
	exit $$failed

.PHONY: $(STAGES)
# For pipefail.
$(STAGES): SHELL := bash
$(STAGES): | $(GOTESTSUM)

# stage runs tests: the format of their output, then what is tested. It fails if a test fails, or if no test ran. Only the tests get an
# interrupt, so that their last output is still shown.
stage = set -o pipefail && mkdir -p $(RESULTS) && GITHUB_ACTIONS= $(GOTESTSUM) --format $(1) --format-hide-empty-pkg --hide-summary skipped,failed,output --jsonfile $(RESULTS)/$@.json -- \
	-count=1 -vet=off -timeout 60m $(2) </dev/null 2>&1 | $(named) && \
	{ grep -q '"Action":"pass","Package":"[^"]*","Test":' $(RESULTS)/$@.json || { echo "make: no test passed in $@" >&2; false; }; }
named = (trap '' INT; sed -u 's/^/$@ | /')

packages-checking: export NOMADLAB_ENGINE := process
packages-checking:
	@all=$$(go list ./...) && some=$$(echo "$$all" | grep -E '$(CHECKING)') && \
	$(call stage,pkgname,-p 2 $(RACE) -skip '$(PROOF)' $$some)

packages-waiting:
	@all=$$(go list ./...) && some=$$(echo "$$all" | grep -E '$(WAITING)') && \
	$(call stage,pkgname,-p 4 -parallel 8 $(RACE) -skip '$(PROOF)' $$some)

packages-others:
	@all=$$(go list ./...) && first=$$(echo "$$all" | grep -E '$(LONG)') && \
	rest=$$(echo "$$all" | grep -vE '/scenarios(/|$$)|$(CHECKING)|$(WAITING)|$(LONG)') && \
	$(call stage,pkgname,-p 2 $(RACE) -skip '$(PROOF)' $$first $$rest)

$(ENGINES:%=scenarios-%): scenarios-%:
	@$(call stage,standard-verbose,$(RACE) -parallel 4 -skip '$(PROOF)$(LATER_$*)' ./scenarios -engine $*); status=$$?; \
	sed -i 's|"Package":"\([^"]*\)"|"Package":"\1 ($*)"|' $(RESULTS)/$@.json && exit $$status

proof:
	@$(call stage,testname,-p 2 -run '^TestProof(OfMutations|OfSoundClusters)?$$' ./lab/mutation ./lab/regress ./lab/inspect -engine process); status=$$?; \
	grep -ohE '"Output":" *[0-9]+ (mutations in|of [0-9]+ killed)[^"]*' $(RESULTS)/$@.json | sed 's/"Output":" *//; s/\\n$$//' | $(named); exit $$status

configurations:
	@$(call stage,testname,-run '^TestProofOf(Configurations|Workflow)$$' ./lab/regress -engine $(firstword $(ENGINES)))

prove: SHELL := bash
prove: build ## run the longer proofs: all parts built from their modules, each mutation alone, of one server with each leader, configurations as agents and releases of Nomad read them, sound ones in all forms, sound clusters ten times
	@echo "==> prove: Nomad, Vault and consul-template build from their Go modules (Vault takes a quarter of an hour with empty caches)"
	@go test -count=1 -timeout 80m -run '^TestProofOfParts$$' -v ./lab/image </dev/null
	@echo "==> prove: Vault denies what it must, labs of it pass every check, and every scenario and its wrong twin on each engine (what needs Vault is skipped where it is not built)"
	@$(NOMADLAB) --engine process image --part vault,consul-template
	@go test -count=1 -timeout 80m ./lab/authority/vault/... </dev/null
	@for engine in $(ENGINES); do go test -count=1 -timeout 80m -run 'TestPostureOfEachSource|TestPostureAsPublished|TestALabOfVaultStartsAgain|TestScenarios|TestChangesCanFail|TestWrongOrdersAreNoticed|TestUpgradesCanFail|TestWayDown|TestVaultRenewalCanFail' ./scenarios -engine $$engine </dev/null || exit 1; done
	@echo "==> prove: an older Nomad, which is built, passes the checks that are for it, alone and beside the newest (skipped where it is not built)"
	@for engine in $(ENGINES); do $(NOMADLAB) --engine $$engine image --nomad-version 1.10.5 || exit 1; done
	@for engine in $(ENGINES); do go test -count=1 -timeout 80m -run 'TestOlderVersions' ./lab/inspect -engine $$engine </dev/null || exit 1; done
	@go test -count=1 -timeout 80m -run 'TestEachNodeHasItsVersion' ./lab/labtest </dev/null
	@echo "==> prove: configurations are read as real agents read them (one agent each)"
	@go test -count=1 -timeout 80m -run '^TestProofOfMerging$$' -v ./lab/agentconf </dev/null
	@echo "==> prove: the release of each setting is that of Nomad's sources"
	@go test -count=1 -timeout 80m -run '^TestProofOfReleases$$' -v ./lab/agentconf/model </dev/null
	@echo "==> prove: every mutation in a cluster of its own (processes, several clusters at once): this takes longer than the packed proof"
	@go test -count=1 -timeout 80m -run '^TestProof$$' -v ./lab/mutation -engine process -unpacked </dev/null
	@for engine in $(ENGINES); do \
		echo "==> prove: sound clusters of every form, ten times each ($$engine)"; \
		go test -count=10 -timeout 80m -run '^TestProofOfSoundClusters$$' ./lab/inspect -engine $$engine </dev/null || exit 1; done
	@for engine in $(ENGINES); do \
		echo "==> prove: each change that must lose nothing, ten times one after another ($$engine; what was seen: $(RESULTS)/changes-$$engine.txt)"; \
		mkdir -p $(RESULTS) && set -o pipefail && go test -count=1 -timeout 80m -run '^TestProofOfChanges$$' -v ./scenarios -engine $$engine </dev/null | tee $(RESULTS)/changes-$$engine.txt || exit 1; done
	@for engine in $(ENGINES); do \
		echo "==> prove: Vault renews each certificate three times ($$engine; what was seen: $(RESULTS)/vault-renewal-$$engine.txt)"; \
		mkdir -p $(RESULTS) && set -o pipefail && go test -count=1 -timeout 80m -run '^TestProofOfRenewalByVault$$' -v ./scenarios -engine $$engine </dev/null | tee $(RESULTS)/vault-renewal-$$engine.txt || exit 1; done
	@echo "==> prove: all checks of sound configurations pass, in the forms that people write (processes)"
	@go test -count=1 -timeout 80m -run '^TestProofOfSoundConfigurations$$' -v ./lab/regress -engine process </dev/null
	@echo "==> prove: every mutation of one server, while each server of its cluster leads in turn"
	@go test -count=1 -timeout 80m -run '^TestProofWhoeverLeads$$' -v ./lab/mutation -engine process </dev/null

# The HTML report is tested in a real browser. A headless shell takes half the time. The fonts are for the report's pictures in docs/.
chromium: ## install Chromium, in which the HTML report is tested, if it is missing (as root on Debian)
	@for program in chromium-headless-shell chromium chromium-browser google-chrome; do command -v $$program >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "==> chromium: installing Debian's chromium-headless-shell, in which the HTML report is tested"; \
		apt-get -q update && for program in chromium-headless-shell chromium; do \
			DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $$program fonts-dejavu-core </dev/null && exit 0; done; exit 1; \
	else \
		echo "make: Chromium is missing, in which the HTML report is tested: install it (on Debian: sudo apt-get install chromium-headless-shell)" >&2; exit 1; \
	fi

# The image comes first, as in test: the build of Nomad must not be measured. BENCH has flags for nomadlab-bench;
# `$(BIN)/nomadlab-bench --help` lists them.
bench: image ## measure how fast clusters come up, beside plain scripts, into .bin/bench/ (DOCS=1: and into docs/)
	@go build -trimpath -o $(BIN)/nomadlab-bench ./bench
	@echo "==> bench: ten rounds, five with other sources of certificates, then larger and larger clusters: this takes a quarter of an hour"
	@$(BIN)/nomadlab-bench --out $(BIN)/bench $(if $(DOCS),--docs docs) $(BENCH)

# A module's zip file has all files below MODULE@VERSION/ (go.dev/ref/mod#zip-files), which is what git makes of a commit. The list
# comes last: go looks there first, and finds no version that is not whole.
MODULE_PROXY := $(BIN)/module
module: check-go ## write this commit as a module proxy into .bin/module/, from which `go get` takes it
	@echo "==> module: writing the commit that is checked out; what is not committed is left out"
	@commit="TZ=UTC0 git log -1 --format=%cd --date=format-local" && \
	version=v0.0.0-$$(eval "$$commit:%Y%m%d%H%M%S")-$$(git rev-parse --short=12 HEAD) && \
	module=$$(go list -m) && folder="$(MODULE_PROXY)/$$module/@v" && mkdir -p "$$folder" && \
	git archive --format=zip --prefix="$$module@$$version/" -o "$$folder/$$version.zip" HEAD && \
	git show HEAD:go.mod >"$$folder/$$version.mod" && \
	printf '{"Version":"%s","Time":"%s"}\n' "$$version" "$$(eval "$$commit:%Y-%m-%dT%H:%M:%SZ")" >"$$folder/$$version.info" && \
	echo "$$version" >"$$folder/list" && \
	echo "In your module:" && \
	echo "    export GOPROXY=file://$(abspath $(MODULE_PROXY)),$$(go env GOPROXY) GONOSUMDB=$$module" && \
	echo "    go get -t $$module/lab/labtest@$$version"

lint: check-go $(GOLANGCI_LINT) ## check the code without running it: gofmt, go vet, golangci-lint
	@echo "==> lint: gofmt"
	@unformatted=$$(gofmt -l *.go */); \
	[ -z "$$unformatted" ] || { echo "not formatted, try gofmt -w:"; echo "$$unformatted"; exit 1; } >&2
	@echo "==> lint: go vet"
	@go vet ./...
	@echo "==> lint: golangci-lint $(GOLANGCI_LINT_VERSION)"
	@$(GOLANGCI_LINT) run ./...

tidy-check: check-go ## check that `go mod tidy` would not change go.mod and go.sum
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
