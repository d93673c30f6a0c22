# Everything sets itself up: `make demo` and `make test` work on a fresh checkout.

PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
# -P: the tests see the installed package, not the checkout that happens to be the current folder.
# It says which ten tests took longest, if they took three seconds.
SLOWEST := --durations 10 --durations-min 3
PYTEST := $(BIN)/python -P -m pytest $(SLOWEST)

# The second environment: the oldest libraries that pyproject.toml allows, under Python 3.13 where there is one, as on
# Debian 13.
FLOORS := .venv-floors
NEWER = $(firstword $(shell for python in python3.13 "$$(pyenv prefix 3.13 2>/dev/null)/bin/python3.13"; do \
	$$python -c 'import sys; print(sys.executable)' 2>/dev/null; done))
# These judge the files of the checkout, and the same ones under every Python and every library: they run in $(VENV) alone.
TREE := tests/docs/test_types.py tests/nagios/test_dashboards.py tests/packaging tests/test_layers.py tests/test_map.py \
	tests/test_new_protocol.py
# Most unit tests wait for something: more processes than cores pay.
PARALLEL := -n 4 --dist loadfile
# What fails beside the others has the last word alone.
TWICE := ALONE='--dist no -n 0' tests/support/twice .pytest_cache
FLOORS_PYTEST := $(FLOORS)/bin/python -P -m pytest $(SLOWEST) $(TREE:%=--ignore=%)
# In `make test`, where other parts run meanwhile, two processes for each Python are enough, and these need none that hands
# tests out: a quarter of the processor time went into that and into collecting all tests in each of four. Halves of the
# work, not of the files.
HALF_farms := tests/lb tests/ssh
HALF_others := $(HALF_farms:%=--ignore=%) tests
HALVES := farms others

# What is installed. Folders are listed too, because their time changes when a file in them goes.
SOURCES := pyproject.toml README.md LICENSE \
	$(shell find noidchecks nagios lb packaging/share -name __pycache__ -prune -o -print 2>/dev/null)
# Stands before a command that does not say itself what it took, as pytest does.
timed = tests/support/timed '$(1)'
# Those that can be run; the others help them, and the soak, a folder, takes an hour.
BENCHES := $(basename $(notdir $(sort $(shell grep -ls __main__ integration/bench/*.py))))

# An uncompiled package doubles the start of a plugin, a foreign path would be tested in place of this one, and without
# buffers nothing is left in one that takes no more.
unexport PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED PYTHONPATH PYTHONHOME PIP_NO_COMPILE PIP_USER PIP_TARGET PIP_PREFIX

.PHONY: help install demo test lint unit floors $(HALVES:%=unit-%) $(HALVES:%=floors-%)
.PHONY: fuzz integration machine bench docs deb dist clean
.DELETE_ON_ERROR:
ifdef TOGETHER
# Nothing is left to install then. A make that a test starts is on its own.
unexport MAKEFLAGS MAKELEVEL
else
# Two pips at a time would install over each other.
.NOTPARALLEL:
endif

help:
	@echo 'make demo         let the plugins check small servers, and farms of them lose and regain backends'
	@echo 'make test         lint, types, unit tests and, as root, the integration tests'
	@echo 'make install      the plugins in $(BIN)'
	@echo 'make lint         ruff and mypy'
	@echo 'make unit         the tests that need no root'
	@echo 'make floors       the same with the oldest libraries, under Python 3.13 where there is one'
	@echo 'make fuzz         mutated input for all that reads what a peer says, a minute for each target'
	@echo 'make integration  the tests against real servers, as root on Debian 12'
	@echo 'make machine      farms and the pair on Debian 12 and 13 with their own kernels, and PXE clients, in qemu: 80 minutes'
	@echo 'make bench        the measurements behind the figures of the README, as root'
	@echo 'make docs         option tables of docs/, executables and commands of nagios/, manual pages, completion'
	@echo 'make deb          the packages for Debian 12 and 13, in chroots, as root on Debian'
	@echo 'make dist         source distribution and wheel for a package index; URL=https://... is the repository'
	@echo 'make clean        remove everything that was built'

install: $(VENV)/installed
	@echo 'The plugins are in $(BIN).'

demo: $(VENV)/installed-demo
	@$(BIN)/noidchecks demo
	@[ "$$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null || integration/prepare --demo || true
	@$(BIN)/python -P -m integration.demo

# The integration tests, where they can be run.
INTEGRATION := $(shell [ "$$(id -u)" -ne 0 ] || ! grep -qs '^VERSION_CODENAME=bookworm$$' /etc/os-release || echo integration)
PARTS := $(INTEGRATION) lint $(HALVES:%=unit-%) $(HALVES:%=floors-%)

# At the same time, because most tests wait for something.
test: $(VENV)/installed-demo $(VENV)/installed-tools $(FLOORS)/installed
	@$(if $(INTEGRATION),integration/prepare)
	@echo 'At the same time, what each of them says is printed when it is over: $(PARTS)'
	@$(MAKE) --no-print-directory --jobs --output-sync=target TOGETHER=yes $(PARTS)
	@$(if $(INTEGRATION),,echo 'Left out: the integration tests, which need root on a machine with Debian 12: run "make integration" there.')

# With everything installed, because the types of what we use count too.
lint: $(VENV)/installed-demo $(VENV)/installed-tools
	$(call timed,ruff check) $(BIN)/ruff check
	$(call timed,ruff format) $(BIN)/ruff format --check
	$(call timed,mypy) $(BIN)/mypy

# As -P, for the processes that pytest starts too.
unit floors unit-% floors-%: export PYTHONSAFEPATH := 1

unit: $(VENV)/installed-demo $(VENV)/installed-tools
	$(TWICE)/unit $(PYTEST) $(PARALLEL) tests

floors: $(FLOORS)/installed
	$(TWICE)/floors $(FLOORS_PYTEST) $(PARALLEL) tests

$(HALVES:%=unit-%): unit-%: $(VENV)/installed-demo $(VENV)/installed-tools
	$(TWICE)/$@ $(PYTEST) $(HALF_$*)

$(HALVES:%=floors-%): floors-%: $(FLOORS)/installed
	$(TWICE)/$@ $(FLOORS_PYTEST) $(HALF_$*)

# SECONDS is for each target, TARGETS some of those in tests/fuzz/targets.py.
fuzz: $(VENV)/installed-demo $(VENV)/installed-tools
	@$(PIP) install --group fuzz || echo 'atheris could not be installed'
	@$(BIN)/python -P -m tests.fuzz --seconds $(or $(SECONDS),60) $(TARGETS)

integration: $(VENV)/installed-demo $(VENV)/installed-tools
	@integration/prepare
	tests/support/twice .pytest_cache/integration integration/parallel $(BIN)/python integration

# RELEASES is for some of the releases and parts, as in RELEASES="12 service"; the boots over the network are left out then.
machine: $(VENV)/installed-demo $(VENV)/installed-tools
	@integration/prepare --machine
	$(BIN)/python -P -m integration.machine $(RELEASES)
	$(if $(RELEASES),,integration/run $(PYTEST) integration/pxe/boots.py)

bench: $(VENV)/installed-demo $(VENV)/installed-tools
	@integration/prepare
	@for bench in $(BENCHES); do echo "== $$bench"; integration/run $(BIN)/python -P -m integration.bench.$$bench || exit; done

docs: $(VENV)/installed $(VENV)/installed-tools
	$(BIN)/python -P docs/generate.py
	$(BIN)/python -P nagios/generate.py
	$(BIN)/python -P -m nagios.dashboards.generate
	$(BIN)/python -P -m docs.man.generate
	$(BIN)/python -P -m docs.completion.generate

# RELEASES are bookworm and trixie, or one of them.
deb: $(VENV)/installed-tools
	packaging/deb $(RELEASES)

# URL is the address of the repository.
dist: $(VENV)/installed-tools
	$(BIN)/python packaging/dist.py $(URL)

clean:
	rm -rf $(VENV) $(FLOORS) fuzz-findings build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip 25.1 is the first that knows dependency groups.
$(VENV)/ready:
	@case '$(CURDIR)' in *' '*) echo 'The path of the checkout must not contain a space: pip writes it into the first line' \
		'of each plugin, where the kernel ends it at the space.'; exit 1;; esac
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo 'Python 3.11 or later is needed: set PYTHON, as in "make PYTHON=python3.11 $(or $(MAKECMDGOALS),install)".'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo 'The venv module of $(PYTHON) is missing: on Debian and Ubuntu install the package python3-venv.'; exit 1; }
	@echo 'Setting up $(VENV) ...'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/installed: $(VENV)/ready $(SOURCES)
	@echo 'Installing noidchecks in $(VENV) ...'
	@$(PIP) install --compile .
	@touch $@

# checkout.pth puts the checkout behind the installed packages: `tests` and `integration` are found there, and only they.
$(VENV)/installed-demo: $(VENV)/ready $(SOURCES)
	@echo 'Installing noidchecks and the servers of its demonstration in $(VENV) ...'
	@$(PIP) install --compile '.[demo,exporter]'
	@$(BIN)/python -c 'import sysconfig; open(sysconfig.get_path("purelib") + "/checkout.pth", "w").write("$(CURDIR)\n")'
	@touch $(VENV)/installed $@

$(VENV)/installed-tools: $(VENV)/ready pyproject.toml
	@echo 'Installing the test tools ...'
	@$(PIP) install --compile --group test --group lint
	@touch $@

$(FLOORS)/installed: $(VENV)/ready $(SOURCES) tests/floors.py
	@[ -n "$(NEWER)" ] || echo 'Left out: Python 3.13, which is not here; $(FLOORS) takes $(PYTHON).'
	@echo 'Installing noidchecks with the oldest libraries in $(FLOORS) ...'
	@[ -x $(FLOORS)/bin/python ] || $(or $(NEWER),$(PYTHON)) -m venv --clear $(FLOORS)
	@$(FLOORS)/bin/python -m pip -qq --disable-pip-version-check install --upgrade 'pip>=25.1'
	@$(BIN)/python tests/floors.py >$(FLOORS)/floors.txt
	@$(FLOORS)/bin/python -m pip -qq --disable-pip-version-check install --compile -c $(FLOORS)/floors.txt --group test '.[demo,exporter]'
	@$(FLOORS)/bin/python -c 'import sysconfig; open(sysconfig.get_path("purelib") + "/checkout.pth", "w").write("$(CURDIR)\n")'
	@touch $@
