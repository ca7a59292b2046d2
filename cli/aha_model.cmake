aha_executable(aha-model
  SRCS aha_model.cc aha_model_common.cc aha_model_files.cc aha_model_loss.cc
       aha_model_score.cc aha_model_text.cc explain.cc
  DEPS aha::cli aha::model_import aha::model aha::rl CLI11::CLI11)
