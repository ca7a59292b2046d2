#include "coordinator/services.h"

#include "coordinator/admin_service.h"
#include "coordinator/attendance.h"
#include "coordinator/coordinator_service.h"
#include "coordinator/poller.h"
#include "coordinator/weights_service.h"

namespace aha::coordinator {
namespace {

// Between two calls of Tick, and at least between two statuses of a watch.
constexpr absl::Duration kInterval = absl::Milliseconds(100);
// In these intervals.  Seconds and rates in a status move without a change.
constexpr int kPushAtLeastEvery = 10;

}  // namespace

struct Services::State {
  State(Controller& c, WeightsStore& store, RunArchive archive)
      : controller(c),
        admin(c, std::move(archive)),
        sink(c),
        weights(c, store),
        attendance(c),
        recovery(kInterval, [this](bool) { controller.Recover(); }),
        poller(kInterval, [this](bool changed) { Tick(changed); }),
        coordinator(c, poller, attendance) {}

  void Tick(bool changed) {
    controller.Tick();
    quiet = changed ? 0 : quiet + 1;
    if (quiet % kPushAtLeastEvery == 0) admin.Push();
  }

  Controller& controller;
  AdminService admin;
  SinkService sink;
  WeightsService weights;
  Attendance attendance;
  int quiet = 0;
  Poller recovery;  // Its thread may be busy for long.
  Poller poller;
  CoordinatorService coordinator;
};

Services::Services(Controller& controller, WeightsStore& weights,
                   RunArchive archive)
    : state_(std::make_unique<State>(controller, weights, std::move(archive))) {
  controller.SetListener([state = state_.get()] {
    state->poller.Kick();
    state->recovery.Kick();
  });
}

Services::~Services() { Stop(); }

std::vector<grpc::Service*> Services::All() {
  return {&state_->coordinator, &state_->sink, &state_->weights,
          &state_->admin};
}

void Services::Stop() {
  state_->controller.SetListener(nullptr);
  state_->poller.Stop();
  state_->admin.Stop();
  state_->attendance.Stop();
  state_->recovery.Stop();
}

}  // namespace aha::coordinator
