// The schema of job files: descriptors and their Rule annotations; internal to
// job/file/.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "aha/v1/job.pb.h"
#include "aha/v1/options.pb.h"

namespace aha {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

const v1::Rule& RuleOf(const FieldDescriptor& field);

inline bool IsMessage(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}

// What a user calls the type: "whole number", "list of text", ...
std::string TypeName(const FieldDescriptor& field);

// The default as it would stand in a job file; empty if there is none.
std::string DefaultText(const FieldDescriptor& field);

// The allowed values: "2 to 1024", "at least 1", "above 0", "one of a, b";
// empty if every value is allowed.
std::string RangeText(const v1::Rule& rule);

// A key of job files.
struct SchemaKey {
  std::string path;  // "stages[].grpo.steps"
  const FieldDescriptor* field;
};
// Every key below a message, in the order of the schema.
std::vector<SchemaKey> SchemaKeys(const Descriptor& root,
                                  absl::string_view prefix = "");

}  // namespace aha
