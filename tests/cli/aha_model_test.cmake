aha_test(aha_model_test
  SRCS aha_model_refusal_test.cc aha_model_test.cc
  DEPS aha::model_import nlohmann_json::nlohmann_json)
if(TARGET aha_model_test)
  add_dependencies(aha_model_test aha-model)
endif()
