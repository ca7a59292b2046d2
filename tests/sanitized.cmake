# The tests that `make test` also runs under sanitizers (cmake/Sanitized.cmake):
# first the code that reads foreign bytes and the services' domains, which need
# no gRPC; then the code that threads share. `make asan` and `make tsan` run
# everything that they can.
aha_sanitized_test(sanitized_asan SANITIZER asan SHARDS 4
  SRCS base/*.cc data/*.cc job/*.cc job/file/*.cc run/*.cc
       comm/communicator.cc comm/local.cc comm/shard.cc
       model/config.cc model/config_json.cc model/families/*.cc
       model/formats/gguf*.cc
       model/formats/safetensors_*.cc text/*.cc text/jinja/*.cc
       rewards/*.cc rewards/math/*.cc rewards/rules/*.cc
       reward_service/assembler.cc reward_service/external/protocol.cc
       reward_service/validate.cc
       coordinator/commit_request.cc coordinator/controller.cc
       coordinator/history.cc coordinator/job_run.cc coordinator/job_st*.cc coordinator/ledger.cc
       coordinator/membership.cc coordinator/rank_set.cc
       coordinator/run_recorder.cc coordinator/stage_results.cc
       coordinator/state_store.cc coordinator/summary.cc
       coordinator/wait_monitor.cc coordinator/weights_store.cc
       coordinator/stages/*.cc
       actor/lease_book.cc actor/trajectory.cc actor/weight_assembler.cc
       actor/weight_buffer.cc actor/weight_exchange.cc
       learner/group_buffer.cc learner/trajectory.cc
       tests/base/file_io_test.cc tests/base/thread_pool_test.cc
       tests/data/*.cc tests/job/*.cc tests/run/*.cc
       tests/model/config_test.cc tests/model/gguf_test.cc
       tests/model/safetensors_test.cc tests/text/*.cc
       tests/rewards/*.cc tests/reward_service/assembler_test.cc
       tests/reward_service/protocol_test.cc
       tests/reward_service/validate_test.cc
       tests/coordinator/controller*_test.cc tests/coordinator/ledger_test.cc
       tests/coordinator/membership_test.cc tests/coordinator/sample_run_test.cc
       tests/coordinator/weights_store_test.cc
       tests/actor/lease_book_test.cc tests/actor/trajectory_test.cc
       tests/actor/weight_*_test.cc
  FUZZERS actor_wire_fuzz byte_stream_fuzz chat_template_fuzz config_fuzz coordinator_wire_fuzz
          csv_rows_fuzz gguf_fuzz job_fuzz jsonl_fuzz learner_wire_fuzz manifest_fuzz
          math_fuzz
          number_fuzz prompt_mapping_fuzz
          reward_reply_fuzz reward_wire_fuzz safetensors_fuzz state_store_fuzz tokenizer_fuzz
  DEPS aha::job aha::learner aha::actor_core aha::reward_pipeline aha::rewards
       aha::coordinator_domain)

# A protobuf map has another layout in code that is compiled for
# ThreadSanitizer than in DEPS and in the distribution's libprotobuf.so, which
# corrupts memory.  So these sources must use no message with a map (common.proto's
# Certificate, coordinator.proto's CommitStepRequest, admin.proto's StageStatus).
aha_sanitized_test(sanitized_tsan SANITIZER tsan SHARDS 6
  SRCS base/*.cc comm/communicator.cc comm/directory_store.cc comm/gloo.cc
       comm/local.cc comm/nccl.cc comm/nccl_api.cc comm/shard.cc
       actor/lease_book.cc actor/rollout_engine.cc actor/weight_exchange.cc
       actor/weight_buffer.cc
       reward_service/assembler.cc reward_service/pipeline.cc
       reward_service/worker_pool.cc
       coordinator/weights_store.cc
       tests/base/thread_pool_test.cc tests/comm/communicator_test.cc
       tests/comm/nccl_test.cc
       tests/actor/lease_book_test.cc tests/actor/rollout_engine_test.cc
       tests/actor/weight_exchange_test.cc
       tests/reward_service/pipeline_test.cc
       tests/reward_service/worker_pool_test.cc
       tests/coordinator/weights_store_test.cc
  DEPS aha::comm aha::actor_core aha::reward_pipeline aha::coordinator_domain)
add_dependencies(sanitized_tsan fake_nccl)
target_compile_definitions(sanitized_tsan PRIVATE
  AHA_FAKE_NCCL="$<TARGET_FILE:fake_nccl>")
