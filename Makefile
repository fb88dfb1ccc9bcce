# Every target works as the first command on a machine with Python 3.11 and make: it installs a
# pinned uv into .tools/ and what it needs into .venv/. Stamps make the second call instant.

UV_VERSION := 0.13.8
UV := .tools/uv-$(UV_VERSION)/bin/uv
# Certificates come from the system's store, so that a company's own authority is trusted.
# Compiled here: workers, which may write nothing, would compile what they import at each start.
SYNC := UV_SYSTEM_CERTS=1 UV_COMPILE_BYTECODE=1 $(UV) sync --frozen --no-default-groups --inexact
PYTEST_WORKERS ?= 2

# Tests start hundreds of servers: with compiled modules kept, each takes half the time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint bench serve extras install clean

demo: .venv/.stamp-demo
	.venv/bin/tidemill demo

test: .venv/.stamp-test
	.venv/bin/pytest -n $(PYTEST_WORKERS) --dist loadfile

lint: .venv/.stamp-lint
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: .venv/.stamp-bench .venv/.stamp-bench-compiled
	.venv/bin/python -m bench

serve: .venv/.stamp-demo
	.venv/bin/tidemill serve

# The drivers of Snowflake, BigQuery, ClickHouse, Delta and Glue.
extras: .venv/.stamp-demo
	$(SYNC) --all-extras

install: .venv/.stamp-test .venv/.stamp-lint .venv/.stamp-bench .venv/.stamp-demo

clean:
	rm -rf .venv .tools tidemill-data .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The types of the test tools are part of what mypy reads, so lint needs them too.
.venv/.stamp-lint: GROUPS := lint test
.venv/.stamp-test: GROUPS := test
.venv/.stamp-bench: GROUPS := bench
.venv/.stamp-demo: GROUPS := demo

# A peer without a wheel: without a compiler the benchmarks report it as missing.
.venv/.stamp-bench-compiled: .venv/.stamp-bench
	-$(SYNC) --group bench --group bench-compiled
	touch $@

.venv/.stamp-%: pyproject.toml uv.lock $(UV)
	$(SYNC) $(addprefix --group ,$(GROUPS))
	.venv/bin/python -m compileall -q catalog connectors engine server
	touch $@

$(UV):
	sh .ci/install-uv $(UV_VERSION) $(@D:/bin=)
