# Every target is a few commands that could be typed by hand.
PYTHON ?= python3
DEMO_ARGS ?=
TEST_ARGS ?=
# Tests at a time: most use one core, those of several processes two.
TEST_WORKERS ?= 2

.PHONY: demo test lint matrix clean

demo: .venv/installed
	.venv/bin/python tools/demo.py $(DEMO_ARGS)

test: .venv/installed
	.venv/bin/python -m pytest -n $(TEST_WORKERS) --dist loadfile $(TEST_ARGS)

lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# CELL is one of requirements/matrix.json: its Python, PyTorch and OpenMMLab.
matrix:
	$(PYTHON) tests/run_matrix.py $(CELL) -n $(TEST_WORKERS) --dist loadfile $(TEST_ARGS)

# Made once, and again when what it depends on changes.
.venv/installed: pyproject.toml setup.py $(wildcard requirements/*.txt)
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -r requirements/torch.txt
	.venv/bin/pip install -r requirements/stack.txt
	.venv/bin/pip install -e '.[pretrained,tests]'
	touch .venv/installed

clean:
	rm -rf .venv .matrix .mypy_cache build dist *.egg-info mmuda/.mim
