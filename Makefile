# Every target is a few commands that could be typed by hand.
PYTHON ?= python3
DEMO_ARGS ?=
TEST_ARGS ?=
# Tests at a time: most use one core, those of several processes two.
TEST_WORKERS ?= 2

.PHONY: demo test lint docs matrix tutorials label-free clean

demo: .venv/installed
	.venv/bin/python tools/demo.py $(DEMO_ARGS)

test: .venv/installed
	.venv/bin/python -m pytest -n $(TEST_WORKERS) --dist loadfile $(TEST_ARGS)

lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# Into build/site; a warning is an error. Its search needs a server, such as
# python -m http.server -d build/site.
docs: .venv-docs/installed
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict
	.venv-docs/bin/python docs_site/site_check.py build/site

# CELL is one of requirements/matrix.json: its Python, PyTorch and OpenMMLab.
matrix:
	$(PYTHON) tests/run_matrix.py $(CELL) -n $(TEST_WORKERS) --dist loadfile $(TEST_ARGS)

# Runs the notebooks of docs/tutorials anew, or those of NAMES, in minutes.
tutorials: .venv/installed
	.venv/bin/pip install -r requirements/tutorials.txt
	.venv/bin/python tools/misc/run_tutorials.py $(NAMES)

# How well label-free scores choose: trains both pools, which takes days on two
# cores, and judges their checkpoints; the same command continues. Images are
# in the folders IDDA, CITYSCAPES256, CARLA and CAMVID; --seeds and --processes
# of the trainings are POOL_ARGS.
IDDA ?= data/IDDA
CITYSCAPES256 ?= data/Cityscapes256
CARLA ?= data/CARLA
CAMVID ?= data/CamVid
POOL_ARGS ?= --seeds 0 1 2 --processes 2 --amp bf16
LABEL_FREE = work_dirs/label_free
TRAIN_POOL = .venv/bin/python tools/run_experiments.py --out $(LABEL_FREE)/runs --keep-checkpoints 5 $(POOL_ARGS)

label-free: .venv/installed
	$(TRAIN_POOL) experiments/idda2cs256_pool.yml --data-root source=$(IDDA) target=$(CITYSCAPES256)
	$(TRAIN_POOL) experiments/carla2camvid_pool.yml --data-root source=$(CARLA) target=$(CAMVID)
	.venv/bin/python tools/analysis_tools/label_free_experiment.py $(LABEL_FREE)/runs --out $(LABEL_FREE)/scores --max-images 120 --max-source-images 60 --second-view-every 3 --amp bf16 --workers 0

# Made once, and again when what it depends on changes.
.venv/installed: pyproject.toml setup.py $(wildcard requirements/*.txt)
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -r requirements/torch.txt
	.venv/bin/pip install -r requirements/stack.txt
	.venv/bin/pip install -e '.[pretrained,tests]'
	touch .venv/installed

# It needs neither PyTorch nor mmuda: docstrings are read, not imported.
.venv-docs/installed: requirements/docs.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install -r requirements/docs.txt
	touch .venv-docs/installed

clean:
	rm -rf .venv .venv-docs .matrix .mypy_cache build dist *.egg-info mmuda/.mim demo_wheel/build demo_wheel/*.egg-info
