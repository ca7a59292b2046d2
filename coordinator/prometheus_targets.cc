#include "coordinator/prometheus_targets.h"

#include <nlohmann/json.hpp>

#include "coordinator/membership.h"

namespace aha::coordinator {

std::string TargetsJson(const std::string& job,
                        const std::string& coordinator_address,
                        const std::vector<v1::Member>& members) {
  nlohmann::json targets = nlohmann::json::array();
  const auto add = [&](const std::string& address, const std::string& service,
                       const std::string& name) {
    targets.push_back(
        {{"targets", {address}},
         {"labels", {{"job", job}, {"service", service}, {"instance", name}}}});
  };
  add(coordinator_address, "coordinator", "coordinator");
  for (const v1::Member& member : members) {
    if (member.metrics_address().empty()) continue;
    add(member.metrics_address(), RoleName(member.role()), member.name());
  }
  return targets.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) +
         "\n";
}

}  // namespace aha::coordinator
