"""Runs what a bundle carries for ARM boards, on another processor: qemu-user and no system."""
