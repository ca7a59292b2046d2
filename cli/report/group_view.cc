#include "cli/report/group_view.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/term/text.h"

namespace aha::cli {
namespace {

using run::Rollout;

constexpr int kNarrowestColumn = 32;
constexpr int kGap = 3;

// Samples of a group that came out alike.
struct Variant {
  Rollout rollout;  // The first.
  std::vector<uint64_t> samples;
};

// Best rewarded first, then by sample.
std::vector<Variant> VariantsOf(std::vector<Rollout> group) {
  std::stable_sort(
      group.begin(), group.end(), [](const Rollout& a, const Rollout& b) {
        return std::tie(b.reward, a.sample) < std::tie(a.reward, b.sample);
      });
  std::vector<Variant> variants;
  for (Rollout& rollout : group) {
    const auto same = std::find_if(
        variants.begin(), variants.end(), [&rollout](const Variant& variant) {
          const Rollout& other = variant.rollout;
          return std::tie(other.completion, other.reward, other.rewards,
                          other.advantage, other.finish_reason) ==
                 std::tie(rollout.completion, rollout.reward, rollout.rewards,
                          rollout.advantage, rollout.finish_reason);
        });
    if (same != variants.end()) {
      same->samples.push_back(rollout.sample);
    } else {
      variants.push_back({rollout, {rollout.sample}});
    }
  }
  return variants;
}

// "sample 3" or "6 samples: 0-4, 9".
std::string SampleText(const std::vector<uint64_t>& samples) {
  if (samples.size() == 1) return absl::StrCat("sample ", samples.front());
  std::vector<std::string> ranges;
  for (size_t i = 0; i < samples.size();) {
    size_t end = i + 1;
    while (end < samples.size() && samples[end] == samples[end - 1] + 1) ++end;
    ranges.push_back(end - i == 1
                         ? absl::StrCat(samples[i])
                         : absl::StrCat(samples[i], end - i == 2 ? ", " : "-",
                                        samples[end - 1]));
    i = end;
  }
  return absl::StrCat(samples.size(),
                      " samples: ", absl::StrJoin(ranges, ", "));
}

// A column's lines: what is known about the completion, then its text.
std::vector<std::string> Column(const Variant& variant, int width,
                                const Style& style) {
  const Rollout& rollout = variant.rollout;
  std::string head = absl::StrFormat("reward %.3f", rollout.reward);
  if (rollout.advantage) {
    absl::StrAppendFormat(&head, "   advantage %+.3f", *rollout.advantage);
  }
  std::vector<std::string> parts;
  for (const auto& [name, value] : rollout.rewards) {
    parts.push_back(absl::StrFormat("%s %g", OneLine(name), value));
  }
  if (!parts.empty()) {
    absl::StrAppend(&head, "\n", absl::StrJoin(parts, ", "));
  }
  absl::StrAppend(&head, "\n", rollout.token_ids.size(), " tokens, ended by ",
                  OneLine(rollout.finish_reason), "\n",
                  SampleText(variant.samples));
  std::vector<std::string> lines = Wrap(head, width);
  std::string rule;
  for (int i = 0; i < width; ++i) {
    rule += style.glyphs == Glyphs::kUnicode ? "─" : "-";
  }
  lines.push_back(std::move(rule));
  for (std::string& line : Wrap(Printable(rollout.completion), width)) {
    lines.push_back(std::move(line));
  }
  return lines;
}

void AddSideBySide(const std::vector<std::vector<std::string>>& columns,
                   int width, std::vector<std::string>* out) {
  size_t height = 0;
  for (const auto& column : columns) height = std::max(height, column.size());
  for (size_t y = 0; y < height; ++y) {
    std::string line;
    for (size_t x = 0; x < columns.size(); ++x) {
      const std::string cell = y < columns[x].size() ? columns[x][y] : "";
      absl::StrAppend(&line, PadRight(cell, width),
                      x + 1 < columns.size() ? std::string(kGap, ' ') : "");
    }
    out->emplace_back(absl::StripTrailingAsciiWhitespace(line));
  }
}

}  // namespace

std::vector<std::string> RenderGroup(std::vector<Rollout> group,
                                     const Style& style) {
  const size_t completions = group.size();
  const std::vector<Variant> variants = VariantsOf(std::move(group));
  const Rollout& first = variants.front().rollout;
  const std::string head = absl::StrCat(
      "step ", first.step, "  slot ", first.slot, "  policy version ",
      first.policy_version, "  ", completions,
      completions == 1 ? " completion" : " completions",
      completions == 1 ? ""
                       : absl::StrCat(", ", variants.size(), " different"));
  std::vector<std::string> lines = Wrap(head, style.width);
  lines.emplace_back();
  // Without a chat format, the policy saw the prompt itself.
  const bool shows_rendered =
      !first.rendered_prompt.empty() && first.rendered_prompt != first.prompt;
  for (const std::string& line :
       Wrap(Printable(shows_rendered ? first.rendered_prompt : first.prompt),
            style.width - 2)) {
    lines.push_back(absl::StrCat("> ", line));
  }
  if (!first.reference.empty()) {
    for (const std::string& line :
         Wrap(absl::StrCat("reference: ", Printable(first.reference)),
              style.width)) {
      lines.push_back(line);
    }
  }
  const int fit = std::max(1, (style.width + kGap) / (kNarrowestColumn + kGap));
  const int columns = std::min<int>(fit, static_cast<int>(variants.size()));
  const int width = (style.width - kGap * (columns - 1)) / columns;
  for (size_t begin = 0; begin < variants.size(); begin += columns) {
    const size_t end = std::min(variants.size(), begin + columns);
    std::vector<std::vector<std::string>> row;
    for (size_t i = begin; i < end; ++i) {
      row.push_back(Column(variants[i], width, style));
    }
    lines.emplace_back();
    AddSideBySide(row, width, &lines);
  }
  return lines;
}

}  // namespace aha::cli
