# make            lists what one can do
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NPM := $(shell command -v npm)
BIOME := packaging/js/node_modules/.bin/biome
SCRIPTS := src/whitestat/web/static tests/js
JS_TOOLS := $(if $(NPM),packaging/js/node_modules/.package-lock.json)

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: $(VENV)/run.stamp ## meter this machine's Internet interface and show it at the address printed
	$(BIN)/whitestat run $(ARGS)

test: packages $(VENV)/test.stamp lint ## everything: style, types, unit, property, lab and browser tests
	$(BIN)/python -m pytest -rs --numprocesses 3 --dist loadscope $(ARGS)

quick: $(VENV)/test.stamp ## what needs no root, browser or network namespace, in a minute; ARGS=tests/ledger for a part
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest --numprocesses 3 \
		-m 'not lab and not needs and not browser and not slow' $(ARGS)

packages: ## install the Debian packages that the tests need and that are missing, as root
	@packaging/install-packages || echo 'They could not be installed (above: why): tests that need them are skipped.'

lint: $(VENV)/test.stamp lint-js ## ruff and mypy, strict; Biome for the page's scripts and styles, where npm is installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

lint-js: $(JS_TOOLS)
	$(if $(NPM),$(BIOME) check --error-on-warnings $(SCRIPTS),@echo 'Scripts and styles are not checked: npm is not installed.')

format: $(VENV)/test.stamp $(JS_TOOLS) ## write everything as ruff and Biome want it
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(if $(NPM),$(BIOME) check --write $(SCRIPTS),@echo 'Scripts and styles are not formatted: npm is not installed.')

packaging/js/node_modules/.package-lock.json: packaging/js/package.json packaging/js/package-lock.json
	npm ci --prefix packaging/js --silent --no-audit --no-fund
	@touch $@

figures: $(VENV)/test.stamp ## docs/explanation/figures.md, measured anew: an hour and a half of a machine that does nothing else
	$(BIN)/python bench/contract.py --write docs/explanation/figures.md $(ARGS)

bench: $(VENV)/test.stamp ## the published contract, measured here beside darkstat
	$(BIN)/python bench/contract.py $(ARGS)

soak: $(VENV)/test.stamp ## 200 kills and 200 restarts under traffic, five million forged packets, looking for a lost octet
	WHITESTAT_KILLS=200 WHITESTAT_FORGED=5000000 WHITESTAT_RESTARTS=25 \
		$(BIN)/python -m pytest -s --timeout 0 tests/lab/test_degraded.py tests/lab/test_restarts.py

soak-darkstat: $(VENV)/test.stamp ## five minutes of a real darkstat that is restarted, wiped and pruned, read every second
	WHITESTAT_SOAK=300 $(BIN)/python -m pytest -s --timeout 0 tests/lab/test_darkstat.py

conformance: $(VENV)/test.stamp ## schemathesis against the interface's own description, 60 examples of each path and method
	WHITESTAT_EXAMPLES=60 $(BIN)/python -m pytest -s --timeout 0 tests/web/test_conformance.py

attack: $(VENV)/test.stamp ## the tests that attack, with 10,000 wrong passwords and 2,000 idle connections while it meters
	WHITESTAT_STORM=10000 $(BIN)/python -m pytest -rs --timeout 0 -m attack $(ARGS)

storm: $(VENV)/test.stamp ## 10,000 wrong passwords and a thousand idle connections, while it meters and the owner logs in
	WHITESTAT_STORM=10000 $(BIN)/python -m pytest -s --timeout 0 tests/lab/test_storm.py

armv7: $(VENV)/bin/pip ## the service on a Raspberry Pi's kind of kernel: Debian's 32-bit ARM one, emulated
	packaging/armv7/boot $(abspath $(BIN))/python

links: $(VENV)/test.stamp ## VLAN, Wi-Fi, PPPoE and WireGuard on Debian's own kernel, emulated: octets equal to the far end's
	packaging/links/boot $(abspath $(BIN))/python $(ARGS)

pythons: $(VENV)/bin/pip ## the service on each Python it is declared for: this machine's, and those of newer Debians
	packaging/pythons/run $(abspath $(BIN))/python

bare: ## the README's commands on bare Debian 12 and 13: make run, make quick as a user; WHOLE=1: make test too
	packaging/bare/run $(ARGS)

constraints: $(VENV)/bin/uv ## packaging/constraints.txt: the versions and hashes that the image fetches
	packaging/constraints $(abspath $(BIN))/uv

bounds: $(VENV)/bin/uv ## the service with the oldest and the newest versions of other packages that it is declared for
	packaging/bounds $(abspath $(BIN))/python $(abspath $(BIN))/uv

image: $(VENV)/bin/pip ## the container image of this machine's kind, built, run to its first healthy answer, in dist/
	$(MAKE) image-$(subst armhf,armv7,$(shell dpkg --print-architecture))

images: image-amd64 image-arm64 image-armv7 ## the container images of all three kinds; two of them are emulated

image-%: $(VENV)/bin/pip
	packaging/container/image $(abspath $(BIN))/python $*
	PYTHONPATH=. $(BIN)/python packaging/container/try_image.py $*

fuzz: $(VENV)/test.stamp ## damaged packets, captures and messages at every reader, for five minutes
	$(BIN)/pip install --quiet --disable-pip-version-check '.[fuzz]'
	$(BIN)/python -m fuzz $(ARGS)

captures: $(VENV)/test.stamp ## the capture files of a folder (DIR=folder), replayed and compared with tshark frame by frame
	$(BIN)/python -m tests.support.second_opinion $(DIR)

object: ## rebuild the kernel program's object file from its source
	$(MAKE) -B -C src/whitestat/collectors/kernel

vendor: ## what the page takes from npm, at the versions that web/static/vendor/VENDORED.md names
	$(PYTHON) packaging/vendor.py src/whitestat/web/static/vendor

reference: $(VENV)/test.stamp ## docs/reference: configuration, commands, API and metrics, made from the code
	$(BIN)/python -m tests.support.reference docs/reference

docs: $(VENV)/bin/pip ## the documentation as a site in build/site, every link checked
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

manual: $(VENV)/test.stamp ## man pages and shell completions, made from the parser, in build/manual
	$(BIN)/python packaging/manual.py build/manual

release: $(VENV)/bin/pip ## what a release consists of, in dist/release, with checksums; KEY=id signs them with gpg
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[release]'
	packaging/release $(abspath $(BIN))/python dist/release $(KEY)

screenshot: $(VENV)/test.stamp ## take the README's picture from the lab's home network
	$(BIN)/python -m tests.lab.screenshot docs/page.png

clean: ## forget the virtual environment and caches
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || packaging/install-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/bin/uv: $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check 'uv>=0.5'

$(VENV)/run.stamp: $(VENV)/bin/pip pyproject.toml
	@command -v ip >/dev/null || packaging/install-packages iproute2 libbpf1
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/test.stamp: $(VENV)/bin/pip pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps 'axe-playwright-python>=0.1.8,<0.2' # for its axe.min.js
	@touch $@ $(VENV)/run.stamp

.PHONY: help run test quick packages lint lint-js format bench figures fuzz captures soak soak-darkstat conformance attack storm armv7 links pythons bare constraints bounds image images object vendor reference docs manual release screenshot clean
