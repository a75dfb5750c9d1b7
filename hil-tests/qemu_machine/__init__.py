"""What every virtual machine under QEMU needs: made from a recipe, started, reached, ended."""
