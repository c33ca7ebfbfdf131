# The README's two commands are `make demo` and `make test`; both install what they need (Debian, root).
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
TOPOLOGY ?= lab-flannel
DEBIAN := etcd-server containerd runc containernetworking-plugins iptables nftables ipset ipvsadm conntrack iproute2 \
  procps openssh-server openssh-client openssl curl tcpdump gcc libc6-dev make bc patch jq rsync xz-utils dpkg-dev golang-1.19-go chromium
SIMULATED := example-kubeadm $(notdir $(basename $(wildcard topologies/library/lab-*.yaml)))
LAB ?= yes
PREBUILD = setpriv --pdeathsig TERM $(PY) -m tests.lab.support.prebuilt >/dev/null 2>&1
VENV_PACKAGE = $(shell $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv)

.PHONY: demo test quick check unit coverage fuzz simulated simulations mutants lab setup system down bench lock truth upstream-e2e

demo: setup
	@$(PY) -m pytest --topology=$(TOPOLOGY); status=$$?; $(PY) -m topologies.lab down --topology=$(TOPOLOGY); exit $$status

# Cheap checks first, the real lab last. A machine that cannot hold a lab fails here; `make test LAB=no` leaves it out.
# Ends at the first part that fails, and prints how long each part took. PREBUILD builds in the background what the lab
# needs, with the processor time that the other parts leave, and ends with this shell.
test: setup
	@if [ "$(LAB)" != no ]; then $(PREBUILD) & fi; \
	times=; for part in check unit simulated lab; do \
	  began=$$(date +%s); $(MAKE) --no-print-directory $$part || { echo "make test: $$part failed"; exit 1; }; \
	  times="$$times $$part $$(($$(date +%s) - began)) s,"; \
	done; echo "make test passed:$${times%,}"

# What a change is checked with while it is made: no root, no lab, less than two minutes on two cores.
quick: check
	$(PY) -m pytest -q -n auto -m "not slow" tests/unit

setup: system $(VENV)/.installed

# The lock is whole (pip check says so), so nothing is resolved: what is installed never depends on the index of the day.
# A requirement with extras stands in the lock with them: pip refuses the newest coverage[toml] where coverage is pinned.
$(VENV)/.installed: requirements.lock
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "installing Python packages into $(VENV)"
	@$(PY) -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(PY) -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(PY) -m pip check --disable-pip-version-check >/dev/null || $(PY) -m pip check
	@touch $@

system:
	@missing=$$(for package in $(DEBIAN) $(VENV_PACKAGE); do dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || echo $$package; done); \
	if [ -n "$$missing" ]; then echo "installing $$missing"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi

check: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/interrogate -q .
	$(PY) -m tests.prose

unit: $(VENV)/.installed
	$(PY) -m pytest -n auto --durations=20 tests/unit tests/fuzz tests/browser

coverage: $(VENV)/.installed
	$(PY) -m pytest -q -n auto --cov --cov-report=term:skip-covered tests/unit

fuzz: $(VENV)/.installed
	HAIRPIN_FUZZ=whole $(PY) -m pytest -n auto tests/fuzz

# Side by side: the mutations take one processor alone.
simulated: $(VENV)/.installed
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target simulations mutants

simulations: $(VENV)/.installed
	@echo $(SIMULATED) | tr ' ' '\n' | xargs -P $$(nproc) -I NAME sh -c \
	  'told=$$($(PY) -m pytest -q --collect-only --topology=NAME >/dev/null && $(PY) -m pytest -q --no-header --simulate --topology=NAME) \
	    && echo "NAME: simulated, $$(echo "$$told" | tail -1)" || { echo "$$told"; echo "NAME: failed"; exit 255; }'

mutants: $(VENV)/.installed
	$(PY) -m tests.mutants

lab: setup
ifeq ($(LAB),no)
	@echo "tests/lab left out: LAB=no"
else
	@$(PREBUILD) & $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=20 tests/lab
endif

bench: setup
	$(PY) -m bench.run

# Live runs of the rows of docs/truth.md that are not recorded; WORDS=nftables: of those with these words in their id
truth: setup
	$(PY) -m tests.truth $(WORDS)

# Upstream's [sig-network] tests of a version, against a lab of it: make upstream-e2e VERSION=1.20.2
upstream-e2e: setup
	$(PY) -m topologies.lab.upstream_e2e $(VERSION) --write docs/upstream-e2e.md

down:
	$(PY) -m topologies.lab down --topology $(TOPOLOGY)

lock:
	$(VENV)/bin/python -m uv pip compile pyproject.toml --group dev --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock' -o requirements.lock
