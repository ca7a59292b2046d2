// YAML tree -> message, by reflection; internal to job/.
#pragma once

#include "aha/v1/job.pb.h"
#include "job/config_errors.h"
#include "job/file/yaml_node.h"

namespace aha {

// Sets what the tree says in *job.  Unknown and repeated keys and wrong types
// go to *errors; where each key stood goes to *places.
void ReadJob(const YamlNode& root, v1::Job* job, Places* places,
             ConfigErrors* errors);

}  // namespace aha
