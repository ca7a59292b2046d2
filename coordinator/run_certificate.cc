#include "coordinator/run_certificate.h"

#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"

namespace aha::coordinator {
namespace {

constexpr char kDigest[] = "certificate_digest";
constexpr char kNumericClass[] = "numeric_class";
constexpr char kInputs[] = "inputs";  // A line each: key, tab, content.

}  // namespace

absl::StatusOr<std::optional<v1::Certificate>> LoadCertificate(
    StateStore& store) {
  AHA_ASSIGN_OR_RETURN(const bool begun, store.HasResults());
  if (!begun) return std::nullopt;
  AHA_ASSIGN_OR_RETURN(const auto digest, store.Get(kDigest));
  AHA_ASSIGN_OR_RETURN(const auto name, store.Get(kNumericClass));
  AHA_ASSIGN_OR_RETURN(const auto inputs, store.Get(kInputs));
  v1::Certificate certificate;
  certificate.set_digest(digest.value_or(""));
  certificate.set_numeric_class(name.value_or(""));
  for (const absl::string_view line :
       absl::StrSplit(inputs.value_or(""), '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> input =
        absl::StrSplit(line, absl::MaxSplits('\t', 1));
    (*certificate.mutable_inputs())[input.first] = input.second;
  }
  return certificate;
}

bool AddInputs(const v1::Certificate& from, v1::Certificate* to) {
  bool added = false;
  for (const auto& [key, content] : from.inputs()) {
    if (to->inputs().contains(key)) continue;
    (*to->mutable_inputs())[key] = content;
    added = true;
  }
  return added;
}

absl::Status StoreCertificate(const v1::Certificate& certificate,
                              StateStore& store) {
  return store.Set({{kDigest, certificate.digest()},
                    {kNumericClass, certificate.numeric_class()},
                    {kInputs, absl::StrJoin(certificate.inputs(), "\n",
                                            absl::PairFormatter("\t"))}});
}

}  // namespace aha::coordinator
