// Reads a YAML tree into a job, by reflection; internal to job/file/.
#pragma once

#include "aha/v1/job.pb.h"
#include "job/config_errors.h"
#include "job/file/yaml_node.h"

namespace aha {

// Sets in *job what the tree says.  Adds unknown and repeated keys, wrong types
// and keys that exclude each other to *errors, and the place of each key to
// *places.
void ReadJob(const YamlNode& root, v1::Job* job, Places* places,
             ConfigErrors* errors);

}  // namespace aha
