aha_fuzzer(safetensors_fuzz SRCS safetensors_fuzz.cc DEPS aha::model)
aha_fuzzer(tokenizer_fuzz SRCS tokenizer_fuzz.cc DEPS aha::tokenizer)
