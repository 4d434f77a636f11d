# The front door. CMake does the work; each target first brings what it needs.
BUILD ?= build
CMAKE_FLAGS ?=
LAB_DIR ?= $(BUILD)/lab
JOBS ?= $(shell nproc)

.PHONY: all demo check unit e2e lint bench lab lab-down install pictures clean

all: $(BUILD)/hemma-top

$(BUILD)/hemma-top: FORCE
	@tests/deps build
	@cmake -S . -B $(BUILD) $(CMAKE_FLAGS) >$(BUILD).cmake.log 2>&1 || { cat $(BUILD).cmake.log; exit 1; }
	@mkdir -p $(BUILD) && mv $(BUILD).cmake.log $(BUILD)/cmake.log
	@MAKEFLAGS= cmake --build $(BUILD) -j $(JOBS) -- --no-print-directory
FORCE:

# The dashboard on the embedded demo host; a text snapshot where there is no terminal.
demo: all
	@$(BUILD)/hemma-top demo

# Everything that can be tested here. Ends with one line: N passed, N failed, N skipped.
check: all
	@tests/deps check lab
	@BUILD=$(BUILD) LAB_DIR=$(LAB_DIR) tests/check

# Measures; judges against what runs in the same run.
bench: all
	@tests/deps lab
	@BUILD=$(BUILD) LAB_DIR=$(LAB_DIR) tests/bench/run

# A real host on this machine: sshd and a Docker engine in namespaces of their own.
lab:
	@tests/deps lab
	@tests/lab/up $(LAB_DIR)
lab-down:
	@tests/lab/down $(LAB_DIR)

lint: all
	@tests/deps check
	@BUILD=$(BUILD) tests/lint

# The README's picture, made by the program itself.
pictures: all
	@$(BUILD)/hemma-top snapshot demo --svg >man/hemma-top.svg

install: all
	@cmake --install $(BUILD)

clean:
	@cmake --build $(BUILD) --target clean
