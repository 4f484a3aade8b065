# Everything that is done with this project has a verb here. "make" alone explains them.

GO      ?= go
TOOLS   := -modfile=.ci/tools/go.mod
BIN     := bin/crmsyncd
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 20s
ROUNDS  ?= 200
COUNT   ?= 6

.DEFAULT_GOAL := help
.PHONY: help build demo run test test-short race cover fuzz bench bench-backlog alerts lint fmt tidy golden crash torture quota check clean

help: ## explain the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

build: ## build bin/crmsyncd
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(BIN) ./cmd/crmsyncd

demo: build ## a call centre's day in a minute: sandbox CRM, daemon and traffic, with a summary
	$(BIN) demo

run: build ## run the daemon on configs/demo.yaml; the CRM for it: bin/crmsyncd sandbox
	$(BIN) serve --config configs/demo.yaml

test: ## all tests, with the race detector, shuffled; what could not run is named at the end
	$(GO) tool $(TOOLS) gotestsum --format pkgname -- -race -shuffle=on -timeout 20m ./...

test-short: ## the tests that take seconds
	$(GO) test -short -shuffle=on ./...

race: ## the outbox and the relay, again and again
	$(GO) test -race -shuffle=on -count=10 ./outbox ./crm/...

cover: ## the coverage of all packages by all tests
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -n 1

fuzz: ## every fuzz target for FUZZTIME each
	@$(GO) list ./... | while read -r package; do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "== $$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$package || exit 1; \
		done; \
	done

bench: ## append and acknowledgement throughput beside the raw fsync of this disk, in benchstat's form
	$(GO) test -run '^$$' -bench 'Fsync|Bbolt|Committer|Append|Drain|Ack|Decode|Handler' -skip Backlog -benchtime 1s -timeout 60m \
		-count $(COUNT) ./outbox/bolt ./cmd/crmsyncd ./receiver/... | tee bench.txt
	$(GO) tool $(TOOLS) benchstat bench.txt

bench-backlog: ## the same with 0, 100,000 and a million entries waiting, beside a purge and after it, beside a backup
	$(GO) test -run '^$$' -bench 'Backlog|Memory' -benchtime 300x -timeout 60m ./outbox/bolt
	$(GO) test -run '^$$' -bench Backlog -benchtime 1x -timeout 60m ./cmd/crmsyncd
	$(GO) test -run '^$$' -bench '^BenchmarkPurge$$' -benchtime 2000x -timeout 60m ./outbox/bolt

crash: ## kill the daemon at random moments, ROUNDS times with the sandbox and with the fake of each vendor
	CRASH_ROUNDS=$(ROUNDS) $(GO) test -race -count=1 -timeout 60m -run TestCrash -v ./cmd/crmsyncd

quota: ## count the requests for a call log with every adapter, for 10,000 calls, and write the table into README.md
	QUOTA_CALLS=10000 QUOTA_README=1 $(GO) test -count=1 -timeout 30m -run '^TestQuota$$' -v ./cmd/crmsyncd

torture: ## provoke every failure of the disk, the intake and the process, and write what happened into README.md
	.ci/torture

alerts: ## check alerts, dashboards and configs/deploy; with promtool and systemd-analyze, where they are installed
	$(GO) test -count=1 -v -run 'Rules|Alert|Runbook|Promtool|Dashboards|Panels|Queries|Watched|Compose|Image|Unit' ./metrics

lint: ## golangci-lint, as pinned in .ci/tools/go.mod
	$(GO) tool $(TOOLS) golangci-lint run ./...

fmt: ## format
	$(GO) tool $(TOOLS) golangci-lint fmt ./...

tidy: ## go.mod and go.sum as they should be
	$(GO) mod tidy
	$(GO) mod verify

golden: ## rewrite golden files and the table in README.md; look at the difference
	$(GO) test ./configs ./crm/rest ./metrics ./receiver/alohub -update

check: build ## what CI runs: tests, lint, and nothing left to generate
	$(MAKE) test
	$(MAKE) lint
	$(GO) mod tidy -diff

clean: ## remove what was built
	rm -rf bin cover.out bench.txt data
