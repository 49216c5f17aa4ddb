# What a change to flowpub needs; `make help` lists the targets.
#
# run and test need Go, make, git, curl and jq only. The other targets fetch their tools,
# pinned here, into .bin; Go's own generator comes from go.mod (`go tool`).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory --warn-undefined-variables

BUF_VERSION := v1.75.0
GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
GOTESTSUM_VERSION := v1.13.0
# From npm, with the hash of its file axe.min.js.
AXE_VERSION := 4.14.1
AXE_SHA256 := 29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
# nfpm from v2.45 on needs modules that the module proxy does not have.
NFPM_VERSION := v2.44.1
CYCLONEDX_VERSION := v1.10.0
HELM_VERSION := v3.20.2
ACTIONLINT_VERSION := v1.7.12
# Of the workflow that releases only.
COSIGN_VERSION := v3.1.3

# More flags for `go test`, and for the program that `make run` starts.
TESTFLAGS ?=
RUNFLAGS ?=
# Which target `make test-report` runs.
OF ?= test
# How long `make fuzz` spends on a target, and on how many at the same time.
FUZZTIME ?= 60s
FUZZJOBS ?= 2
# Which benchmarks `make bench` runs, and how often.
BENCH ?= .
BENCHCOUNT ?= 6
# Older releases of Apache Kafka, and what `make test-kafka-older` tests with them:
# delivery, codecs, idempotence, security.
KAFKA_OLDER ?= 4.0.2 3.9.2
KAFKA_SUBSET := TestOneBroker/CodecsAndAcks TestOneBroker/TopicCreatedByPublisher TestOneBroker/SmallMessages \
	TestThreeBrokers/LeaderKilled TestRestartedBrokerKnowsBatch TestSecuredBroker/ProducerForgotten \
	TestSecuredBroker/Plain TestSecuredBroker/ScramSHA512 TestSecuredBroker/OAuthTokenFile \
	TestSecuredBroker/OAuthClientCredentials TestSecuredBroker/MutualTLS TestSecuredBroker/WrongPassword
# What `make bench-e2e` measures: see docs/benchmarks.md. Lists are separated by
# commas. VERSUS is another collector's command line, BENCHFLAGS more flags.
TRAFFIC ?= v5
RATE ?= 100000,900000,max
CODEC ?= none,snappy,lz4,zstd,zstd-fast
PARTITIONS ?= 16
EXPORTERS ?= 16
DURATION ?= 10s
RUNS ?= 5
VERSUS ?=
BENCHFLAGS ?=
# What `make lint` compares the messages' definitions with: a commit; empty means the
# last release, or the commit before.
BREAKING_AGAINST ?=
RELEASE = $(shell git describe --tags --abbrev=0 --match 'v*' 2>/dev/null)
LAST_RELEASE = $(or $(RELEASE),$(shell git rev-parse -q --verify HEAD~1))
# Until there is a release nobody has generated code from them, so the options for
# Java, which no byte depends on, may still change: docs/decisions/0023-fields.md.
BREAKING_CONFIG = $(if $(RELEASE),,--config buf.unreleased.yaml)
# Where `make release` pushes images and chart.
REGISTRY ?=
VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)

# promtool is that of Debian, since to build it takes 15 minutes; PROMTOOL=/path/promtool is yours.
PROMTOOL ?= .bin/promtool
PROMETHEUSRULE := deploy/kubernetes/components/monitoring/prometheusrule.yaml

BUF := .bin/buf-$(BUF_VERSION)/buf
GOLANGCI_LINT := .bin/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint
GOVULNCHECK := .bin/govulncheck-$(GOVULNCHECK_VERSION)/govulncheck
PYTHON_REQUIREMENTS := $(wildcard examples/*/requirements.txt) test/examples/requirements.txt
APICURIO_VERSION := 3.3.3
APICURIO := .cache/apicurio-$(APICURIO_VERSION)
PYTHON := .cache/python-$(shell cat $(PYTHON_REQUIREMENTS) | cksum | cut -d ' ' -f 1)
GOTESTSUM := .bin/gotestsum-$(GOTESTSUM_VERSION)/gotestsum
AXE := .bin/axe-core-$(AXE_VERSION)/axe.min.js
NFPM := .bin/nfpm-$(NFPM_VERSION)/nfpm
CYCLONEDX := .bin/cyclonedx-gomod-$(CYCLONEDX_VERSION)/cyclonedx-gomod
HELM := .bin/helm-$(HELM_VERSION)/helm
ACTIONLINT := .bin/actionlint-$(ACTIONLINT_VERSION)/actionlint
COSIGN := .bin/cosign-$(COSIGN_VERSION)/cosign
# What deploy/release/build.sh builds with.
RELEASE_TOOLS = NFPM=$(CURDIR)/$(NFPM) CYCLONEDX=$(CURDIR)/$(CYCLONEDX) BUF=$(CURDIR)/$(BUF)

# The race detector needs a C compiler; Go turns cgo off when there is none.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
# Packages whose tests push full load, which the race detector would slow down
# about tenfold. Every line of code they run is raced by its own package's tests.
LOADED := ./internal/e2e/...

# One of them reads what the kernel counts for all programs, so nothing else runs meanwhile.
ALONE := ^TestTerminateUnderLoad$$
# They take the longest, so they start first.
LONGEST := ./publisher ./test/bench ./publisher/batch ./internal/templates ./decoder/template
# What computes leaves a processor at once to what is under load.
YIELDING := nice -n 5

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | \
		while IFS=$$'\t' read -r target text; do printf '  %-15s %s\n' "$$target" "$$text"; done

# Built first: after Ctrl-C go run has the status 1, whatever the program's is.
.PHONY: run
run: ## Run it all in one process: broker, collector, exporters, printed flows
	go build -o .bin/ ./cmd/flowdemo
	@.bin/flowdemo $(RUNFLAGS)

# Tests that take long are left out, as are the packages with full load. Most of the
# others wait for somebody, so more of them run at a time than there are processors.
.PHONY: check
check: ## Build, vet and run the short tests, in half a minute: for every edit
	go build ./...
	go vet ./...
	go test -short -vet off -p 4 -parallel 8 $(TESTFLAGS) $$(go list ./... | grep -vFx "$$(go list $(LOADED))")

# What is under load waits most of the time, and what the race detector watches computes:
# they run together. All of it runs, whatever fails.
.PHONY: test
test: ## Test everything that needs no other service, in three minutes
	@$(MAKE) -k -j 2 test-race test-load test-whole
	go test $(TESTFLAGS) -count 1 -run '$(ALONE)' $(LOADED)

.PHONY: test-race
test-race:
	$(if $(RACE),,@echo 'no C compiler: testing without the race detector' >&2)
	$(YIELDING) go test -timeout 20m -p 4 $(RACE) $(TESTFLAGS) $(LONGEST) $$(go list ./... | grep -vFx "$$(go list $(LOADED))")
	$(YIELDING) go test $(RACE) $(TESTFLAGS) -tags portable ./listener

.PHONY: test-load
test-load:
	go test $(TESTFLAGS) -count 1 -timeout 15m -parallel 8 -skip '$(ALONE)' $(LOADED)

# Of what computes a lot the race detector watches a few cases only: testwait.Few says so.
# Here all run without it.
.PHONY: test-whole
test-whole:
	@files=$$(grep -rl --include='*_test.go' --exclude-dir='.?*' --exclude-dir=testwait 'testwait\.Few' .); \
		names=$$(awk '/^func / { split($$2, name, "(") } \
			/testwait\.Few/ { if (name[1] !~ /^Test/) { print FILENAME ": call it in the test itself: " $$0 >"/dev/stderr"; exit 1 }; print name[1] }' \
			$$files | sort -u | paste -sd '|' -); \
		$(YIELDING) go test $(TESTFLAGS) -count 1 -run "^($$names)$$" $$(dirname $$files | sort -u)

# A skipped test proves nothing: here it counts as failed. OF is the target that tests.
.PHONY: test-report
test-report: $(GOTESTSUM) ## Run the tests of target OF, briefly reported, and refuse skipped ones
	@log=$$(mktemp); trap 'rm "$$log"' EXIT; \
		$(GOTESTSUM) --format pkgname-and-test-fails --hide-summary skipped --jsonfile "$$log" \
			--ignore-non-json-output-lines --raw-command -- $(MAKE) -s $(OF) TESTFLAGS=-json; \
		! grep '"Action":"skip".*"Test":' "$$log" || { echo 'these tests were skipped; CI needs them all' >&2; exit 1; }

.PHONY: test-kafka
test-kafka: ## Test with a real Apache Kafka (Java, Maven, kcat, lz4; or KAFKA_BROKERS)
	@counts=$$(mktemp); trap 'sort "$$counts" >&2; rm "$$counts"' EXIT; \
		KAFKA_COUNTS=$$counts go test -tags kafka -count 1 -timeout 15m -parallel 4 $(TESTFLAGS) ./test/kafka/...

.PHONY: test-examples
test-examples: examples-tools ## Run the examples against a real Apache Kafka (Java, Maven, Python 3, kcat, protoc)
	APICURIO=$(CURDIR)/$(APICURIO) PATH=$(CURDIR)/$(PYTHON)/bin:$(CURDIR)/$(dir $(BUF)):$$PATH go test -tags examples -count 1 -timeout 10m $(TESTFLAGS) ./test/examples/

.PHONY: test-flink
test-flink: ## Run the example for Flink, which is heavy, against a real Apache Kafka (Java, Maven)
	@test/kafka/kafka.sh fetch >&2
	mvn --quiet --batch-mode -Dstyle.color=never -Dmaven.repo.local=.cache/maven --file examples/flink package >&2
	go test -tags flink -count 1 -timeout 10m $(TESTFLAGS) ./test/examples/

# On two processors that have nothing else to do it takes five minutes.
.PHONY: scaleout
scaleout: consumers-tools ## Measure what 1, 2, 3 consumers of the examples take (Java, Maven, Python 3)
	@PATH=$(CURDIR)/$(PYTHON)/bin:$$PATH examples/scaleout.sh

# What the examples need, as their READMEs say; Python's is in one place for all.
.PHONY: examples-tools
examples-tools: consumers-tools $(BUF) $(APICURIO)

.PHONY: consumers-tools
consumers-tools: $(PYTHON)
	@test/kafka/kafka.sh fetch >&2
	mvn --quiet --batch-mode -Dstyle.color=never -Dmaven.repo.local=.cache/maven --file examples/java package >&2

.PHONY: test-kafka-older
test-kafka-older: ## Test the essentials with KAFKA_OLDER releases of Apache Kafka
	@for version in $(KAFKA_OLDER); do \
		echo "Apache Kafka $$version" >&2; \
		KAFKA_VERSION=$$version go test -tags kafka -count 1 -timeout 5m -run "$$(tr ' ' '|' <<<'$(strip $(KAFKA_SUBSET))')" \
			$(TESTFLAGS) ./test/kafka/; \
	done

.PHONY: soak
soak: ## Full load on a real Apache Kafka that fails every 20 s, for SOAK_DURATION (15m); with SOAK_FAILING=4 so many partitions of 12 do
	go test -tags kafka,soak -count 1 -timeout 0 -v -run '^TestSoak$$' $(TESTFLAGS) ./test/kafka/

.PHONY: test-manifests
test-manifests: ## Check the Kubernetes manifests and the tests' compose file, without a cluster
	cd deploy/test && go test -count 1 $(TESTFLAGS) ./...

.PHONY: test-chart
test-chart: $(HELM) ## Compare the Helm chart with kustomize, without a cluster
	cd deploy/test && HELM=$(CURDIR)/$(HELM) go test -count 1 -tags helm $(TESTFLAGS) ./chart

.PHONY: test-release
test-release: $(ACTIONLINT) ## Test the scripts that release, and look at the workflows
	$(ACTIONLINT) -shellcheck= -pyflakes=
	deploy/release/test.sh

# As root: it starts a Debian with a systemd of its own.
.PHONY: test-packages
test-packages: $(NFPM) ## Install, start, upgrade, remove the packages on a Debian (root, debootstrap, systemd-container, kcat, Java, Maven)
	NFPM=$(CURDIR)/$(NFPM) deploy/packages/test.sh

.PHONY: test-differential
test-differential: ## Compare the decoders with goflow2's
	cd test/differential && go test -count 1 $(TESTFLAGS) ./...

.PHONY: test-status
test-status: $(AXE) ## Test the status page in a browser (Debian's chromium; npm once)
	cd test/status && AXE=$(CURDIR)/$(AXE) go test -count 1 -timeout 5m $(TESTFLAGS) ./...

.PHONY: screenshots
screenshots: ## Take the pictures of the status page in docs/images (chromium)
	cd test/status && go run ./shots -into ../../docs/images

.PHONY: test-rules
test-rules: $(PROMTOOL) ## Test the alerts with promtool (Debian's, or PROMTOOL)
	$(PROMTOOL) check rules deploy/prometheus/rules.yaml
	$(PROMTOOL) test rules deploy/prometheus/rules_test.yaml

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME (60s), FUZZJOBS (2) at a time
	for module in . test/differential; do \
		(cd $$module && go test -list '^Fuzz' ./...) | awk -v module=$$module \
			'/^Fuzz/ { names[n++] = $$1 } $$1 == "ok" { while (n > 0) print module, $$2, names[--n] }'; \
	done | xargs -P $(FUZZJOBS) -L 1 $(SHELL) $(.SHELLFLAGS) 'cd $$0 && go test -run "^$$" -fuzz "^$$2$$" \
			-fuzztime $(FUZZTIME) -fuzzminimizetime 10x -parallel 1 "$$1" 2>&1 | sed "s/^/$$2: /"'

.PHONY: bench
bench: ## Run the benchmarks, for benchstat to compare
	@go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) ./...

.PHONY: bench-e2e
bench-e2e: ## Measure the whole process under load; TRAFFIC, RATE, CODEC, RUNS and others
	@CGO_ENABLED=0 go build -trimpath -o .cache/bench/ ./cmd/flowpub ./test/bench
	@.cache/bench/bench -flowpub .cache/bench/flowpub -traffic '$(TRAFFIC)' -rate '$(RATE)' -codec '$(CODEC)' -partitions '$(PARTITIONS)' \
		-exporters '$(EXPORTERS)' -duration '$(DURATION)' -runs '$(RUNS)' -versus '$(VERSUS)' $(BENCHFLAGS)

.PHONY: scale
scale: ## Print the tables of docs/scaling.md, drawn 20 times as often, to see that they hold
	@go run ./test/scale -more 20

.PHONY: lint
lint: $(BUF) $(GOLANGCI_LINT) vulnerabilities ## Check form, known mistakes, import rules, broken contracts
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); \
		[[ -z $$unformatted ]] || { printf 'gofmt these:\n%s\n' "$$unformatted" >&2; exit 1; }
	go mod tidy -diff
	cd deploy/test && go mod tidy -diff
	cd test/differential && go mod tidy -diff
	cd test/status && go mod tidy -diff
	$(GOLANGCI_LINT) run --allow-parallel-runners
	cd deploy/test && $(CURDIR)/$(GOLANGCI_LINT) run --allow-parallel-runners
	cd test/differential && $(CURDIR)/$(GOLANGCI_LINT) run --allow-parallel-runners
	cd test/status && $(CURDIR)/$(GOLANGCI_LINT) run --allow-parallel-runners
	$(BUF) lint
	$(BUF) format --diff --exit-code
	$(BUF) breaking $(BREAKING_CONFIG) --against '.git#ref=$(or $(BREAKING_AGAINST),$(LAST_RELEASE),HEAD)'

.PHONY: vulnerabilities
vulnerabilities: $(GOVULNCHECK) ## Look for known vulnerabilities, where their database can be reached
	@found=$$(timeout 300 $(GOVULNCHECK) ./... 2>&1) || \
		if [[ $$found == *'fetching vulnerabilities'* ]]; then \
			echo 'known vulnerabilities were not looked for: their database cannot be reached' >&2; \
		else \
			printf '%s\n' "$$found" >&2; exit 1; \
		fi

.PHONY: pin-image
pin-image: ## Pin the image that builds flowpub by its digest (docker)
	deploy/pin.sh

.PHONY: generate
generate: $(BUF) ## Generate Go from the messages' definitions, the PrometheusRule from the rules
	$(BUF) generate
	deploy/prometheus/prometheusrule.sh > $(PROMETHEUSRULE)

.PHONY: generate-check
generate-check: $(BUF) ## Fail when something generated in the repository is stale
	@deploy/prometheus/prometheusrule.sh | diff -u $(PROMETHEUSRULE) - || \
		{ echo '$(PROMETHEUSRULE) is stale: run make generate' >&2; exit 1; }
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
		$(BUF) generate --output "$$fresh"; cd "$$fresh"; \
		find . -name '*.go' -print0 | xargs -0 -I{} diff -u "$(CURDIR)/{}" {} || \
		{ echo 'generated code is stale: run make generate' >&2; exit 1; }

.PHONY: build
build: ## Build static binaries into bin
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/...

# Docker is needed for the images only.
.PHONY: snapshot
snapshot: $(NFPM) $(CYCLONEDX) $(BUF) ## Build all of a release into dist, publish nothing (zip; Docker for the images)
	$(RELEASE_TOOLS) deploy/release/build.sh dist
	deploy/release/images.sh

.PHONY: snapshot-check
snapshot-check: $(NFPM) $(CYCLONEDX) $(BUF) ## Build a release of the last commit twice, and compare every byte
	$(RELEASE_TOOLS) deploy/release/check.sh dist

.PHONY: release-tools
release-tools: $(COSIGN) $(HELM)

# What the workflow of a tag runs, and nobody else: docs/releasing.md.
.PHONY: release
release: release-tools
	COSIGN=$(CURDIR)/$(COSIGN) HELM=$(CURDIR)/$(HELM) deploy/release/publish.sh '$(REGISTRY)' dist

.PHONY: clean
clean: ## Remove what these targets built or fetched
	rm -rf bin dist .bin .cache

$(BUF):
	GOBIN=$(CURDIR)/$(@D) go install github.com/bufbuild/buf/cmd/buf@$(BUF_VERSION)

$(GOLANGCI_LINT):
	GOBIN=$(CURDIR)/$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

$(APICURIO):
	@mkdir -p $(@D)
	@partial=$$(mktemp -d .cache/.apicurio.XXXXXX); trap 'rm -rf "$$partial"' EXIT; \
		mvn --quiet --batch-mode -Dstyle.color=never -Dmaven.repo.local=.cache/maven dependency:copy "-DoutputDirectory=$$partial" \
			-Dartifact=io.apicurio:apicurio-registry-app:$(APICURIO_VERSION):tar.gz:all >&2; \
		mkdir "$$partial/unpacked"; tar -xzf "$$partial"/*.tar.gz -C "$$partial/unpacked"; mv "$$partial/unpacked" $@

$(PYTHON):
	python3 -m venv $@
	$@/bin/pip install --quiet $(PYTHON_REQUIREMENTS:%=-r %) >&2

$(GOTESTSUM):
	GOBIN=$(CURDIR)/$(@D) go install gotest.tools/gotestsum@$(GOTESTSUM_VERSION)

$(NFPM):
	GOBIN=$(CURDIR)/$(@D) CGO_ENABLED=0 go install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)

$(CYCLONEDX):
	GOBIN=$(CURDIR)/$(@D) CGO_ENABLED=0 go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)

$(HELM):
	GOBIN=$(CURDIR)/$(@D) CGO_ENABLED=0 go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)

$(ACTIONLINT):
	GOBIN=$(CURDIR)/$(@D) CGO_ENABLED=0 go install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)

$(COSIGN):
	GOBIN=$(CURDIR)/$(@D) CGO_ENABLED=0 go install github.com/sigstore/cosign/v3/cmd/cosign@$(COSIGN_VERSION)

$(GOVULNCHECK):
	GOBIN=$(CURDIR)/$(@D) go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

$(AXE):
	@unpacked=$$(mktemp -d); trap 'rm -rf "$$unpacked"' EXIT; mkdir -p $(@D); \
		npm pack --silent --pack-destination "$$unpacked" axe-core@$(AXE_VERSION) >/dev/null; \
		tar -xzf "$$unpacked"/axe-core-*.tgz -C "$$unpacked" package/axe.min.js package/LICENSE; \
		echo '$(AXE_SHA256)  '"$$unpacked/package/axe.min.js" | sha256sum --check --quiet; \
		mv "$$unpacked"/package/* $(@D)/

# The package, unpacked but not installed: it would start a server.
$(PROMTOOL):
	@unpacked=$$(mktemp -d); trap 'rm -rf "$$unpacked"' EXIT; mkdir -p $(@D); cd "$$unpacked"; \
		download() { apt-get download -qq -o APT::Sandbox::User=root prometheus; }; \
		download 2>/dev/null || { apt-get update -qq; download; }; \
		dpkg-deb -x prometheus_*.deb .; mv usr/bin/promtool "$(abspath $@)"
