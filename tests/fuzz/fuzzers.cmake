aha_fuzzer(safetensors_fuzz SRCS safetensors_fuzz.cc DEPS aha::model)
