# Text and foreign model files; included by model/CMakeLists.txt.
#
# tokenizer: text <-> ids, chat formats, GGUF files.
# model_import: foreign models -> directories of Aha's; needs the model itself.
aha_library(tokenizer
  SRCS chat_template.cc gguf.cc gguf_dequantize.cc gguf_parse.cc json_field.cc
       tokenizer.cc
       tokenizer_added.cc tokenizer_bpe.cc tokenizer_bytes.cc
       tokenizer_characters.cc tokenizer_json.cc tokenizer_split.cc
  DEPS base tensor PkgConfig::PCRE2 nlohmann_json::nlohmann_json
       absl::flat_hash_map absl::flat_hash_set absl::status absl::statusor
       absl::strings absl::span)
aha_library(model_import
  SRCS import.cc import_gguf.cc import_tokenizer.cc
  DEPS model tokenizer)
