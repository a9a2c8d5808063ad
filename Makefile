# `make help` lists the targets. All that is built goes to build/, one folder for each Python and preset.
#
#   make demo ARGS='DIR --workers 4'      make test PYTHON=3.12      make build PRESET=asan

MAKEFLAGS += --no-print-directory
# The targets share a build folder; what runs in parallel is each build (JOBS).
.NOTPARALLEL:

PRESET ?= release
ARGS ?=
PYTEST_ARGS ?=
BUILDS ?= build
FUZZ_SECONDS ?= 60
# Of `make deaths`, and of `make soak`.
ROUNDS ?= 10000
EXITS ?= 500
FORKS ?= 1000
SECONDS ?= 600
# Of `make races`; and the tests with the most threads in several interpreters.
RACES ?= 2000
RACES_TESTS = tests/package/test_crossbeam_channels.py tests/package/test_go_channels.py tests/package/test_worker.py \
	tests/package/test_select.py tests/package/test_blocking.py tests/package/test_batches.py \
	tests/crossing/test_loans.py tests/crossing/test_buffer_moves.py
JOBS ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

# The finders run once, and only for targets that need them (`make clean` must work without a Python); each says in one
# line what is missing.
PY = $(eval PY := $(shell PYTHON='$(PYTHON)' tools/find-python))$(or $(PY),$(error no suitable Python))
TAG = $(eval TAG := $(shell '$(PY)' -c 'import sys; print("cp%d%d%s" % (*sys.version_info[:2], sys.abiflags))'))$(TAG)
CMAKE = $(eval CMAKE := $(shell tools/find-cmake $(VENV)))$(or $(CMAKE),$(error nothing to build with))

VENV = $(BUILDS)/venv-$(TAG)
BUILD = $(BUILDS)/$(TAG)-$(PRESET)
# A sanitizer's run-time library has to come before Python itself, which isn't built with it. Under ASan Python takes
# its memory from malloc, since a freed block of its own pools is no fault that ASan could see; and what Python leaves
# behind at its exit isn't ours to report (make allocation-leaks asks what is), nor are the daemon threads that it leaves.
# On a free-threaded Python that is built with ThreadSanitizer too (--with-thread-sanitizer), it sees all.
TSAN_SUPPRESSIONS = tests/tsan$(if $(findstring t,$(TAG)),-free-threaded).supp
PRELOAD = $(if $(filter asan,$(PRESET)),libasan.so)$(if $(filter tsan,$(PRESET)),libtsan.so)
SANITIZED = LD_PRELOAD="$$($${CXX:-c++} -print-file-name=$(PRELOAD))" $(if $(filter asan,$(PRESET)),ASAN_OPTIONS="detect_leaks=0:suppressions='$(CURDIR)/tests/asan.supp'" PYTHONMALLOC=malloc) $(if $(filter tsan,$(PRESET)),TSAN_OPTIONS="suppressions='$(CURDIR)/$(TSAN_SUPPRESSIONS)':history_size=7:report_thread_leaks=0")
# Absolute, for the processes that a test starts somewhere else.
RUN = PYTHONPATH='$(CURDIR)/$(BUILD)/python' $(if $(PRELOAD),$(SANITIZED))
CONFIGURE = $(CMAKE) --preset $(PRESET) -B $(BUILD) -DPython_EXECUTABLE='$(PY)'

.DEFAULT_GOAL := help
.PHONY: help build demo bench bench-peers counts deaths soak races test venv engine-tests pytest leaks reference-leaks \
	memory-leaks allocation-leaks conformance model schedule fuzz lint lint-venv format wheel clean

help:  ## this list
	@awk -F ':.*## *' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  PYTHON=…  the CPython: a path, or a version such as 3.12 (default: the newest here)'
	@echo '  PRESET=…  a preset of CMakePresets.json (default: release)'
	@echo '  ARGS=…    for demo, bench, bench-peers, counts, conformance, deaths, soak, races, model and schedule'
	@echo '  PYTEST_ARGS=…  for test, pytest and races'

build:  ## the importable package, in build/<python>-<preset>/python
	@$(CONFIGURE) >/dev/null
	@$(CMAKE) --build $(BUILD) --target interpchannels_package --parallel $(JOBS)

demo: build  ## the main job on real files: interpreters against one, and against multiprocessing
	@$(RUN) '$(PY)' -m interpchannels demo $(ARGS)

bench: PRESET = bench
bench: build  ## the package and the engine beside their peers
	@$(CMAKE) --build $(BUILD) --parallel $(JOBS)
	@$(RUN) INTERPCHANNELS_BENCH_FUTEX='$(CURDIR)/$(BUILD)/futex_round_trip' '$(PY)' -m interpchannels bench $(ARGS)
	@if [ -x $(BUILD)/engine_bench ]; then $(BUILD)/engine_bench; fi

bench-peers: PRESET = bench
bench-peers:  ## the engine beside channels of Rust, Go and C++, in the same shapes
	@tools/need-concurrentqueue
	@$(CONFIGURE) >/dev/null
	@$(CMAKE) --build $(BUILD) --target bench_peers --parallel $(JOBS)
	@'$(PY)' bench/peers/run.py --programs $(BUILD) --into $(BUILDS)/peers $(ARGS)

counts: build  ## instructions of a send and a receive (valgrind), beside those that are kept; ARGS=--update keeps these
	@tools/need-valgrind
	@'$(PY)' bench/counts/run.py --build $(BUILD) $(ARGS)

deaths: build  ## the long form of tests/deaths: interpreters and processes that end in the middle, and forks
	@cd tests && $(RUN) '$(PY)' -m deaths --rounds $(ROUNDS) --exits $(EXITS) --forks $(FORKS) $(ARGS)

soak: build  ## the same side by side, with signals, for SECONDS; prints rate, counts and memory every 10 s
	@cd tests && $(RUN) PYTHONMALLOC=malloc '$(PY)' -m deaths soak --seconds $(SECONDS) $(ARGS)

# What TSan reports goes to descriptor 2, which pytest would keep for itself.
races: PRESET = tsan
races: venv build  ## ThreadSanitizer over interpreters that send to each other and end in the middle, for RACES rounds
	@cd tests && $(RUN) '$(PY)' -m deaths --rounds $(RACES) --scale 8 --exits 0 --forks 0 $(ARGS)
	@$(RUN) $(VENV)/bin/python -m pytest --capture=sys -q $(or $(PYTEST_ARGS),$(RACES_TESTS))

test: engine-tests pytest  ## sets up all that the tests need and runs them

venv:
	@tools/venv '$(PY)' $(VENV) requirements-test.txt

engine-tests: venv  ## the engine's tests alone (GoogleTest)
	@tools/need-googletest
	@$(CONFIGURE) -DINTERPCHANNELS_TESTS=ON >/dev/null
	@$(CMAKE) --build $(BUILD) --parallel $(JOBS)
	@$(or $(wildcard $(dir $(CMAKE))ctest),ctest) --test-dir $(BUILD) --output-on-failure --no-tests=error --progress --parallel $(JOBS)

pytest: venv build  ## the package's tests alone
	@$(CMAKE) --build $(BUILD) --target failing_allocations
	@$(RUN) INTERPCHANNELS_FAILING_ALLOCATIONS='$(CURDIR)/$(BUILD)/failing_allocations' $(VENV)/bin/python -m pytest $(PYTEST_ARGS)

leaks:  ## nothing is left behind: references on a debug CPython, memory over millions of messages; ARGS=--short: a part
	@tools/leaks $(ARGS)

reference-leaks: venv build
	@$(RUN) PYTHONPATH='$(CURDIR)/$(BUILD)/python:$(CURDIR)/tests/leaks' $(VENV)/bin/python -m pytest -p references -q $(PYTEST_ARGS)

allocation-leaks: PRESET = asan
allocation-leaks: venv build
	@$(RUN) $(VENV)/bin/python tests/leaks/allocations.py -q $(or $(PYTEST_ARGS),tests/package tests/crossing \
		tests/module tests/interpreter --ignore=tests/interpreter/test_fork.py)

memory-leaks: build
	@$(RUN) '$(PY)' tests/leaks/memory.py $(ARGS)

conformance: build  ## CPython's own tests of _interpchannels, on our module
	@$(RUN) '$(PY)' tests/conformance/run.py --package-dir '$(BUILD)/python' $(ARGS)

model:  ## the waiting protocols as models, checked by spin, with planted faults (ARGS=waiting: one of them)
	@tools/need-spin
	@'$(PY)' tests/model/run --jobs $(JOBS) $(ARGS)

schedule:  ## the engine's source under a deterministic scheduler, with planted faults (ARGS=--more: further)
	@'$(PY)' tests/schedule/run --jobs $(JOBS) $(ARGS)

fuzz: PRESET = fuzz
fuzz:  ## libFuzzer's targets, FUZZ_SECONDS=60 each (0: the corpus alone; ARGS=decode: one of them)
	@clang=$$(tools/need-clang) && $(CONFIGURE) -DCMAKE_CXX_COMPILER=$$clang >/dev/null
	@$(CMAKE) --build $(BUILD) --parallel $(JOBS)
	@tests/fuzz/run $(BUILD) $(FUZZ_SECONDS) $(ARGS)

lint-venv:
	@tools/venv '$(PY)' $(VENV) requirements-lint.txt

lint: lint-venv  ## ruff, mypy, clang-format, and clang-tidy where it is installed
	@BUILD='$(BUILDS)/$(TAG)-dev' CMAKE='$(CMAKE)' PY='$(PY)' JOBS='$(JOBS)' tools/lint $(VENV)/bin

format: lint-venv  ## rewrites the sources as `make lint` wants them
	@tools/lint --fix $(VENV)/bin

wheel: venv  ## builds a wheel, installs it into a fresh environment and imports it
	@tools/check-wheel '$(PY)' $(VENV) $(BUILDS)/wheel-$(TAG)

clean:  ## removes build/
	rm -rf '$(BUILDS)'
