# `make` alone says what there is. Node 26 is a package (node_modules/.bin/node); the machine's own Node only runs npm.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# npm is run with the PATH of the machine: `npm ci` deletes the very Node that would be found first otherwise.
export SYSTEM_PATH := $(PATH)
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

.PHONY: help
help: ## what there is (this list)
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

.PHONY: install
install: ## Debian's libraries where absent, the packages of package-lock.json, the native addon; with DESTDIR= or PREFIX=: into the system (docs/install.md)
	@scripts/debian-packages.sh run
	@scripts/once.sh node_modules/.postern-installed package.json package-lock.json .npmrc -- scripts/npm-ci.sh
	@native/build.sh
ifneq ($(filter command line,$(origin DESTDIR) $(origin PREFIX)),)
ifneq ($(filter install,$(MAKECMDGOALS)),)
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' STRIP='$(STRIP)' scripts/install-tree.sh
endif
endif

.PHONY: deb
deb: install ## a Debian package, build/deb/postern_VERSION_ARCH.deb; the same sources give the same bytes
	@scripts/deb.sh build/deb

.PHONY: run
run: install ## start the appliance in the foreground with everything under ./var; Ctrl-C stops it
	@exec bin/postern start

.PHONY: install-test
install-test: install ## what the tests need besides: Postfix, Dovecot, OpenSMTPD and unbound as peers, strace, QEMU's storage daemon
	@scripts/debian-packages.sh test

VERSION = $(shell sed -n 's/^  "version": "\(.*\)",$$/\1/p' package.json)
ARCH = amd64
.PHONY: image
image: install ## the disk image of the appliance, build/image/postern-VERSION-ARCH.raw (VERSION=, ARCH=amd64|arm64; as root; docs/image.md)
	@scripts/debian-packages.sh image
	@image/build.sh '$(VERSION)' '$(ARCH)' build/image

.PHONY: test-image
test-image: image ## start the image in QEMU: mail, console, update, verity, power cut, …; prints the minutes of each (TEST= one file)
	@scripts/debian-packages.sh test-image
	digest=$$(image/digest.sh) && ava --config ava.image.config.mjs $(AVA_FLAGS) $(TEST) && \
		{ [ -n '$(TEST)' ] || echo "$$digest" >test/image/proved.txt; }

.PHONY: test-image-short
test-image-short: image ## of test-image what shows most: start, mail, console, update; notes it in test/image/proved.txt
	@scripts/debian-packages.sh test-image
	digest=$$(image/digest.sh) && ava --config ava.image.config.mjs $(AVA_FLAGS) test/image/boot.test.ts test/image/update.test.ts && \
		echo "$$digest" >test/image/proved.txt

.PHONY: test-image-changed
test-image-changed: install ## the image is built and started where what it is made of is not what test/image/proved.txt says
	@test/image/gate.sh

.PHONY: image-lock
image-lock: ## image/versions.lock anew: the versions that Debian has today (ARCH=)
	@scripts/debian-packages.sh image
	@image/lock.sh $(ARCH)

.PHONY: image-twice
image-twice: install ## build the image twice from nothing but its packages, and compare each octet
	@scripts/debian-packages.sh image
	@image/twice.sh '$(VERSION)' '$(ARCH)' build/image/twice

DOCS := docs/settings.md
.PHONY: docs
docs: install ## docs/settings.md from the table of settings
	node bin/postern settings --markdown > $(DOCS).new && mv $(DOCS).new $(DOCS)

.PHONY: test
test: install-test ## all tests (the long crash tests and fuzzing have their own targets)
	ava $(AVA_FLAGS)

.PHONY: check
check: install ## format, lint, types, unused code
	oxfmt --check src test
	oxlint --type-aware src test
	tsc
	knip

.PHONY: format
format: install ## bring src and test into the one format
	oxfmt src test

.PHONY: test-crash
test-crash: install-test ## the long form of the crash tests (half an hour); POSTERN_SEED=n repeats a run
	POSTERN_CRASH=long ava --timeout=40m --serial 'test/crash/*.test.ts'

.PHONY: test-fresh
test-fresh: ## prove `make run` and `make test` in a fresh Debian 12 (debootstrap; needs root)
	@test/fresh/prove.sh

.PHONY: test-units
test-units: install ## the package under a booted systemd (systemd-nspawn; needs root): restart, reload and kill -9 under load
	@test/units/prove.sh

.PHONY: fuzz
fuzz: install ## libFuzzer with ASan on native/core; FUZZ_SECONDS=n for longer
	@scripts/debian-packages.sh fuzz
	@test/fuzz/run.sh

.PHONY: bench
bench: install-test ## Postern against Debian's Postfix, side by side, ratios first
	@node test/bench/run.ts $(BENCH_FLAGS)

.PHONY: bench-directory
bench-directory: install-test ## an LDAP directory of 100,000 accounts: reading, memory, microseconds for a lookup
	@node test/bench/directory.ts

.PHONY: bench-queue
bench-queue: install ## a queue of 1,000,000 deferred recipients: restart, mailq, counts, flush, memory, trace
	@node test/bench/queue-restart.ts

.PHONY: bench-snmp
bench-snmp: install-test ## what 1,000 SNMP polls a second cost mail: nobody polls, snmpd's own objects, our rows; ratios first
	@node test/bench/snmp.ts

.PHONY: pictures
pictures: install-test ## draw the pictures of docs/ anew: the status page in Debian's Chromium, the console in tmux
	POSTERN_PICTURES=docs/pictures ava test/scenario/health.test.ts --match 'the page*'
	POSTERN_PICTURES=docs/pictures ava test/scenario/console-tmux.test.ts

.PHONY: update
update: install ## of `make image`: build/image/postern-VERSION-ARCH.ptu, signed with image/keys/update.key (docs/update.md); VERSION=, ARCH=, FLOOR=, MIN_VERSION=
	@node scripts/pack-update.ts $(or $(IMAGE_OUT),build/image)/postern-$(VERSION)-$(or $(ARCH),amd64) \
		--key $$(node scripts/update-key.ts $(or $(IMAGE_KEYS),image/keys)) --floor $(or $(FLOOR),0.0.1) --min-version $(or $(MIN_VERSION),0.0.1)

.PHONY: clean
clean: ## what was built and installed in this folder; ./var (mail!) stays
	rm -rf build node_modules test/fuzz/out
