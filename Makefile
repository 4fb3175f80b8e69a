# make demo: train and compare on embedded digits.  make test: run the tests.  make help: the rest.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS ?= tensorflow,experiments,test
# A process per core; a file's tests stay together, since they share what one of them has trained.
PARALLEL ?= -n auto --dist loadfile --no-loadscope-reorder
# One thread of torch in each: with more it takes twice as long.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL)
DEMO_RUNS ?= runs
RUNS ?= runs

.PHONY: help install demo test test-all test-backends test-export web pretrained test-web docs links lint format benchmark clean

help:
	@echo "make demo           train a CNN with and without a spatial transformer on embedded digits"
	@echo "make test           run the tests on TensorFlow"
	@echo "make test-backends  run the tests of the library on JAX and torch"
	@echo "make test-export    test the exporters and the server, in each format's runtime"
	@echo "make test-all       run the tests and the long ones: damaged files, killed runs"
	@echo "make web            make the models of the browser demo, and test it"
	@echo "make pretrained     replace trained models, also of that demo, that RUNS beat by validation"
	@echo "make test-web       test that demo, in Chromium where there is one; needs npm"
	@echo "make docs           build the site into site/, and run its tutorials"
	@echo "make links          follow the links of these pages to other sites"
	@echo "make lint           check format, style, types and the direction of imports"
	@echo "make benchmark      time data preparation, sampler and training step against imgaug and torch"
	@echo "make clean          remove $(VENV) and the site"

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
	$(PYTEST)

test-all: install
	$(PYTEST) -m "everything or not everything"

test-backends: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt jax torch kornia
	KERAS_BACKEND=jax $(PYTEST) -m backend
	KERAS_BACKEND=torch $(PYTEST) -m backend

test-export: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS),export,serve]"
	$(PYTEST) tests/library/test_export.py tests/examples tests/docs/test_pages.py

web: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS),export]"
	$(BIN)/python -m web.make_models
	$(MAKE) test-web

pretrained: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS),export]"
	$(BIN)/python -m experiments.pretrained --runs-dir $(RUNS)
	$(BIN)/python -m web.make_models

test-web: web/node_modules
	npm --prefix web test

web/node_modules: web/package-lock.json
	@command -v npm > /dev/null || { echo "make: expected npm (Node.js 20 or later) on the PATH, found none"; exit 2; }
	npm --prefix web ci --no-audit --no-fund
	@touch $@

docs: install web/node_modules
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS),export,docs]"
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -c docs . site
	npm --prefix web run build -- ../site/draw

links: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS),export,docs]"
	$(BIN)/python -m sphinx -b linkcheck -D nb_execution_mode=off -c docs . build/links

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt jax torch
	$(BIN)/python -m benchmarks.data_prep
	$(BIN)/python -m benchmarks.sampler
	$(BIN)/python -m benchmarks.volumes
	$(BIN)/python -m benchmarks.transforms
	$(BIN)/python -m benchmarks.training_step
	$(BIN)/python -m benchmarks.training_profile
	$(BIN)/python -m benchmarks.image_conv
	$(BIN)/python -m benchmarks.distortion
	$(BIN)/python -m benchmarks.processor
	$(BIN)/python -m benchmarks.scaling

clean:
	rm -rf $(VENV) site build jupyter_execute web/node_modules web/vendor
