# SPDX-License-Identifier: MIT
# The front door. Nothing here is needed to use the parts: kmod builds with kbuild, everything else
# with meson, guests with tests/vm.

PREFIX ?= /usr/local
DESTDIR ?=
KERNEL ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KERNEL)/build
GUESTS ?= bookworm trixie sid
SETTINGS ?= plain
SECONDS ?= 3600
SUITE ?= bookworm

host := build/host
kbuild := $(CURDIR)/$(host)/kbuild

# What a driver is built by outside this tree; the list of exported symbols is a kernel's own.
version := $(shell sed -n "s/^  version: '\(.*\)',$$/\1/p" meson.build)
kit := /usr/src/ndma-$(version)

.PHONY: help setup demo test test-all debug coverage selftest sanitize python bench soak fuzz check format modules programs \
	install install-modules install-kit install-lib install-python uninstall deb wheel clean

help:
	@echo 'make demo      build, boot a guest with PCI cards, stream in C and in Python'
	@echo 'make test      the whole suite: GUESTS="$(GUESTS)" SETTINGS="$(SETTINGS)"'
	@echo '               SETTINGS="iommu swiotlb": behind an IOMMU, and with bounce buffers'
	@echo 'make test-all  everything that there is, in hours: what CI runs, and all settings, coverage, bench, soak'
	@echo 'make debug     the suite on a kernel that looks for mistakes'
	@echo 'make coverage  the same, counting the lines of kmod/ and lib/ that run'
	@echo 'make selftest  see that the rig catches planted mistakes, and copes with trouble of its own'
	@echo 'make sanitize  the library under sanitizers, valgrind and libFuzzer'
	@echo 'make python    the package from sdist and checkout, its suite without a guest'
	@echo 'make bench     what an operation costs, beside its peers'
	@echo 'make check     style, checkpatch, sparse, cppcheck, no warning in any guest: PARTS=...'
	@echo 'make format    write the .c files as check wants them'
	@echo 'make soak      faults by the hundred, and streams for long: SOAK="--part vdig --seconds 60"'
	@echo 'make fuzz      feed the kernel programs for SECONDS=$(SECONDS)'
	@echo
	@echo 'make modules   kernel modules for KERNEL=$(KERNEL)'
	@echo 'make programs  library, programs and Python package for this machine'
	@echo 'make install   both, the udev rules and what drivers are built by: DESTDIR= PREFIX=$(PREFIX);'
	@echo '               install-modules, install-lib and install-python are its parts; make uninstall,'
	@echo '               with the same words, takes them away'
	@echo 'make deb       Debian packages: SUITE=$(SUITE)'
	@echo 'make wheel     wheels and sdist of the Python package'
	@echo 'make clean     remove what was built here; the cache of guests stays'

setup:
	@tests/vm/setup $(if $(findstring arm64,$(GUESTS)),tests/vm/arm64/host-packages)

# Without a guest there is little to install.
demo:
	@tests/vm/setup $(if $(filter memfd,$(BACKEND)),--only tests/host/build-packages)
	@tests/vm/demo

test: setup
	@tests/vm/suite $(addprefix --guest=,$(GUESTS)) $(addprefix --setting=,$(SETTINGS)) \
		$(if $(RETRY),--retry) $(TESTS)

# Without a hard stop: it takes what it takes.
test-all: setup
	@tests/vm/setup tests/check-packages tests/host/build-packages tests/host/packages tests/vm/arm64/host-packages
	@.ci/jobs --all

debug:
	@$(MAKE) --no-print-directory test GUESTS=debug

coverage: setup
	@tests/vm/coverage

selftest: setup
	@tests/vm/selftest
	@tests/vm/setup tests/host/build-packages
	@tests/host/pool
	@tests/host/trouble

sanitize: setup
	@tests/vm/setup tests/host/build-packages tests/host/packages
	@tests/host/sanitize

python: setup
	@tests/vm/setup tests/host/build-packages tests/host/packages
	@tests/host/python

bench: setup
	@tests/bench/report.py $(addprefix --guest=,$(GUESTS))

soak: setup
	@tests/vm/soak $(SOAK)

fuzz: setup
	@tests/vm/run --guest debug --root --out build/fuzz --timeout $$(($(SECONDS) + 600)) -- \
		/usr/libexec/ndma/tests/root/fuzz --seconds $(SECONDS) --save /out/corpus

check: setup
	@tests/vm/setup tests/check-packages
	@tests/check $(PARTS)

format:
	@tests/vm/setup tests/check-packages
	git ls-files '*.c' ':!kmod' ':!tests/kselftest' ':!tests/vm/defects' ':!tests/driver' | xargs clang-format --style=file -i

# kbuild writes beside its sources, so it gets a copy made of links to them.
modules:
	@case '$(CURDIR)' in *[\ :]*) echo 'kbuild takes no path with a space or a colon: $(CURDIR)' >&2; exit 1;; esac
	@test -d $(KDIR) || { echo 'no $(KDIR): install the package linux-headers-$(KERNEL)' >&2; exit 1; }
	@mkdir -p $(kbuild)/kmod
	@find $(kbuild) -xtype l -delete
	@ln -sf $(CURDIR)/Kbuild $(kbuild)/Kbuild
	@cp -rsfT $(CURDIR)/kmod $(kbuild)/kmod
	$(MAKE) -C $(KDIR) M=$(kbuild) modules

programs: $(host)/meson/build.ninja
	ninja -C $(host)/meson

# Where the loader and Python look on Debian: meson knows it for /usr alone.
$(host)/meson/build.ninja:
	meson setup --prefix=$(PREFIX) --libdir=lib $(if $(filter /usr/local,$(PREFIX)),\
		$(foreach dir,purelib platlib,-Dpython.$(dir)dir=$(shell python3 -c \
		'import sysconfig; print(sysconfig.get_path("$(dir)"))'))) $(host)/meson

# What was built by the user is not built again by root.
built = @test -e $(1) || { echo 'first: make $(2)' >&2; exit 1; }

install: install-modules install-lib install-python

install-modules: install-kit
	$(call built,$(kbuild)/Module.symvers,modules)
	$(MAKE) -C $(KDIR) M=$(kbuild) INSTALL_MOD_DIR=updates/ndma \
		INSTALL_MOD_PATH=$(DESTDIR) modules_install
	install -D -m 644 -t $(DESTDIR)/usr/lib/udev/rules.d udev/*.rules
	install -D -m 644 -t $(DESTDIR)/usr/lib/sysusers.d udev/*.conf
ifeq ($(DESTDIR),)
	depmod $(KERNEL)
	systemd-sysusers
	udevadm control --reload
endif

install-kit:
	$(call built,$(kbuild)/Module.symvers,modules)
	cd kmod && find include example -type f -exec install -D -m 644 {} $(DESTDIR)$(kit)/kmod/{} \;
	install -D -m 644 $(kbuild)/Module.symvers $(DESTDIR)$(kit)/$(KERNEL)/Module.symvers

install-lib:
	$(call built,$(host)/meson/lib/libndma.so,programs)
	DESTDIR=$(DESTDIR) meson install -C $(host)/meson --no-rebuild --tags runtime,devel,man
ifeq ($(DESTDIR),)
	ldconfig
endif

install-python:
	$(call built,$(host)/meson/lib/libndma.so,programs)
	DESTDIR=$(DESTDIR) meson install -C $(host)/meson --no-rebuild --tags python-runtime

# For every kernel. The group stays, and so do modules that are loaded.
uninstall: $(host)/meson/build.ninja
	meson introspect --installed $(host)/meson | \
		python3 -c 'import json, sys; print(*json.load(sys.stdin).values(), sep="\n")' | \
		while read -r file; do \
			rm -f "$(DESTDIR)$$file"; \
			case $$file in */ndma/*) rm -rf "$(DESTDIR)$${file%/*}/__pycache__" ;; esac; \
			case $${file%/*} in $(PREFIX)/bin | $(PREFIX)/lib | $(PREFIX)/include) ;; \
			*) rmdir "$(DESTDIR)$${file%/*}" 2>/dev/null || true ;; esac; \
		done
	for modules in $(DESTDIR)/lib/modules/*/updates/ndma; do \
		[ ! -d "$$modules" ] || { rm -rf "$$modules"; \
			$(if $(DESTDIR),,depmod "$$(basename "$${modules%/updates/ndma}")";) } \
	done
	[ -e $(DESTDIR)$(kit)/dkms.conf ] || rm -rf $(DESTDIR)$(kit)
	rm -f $(addprefix $(DESTDIR)/usr/lib/udev/rules.d/,$(notdir $(wildcard udev/*.rules))) \
		$(addprefix $(DESTDIR)/usr/lib/sysusers.d/,$(notdir $(wildcard udev/*.conf)))
ifeq ($(DESTDIR),)
	ldconfig
	udevadm control --reload
endif

# As a user gets them: packages of SUITE in build/deb, a wheel in build/wheel.
deb:
	@tests/vm/setup
	@tests/host/deb-build $(SUITE)

wheel:
	@tests/vm/setup tests/host/build-packages tests/host/wheel-packages
	@tests/host/wheel-build

clean:
	rm -rf build
