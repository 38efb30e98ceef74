# Two commands are enough on a fresh machine with Python 3.11 or newer: make run, make test.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$python && break; done)
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# a process that may not keep what it compiled takes three times as long to start
export PYTHONDONTWRITEBYTECODE =

.PHONY: help run test check fix e2e screenshots faults drivers bench docs wheel clean
.DEFAULT_GOAL := help

help:  ## say what each target does
	@sed -n 's/^\([a-z0-9]*\):.*## /\1\t/p' Makefile | expand -t 14

run: .venv/.stamp  ## start Stepwell with the examples; PORT=9000 takes another port, Ctrl-C stops it
	@exec $(BIN)/python manage.py up --examples examples $(if $(PORT),--port $(PORT))

test: .venv/.tests  ## run every check and the tests, then one summary; make e2e and make faults are apart
	@exec $(BIN)/python tests/everything.py

check: .venv/.tests  ## lint, format, types, import layers, migrations
	@exec $(BIN)/python tests/everything.py --checks

fix: .venv/.tests  ## correct what the linter can and format
	@$(BIN)/ruff check --fix --quiet . && $(BIN)/ruff format .

e2e: .venv/.tests  ## run the browser tests alone
	@exec $(BIN)/pytest tests/e2e

faults: .venv/.tests  ## kill, stop, cut off and fill everything we can; MUTANTS=0 leaves out the seeded mistakes, RESUME=1 what held before
	@STEPWELL_DRIVER_FAULTS=3 STEPWELL_DRIVERS=100 $(BIN)/pytest tests/processes/test_dynamic_faults.py tests/processes/test_dynamic.py
	@exec $(BIN)/python -m tests.faults --write $(if $(filter 0,$(MUTANTS)),--no-mutants) $(if $(RESUME),--resume)

screenshots: .venv/.tests  ## make pictures of every page in build/screenshots
	@exec $(BIN)/python -m tests.e2e.dashboard.pictures

bench: .venv/.tests  ## time our workloads beside plain Python and write docs/benchmarks.md
	@exec $(BIN)/python -m tests.bench

docs: .venv/.tests  ## write docs/reference/ from the code
	@$(BIN)/python docs/make_reference.py

wheel: .venv/.tests  ## build dist/stepwell-*.whl
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist . >/dev/null && ls dist/*.whl

clean:  ## remove what the other targets made; your runs in ~/.stepwell stay
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find apps tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.stamp: requirements.lock
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Stepwell needs Python 3.11 or newer. Here python3 is: $$(python3 --version 2>&1 | head -n 1)." >&2; \
		echo "Install one, or name one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Preparing .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv .venv || { echo "This Python cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install -qq --no-compile --no-deps --require-hashes -r requirements.lock
	@printf '%s\n' '$(CURDIR)/apps' > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/stepwell.pth"
	@printf '#!%s\nimport sys\n\nfrom stepwell.conf.cli import main\n\nsys.exit(main())\n' '$(CURDIR)/$(BIN)/python' > $(BIN)/stepwell
	@chmod +x $(BIN)/stepwell
	@touch $@

.venv/.tests: .venv/.stamp requirements-test.lock
	@echo "Adding what the tests need ..."
	@$(BIN)/python -m pip install -qq --no-compile --no-deps --require-hashes -r requirements-test.lock
	@touch $@
