# Every target builds the environment once and then calls the command line; `make help` lists them.
MODEL   ?= gru_cnn_sparse07
FRAMES  ?= 1000
PYTHON  ?= python3
VENV    ?= .venv
BIN     := $(VENV)/bin

# Debian's packages that the README's commands need, in the order of its line; .ci/run installs them by `make system`.
PACKAGES := git make g++ python3-venv libpython3-dev iverilog tcl clang libliquid-dev
# Whether all of them are there; each prints what is missing.
HAVE     := for p in git g++ iverilog tclsh clang; do command -v $$p >/dev/null || echo $$p; done; \
            $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || command -v uv >/dev/null || echo python3-venv; \
            $(PYTHON) -c 'import ctypes, sysconfig as s; n = s.get_config_var("INSTSONAME"); ".so" not in n or ctypes.CDLL(n)' 2>/dev/null \
            || command -v uv >/dev/null || echo libpython3-dev; \
            echo 'int main() {}' | g++ -x c++ - -lliquid -o /dev/null 2>/dev/null || echo libliquid-dev

# What makes the environment: the first Python that TensorFlow 2.14 has packages for, or else uv, which fetches one.
FIND_PYTHON := for p in $(PYTHON) python3.11 python3.10; do \
               $$p -c 'import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 12))' 2>/dev/null \
               && echo "$$p -m venv" && break; done || \
               { command -v uv >/dev/null && echo "env UV_VENV_CLEAR=1 uv venv --quiet --seed --python 3.11"; }
NO_PYTHON   := error: Python 3.10 or 3.11 is needed (TensorFlow 2.14). Type, without root: \
               curl -LsSf https://astral.sh/uv/install.sh | sh; then make again in a new shell: it takes Python 3.11 by uv

# Variables that may be given; MODEL, say, and not model, which make would take without a word.
KNOWN   := MODEL FRAMES PYTHON VENV BOARD DATA BACKEND R LANES WAVES RTL FAST BLOCKS ROUTE OVERLAY KILLS SEED SECONDS TESTS DEVICE
GIVEN   := $(foreach each,$(MAKEOVERRIDES),$(if $(findstring =,$(each)),$(firstword $(subst =, ,$(each)))))
UNKNOWN := $(foreach each,$(GIVEN),$(if $(filter command line,$(origin $(each))),$(filter-out $(KNOWN),$(each))))
ifneq ($(strip $(UNKNOWN)),)
$(error unknown variable $(strip $(UNKNOWN)); variables are written in capitals: $(KNOWN))
endif

# Options that are passed on only when they are given: make hls BACKEND=Vivado BOARD=zcu104 DATA='my file.hdf5'
quoted   = '$(subst ','\'',$(1))'
ON_BOARD := $(if $(BOARD),--board $(call quoted,$(BOARD)))
ON_DATA  := $(if $(DATA),--data $(call quoted,$(DATA)))
HLS      := $(if $(BACKEND),--backend $(BACKEND)) $(ON_BOARD)
HARDWARE := $(ON_BOARD) $(if $(R),--cycles-per-step $(R))
ON_LANES := $(if $(LANES),--lanes $(LANES))

.DEFAULT_GOAL := help
.PHONY: help system test-base hls csim rtl cosim synth overlay bench train family estimate report test test-all chaos fuzz mutate coverage test-board test-gpu notebooks bench-csim lint docs clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

system:  ## install Debian's packages that are missing; needs root or sudo without a password
	@missing=$$($(HAVE)); [ -z "$$missing" ] || { \
	  echo "Missing:" $$missing; SUDO=; [ "$$(id -u)" = 0 ] || SUDO="sudo -n"; \
	  command -v apt-get >/dev/null || { echo "error: install what is missing by your system's packages"; exit 4; }; \
	  echo "Installing: apt-get install -y $(PACKAGES)"; \
	  { $$SUDO apt-get update -qq && \
	    $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(PACKAGES) >/dev/null; } || \
	  { echo "error: type: sudo apt-get install -y $(PACKAGES)"; exit 4; }; }

$(VENV)/.train: pyproject.toml constraints.txt
	@command -v g++ >/dev/null && { $(FIND_PYTHON); } >/dev/null || $(MAKE) --no-print-directory system
	@python=$$($(FIND_PYTHON)) || { echo "$(NO_PYTHON)"; exit 4; }; \
	  echo "Setting up $(VENV) by $$python: 3 GB, a few minutes, once"; $$python $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train]'
	@touch $@

$(VENV)/.all: $(VENV)/.train
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,sim,board,dev]'
	@touch $@

hls: $(VENV)/.train  ## HLS project of MODEL, proven equal to Keras; report in hls_projects/MODEL/build
	@$(BIN)/hw-amc hls $(MODEL) $(HLS) $(ON_DATA)

csim: $(VENV)/.train  ## long regression: FRAMES frames through the native C-sim
	@$(BIN)/hw-amc csim $(MODEL) --frames $(FRAMES) $(HLS) $(ON_DATA)

rtl: $(VENV)/.all  ## Verilog of MODEL, and its estimate at each R
	@$(BIN)/hw-amc rtl $(MODEL) $(HARDWARE) $(ON_LANES)

cosim: $(VENV)/.all  ## simulate the Verilog in Verilator and Icarus against golden
	@$(BIN)/hw-amc cosim $(MODEL) $(HARDWARE) $(ON_DATA) $(if $(WAVES),--waves) $(if $(RTL),--hls $(call quoted,$(RTL))) $(if $(FAST),--fast --frames $(FRAMES))

synth: $(VENV)/.all  ## LUT, FF, DSP, BRAM and CARRY4 by Yosys; BLOCKS=1 for each block, ROUTE=1 for routed clocks
	@$(BIN)/hw-amc synth $(MODEL) $(HARDWARE) $(ON_LANES) $(if $(BLOCKS),--blocks) $(if $(ROUTE),--route)

overlay: $(VENV)/.all  ## Vivado project of the overlay for BOARD
	@$(BIN)/hw-amc overlay $(MODEL) $(HARDWARE)

bench: $(VENV)/.all  ## driver on the simulated accelerator, or with OVERLAY= on a board: make bench BOARD=sim
	@$(BIN)/hw-amc bench $(MODEL) $(HARDWARE) $(ON_DATA) $(if $(OVERLAY),--overlay $(call quoted,$(OVERLAY)))

estimate: $(VENV)/.train  ## cycles and resources against the reuse factor
	@$(BIN)/hw-amc estimate $(MODEL) $(HLS)

train: $(VENV)/.train  ## train MODEL by its train.toml; resumes
	@$(BIN)/hw-amc train $(MODEL)

FAMILY  := $(addprefix gru_cnn_,sparse085 c80 sparse05 sparse07 sparse08 w4_sparse085)
family: $(VENV)/.train  ## train the pruned GRU-CNNs with many steps, their float stages on DEVICE=cuda; resumes
	@for m in $(FAMILY); do $(BIN)/hw-amc train $$m --recipe hls_projects/$$m/train-full.toml --device $(or $(DEVICE),cpu) || exit; done

report: $(VENV)/.train  ## report.md and report.html from report.json
	@$(BIN)/hw-amc report $(MODEL)

test: system $(VENV)/.all  ## the tests that CI runs
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow and not vendor and not gnuradio'

test-all: system $(VENV)/.all  ## all tests, minutes to hours
	@$(BIN)/python -m pytest -m ''

$(VENV)-base/.ready: pyproject.toml constraints-base.txt
	@$(PYTHON) -m venv $(VENV)-base
	@$(VENV)-base/bin/pip install --quiet --disable-pip-version-check -c constraints-base.txt -e '.[sim,test]'
	@touch $@

test-base: $(VENV)-base/.ready  ## the tests that need no TensorFlow, or TESTS of them, in an environment without it
	@$(VENV)-base/bin/python -m pytest -n 2 --dist worksteal --base $(TESTS)

chaos: $(VENV)/.all  ## kill each command KILLS times (20) at random moments and run it again; hours
	@nice $(BIN)/python tests/chaos.py --kills $(or $(KILLS),20) --chain 4 --seed $(or $(SEED),1) --out docs/results/chaos.json; \
	code=$$?; $(BIN)/python tests/result_tables.py && exit $$code

fuzz: $(VENV)/.all  ## give each reader of files wrong ones for SECONDS (60) more and count what comes of it
	@nice $(BIN)/python tests/fuzz.py --seconds $(or $(SECONDS),60) --seed $(or $(SEED),1) --resume --out docs/results/fuzz.json; \
	code=$$?; $(BIN)/python tests/result_tables.py && exit $$code

mutate: $(VENV)/.all  ## change one operator at a time and see whether tests notice: SAMPLE (6) changes of each file like ONLY
	@nice $(BIN)/python tests/mutate.py --sample $(or $(SAMPLE),6) --seed $(or $(SEED),1) $(if $(ONLY),--only '$(ONLY)')

coverage: $(VENV)/.all  ## lines and toggles of the hand-written Verilog that benches of small cores reach
	@nice $(BIN)/python tests/rtl_coverage.py --out docs/results/coverage.json

test-board: $(VENV)-pynq4/.ready  ## driver and simulated device under PYNQ 4, in its own environment
	@PYTHONPATH=. $(VENV)-pynq4/bin/python -m pytest tests/test_sim_device*.py tests/test_driver*.py

test-gpu: $(VENV)/.all  ## training by PyTorch beside TensorFlow, in its own environment; on a GPU where there is one
	@$(PYTHON) -m venv $(VENV)-gpu
	@$(VENV)-gpu/bin/pip install --quiet -c constraints.txt -e '.[train,dev]' torch
	@$(VENV)-gpu/bin/python -m pytest tests/test_train_gpu.py tests/test_train_cuda.py

$(VENV)-pynq4/.ready: boards/requirements-pynq4.txt
	@$(PYTHON) -m venv $(VENV)-pynq4
	@$(VENV)-pynq4/bin/pip install --quiet -r $<
	@touch $@

notebooks: $(VENV)/.all  ## run the notebooks on simulated overlays of two models and save what they show
	@$(BIN)/hw-amc sim-overlays data/notebooks gru_cnn_sparse07 gru_cnn_sparse085 --frames 480
	@$(BIN)/python tests/save_notebooks.py data/notebooks

bench-csim: $(VENV)/.train  ## golden and C-sim beside stock hls4ml, in one run
	@$(BIN)/python benchmarks/bench_csim.py $(MODEL)

lint: $(VENV)/.all  ## ruff and mypy
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

docs: $(VENV)-docs/.ready  ## the documentation as a site in site/; ends with an error where a link leads nowhere
	@NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs --quiet build --strict && echo site/index.html

$(VENV)-docs/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -m venv $(VENV)-docs
	@$(VENV)-docs/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

clean:  ## remove what was generated, keep the environment and checkpoints
	rm -rf hls_projects/*/build
