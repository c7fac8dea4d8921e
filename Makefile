# SPDX-License-Identifier: GPL-2.0-only
#
# What a person types; `make help` lists it. The kernel's build system reads Kbuild instead.

MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := modules

# Passed on to the kernel's build system: the tools to use, and how to use them.
kbuild_variables := RUSTC BINDGEN CC LLVM CLIPPY KRUSTFLAGS KCFLAGS V W
passed_on := $(foreach v,$(kbuild_variables),$(if $(filter command%,$(origin $(v))),$(v)='$($(v))'))

ifdef KDIR

# A tree given by the user is used as it is, with the compiler it was configured for, and never written to.
tree_config := $(KDIR)/include/config/auto.conf
tree_llvm := $(if $(LLVM),,$(shell grep -qs '^CONFIG_CC_IS_CLANG=y' $(tree_config) && echo LLVM=1))
tree_cc := $(if $(LLVM)$(tree_llvm)$(CC:cc=),,$(shell sed -nE 's/^CONFIG_CC_VERSION_TEXT="([^ ]+) .*/\1/p' $(tree_config) 2>/dev/null))
kbuild = @+$(MAKE) -C $(KDIR) M=$(CURDIR) $(tree_llvm) $(if $(tree_cc),CC=$(tree_cc)) $(passed_on)

modules:
	@scripts/check-kernel $(KDIR)
	$(kbuild) modules

# The flags matter little here: nothing but links between comments is looked at.
rustdoc: modules
	@OBJTREE=$(KDIR) RUST_MODFILE=./nvme_rs RUSTC_BOOTSTRAP=1 rustdoc --edition=2021 --document-private-items \
		-Dwarnings -Arustdoc::private_intra_doc_links --cfg MODULE @$(KDIR)/include/generated/rustc_cfg \
		-Cpanic=abort --target=$(KDIR)/scripts/target.json --sysroot=/dev/null -L $(KDIR)/rust \
		-Zcrate-attr=no_std -Zcrate-attr='feature(arbitrary_self_types,used_with_arg)' -Zunstable-options \
		--extern kernel --extern pin_init --extern zerocopy --extern zerocopy_derive \
		--out-dir build/rustdoc rust/nvme_rs.rs

else

modules: setup-quiet
	@scripts/in-tree make $(passed_on) modules

rustdoc: setup-quiet
	@scripts/in-tree make rustdoc

endif

setup:
	@scripts/setup $(if $(REFRESH),--refresh)

setup-quiet:
	@scripts/setup --quiet

shell: modules
	@scripts/vm $(if $(CONFIG),--config $(CONFIG)) --shell -- 'insmod /src/nvme_rs.ko; exec bash -l'

debug-kernel:
	@scripts/setup --quiet --debug-kernel

# In a copy, as for clippy, which has tests of KUnit in it.
debug-module: debug-kernel
	$(call copy_to,build/debug,--exclude=/rust/nvme_rs.rs --exclude=/rust/kunit.rs)
	@scripts/kunit-tests build/debug
	@scripts/in-tree --debug make -C build/debug modules
	$(call build_providers,build/debug-providers,build/debug,--debug,LLVM_ARG=LLVM=1)

# What authors of event providers need, for the kernel that nvme_rs was built for.
kit_path := /usr/src/nvme_rs-provider
provider_kit := $(DESTDIR)$(kit_path)
install-provider-kit:
	@mkdir -p $(provider_kit)/include/linux $(provider_kit)/include/rust
	install -m 644 include/linux/nvme_event_provider.h $(provider_kit)/include/linux/
	install -m 644 include/rust/nvme_event_provider.rs $(provider_kit)/include/rust/
	install -m 644 Module.symvers $(provider_kit)/Module.symvers

# The samples of tests/providers, from what is installed and nothing else.
define build_providers
	@mkdir -p $(1)
	@$(MAKE) -C $(2) -f $(CURDIR)/Makefile DESTDIR=$(CURDIR)/$(1) install-provider-kit > /dev/null
	@scripts/in-root rsync -aR tests/providers $(1)$(kit_path)/
	@scripts/in-tree $(3) make -C $(1)$(kit_path)/tests/providers $(4) modules
endef

providers: modules
	$(call build_providers,build/providers,.)

# A module with defects, for scripts/check-faults only.
faulty-module: debug-kernel
	@mkdir -p build/faulty
	@scripts/in-root rsync -a tests/faulty/ build/faulty/
	@scripts/in-tree --debug make -C build/faulty modules

demo: modules
	@scripts/demo

bench: modules
	@scripts/bench --write --json build/bench/bench.json

check: setup-quiet
	@scripts/check

# Needs nvme_rs.ko of the stock kernel as well: in the VM, the other one is mounted over it.
check-debug: modules
	@scripts/check --debug

soak: modules
	@scripts/check --soak

check-host: setup-quiet
	@scripts/check --host

kselftest: liar providers examples liburing
	@scripts/in-tree make -C tests/kselftest
	@scripts/in-root make -C tests/fuzz

# How to send commands without a library; the kselftests run them.
examples: setup-quiet
	@scripts/in-root make -s -C examples

# liburing's own test of commands for NVMe controllers, as it is; ../tests/clients/liburing runs it.
liburing: setup-quiet
	@scripts/in-root sh -c 'if [ -e /usr/src/tests/liburing ]; then \
		mkdir -p build && rsync -a /usr/src/tests/liburing build/ && cd build/liburing && \
		{ [ -e config-host.mak ] || ./configure > configure.log; } && \
		make -s -C src && make -s -C test io_uring_passthrough.t; fi'

# The controller outside of QEMU.
liar: setup-quiet
	@scripts/in-root env -C tests/liar CARGO_TARGET_DIR=/src/build/liar cargo build --quiet --locked

copy_to = @mkdir -p $(1) && scripts/in-root rsync -a --delete \
	$(foreach pattern,$(build_litter),--exclude='$(pattern)') $(2) Kbuild Makefile include rust scripts $(1)/

# In a copy, so that this build and the plain one do not undo each other.
clippy: setup-quiet
	$(call copy_to,build/clippy)
	@scripts/in-tree make -C build/clippy CLIPPY=1 KRUSTFLAGS=-Dwarnings KCFLAGS=-Werror modules

# What builds leave in the checkout. The cache is not touched.
build_litter := *.o *.ko *.mod *.mod.c .*.cmd .*.d *.rmeta modules.order Module.symvers bindings_generated.rs
clean:
	@find . \( -path ./.git -o -path ./build -o -path ./tests/host/target -o -path ./tests/liar/target \) -prune \
		-o -type f \( -false $(foreach pattern,$(build_litter),-o -name '$(pattern)') \) -exec rm -f {} +
	@for tests in kselftest fuzz; do \
		[ ! -e tests/$$tests/Makefile ] || $(MAKE) -s -C tests/$$tests clean; \
	done

distclean: clean
	@rm -rf build tests/host/target tests/liar/target

help:
	@echo 'Build:'
	@echo '  modules      nvme_rs.ko for the stock Debian kernel (the default target)'
	@echo '               KDIR=<tree>: for that prepared kernel tree instead, on this host'
	@echo '               CLIPPY=1, V=1, W=1, RUSTC=, BINDGEN=, CC=, LLVM=: as for the kernel itself'
	@echo '  setup        fill the cache: chroot, kernel, tools (done by the others when needed)'
	@echo '               REFRESH=1: look for a newer kernel now; NVME_RS_CACHE=<dir>: where'
	@echo '  providers    the sample event providers of tests/providers, in build/providers/'
	@echo '  install-provider-kit  headers and Module.symvers for event providers, DESTDIR=<dir>'
	@echo '  debug-kernel add the debug kernel to the cache: 20 to 30 minutes, once; debug-module: nvme_rs.ko for it'
	@echo '  clean        remove what builds left in the checkout'
	@echo '  distclean    clean, and the directories build/ and target/ of tests'
	@echo 'Try:'
	@echo '  demo         boot a VM, raise events, print them as they are read'
	@echo '  shell        a shell in a VM with the module loaded; CONFIG=<hardware>, see scripts/vm --list'
	@echo '  bench        count what commands and events cost, beside the in-tree driver, and write the figures to'
	@echo '               README.md and Documentation/; about 12 minutes; scripts/bench --help has more'
	@echo 'Test:'
	@echo '  check        everything below, and the module in VMs'
	@echo '  check-debug  the module in VMs with the debug kernel, and whether its defects would be found'
	@echo '  soak         both, with full counts; writes the figures to Documentation/testing.rst'
	@echo '  check-host   formatting, layers, scripts and the host tests; seconds'
	@echo '  clippy       build the module with every warning an error, in build/clippy/'
	@echo '  rustdoc      what the comments of the module say, as pages in build/rustdoc/'
	@echo '  kselftest    build the test programs of tests/kselftest and tests/fuzz, liar and the event providers'
	@echo '  examples     build the programs of examples/, which send commands without a library'
	@echo '  liburing     build the test of liburing for NVMe commands, from its source package'
	@echo '  liar         build the controller which lies, of tests/liar'

.PHONY: modules rustdoc setup setup-quiet debug-kernel debug-module faulty-module providers install-provider-kit \
	shell demo bench check check-debug soak check-host clippy kselftest liar liburing examples clean distclean \
	help
