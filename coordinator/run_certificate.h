// The certificate that a run began with, kept in its store.
//
// The results of a run were computed by machines of one numeric class, from
// files of certain contents.  A member that joins later, also after a resume
// elsewhere, must compute the same bits from the same files.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aha/v1/common.pb.h"
#include "coordinator/state_store.h"

namespace aha::coordinator {

// Nothing for a run without results: any machine may begin it.
absl::StatusOr<std::optional<v1::Certificate>> LoadCertificate(
    StateStore& store);
// Adds those files of `from` that `to` does not name; false if there are none.
bool AddInputs(const v1::Certificate& from, v1::Certificate* to);
absl::Status StoreCertificate(const v1::Certificate& certificate,
                              StateStore& store);

}  // namespace aha::coordinator
