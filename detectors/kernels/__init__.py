"""The scalar kernels of the engine, one concern a module; numba compiles and inlines them."""
