# make demo: train and compare on embedded digits.  make test: everything tested.  make help: the rest.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS ?= tensorflow,experiments,test
BACKEND_TESTS := tests/test_laws.py tests/test_references.py tests/test_gradients.py \
	tests/test_layers.py tests/test_transforms.py tests/test_theta.py tests/test_callbacks.py \
	tests/test_constraints.py tests/test_architectures.py tests/test_warps.py tests/test_docs.py \
	tests/test_inference.py tests/test_own_network.py tests/test_torch.py tests/test_warp.py \
	stn_keras
# A process a core; a file's tests stay together, since they share what one of them has trained.
PARALLEL ?= -n auto --dist loadfile --no-loadscope-reorder
DEMO_RUNS ?= runs

.PHONY: help install demo test test-backends test-export lint format benchmark clean

help:
	@echo "make demo           train a CNN with and without a spatial transformer on embedded digits"
	@echo "make test           run the tests"
	@echo "make test-backends  run the tests of layers and ops on JAX and torch too"
	@echo "make test-export    run the tests of export and server in the formats' own runtimes"
	@echo "make lint           check format, style and the direction of imports"
	@echo "make benchmark      time data preparation, sampler and training step against imgaug and torch"
	@echo "make clean          remove $(VENV)"

install: $(BIN)/.installed

$(BIN)/.installed: setup.cfg constraints.txt
	@test -n "$(PYTHON)" || { echo "make: expected Python 3.11, 3.12 or 3.13 on the PATH, found none"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps imgaug
	@touch $@

demo: install
	$(BIN)/python train.py distorted-digits --resume --runs-dir $(DEMO_RUNS)
	$(BIN)/python evaluate.py distorted-digits --runs-dir $(DEMO_RUNS) --out $(DEMO_RUNS)/distorted-digits/report

test: install
	$(BIN)/python -m pytest $(PARALLEL)

test-backends: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt jax torch kornia
	KERAS_BACKEND=jax $(BIN)/python -m pytest $(PARALLEL) $(BACKEND_TESTS)
	KERAS_BACKEND=torch $(BIN)/python -m pytest $(PARALLEL) $(BACKEND_TESTS)

test-export: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS),export,serve]"
	$(BIN)/python -m pytest $(PARALLEL) tests/test_export.py tests/test_serve.py tests/test_docs.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m benchmarks.data_prep
	$(BIN)/python -m benchmarks.sampler
	$(BIN)/python -m benchmarks.transforms
	$(BIN)/python -m benchmarks.training_step
	$(BIN)/python -m benchmarks.image_conv
	$(BIN)/python -m benchmarks.distortion
	$(BIN)/python -m benchmarks.processor
	$(BIN)/python -m benchmarks.scaling

clean:
	rm -rf $(VENV)
