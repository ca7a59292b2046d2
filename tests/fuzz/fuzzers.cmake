if(AHA_SERVICES)
  aha_fuzzer(job_fuzz SRCS job_fuzz.cc DEPS aha::job aha::job_identity)
  aha_fuzzer(json_fuzz
    SRCS json_fuzz.cc DEPS aha::data aha::manifest aha::model)
endif()
aha_fuzzer(safetensors_fuzz SRCS safetensors_fuzz.cc DEPS aha::model)
aha_fuzzer(tokenizer_fuzz SRCS tokenizer_fuzz.cc DEPS aha::tokenizer)
