"""CTC checkpoints in NVIDIA NeMo's `.nemo` format, read and run without NeMo."""
