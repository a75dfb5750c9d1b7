"""The sandboxed child: decodes, encodes and draws what it is handed, and can do nothing else."""
