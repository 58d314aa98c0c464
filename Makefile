# Recipes for people and for CI. Needs Python 3.11 or newer, git and make; everything else is
# installed into .venv, in the versions and with the hashes of requirements*.txt.

SHELL = /bin/sh
PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
RUNTIME = $(VENV)/.runtime
DEV = $(VENV)/.dev
PREFECT = .venv-prefect
# What an install compiles.
CORE = hatch_build.py $(wildcard lpaudit/core/*.[ch])
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST_ARGS =
# One more than there are processors: tests also wait, for disks and for each other.
WORKERS = $$(( $$(getconf _NPROCESSORS_ONLN) + 1 ))
BENCH_ARGS = --into docs/performance.md
# Tests start lpaudit hundreds of times: it is compiled once, and not at every start.
unexport PYTHONDONTWRITEBYTECODE

# What `make run` shows: one host's logs of 13 minutes, and hostile requests in three more formats.
SAMPLE_LOGS = sample_logs/audit.log.gz sample_logs/default.log sample_logs/combined.log sample_logs/audit.json.log \
	sample_logs/error.log
SAMPLE_PERIOD = --from 2026-11-23 --to 2026-11-23

.PHONY: help run demo test test-e2e check fmt docs lock soak bench bench-follow bench-correlate bench-links bench-report bench-verify clean lighttpd logrotate lua oidc chromium prefect venv
.PHONY: check-format check-lint check-types check-imports check-spelling check-docs check-security

help: ## Print this list.
	@echo "make RECIPE:"
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1 \2/p' Makefile | while read -r name text; do \
		printf '  %-12s %s\n' "$$name" "$$text"; done

run: $(RUNTIME) ## Ingest the sample logs with Prefect's records and write an access report to lpaudit-report/.
	$(BIN)/lpaudit ingest --host gw1 $(SAMPLE_LOGS)
	$(BIN)/lpaudit sync --from-dump sample_logs/prefect
	$(BIN)/lpaudit correlate
	$(BIN)/lpaudit report access $(SAMPLE_PERIOD) --out lpaudit-report
	$(BIN)/lpaudit status

demo: $(RUNTIME) ## Tell a day at a gateway with the sample logs, command by command, in a temporary directory.
	@PATH="$(CURDIR)/$(BIN):$$PATH" demo/story.sh

# loadgroup: tests that share something dear, such as a Prefect server, are run by one worker.
test: $(DEV) lighttpd logrotate lua oidc chromium prefect ## Run the tests, also those against a real lighttpd, logrotate, Chromium and Prefect.
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

test-e2e: $(DEV) lighttpd lua oidc prefect ## Record a real Prefect behind a real lighttpd, and hold the store against it.
	$(BIN)/python -m pytest -m e2e -n 2 --dist loadgroup --timeout 900 $(PYTEST_ARGS)

check: check-format check-lint check-types check-imports check-spelling check-docs check-security ## Format, lint, types, import contract, spelling, generated docs, dependencies.
check-format: $(DEV)
	$(BIN)/ruff format --check .
check-lint: $(DEV)
	$(BIN)/ruff check .
check-types: $(DEV)
	$(BIN)/mypy
check-imports: $(DEV)
	$(BIN)/lint-imports
check-spelling: $(DEV)
	$(BIN)/codespell
check-docs: $(DEV)
	$(BIN)/cog --check -I docs $$(grep -l '\[\[\[cog' README.md docs/*.md reports/*.md)

# What bandit looks for are ruff's S rules, in check-lint. This is what is known of dependencies without a network.
check-security: $(DEV)
	$(BIN)/python .ci/security.py

fmt: $(DEV) ## Format the code and fix what can be fixed by itself.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(DEV) ## Write the generated parts of the docs again.
	$(BIN)/cog -r -I docs $$(grep -l '\[\[\[cog' README.md docs/*.md reports/*.md)

soak: $(DEV) lighttpd logrotate prefect ## Run the long campaigns.
	$(BIN)/python -m pytest -n auto -m soak --timeout 0 $(PYTEST_ARGS)

bench: $(RUNTIME) ## Measure `lpaudit ingest` beside DuckDB and GoAccess, and write docs/performance.md.
	@$(BIN)/python -m bench.ingest $(BENCH_ARGS)

bench-follow: $(RUNTIME) ## Measure `lpaudit ingest --follow` under load, and write docs/performance.md.
	@$(BIN)/python -m bench.follow $(BENCH_ARGS)

bench-correlate: $(RUNTIME) ## Measure how often `lpaudit correlate` is right, and write docs/correlation.md.
	@$(BIN)/python -m bench.correlate --into docs/correlation.md

bench-links: $(RUNTIME) ## Measure what `lpaudit correlate` takes over a million lines, and write docs/correlation.md.
	@$(BIN)/python -m bench.links --into docs/correlation.md

bench-report: $(RUNTIME) ## Measure a full report beside plain DuckDB queries, and write docs/performance.md.
	@$(BIN)/python -m bench.report $(BENCH_ARGS)

bench-verify: $(RUNTIME) ## Measure `lpaudit verify` beside the ingest that it verifies, and write docs/performance.md.
	@$(BIN)/python -m bench.verify $(BENCH_ARGS)

# UPGRADE=--upgrade takes the newest versions; without it, only what pyproject.toml makes necessary changes.
UV_LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links $(UPGRADE)

lock: $(DEV) ## Write requirements*.txt again (UPGRADE=--upgrade: with the newest versions).
	printf 'editables\nhatchling\n' | $(UV_LOCK) pyproject.toml - -o requirements.txt
	$(UV_LOCK) pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
	$(UV_LOCK) --group prefect -o requirements-prefect.txt

clean: ## Remove the environment, caches, and what `make run` made.
	rm -rf $(VENV) $(PREFECT) build dist lpaudit-store lpaudit-report
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache
	find lpaudit tests docs bench -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. A stamp is newer than the lock it was made from, so the second time takes no time.

venv:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): lpaudit needs Python 3.11 or newer." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "lpaudit needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu:" >&2; \
		echo "  sudo apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt pyproject.toml $(CORE) | venv
	$(PIP) install --require-hashes -r requirements.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): requirements-dev.txt pyproject.toml $(CORE) | venv
	$(PIP) install --require-hashes -r requirements-dev.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# Debian's lighttpd and logrotate are in /usr/sbin, which is not in everybody's PATH.
lighttpd logrotate:
	@PATH="$$PATH:/usr/sbin"; SKIP=LPAUDIT_SKIP_$$(echo $@ | tr a-z A-Z); \
	if command -v $@ >/dev/null; then exit 0; fi; \
	if [ "$$(printenv $$SKIP)" = 1 ]; then \
		echo "WARNING: $$SKIP=1: tests against a real $@ are SKIPPED." >&2; exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $@; \
	else \
		echo "The tests need $@:" >&2; \
		echo "  sudo apt-get install $@" >&2; \
		echo "To skip those that do: $$SKIP=1 make test" >&2; exit 1; \
	fi

# The real Prefect has an environment of its own: its versions of shared dependencies are not ours to choose.
# The lock is the whole of it (--no-deps). Beside it an empty database of the version, because making one takes the
# server longer than to start.
ifeq ($(LPAUDIT_SKIP_PREFECT)$(wildcard $(PREFECT)/.made),1)
prefect:
	@echo "WARNING: LPAUDIT_SKIP_PREFECT=1: tests against a real Prefect are SKIPPED." >&2
else
prefect: $(PREFECT)/.made
endif

$(PREFECT)/.made: requirements-prefect.txt | venv
	rm -rf $(PREFECT)
	$(PYTHON) -m venv $(PREFECT)
	$(PREFECT)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r $<
	PREFECT_HOME=$(CURDIR)/$(PREFECT)/empty DO_NOT_TRACK=1 $(PREFECT)/bin/prefect server database upgrade --yes
	@touch $@

# What the gateway's script, and TLS, need beside lighttpd: Debian's packages. Without lighttpd it is not tested either.
LUA = lighttpd-modules-lua lua-luaossl lua-cjson lighttpd-mod-openssl
lua: lighttpd
	@if ls /usr/lib/lighttpd/mod_magnet.so /usr/lib/lighttpd/mod_openssl.so /usr/lib/*/lua/5.4/_openssl.so /usr/lib/*/lua/5.4/cjson.so >/dev/null 2>&1; then exit 0; fi; \
	if [ "$$LPAUDIT_SKIP_LIGHTTPD" = 1 ]; then \
		echo "WARNING: LPAUDIT_SKIP_LIGHTTPD=1: tests of tokens in a real lighttpd are SKIPPED." >&2; exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(LUA); \
	else \
		echo "The tests need lighttpd with Lua and TLS:" >&2; \
		echo "  sudo apt-get install $(LUA)" >&2; \
		echo "To skip those that do: LPAUDIT_SKIP_LIGHTTPD=1 make test" >&2; exit 1; \
	fi

# A real OpenID provider, in the versions and with the hashes of tests/oidc/package-lock.json.
oidc: $(DEV)
	@if ! command -v npm >/dev/null || ! command -v node >/dev/null; then \
		echo "WARNING: there is no node with npm: tests against a real OpenID provider are SKIPPED." >&2; exit 0; fi; \
	mkdir -p $(VENV)/oidc && cd $(VENV)/oidc && \
	if cmp -s package-lock.json $(CURDIR)/tests/oidc/package-lock.json && test -d node_modules/oidc-provider; then exit 0; fi; \
	cp $(CURDIR)/tests/oidc/package*.json . && npm ci --no-audit --no-fund || { \
		rm -rf node_modules package-lock.json; \
		echo "WARNING: npm could not install it: tests against a real OpenID provider are SKIPPED." >&2; }

# A real browser for reports: Debian's Chromium, and what drives and judges it in the versions and with the hashes of
# tests/browser/package-lock.json.
chromium: $(DEV)
	@if [ "$$LPAUDIT_SKIP_CHROMIUM" = 1 ]; then \
		echo "WARNING: LPAUDIT_SKIP_CHROMIUM=1: reports are NOT tested in a real browser." >&2; exit 0; fi; \
	command -v node >/dev/null && command -v npm >/dev/null || { \
		echo "The tests open reports in Chromium from node: install node with npm." >&2; \
		echo "To skip those that do: LPAUDIT_SKIP_CHROMIUM=1 make test" >&2; exit 1; }; \
	if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium || exit 1; \
		else \
			echo "The tests need Chromium:" >&2; \
			echo "  sudo apt-get install chromium" >&2; \
			echo "To skip those that do: LPAUDIT_SKIP_CHROMIUM=1 make test" >&2; exit 1; \
		fi; \
	fi; \
	mkdir -p $(VENV)/browser && cd $(VENV)/browser && \
	if cmp -s package-lock.json $(CURDIR)/tests/browser/package-lock.json && test -d node_modules/axe-core; then exit 0; fi; \
	cp $(CURDIR)/tests/browser/package*.json . && npm ci --no-audit --no-fund
