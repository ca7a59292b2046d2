// Checks of option values.  Their messages name the rule and the value that was
// given; those of CLI11's own checks print limits as they are stored.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/term/text.h"

namespace aha::cli {

inline CLI::Validator WholeNumber(
    int64_t min = 0, int64_t max = std::numeric_limits<int64_t>::max()) {
  const std::string range = max == std::numeric_limits<int64_t>::max()
                                ? absl::StrCat("at least ", min)
                                : absl::StrCat("from ", min, " to ", max);
  return {[=](std::string& text) -> std::string {
            int64_t value = 0;
            if (absl::SimpleAtoi(text, &value) && value >= min && value <= max)
              return "";
            return absl::StrCat("must be a whole number ", range, ", got '",
                                OneLine(text), "'");
          },
          ""};
}

inline CLI::Validator Seed() {
  return {[](std::string& text) -> std::string {
            uint64_t value = 0;
            if (absl::SimpleAtoi(text, &value)) return "";
            return absl::StrCat("must be a whole number from 0 to ",
                                std::numeric_limits<uint64_t>::max(), ", got '",
                                OneLine(text), "'");
          },
          ""};
}

// A number for which `holds` returns true; `rule` says in words when it does.
inline CLI::Validator RealNumber(const std::string& rule,
                                 const std::function<bool(double)>& holds) {
  return {[=](std::string& text) -> std::string {
            double value = 0;
            if (absl::SimpleAtod(text, &value) && holds(value)) return "";
            return absl::StrCat("must be ", rule, ", got '", OneLine(text),
                                "'");
          },
          ""};
}

inline CLI::Validator Duration() {
  constexpr double kLongest = 1e9;  // Thirty years; absl::Time can add it.
  return {
      [](std::string& text) -> std::string {
        double value = 0;
        if (absl::SimpleAtod(text, &value) && value > 0 && value <= kLongest) {
          return "";
        }
        return absl::StrCat(
            "must be a number of seconds above 0, at most 1e9, got '",
            OneLine(text), "'");
      },
      ""};
}

}  // namespace aha::cli
