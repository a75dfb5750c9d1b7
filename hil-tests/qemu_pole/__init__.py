"""A pole with a kernel, a disk, a TPM and a clock of its own: a machine under QEMU."""
