# The one door. Each target sets up what it needs from nothing; `make ci` is what a change must pass.
#
# Needed beforehand: Python 3.11 or newer with venv and headers, make, a C++20 compiler. PYTHON and VENV choose
# another interpreter or folder; JOBS is the number of test processes. Safe under -j.
comma := ,
PYTHON ?= python3
VENV ?= .venv
JOBS ?= logical
BIN := $(VENV)/bin/
PIP := $(BIN)python -m pip --quiet --disable-pip-version-check
CPP := $(shell find csrc -name '*.[ch]pp')

.DEFAULT_GOAL := help
.PHONY: help explore variants oldest newest check-asan check-clang demo operate test check format build native native-asan native-tsan bench docs dist ci ci-rest clean
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: build ## set up and run the packaged scenario
	$(BIN)gridcompute demo $(ARGS)

operate: build ## set up and operate two clusters of this machine: a day in four minutes
	$(BIN)python examples/operate_day.py $(ARGS)

test: build $(VENV)/.ready-test ## set up and run all tests and doctests
	$(BIN)python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

check: build $(VENV)/.ready-dev ## style and types: ruff, clang-format, mypy --strict, stubtest
	$(BIN)ruff check .
	$(BIN)ruff format --check .
	$(BIN)clang-format --dry-run -Werror $(CPP)
	$(BIN)python -m mypy
	$(BIN)python -m mypy.stubtest gridcompute._core gridcompute.records._ingest gridcompute.records._interner

format: $(VENV)/.ready-dev ## write the style that `make check` asks for
	$(BIN)ruff check --fix-only .
	$(BIN)ruff format .
	$(BIN)clang-format -i $(CPP)

bench: build $(VENV)/.ready-test ## time against the peers (ARGS='-k transport' for some)
	$(BIN)python -m pytest benches --override-ini=python_files='bench_*.py' --benchmark-only $(ARGS)

explore: build $(VENV)/.ready-test ## properties of numbers of every size, with fresh seeds (SECONDS=60)
	$(BIN)python tests/explore.py $(or $(SECONDS),60)

docs: build $(VENV)/.ready-dev ## the documentation, every warning an error
	$(BIN)python -m sphinx -q -n -W --keep-going docs docs/_build/html

dist: $(VENV)/.ready-dev ## sdist, wheel from the sdist, and the wheel at work in a clean environment
	$(BIN)python .ci/check_dist.py

ci: test ci-rest explore variants oldest newest ## all that a change must pass
ci-rest: check native docs dist

oldest newest: $(VENV)/.ready ## what differs between versions, on the oldest promised, and on the newest
	VENV=$(VENV) .ci/versions $@

clean: ## forget what was built, keep the environment
	rm -rf build dist docs/_build docs/_figures docs/reference/generated src/*.egg-info src/gridcompute/records/_*.c
	find src -name '*.so' -delete

# The environment. Three stamps in a row, so that no two pips ever run at once: runtime, tests, everything.

define PREFLIGHT
import sys
if sys.version_info < (3, 11):
    sys.exit("gridcompute needs Python 3.11 or newer, and %s is %s: make PYTHON=..." % (sys.executable, sys.version.split()[0]))
import importlib.util, pathlib, sysconfig
if not importlib.util.find_spec("venv") or not importlib.util.find_spec("ensurepip"):
    sys.exit(sys.executable + " cannot make an environment with pip (Debian, Ubuntu: apt install python3-venv)")
if not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists():
    sys.exit(sys.executable + " has no headers to build native modules with (Debian, Ubuntu: apt install python3-dev)")
endef
export PREFLIGHT

# Objects are kept in the environment: another Python is another ABI. The editable install compiles into them, and
# `build` afterwards only what changed.
INCREMENTAL := GRIDCOMPUTE_OBJECTS=$(VENV)/objects

$(VENV)/.ready: pyproject.toml setup.py
	@$(PYTHON) -c "$$PREFLIGHT"
	@command -v $(CXX) >/dev/null || { echo "no C++ compiler: install g++, or make CXX=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'
	$(BIN)python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' > $(VENV)/build.txt
	$(PIP) install --requirement $(VENV)/build.txt
	$(INCREMENTAL) $(PIP) install --no-build-isolation --editable '.[all]'
	touch $@

# A peer without a wheel for this machine is no reason to fail: what compares with it skips, and says so.
$(VENV)/.ready-test: $(VENV)/.ready
	$(PIP) install --group test
	$(PIP) install --group peers || echo "some peers could not be installed; comparisons with them are skipped"
	touch $@

$(VENV)/.ready-dev: $(VENV)/.ready-test
	$(PIP) install --group check --group docs
	touch $@

build: $(VENV)/.ready ## compile what changed
	$(INCREMENTAL) $(BIN)python setup.py -q build_ext --inplace

# The core by itself, without Python: its own tests, under ASan with UBSan and under TSan. A unit is a source that includes
# those of one folder: headers are read, and templates instantiated, once for all of them.

FOLDERS := $(sort $(patsubst %/,%,$(dir $(shell find csrc/gridcompute csrc/tests -name '*.cpp'))))
UNITS := $(subst /,-,$(FOLDERS))
WARN := -std=c++20 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -ffp-contract=off -Icsrc -Icsrc/tests -UNDEBUG

define unit_rule
build/units/$(subst /,-,$(1)).cpp: FORCE
	@mkdir -p $$(@D)
	@printf '#include "%s"\n' unit.hpp $(patsubst csrc/%,%,$(sort $(wildcard $(1)/*.cpp))) > $$@.new
	@cmp -s $$@.new $$@ && rm $$@.new || mv $$@.new $$@
endef
$(foreach folder,$(FOLDERS),$(eval $(call unit_rule,$(folder))))
FORCE:

# TSan finds what several threads do to one another. Packing starts none: TSan leaves out its units.
ALONE := $(filter csrc-gridcompute-packing% csrc-tests-packing%,$(UNITS))

define native_rule
build/native-$(1)/%.o: build/units/%.cpp
	@mkdir -p $$(@D)
	$$(CXX) $(WARN) -MMD $(2) -c $$< -o $$@
build/native-$(1)/run: $$(patsubst %,build/native-$(1)/%.o,$(4))
	$$(CXX) $(2) $$^ -o $$@ -lpthread
native-$(1): build/native-$(1)/run
	@! ldd $$< | grep -i python # the proof that the core needs none
	$(3) build/native-$(1)/run $(ONLY)
-include $$(patsubst %,build/native-$(1)/%.d,$(4))
endef
$(eval $(call native_rule,asan,-O1 -g1 -fsanitize=address$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer,,$(UNITS)))
$(eval $(call native_rule,tsan,-O1 -g1 -fsanitize=thread,setarch -R,$(filter-out $(ALONE),$(UNITS))))
native: native-asan native-tsan ## the native tests under ASan, UBSan and TSan (ONLY=name for one)

# The extension built in two other ways, each in a folder of its own, and some of its tests on it: by g++ for a named CPU
# with the address sanitizer and all assertions (which brings the widest vectors under the sanitizer), and by clang.
# The answers of `.ci/answers.py` must have the bits that the usual build gives them.

VARIANT_TESTS := tests/unit/solvers/test_transport_edges.py tests/unit/solvers/test_transport_near_assignment.py \
	tests/unit/solvers/test_transport_gangs.py tests/unit/solvers/test_transport_gap.py \
	tests/unit/solvers/test_transport_start_prices.py tests/unit/solvers/test_transport_sparse_rows.py \
	tests/unit/solvers/test_transport_ties.py tests/unit/costs/test_implicit_costs.py \
	tests/unit/solvers/test_assignment.py tests/unit/solvers/test_flow.py tests/unit/live/test_matcher.py \
	tests/unit/live/test_matcher_costs.py tests/unit/live/test_matcher_edges.py \
	tests/unit/grid/planner/test_grid_exchange.py

# Tests of sixty thousand gangs are left to the optimised build.
WITHOUT_LARGE := -k 'not 60000'

# $(1) name, $(2) environment of the build, $(3) of the tests, $(4) the tests, $(5) a command that says whether it can be had,
# $(6) what it needs
define variant_rule
build/$(1)/.built: $(CPP) setup.py | build
	@mkdir -p build/$(1)
	$(2) $(BIN)python setup.py -q build_ext --build-temp build/$(1)/objects --build-lib build/$(1)/lib
	@touch $$@
$(1)-run: build/$(1)/.built $(VENV)/.ready-test
	@rm -rf build/$(1)/package && cp -r src build/$(1)/package
	@cp -r build/$(1)/lib/gridcompute build/$(1)/package
	$(3) PYTHONPATH=build/$(1)/package $(BIN)python .ci/check_variant.py $(1) $$(or $$(ARGS),-q $(4))
$(1):
	@if $(5); then $$(MAKE) $(1)-run; else echo "$(1): SKIPPED, it needs $(6)"; fi
endef
NAMED_CPU := $(shell grep -qw avx2 /proc/cpuinfo && echo -march=haswell)
$(eval $(call variant_rule,check-asan,GRIDCOMPUTE_DEBUG=1 GRIDCOMPUTE_FLAGS="-g1 -fsanitize=address -fno-omit-frame-pointer $(NAMED_CPU)" LDFLAGS=-fsanitize=address,ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$(shell $(CXX) -print-file-name=libasan.so) $(shell $(CXX) -print-file-name=libstdc++.so.6)",$(VARIANT_TESTS) tests/edges/test_edge_grid.py $(WITHOUT_LARGE),$(CXX) --version | grep -q "Free Software",g++ with its libasan))
$(eval $(call variant_rule,check-clang,CC=clang-19 CXX=clang++-19 GRIDCOMPUTE_FLAGS=-O1,,$(VARIANT_TESTS),command -v clang++-19 >/dev/null,clang++-19))
variants: check-asan check-clang ## the extension under ASan for a named CPU, and built by clang
