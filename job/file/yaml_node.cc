#include "job/file/yaml_node.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text.h"

namespace aha {
namespace {

constexpr size_t kMaxBytes = size_t{256} << 10;

absl::Status CheckText(absl::string_view text, absl::string_view name) {
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, ": must have at most ", kMaxBytes, " bytes, has ", text.size()));
  }
  for (size_t i = 0; i < text.size();) {
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    const Utf8Char c = ReadUtf8(text, i);
    const bool control =
        byte < 0x20 && byte != '\n' && byte != '\t' && byte != '\r';
    if (!c.valid || control || byte == 0x7F) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": must be UTF-8 text, has byte 0x",
                       absl::Hex(byte, absl::kZeroPad2), " at offset ", i));
    }
    i += c.size;
  }
  if (absl::StripAsciiWhitespace(text).empty()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": is empty"));
  }
  return absl::OkStatus();
}

// Thrown out of the event handler and caught in Parse, below.
struct Refused {
  int line;
  std::string text;
};

class Builder : public YAML::EventHandler {
 public:
  Builder(absl::string_view name, bool with_lines)
      : name_(name), with_lines_(with_lines) {}

  YamlNode Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(New(YamlNode::Kind::kNull, mark, "", anchor), mark);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{mark.line, "aliases (*name) are not supported"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag,
                YAML::anchor_t anchor, const std::string& value) override {
    YamlNode node = New(YamlNode::Kind::kScalar, mark, tag, anchor);
    node.scalar = value;
    node.quoted = tag == "!";
    Add(std::move(node), mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open_.push_back({New(YamlNode::Kind::kList, mark, tag, anchor), mark});
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag,
                  YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open_.push_back({New(YamlNode::Kind::kMap, mark, tag, anchor), mark});
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Open {
    YamlNode node;
    YAML::Mark mark;
    bool has_key = false;
    std::string key = {};
    std::string key_place = {};
  };

  YamlNode New(YamlNode::Kind kind, const YAML::Mark& mark,
               const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) {
      throw Refused{mark.line, "anchors (&name) are not supported"};
    }
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw Refused{mark.line,
                    absl::StrCat("tags (", tag, ") are not supported")};
    }
    YamlNode node;
    node.kind = kind;
    node.place = with_lines_ ? absl::StrCat(name_, ":", mark.line + 1) : name_;
    return node;
  }

  void Add(YamlNode node, const YAML::Mark& mark) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::kList) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.has_key) {
      // A map begins a line below its key; people look for the key.
      node.place = std::move(parent.key_place);
      parent.node.keys.push_back(std::move(parent.key));
      parent.node.items.push_back(std::move(node));
      parent.has_key = false;
    } else if (node.kind == YamlNode::Kind::kScalar) {
      parent.key = std::move(node.scalar);
      parent.key_place = std::move(node.place);
      parent.has_key = true;
    } else {
      throw Refused{mark.line,
                    absl::StrCat("a key must be a name, is ", node.KindName())};
    }
  }

  void Close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    Add(std::move(done.node), done.mark);
  }

  const std::string name_;
  const bool with_lines_;
  std::vector<Open> open_;
  YamlNode root_;
};

// The only place that sees the YAML library's exceptions.
absl::StatusOr<YamlNode> Parse(absl::string_view text, absl::string_view name,
                               bool with_lines) {
  AHA_RETURN_IF_ERROR(CheckText(text, name));
  const auto error = [&](int line, absl::string_view what) {
    return absl::InvalidArgumentError(
        with_lines ? absl::StrCat(name, ":", line + 1, ": ", what)
                   : absl::StrCat(name, ": ", what));
  };
  std::istringstream stream{std::string(text)};
  Builder builder(name, with_lines);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": is empty"));
    }
    YamlNode root = builder.Take();
    Builder second(name, with_lines);
    if (parser.HandleNextDocument(second)) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": must hold one YAML document, holds several"));
    }
    return root;
  } catch (const Refused& refused) {
    return error(refused.line, refused.text);
  } catch (const YAML::Exception& exception) {
    return error(exception.mark.line,
                 absl::StrCat("not valid YAML: ", exception.msg));
  }
}

}  // namespace

absl::string_view YamlNode::KindName() const {
  switch (kind) {
    case Kind::kNull:
      return "empty";
    case Kind::kScalar:
      return "a value";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
  }
  return "";
}

YamlNode* YamlNode::Find(absl::string_view key) {
  for (size_t i = keys.size(); i-- > 0;) {
    if (keys[i] == key) return &items[i];
  }
  return nullptr;
}

absl::StatusOr<YamlNode> ParseYaml(absl::string_view text,
                                   absl::string_view name) {
  return Parse(text, name, /*with_lines=*/true);
}

absl::StatusOr<YamlNode> ParseYamlValue(absl::string_view text,
                                        absl::string_view place) {
  return Parse(text, place, /*with_lines=*/false);
}

}  // namespace aha
