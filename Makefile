# The one door. `make demo` and `make test` set up all they need; `make ci` is what a change must pass.
comma := ,
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/
READY := $(VENV)/.ready
export PYTHONPATH := src

CORE := $(shell find csrc/gridcompute -name '*.cpp')
TESTS := $(wildcard csrc/tests/*.cpp)
HEADERS := $(shell find csrc -name '*.hpp')
WARN := -std=c++20 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -ffp-contract=off -Icsrc -Icsrc/tests -UNDEBUG

.PHONY: native native-asan native-tsan build

build:
	$(PYTHON) setup.py -q build_ext --inplace

define native_rule
build/native-$(1)/%.o: %.cpp
	@mkdir -p $$(@D)
	$$(CXX) $(WARN) -MMD $(2) -c $$< -o $$@
build/native-$(1)/run: $$(patsubst %.cpp,build/native-$(1)/%.o,$(CORE) $(TESTS))
	$$(CXX) $(2) $$^ -o $$@ -lpthread
native-$(1): build/native-$(1)/run
	$(3) build/native-$(1)/run $(ONLY)
-include $$(patsubst %.cpp,build/native-$(1)/%.d,$(CORE) $(TESTS))
endef
$(eval $(call native_rule,asan,-O1 -g -fsanitize=address$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer,))
$(eval $(call native_rule,tsan,-O1 -g -fsanitize=thread,setarch -R))
native: native-asan native-tsan
