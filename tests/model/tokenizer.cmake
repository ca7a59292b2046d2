# Tests of the tokenizer, foreign model files and goldens; included by
# CMakeLists.txt.
aha_test(tokenizer_test
  SRCS tokenizer_bytes_test.cc tokenizer_golden_test.cc tokenizer_json_test.cc
       tokenizer_mutation_test.cc tokenizer_test.cc chat_template_test.cc
       gguf_test.cc
  DEPS tokenizer nlohmann_json::nlohmann_json)
aha_test(import_test
  SRCS import_test.cc model_golden_test.cc
  DEPS model_import nlohmann_json::nlohmann_json)
