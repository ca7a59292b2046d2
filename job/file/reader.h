// YAML tree -> message, by reflection; internal to job/.
#pragma once

#include "aha/v1/job.pb.h"
#include "job/file/problems.h"
#include "job/file/yaml_node.h"

namespace aha {

// Sets what the tree says in *job.  Unknown and repeated keys and wrong types
// go to *problems; where each key stood goes to *places.
void ReadJob(const YamlNode& root, v1::Job* job, Places* places,
             Problems* problems);

}  // namespace aha
