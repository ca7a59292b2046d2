# Builds chosen sources and tests as one program under a sanitizer, in the same
# build tree, so that one `ctest` runs everything and CI needs no second build.
#
#   aha_sanitized_test(<name> SANITIZER asan|tsan SRCS ... [FUZZERS ...]
#                      DEPS ... [SHARDS n])
#
# SRCS are paths from the root, with patterns allowed: they are compiled under
# the sanitizer. DEPS are the ordinary libraries for everything else; where both
# define a symbol, the linker takes that of SRCS. Errors inside DEPS, generated
# code and the distribution's libraries are not detected.
#
# FUZZERS run once over their committed corpora, tests/fuzz/corpus/NAME, so that
# an error that was found cannot return.
#
# ctest runs the program as <name>.shardN, labelled with the sanitizer.

# These checks are excluded from UBSan: those that double the time to compile
# and whose errors ASan finds as well (null, object-size, pointer-overflow), and
# those of accesses that x86 allows. `make asan` includes the latter.
set(AHA_FLAGS_asan -fsanitize=address,undefined -fno-sanitize-recover=undefined
    -fno-sanitize=null,object-size,pointer-overflow,alignment,vptr)
set(AHA_FLAGS_tsan -fsanitize=thread)
set(AHA_ENVIRONMENT_asan
    "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1")
set(AHA_ENVIRONMENT_tsan "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan_suppressions.txt")

function(aha_sanitized_test name)
  cmake_parse_arguments(ARG "" "SANITIZER;SHARDS" "SRCS;FUZZERS;DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS LIST_DIRECTORIES false
       RELATIVE ${PROJECT_SOURCE_DIR} ${ARG_SRCS})
  if(ARG_FUZZERS)
    list(APPEND sources tests/fuzz/replay_test.cc)
  endif()
  foreach(fuzzer ${ARG_FUZZERS})
    list(APPEND sources tests/fuzz/${fuzzer}.cc)
    # All fuzzers are in one program, each under its own name.
    set_source_files_properties(tests/fuzz/${fuzzer}.cc PROPERTIES
      COMPILE_DEFINITIONS LLVMFuzzerTestOneInput=${fuzzer})
    list(APPEND table "X(${fuzzer})")
  endforeach()
  foreach(source ${sources})
    get_filename_component(folder ${source} DIRECTORY)
    # As in the ordinary build.
    if(NOT folder MATCHES "^(comm|job|job/file|model|model/formats|text|tests/fuzz)$")
      string(MAKE_C_IDENTIFIER ${folder} folder)
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${folder})
    endif()
  endforeach()
  add_executable(${name} ${sources})
  list(JOIN table " " table)
  target_compile_definitions(${name} PRIVATE "AHA_FUZZERS=${table}"
    AHA_SOURCE_DIR="${PROJECT_SOURCE_DIR}" AHA_BIN_DIR="${PROJECT_BINARY_DIR}/bin")
  # -O0 halves the time to compile.
  target_compile_options(${name} PRIVATE ${AHA_WARNINGS}
    ${AHA_FLAGS_${ARG_SANITIZER}} -O0 -g1 -UNDEBUG -D_GLIBCXX_ASSERTIONS
    -fno-omit-frame-pointer)
  target_precompile_headers(${name} PRIVATE
    <algorithm> <filesystem> <functional> <map> <memory> <optional> <string>
    <thread> <vector> <absl/container/flat_hash_map.h>
    <absl/status/statusor.h> <absl/strings/str_cat.h> <absl/time/time.h>
    <gmock/gmock.h> <google/protobuf/map.h> <google/protobuf/message.h>
    <gtest/gtest.h> <nlohmann/json.hpp>)
  target_link_options(${name} PRIVATE ${AHA_FLAGS_${ARG_SANITIZER}}
                      -Wl,-z,muldefs)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock_main)
  # clang-tidy checks each file only once.
  set_target_properties(${name} PROPERTIES EXPORT_COMPILE_COMMANDS OFF
    UNITY_BUILD_MODE GROUP
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  math(EXPR last "${ARG_SHARDS} - 1")
  foreach(shard RANGE ${last})
    add_test(NAME ${name}.shard${shard} COMMAND ${name} --gtest_brief=1)
    set_tests_properties(${name}.shard${shard} PROPERTIES
      LABELS ${ARG_SANITIZER} TIMEOUT 300
      ENVIRONMENT "${AHA_ENVIRONMENT_${ARG_SANITIZER}};GTEST_TOTAL_SHARDS=${ARG_SHARDS};GTEST_SHARD_INDEX=${shard}")
  endforeach()
endfunction()
