"""The proof of the CUDA kernels that needs no GPU: a corpus of programs, every kernel of which
NVRTC compiles and the grid simulator runs against the reference evaluator."""
