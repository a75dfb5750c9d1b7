# What a person types here; `make` alone says it again. Everything lands in .venv and build/.
.DEFAULT_GOAL := help
.PHONY: audit bundle-aarch64 help setup setup-demo setup-provision setup-hil demo test check bench powercut chaos quality wire soak fuzz camera-vm release bundle pole pole-up pole-down hil hil-qemu model golden schema third-party verifier lock clean

PYTHON ?= python3
export PYTHON
BIN := .venv/bin
# On CI a skipped test is a failed run.
PYTEST := PYTHONPATH=edge/tests $(BIN)/python -m pytest $(if $(CI),-p nothing_skipped)

help: ## this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## the environment in .venv, from the hashed lock
	@sh requirements/environment.sh dev

setup-demo:
	@sh requirements/environment.sh demo

demo: setup-demo ## real footage in, located alerts out over MQTT (ARGS="--seconds 30")
	@$(BIN)/roeh demo $(ARGS)

test: setup ## every test (ARGS="-k tracker" chooses); as root it first installs what they need
	@sh requirements/debian.sh
	@sh requirements/environment.sh hil
	@$(if $(ARGS),:,$(MAKE) --no-print-directory hil ARGS=--ci)
	@$(PYTEST) $(ARGS)

check: setup ## style, types, imports, playbooks, and the pages that are held against the code
	@sh requirements/environment.sh hil
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	cd deploy/ansible && ../../build/env/hil/bin/yamllint --strict .
	cd deploy/ansible && PATH=$(CURDIR)/build/env/hil/bin:$$PATH ansible-lint --offline
	$(BIN)/python requirements/third_party.py --check
	$(BIN)/python -m pytest -q edge/tests/unit/test_readme.py

bench: setup ## the scoreboard: quality and cost beside floor and peer, on this machine
	@$(BIN)/python -m roeh.bench $(ARGS)

powercut: setup ## cuts the power 300 times; root (ARGS="--seed 7 --disk 41" repeats one disk)
	@sh requirements/debian.sh
	@PYTHONPATH=edge $(BIN)/python -m tests.powercut $(ARGS)

chaos: setup ## kills, a bad link, 5,000 alerts a run; root (SHORT=1 for the short form)
	@sh requirements/debian.sh
	@PYTHONPATH=edge $(BIN)/python -m tests.chaos $(if $(SHORT),--short) $(ARGS)

wire: setup ## what a pole takes of its link, packet by packet; root (ARGS="--speed 10" takes a tenth)
	@sh requirements/debian.sh
	@PYTHONPATH=edge unshare --net $(BIN)/python -m tests.wire $(ARGS)

quality: setup ## how right rules and tamper are, on drawn scenes; hours (ARGS="--positives 20" is a taste)
	@PYTHONPATH=edge $(BIN)/python -m tests.quality $(ARGS)

soak: setup ## sixteen hours of a camera that stalls and reboots, in 20 minutes (ARGS="--hours 1 --events 12")
	@PYTHONPATH=edge $(BIN)/python -m tests.soak $(ARGS)

fuzz: setup ## 10,000 made-up requests at the service for people (REQUESTS=2000 sends fewer)
	@ROEH_FUZZ_REQUESTS=$(or $(REQUESTS),10000) $(PYTEST) --timeout 3600 edge/tests/security/test_retrieve_fuzz.py

camera-vm: setup ## the real picamera2 on a virtual camera, in a virtual Debian 13; root (ARGS="--rebuild")
	@PYTHONPATH=hil-tests $(BIN)/python -m camera_vm $(ARGS)

release: setup ## build/release/roeh-VERSION.tar, signed (ARGS="--signer KEY.pem"; without: a key for trials)
	@$(BIN)/python -m roeh.release.make $(ARGS)

bundle: setup ## all a pole needs, without a network (ARCH=aarch64 SUITE=bookworm)
	@$(BIN)/python -m roeh.release.bundle --arch $(or $(ARCH),aarch64) --suite $(or $(SUITE),bookworm) $(ARGS)

bundle-aarch64: setup ## the bundle for ARM boards, imported and run here: the same detections (ARGS=--short)
	@$(BIN)/python -m roeh.release.bundle --arch aarch64 --suite bookworm
	@PYTHONPATH=hil-tests $(BIN)/python -m arm_bundle $(ARGS)

audit: setup-hil ## asks the index's advisories about every lock; informative, never fails
	@PATH=$(CURDIR)/build/env/hil/bin:$$PATH $(BIN)/python requirements/audit.py

# The environment of whoever provisions and tests poles; what it needs of Debian as well.
HIL := build/env/hil/bin/python

setup-provision:
	@sh requirements/environment.sh provision

setup-hil: setup
	@sh requirements/debian.sh
	@sh requirements/environment.sh hil

pole: setup-hil ## a virtual pole and control room from nothing: provisioned, alerts, evidence; root
	@PYTHONPATH=hil-tests $(HIL) -m virtual_pole pole $(ARGS)

pole-up: setup-hil ## boots a bare virtual pole and control room; root (ARGS="--poles 2")
	@PYTHONPATH=hil-tests $(HIL) -m virtual_pole up $(ARGS)

pole-down: setup-hil ## ends them and removes what they were
	@PYTHONPATH=hil-tests $(HIL) -m virtual_pole down $(ARGS)

hil: setup-hil ## the suite on a virtual pole (systemd-nspawn), as a table of faults; root
	@PYTHONPATH=hil-tests $(HIL) -m suite nspawn $(ARGS)

hil-qemu: setup-hil ## the same on a virtual machine: power cuts, disk encryption, kernel; root
	@PYTHONPATH=hil-tests $(HIL) -m suite qemu $(ARGS)

model: ## converts the detector anew, in an environment of its own (2 GB)
	sh models/convert/convert.sh build/models

golden: setup ## renews the golden replays; read the difference before you commit it
	$(PYTEST) edge/tests/golden --renew $(ARGS)

schema: setup ## renews the JSON Schemas, the AsyncAPI documents and the page of messages
	$(BIN)/python -m roeh.desk.published edge/docs/schema
	PYTHONPATH=edge $(BIN)/python edge/tests/unit/test_messages_page.py

third-party: setup ## renews THIRD-PARTY.md from what is installed
	$(BIN)/python requirements/third_party.py

verifier: setup ## the offline verifier as one file, build/roeh-verify.pyz
	@$(BIN)/python requirements/verifier.py

lock: ## renews the hashed locks (needs uv)
	sh requirements/lock.sh

clean: ## removes the environment and everything built; virtual poles that are up end before
	@for street in $(wildcard build/poles*); do \
		[ ! -x $(HIL) ] || PYTHONPATH=hil-tests $(HIL) -m virtual_pole down --state $$street || exit; done
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
